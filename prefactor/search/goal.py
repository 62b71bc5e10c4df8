"""How far to go: the size of a change at which the target surely is at its goal, by a few forward passes."""

import math
from collections.abc import Callable
from dataclasses import dataclass

FIRST, STRIDE, FURTHEST = 2.0, 1.6, 64.0  # sizes |1 - α| tried away from no change
CLOSE = 0.03  # nats beyond the goal that may be left: what is beyond earns nothing, and costs others
NARROWINGS = 6
PEAK = 0.3  # nats by which the target comes back, before no one goes further


@dataclass(frozen=True)
class Found:
    size: float
    short: float  # nats that the target then surely has less than wanted; below 0 beyond


def size_for(short: Callable[[float], float], first: float = FIRST) -> Found:
    """The smallest size found at which ``short`` is from ``-CLOSE`` to 0, or the one that comes nearest to that.

    Args:
        short: nats short of the goal at a size above 0; each call is a pass over the target's text.
        first: the size to begin with.
    """
    low, high = Found(0.0, math.inf), None
    best, size = low, first
    while high is None and size <= FURTHEST:
        here = Found(size, short(size))
        if here.short <= 0:
            high = here
        elif not math.isfinite(here.short) or here.short > best.short + PEAK:
            break
        else:
            low, size = here, size * STRIDE
            best = min(best, here, key=lambda found: found.short)
    if high is None:
        return best
    for turn in range(NARROWINGS):
        if high.short >= -CLOSE:
            break
        here = _between(low, high, turn, short)
        low, high = (here, high) if here.short > 0 else (low, here)
    return high


def _between(low: Found, high: Found, turn: int, short: Callable[[float], float]) -> Found:
    """Where the straight line between both comes to the goal; now and then halfway, since the line may bend."""
    share = 0.5
    if math.isfinite(low.short) and turn % 3 < 2:
        share = min(max((low.short + CLOSE / 2) / (low.short - high.short), 0.05), 0.95)
    size = low.size + share * (high.size - low.size)
    return Found(size, short(size))
