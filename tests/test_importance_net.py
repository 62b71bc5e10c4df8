"""Leaky clamps and their gradients; the net sees both ways and each input's direction only."""

import torch

from prefactor.vpd.importance_net import lower_leaky, upper_leaky
from tests.tiny import tiny_blocks, tiny_decomposed, tiny_net


def _gradient(function, z: float, upstream: float) -> float:  # type: ignore[no-untyped-def]
    leaf = torch.tensor([z], requires_grad=True)
    function(leaf).backward(torch.tensor([upstream]))
    assert leaf.grad is not None
    return leaf.grad.item()


def test_lower_leaky() -> None:
    assert lower_leaky(torch.tensor([-1.0, 0.3, 2.0])).tolist() == torch.tensor([0.0, 0.3, 1.0]).tolist()
    assert _gradient(lower_leaky, 0.3, -2.0) == -2.0
    assert _gradient(lower_leaky, 2.0, -2.0) == 0.0
    assert abs(_gradient(lower_leaky, -1.0, -2.0) + 0.02) < 1e-9  # descent on a negative gradient raises z: let through
    assert _gradient(lower_leaky, -1.0, 2.0) == 0.0


def test_upper_leaky() -> None:
    assert torch.allclose(upper_leaky(torch.tensor([-1.0, 0.3, 2.0])), torch.tensor([0.0, 0.3, 1.01]))
    assert _gradient(upper_leaky, -1.0, 1.0) == 0.0
    assert _gradient(upper_leaky, 0.3, 1.0) == 1.0
    assert abs(_gradient(upper_leaky, 2.0, 1.0) - 0.01) < 1e-9


def test_net_looks_both_ways_and_ignores_scale() -> None:
    model = tiny_decomposed()
    net = tiny_net(model)
    _, inputs = model.observe(torch.from_numpy(tiny_blocks(2)).long())
    z = net(inputs)
    assert z.shape == (2, 12, model.subcomponents)
    assert torch.allclose(net([3 * x for x in inputs]), z, atol=1e-4)  # RMS-normalised, up to its epsilon
    later = [x.clone() for x in inputs]
    later[0][:, -1] += 1
    assert not torch.allclose(net(later)[:, 0], z[:, 0], atol=1e-6)
