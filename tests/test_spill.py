"""Spill: what an edit does to text that is unlike the target, and how candidates rank of which it is unknown."""

from typing import Any

import pytest
import torch

from prefactor.selection.effect import Effect
from prefactor.selection.spill import Others
from tests.test_selection import by_label, chosen

UNKNOWN = Effect(-3.0, 0.0, 0.001, None)  # needed by all text: there is none by which to tell what it spills


@pytest.mark.parametrize(
    ("others", "place"),
    [
        ([Effect(-4.0, 0.0, 0.9, 5.0), Effect(-4.0, 0.0, 0.9, 0.1)], 2),  # worse damage, any spill: known comes first
        ([Effect(-4.0, 0.0, 0.9, 0.0), Effect(-4.0, 0.5, None)], 1),  # who never reaches chance is behind it
        ([Effect(-4.0, 0.0, 0.5, None), Effect(-4.0, 0.0, 0.9, None)], 0),  # all unknown: by damage
        ([Effect(-4.0, 0.0, 0.0001, None), Effect(-4.0, 0.0, 0.9, None)], 1),
        ([Effect(-4.0, 1.5, None), Effect(-4.0, 0.5, None)], 0),
    ],
)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_an_unknown_spill_is_never_preferred_to_a_known_one(others: list[Effect], place: int, at: int) -> None:
    effects = [*others[:at], UNKNOWN, *others[at:]]
    found = chosen(by_label("german", "spill"), effects=effects)
    ranked = [*found.chosen, *found.candidates]
    own = ["layers.0.v_proj:2", "layers.0.v_proj:10", "layers.1.up_proj:0"][at]
    assert [row.subcomponent for row in ranked].index(own) == place
    assert ranked[place].score is None
    since = "since nearly all text needs it as the target's does"
    assert f"+0.001 nats on en (worst of other text unknown, {since}) at prefactor -3" in ranked[place].reason
    assert ranked[place].warning == f"what it does to other text is unknown, {since}"


def test_spill_is_the_mean_of_the_worst_quarter_and_unknown_of_too_few_blocks() -> None:
    held: Any = None
    divergence = torch.tensor([[8.0, 0.0], [1.0, 1.0], [2.0, 4.0], [0.0, 0.0], [9.0, 9.0], [1.0, 2.0], [0.0, 1.0]])
    needed = torch.tensor([[0.1, 0.1], [0.2, 0.9], [0.1, 0.9], [0.0, 0.9], [0.5, 0.9], [0.1, 0.1], [0.1, 0.1]])
    others = Others(held, torch.cat([needed] * 2), torch.tensor([0.8, 0.8]))
    worst = torch.cat([divergence] * 2)
    assert others.worst(worst, 0) == pytest.approx((4 + 4 + 3) / 3)  # of twelve: the fifth block needs it, too
    assert Others(held, needed, others.target).worst(divergence, 0) == pytest.approx(4.0)  # of six, the worst one
    assert Others(held, needed, others.target).worst(divergence, 1) is None  # three blocks
    assert Others(held, needed, torch.tensor([0.0, 0.0])).worst(divergence, 0) is None  # none
