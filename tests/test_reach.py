"""How far a prefactor has to go for a goal, on text that it is not fitted on."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from prefactor.config.domains import Domains
from prefactor.config.edit import FitConfig
from prefactor.config.edits import GuardedEdit, Reached, ScalarEdit
from prefactor.config.guard import GuardByImportance
from prefactor.corpus.blocks import Blocks
from prefactor.edits.unfitted import Grounds, unfitted
from prefactor.files.cost import Cost
from prefactor.model.reference import hold_out, measure
from prefactor.model.unigram import Bars
from prefactor.rescale.footprint import Uses
from prefactor.rescale.reach import SURE, Tried, reach
from prefactor.rescale.terms import Prefactors, term_of
from tests.tiny import tiny_blocks, tiny_decomposed, tiny_net

BASE = 2.0


def _at(ce: Callable[[float], float], kl: Callable[[float], float] = lambda alpha: 0.0) -> Callable[[float], Tried]:
    return lambda alpha: Tried(alpha, BASE + ce(alpha), 0.0, kl(alpha))


@pytest.mark.parametrize("bar", [2.01, 2.5, 5.0, 9.0])
def test_the_bar_is_reached_and_hardly_passed(bar: float) -> None:
    tries: list[float] = []

    def at(alpha: float) -> Tried:
        tries.append(alpha)
        return Tried(alpha, BASE + 1.5 * math.log1p((alpha - 1) ** 2), 0.1, 0.0)

    end = reach(at, bar, 0.1)
    assert bar <= end.ce - SURE * 0.1 <= bar + 0.03 and end.surely == end.ce - SURE * 0.1
    assert end.alpha < 1 and len(tries) <= 21


def test_amplifying_is_tried_where_inverting_does_not_reach() -> None:
    end = reach(_at(lambda alpha: max(0.0, alpha - 1)), 5.0, 0.1)
    assert end.alpha == pytest.approx(4.0, abs=0.02) and end.ce >= 5.0


def test_the_retained_text_stops_it() -> None:
    end = reach(_at(lambda alpha: 0.1 * abs(alpha - 1), lambda alpha: 0.001 * (alpha - 1) ** 2), 9.0, 0.1)
    assert end.kl <= 0.1 and end.alpha == pytest.approx(-9.0, rel=0.06)  # |α - 1| = 10, less what NEARLY gives up


def test_what_saturates_below_the_bar_goes_no_further_than_it_gains() -> None:
    end = reach(_at(lambda alpha: 3 * (1 - math.exp(-abs(alpha - 1)))), 9.0, 0.1)
    assert end.ce >= BASE + 0.95 * 3 and end.alpha > -4


def test_what_is_not_finite_is_too_far() -> None:
    end = reach(_at(lambda alpha: -alpha if alpha > -5 else math.nan), 90.0, 0.1)
    assert math.isfinite(end.ce) and end.alpha > -5


def test_no_change_is_made_where_the_goal_is_met_or_nothing_helps() -> None:
    assert reach(_at(lambda alpha: 1.0), BASE, 0.1).alpha == 1.0
    assert reach(_at(lambda alpha: 0.0), 9.0, 0.1).alpha == 1.0
    assert reach(_at(lambda alpha: 9.0 * (alpha != 1), lambda alpha: float(alpha != 1)), 9.0, 0.1).alpha == 1.0


def test_an_edit_by_reach_is_at_its_bar_on_the_select_split() -> None:
    model = tiny_decomposed()
    net = tiny_net(model)
    blocks = Blocks(tiny_blocks(40), np.array(["de", "en"] * 20), [[]] * 40)
    domains = Domains(target="de", retain=("en",), protect=())
    config = FitConfig(
        budgets=(4,), seeds=1, report_budget=4, retain_tokens=1, retain_batch=1, probe_budgets=(4,), probe_seeds=1,
        probe_tokens=120, guard_tokens=120, seed=0,
    )  # fmt: skip
    chosen = model.names[:3]
    text = {domain: blocks.of(domain).tokens[:10] for domain in ("de", "en")}
    held = {domain: hold_out(model.target, own) for domain, own in text.items()}
    method = Prefactors(tuple(term_of(model, name) for name in chosen))
    bar = measure(model.target, method.common(-3.3), {"de": held["de"]})["de"]["edited_ce"]
    assert bar > held["de"].ce
    cost, bars = Cost(), Bars(99.0, {"de": bar, "en": 99.0})
    grounds = Grounds(blocks, blocks, bars, Uses(0.1, 2))
    about: dict[str, Any] = {
        "domains": domains,
        "shortlist": "any",
        "goal": "unigram",
        "alpha": Reached(by="reach", kl=100.0),
    }
    made = unfitted(ScalarEdit(method="scalar", **about), chosen, model, net, config, grounds, cost)
    values, record = made.prefactors, made.about
    found = measure(model.target, made.change, held)
    assert len(set(values)) == 1 and len(values) == 3
    beyond = found["de"]["edited_ce"] - SURE * found["de"]["edited_ce_error"] - bar
    assert 0 <= beyond < 0.01
    assert record is not None and record["reached"] == pytest.approx(found["de"]["edited_ce"] - bar, abs=1e-6)
    assert record["held_kl"] == pytest.approx(found["en"]["kl"], abs=1e-6) and cost.flops > 0
    kl = 0.3 * found["en"]["kl"]
    held_back: dict[str, Any] = about | {"alpha": Reached(by="reach", kl=kl)}
    made = unfitted(ScalarEdit(method="scalar", **held_back), chosen, model, net, config, grounds, cost)
    assert measure(model.target, made.change, held)["en"]["kl"] <= kl
    guarded = GuardedEdit(method="guarded", guard=GuardByImportance(weigh="importance", ridge=0.01), **about)
    made = unfitted(guarded, chosen, model, net, config, grounds, cost)
    record = made.about
    assert record is not None and record["weigh"] == "importance" and "reached" in record
