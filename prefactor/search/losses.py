"""Cross-entropies alone: a trial needs nothing else, and divergences as well would take it twice as long."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from prefactor.machine.exact import exact
from prefactor.model.change import Change, applied
from prefactor.model.prefix import Prefix
from prefactor.model.reference import BATCH, HeldOut
from prefactor.rescale.reach import SURE


@torch.no_grad()
def token_ce(target: Any, change: Change, held: HeldOut, prefix: Prefix) -> Tensor:
    """Nats at each token but a block's first (n, position - 1), float64, of the changed target.

    Args:
        held: with what ``prefix`` puts out.
    """
    head = held.head(target)
    assert held.states is not None
    parts = []
    with applied(target, change):
        for tokens, given in zip(held.tokens.split(BATCH), held.states.split(BATCH), strict=True):
            following = tokens.roll(-1, 1).flatten()

            def loss(logits: Tensor, rows: slice, following: Tensor = following) -> Tensor:
                return logits.logsumexp(-1) - logits.gather(-1, following[rows, None])[:, 0]

            with prefix.given(given):
                parts.append(head.each(head.states(tokens), loss)[:, :-1])
    return exact(torch.cat(parts))


class Mean(NamedTuple):
    value: float
    error: float  # standard error over blocks; 0 of a single one, of which it is unknown

    @property
    def surely(self) -> float:
        """What other text is likely to have at least (``rescale/reach.py``)."""
        return self.value - SURE * self.error


def mean_of(values: Tensor) -> Mean:
    """Of ``values`` (block, position)."""
    error = values.mean(1).std().item() / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return Mean(values.mean().item(), error)


def own_mean(values: Tensor, quoted: Tensor | None) -> float:
    """The mean of ``values`` (block, position - 1), of predicting each token, over those that are not ``quoted``."""
    if quoted is None:
        return values.mean().item()
    own = values[~quoted[:, 1:]]
    return own.mean().item() if own.numel() else 0.0
