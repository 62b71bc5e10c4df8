"""Which subcomponents does this edit act on? ``python -m stages.selection EDIT``.

Reads ``data/harvest/subcomponents.parquet`` and ``data/label/labels.parquet``; where the edit ranks by effect also the
target's checkpoint, the components, and the select blocks of the target and the retained domains. Writes
``data/selection/<edit>/selection.json``: the chosen ones and the runners-up, each with its score and reason.
"""

from collections.abc import Sequence
from functools import partial

import pyarrow.parquet as pq

from prefactor.artifacts import verify, write_manifest
from prefactor.config.edits import Choose, Domains
from prefactor.config.selection import SelectionConfig
from prefactor.corpus.blocks import read_blocks
from prefactor.decompose import read_components
from prefactor.edits.effect import effects_on
from prefactor.ledger import Cost, ledger
from prefactor.runtime import setup
from prefactor.selection import FILE, Effect, select, write_selection
from prefactor.target import read_target
from stages.common import DATA, run, section

TABLES = ("subcomponent", "module", "index", "alive")


def main(name: str) -> None:
    config = section("selection", SelectionConfig)
    choose = section(f"edits.{name}.choose", Choose)  # no more of the edit: its other params choose nothing
    domains = section(f"edits.{name}.domains", Domains)
    out = DATA / "selection" / name
    verify(DATA / "harvest", only=["subcomponents.parquet"])
    verify(DATA / "label", only=["labels.parquet"])

    with ledger(out / "cost.json") as cost:
        harvest = pq.ParquetFile(DATA / "harvest/subcomponents.parquet")
        columns = [c for c in harvest.schema_arrow.names if c in TABLES or c.startswith("importance_")]
        subcomponents = harvest.read(columns).to_pandas()
        labels = pq.read_table(DATA / "label/labels.parquet", columns=["subcomponent", "label"]).to_pandas()
        selection = select(
            choose, name, domains, subcomponents, labels, config, partial(_measured, domains, config, cost)
        )
        write_selection(out, selection)
        write_manifest(out, [FILE])
    for choice in selection.chosen:
        print(f"selection {name}: {choice.subcomponent} {choice.label!r}: {choice.reason}")


def _measured(domains: Domains, config: SelectionConfig, cost: Cost, names: Sequence[str]) -> list[Effect]:
    """The effects of the subcomponents ``names`` on the select split; what that needs is read only here."""
    verify(DATA / "target", only=["checkpoint"])
    verify(DATA / "decompose", only=["components.safetensors"])
    target = read_target(DATA / "target" / "checkpoint", setup())
    model = read_components(DATA / "decompose" / "components.safetensors", target)
    text = read_blocks(DATA / "corpus", "select")
    return effects_on(text, model, names, domains, config.tokens, cost)


if __name__ == "__main__":
    run(main)
