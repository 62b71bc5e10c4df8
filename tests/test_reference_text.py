"""The base model's view of held-out text: replayed layers and what is kept of it change no bit."""

from pathlib import Path

import pytest
import torch

import prefactor.model.at_once as at_once
import prefactor.model.kept as module
from prefactor.model.kept import hold_out_once
from prefactor.model.prefix import Prefixes
from prefactor.model.reference import States, flops_a_token, hold_out, measure, measure_each
from prefactor.rescale.footprint import divergence
from prefactor.rescale.terms import Prefactors, term_of
from tests.tiny import POSITIONS, VOCABULARY, tiny_blocks, tiny_decomposed


@pytest.mark.parametrize("name", ["layers.1.mlp.up_proj:3", "layers.0.self_attn.v_proj:2"])
def test_replaying_the_layers_before_a_change_changes_no_figure(name: str) -> None:
    model = tiny_decomposed()
    change = Prefactors((term_of(model, name),)).common(-2.0)
    held = hold_out(model.target, tiny_blocks(70))
    prefix = Prefixes(model.target, held.tokens[:1]).of(tuple(change))
    assert prefix.depth == int(name[7])
    replayed = held.after(prefix)
    assert measure(model.target, change, {"": replayed}, prefix) == measure(model.target, change, {"": held})
    whole = divergence(model.target, change, held)
    assert torch.equal(divergence(model.target, change, replayed, prefix), whole)
    cheaper = flops_a_token(model.target, replayed, prefix) < flops_a_token(model.target, held)
    assert cheaper == (prefix.depth > 0)


def test_what_is_kept_is_what_was_worked_out_and_is_of_this_text_and_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_decomposed()
    asked: list[int] = []
    monkeypatch.setattr(
        module, "hold_out", lambda target, tokens: (asked.append(len(tokens)), hold_out(target, tokens))[1]
    )
    text, other = tiny_blocks(9), tiny_blocks(9, seed=4)
    first = hold_out_once(model.target, text, "a", tmp_path, "de")
    again = hold_out_once(model.target, text, "a", tmp_path, "de")
    assert asked == [9]
    assert torch.equal(again.tokens, first.tokens)
    assert all(torch.equal(value, vars(first.base)[field]) for field, value in vars(again.base).items())
    assert again.ce == first.ce
    hold_out_once(model.target, other, "a", tmp_path, "de")
    hold_out_once(model.target, other, "b", tmp_path, "de")
    assert asked == [9, 9, 9] and len(list(tmp_path.iterdir())) == 1  # what is of no use any more is gone


@pytest.mark.parametrize("name", ["layers.1.mlp.up_proj:3", "layers.0.self_attn.v_proj:2"])
def test_of_a_long_text_states_are_kept_and_every_figure_is_the_same(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, text = tiny_decomposed(), tiny_blocks(19)
    change = Prefactors((term_of(model, name),)).common(-2.0)
    short = hold_out(model.target, text)
    prefix = Prefixes(model.target, short.tokens[:1]).of(tuple(change))
    figures, kl = measure(model.target, change, {"": short})[""], divergence(model.target, change, short)
    monkeypatch.setattr(at_once, "AT_ONCE", 30 * VOCABULARY)  # two and a half blocks
    for again in range(2):
        held = hold_out_once(model.target, text, "a", tmp_path, "de")
        assert isinstance(held.base, States) and held.base.out.shape == (19, POSITIONS, 16)
        assert held.chance == short.chance and held.ce == pytest.approx(short.ce, rel=1e-6)
        for of in (None, prefix):
            text_of = held if of is None else held.after(of)
            assert measure(model.target, change, {"": text_of}, of)[""] == pytest.approx(figures, rel=1e-5, abs=1e-6)
            torch.testing.assert_close(divergence(model.target, change, text_of, of), kl, rtol=1e-5, atol=1e-6)
        (kept,) = tmp_path.iterdir()
        assert kept.stat().st_size < 19 * POSITIONS * VOCABULARY * 4, again
        monkeypatch.setattr(module, "hold_out", None)  # the second time it is read


@pytest.mark.parametrize("logits", [None, 30 * VOCABULARY], ids=["kept", "worked out anew"])
def test_changes_measured_together_are_those_measured_one_by_one(
    logits: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if logits is not None:
        monkeypatch.setattr(at_once, "AT_ONCE", logits)
    model = tiny_decomposed()
    method = Prefactors((term_of(model, "layers.1.mlp.up_proj:3"),))
    changes = [method.common(alpha) for alpha in (-2.0, 1.0, 4.0)]
    held = hold_out(model.target, tiny_blocks(19))
    assert isinstance(held.base, States) == (logits is not None)
    prefix = Prefixes(model.target, held.tokens[:1]).of(method.modules)
    held = held.after(prefix)
    alone = [measure(model.target, change, {"": held}, prefix)[""] for change in changes]
    assert measure_each(model.target, changes, held, prefix) == alone
    one, two = (flops_a_token(model.target, held, prefix, changes=n) for n in (1, 2))
    more = two - one
    assert more == one if logits is None else more < one, "what the base model predicts is worked out once"
