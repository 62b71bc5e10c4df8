"""What an edit should do to the tokens it is fitted on: which tokens these are, and the loss at each.

Two remove a domain. Each of n target tokens is driven up to a bar: ``chance`` only asks that the right token be no more
likely than a uniform guess, ``unigram`` than by how frequent the domain's tokens are, ``uniform`` that the whole
prediction be uniform. On the default's scalar, all else
equal, ``uniform`` spreads more where tokens are few and lands lower; what it buys is a prediction that knows nothing in
place of one that is sure of something else (``evaluate`` reports both). ``Say`` teaches a token.
"""

import math
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
        """Nats at each prediction (...) of ``following`` (...) by ``logits`` (..., vocabulary); 0 is the aim.

        Each depends on its own logits alone.
        """
        ...


@dataclass(frozen=True)
class Below:
    """``max(0, bar - CE)``: no better at the token that comes than a guess that scores ``bar`` nats."""

    bar: float

    def draw_tokens(self, target: Any, blocks: np.ndarray, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        return draw_known(target, blocks, n, rng, self.bar)

    def loss(self, logits: Tensor, following: Tensor) -> Tensor:
        return below(self.bar, logits, following)


@dataclass(frozen=True)
class Uniform:
    """``KL(uniform ‖ edited)``: nothing known of any token."""

    chance: float  # nats

    def draw_tokens(self, target: Any, blocks: np.ndarray, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        return draw_known(target, blocks, n, rng, self.chance)

    def loss(self, logits: Tensor, following: Tensor) -> Tensor:
        logp = F.log_softmax(logits, dim=-1)
        return -logp.mean(-1) - math.log(logits.shape[-1])


@dataclass(frozen=True)
class Say:
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
    return Below(bars.chance if goal == "chance" else bars.unigram[domain])


@torch.no_grad()
def draw_known(target: Any, blocks: np.ndarray, n: int, rng: torch.Generator, bar: float) -> tuple[Tensor, Tensor]:
    """n target tokens of a few random blocks, drawn in proportion to how far the base model is below ``bar`` nats.

    A token that is no better predicted than by a guess of that has nothing to remove and would teach nothing.
    """
    rows = torch.randperm(len(blocks), generator=rng)[: target_text((n,), "").blocks(blocks.shape[1])]
    tokens = torch.from_numpy(blocks[rows.numpy()]).long().to(next(target.parameters()).device)
    parts = tokens.split(blocks_at_once(target, tokens.shape[1], len(tokens)))
    known = torch.cat([below(bar, logits_of(target, part)[:, :-1], part[:, 1:]) for part in parts]).cpu() + 1e-6
    chosen = torch.zeros(known.shape, dtype=torch.bool)
    for i in range(len(rows)):
        share = n * (i + 1) // len(rows) - n * i // len(rows)
        chosen[i, torch.multinomial(known[i], share, generator=rng)] = True
    return tokens, chosen.to(tokens.device)


def below(bar: float, logits: Tensor, following: Tensor) -> Tensor:
    """``max(0, bar - CE)`` in nats of the tokens ``following`` (...) under ``logits`` (..., vocabulary)."""
    return (bar - ce_of(logits, following)).clamp(min=0)
