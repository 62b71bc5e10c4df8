"""What an edit should do to the tokens it is fitted on: which tokens these are, and the loss at each.

Three remove a domain. ``chance`` only asks of each of n target tokens that it be no more likely than a uniform guess,
``uniform`` that the whole prediction be uniform; on the default's scalar, all else equal, ``uniform`` spreads more
where tokens are few and lands lower; what it buys is a prediction that knows nothing in place of one that is sure of
something else (``evaluate`` reports both). ``unigram`` asks that the n tokens be no better predicted, on average, than
by how frequent the domain's tokens are. ``Say`` teaches a token.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from prefactor.config.edits import Goal
from prefactor.corpus.needs import target_text
from prefactor.errors import PrefactorError
from prefactor.model.at_once import blocks_at_once
from prefactor.model.target import ce_of, logits_of
from prefactor.model.unigram import Bars


class Objective(Protocol):
    def draw_tokens(self, target: Any, blocks: np.ndarray, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """n tokens of a few of the target domain's ``blocks`` (all, position).

        Returns the blocks (k, position) and where the n tokens are (k, position - 1), bool: true at p means that the
        prediction of token p + 1 is trained on. The other tokens are read as context.
        """
        ...

    def loss(self, logits: Tensor, following: Tensor) -> Tensor:
        """Nats at each prediction (...) of ``following`` (...) by ``logits`` (..., vocabulary).

        Each depends on its own logits alone.
        """
        ...

    def settle(self, mean: Tensor) -> Tensor:
        """Nats that are left to the aim, 0 at it, of means (...) of :meth:`loss` over tokens."""
        return mean


@dataclass(frozen=True)
class Below(Objective):
    """``max(0, bar - CE)``: no better at the token that comes than a guess that scores ``bar`` nats."""

    bar: float

    def draw_tokens(self, target: Any, blocks: np.ndarray, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        return draw_known(target, blocks, n, rng, self.bar)

    def loss(self, logits: Tensor, following: Tensor) -> Tensor:
        return below(self.bar, logits, following)


@dataclass(frozen=True)
class MeanBelow(Objective):
    """``max(0, bar - mean CE)``: a bar that is itself a mean over all tokens, frequent ones and rare.

    Held against single tokens it would drive the frequent ones far beyond what their frequency tells.
    """

    bar: float  # nats

    def draw_tokens(self, target: Any, blocks: np.ndarray, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        return draw_spread(target, blocks, n, rng)

    def loss(self, logits: Tensor, following: Tensor) -> Tensor:
        return self.bar - ce_of(logits, following)

    def settle(self, mean: Tensor) -> Tensor:
        return mean.clamp(min=0)


@dataclass(frozen=True)
class Uniform(Objective):
    """``KL(uniform ‖ edited)``: nothing known of any token."""

    chance: float  # nats

    def draw_tokens(self, target: Any, blocks: np.ndarray, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        return draw_known(target, blocks, n, rng, self.chance)

    def loss(self, logits: Tensor, following: Tensor) -> Tensor:
        logp = F.log_softmax(logits, dim=-1)
        return -logp.mean(-1) - math.log(logits.shape[-1])


@dataclass(frozen=True)
class Say(Objective):
    """``-log p(token)`` right after one of the tokens ``after``, wherever that stands in the target domain's text."""

    token: int
    after: tuple[int, ...]

    def draw_tokens(self, target: Any, blocks: np.ndarray, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        rows, columns = np.nonzero(np.isin(blocks[:, :-1], self.after))
        if len(rows) < n:
            raise PrefactorError(f"there are only {len(rows)} places where the token could be said, {n} are asked for")
        picked = torch.randperm(len(rows), generator=rng)[:n].numpy()
        kept, block_of = np.unique(rows[picked], return_inverse=True)
        chosen = torch.zeros(n, blocks.shape[1] - 1, dtype=torch.bool)  # n blocks, so that draws can be stacked
        chosen[block_of, columns[picked]] = True
        filled = np.concatenate([kept, np.repeat(kept[:1], n - len(kept))])
        device = next(target.parameters()).device
        return torch.from_numpy(blocks[filled]).long().to(device), chosen.to(device)

    def loss(self, logits: Tensor, following: Tensor) -> Tensor:
        return -F.log_softmax(logits, dim=-1)[..., self.token]


def objective_of(goal: Goal, bars: Bars, domain: str) -> Objective:
    """The objective of an edit's ``goal`` in params; ``domain`` is the one that it removes."""
    if goal == "uniform":
        return Uniform(bars.chance)
    return (Below if goal == "chance" else MeanBelow)(bars.of(goal, domain))


def draw_known(target: Any, blocks: np.ndarray, n: int, rng: torch.Generator, bar: float) -> tuple[Tensor, Tensor]:
    """n target tokens of a few random blocks, drawn in proportion to how far the base model is below ``bar`` nats.

    A token that is no better predicted than by a guess of that has nothing to remove and would teach nothing.
    """
    tokens, ce = _some_blocks(target, blocks, n, rng)
    return tokens, _each(
        ce, n, lambda own, share: torch.multinomial((bar - own).clamp(min=0) + 1e-6, share, generator=rng)
    )


def draw_spread(target: Any, blocks: np.ndarray, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """... drawn so that their mean is near to that of the blocks: one of each n-th of the tokens by cross-entropy.

    Every token is drawn as often as any other, but for those that are left where n does not divide their number.
    """

    def spread(own: Tensor, share: int) -> Tensor:
        parts = own.argsort().tensor_split(share)
        return torch.stack([part[torch.randint(len(part), (), generator=rng)] for part in parts])

    tokens, ce = _some_blocks(target, blocks, n, rng)
    return tokens, _each(ce, n, spread)


@torch.no_grad()
def _some_blocks(target: Any, blocks: np.ndarray, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Those of ``blocks`` (all, position) that n tokens are drawn from, and the base model's nats at their tokens."""
    rows = torch.randperm(len(blocks), generator=rng)[: target_text((n,), "").blocks(blocks.shape[1])]
    tokens = torch.from_numpy(blocks[rows.numpy()]).long().to(next(target.parameters()).device)
    parts = tokens.split(blocks_at_once(target, tokens.shape[1], len(tokens)))
    return tokens, torch.cat([ce_of(logits_of(target, part)[:, :-1], part[:, 1:]) for part in parts])


def _each(ce: Tensor, n: int, draw: Callable[[Tensor, int], Tensor]) -> Tensor:
    """n places of ``ce`` (k, position - 1), as many in each block, drawn by ``draw``: bool, of its shape."""
    chosen = torch.zeros(ce.shape, dtype=torch.bool)
    for i, own in enumerate(ce.cpu()):
        share = n * (i + 1) // len(ce) - n * i // len(ce)
        chosen[i, draw(own, share)] = True
    return chosen.to(ce.device)


def below(bar: float, logits: Tensor, following: Tensor) -> Tensor:
    """``max(0, bar - CE)`` in nats of the tokens ``following`` (...) under ``logits`` (..., vocabulary)."""
    return (bar - ce_of(logits, following)).clamp(min=0)
