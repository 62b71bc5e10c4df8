"""The losses of VPD as pure functions on tensors (Bushnaq et al., "Interpreting Language Model Parameters", 2026)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from prefactor.config.training import Penalty


@dataclass(frozen=True)
class Divergence:
    """How far a masked model's output is from the target's: ``measure(prepare(target), masked)``, a scalar."""

    prepare: Callable[[Tensor], Tensor]
    measure: Callable[[Tensor, Tensor], Tensor]


def reconstruction(target_logp: Tensor, logits: Tensor) -> Tensor:
    """``KL(target ‖ masked)`` in nats, averaged over batch and positions.

    Args:
        target_logp: (batch, position, vocabulary) log-probabilities of the target.
        logits: (batch, position, vocabulary) of the masked model.
    """
    return token_kl(target_logp, logits).mean()


def token_kl(target_logp: Tensor, logits: Tensor) -> Tensor:
    """``KL(target ‖ masked)`` in nats at each position, (batch, position)."""
    return (target_logp.exp() * (target_logp - F.log_softmax(logits, dim=-1))).sum(-1)


KL = Divergence(lambda logits: F.log_softmax(logits, dim=-1), reconstruction)
SQUARED = Divergence(lambda output: output, F.mse_loss)  # for targets that are no language models


def lp_penalty(g: Tensor, p: float) -> Tensor:
    """``|g|^p`` elementwise; the small constant keeps the gradient finite at 0 for p < 1."""
    return (g + 1e-8) ** p


def smooth_l0_penalty(g: Tensor, gamma: float) -> Tensor:
    """``g² / (g² + γ²)`` elementwise: a count of what is above γ, with a gradient."""
    square = g * g
    return square / (square + gamma * gamma)


def penalise(g: Tensor, penalty: Penalty, progress: float) -> Tensor:
    """The per-token penalty on importances ``g`` (any shape) at ``progress`` in [0, 1] of the steps."""
    function = lp_penalty if penalty.kind == "lp" else smooth_l0_penalty
    return function(g, penalty.sharpness(progress))


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
