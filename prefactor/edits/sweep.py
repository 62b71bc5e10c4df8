"""One edit through all budgets and seeds: choose its learning rate once, then fit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from prefactor.components import DecomposedModel
from prefactor.config.edit import FitConfig
from prefactor.config.edits import Domains
from prefactor.corpus.blocks import Blocks, take
from prefactor.edits.fit import START_BLOCKS, Draw, Fit, Fitter, Text, blocks_for, choose_learning_rate, make_text
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


def sweep(fitter: Fitter, held_out: Text, cost: Cost, what: str) -> Sweep:
    """Fit at every budget and seed with the learning rate that the select split prefers."""
    config = fitter.config
    rate, tried = choose_learning_rate(fitter, held_out)
    charge = _meter(fitter, cost)
    for budget in config.probe_budgets if tried else ():
        charge(budget, config.probe_seeds * len(tried))
    draws = [Draw(seed, rate) for seed in range(config.seeds)]
    fits = []
    for budget in track(config.budgets, len(config.budgets), what):
        fits += fitter.fit(budget, draws)
        charge(budget, len(draws))
    return Sweep(fits, rate, tried)


def _meter(fitter: Fitter, cost: Cost) -> Callable[[int, int], None]:
    """A function that charges ``cost`` with n fits at a budget; what all fits share is charged at once.

    From the FLOPs of one and two steps of one fit: they go with the tokens. Before its steps a fit reads its target
    blocks once to draw the tokens, and once at each start if there are several.
    """
    config, steps = fitter.config, fitter.optimiser.steps
    length, least = fitter.text.retained.shape[1], config.budgets[0]
    starts = len(fitter.method.starts(torch.Generator()))
    starts = starts if starts > 1 else 0

    def tokens(budget: int, retained: int) -> int:
        return (retained + blocks_for(budget, length)) * length

    shared = starts * min(START_BLOCKS, len(fitter.text.retained)) * length
    if starts:
        _ = fitter.held_at_starts  # charged below, not with the first fit
    one, two = (flops_of(lambda n=n: fitter.fit(least, [Draw(0, 0.0)], steps=n)) for n in (1, 2))
    per_token = (two - one) / tokens(least, config.retain_batch)
    per_read = (2 * one - two) / ((1 + starts) * tokens(least, 0))
    cost.add(shared, shared * per_read)

    def charge(budget: int, fits: int) -> None:
        trained = steps * tokens(budget, config.retain_batch)
        read = (1 + starts) * tokens(budget, 0)
        cost.add(fits * (trained + read), fits * (trained * per_token + read * per_read))

    return charge
