"""Several subcomponents with a gain each: what the fit looks at, and what it saves beside one gain for all."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from prefactor.config.domains import Domains
from prefactor.config.edit import FitConfig
from prefactor.config.edits import GuardedEdit, Reached, ScalarEdit
from prefactor.corpus.blocks import Blocks
from prefactor.corpus.needs import guarding, proportioning, reaching
from prefactor.edits import build
from prefactor.edits.unfitted import Grounds, unfitted
from prefactor.files.cost import Cost
from prefactor.model.change import applied
from prefactor.model.head import Head, head_of
from prefactor.model.prefix import prefix_of
from prefactor.model.reference import HeldOut, States, hold_out, measure
from prefactor.model.unigram import Bars
from prefactor.rescale.footprint import Uses
from prefactor.rescale.gains import carries, cross_entropy, divergence, unlike
from prefactor.rescale.terms import Prefactors, term_of
from tests.tiny import VOCABULARY, tiny_blocks, tiny_decomposed, tiny_net

DOMAINS = Domains(target="de", retain=("en",), protect=())
CONFIG = FitConfig(
    budgets=(4,), seeds=1, report_budget=4, retain_tokens=1, retain_batch=1, probe_budgets=(4,), probe_seeds=1,
    probe_tokens=240, guard_tokens=240, seed=0,
)  # fmt: skip


@pytest.mark.parametrize("as_states", [False, True])
def test_the_losses_are_what_measurements_report(as_states: bool) -> None:
    model = tiny_decomposed()
    held, rows = hold_out(model.target, tiny_blocks(6)), torch.arange(6)
    head = head_of(model.target, held.tokens) if as_states else Head(model.target)
    if as_states:
        assert head.body is not None
        held = HeldOut(held.tokens, States(head, head.states(held.tokens).detach()), held.ce)
    change = Prefactors(tuple(term_of(model, name) for name in model.names[:2])).common(-3.0)
    with torch.no_grad(), applied(model.target, change):
        states = head.states(held.tokens)
    found = measure(model.target, change, {"": held})[""]
    assert found["kl"] > 0.01
    assert cross_entropy(held, rows, head, states).item() == pytest.approx(found["edited_ce"], rel=1e-5)
    assert divergence(held, rows, head, states)[:, :-1].mean().item() == pytest.approx(
        _without_last(model.target, change, held), rel=1e-4
    )


def _without_last(target: Any, change: Any, held: HeldOut) -> float:
    with torch.no_grad():
        base = target(input_ids=held.tokens).logits.double().log_softmax(-1)
        with applied(target, change):
            edited = target(input_ids=held.tokens).logits.double().log_softmax(-1)
    return (base.exp() * (base - edited)).sum(-1)[:, :-1].mean().item()


def test_text_is_unlike_the_target_where_it_needs_no_subcomponent_half_as_much() -> None:
    wanted = torch.tensor([[[0.8, 0.4]]]).expand(3, 4, 2)
    importance = torch.tensor([[0.39, 0.19], [0.41, 0.0], [0.0, 0.21], [0.0, 0.0]])[:, None].expand(4, 5, 2)
    assert unlike(importance, wanted).tolist() == [True, False, False, True]


def test_a_gain_each_costs_the_retained_less_at_the_same_bar() -> None:
    model = tiny_decomposed()
    net = tiny_net(model)
    half = VOCABULARY // 2  # the domains share no token, and so not all that serves them
    tokens = tiny_blocks(80) % half + half * (np.arange(80)[:, None] % 2)
    blocks = Blocks(tokens.astype(np.int32), np.array(["de", "en"] * 40), [[]] * 80)
    chosen = [name for name in model.names if name.startswith(("layers.0.mlp.up", "layers.1.mlp.down"))][:24:4]
    held = {domain: hold_out(model.target, blocks.of(domain).tokens[:20]) for domain in ("de", "en")}
    grounds = Grounds(blocks, blocks, Bars(99.0, {"de": held["de"].ce + 0.2, "en": 99.0}), Uses(0.1, 2))
    found: dict[str, Any] = {}
    for gains in ("common", "each"):
        edit = ScalarEdit.model_validate(
            {"method": "scalar", "domains": DOMAINS, "shortlist": "any", "goal": "unigram", "top": len(chosen),
             "alpha": {"by": "reach", "kl": 100.0, "gains": gains}}
        )  # fmt: skip
        cost = Cost()
        made = unfitted(edit, chosen, model, net, CONFIG, grounds, cost)
        again = unfitted(edit, chosen, model, net, CONFIG, grounds, Cost())
        values, record = made.prefactors, made.about
        assert again.prefactors == values and record is not None and record.get("gains", "common") == gains
        found[gains] = measure(model.target, made.change, held) | {"values": values, "flops": cost.flops}
    assert len(set(found["common"]["values"])) == 1 and len(set(found["each"]["values"])) == len(chosen)
    common, each = found["common"], found["each"]
    assert each["de"]["edited_ce"] == pytest.approx(common["de"]["edited_ce"], abs=0.1)
    assert each["en"]["kl"] < 0.8 * common["en"]["kl"] and each["flops"] > common["flops"]


def test_the_best_few_of_many_are_kept_and_fitted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_decomposed()
    tokens = tiny_blocks(80)
    blocks = Blocks(tokens, np.array(["de", "en"] * 40), [[]] * 80)
    chosen = [name for name in model.names if name.startswith("layers.1.mlp.up")][:6]
    ce = hold_out(model.target, blocks.of("de").tokens[:20]).ce
    grounds = Grounds(blocks, blocks, Bars(99.0, {"de": ce + 0.2, "en": 99.0}), Uses(0.1, 2))
    edit = ScalarEdit.model_validate(
        {"method": "scalar", "domains": DOMAINS, "shortlist": "any", "goal": "unigram", "top": 2,
         "alpha": {"by": "reach", "kl": 100.0, "gains": "each", "among": 6}}
    )  # fmt: skip
    made = unfitted(edit, chosen, model, tiny_net(model), CONFIG, grounds, Cost())
    assert len(made.subcomponents) == len(made.prefactors) == 2 and set(made.subcomponents) < set(chosen)
    assert made.about is not None and made.about["among"] == 6
    assert [len(A) for A, _ in made.change.values()] == [2]
    alone = edit.model_copy(update={"alpha": Reached(by="reach", kl=100.0, gains="each")})
    again = unfitted(alone, made.subcomponents, model, tiny_net(model), CONFIG, grounds, Cost())
    assert again.prefactors == made.prefactors
    monkeypatch.setattr(build, "guarded_terms", lambda guard, target, names, terms, *others: list(terms))
    guarded = GuardedEdit.model_validate(
        edit.model_dump() | {"method": "guarded", "guard": {"weigh": "importance", "ridge": 0.01}}
    )
    made = unfitted(guarded, chosen, model, tiny_net(model), CONFIG, grounds, Cost())
    assert made.about is not None and made.about["unguarded"] == made.subcomponents  # and not what was dropped


def test_what_a_gain_carries_is_what_the_target_gets_back_without_it() -> None:
    model = tiny_decomposed()
    held = hold_out(model.target, tiny_blocks(6))
    method = Prefactors(tuple(term_of(model, name) for name in model.names[:3]))
    gains, prefix = torch.tensor([-4.0, 1.0, 3.0]), prefix_of(model.target, method.modules, held.tokens[:1])
    own = held.after(prefix)
    found = carries(model.target, method, gains, own, prefix, Cost())

    def ce(values: list[float]) -> float:
        return measure(model.target, method.change([torch.tensor(values)]), {"": held})[""]["edited_ce"]

    assert found[1] == 0
    assert found[0].item() == pytest.approx(ce([-4.0, 1.0, 3.0]) - ce([1.0, 1.0, 3.0]), abs=1e-5)


@pytest.mark.parametrize(
    ("top", "gains", "words"), [(8, "each", "no more"), (None, "each", "must be given"), (2, "common", "gains: each")]
)
def test_an_among_that_cannot_be_is_refused(top: int | None, gains: str, words: str) -> None:
    about = {"method": "scalar", "domains": DOMAINS, "shortlist": "any", "top": top}
    with pytest.raises(ValidationError, match=words):
        ScalarEdit.model_validate(about | {"alpha": {"by": "reach", "kl": 0.1, "gains": gains, "among": 6}})


def test_what_it_reads_is_asked_for_beforehand() -> None:
    about: dict[str, Any] = {"method": "scalar", "domains": DOMAINS, "shortlist": "any", "top": 4}
    common = ScalarEdit.model_validate(about | {"alpha": {"by": "reach", "kl": 0.1}})
    each = ScalarEdit.model_validate(about | {"alpha": {"by": "reach", "kl": 0.1, "gains": "each"}})
    assert proportioning(common, CONFIG) == {} and guarding(each, CONFIG) == {}
    assert {d: (need.split, need.value) for d, need in proportioning(each, CONFIG).items()} == {
        "de": ("fit", 240), "en": ("fit", 240), None: ("fit", 240)
    }  # fmt: skip
    assert {need.split for need in reaching(each, CONFIG).values()} == {"select"}
    more = CONFIG.model_copy(update={"untagged_tokens": 480})
    assert {d: need.value for d, need in proportioning(each, more).items()} == {"de": 240, "en": 240, None: 480}
    with pytest.raises(ValidationError, match="top is 1: raise it"):
        ScalarEdit.model_validate(about | {"top": 1, "alpha": Reached(by="reach", kl=0.1, gains="each")})
