"""One edit through all budgets and seeds: choose its learning rate once, then fit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from prefactor.components import DecomposedModel
from prefactor.config.edit import FitConfig, Optimiser
from prefactor.config.edits import Domains
from prefactor.corpus.blocks import Blocks, take
from prefactor.edits.fit import START_BLOCKS, Draw, Fit, Text, blocks_for, choose_learning_rate, fit, make_text
from prefactor.edits.methods import Method
from prefactor.flops import flops_of
from prefactor.ledger import Cost
from prefactor.progress import track


@dataclass(frozen=True)
class Sweep:
    fits: list[Fit]  # budgets × seeds, in that order
    learning_rate: float
    tried: dict[float, float]  # learning rate -> validation loss

    def headline(self, budget: int) -> Fit:
        """The first seed's fit at ``budget``."""
        return next(f for f in self.fits if f.budget == budget)


def fit_text(model: DecomposedModel, blocks: Blocks, domains: Domains, config: FitConfig) -> Text:
    """Of the fit split: all the target text there is to draw from, and ``config.retain_tokens`` of retained text."""
    wanted = blocks.of(domains.target)
    length = wanted.tokens.shape[1]
    take(wanted, blocks_for(max(config.budgets), length) * length, "edit.budgets")  # there must be enough
    return make_text(model.target, wanted.tokens, _share(blocks, domains, config.retain_tokens, "edit.retain_tokens"))


def probe_text(model: DecomposedModel, blocks: Blocks, domains: Domains, config: FitConfig) -> Text:
    """Of the select split: ``config.probe_tokens`` of target and of retained text, for comparing learning rates."""
    wanted = take(blocks.of(domains.target), config.probe_tokens, "edit.probe_tokens").tokens
    return make_text(model.target, wanted, _share(blocks, domains, config.probe_tokens, "edit.probe_tokens"))


def _share(blocks: Blocks, domains: Domains, tokens: int, what: str) -> Sequence:
    each = -(-tokens // len(domains.retain))
    return [take(blocks.of(domain), each, what).tokens for domain in domains.retain]


def sweep(
    model: DecomposedModel, method: Method, fitting: Text, held_out: Text, optimiser: Optimiser, config: FitConfig,
    cost: Cost, what: str,
) -> Sweep:  # fmt: skip
    """Fit ``method`` at every budget and seed with the learning rate that the select split prefers."""
    target = model.target
    rate, tried = choose_learning_rate(target, method, fitting, held_out, optimiser, config)
    charge = _meter(target, method, fitting, optimiser, config, cost)
    for budget in config.probe_budgets if tried else ():
        charge(budget, config.probe_seeds * len(tried))
    draws = [Draw(seed, rate) for seed in range(config.seeds)]
    fits = []
    for budget in track(config.budgets, len(config.budgets), what):
        fits += fit(target, method, fitting, budget, draws, optimiser, config)
        charge(budget, len(draws))
    return Sweep(fits, rate, tried)


def _meter(
    target: Any, method: Method, text: Text, optimiser: Optimiser, config: FitConfig, cost: Cost
) -> Callable[[int, int], None]:
    """A function that charges ``cost`` with n fits at a budget, from the FLOPs of one and two steps of one fit."""
    length, least = text.retained.shape[1], config.budgets[0]

    def flops(steps: int) -> float:
        short = optimiser.model_copy(update={"steps": steps})
        return flops_of(lambda: fit(target, method, text, least, [Draw(0, 0.0)], short, config))

    def tokens(budget: int, retained: int) -> int:
        return (retained + blocks_for(budget, length)) * length

    one = flops(1)
    step = flops(2) - one
    per_token = step / tokens(least, config.retain_batch)
    starts = len(method.starts(torch.Generator()))
    per_start_token = (one - step) / (starts * tokens(least, START_BLOCKS))

    def charge(budget: int, fits: int) -> None:
        steps = optimiser.steps * tokens(budget, config.retain_batch)
        tried = starts * tokens(budget, START_BLOCKS) if starts > 1 else 0
        cost.add(fits * (steps + tried), fits * (steps * per_token + tried * per_start_token))

    return charge
