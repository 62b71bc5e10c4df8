"""How long and how fast each budget of an edit is fitted: chosen on the select split, for every method alike.

A baseline's best learning rate on 4 tokens is not that on 128, and neither is the step at which it starts to destroy
what it should retain, so that both are chosen at several budgets, and the nearest of these counts.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import torch

from prefactor.config.edit import Optimiser
from prefactor.edits.fit import BATCH, FitSpec, Fitter, Text
from prefactor.model.change import Change, attached


@dataclass(frozen=True)
class Recipe:
    learning_rate: float
    steps: int


@dataclass(frozen=True)
class Recipes:
    """The choice by probe budget, and the validation loss of all that was tried (none where there was no choice)."""

    chosen: Mapping[int, Recipe]
    tried: Mapping[int, Mapping[Recipe, float]]

    def of(self, budget: int) -> Recipe:
        """The recipe of the probe budget that is nearest to ``budget`` as a ratio."""
        return self.chosen[min(self.chosen, key=lambda probe: (abs(math.log(probe / budget)), probe))]

    @classmethod
    def of_rows(cls, rows: Sequence[Mapping[str, Any]]) -> "Recipes":
        """What :meth:`as_rows` gave."""
        tried: dict[int, dict[Recipe, float]] = {}
        for row in rows:
            tried.setdefault(row["budget"], {})[Recipe(row["learning_rate"], row["steps"])] = row["loss"]
        chosen = {row["budget"]: Recipe(row["learning_rate"], row["steps"]) for row in rows if row["chosen"]}
        return cls(chosen, tried)

    def within(self, optimiser: Optimiser) -> bool:
        """Whether it is a choice from all that ``optimiser`` leaves open, and from nothing else."""
        options = {Recipe(rate, steps) for rate in optimiser.learning_rates for steps in optimiser.ends}
        return bool(self.chosen) and all(set(losses) == options for losses in self.tried.values())

    def as_rows(self) -> list[dict[str, Any]]:
        """A row a probe budget and recipe: ``budget``, ``learning_rate``, ``steps``, ``loss``, ``chosen``."""
        return [
            {"budget": budget, **asdict(recipe), "loss": loss, "chosen": recipe == self.chosen[budget]}
            for budget, losses in self.tried.items()
            for recipe, loss in losses.items()
        ]


def sole_recipe(optimiser: Optimiser) -> Recipes | None:
    """The recipe of an optimiser that leaves no choice; None of one that does."""
    if optimiser.has_choice:
        return None
    return Recipes({1: Recipe(optimiser.learning_rates[0], optimiser.ends[0])}, {})


def choose_recipes(fitter: Fitter, held_out: Text) -> Recipes:
    """For each probe budget the learning rate and the step with the least validation loss, a mean over probe seeds."""
    optimiser, config = fitter.optimiser, fitter.config
    if sole := sole_recipe(optimiser):
        return sole
    draws = [FitSpec(seed, rate) for rate in optimiser.learning_rates for seed in range(config.probe_seeds)]
    tried: dict[int, dict[Recipe, float]] = {}
    for budget in config.probe_budgets:
        losses: dict[Recipe, list[float]] = {}
        for fit in fitter.fit(budget, draws, optimiser.ends):
            loss = validation_loss(fitter, fit.change, held_out)
            losses.setdefault(Recipe(fit.learning_rate, fit.steps), []).append(loss)
        tried[budget] = {recipe: _finite(fmean(by_seed)) for recipe, by_seed in losses.items()}
    return Recipes({budget: min(losses, key=lambda r: losses[r]) for budget, losses in tried.items()}, tried)


@torch.no_grad()
def validation_loss(fitter: Fitter, change: Change, text: Text) -> float:
    """The loss of :class:`Fitter` on other text: every token of ``text.target`` and all of ``text.retained``."""
    target = fitter.target
    with attached(target, change):
        blocks = torch.from_numpy(text.target).long().to(text.retained.device)
        head = fitter.head_for(max(blocks.numel(), text.retained.numel()))
        away = fitter.away(head, head.all_states(blocks, BATCH)[:, :-1], blocks[:, 1:]).mean()
        away = fitter.objective.settle(away)
        held = fitter.held(head, text, slice(None), head.all_states(text.retained, BATCH)).mean()
    fitter.spent.read += blocks.numel() + text.retained.numel()
    return float(away + fitter.optimiser.retain_weight * held)


def _finite(loss: float) -> float:
    return loss if math.isfinite(loss) else math.inf
