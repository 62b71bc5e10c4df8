"""Prefactors without a single target token: as far as text that has nothing to do with the subcomponents tolerates."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from prefactor.errors import PrefactorError
from prefactor.model.prefix import prefix_of
from prefactor.model.reference import hold_out
from prefactor.rescale.footprint import Uses, divergence, importance_of, mean_over, near
from prefactor.rescale.terms import Prefactors
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet

FURTHEST = 64.0  # |1 - α| beyond which no one goes
CLOSE = 0.02  # of the tolerated divergence may be left
STRIDE = math.log(4.0)  # of a distance at most, while nothing is known on the other side
TRIES = 30

Try = tuple[float, float]  # a distance, and the divergence there


def tolerated(
    method: Prefactors, subcomponents: Sequence[str], model: DecomposedModel, net: ImportanceNet, text: np.ndarray,
    kl: float, uses: Uses,
) -> tuple[float, dict[str, float]]:  # fmt: skip
    """The common prefactor α below 1 at which the divergence far from where the subcomponents are needed is ``kl``.

    Args:
        text: (n, position) untagged blocks.
        kl: nats a token, a mean over the far ones.
        uses: where a subcomponent is needed, and what is far from that.

    Returns:
        α, and ``kl``, ``far`` (the share of tokens that are far) and ``far_tokens`` for the record.

    Raises:
        PrefactorError: a subcomponent is needed so widely that no token is far from all its uses.
    """
    base = hold_out(model.target, text)
    prefix = prefix_of(model.target, method.modules, base.tokens[:1])
    held = base.after(prefix)
    far = ~near(importance_of(model, net, text, subcomponents), uses)

    def spill(distance: float) -> float:
        spilled = mean_over(divergence(model.target, method.common(1 - distance), held, prefix), far)
        if spilled is None:
            raise PrefactorError(
                f"{', '.join(subcomponents)}: needed within {uses.either_side} tokens of every token of "
                "edit.guard_tokens, so nothing says how "
                "large a prefactor may be: fit it (alpha: {by: fit}), or choose a rarer one"
            )
        return spilled

    about = {"tolerance_kl": kl, "far": far.float().mean().item(), "far_tokens": int(far.sum())}
    return 1 - furthest(spill, kl), about


def furthest(spill: Callable[[float], float], kl: float) -> float:
    """The distance, at most ``FURTHEST``, at which ``spill`` is ``kl`` or up to ``CLOSE`` short of it.

    Every call of ``spill`` is a pass over a text, so few are made: a divergence grows with about the square of a small
    distance, a straight line in logarithms, along which this goes from one try to the next.
    """
    tries: list[Try] = []
    distance = 1.0
    while len(tries) < TRIES:
        tries.append((distance, max(spill(distance), 1e-9 * kl)))
        if (1 - CLOSE) * kl <= tries[-1][1] <= kl or (distance == FURTHEST and tries[-1][1] <= kl):
            return distance
        distance = _next(tries, kl)
    return max((distance for distance, found in tries if found <= kl), default=0.0)


def _next(tries: Sequence[Try], kl: float) -> float:
    """Where the line through the last two tries, or through those next to ``kl`` on either side, comes to ``kl``."""
    aim = math.log((1 - CLOSE / 2) * kl)
    logs = [(math.log(distance), math.log(found)) for distance, found in tries]
    below = [one for one, (_, found) in zip(logs, tries, strict=True) if found <= kl]
    above = [one for one, (_, found) in zip(logs, tries, strict=True) if found > kl]
    if below and above:
        (low, small), (high, large) = max(below), min(above)
        # Where the line bends, one end can stay for ever: now and then the bracket is halved.
        share = 0.5 if len(tries) % 3 == 0 else (aim - small) / (large - small)
        return math.exp(low + min(max(share, 0.02), 0.98) * (high - low))
    at, found = logs[-1]
    slope = 2.0
    if len(logs) > 1:
        before, was = logs[-2]
        slope = min(max((found - was) / (at - before), 0.5), 4.0)
    stride = min(max((aim - found) / slope, -STRIDE), STRIDE)
    return FURTHEST if at + stride > math.log(FURTHEST) - 1e-6 else math.exp(at + stride)
