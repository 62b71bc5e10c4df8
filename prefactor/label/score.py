"""How far each label can be trusted: its tests and its causal agreement, and what these come to over all labels."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean
from typing import Any

import numpy as np
import pyarrow as pa

from prefactor.config.score import ScoreConfig
from prefactor.errors import PrefactorError
from prefactor.evaluate.intervals import bootstrap
from prefactor.label.causal import DomainDamage, Prediction, agreement, predict, surprise
from prefactor.label.evidence import Window
from prefactor.label.judge import Hypothesis, Judge
from prefactor.label.labeller import is_clear
from prefactor.label.reading import read_label
from prefactor.label.silent import Sampled
from prefactor.label.trials import INTRUDER_OF, Trial, Trials, make_trials
from prefactor.llm.prompt import Failure
from prefactor.query.fields import TESTS

CHANCE = dict(zip(TESTS, (0.5, 0.5, 1 / INTRUDER_OF, 0.5), strict=True))
SCORES = pa.schema(
    [
        ("subcomponent", pa.string()),
        ("detection", pa.float64()),
        ("fuzzing", pa.float64()),
        ("intruder", pa.float64()),
        ("agreement", pa.float64()),
        ("predicted", pa.list_(pa.string())),
        ("rising", pa.list_(pa.string())),
        ("surprising", pa.list_(pa.string())),
        ("surprise", pa.float64()),
        ("judge", pa.string()),
    ]
)


@dataclass(frozen=True)
class Subject:
    """One alive subcomponent: its label, the windows kept from the labeller, what ablating and inverting it do."""

    subcomponent: str
    column: int  # of the sampled firings
    hypothesis: Hypothesis
    held_out: Sequence[Window]
    ablated: DomainDamage
    inverted: DomainDamage


def score_all(
    subjects: Iterable[Subject], sampled: Sampled, domains: Sequence[str], judge: Judge, config: ScoreConfig,
    fires: float, judged: Callable[[Sequence[int]], Sequence[int]] = lambda clear: clear,
) -> tuple[pa.Table, dict[str, Any]]:  # fmt: skip
    """A row a subject, and the metrics.

    Args:
        domains: all of the corpus.
        fires: the importance above which a subcomponent fires.
        judged: of the numbers of the subjects with a clear label those that ``judge`` is asked about.

    Raises:
        PrefactorError: the judge failed too often, or there is nothing to score.
    """
    subjects = list(subjects)
    clear = [number for number, subject in enumerate(subjects) if is_clear(subject.hypothesis.label)]
    if not clear:
        raise PrefactorError("no label makes a claim: lower label.labeller.clear, or decompose longer")
    asked = list(judged(clear))
    trials = {number: _trials(subjects[number], sampled, config, fires) for number in asked}

    @cache  # many labels are the same
    def predicted(hypothesis: Hypothesis) -> Prediction:
        return predict(read_label(hypothesis.label, domains, hypothesis.domains), sampled)

    rows = [_causal(subject, predicted(subject.hypothesis)) for subject in subjects]
    tests = _tests(judge, subjects, trials)
    for name, scores in tests.items():
        for number, score in scores.items():
            rows[number][name] = score
    for number in asked:
        rows[number]["judge"] = judge.name
    rng = np.random.default_rng(config.seed)
    shuffled = _shuffled(judge, subjects, trials, predicted, clear, rng)
    metrics = {"alive": len(subjects), "clear": len(clear), "judged": len(asked), "judge": judge.name}
    for name, chance in CHANCE.items():
        values = [row[name] for row in rows if row.get(name) is not None]
        metrics[name] = {"n": len(values), "chance": chance, "shuffled": shuffled.get(name)}
        metrics[name] |= bootstrap(values, config.seed) if values else {}
    surprising = [row for row in rows if row["surprise"] > 0]
    metrics["disagree"] = sum(row["agreement"] is not None and row["agreement"] < 1 for row in rows)
    metrics["surprising"] = len(surprising)
    return pa.Table.from_pylist(rows, schema=SCORES), metrics


def _trials(subject: Subject, sampled: Sampled, config: ScoreConfig, fires: float) -> Trials:
    rng = np.random.default_rng([config.seed, subject.column])
    return make_trials(subject.held_out, subject.column, sampled, config.windows, config.trials, fires, rng)


def _causal(subject: Subject, prediction: Prediction) -> dict[str, Any]:
    against, nats = surprise(prediction, subject.inverted)
    return {
        "subcomponent": subject.subcomponent,
        "agreement": agreement(prediction, (subject.ablated, subject.inverted)),
        "predicted": sorted(prediction.rise) if prediction.tells_apart else None,
        "rising": sorted(subject.inverted.rising) or None,
        "surprising": against,
        "surprise": nats,
    }


def _tests(judge: Judge, subjects: Sequence[Subject], trials: Mapping[int, Trials]) -> dict[str, dict[int, float]]:
    """By test and by number of the subject the score, where there is one."""
    scores = _of_labels(judge, {number: subjects[number].hypothesis for number in trials}, trials)
    pairs = [(number, trial) for number, tests in trials.items() for trial in tests.intruder]
    hits: dict[int, list[bool]] = {}
    for (number, trial), answer in zip(pairs, judge.intrude([trial for _, trial in pairs]), strict=True):
        if answer is not None and not isinstance(answer, Failure):
            hits.setdefault(number, []).append(tuple(answer) == trial.right)
    scores["intruder"] = {number: fmean(own) for number, own in hits.items()}
    return scores


def _of_labels(
    judge: Judge, hypotheses: Mapping[int, Hypothesis], trials: Mapping[int, Trials]
) -> dict[str, dict[int, float]]:
    """Detection and fuzzing of each number's hypothesis on its trials, where there is an answer."""
    scores: dict[str, dict[int, float]] = {}
    for name, ask in (("detection", judge.detect), ("fuzzing", judge.fuzz)):
        pairs: list[tuple[int, Trial]] = [
            (n, getattr(tests, name)) for n, tests in trials.items() if getattr(tests, name)
        ]
        answers = ask([(hypotheses[number], trial) for number, trial in pairs])
        scores[name] = {
            number: trial.accuracy(answer)
            for (number, trial), answer in zip(pairs, answers, strict=True)
            if answer is not None and not isinstance(answer, Failure)
        }
    return scores


def _another(number: int, subjects: Sequence[Subject], clear: Sequence[int], rng: np.random.Generator) -> int:
    """A subject at random whose label is another; its own where all are the same."""
    for other in rng.permutation(len(clear)):
        if subjects[clear[other]].hypothesis != subjects[number].hypothesis:
            return clear[other]
    return number


def _shuffled(
    judge: Judge, subjects: Sequence[Subject], trials: Mapping[int, Trials],
    predicted: Callable[[Hypothesis], Prediction], clear: Sequence[int], rng: np.random.Generator,
) -> dict[str, float]:  # fmt: skip
    """What the labels of others score: what a test gives for free. Only of a judge that costs nothing."""
    other = {number: subjects[_another(number, subjects, clear, rng)].hypothesis for number in clear}
    agreed = [agreement(predicted(other[n]), (subjects[n].ablated, subjects[n].inverted)) for n in clear]
    means = {"agreement": [score for score in agreed if score is not None]}
    if judge.free:
        means |= {name: list(scores.values()) for name, scores in _of_labels(judge, other, trials).items()}
    return {name: fmean(values) for name, values in means.items() if values}
