"""What did each edit change, at what cost? One page for people, one JSON for machines.

Reads tables and JSON of every stage, never a model. Writes ``data/report/``: ``index.html``,
``summary.json``; for DVC ``metrics.json``, ``edits/`` (metrics of each) and three tables to plot.
"""

import shutil

from prefactor.config.edits import AnyEdit, BaselineConfig, EditConfig
from prefactor.config.report import ReportConfig
from prefactor.config.shortlists import ShortlistConfig
from prefactor.files.artifacts import atomic, identities, write_json, write_manifest
from prefactor.files.cost import ledger
from prefactor.report.for_dvc import damage_csv, edit_metrics, quality_csv, run_metrics
from prefactor.report.frontier import as_csv, frontier, headline_point
from prefactor.report.inputs import load
from prefactor.report.page import render
from prefactor.report.summary import summarise
from stages.common import DATA, run, section

EDITS = "edits"
OUTPUTS = ["index.html", "summary.json", "metrics.json", EDITS, "frontier.csv", "damage.csv", "quality.csv"]


def main() -> None:
    config: ReportConfig = section("report", ReportConfig)
    edits: dict[str, AnyEdit] = section("edits", dict[str, EditConfig]) | section(
        "baselines", dict[str, BaselineConfig]
    )
    shortlists = section("shortlists", dict[str, ShortlistConfig])
    config.check(edits)
    folder = DATA / "report"
    with ledger(folder / "cost.json"):
        inputs = load(DATA, edits, list(shortlists), config.edit)
        summary = summarise(inputs, config, frontier=(folder / "frontier.csv").as_posix())
        reported = {name: headline_point(result, inputs.target) for name, result in inputs.edits.items()}
        texts = {
            "index.html": render(inputs, config),
            "summary.json": summary.model_dump_json(indent=1) + "\n",  # edits and stages in their order, not sorted
            "frontier.csv": as_csv(frontier(inputs)),
            "damage.csv": damage_csv(reported, inputs.edits),
            "quality.csv": quality_csv(inputs.quality),
        }
        for name, text in texts.items():
            with atomic(folder / name) as temporary:
                temporary.write_text(text, encoding="utf-8")
        write_json(folder / "metrics.json", run_metrics(summary))
        shutil.rmtree(folder / EDITS, ignore_errors=True)  # of edits that are no more
        for name, point in reported.items():
            write_json(folder / EDITS / f"{name}.json", edit_metrics(point))
    tables = [DATA / "evaluate" / name / "table" for name in edits]
    made_from = identities(*tables, DATA / "label" / "labels", DATA / "score" / "scores")
    write_manifest(folder, OUTPUTS, made_from=made_from)


if __name__ == "__main__":
    run(main)
