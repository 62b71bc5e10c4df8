"""Which subcomponents does this edit act on? ``python -m stages.selection EDIT``.

Reads ``data/harvest/subcomponents.parquet`` and ``data/label/labels.parquet``; where the edit ranks by effect or spill
also the target's checkpoint, the components, the importance net and the select blocks. Writes
``data/selection/<edit>/selection.json``: the chosen ones and the runners-up, each with its score and reason.
"""

import pyarrow.parquet as pq

from prefactor.artifacts import verify, write_manifest
from prefactor.components import DecomposedModel
from prefactor.config.edits import EditConfig
from prefactor.config.selection import SelectionConfig
from prefactor.corpus.blocks import Blocks, read_blocks
from prefactor.decompose import read_components, read_net
from prefactor.edits.effect import Measured
from prefactor.importance_net import ImportanceNet
from prefactor.ledger import ledger
from prefactor.runtime import setup
from prefactor.selection import FILE, select, write_selection
from prefactor.target import read_target
from stages.common import DATA, run, section

TABLES = ("subcomponent", "module", "index", "alive")


def main(name: str) -> None:
    edit, config = section(f"edits.{name}", EditConfig), section("selection", SelectionConfig)
    out = DATA / "selection" / name
    verify(DATA / "harvest", only=["subcomponents.parquet"])
    verify(DATA / "label", only=["labels.parquet"])

    with ledger(out / "cost.json") as cost:
        harvest = pq.ParquetFile(DATA / "harvest/subcomponents.parquet")
        columns = [c for c in harvest.schema_arrow.names if c in TABLES or c.startswith("importance_")]
        subcomponents = harvest.read(columns).to_pandas()
        labels = pq.read_table(DATA / "label/labels.parquet", columns=["subcomponent", "label"]).to_pandas()
        measure = Measured(edit, config, cost, _load)
        selection = select(edit.choose, name, edit.domains, subcomponents, labels, config, measure)
        write_selection(out, selection)
        write_manifest(out, [FILE])
    for choice in selection.chosen:
        print(f"selection {name}: {choice.subcomponent} {choice.label!r}: {choice.reason}")


def _load() -> tuple[DecomposedModel, ImportanceNet, Blocks]:
    verify(DATA / "target", only=["checkpoint"])
    verify(DATA / "decompose", only=["components.safetensors"])
    verify(DATA / "importance", only=["importance.safetensors"])
    target = read_target(DATA / "target" / "checkpoint", setup())
    model = read_components(DATA / "decompose" / "components.safetensors", target)
    net = read_net(DATA / "importance" / "importance.safetensors", model)
    return model, net, read_blocks(DATA / "corpus", "select")


if __name__ == "__main__":
    run(main)
