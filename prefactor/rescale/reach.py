"""A prefactor without a token to fit on: as far as the goal asks, on held-out text of the target.

Four tokens misjudge a domain by a nat or more, and a prefactor that is fitted on them ends as far off. What one common
prefactor does to some hundred tokens is known to some hundredths, and takes no gradient to find out.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prefactor.rescale.terms import PREFACTOR_STARTS

# Tried away from 1, inverting first, since that is what a language is removed by.
WAYS = (tuple(alpha for alpha in PREFACTOR_STARTS if alpha < 1), (2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0))
HALVINGS = 7  # of the last stride
SURE = 1.65  # standard errors beyond the bar: other text of the domain is then past it nineteen times in twenty
NEARLY = 0.95  # of the most that can be had: what is beyond costs others, and buys little


@dataclass(frozen=True)
class Tried:
    """What one prefactor does."""

    alpha: float
    ce: float  # nats a token of the target
    error: float  # standard error of it, over blocks
    kl: float  # nats a token of the retained domains, base ‖ edited

    @property
    def surely(self) -> float:
        """Nats a token that other text of the target is likely to have."""
        return self.ce - SURE * self.error

    @property
    def finite(self) -> bool:
        return math.isfinite(self.surely) and math.isfinite(self.kl)


def reach(at: Callable[[float], Tried], bar: float, kl: float) -> Tried:
    """The prefactor nearest to 1 at which the target's cross-entropy is surely ``bar``, or the most towards it.

    Inverting is tried first, and amplifying only if that does not reach the bar. Neither goes where the retained text's
    divergence is above ``kl``. Where none reaches, the one is taken that comes nearest, and of one way the smallest
    change that has ``NEARLY`` of what can be had of it.

    Args:
        at: what a prefactor does; each call is a pass over the text.
        bar: nats a token.
        kl: nats a token.
    """
    nothing = at(1.0)
    if nothing.surely >= bar:
        return nothing
    ends: list[Tried] = []
    for way in WAYS:
        ends.append(_along(way, at, nothing, bar, kl))
        if ends[-1].surely >= bar:
            return ends[-1]
    return max(ends, key=lambda end: end.surely)


def _along(way: Sequence[float], at: Callable[[float], Tried], nothing: Tried, bar: float, kl: float) -> Tried:
    within, beyond = [nothing], None  # short of the bar, and tolerated; the first that is not
    for alpha in way:
        tried = at(alpha)
        if not _is_within(tried, bar, kl):
            beyond = tried
            break
        within.append(tried)
    if beyond is None:
        return _least(within)
    for _ in range(HALVINGS):
        tried = at((within[-1].alpha + beyond.alpha) / 2)
        if _is_within(tried, bar, kl):
            within.append(tried)
        else:
            beyond = tried
    return beyond if beyond.finite and beyond.surely >= bar and beyond.kl <= kl else _least(within)


def _is_within(tried: Tried, bar: float, kl: float) -> bool:
    return tried.finite and tried.surely < bar and tried.kl <= kl


def _least(within: Sequence[Tried]) -> Tried:
    """The first, nearest to no change, that raises the target's cross-entropy nearly as far as any of them."""
    base = within[0].ce
    most = max(tried.ce for tried in within) - base
    return next(tried for tried in within if tried.ce - base >= NEARLY * most)
