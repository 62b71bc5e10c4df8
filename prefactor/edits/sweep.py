"""One edit through all budgets and seeds: choose its learning rate once, then fit."""

from collections.abc import Sequence
from dataclasses import dataclass

from prefactor.components import DecomposedModel
from prefactor.config.edit import FitConfig, Optimiser
from prefactor.config.edits import Domains
from prefactor.corpus.blocks import Blocks, take
from prefactor.edits.fit import Fit, Text, blocks_for, choose_learning_rate, fit, make_text
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


def probe_text(model: DecomposedModel, blocks: Blocks, domains: Domains, tokens: int, what: str) -> Text:
    """Of the select split: ``tokens`` of target and of retained text, for comparing changes; ``what`` is their key."""
    wanted = take(blocks.of(domains.target), tokens, what).tokens
    return make_text(model.target, wanted, _share(blocks, domains, tokens, what))


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
    plan = [(budget, seed) for budget in config.budgets for seed in range(config.seeds)]
    length = fitting.retained.shape[1]

    def step_tokens(budget: int) -> int:
        return (config.retain_batch + blocks_for(budget, length)) * length

    one = optimiser.model_copy(update={"steps": 1})
    flops = flops_of(lambda: fit(target, method, fitting, config.budgets[0], 0, rate, one, config))
    per_token = flops / step_tokens(config.budgets[0])
    fits = []
    for budget, seed in track(plan, len(plan), what):
        fits.append(fit(target, method, fitting, budget, seed, rate, optimiser, config))
        tokens = optimiser.steps * step_tokens(budget)
        cost.add(tokens, per_token * tokens)
    for budget in config.probe_budgets if tried else ():
        tokens = optimiser.steps * step_tokens(budget) * config.probe_seeds * len(tried)
        cost.add(tokens, per_token * tokens)
    return Sweep(fits, rate, tried)
