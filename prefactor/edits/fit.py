"""Fitting an edit: one loss for every method.

Each of n target tokens is driven to chance, ``max(0, ln |vocabulary| - CE)``; the retained domains are held by
``λ KL(base ‖ edited)``. The n tokens lie in as few blocks as give each a quarter of its tokens; the other tokens of
those blocks are read as their context and not trained on.

The obvious alternative, ``KL(uniform ‖ edited)``, uses the whole distribution at each token. On the default's scalar,
all else equal, it spreads more where tokens are few (4 tokens: 2.9 nats of standard deviation between draws against
1.4, both near chance in the mean) and does as well where they are many.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from prefactor.config.edit import FitConfig, Optimiser
from prefactor.edits.change import Change, attached, stacked
from prefactor.edits.methods import Method
from prefactor.losses import token_kl
from prefactor.runtime import generator
from prefactor.target import logits_of, next_token_ce

START_BLOCKS = 64  # retained blocks by which starts are compared: damage is rare and large, and few would miss it


@dataclass(frozen=True)
class Text:
    """Token blocks (n, position) of the target and the retained domains, and the base model's view of the latter."""

    target: np.ndarray
    retained: Tensor  # (n, position)
    retained_logp: Tensor  # (n, position, vocabulary)


@dataclass(frozen=True)
class Draw:
    """One fit: the seed of its target tokens, of its retained text and of its start, and its learning rate."""

    seed: int
    learning_rate: float


@dataclass(frozen=True)
class Fit:
    budget: int
    seed: int
    learning_rate: float
    loss: float
    parameters: list[Tensor]
    change: Change
    curve: list[dict[str, float]]


