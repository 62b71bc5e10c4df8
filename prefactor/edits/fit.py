"""Fitting an edit: one loss for every method.

On n target tokens the edited model is driven to the uniform distribution, ``KL(uniform ‖ edited)``; the retained
domains are held by ``λ KL(base ‖ edited)``. The n target tokens are all the target text that a fit sees, context
included: a snippet of n consecutive tokens (several of a block's length for larger n).
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


def draw_target(blocks: np.ndarray, n: int, rng: torch.Generator) -> list[np.ndarray]:
    """n target tokens as snippets of consecutive tokens, one a block: the full blocks first, then the rest."""
    length = blocks.shape[1]
    rows = torch.randperm(len(blocks), generator=rng)[: math.ceil(n / length)].tolist()
    snippets, left = [], n
    for row in rows:
        take = min(left, length)
        start = int(torch.randint(length - take + 1, (), generator=rng))
        snippets.append(blocks[row, start : start + take])
        left -= take
    return snippets


def uniform_kl(logits: Tensor) -> Tensor:
    """``KL(uniform ‖ softmax(logits))`` in nats at each position; logits (..., vocabulary)."""
    return -F.log_softmax(logits, dim=-1).mean(-1) - math.log(logits.shape[-1])


def fit(
    target: Any, method: Method, text: Text, budget: int, seed: int, learning_rate: float, optimiser: Optimiser,
    config: FitConfig,
) -> Fit:  # fmt: skip
    """Fit ``method`` on ``budget`` target tokens. Everything random depends on (config.seed, seed, budget)."""
    rng = generator(config.seed, seed, budget)
    device = text.retained.device
    snippets = [torch.from_numpy(s).long().to(device)[None] for s in draw_target(text.target, budget, rng)]
    parameters = method.start(rng)
    adam = torch.optim.Adam(parameters, lr=learning_rate)
    curve: list[dict[str, float]] = []
    for step in range(optimiser.steps):
        for group in adam.param_groups:
            group["lr"] = learning_rate * (0.55 + 0.45 * math.cos(math.pi * step / optimiser.steps))
        rows = torch.randint(len(text.retained), (config.retain_batch,), generator=rng).to(device)
        with attached(target, method.change(parameters)):
            away = torch.cat([uniform_kl(_logits(target, s))[0] for s in snippets]).mean()
            held = token_kl(text.retained_logp[rows], _logits(target, text.retained[rows])).mean()
        loss = away + config.retain_weight * held
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
        away = uniform_kl(_logits(target, torch.from_numpy(text.target).long().to(text.retained.device))).mean()
        held = token_kl(text.retained_logp, _logits(target, text.retained)).mean()
    return float(away + retain_weight * held)


def choose_learning_rate(
    target: Any, method: Method, text: Text, held_out: Text, optimiser: Optimiser, config: FitConfig
) -> tuple[float, dict[float, float]]:
    """The learning rate of the grid with the least validation loss, a mean over probe budgets and seeds; and all of them."""
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
