"""Ablating and inverting: the damage is that of the weights as they then are; a killed run goes on."""

from pathlib import Path
from typing import Any

import pytest
import torch

import prefactor.rescale.ablate as module
from prefactor.files.checkpoint import Checkpoint
from prefactor.files.cost import Cost
from prefactor.model.change import applied
from prefactor.model.matrices import weight_of
from prefactor.model.target import logits_of, next_token_ce
from prefactor.rescale.ablate import effects_of, first_order, standing_out
from prefactor.rescale.attribution import attributions
from prefactor.rescale.terms import Prefactors, term_of
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


def test_the_attribution_is_the_slope_of_the_loss_at_no_change() -> None:
    """Against differences of the loss with a prefactor a little above and a little below 1."""
    model = tiny_decomposed(4, bias=True)
    tokens = torch.from_numpy(TEXT["de"]).long()
    found = attributions(model, tokens)
    assert found.shape == (5, model.subcomponents)
    for name in (model.names[1], model.names[-3]):
        losses = []
        for alpha in (1.01, 0.99):
            with applied(model.target, Prefactors((term_of(model, name),)).common(alpha)):
                losses.append(next_token_ce(logits_of(model.target, tokens)[:, :-1], tokens).mean(1))
        slope = (losses[0] - losses[1]) / 2e-2
        torch.testing.assert_close(found[:, model.names.index(name)], slope.double(), rtol=1e-2, atol=1e-4)


def test_what_stands_out_is_measured_and_the_rest_is_to_first_order() -> None:
    model = tiny_decomposed(4)
    rough, exact = first_order(model, model.names, TEXT, Cost()), effects_of(model, model.names, TEXT, Cost())
    needed = torch.rand(model.subcomponents, 2, generator=torch.Generator().manual_seed(0)).numpy()
    chosen = standing_out(rough, needed, 7)
    assert len(chosen) == 7 and chosen == sorted(chosen, key=model.names.index)
    assert model.names[int(rough.damage.abs().amax((1, 2)).argmax())] in chosen
    assert model.names[int(abs(needed[:, 0] - needed[:, 1]).argmax())] in chosen
    both = effects_of(model, chosen, TEXT, Cost()).filled_from(rough)
    for i, name in enumerate(model.names):
        source = exact if name in chosen else rough
        assert torch.equal(both.damage[i], source.damage[i]) and torch.equal(both.error[i], source.error[i])
    assert both.table()["exact"].to_pylist() == [name in chosen for name in model.names]
    tiny = 1e-3  # at so small a step the two agree
    slope = rough.damage[:, 0] / -1
    with applied(model.target, Prefactors((term_of(model, model.names[5]),)).common(1 - tiny)):
        tokens = torch.from_numpy(TEXT["en"]).long()
        after = next_token_ce(logits_of(model.target, tokens)[:, :-1], tokens).mean().item()
    before = next_token_ce(logits_of(model.target, tokens)[:, :-1], tokens).mean().item()
    assert after - before == pytest.approx(-tiny * slope[5, 0].item(), abs=2e-6)
