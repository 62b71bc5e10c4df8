"""What only a model can say of candidates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Effect:
    """What one prefactor of one subcomponent does to held-out text; nats a token."""

    prefactor: float  # the one that brings the target domain to chance, or nearest to it
    short: float  # of chance; 0 where it is reached
    damage: float | None  # mean over the retained domains at that prefactor; None where chance is not reached
    spill: float | None = None  # KL on the worst of the untagged text that is unlike the target; None if unknown

    def price(self, rank: str) -> float:
        """What it is ranked by: the spill, or the damage."""
        return (self.spill if rank == "spill" else self.damage) or 0.0


class Measure(Protocol):
    def effects(self, names: Sequence[str]) -> Sequence[Effect]:
        """The effect of each of ``module:index``."""
        ...

    def directions(self, module: str) -> int:
        """How many singular directions a matrix has."""
        ...
