"""Who answers the tests of a label: the interface, and the judge that needs no model."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from prefactor.label.evidence import Window
from prefactor.label.reading import Reading, read_label
from prefactor.label.tokens import CLASSES, quoted
from prefactor.label.trials import Trial
from prefactor.llm.prompt import Failure


@dataclass(frozen=True)
class Hypothesis:
    """A label, as a judge gets it."""

    label: str
    domains: tuple[str, ...] | None  # that its author says it is about


Answers = list[list[bool] | Failure | None]  # for each window of each trial; None: the judge can make nothing of it


class Judge(Protocol):
    name: str
    free: bool  # whether it may be asked what is only for comparison

    def detect(self, asked: Sequence[tuple[Hypothesis, Trial]]) -> Answers:
        """In which windows does the label say that the subcomponent fires?"""
        ...

    def fuzz(self, asked: Sequence[tuple[Hypothesis, Trial]]) -> Answers:
        """In which windows is the marked token one on which it fires, by the label?"""
        ...

    def intrude(self, asked: Sequence[Trial]) -> Answers:
        """Which window is unlike the others? Exactly one is named."""
        ...


class DeterministicJudge:
    """Reads a label's words as claims (``reading.py``) and looks whether they hold; compares windows by what is marked.

    It takes a window's domain from its tag, where a reader would know the language.
    """

    name = "deterministic-v1"
    free = True

    def __init__(self, domains: Collection[str]) -> None:
        self._known = domains

    def detect(self, asked: Sequence[tuple[Hypothesis, Trial]]) -> Answers:
        return [self._apply(hypothesis, trial, _anywhere) for hypothesis, trial in asked]

    def fuzz(self, asked: Sequence[tuple[Hypothesis, Trial]]) -> Answers:
        return [self._apply(hypothesis, trial, _at_the_mark) for hypothesis, trial in asked]

    def intrude(self, asked: Sequence[Trial]) -> Answers:
        return [_least_alike(trial.windows) for trial in asked]

    def _apply(
        self, hypothesis: Hypothesis, trial: Trial, holds: Callable[[Reading, Window], bool]
    ) -> list[bool] | None:
        reading = read_label(hypothesis.label, self._known, hypothesis.domains)
        return None if reading.says_nothing else [holds(reading, window) for window in trial.windows]


def _anywhere(reading: Reading, window: Window) -> bool:
    return any(reading.holds(window.domain, window.tokens, place) for place in range(len(window.tokens)))


def _at_the_mark(reading: Reading, window: Window) -> bool:
    return reading.holds(window.domain, window.tokens, window.position)


def _least_alike(windows: Sequence[Window]) -> list[bool]:
    """The first of those whose features the fewest others share."""
    features = [_features(window) for window in windows]
    shared = Counter(feature for own in features for feature in own)
    alike = [sum(shared[feature] - 1 for feature in own) for own in features]
    return [place == alike.index(min(alike)) for place in range(len(windows))]


def _features(window: Window) -> set[tuple[str, str]]:
    token = window.tokens[window.position]
    after = window.tokens[window.position + 1] if window.position + 1 < len(window.tokens) else ""
    features = {("domain", window.domain), ("token", quoted(token)), ("next", quoted(after))}
    return features | {("class", name) for name, holds in CLASSES.items() if holds(token)}
