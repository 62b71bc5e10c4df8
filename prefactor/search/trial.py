"""What is tried, and what it did."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, Self

Weigh = Literal["importance", "context"]

MOST = 8  # subcomponents of an edit
DIGITS = 4  # behind the point of a prefactor


@dataclass(frozen=True)
class Proposal:
    """Which subcomponents move, in which proportions, and how they are guarded; how far is found by forward passes.

    A subcomponent's prefactor is ``1 - s · proportion`` with one ``s > 0`` for all, so that 1 inverts and -1 amplifies.
    """

    subcomponents: tuple[str, ...]  # module:index, in the order of their names
    proportions: tuple[float, ...]  # the largest is 1 or -1
    guard: Weigh | None
    ridge: float | None  # of the guard
    aim: float = 1.0  # share of the way from the base model to the goal

    @classmethod
    def of(
        cls, proportions: Iterable[tuple[str, float]], guard: Weigh | None, ridge: float | None, aim: float = 1.0
    ) -> Self:
        """From names and proportions of any size: equal proposals come out equal.

        Raises:
            ValueError: nothing moves.
        """
        pairs = sorted(proportions)
        most = max((abs(value) for _, value in pairs), default=0.0)
        if not most > 0:
            raise ValueError("a proposal of no change")
        scaled = [(name, round(value / most, 3)) for name, value in pairs]
        kept = [(name, value) for name, value in scaled if value]
        names, values = zip(*kept, strict=True)
        return cls(names, values, guard, None if guard is None else ridge, aim)

    @property
    def key(self) -> str:
        """The same for the same proposal, on any machine."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:24]

    def prefactors(self, size: float) -> tuple[float, ...]:
        """One a subcomponent, where the largest is moved by ``size``; rounded, so that what is kept is exact."""
        return tuple(round(1 - size * value, DIGITS) for value in self.proportions)

    def partway(self, aim: float) -> "Proposal":
        return Proposal(self.subcomponents, self.proportions, self.guard, self.ridge, aim)


@dataclass(frozen=True)
class Trial:
    """A proposal that was measured on the select split; nats a token."""

    number: int
    subcomponents: tuple[str, ...]
    labels: tuple[str, ...]
    prefactors: tuple[float, ...]
    guarded: Weigh | None  # by what the guard weighs text, if there is one
    ridge: float | None
    gap: float  # that the target surely has short of its goal (1.65 standard errors): never below 0
    worst: float  # the largest damage to another domain's own text
    worst_domain: str
    damage: dict[str, float]  # by domain, to its own text; of the target, too
    seconds: float
    source: str = "search"  # what proposed it
    key: str = ""  # the same for the same proposal

    def dominates(self, other: "Trial") -> bool:
        """At least as good by both numbers, and better by one."""
        mine, theirs = (self.gap, self.worst), (other.gap, other.worst)
        return mine != theirs and mine[0] <= theirs[0] and mine[1] <= theirs[1]


def front_of(trials: Sequence[Trial]) -> list[Trial]:
    """Those that none dominates, the smallest gap first; of equals the one tried first."""
    front: list[Trial] = []
    for trial in sorted(trials, key=lambda trial: (trial.gap, trial.worst, trial.number)):
        if not front or trial.worst < front[-1].worst:
            front.append(trial)
    return front
