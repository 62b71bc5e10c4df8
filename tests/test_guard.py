"""The guarded read direction, and the second moments that it is made of."""

import pytest
import torch
from torch import Tensor

from prefactor.config.guard import GuardByDomain, GuardByImportance
from prefactor.rescale.guard import domain_moment, guarded_read, guarded_terms, importance_moments
from prefactor.rescale.terms import Term, term_of
from tests.tiny import tiny_blocks, tiny_decomposed, tiny_net

NAME = "layers.0.self_attn.v_proj:3"


def test_guard_keeps_the_response_where_needed_and_loses_it_where_not() -> None:
    rng = torch.Generator().manual_seed(0)
    needed, spared = (torch.randn(500, 8, generator=rng) * s for s in (1.0, torch.tensor([3.0, *[0.3] * 7])))
    v = torch.ones(8)
    one, zero = needed.T @ needed / 500, spared.T @ spared / 500
    guarded = guarded_read(v, one, zero, 1e-3)
    assert torch.isclose(guarded @ one @ v, v @ one @ v, rtol=1e-4)
    assert guarded @ zero @ guarded < 0.3 * (v @ zero @ v)
    assert torch.allclose(guarded_read(v, zero, zero, 1e-12), v, atol=1e-4)  # nothing to tell apart: v itself


@pytest.mark.parametrize("ridge", [1e-4, 1e-2, 1.0, 30.0])
def test_guard_is_the_least_action_elsewhere_at_the_response_where_needed(ridge: float) -> None:
    """Against the Lagrange conditions: v' minimises v'^T (Σ_0 + εI) v' among all with v'^T Σ_1 v = v^T Σ_1 v."""
    rng = torch.Generator().manual_seed(1)
    one, zero = (torch.cov(torch.randn(6, 40, generator=rng) * s) for s in (1.0, torch.arange(1.0, 7.0)[:, None]))
    v = torch.randn(6, generator=rng)
    found = guarded_read(v, one, zero, ridge)
    damped = zero + ridge * torch.linalg.eigvalsh(zero).mean() * torch.eye(6)
    assert found @ one @ v == pytest.approx((v @ one @ v).item(), rel=1e-4)
    slope, aim = damped @ found, one @ v
    assert torch.allclose(slope / slope.norm(), aim / aim.norm(), atol=1e-4)
    for _ in range(20):  # nothing else that responds alike acts less
        away = torch.randn(6, generator=rng)
        other = found + away - (away @ aim) / (aim @ aim) * aim
        assert other @ damped @ other > found @ damped @ found


def _plain_guard(term: Term, needed: Tensor, spared: Tensor, ridge: float) -> Tensor:
    epsilon = ridge * spared.diagonal().mean() * torch.eye(len(spared)).double()
    direction = torch.linalg.inv(spared + epsilon) @ needed @ term.read.double()
    return direction * (term.read.double() @ needed @ term.read.double()) / (direction @ needed @ term.read.double())


def test_a_guard_by_domain_spares_the_mean_of_its_domains_and_acts_on_the_targets() -> None:
    model = tiny_decomposed()
    module = NAME.split(":")[0]
    site = [s.name for s in model.sites].index(module)
    text = {"de": tiny_blocks(6, 1), "en": tiny_blocks(4, 2), "fr": tiny_blocks(9, 3)}

    def moment(domain: str) -> Tensor:
        x = model.observe(torch.from_numpy(text[domain]).long())[1][model.input_of[site]].flatten(0, 1).double()
        return (x.T @ x / len(x)).detach()

    term = term_of(model, NAME)
    guard = GuardByDomain(weigh="domain", spare=("en", "fr"), ridge=0.05)
    (found,) = guarded_terms(guard, "de", [NAME], [term], model, tiny_net(model), tiny_blocks(3), text)
    wanted = _plain_guard(term, moment("de"), (moment("en") + moment("fr")) / 2, 0.05)
    assert torch.allclose(found.read.double(), wanted, rtol=1e-3, atol=1e-5)
    assert torch.equal(found.write, term.write) and found.module == term.module


def test_a_guard_by_importance_weighs_each_token_by_how_much_it_needs_the_subcomponent() -> None:
    model = tiny_decomposed()
    net, text = tiny_net(model), tiny_blocks(50, 4)
    site = [s.name for s in model.sites].index(NAME.split(":")[0])
    inputs = model.observe(torch.from_numpy(text).long())[1]
    x = inputs[model.input_of[site]].flatten(0, 1).double().detach()
    g = net(inputs)[..., model.names.index(NAME)].clamp(0, 1).flatten().double().detach()
    needed, spared = (sum(w * torch.outer(row, row) for w, row in zip(each, x, strict=True)) for each in (g, 1 - g))
    term = term_of(model, NAME)
    guard = GuardByImportance(weigh="importance", ridge=0.05)
    (found,) = guarded_terms(guard, "de", [NAME], [term], model, net, text, {})
    wanted = _plain_guard(term, needed / len(x), spared / len(x), 0.05)  # type: ignore[operator]
    assert torch.allclose(found.read.double(), wanted, rtol=1e-3, atol=1e-5)


def test_moments_add_up() -> None:
    model = tiny_decomposed()
    net, blocks = tiny_net(model), tiny_blocks(9)
    moments = importance_moments(model, net, [NAME], blocks, batch=4)
    whole = domain_moment(model, NAME.split(":")[0], blocks, batch=9)
    needed, spared = moments[NAME]
    assert torch.allclose(needed + spared, whole, atol=1e-6)
    assert torch.linalg.eigvalsh(needed).min() > -1e-9 and torch.linalg.eigvalsh(spared).min() > -1e-9


def test_where_nothing_needs_it_the_direction_is_left_as_it_is() -> None:
    v, spared = torch.randn(6, generator=torch.Generator().manual_seed(0)), torch.eye(6)
    assert torch.equal(guarded_read(v, torch.zeros(6, 6), spared, 1e-2), v)
