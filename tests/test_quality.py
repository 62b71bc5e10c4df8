"""The battery against masks applied by hand, and an adversary that never loses to its own start."""

import pytest
import torch
import torch.nn.functional as F

import prefactor.model.at_once as module
from prefactor.machine.runtime import generator
from prefactor.vpd.battery import battery, l0_by_depth, pgd_kl
from prefactor.vpd.importance_net import lower_leaky
from prefactor.vpd.losses import token_kl
from tests.tiny import VOCABULARY, tiny_blocks, tiny_decomposed, tiny_net


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


def test_stochastic_and_random_masks_are_drawn_as_they_are_said_to_be() -> None:
    """Every number drawn anew: the battery's, of the same generator, and one by hand."""
    model = tiny_decomposed(6)
    net, blocks = tiny_net(model), tiny_blocks(7)
    tokens = torch.from_numpy(blocks).long()
    logits, inputs = model.observe(tokens)
    g, logp = lower_leaky(net(inputs)), F.log_softmax(logits, -1)
    rng = generator(3, 0)
    r = torch.rand(g.shape, generator=rng)
    rho = torch.rand(7, 12, len(model.sites), generator=rng)
    found = battery(model, net, blocks, seed=3, batch=7)["kl"]
    kept = token_kl(logp, model.masked(tokens, torch.lerp(r, torch.ones(()), g), rho)).mean().item()  # g + (1 - g) r
    assert found["stochastic"] == pytest.approx(kept, abs=1e-5)
    by_chance = token_kl(logp, model.masked(tokens, r, torch.zeros_like(rho))).mean().item()
    assert found["random"] == pytest.approx(by_chance, abs=1e-5) != found["stochastic"]


def test_pgd_climbs_as_plain_gradient_ascent_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the ascent written out, in one batch and in several; what it climbs to is the best of all that it saw."""
    model = tiny_decomposed(6)
    net, blocks = tiny_net(model), tiny_blocks(5)
    tokens = torch.from_numpy(blocks).long()
    logits, inputs = model.observe(tokens)
    g, logp = lower_leaky(net(inputs)).detach(), F.log_softmax(logits, -1).detach()
    drawn = torch.rand(model.subcomponents + len(model.sites), generator=generator(0, -7))
    source, climbed = drawn.clone(), []
    for _ in range(21):
        source.requires_grad_(True)
        r, rho = source[: model.subcomponents], source[model.subcomponents :].expand(1, 1, -1)
        loss = token_kl(logp, model.masked(tokens, g + (1 - g) * r, rho)).mean()
        (slope,) = torch.autograd.grad(loss, source)
        climbed.append(loss.item())
        source = (source.detach() + 0.1 * slope.sign()).clamp(0, 1)
    for batch, at_once in ((2, module.AT_ONCE), (16, module.AT_ONCE), (16, 30 * VOCABULARY)):
        monkeypatch.setattr(module, "AT_ONCE", at_once)
        found = pgd_kl(model, net, blocks, (0, 5, 20), seed=0, batch=batch)
        for steps in (0, 5, 20):
            assert found[f"pgd{steps}"] == pytest.approx(max(climbed[: steps + 1]), rel=1e-3), (batch, steps)
    assert climbed[0] < max(climbed[:6]) < max(climbed)


def test_l0_by_depth_sums_to_that_of_the_battery_in_any_batching() -> None:
    model = tiny_decomposed()
    net, blocks = tiny_net(model), tiny_blocks(9)
    rows = list(l0_by_depth(model, net, blocks, batch=4))
    assert rows == list(l0_by_depth(model, net, blocks, batch=9))
    assert {row["layer"] for row in rows} == {f"layers.{number}" for number in range(2)}
    total = sum(float(row["l0"]) for row in rows) / blocks.shape[1]
    assert total == pytest.approx(battery(model, net, blocks, seed=0)["l0"]["0"], rel=1e-12)
