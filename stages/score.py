"""How far can each label be trusted? Tests on windows kept from its author, and what the subcomponent really does.

Reads  label: labels, with people's corrections; harvest: statistics, windows and sampled firings; effects.
Writes scores/, a row an alive subcomponent; metrics.json. A model's answers are kept in ``.runs/llm``.
"""

from collections.abc import Iterator
from typing import Any

import pyarrow.parquet as pq

from prefactor.config.score import DeterministicJudging, ScoreConfig
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import identities, part, verify, write_json, write_part
from prefactor.files.cost import ledger
from prefactor.label.causal import DomainDamage
from prefactor.label.evidence import fires_above, read_held_out
from prefactor.label.judge import DeterministicJudge, Hypothesis
from prefactor.label.llm_judge.judge import LlmJudge, spread
from prefactor.label.score import Subject, score_all
from prefactor.label.silent import Sampled
from prefactor.label.table import read_labels
from prefactor.llm.endpoint import from_environment
from prefactor.rescale.kinds import PREFACTORS
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
        labels = {row["subcomponent"]: row for row in read_labels(DATA).to_dict("records")}
        about = verify(harvest / "subcomponents", only=["subcomponents.parquet"])
        domains, held_out = list(about["tokens"]), read_held_out(DATA)
        columns = ["subcomponent", "alive"]
        rows = pq.read_table(harvest / "subcomponents" / "subcomponents.parquet", columns=columns).to_pylist()
        sampled = Sampled.read(pq.read_table(part(harvest, "sample")), len(labels))
        measured = {row["subcomponent"]: row for row in pq.read_table(part(effects, "effects")).to_pylist()}

        def subjects() -> Iterator[Subject]:
            for column, row in enumerate(rows):
                if not row["alive"]:
                    continue
                name = row["subcomponent"]
                if name not in measured:
                    raise PrefactorError(f"{effects}: it has no row for {name}: rerun the stage (`dvc repro effects`)")
                ablated, inverted = (_measured(measured[name], kind, domains) for kind in PREFACTORS)
                hypothesis = Hypothesis(labels[name]["label"], _domains(labels[name]["domains"]))
                yield Subject(name, column, hypothesis, held_out.of_one(name), ablated, inverted)

        judge = llm or DeterministicJudge(domains)
        judged = (lambda clear: clear) if llm is None else (lambda clear: spread(clear, llm.most))
        table, metrics = score_all(subjects(), sampled, domains, judge, config, fires_above(about), judged)
        if llm is not None:
            bill = llm.asker.bill
            cost.pay(bill.requests, bill.tokens, bill.usd)
    read = [harvest / name for name in ("subcomponents", "held_out", "sample")]
    made_from = identities(*read, DATA / "label" / "labels", effects / "effects")
    write_part(out, "scores", table, made_from=made_from)
    write_json(out / "metrics.json", metrics)
    print(f"score: {metrics['clear']} of {metrics['alive']} labels are clear; {metrics['surprising']} may surprise")


def _measured(row: dict[str, Any], kind: str, domains: list[str]) -> DomainDamage:
    return DomainDamage({d: row[f"{kind}_{d}"] for d in domains}, {d: row[f"{kind}_error_{d}"] for d in domains})


def _domains(value: Any) -> tuple[str, ...] | None:
    return None if value is None else tuple(str(domain) for domain in value)


if __name__ == "__main__":
    run(main)
