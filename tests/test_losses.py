"""Losses against values worked out by hand or by torch."""

import math

import pytest
import torch

from prefactor.config.training import Penalty
from prefactor.vpd.losses import faithfulness, lp_penalty, minimality, penalise, smooth_l0_penalty, token_kl
from prefactor.vpd.noise import random_routing


def test_kl_is_torchs() -> None:
    a, b = torch.randn(2, 3, 5), torch.randn(2, 3, 5)
    p, q = torch.distributions.Categorical(logits=a), torch.distributions.Categorical(logits=b)
    assert torch.allclose(token_kl(a.log_softmax(-1), b), torch.distributions.kl_divergence(p, q), atol=1e-6)
    assert token_kl(a.log_softmax(-1), a).abs().max() < 1e-6


def test_penalties() -> None:
    g = torch.tensor([0.0, 0.25, 1.0])
    assert torch.allclose(lp_penalty(g, 0.5), torch.tensor([1e-4, 0.5, 1.0]), atol=1e-4)
    assert torch.allclose(smooth_l0_penalty(g, 0.25), torch.tensor([0.0, 0.5, 16 / 17]))
    zero = torch.zeros(3, requires_grad=True)
    lp_penalty(zero, 0.4).sum().backward()
    assert zero.grad is not None and torch.isfinite(zero.grad).all()


def test_minimality_by_hand() -> None:
    penalty = torch.tensor([[[1.0, 0.0], [1.0, 0.5]]])  # one row, two positions, two subcomponents
    minimal, frequent = minimality(penalty.sum((0, 1)), penalty[..., 0].numel())
    assert torch.isclose(minimal, torch.tensor(1.25))
    assert torch.isclose(frequent, torch.tensor(1.0 * math.log2(3) + 0.25 * math.log2(1.5)))


def test_faithfulness_counts_every_weight_once() -> None:
    assert torch.isclose(faithfulness([torch.full((2, 3), 2.0), torch.zeros(4, 1)]), torch.tensor(24 / 10))


def test_sharpness_anneals_straight() -> None:
    penalty = Penalty(kind="lp", start=2.0, end=0.4, until=0.5)
    assert [penalty.sharpness(x) for x in (0.0, 0.25, 0.5, 1.0)] == pytest.approx([2.0, 1.2, 0.4, 0.4])
    assert torch.isclose(penalise(torch.tensor(0.25), penalty, 0.25), torch.tensor(0.25**1.2))


def test_routing_is_uniform_in_the_number_of_matrices() -> None:
    route = random_routing(20_000, 4, torch.Generator().manual_seed(0))
    sizes = route.sum(-1)
    shares = torch.bincount(sizes.flatten(), minlength=5) / sizes.numel()
    assert shares[0] == 0
    assert (shares[1:] - 0.25).abs().max() < 0.01
    assert (route.float().mean(0) - 0.625).abs().max() < 0.01  # E[k] / M, the same for every matrix
