"""The losses of VPD as pure functions on tensors (Bushnaq et al., "Interpreting Language Model Parameters", 2026)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Divergence:
    """How far a masked model's output is from the target's: ``measure(prepare(target), masked)``.

    ``masked`` is one batch, or several of the target's size below each other; one number comes back for each, (k,).
    """

    prepare: Callable[[Tensor], Any]
    measure: Callable[[Any, Tensor], Tensor]


class _Reconstruction(torch.autograd.Function):
    """Written by hand since logits are as wide as the vocabulary: one buffer of their size serves to their gradient."""

    @staticmethod
    def forward(ctx: Any, p: Tensor, negentropy: Tensor, logits: Tensor) -> Tensor:  # type: ignore[override]
        logq = F.log_softmax(logits, dim=-1)
        ctx.p, ctx.logq = p, logq
        cross = [torch.dot(p.flatten(), part.flatten()) for part in logq.split(len(p))]
        return (negentropy - torch.stack(cross)) / p[..., 0].numel()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, None, Tensor]:  # type: ignore[override]
        p, by_logits = ctx.p, ctx.logq.exp_()
        del ctx.p, ctx.logq  # spent: a second backward pass must fail
        for part, weight in zip(by_logits.split(len(p)), grad / p[..., 0].numel(), strict=True):
            part.sub_(p).mul_(weight)
        return None, None, by_logits


def prepare_reconstruction(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities of the target's ``logits`` (batch, position, vocabulary), and ``Σ p ln p`` over all of them."""
    logp = F.log_softmax(logits, dim=-1)
    p = logp.exp()
    return p, torch.dot(p.flatten(), logp.flatten())


def reconstruction(wanted: tuple[Tensor, Tensor], logits: Tensor) -> Tensor:
    """``KL(target ‖ masked)`` in nats, averaged over batch and positions: (k,).

    Args:
        wanted: what :func:`prepare_reconstruction` made of the target's logits.
        logits: (k batch, position, vocabulary) of the masked model. Their graph serves one backward pass.
    """
    return _Reconstruction.apply(*wanted, logits)  # type: ignore[no-any-return]


def squared(wanted: Tensor, output: Tensor) -> Tensor:
    """Mean squared error of each batch of ``output`` (k batch, ...) against ``wanted`` (batch, ...): (k,)."""
    return (output.unflatten(0, (-1, len(wanted))) - wanted).square().flatten(1).mean(1)


def token_kl(target_logp: Tensor, logits: Tensor) -> Tensor:
    """``KL(target ‖ masked)`` in nats at each position, (batch, position)."""
    return (target_logp.exp() * (target_logp - F.log_softmax(logits, dim=-1))).sum(-1)


KL = Divergence(prepare_reconstruction, reconstruction)
SQUARED = Divergence(lambda output: output, squared)  # for targets that are no language models


def lp_penalty(g: Tensor, p: float) -> Tensor:
    """``|g|^p`` elementwise; the small constant keeps the gradient finite at 0 for p < 1."""
    return (g + 1e-8) ** p


def smooth_l0_penalty(g: Tensor, gamma: float) -> Tensor:
    """``g² / (g² + γ²)`` elementwise: a count of what is above γ, with a gradient."""
    square = g * g
    return square / (square + gamma * gamma)


def minimality(total: Tensor, tokens: int) -> tuple[Tensor, Tensor]:
    """Importance minimality ``Σ_c mean_c`` and frequency minimality ``Σ_c mean_c log2(1 + total_c)``.

    Args:
        total: (C,) sums over the whole batch of ``tokens`` positions of one of the per-token penalties above.
    """
    mean = total / tokens
    return mean.sum(), (mean * torch.log2(1 + total)).sum()


def faithfulness(deltas: Iterable[Tensor]) -> Tensor:
    """``‖Δ‖²`` over all matrices, divided by the number of decomposed weights."""
    total, weights = torch.zeros(()), 0
    for delta in deltas:
        total = total.to(delta) + delta.square().sum()
        weights += delta.numel()
    return total / weights
