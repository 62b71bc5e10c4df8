"""A model's labels beside the deterministic labeller's: ``python -m benchmarks.labellers [--into FOLDER]``

On the subcomponents of ``label.only`` in the folder's ``params.yaml``, whose labeller is of kind llm, and on the
harvest and effects that are there. One judge for both, the deterministic one, on the same windows. Answers are kept in
``.runs/llm``, as the label stage keeps them. Writes ``labellers.md``.
"""

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.common import KEPT, markdown, write_lines
from prefactor.config.label import DeterministicLabeller, LabelConfig
from prefactor.config.score import ScoreConfig
from prefactor.files.artifacts import part, verify
from prefactor.label.deterministic import Deterministic
from prefactor.label.evidence import fires_above, read_harvest
from prefactor.label.judge import DeterministicJudge
from prefactor.label.labeller import is_clear, label_all, repeated
from prefactor.label.llm_labeller.labeller import LlmLabeller
from prefactor.label.only import part_of
from prefactor.label.score import score_all
from prefactor.label.silent import Sampled
from prefactor.label.subjects import read_subjects
from prefactor.llm.endpoint import from_environment
from stages.common import DATA, RUNS, section

TESTS = ("detection", "fuzzing", "agreement")
SHOWN = 12  # labels


def judged(rows: dict[str, dict[str, Any]], config: ScoreConfig) -> dict[str, Any]:
    """What the tests say of these labels, by name, alone."""
    about = verify(DATA / "harvest" / "subcomponents", only=["subcomponents.parquet"])
    domains = list(about["tokens"])
    everything = pq.read_metadata(DATA / "harvest" / "subcomponents" / "subcomponents.parquet").num_rows
    sampled = Sampled.read(pq.read_table(part(DATA / "harvest", "sample")), everything)
    subjects = read_subjects(DATA, rows, domains, among=rows)
    return score_all(subjects, sampled, domains, DeterministicJudge(domains), config, fires_above(about))[1]


def row(name: str, rows: dict[str, dict[str, Any]], same: int, metrics: dict[str, Any]) -> dict[str, str]:
    labels = [row["label"] for row in rows.values()]
    clear = [label for label in labels if is_clear(label)]
    told = {"labeller": name, "clear": str(len(clear)), "unclear": str(len(labels) - len(clear) - labels.count(""))}
    told |= {"failed": str(labels.count("")), "different": str(len(set(clear))), "repeated": str(same)}
    for test in TESTS:
        one = metrics[test]
        shuffled = "–" if one["shuffled"] is None else f"{one['shuffled']:.2f}"
        told[test] = f"{one['mean']:.2f} ({one['n']}; shuffled {shuffled})" if one["n"] else "–"
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, default=KEPT)
    args = parser.parse_args()
    config, scoring = section("label", LabelConfig), section("score", ScoreConfig)
    chosen = part_of(config, DATA)
    if chosen is None or isinstance(config.labeller, DeterministicLabeller):
        sys.exit("this benchmark needs label.only and a labeller of kind llm in params.yaml")
    model = LlmLabeller(config.labeller, from_environment(), RUNS / "llm")
    table, listed = [], {}
    begun = time.perf_counter()
    for labeller in (model, Deterministic(config.rest)):
        evidence = (record for record in read_harvest(DATA) if record.subcomponent in chosen.names)
        labels = label_all(evidence, labeller)
        listed[labeller.name] = {row["subcomponent"]: row | {"label": row["label"] or ""} for row in labels.to_pylist()}
        seconds = time.perf_counter() - begun if labeller is model else 0
        metrics = judged(listed[labeller.name], scoring)
        table.append(row(labeller.name, listed[labeller.name], repeated(labels, labeller.name), metrics))
        print(labeller.name, f"{seconds:.0f} s", file=sys.stderr)
    ours, theirs = listed.values()
    pairs = Counter((ours[name]["label"] or "(failed)", theirs[name]["label"]) for name in ours)
    bill = model.asker.bill
    lines = [
        "# A model's labels beside the deterministic labeller's",
        "",
        f"`python -m benchmarks.labellers`, {os.cpu_count()} CPU cores. {len(chosen.names)} subcomponents: "
        f"`label.only: {config.only}`. The model took {bill.requests} requests and {bill.tokens:,} tokens.",
        "",
        *markdown(table),
        "",
        "A test's mean over the labels that it could be asked about, how many these are, and what the labels of others "
        "score. Chance is 0.5. Repeated: labels that more than a quarter of the clear ones are the same as.",
        "",
        *markdown(
            [
                {"model's": model_said, "deterministic": said, "subcomponents": str(count)}
                for (model_said, said), count in pairs.most_common(SHOWN)
            ]
        ),
        "",
    ]
    write_lines(args.into, "labellers.md", lines)
    print(*lines, sep="\n")


if __name__ == "__main__":
    main()
