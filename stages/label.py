"""What is each subcomponent about? A label of at most 8 words, with its evidence and how clear that is.

Reads ``data/harvest/{subcomponents,examples}.parquet`` and its token counts; writes ``data/label/labels.parquet``,
a row a subcomponent, and ``metrics.json``.
"""

import pyarrow.parquet as pq

from prefactor.artifacts import read_json, verify, write_json, write_manifest, write_table
from prefactor.config.label import LabelConfig
from prefactor.errors import PrefactorError
from prefactor.label.deterministic import Deterministic
from prefactor.label.evidence import read_evidence
from prefactor.label.labeller import label_all, summary
from prefactor.ledger import ledger
from stages.common import DATA, run, section


def main() -> None:
    config = section("label", LabelConfig)
    harvest, out = DATA / "harvest", DATA / "label"
    verify(harvest, only=["subcomponents.parquet", "examples.parquet", "metrics.json"])

    with ledger(out / "cost.json"):
        subcomponents = pq.read_table(harvest / "subcomponents.parquet")
        examples = pq.read_table(harvest / "examples.parquet")
        tokens = sum(read_json(harvest / "metrics.json")["tokens"].values())
        labels = label_all(read_evidence(subcomponents, examples, tokens), Deterministic(config.labeller))

        found = summary(labels)
        if found["labelled"] == 0:
            raise PrefactorError(f"{harvest}: no subcomponent is alive, so there is nothing to label: decompose longer")
        write_table(out / "labels.parquet", labels)
        write_json(out / "metrics.json", found)
        write_manifest(out, ["labels.parquet", "metrics.json"])
    print(f"label: {found['labelled']} alive, {found['clear']} with a clear label, {found['dead']} dead")


if __name__ == "__main__":
    run(main)
