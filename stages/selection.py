"""Which subcomponents does this edit act on? ``python -m stages.selection EDIT``.

Reads ``data/harvest/subcomponents.parquet``, the labels with people's ``data/label/overrides.yaml`` over them, what
each subcomponent was measured to do (``data/effects/effects.parquet``) and, where the edit's query asks for them, the
labels' scores (``data/score/scores.parquet``); where the edit ranks by effect or spill also the target's checkpoint,
the components, the importance net and the select blocks. Writes ``data/selection/<edit>/selection.json``: the chosen
ones, the runners-up and the near misses, each with its score and reason, and with what inverting it costs each domain;
and ``chosen/``, the names and labels that an edit is made of.
"""

from prefactor.config.edits import EditConfig
from prefactor.config.selection import SelectionConfig
from prefactor.corpus.blocks import Blocks, read_blocks
from prefactor.files.artifacts import verify
from prefactor.files.cost import ledger
from prefactor.machine.runtime import setup
from prefactor.model.target import read_target
from prefactor.printable import visible
from prefactor.selection.choice import write_selection
from prefactor.selection.choose import query_of, select
from prefactor.selection.spill import CandidateMeasure
from prefactor.selection.table import read_subcomponents
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet
from prefactor.vpd.store import read_components, read_net
from stages.common import DATA, run, section


def main(name: str) -> None:
    edit, config = section(f"edits.{name}", EditConfig), section("selection", SelectionConfig)
    out = DATA / "selection" / name

    with ledger(out / "cost.json") as cost:
        query = query_of(edit.choose, name)
        table = read_subcomponents(DATA, also={"effects"} | (query.stages if query else frozenset()))
        measure = CandidateMeasure(edit, config, cost, _load)
        selection = select(edit.choose, name, edit.domains, table, config, measure)
        write_selection(out, selection)
    for choice in selection.chosen:
        print(visible(f"selection {name}: {choice.subcomponent} {choice.label!r}: {choice.reason}"))
        if choice.warning:
            print(visible(f"selection {name}: warning: {choice.subcomponent}: {choice.warning}"))


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
