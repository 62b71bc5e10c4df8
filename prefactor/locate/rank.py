"""Which matrices to decompose: screened by the closed form's own forecast, ranked by what their changes do."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from prefactor.config.locate import LocateConfig
from prefactor.files.cost import Cost
from prefactor.locate.damages import Damages
from prefactor.locate.direction import Direction
from prefactor.machine.progress import track

HALVINGS = 4  # of an amount that is already past chance, or past what is tolerated


@dataclass(frozen=True)
class Reach:
    """How far a matrix removes the target before others pay: all in nats a token, at one amount."""

    score: float  # damage to the target
    spill: float  # damage to the other domain that suffers most
    amount: float


@dataclass(frozen=True)
class Verified:
    damages: Mapping[float, Mapping[str, float]]  # by amount and domain
    reach: Reach

    @property
    def order(self) -> tuple[float, float]:
        """Small is good. Where several reach chance, the least spill there counts."""
        return -self.reach.score, self.reach.spill


@dataclass(frozen=True)
class Located:
    """Every matrix that has a direction, best first: the verified by their reach, behind them the rest as screened."""

    directions: tuple[Direction, ...]
    verified: Mapping[str, Verified]

    @property
    def best(self) -> list[str]:
        """The verified matrices, best first."""
        return [direction.module for direction in self.directions if direction.module in self.verified]


def locate(
    target: Any, directions: Mapping[str, Direction], texts: Mapping[str, np.ndarray], removed: str, chance: float,
    config: LocateConfig, cost: Cost,
) -> Located:  # fmt: skip
    """Verify the ``config.verify`` directions that screen best, by forward passes over ``texts``.

    Args:
        directions: in the target's order, so that the layers before one are run once.
        texts: (n, position) by domain, other ones than the directions were made from; ``removed`` is the target.
        chance: nats, ``ln |vocabulary|``.
    """
    screened = sorted(directions.values(), key=lambda direction: -direction.screen)
    chosen = {direction.module for direction in screened[: config.verify]}
    damages, verified = Damages(target, texts, cost), {}
    to_chance = max(0.0, chance - damages.base[removed])

    def past(own: Mapping[str, float]) -> bool:
        """Whether a larger amount tells nothing more: at chance, beyond what is tolerated, or not finite."""
        return not (own[removed] < to_chance and _worst(own, removed) <= config.tolerated)

    rows = [direction for direction in directions.values() if direction.module in chosen]
    for direction in track(rows, len(rows), "verify"):
        found: dict[float, dict[str, float]] = {}
        for amount in _amounts(config.amounts, past, found):
            found[amount] = damages.of(direction.change(amount))
        found = dict(sorted(found.items()))
        curve = [(amount, own[removed], _worst(own, removed)) for amount, own in found.items()]
        verified[direction.module] = Verified(found, reach_of(curve, to_chance, config.tolerated))
    first = sorted((d for d in rows), key=lambda direction: verified[direction.module].order)
    return Located((*first, *(d for d in screened if d.module not in chosen)), verified)


def _amounts(
    rising: Sequence[float], past: Callable[[Mapping[str, float]], bool], found: Mapping[float, Mapping[str, float]]
) -> Iterator[float]:
    """The ``rising`` amounts up to the first that is past what counts; where that is the first, down from it by halves.

    ``found`` has the damages of those that were asked for.
    """
    for amount in rising:
        yield amount
        if past(found[amount]):
            break
    smaller = rising[0]
    for _ in range(HALVINGS):
        if not past(found[smaller]):
            break
        smaller /= 2
        yield smaller


def reach_of(curve: Sequence[tuple[float, float, float]], to_chance: float, tolerated: float) -> Reach:
    """The furthest that a change goes before it harms others by ``tolerated``, or has the target at chance.

    Args:
        curve: amount, damage to the target, damage to the other domain that suffers most, by rising amounts; between
            them, and from no change on, it is taken to be straight. It ends before the first that is not finite.
        to_chance: nats that the target has to lose.
    """
    best = Reach(0.0, 0.0, 0.0)
    for (a0, own0, worst0), (a1, own1, worst1) in pairwise([(0.0, 0.0, 0.0), *curve]):
        if not (math.isfinite(own1) and math.isfinite(worst1)):
            break
        share, whole = 1.0, False
        if worst1 > tolerated:
            share = (tolerated - worst0) / (worst1 - worst0)
        if own1 >= to_chance and (nearer := (to_chance - own0) / (own1 - own0)) <= share:
            share, whole = nearer, True
        own = to_chance if whole else own0 + share * (own1 - own0)
        if own > best.score:
            best = Reach(own, worst0 + share * (worst1 - worst0), a0 + share * (a1 - a0))
        if share < 1 or whole:
            break
    return best


def _worst(damages: Mapping[str, float], removed: str) -> float:
    others = [damage for domain, damage in damages.items() if domain != removed]
    return math.nan if any(map(math.isnan, others)) else max(others)
