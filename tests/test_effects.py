"""Ablating and inverting: the damage is that of the weights as they then are; a killed run goes on."""

from pathlib import Path
from typing import Any

import pytest
import torch

import prefactor.rescale.ablate as module
from prefactor.files.checkpoint import Checkpoint
from prefactor.files.cost import Cost
from prefactor.model.matrices import weight_of
from prefactor.model.target import logits_of, next_token_ce
from prefactor.rescale.ablate import effects_of
from tests.tiny import tiny_blocks, tiny_decomposed

TEXT = {"en": tiny_blocks(6), "de": tiny_blocks(5, seed=1)}


def test_the_damage_is_that_of_the_changed_weights() -> None:
    model, cost = tiny_decomposed(4), Cost()
    names = [model.names[0], model.names[-1]]
    found = effects_of(model, names, TEXT, cost)
    assert cost.tokens == 2 * 2 * 11 * 12
    site = model.sites[-1]
    tokens = torch.from_numpy(TEXT["de"]).long()
    weight = weight_of(site.module)
    before = next_token_ce(logits_of(model.target, tokens)[:, :-1], tokens)
    for p, alpha in enumerate((0.0, -1.0)):
        kept = weight.clone()
        weight.add_((alpha - 1) * torch.outer(model.U[-1][-1], model.V[-1][-1]).detach())
        damage = (next_token_ce(logits_of(model.target, tokens)[:, :-1], tokens) - before).mean(1)
        weight.copy_(kept)
        assert found.damage[1, p, 1].item() == pytest.approx(damage.mean().item(), abs=1e-5)
        assert found.error[1, p, 1].item() == pytest.approx(damage.std().item() / 5**0.5, abs=1e-5)
    table = found.table().to_pandas()
    assert table["invert_de"][1] == found.damage[1, 1, 1] and table["ablate_error_en"][0] == found.error[0, 0, 0]


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_decomposed(2)
    whole = effects_of(model, model.names, TEXT, Cost())
    monkeypatch.setattr(module, "SAVE_EVERY", -1.0)
    asked: list[str] = []

    def counted(*args: Any) -> Any:
        if len(asked) == 9:
            raise KeyboardInterrupt
        asked.append(args[1])
        return term_of(*args)

    term_of = module.term_of
    monkeypatch.setattr(module, "term_of", counted)
    checkpoint = Checkpoint(tmp_path, "key")
    with pytest.raises(KeyboardInterrupt):
        effects_of(model, model.names, TEXT, Cost(), checkpoint)
    monkeypatch.setattr(module, "term_of", lambda *args: (asked.append(args[1]), term_of(*args))[1])
    resumed = effects_of(model, model.names, TEXT, Cost(), checkpoint)
    assert asked == model.names
    assert torch.equal(resumed.damage, whole.damage) and torch.equal(resumed.error, whole.error)
