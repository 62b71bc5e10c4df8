"""Intervals: against the printed t-table, over draws and over text, and what is said of them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, kl_divergence

from flows.page.headline import _told
from prefactor.errors import PrefactorError
from prefactor.evaluate.intervals import figure, interval, t_quantile
from prefactor.model.change import applied
from prefactor.model.reference import hold_out, measure
from prefactor.model.target import cross_entropy, logits_of
from prefactor.report.words import bounds
from prefactor.rescale.terms import Prefactors, term_of
from tests.tiny import tiny_blocks, tiny_decomposed


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.7062), (4, 2.7764), (9, 2.2622), (10, 2.2281), (20, 2.0860), (100, 1.9840)]
)
def test_quantiles_are_those_of_the_printed_table(freedom: int, quantile: float) -> None:
    assert t_quantile(freedom) == pytest.approx(quantile, abs=1e-4)


def test_interval_of_five_values() -> None:
    # mean 3, standard deviation sqrt(2.5), standard error sqrt(0.5)
    half = 2.776445 * 0.5**0.5
    assert interval([1, 2, 3, 4, 5]) == pytest.approx({"mean": 3, "draws": 5, "low": 3 - half, "high": 3 + half})


@pytest.mark.parametrize("value", [0.25, 0.0, -3.0, 1e9])
def test_one_draw_has_no_interval_over_draws_and_one_of_text(value: float) -> None:
    assert interval([value]) == {"mean": value, "draws": 1, "low": None, "high": None}
    found = figure([value], [0.5], 5)
    half = 2.776445 * 0.5
    assert (found["draws"], found["low"], found["high"]) == (1, None, None)
    assert (found["text_low"], found["text_high"]) == pytest.approx((value - half, value + half))
    assert figure([value], [math.nan], 1)["text_low"] is None  # a single block says nothing of other text


@pytest.mark.parametrize(("shared", "least"), [(1.0, 0.93), (0.0, 0.99)])
def test_the_text_interval_covers_what_all_text_would_have_said(shared: float, least: float) -> None:
    """Five draws on the same blocks: exact where they agree on which blocks are hard, else wider than need be."""
    rng, covered = np.random.default_rng(0), 0
    for _ in range(1000):
        block = shared * rng.normal(size=(1, 30)) + (1 - shared) * rng.normal(size=(5, 30))
        values = 2.0 + np.broadcast_to(block, (5, 30))
        found = figure(values.mean(1).tolist(), (values.std(1, ddof=1) / 30**0.5).tolist(), 30)
        covered += found["text_low"] <= 2.0 <= found["text_high"]
    assert least <= covered / 1000 <= (0.97 if shared else 1.0)


def test_figures_are_torchs_and_errors_are_over_the_blocks_of_the_text() -> None:
    model = tiny_decomposed()
    tokens = tiny_blocks(40)
    change = Prefactors(tuple(term_of(model, f"{site.name}:0") for site in model.sites[:3])).common(-2.0)
    found = measure(model.target, change, {"": hold_out(model.target, tokens)})[""]
    before = [cross_entropy(model.target, tokens[[i]]) for i in range(40)]
    with applied(model.target, change):
        after = [cross_entropy(model.target, tokens[[i]]) for i in range(40)]
    damage = np.subtract(after, before)
    assert found["damage"] == pytest.approx(damage.mean(), abs=1e-5)
    assert found["damage_error"] == pytest.approx(damage.std(ddof=1) / 40**0.5, rel=1e-3)
    assert found["edited_ce_error"] == pytest.approx(np.std(after, ddof=1) / 40**0.5, rel=1e-3)
    assert found["damage_error"] != pytest.approx(found["edited_ce_error"], rel=0.05)
    ids = torch.from_numpy(tokens).long()
    with torch.no_grad(), applied(model.target, change):
        edited = logits_of(model.target, ids).double()
    base = logits_of(model.target, ids).double()
    p, q = Categorical(logits=base), Categorical(logits=edited)
    assert found["kl"] == pytest.approx(kl_divergence(p, q).mean().item(), rel=1e-4)
    assert found["kl"] != pytest.approx(kl_divergence(q, p).mean().item(), rel=0.002)  # the other way round
    assert found["entropy"] == pytest.approx(q.entropy().mean().item(), rel=1e-4)
    uniform = Categorical(logits=torch.zeros_like(edited))
    assert found["uniform_kl"] == pytest.approx(kl_divergence(uniform, q).mean().item(), rel=1e-4)
    one = measure(model.target, change, {"": hold_out(model.target, tokens[:1])})[""]
    assert math.isnan(one["damage_error"]) and math.isnan(one["edited_ce_error"])


def test_damage_is_told_apart_by_what_is_quoted() -> None:
    model, tokens = tiny_decomposed(), tiny_blocks(40)
    change = Prefactors((term_of(model, f"{model.sites[0].name}:0"),)).common(-4.0)
    held, quoted = hold_out(model.target, tokens), torch.from_numpy(np.random.default_rng(1).random(tokens.shape) < 0.2)
    quoted[3] = True  # a block without any text of its own
    found = measure(model.target, change, {"": replace(held, quoted=quoted)})[""]
    ids = torch.from_numpy(tokens).long()
    base = torch.nn.functional.cross_entropy(logits_of(model.target, ids)[:, :-1].mT, ids[:, 1:], reduction="none")
    with torch.no_grad(), applied(model.target, change):
        edited = torch.nn.functional.cross_entropy(
            logits_of(model.target, ids)[:, :-1].mT, ids[:, 1:], reduction="none"
        )
    damage, inside = (edited - base).detach(), quoted[:, 1:]
    assert found["damage_own"] == pytest.approx(damage[~inside].mean().item(), abs=1e-5)
    assert found["damage_quoted"] == pytest.approx(damage[inside].mean().item(), abs=1e-5)
    assert found["quoted_tokens"] == int(inside.sum()) and found["damage_own_error"] > 0
    none = measure(model.target, change, {"": held})[""]
    assert none["damage_own"] == pytest.approx(none["damage"], abs=1e-7) and none["damage_quoted"] == 0
    assert none["quoted_tokens"] == 0 and none["damage_own_error"] == pytest.approx(none["damage_error"])


def test_a_terminal_and_a_page_say_what_each_interval_covers() -> None:
    several, single = figure([0.01, 0.03], [0.01, 0.01], 100), figure([0.02], [0.01], 100)
    assert _told(several) == "+0.02 (-0.11, +0.15) ±0.02"
    assert _told(single) == "+0.02 (one draw) ±0.02"
    assert bounds(several) == "−0.11 to +0.15; text ±0.02"
    assert bounds(single, 3) == "one draw; text ±0.020"
    assert bounds(figure([0.02], [math.nan], 1)) == "one draw"


def test_no_value_is_an_error() -> None:
    with pytest.raises(PrefactorError, match="at least one value"):
        interval([])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_an_error_with_a_remedy(value: float) -> None:
    with pytest.raises(PrefactorError, match="the edit has broken the model; lower its learning rate"):
        interval([1.0, value])
