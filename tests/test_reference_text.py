"""The base model's view of held-out text: replayed layers and what is kept of it change no bit."""

from pathlib import Path

import pytest
import torch

import prefactor.model.kept as module
from prefactor.model.kept import hold_out_once
from prefactor.model.prefix import Prefixes
from prefactor.model.reference import flops_a_token, hold_out, measure
from prefactor.rescale.footprint import divergence
from prefactor.rescale.terms import Prefactors, term_of
from tests.tiny import tiny_blocks, tiny_decomposed


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
    for field in ("tokens", "p", "plogp"):
        assert torch.equal(getattr(again, field), getattr(first, field))
    assert again.ce == first.ce
    hold_out_once(model.target, other, "a", tmp_path, "de")
    hold_out_once(model.target, other, "b", tmp_path, "de")
    assert asked == [9, 9, 9] and len(list(tmp_path.iterdir())) == 1  # what is of no use any more is gone
    monkeypatch.setattr(module, "MOST", 10)
    hold_out_once(model.target, text, "a", tmp_path, "fr")
    assert asked == [9, 9, 9, 9] and len(list(tmp_path.iterdir())) == 1
