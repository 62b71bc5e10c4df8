"""How far can each label be trusted? Tests on windows kept from its author, and what the subcomponent really does.

Reads  label: labels, with people's corrections; harvest: statistics, windows and sampled firings; effects.
Writes scores/, a row an alive subcomponent; metrics.json. A model's answers are kept in ``.runs/llm``.
"""

import pyarrow.parquet as pq

from prefactor.config.score import DeterministicJudging, ScoreConfig
from prefactor.files.artifacts import identities, part, verify, write_json, write_part
from prefactor.files.cost import ledger
from prefactor.label.evidence import fires_above
from prefactor.label.judge import DeterministicJudge
from prefactor.label.llm_judge.judge import LlmJudge, spread
from prefactor.label.score import score_all
from prefactor.label.silent import Sampled
from prefactor.label.subjects import read_subjects
from prefactor.label.table import label_rows
from prefactor.llm.endpoint import from_environment
from stages.common import DATA, RUNS, run, section


def main() -> None:
    config = section("score", ScoreConfig)
    llm = (
        None
        if isinstance(config.judge, DeterministicJudging)
        else LlmJudge(config.judge, from_environment(), RUNS / "llm")
    )
    harvest, effects, out = DATA / "harvest", DATA / "effects", DATA / "score"
    with ledger(out / "cost.json") as cost:
        labels = {row["subcomponent"]: row for row in label_rows(DATA)}
        about = verify(harvest / "subcomponents", only=["subcomponents.parquet"])
        domains = list(about["tokens"])
        sampled = Sampled.read(pq.read_table(part(harvest, "sample")), len(labels))
        subjects = read_subjects(DATA, labels, domains)
        judge = llm or DeterministicJudge(domains)
        judged = (lambda clear: clear) if llm is None else (lambda clear: spread(clear, llm.most))
        table, metrics = score_all(subjects, sampled, domains, judge, config, fires_above(about), judged)
        if llm is not None:
            bill = llm.asker.bill
            cost.pay(bill.requests, bill.tokens, bill.usd)
    read = [harvest / name for name in ("subcomponents", "held_out", "sample")]
    made_from = identities(*read, DATA / "label" / "labels", effects / "effects")
    write_part(out, "scores", table, made_from=made_from)
    write_json(out / "metrics.json", metrics)
    print(f"score: {metrics['clear']} of {metrics['alive']} labels are clear; {metrics['surprising']} may surprise")


if __name__ == "__main__":
    run(main)
