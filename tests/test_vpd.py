"""Training: it learns, its adversary climbs, and a killed run ends where an uninterrupted one does."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import prefactor.vpd.train as vpd
from prefactor.config.training import AdversaryConfig
from prefactor.errors import PrefactorError
from prefactor.files.checkpoint import Checkpoint, run_key
from prefactor.files.cost import Cost
from prefactor.machine.processes import ALONE
from prefactor.machine.runtime import generator
from prefactor.vpd.adversary import Adversary
from prefactor.vpd.importance_net import lower_leaky
from prefactor.vpd.losses import reconstruction
from tests.tiny import tiny_blocks, tiny_decomposed, tiny_net, training


def test_key_depends_on_params_and_inputs() -> None:
    assert run_key({"steps": 1}, {"a": "b"}) == run_key({"steps": 1}, {"a": "b"})
    assert len({run_key({"steps": 1}, 1), run_key({"steps": 2}, 1), run_key({"steps": 1}, 2)}) == 3


def test_checkpoint_of_another_run_is_ignored_and_cleared(tmp_path: Path) -> None:
    Checkpoint(tmp_path / "runs", "old").save({"step": torch.tensor(3)})
    fresh = Checkpoint(tmp_path / "runs", "new")
    assert fresh.load() is None
    fresh.done()
    assert not (tmp_path / "runs").exists()


def test_training_lowers_the_loss_and_leaves_the_target_alone() -> None:
    before = copy.deepcopy(tiny_decomposed().target.state_dict())
    free = training().coefficients.model_copy(update={"minimality": 0.0, "frequency": 0.0})
    config, model = training(steps=60, learning_rate=1e-2, coefficients=free), tiny_decomposed()
    curve = vpd.train(model, tiny_net(model), tiny_blocks(), config, Cost(), clip=0.01)
    assert curve[-1]["stochastic"] < 0.7 * curve[0]["stochastic"]
    for name, tensor in model.target.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_frozen_components_stay_frozen() -> None:
    model = tiny_decomposed()
    before = {k: v.clone() for k, v in model.state().items()}
    vpd.train(model, tiny_net(model), tiny_blocks(), training(), Cost(), clip=None)
    assert all(torch.equal(before[k], v) for k, v in model.state().items())


def test_adversary_climbs_and_stays_in_bounds() -> None:
    model = tiny_decomposed()
    net = tiny_net(model)
    tokens = torch.from_numpy(tiny_blocks(3)).long()
    logits, inputs = model.observe(tokens)
    logp, g = F.log_softmax(logits, dim=-1), lower_leaky(net(inputs)).detach()
    config = AdversaryConfig(ascents=0, learning_rate=0.05)
    adversary = Adversary(config, range(3), 12, model.subcomponents, len(model.sites), 0, g.device)

    def kl() -> float:
        _, r, rho = adversary.leaves()
        return reconstruction(logp, model.masked(tokens, g + (1 - g) * r, rho)).item()

    start = kl()
    vpd._ascend(model, adversary, tokens, logp, g, 30)
    assert kl() > 1.2 * start
    assert adversary.sources.min() >= 0 and adversary.sources.max() <= 1


def test_adam_ascent_is_torchs_adam() -> None:
    adversary = Adversary(AdversaryConfig(ascents=0, learning_rate=0.01), range(2), 3, 4, 1, 0, torch.device("cpu"))
    adversary.sources.fill_(0.5)
    reference = torch.full((2, 3, 5), 0.5, requires_grad=True)
    adam = torch.optim.Adam([reference], lr=0.01, betas=(0.5, 0.99), eps=1e-12, maximize=True)
    for step in range(5):
        gradient = torch.randn(2, 3, 5, generator=generator(step))
        reference.grad = gradient.clone()
        adam.step()
        adversary.ascend(gradient)
    assert torch.allclose(adversary.sources, reference.detach(), atol=1e-6)


def test_a_pooled_adversary_moves_the_particles_in_use_only() -> None:
    config = AdversaryConfig(scope="pooled", particles=4, ascents=0, learning_rate=0.01)
    adversary = Adversary(config, range(3), 12, 5, 2, 0, torch.device("cpu"))
    before, used = adversary.sources.clone(), torch.zeros(3, 4)
    for step in range(6):
        adversary.use(torch.randint(4, (3, 1, 1), generator=generator(1, step)))
        leaf, r, rho = adversary.leaves()
        assert (leaf.shape, r.shape, rho.shape) == ((3, 1, 7), (3, 1, 5), (3, 1, 2))
        row = adversary.sources[0]
        used[0, int((row == leaf[0]).all(-1).nonzero())] += 1
        adversary.ascend(torch.ones_like(leaf))
    assert torch.equal(adversary.steps[0, :, 0].float(), used[0])
    moved = (adversary.sources != before).any(-1)
    assert torch.equal(moved, adversary.steps[..., 0] > 0)
    assert 0 < moved.sum() < moved.numel()


def test_non_finite_loss_names_step_and_term() -> None:
    model = tiny_decomposed()
    seen = []

    def spoil(step: int) -> None:
        seen.append(step)
        if step == 13:
            with torch.no_grad():
                model.U[-1].fill_(float("nan"))

    with pytest.raises(PrefactorError, match=r"decompose: the stochastic loss is nan at step 14: lower decompose\."):
        vpd.train(model, tiny_net(model), tiny_blocks(), training(steps=40), Cost(), clip=0.01, after_step=spoil)
    assert max(seen) == 19  # the window in which it was found is the last


def test_too_small_a_gpu_is_told_what_to_lower(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(vpd, "_step", full)
    model = tiny_decomposed()
    with pytest.raises(PrefactorError, match=r"decompose: .* lower decompose.training.batch \(now 3;"):
        vpd.train(model, tiny_net(model), tiny_blocks(), training(), Cost(), clip=0.01)


@pytest.mark.parametrize("fused", [True, False])
def test_a_resumed_optimiser_has_its_counts_where_torch_wants_them(fused: bool) -> None:
    """On a device other than the CPU, for which ``meta`` stands in: fused Adam refuses counts on the CPU there."""
    parameter = torch.nn.Parameter(torch.ones(3, 2))
    optimiser = torch.optim.AdamW([parameter], fused=True)
    parameter.grad = torch.ones(3, 2)
    optimiser.step()
    config = AdversaryConfig(ascents=0, learning_rate=0.05)
    saved = vpd._state(
        1, [{"step": 1.0}], [parameter], optimiser, Adversary(config, range(2), 3, 4, 1, 0, torch.device("cpu")),
        Cost(), ALONE,
    )  # fmt: skip
    elsewhere = torch.nn.Parameter(torch.ones(3, 2, device="meta"))
    resumed = torch.optim.AdamW([elsewhere])
    resumed.param_groups[0]["fused"] = fused
    vpd._restore(
        saved, [elsewhere], resumed, Adversary(config, range(2), 3, 4, 1, 0, torch.device("cpu")), Cost()
    )  # fmt: skip
    state = resumed.state[elsewhere]
    assert state["step"].device.type == ("meta" if fused else "cpu") and state["exp_avg"].device.type == "meta"
    again = torch.optim.AdamW([parameter], fused=True)
    vpd._restore(saved, [parameter], again, Adversary(config, range(2), 3, 4, 1, 0, torch.device("cpu")), Cost())
    for name, value in optimiser.state[parameter].items():
        assert torch.equal(again.state[parameter][name], value)


def test_products_in_bfloat16_leave_masters_and_losses_in_float32() -> None:
    curves = {}
    for precision in ("float32", "bfloat16"):
        model = tiny_decomposed()
        net = tiny_net(model).requires_grad_(True)
        config = training(steps=20).model_copy(update={"precision": precision})
        curves[precision] = vpd.train(model, net, tiny_blocks(16), config, Cost(), clip=1.0)
        assert all(p.dtype == p.grad.dtype == torch.float32 if p.grad is not None else True for p in net.parameters())
        assert all(U.dtype == torch.float32 for U in model.U)
    for exact, rough in zip(curves["float32"], curves["bfloat16"], strict=True):
        assert exact != rough
        for term, value in exact.items():
            assert rough[term] == pytest.approx(value, rel=0.05, abs=1e-3), term
