"""One edit through all budgets and seeds: choose its recipes once, then fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from prefactor.config.domains import Domains
from prefactor.config.edit import FitConfig
from prefactor.corpus.blocks import Blocks, take
from prefactor.edits.fit import Fit, FitSpec, Fitter, Text, make_text
from prefactor.edits.objective import blocks_for
from prefactor.edits.recipe import Recipes, choose_recipes
from prefactor.files.cost import Cost
from prefactor.machine.flops import flops_of
from prefactor.machine.progress import track
from prefactor.model.change import attached
from prefactor.model.target import logits_of


@dataclass(frozen=True)
class Sweep:
    fits: list[Fit]  # budgets × seeds, in that order
    recipes: Recipes

    @classmethod
    def of_one(cls, fit: Fit) -> "Sweep":
        """Of an edit that no token is fitted on."""
        return cls([fit], Recipes({}, {}))

    def first(self, budget: int) -> Fit:
        """The first seed's fit at ``budget``; the only one, where no token is fitted on."""
        return next(fit for fit in self.fits if fit.budget in (0, budget))


def fit_text(target: Any, blocks: Blocks, domains: Domains, config: FitConfig) -> Text:
    """Of the fit split: all the target text there is to draw from, and ``config.retain_tokens`` of retained text."""
    wanted = blocks.of(domains.target)
    length = wanted.tokens.shape[1]
    take(wanted, blocks_for(max(config.budgets), length) * length, "edit.budgets")  # there must be enough
    return make_text(target, wanted.tokens, _share(blocks, domains, config.retain_tokens, "edit.retain_tokens"))


def probe_text(target: Any, blocks: Blocks, domains: Domains, config: FitConfig) -> Text:
    """Of the select split: ``config.probe_tokens`` of target and of retained text, for comparing recipes."""
    wanted = take(blocks.of(domains.target), config.probe_tokens, "edit.probe_tokens").tokens
    return make_text(target, wanted, _share(blocks, domains, config.probe_tokens, "edit.probe_tokens"))


def _share(blocks: Blocks, domains: Domains, tokens: int, what: str) -> Sequence:
    each = -(-tokens // len(domains.retain))
    return [take(blocks.of(domain), each, what).tokens for domain in domains.retain]


def sweep(fitter: Fitter, held_out: Text, cost: Cost, what: str) -> Sweep:
    """Fit at every budget and seed with the recipe that the select split prefers; all of it is charged to ``cost``."""
    config, fits = fitter.config, []
    recipes = choose_recipes(fitter, held_out)
    for budget in track(config.budgets, len(config.budgets), what):
        recipe = recipes.of(budget)
        fits += fitter.fit(
            budget, [FitSpec(seed, recipe.learning_rate) for seed in range(config.seeds)], (recipe.steps,)
        )
    charge(fitter, cost)
    return Sweep(fits, recipes)


def charge(fitter: Fitter, cost: Cost) -> None:
    """Charge ``cost`` with the tokens of the fits so far, and with FLOPs counted on a sample of text."""
    spent, sample = fitter.spent, fitter.text.retained[: fitter.config.retain_batch]
    states = fitter.prefix.states(sample)
    leaves = [p.clone().requires_grad_(True) for p in fitter.method.starts(torch.Generator().manual_seed(0))[-1]]

    def read(grad: bool) -> None:
        with torch.set_grad_enabled(grad), attached(fitter.target, fitter.method.change(leaves)):
            with fitter.prefix.given(states):
                logits = logits_of(fitter.target, sample)
            if grad:
                logits.sum().backward()

    forwards, both = (flops_of(lambda grad=grad: read(grad)) / sample.numel() for grad in (False, True))
    cost.add(spent.read + spent.trained, spent.read * forwards + spent.trained * both)
