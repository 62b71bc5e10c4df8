"""Fitting an edit: one loss for every method.

Each of n target tokens is driven to chance, ``max(0, ln |vocabulary| - CE)``; the retained domains are held by
``λ KL(base ‖ edited)``. The n tokens lie in as few blocks as give each a quarter of its tokens; the other tokens of
those blocks are read as their context and not trained on.

The design asks for ``KL(uniform ‖ edited)``. A first version with it, with n tokens without context and one start at
prefactor 1, ended between 4.4 nats short of chance and 0.5 above; loss, context and starts were changed together, so
how much of that was the loss is not known.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from prefactor.config.edit import FitConfig, Optimiser
from prefactor.edits.change import Change, attached
from prefactor.edits.methods import Method
from prefactor.losses import token_kl
from prefactor.runtime import generator
from prefactor.target import next_token_ce


@dataclass(frozen=True)
class Text:
    """Token blocks (n, position) of the target and the retained domains, and the base model's view of the latter."""

    target: np.ndarray
    retained: Tensor  # (n, position)
    retained_logp: Tensor  # (n, position, vocabulary)


@dataclass(frozen=True)
class Fit:
    budget: int
    seed: int
    learning_rate: float
    loss: float
    parameters: list[Tensor]
    change: Change
    curve: list[dict[str, float]]


def draw_target(blocks: np.ndarray, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """n target tokens at random places of a few random blocks.

    Returns the blocks (k, position) and where the n tokens are (k, position - 1), bool: true at p means that the
    prediction of token p + 1 is trained on.
    """
    places = blocks.shape[1] - 1
    rows = torch.randperm(len(blocks), generator=rng)[: blocks_for(n, blocks.shape[1])]
    chosen = torch.zeros(len(rows), places, dtype=torch.bool)
    for i in range(len(rows)):
        share = n * (i + 1) // len(rows) - n * i // len(rows)
        chosen[i, torch.randperm(places, generator=rng)[:share]] = True
    return torch.from_numpy(blocks[rows.numpy()]).long(), chosen


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


def fit(
    target: Any, method: Method, text: Text, budget: int, seed: int, learning_rate: float, optimiser: Optimiser,
    config: FitConfig,
) -> Fit:  # fmt: skip
    """Fit ``method`` on ``budget`` target tokens. Everything random depends on (config.seed, seed, budget)."""
    rng = generator(config.seed, seed, budget)
    device = text.retained.device
    blocks, chosen = (x.to(device) for x in draw_target(text.target, budget, rng))

    def loss_at(parameters: Sequence[Tensor], rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with attached(target, method.change(parameters)):
            both = _logits(target, torch.cat([blocks, text.retained[rows]]))  # one pass costs little more than either
        away = below_chance(both[: len(blocks)], blocks)[chosen].mean()
        held = token_kl(text.retained_logp[rows], both[len(blocks) :]).mean()
        return away + config.retain_weight * held, away, held

    def draw_rows() -> Tensor:
        return torch.randint(len(text.retained), (config.retain_batch,), generator=rng).to(device)

    rows = draw_rows()
    starts = method.starts(rng)
    parameters = starts[0]
    if len(starts) > 1:
        with torch.no_grad():
            parameters = min(starts, key=lambda start: loss_at(start, rows)[0].item())
    parameters = [p.requires_grad_(True) for p in parameters]
    adam = torch.optim.Adam(parameters, lr=learning_rate)
    curve: list[dict[str, float]] = []
    for step in range(optimiser.steps):
        for group in adam.param_groups:
            group["lr"] = learning_rate * (0.55 + 0.45 * math.cos(math.pi * step / optimiser.steps))
        loss, away, held = loss_at(parameters, draw_rows())
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        if step % 5 == 0 or step + 1 == optimiser.steps:
            curve.append({"step": step, "loss": loss.item(), "target": away.item(), "retained": held.item()})
    done = [p.detach() for p in parameters]
    change = {name: (A.detach(), B.detach()) for name, (A, B) in method.change(done).items()}
    return Fit(budget, seed, learning_rate, curve[-1]["loss"], done, change, curve)


@torch.no_grad()
def validation_loss(target: Any, change: Change, text: Text, retain_weight: float) -> float:
    """The loss of :func:`fit` on other text: all of ``text.target`` and all of ``text.retained``."""
    with attached(target, change):
        blocks = torch.from_numpy(text.target).long().to(text.retained.device)
        away = below_chance(_logits(target, blocks), blocks).mean()
        held = token_kl(text.retained_logp, _logits(target, text.retained)).mean()
    return float(away + retain_weight * held)


def choose_learning_rate(
    target: Any, method: Method, text: Text, held_out: Text, optimiser: Optimiser, config: FitConfig
) -> tuple[float, dict[float, float]]:
    """The learning rate with the least validation loss, a mean over probe budgets and seeds; and the loss of each."""
    if len(optimiser.learning_rates) == 1:
        return optimiser.learning_rates[0], {}
    tried = {}
    for rate in optimiser.learning_rates:
        losses = [
            validation_loss(
                target, fit(target, method, text, budget, seed, rate, optimiser, config).change, held_out,
                config.retain_weight,
            )
            for budget in config.probe_budgets
            for seed in range(config.probe_seeds)
        ]  # fmt: skip
        mean = sum(losses) / len(losses)
        tried[rate] = mean if math.isfinite(mean) else math.inf
    return min(tried, key=lambda rate: tried[rate]), tried


@torch.no_grad()
def make_text(target: Any, target_blocks: np.ndarray, retained_blocks: Sequence[np.ndarray]) -> Text:
    """Text for :class:`Text`, with the base model's log-probabilities computed once."""
    device = next(target.parameters()).device
    retained = torch.from_numpy(np.concatenate(retained_blocks)).long().to(device)
    return Text(target_blocks, retained, F.log_softmax(_logits(target, retained), dim=-1))


def _logits(target: Any, tokens: Tensor) -> Tensor:
    return target(input_ids=tokens, use_cache=False).logits
