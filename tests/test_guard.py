"""The guarded read direction, and the second moments that it is made of."""

import torch

from prefactor.rescale.guard import domain_moment, guarded_read, importance_moments
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
