"""One edit through all budgets and seeds: choose its recipes once, then fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from prefactor.config.domains import Domains
from prefactor.config.edit import FitConfig
from prefactor.corpus import needs
from prefactor.corpus.blocks import Blocks, take
from prefactor.corpus.need import Need
from prefactor.edits.fit import Fit, FitSpec, Fitter, Text, make_text
from prefactor.edits.recipe import Recipes, choose_recipes
from prefactor.files.cost import Cost
from prefactor.machine.flops import flops_of
from prefactor.machine.progress import track
from prefactor.model.at_once import blocks_at_once
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


def fit_text(target: Any, blocks: Blocks, domains: Domains, config: FitConfig, drawn: Sequence[Need] = ()) -> Text:
    """Of the fit split: all the target text there is to draw from, and ``config.retain_tokens`` of retained text.

    Args:
        drawn: what the fits will draw from of the target's text; left out, what ``config.budgets`` ask for.
    """
    for need in drawn or (needs.target_text(config.budgets, domains.target),):
        take(blocks, need)  # there must be enough
    held = [take(blocks, need).tokens for need in needs.retained(config, domains).values()]
    return make_text(target, blocks.of(domains.target).tokens, held)


def probe_text(target: Any, blocks: Blocks, domains: Domains, config: FitConfig) -> Text:
    """Of the select split: ``config.probe_tokens`` of target and of retained text, for comparing recipes."""
    drawn = {domain: take(blocks, need).tokens for domain, need in needs.probed(config, domains).items()}
    return make_text(target, drawn[domains.target], [drawn[domain] for domain in domains.retain])


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
    spent, retained = fitter.spent, fitter.text.retained
    sample = retained[: blocks_at_once(fitter.target, retained.shape[1], fitter.config.retain_batch)]
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
