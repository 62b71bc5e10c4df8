"""Fitting: which target tokens are drawn, that a fit repeats itself, and how its rate and length are chosen."""

import math

import pytest
import torch

import prefactor.model.at_once as module
from prefactor.config.edit import Optimiser
from prefactor.edits.fit import FitSpec, Fitter, largest, make_text
from prefactor.edits.objective import Below, Objective, Say, Uniform, below, draw_known
from prefactor.edits.recipe import Recipe, choose_recipes, validation_loss
from prefactor.rescale.terms import Prefactors, term_of
from tests.test_edits import NAMES, _config, _finetune, _known_text, _lora
from tests.tiny import CHANCE, POSITIONS, VOCABULARY, tiny_blocks, tiny_decomposed, tiny_target

AIM = Below(CHANCE)


def test_target_draw_trains_on_exactly_n_tokens_of_few_blocks() -> None:
    blocks = tiny_blocks(30)
    for n in (1, 3, 4, POSITIONS, 3 * POSITIONS + 2):
        rows, chosen = draw_known(tiny_target(), blocks, n, torch.Generator().manual_seed(n), CHANCE)
        assert chosen.sum() == n and chosen.shape == (len(rows), POSITIONS - 1)
        assert len(rows) == math.ceil(n / (POSITIONS // 4))
        assert all((blocks == row.numpy()).all(1).any() for row in rows)


def test_only_tokens_that_the_target_knows_are_drawn() -> None:
    blocks, target = tiny_blocks(1), tiny_target()
    tokens = torch.from_numpy(blocks).long()
    known = below(CHANCE, target(input_ids=tokens).logits[:, :-1], tokens[:, 1:])[0]
    assert (known == 0).any()
    counts = torch.zeros(POSITIONS - 1)
    for seed in range(300):
        counts += draw_known(target, blocks, 1, torch.Generator().manual_seed(seed), CHANCE)[1][0]
    assert counts[known == 0].sum() <= 1
    assert torch.allclose(counts / 300, known / known.sum(), atol=0.12)


def test_fit_lowers_its_loss_and_repeats_itself() -> None:
    model = tiny_decomposed()
    retained = tiny_blocks(1, seed=2)  # one block: every step's loss is of the same text
    text = make_text(model.target, tiny_blocks(8, seed=1), [retained])
    for method in (Prefactors(tuple(term_of(model, name) for name in NAMES)), _lora()):
        optimiser = Optimiser(steps=30, learning_rates=(0.05,), retain_weight=1.0)
        (one,), (two,) = (
            Fitter(model.target, method, text, optimiser, _config(), AIM).fit(8, [FitSpec(1, 0.05)]) for _ in range(2)
        )
        assert one.loss < one.curve[0]["loss"]
        assert one.curve == two.curve
        assert all(torch.equal(a, b) for a, b in zip(one.parameters, two.parameters, strict=True))


@pytest.mark.parametrize("objective", [AIM, Uniform(CHANCE), Say(7, tuple(range(20)))])
def test_where_logits_are_many_the_fit_is_the_same(objective: Objective, monkeypatch: pytest.MonkeyPatch) -> None:
    model, blocks = tiny_decomposed(), tiny_blocks(8, seed=1)
    optimiser = Optimiser(steps=6, learning_rates=(0.05,), retain_weight=1.0)
    for method in (Prefactors(tuple(term_of(model, name) for name in NAMES)), _lora()):
        found = []
        few, many = module.AT_ONCE, 7 * VOCABULARY
        for of_text, of_batch in ((few, few), (many, many), (few, many)):  # a batch may have more than its text
            monkeypatch.setattr(module, "AT_ONCE", of_text)
            text = make_text(model.target, blocks, [tiny_blocks(5, seed=2)])
            assert text.base.shape[-1] == (16 if of_text == many else VOCABULARY)
            monkeypatch.setattr(module, "AT_ONCE", of_batch)
            fitter = Fitter(model.target, method, text, optimiser, _config(), objective)
            fits = fitter.fit(8, [FitSpec(0, 0.05), FitSpec(1, 0.05)])
            start = fitter.held_at_start(len(method.starts(torch.Generator())) - 1)
            found.append((fits, start, validation_loss(fitter, fits[0].change, text)))
            monkeypatch.undo()
        (whole, *figures), *others = found
        for parts, *same in others:
            assert same == pytest.approx(figures, rel=1e-4, abs=1e-6)
            for one, two in zip(whole, parts, strict=True):
                losses = [row["loss"] for row in one.curve]
                assert [row["loss"] for row in two.curve] == pytest.approx(losses, rel=1e-4)
                for a, b in zip(one.parameters, two.parameters, strict=True):
                    assert a.abs().max() > 1e-3 and torch.allclose(a, b, atol=1e-3)


def test_fits_of_one_batch_do_not_meet() -> None:
    model = tiny_decomposed()
    text = make_text(model.target, tiny_blocks(8, seed=1), [tiny_blocks(5, seed=2)])
    draws = [FitSpec(0, 0.05), FitSpec(1, 0.05), FitSpec(1, 0.01)]
    for method in (Prefactors(tuple(term_of(model, name) for name in NAMES)), _lora()):
        optimiser = Optimiser(steps=6, learning_rates=(0.05,), retain_weight=1.0)
        fitter = Fitter(model.target, method, text, optimiser, _config(), AIM)
        together = fitter.fit(8, draws)
        for draw, found in zip(draws, together, strict=True):
            (alone,) = fitter.fit(8, [draw])
            assert (found.seed, found.learning_rate) == (draw.seed, draw.learning_rate)
            for a, b in zip(found.parameters, alone.parameters, strict=True):
                assert torch.allclose(a, b, atol=1e-3)


def test_learning_rate_is_the_one_with_the_least_validation_loss() -> None:
    model = tiny_decomposed()
    text = make_text(model.target, _known_text(model.target), [tiny_blocks(5, seed=2)])
    optimiser = Optimiser(steps=15, learning_rates=(1e-6, 0.05), retain_weight=1.0)
    fitter = Fitter(model.target, _lora(), text, optimiser, _config(probe_budgets=(2, 16)), AIM)
    recipes = choose_recipes(fitter, text)
    tried = recipes.tried[16]
    assert recipes.of(16) == Recipe(0.05, 15) == min(tried, key=lambda r: tried[r])
    assert recipes.of(3) == recipes.chosen[2] and recipes.of(1000) == recipes.chosen[16]
    assert tried[Recipe(1e-6, 15)] == pytest.approx(validation_loss(fitter, {}, text), abs=1e-3)
    assert sum(row["chosen"] for row in recipes.as_rows()) == 2


def test_an_early_end_is_the_same_fit_cut_short() -> None:
    model = tiny_decomposed()
    text = make_text(model.target, tiny_blocks(8, seed=1), [tiny_blocks(5, seed=2)])
    optimiser = Optimiser(steps=12, stops=(4, 12), learning_rates=(0.05,), retain_weight=1.0)
    fitter = Fitter(model.target, _lora(), text, optimiser, _config(), AIM)
    early, late = fitter.fit(4, [FitSpec(0, 0.05)], (4, 12))
    (alone,) = fitter.fit(4, [FitSpec(0, 0.05)], (4,))
    assert (early.steps, late.steps) == (4, 12) and early.curve == alone.curve
    assert all(torch.equal(a, b) for a, b in zip(early.parameters, alone.parameters, strict=True))
    assert not torch.equal(early.parameters[0], late.parameters[0])


def test_sparse_finetuning_moves_only_its_share_and_where_the_gradient_is_largest() -> None:
    model = tiny_decomposed()
    text = make_text(model.target, tiny_blocks(8, seed=1), [tiny_blocks(5, seed=2)])
    optimiser = Optimiser(steps=6, learning_rates=(0.01,), retain_weight=1.0)
    method = _finetune(0.02)
    one, two = Fitter(model.target, method, text, optimiser, _config(), AIM).fit(
        4, [FitSpec(0, 0.01), FitSpec(1, 0.01)]
    )
    weights = sum(B.numel() for B in one.parameters)
    moved = [torch.cat([(B != 0).flatten() for B in fit.parameters]) for fit in (one, two)]
    assert [int(m.sum()) for m in moved] == [round(0.02 * weights)] * 2
    assert not torch.equal(*moved)  # each by its own tokens
    masks = largest([torch.tensor([[1.0, -5.0]]), torch.tensor([4.0, 0.0])], 0.5)
    assert [m.tolist() for m in masks] == [[[0, 1]], [1, 0]]
