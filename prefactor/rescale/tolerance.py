"""Prefactors without a single target token: as far as text that has nothing to do with the subcomponents tolerates."""

from collections.abc import Sequence

import numpy as np

from prefactor.errors import PrefactorError
from prefactor.model.prefix import prefix_of
from prefactor.model.reference import hold_out
from prefactor.rescale.footprint import Uses, divergence, importance_of, mean_over, near
from prefactor.rescale.terms import Prefactors
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet

FURTHEST = 64.0  # |1 - α| beyond which no one goes
BISECTIONS = 10  # α to 1/1000 of its distance from 1


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

    low, high = 0.0, 1.0
    while high < FURTHEST and spill(high) <= kl:
        low, high = high, 2 * high
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if spill(middle) <= kl else (low, middle)
    about = {"tolerance_kl": kl, "far": far.float().mean().item(), "far_tokens": int(far.sum())}
    return 1 - low, about
