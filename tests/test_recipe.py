"""Which recipe counts for a budget, what a choice is made by, and what of it is read again."""

import math

import pytest
import torch

from prefactor.config.edit import FitConfig, Optimiser
from prefactor.edits.fit import Fitter, make_text
from prefactor.edits.objective import Below
from prefactor.edits.recipe import Recipe, Recipes, sole_recipe, validation_loss
from prefactor.model.target import logits_of, next_token_ce
from prefactor.rescale.terms import Prefactors, term_of
from prefactor.vpd.losses import token_kl
from tests.tiny import CHANCE, VOCABULARY, tiny_blocks, tiny_decomposed

FAST, SLOW = Recipe(0.3, 4), Recipe(0.01, 8)


@pytest.mark.parametrize(("budget", "wanted"), [(1, 4), (4, 4), (11, 4), (12, 32), (16, 32), (17, 32), (900, 32)])
def test_the_nearest_probe_is_so_as_a_ratio(budget: int, wanted: int) -> None:
    assert Recipes({4: FAST, 32: SLOW}, {}).of(budget) == {4: FAST, 32: SLOW}[wanted]


def test_a_choice_is_read_again_and_counts_among_the_same_options_only() -> None:
    made = Recipes({4: FAST, 32: SLOW}, {n: {FAST: 1.0, SLOW: 2.0} for n in (4, 32)})
    again = Recipes.of_rows(made.as_rows())
    assert again == made and not Recipes.of_rows([]).chosen

    def optimiser(steps: tuple[int, ...], *rates: float) -> Optimiser:
        return Optimiser(steps=max(steps), stops=steps, learning_rates=rates, retain_weight=1.0)

    both = Recipes({4: FAST}, {4: dict.fromkeys((Recipe(r, s) for r in (0.3, 0.01) for s in (4, 8)), 1.0)})
    assert both.within(optimiser((4, 8), 0.01, 0.3))
    for other in (optimiser((4,), 0.01, 0.3), optimiser((4, 8), 0.3), optimiser((4, 8), 0.01, 0.3, 1.0)):
        assert not both.within(other)
    assert not Recipes({}, {}).within(optimiser((4,), 0.3))
    assert sole_recipe(optimiser((4, 8), 0.3)) is None
    only = sole_recipe(optimiser((4,), 0.3))
    assert only is not None and only.of(77) == FAST


@pytest.mark.parametrize("weight", [0.0, 1.0, 16.0])
def test_validation_weighs_what_is_retained_as_fitting_does(weight: float) -> None:
    model = tiny_decomposed()
    text = make_text(model.target, tiny_blocks(6, seed=1), [tiny_blocks(5, seed=2)])
    method = Prefactors(tuple(term_of(model, f"{site.name}:0") for site in model.sites[:3]))
    config = FitConfig(
        budgets=(4,), seeds=1, report_budget=4, retain_tokens=24, retain_batch=2, probe_budgets=(4,), probe_seeds=1,
        probe_tokens=24, guard_tokens=24, seed=0,
    )  # fmt: skip
    optimiser = Optimiser(steps=2, learning_rates=(0.1,), retain_weight=weight)
    fitter = Fitter(model.target, method, text, optimiser, config, Below(CHANCE))
    change = method.common(-2.0)
    found = validation_loss(fitter, change, text)
    tokens = torch.from_numpy(text.target).long()
    with torch.no_grad():
        for module, (A, B) in change.items():
            model.target.get_submodule(f"model.{module}").weight += B @ A
        away = (
            (math.log(VOCABULARY) - next_token_ce(logits_of(model.target, tokens)[:, :-1], tokens)).clamp_min(0).mean()
        )
        held = token_kl(text.logp(text.base), logits_of(model.target, text.retained)).mean()
    assert held > 1e-3
    assert found == pytest.approx((away + weight * held).item(), rel=1e-4)
