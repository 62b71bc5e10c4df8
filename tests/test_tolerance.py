"""How far a prefactor may go without a target token."""

from collections.abc import Callable

import pytest

from prefactor.errors import PrefactorError
from prefactor.model.reference import hold_out
from prefactor.rescale.footprint import Uses, divergence, importance_of, near
from prefactor.rescale.terms import Prefactors, term_of
from prefactor.rescale.tolerance import FURTHEST, furthest, tolerated
from tests.tiny import tiny_blocks, tiny_decomposed, tiny_net


def test_tolerance_is_met_and_not_exceeded() -> None:
    model = tiny_decomposed()
    net, text = tiny_net(model), tiny_blocks(40)
    importance, uses = importance_of(model, net, text, model.names), Uses(0.5, 1)
    share = [near(importance[..., [c]], uses).double().mean().item() for c in range(len(model.names))]
    some = model.names[min(range(len(share)), key=lambda c: abs(share[c] - 0.5))]  # near to about half of the tokens
    method = Prefactors((term_of(model, some),))
    far = ~near(importance_of(model, net, text, [some]), uses)
    assert 0.2 < far.double().mean() < 0.8
    before = hold_out(model.target, text)
    for kl in (1e-4, 1e-3):
        alpha, about = tolerated(method, [some], model, net, text, kl, uses)
        found = divergence(model.target, method.common(alpha), before)[far].mean().item()
        assert alpha < 1 and about["far_tokens"] == int(far.sum())
        assert found == pytest.approx(kl, rel=0.05) and found <= kl * 1.0001
    with pytest.raises(PrefactorError, match=r"needed within 12 tokens of every token .*choose a rarer one"):
        tolerated(method, model.names, model, net, text, 1e-3, Uses(1e-6, 12))  # of all one is near to every token


@pytest.mark.parametrize(
    ("spill", "most"),
    [
        (lambda distance: 1e-4 * distance**2, 4),
        (lambda distance: 0.05 * distance**2 / (1 + 0.1 * distance**2), 5),  # it saturates
        (lambda distance: 1e-3 * distance, 4),
        (lambda distance: 1e-5 * distance**3, 4),
        (lambda distance: 0.0 if distance < 7 else 1e-3 * (distance - 7), 8),  # nothing, until it hurts
    ],
)
def test_the_furthest_tolerated_is_found_in_few_passes(spill: Callable[[float], float], most: int) -> None:
    tried = []
    for kl in (0.002, 0.01, 0.03):
        calls: list[float] = []

        def counted(distance: float, calls: list[float] = calls) -> float:
            calls.append(distance)
            return spill(distance)

        assert 0.98 * kl <= spill(furthest(counted, kl)) <= kl
        tried.append(len(calls))
    assert max(tried) <= most


def test_no_prefactor_goes_further_than_the_furthest_nor_further_than_is_tolerated() -> None:
    assert furthest(lambda distance: 0.0, 0.01) == FURTHEST
    assert furthest(lambda distance: 1.0, 0.01) == 0.0  # any change is too much
