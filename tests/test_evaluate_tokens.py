"""What an edit does to single tokens, of a text whose means are known."""

import pytest

from prefactor.evaluate.tokens import BLOCKS, by_token
from prefactor.model.reference import hold_out, measure
from prefactor.rescale.terms import Prefactors, term_of
from tests.tiny import tiny_blocks, tiny_decomposed


def test_tokens_have_the_means_of_their_text_and_stand_where_they_are_predicted() -> None:
    model = tiny_decomposed()
    change = Prefactors((term_of(model, "layers.1.mlp.up_proj:3"),)).common(-4.0)
    text = tiny_blocks(7)
    rows = list(by_token(model.target, change, {"de": hold_out(model.target, text)}, lambda ids: f"<{ids[0]}>"))
    few = text[:BLOCKS]
    assert [row["token"] for row in rows] == [f"<{token}>" for token in few.flatten()]
    assert [(row["block"], row["position"]) for row in rows] == [
        (b, p) for b in range(BLOCKS) for p in range(few.shape[1])
    ]
    figures = ("base_ce", "edited_ce", "kl")
    assert all((row[figure] is None) == (row["position"] == 0) for row in rows for figure in figures)
    whole = measure(model.target, change, {"de": hold_out(model.target, few)})["de"]
    told = [row for row in rows if row["position"]]
    for figure in ("base_ce", "edited_ce"):
        assert sum(row[figure] for row in told) / len(told) == pytest.approx(whole[figure], rel=1e-6)
    assert max(row["kl"] for row in told) > 1e-3


def test_no_change_diverges_nowhere() -> None:
    model = tiny_decomposed()
    change = Prefactors((term_of(model, "layers.1.mlp.up_proj:3"),)).common(1.0)
    for row in by_token(model.target, change, {"de": hold_out(model.target, tiny_blocks(3))}, str):
        if row["position"]:
            assert row["base_ce"] == pytest.approx(row["edited_ce"], abs=1e-6) and abs(row["kl"]) < 1e-6
