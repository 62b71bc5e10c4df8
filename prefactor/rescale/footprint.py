"""Where an edit may act and where it must not: text near to where its subcomponents are needed, and all other text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from prefactor.machine.exact import exact
from prefactor.model.change import Change, applied
from prefactor.model.prefix import Prefix
from prefactor.model.reference import HeldOut, pieces
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet, lower_leaky
from prefactor.vpd.losses import token_kl

BATCH = 32  # blocks a forward pass


@dataclass(frozen=True)
class Uses:
    """Where subcomponents are needed and what is near to that, by ``harvest.threshold`` and ``harvest.either_side``."""

    threshold: float  # importance above which a token needs a subcomponent
    either_side: int  # tokens around it that an edit may act on


@torch.no_grad()
def importance_of(
    model: DecomposedModel, net: ImportanceNet, tokens: np.ndarray | Tensor, subcomponents: Sequence[str]
) -> Tensor:
    """The importance of ``subcomponents`` (``module:index``) at each of ``tokens`` (n, position); one more axis."""
    column = {name: i for i, name in enumerate(model.names)}
    columns = [column[name] for name in subcomponents]
    ids = torch.as_tensor(tokens).long().to(model.U[0].device)
    return torch.cat([lower_leaky(net(model.inputs(part)))[..., columns] for part in ids.split(BATCH)])


def near(importance: Tensor, uses: Uses) -> Tensor:
    """Tokens (n, position) near to one that needs one of the subcomponents.

    Args:
        importance: (n, position, subcomponent).
    """
    needed = (importance > uses.threshold).any(-1).float()[:, None]
    return F.max_pool1d(needed, 2 * uses.either_side + 1, stride=1, padding=uses.either_side)[:, 0] > 0


@torch.no_grad()
def divergence(target: Any, change: Change, held: HeldOut, prefix: Prefix | None = None) -> Tensor:
    """``KL(base ‖ edited)`` in nats at each position (n, position); ``prefix`` as for :func:`~.reference.pieces`."""
    with applied(target, change):
        parts = [token_kl(p.clamp_min(1e-30).log(), logits) for _, logits, p, _ in pieces(target, held, prefix)]
    return torch.cat([part.flatten() for part in parts]).view(held.tokens.shape)


def mean_over(values: Tensor, where: Tensor) -> float | None:
    """The mean of ``values`` where ``where`` is true; None where it nowhere is."""
    chosen = exact(values[where])
    return chosen.mean().item() if chosen.numel() else None
