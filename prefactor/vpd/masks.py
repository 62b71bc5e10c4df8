"""Masks from importances: ``m = g + (1 - g) r``, for the stochastic and the adversarial half of one forward pass."""

from typing import Any

import torch
from torch import Tensor


class _BothHalves(torch.autograd.Function):
    """Written by hand since the masks are the largest tensors of a step, and memory traffic is what it waits for."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, r: Tensor, r_bad: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(g, r, r_bad)
        batch, unit = len(g), torch.ones((), dtype=g.dtype, device=g.device)
        masks = g.new_empty(2 * batch, *g.shape[1:])
        torch.lerp(g, unit, r, out=masks[:batch])
        torch.lerp(g, unit, r_bad, out=masks[batch:])
        return masks

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, Tensor]:  # type: ignore[override]
        g, r, r_bad = ctx.saved_tensors
        stochastic, adversarial = grad.split(len(g))
        by_g = (stochastic + adversarial).addcmul_(stochastic, r, value=-1).addcmul_(adversarial, r_bad, value=-1)
        by_r = torch.addcmul(adversarial, adversarial, g, value=-1)
        return by_g, None, by_r.sum(1, keepdim=True) if r_bad.shape[1] == 1 else by_r


def both_halves(g: Tensor, r: Tensor, r_bad: Tensor) -> Tensor:
    """(2 batch, position, C): masks with the sources ``r``, which get no gradient, and below them with ``r_bad``.

    Args:
        g: importances (batch, position, C).
        r: (batch, position, C).
        r_bad: the adversary's, (batch, position, C), or (batch, 1, C) for one at all positions.
    """
    return _BothHalves.apply(g, r, r_bad)  # type: ignore[no-any-return]
