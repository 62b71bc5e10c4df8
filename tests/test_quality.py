"""The battery against masks applied by hand, and an adversary that never loses to its own start."""

import pytest
import torch
import torch.nn.functional as F

from prefactor.vpd.battery import battery, pgd_kl
from prefactor.vpd.importance_net import lower_leaky
from prefactor.vpd.losses import token_kl
from tests.tiny import tiny_blocks, tiny_decomposed, tiny_net


def test_battery_is_the_masks_applied_by_hand_in_any_batching() -> None:
    model = tiny_decomposed(6)
    net, blocks = tiny_net(model), tiny_blocks(7)
    tokens = torch.from_numpy(blocks).long()
    logits, inputs = model.observe(tokens)
    g = lower_leaky(net(inputs))
    logp, none = F.log_softmax(logits, -1), torch.zeros(1, 1, len(model.sites))
    found = battery(model, net, blocks, seed=0, batch=7)
    for name, mask in {"unmasked": torch.ones_like(g), "importance": g, "rounded_0.5": (g > 0.5).float()}.items():
        assert found["kl"][name] == pytest.approx(
            token_kl(logp, model.masked(tokens, mask, none)).mean().item(), abs=1e-5
        )
    assert found["l0"]["0.1"] == pytest.approx((g > 0.1).sum().item() / tokens.numel())
    assert found["ce"]["target"] == pytest.approx(
        F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()).item(), abs=1e-5
    )
    parts = battery(model, net, blocks, seed=0, batch=2)
    assert parts["kl"]["importance"] == pytest.approx(found["kl"]["importance"], abs=1e-6)
    assert parts["alive"] == found["alive"]


def test_pgd_never_loses_to_its_start_and_a_longer_one_never_to_a_shorter() -> None:
    model = tiny_decomposed(6)
    found = pgd_kl(model, tiny_net(model), tiny_blocks(5), (0, 5, 20), seed=0)
    assert found["pgd0"] < found["pgd5"] <= found["pgd20"]
    assert found == pgd_kl(model, tiny_net(model), tiny_blocks(5), (0, 5, 20), seed=0)