@torch.no_grad()
def draw_target(target: Any, blocks: np.ndarray, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """n target tokens of a few random blocks, each with a chance in proportion to what the base model knows of it.

    A token that is no better predicted than by a uniform guess has nothing to remove and would teach nothing.

    Returns the blocks (k, position) and where the n tokens are (k, position - 1), bool: true at p means that the
    prediction of token p + 1 is trained on.
    """
    rows = torch.randperm(len(blocks), generator=rng)[: blocks_for(n, blocks.shape[1])]
    tokens = torch.from_numpy(blocks[rows.numpy()]).long().to(next(target.parameters()).device)
    known = below_chance(logits_of(target, tokens), tokens).cpu() + 1e-6
    chosen = torch.zeros(known.shape, dtype=torch.bool)
    for i in range(len(rows)):
        share = n * (i + 1) // len(rows) - n * i // len(rows)
        chosen[i, torch.multinomial(known[i], share, generator=rng)] = True
    return tokens, chosen.to(tokens.device)


def blocks_for(n: int, length: int) -> int:
    """How many blocks of ``length`` tokens n target tokens are drawn from: a quarter of each."""
    return math.ceil(n / (length // 4))


def below_chance(logits: Tensor, tokens: Tensor) -> Tensor:
    """``max(0, ln |vocabulary| - CE)`` in nats of each next token (batch, position - 1).

    Args:
        logits: (batch, position, vocabulary).
        tokens: (batch, position).
    """
    return (math.log(logits.shape[-1]) - next_token_ce(logits[:, :-1], tokens)).clamp(min=0)


@dataclass(frozen=True, eq=False)
class Fitter:
    """Fits one method on one text; what all of its fits share is computed once."""

    target: Any
    method: Method
    text: Text
    optimiser: Optimiser
    config: FitConfig

    @cached_property
    @torch.no_grad()
    def held_at_starts(self) -> Tensor:
        """(start,): the divergence on ``START_BLOCKS`` retained blocks at each of several starts of the method."""
        some = torch.linspace(0, len(self.text.retained) - 1, START_BLOCKS).long().unique()
        tokens, logp = self.text.retained[some], self.text.retained_logp[some]
        held = []
        for parameters in self.method.starts(generator(self.config.seed)):
            with attached(self.target, self.method.change(parameters)):
                held.append(token_kl(logp, logits_of(self.target, tokens)).mean())
        return torch.stack(held)

    def fit(self, budget: int, draws: Sequence[Draw], steps: int | None = None) -> list[Fit]:
        """Fit on ``budget`` target tokens once for every draw, with ``steps`` in place of the optimiser's own.

        All draws go through the model as one batch, each with its own change, since one alone is too small to keep a
        processor busy; neither their losses nor their steps of Adam meet. What is random of one depends on
        (config.seed, its seed, budget).
        """
        target, method, text, optimiser = self.target, self.method, self.text, self.optimiser
        steps = steps or optimiser.steps
        rngs = [generator(self.config.seed, draw.seed, budget) for draw in draws]
        drawn = [draw_target(target, text.target, budget, rng) for rng in rngs]
        blocks, chosen = (torch.stack(parts) for parts in zip(*drawn, strict=True))  # (draw, k, position[ - 1])
        k = blocks.shape[1]

        def logits_with(parameters: Sequence[Sequence[Tensor]], tokens: Tensor) -> Tensor:
            with attached(target, stacked([method.change(p) for p in parameters])):
                return logits_of(target, tokens.flatten(0, 1)).unflatten(0, tokens.shape[:2])

        def away_from_chance(logits: Tensor) -> Tensor:
            short = below_chance(logits.flatten(0, 1), blocks.flatten(0, 1)).view_as(chosen)
            return (short * chosen).sum((1, 2)) / budget

        starts = [method.starts(rng) for rng in rngs]
        parameters = [own[0] for own in starts]
        if len(starts[0]) > 1:
            with torch.no_grad():
                away = [away_from_chance(logits_with(start, blocks)) for start in zip(*starts, strict=True)]
            best = (torch.stack(away, dim=1) + optimiser.retain_weight * self.held_at_starts).argmin(1)
            parameters = [own[i] for own, i in zip(starts, best.tolist(), strict=True)]
        parameters = [[p.clone().requires_grad_(True) for p in own] for own in parameters]
        adam = torch.optim.Adam(
            [{"params": p, "lr": draw.learning_rate} for p, draw in zip(parameters, draws, strict=True)]
        )
        curves: list[list[dict[str, float]]] = [[] for _ in draws]
        for step in range(steps):
            for group, draw in zip(adam.param_groups, draws, strict=True):
                group["lr"] = draw.learning_rate * (0.55 + 0.45 * math.cos(math.pi * step / steps))
            drawn_rows = [torch.randint(len(text.retained), (self.config.retain_batch,), generator=rng) for rng in rngs]
            rows = torch.stack(drawn_rows).to(text.retained.device)
            logits = logits_with(parameters, torch.cat([blocks, text.retained[rows]], dim=1))
            away = away_from_chance(logits[:, :k])
            held = token_kl(text.retained_logp[rows], logits[:, k:]).mean((1, 2))
            loss = away + optimiser.retain_weight * held
            adam.zero_grad(set_to_none=True)
            loss.sum().backward()
            adam.step()
            if step % 5 == 0 or step + 1 == steps:
                for i, curve in enumerate(curves):
                    parts = {"loss": loss[i].item(), "target": away[i].item(), "retained": held[i].item()}
                    curve.append({"step": step, **parts})
        return [_fit(method, budget, *of_one) for of_one in zip(draws, parameters, curves, strict=True)]


def _fit(method: Method, budget: int, draw: Draw, parameters: list[Tensor], curve: list[dict[str, float]]) -> Fit:
    done = [p.detach() for p in parameters]
    change = {name: (A.detach(), B.detach()) for name, (A, B) in method.change(done).items()}
    return Fit(budget, draw.seed, draw.learning_rate, curve[-1]["loss"], done, change, curve)


@torch.no_grad()
def validation_loss(target: Any, change: Change, text: Text, retain_weight: float) -> float:
    """The loss of :class:`Fitter` on other text: all of ``text.target`` and all of ``text.retained``."""
    with attached(target, change):
        blocks = torch.from_numpy(text.target).long().to(text.retained.device)
        away = below_chance(logits_of(target, blocks), blocks).mean()
        held = token_kl(text.retained_logp, logits_of(target, text.retained)).mean()
    return float(away + retain_weight * held)


def choose_learning_rate(fitter: Fitter, held_out: Text) -> tuple[float, dict[float, float]]:
    """The learning rate with the least validation loss, a mean over probe budgets and seeds; and the loss of each."""
    optimiser, config = fitter.optimiser, fitter.config
    if len(optimiser.learning_rates) == 1:
        return optimiser.learning_rates[0], {}
    draws = [Draw(seed, rate) for rate in optimiser.learning_rates for seed in range(config.probe_seeds)]
    losses: dict[float, list[float]] = {rate: [] for rate in optimiser.learning_rates}
    for budget in config.probe_budgets:
        for one in fitter.fit(budget, draws):
            loss = validation_loss(fitter.target, one.change, held_out, optimiser.retain_weight)
            losses[one.learning_rate].append(loss)
    means = {rate: sum(found) / len(found) for rate, found in losses.items()}
    tried = {rate: mean if math.isfinite(mean) else math.inf for rate, mean in means.items()}
    return min(tried, key=lambda rate: tried[rate]), tried


@torch.no_grad()
def make_text(target: Any, target_blocks: np.ndarray, retained_blocks: Sequence[np.ndarray]) -> Text:
    """Text for :class:`Text`, with the base model's log-probabilities computed once."""
    device = next(target.parameters()).device
    retained = torch.from_numpy(np.concatenate(retained_blocks)).long().to(device)
    return Text(target_blocks, retained, F.log_softmax(logits_of(target, retained), dim=-1))
