"""The engine against the plain float64 reference, to 1e-6 (in fact far closer), and with the gradients it leaves."""

from typing import Any

import pytest
import torch

import prefactor.vpd.train as vpd
import tests.reference as ref
from prefactor.config.training import AdversaryConfig, Penalty
from prefactor.machine.processes import ALONE
from prefactor.vpd.adversary import Adversary
from prefactor.vpd.importance_net import lower_leaky, upper_leaky
from prefactor.vpd.noise import step_noise
from tests.tiny import POSITIONS, tiny_blocks, tiny_decomposed, tiny_net, training

LP = Penalty(kind="lp", start=2.0, end=0.4)
SMOOTH = Penalty(kind="smooth-l0", start=1.0, end=0.01, until=0.9)


def _double() -> tuple[Any, Any, list[ref.Matrix]]:
    model = tiny_decomposed(6, bias=True).double()
    net = tiny_net(model).double()
    for parameter in [*model.U, *model.V]:
        parameter.requires_grad_(True)
    U, V = ([p.detach().clone().requires_grad_(True) for p in group] for group in (model.U, model.V))
    return model, net, [ref.Matrix(s.module, u, v) for s, u, v in zip(model.sites, U, V, strict=True)]


@pytest.mark.parametrize(
    ("penalty", "scope", "ascents", "at"),
    [(LP, "position", 0, 0), (LP, "position", 2, 5), (SMOOTH, "position", 1, 11), (SMOOTH, "pooled", 1, 3)],
)
def test_steps_agree_in_losses_gradients_and_sources(penalty: Penalty, scope: Any, ascents: int, at: int) -> None:
    model, net, matrices = _double()
    plain_net = tiny_net(model).double()
    config = training(penalty=penalty, adversary=AdversaryConfig(scope=scope, ascents=ascents, learning_rate=0.05))
    tokens = torch.from_numpy(tiny_blocks(config.batch)).long()
    M = len(matrices)
    rows = range(config.batch)
    adversary = Adversary(config.adversary, rows, POSITIONS, model.subcomponents, M, 7, torch.device("cpu"))
    for name in ("sources", "first", "second"):
        setattr(adversary, name, getattr(adversary, name).double())
    r_bad, rho_bad = (ref.Source(part.clone()) for part in adversary.sources.split([model.subcomponents, M], -1))

    for offset in range(3):  # the moments of the sources have to agree over steps, too
        step = at + offset
        draws = step_noise(config.seed, step, rows, POSITIONS, model.subcomponents, M, 1, torch.device("cpu"))
        drawn = ref.Randomness(draws.r.double(), draws.rho.double(), draws.route)
        for parameter in [*model.parameters(), *net.parameters(), *plain_net.parameters()]:
            parameter.grad = None
        for matrix in matrices:
            matrix.U.grad = matrix.V.grad = None

        found = vpd._step(model, net, adversary, tokens, config, step / config.steps, draws, ALONE)
        expected = ref.step(
            model.target, matrices, plain_net, lambda t: model.observe(t)[1], tokens, r_bad, rho_bad, drawn,
            config, step,
        )  # fmt: skip

        for name, value in expected.items():
            torch.testing.assert_close(found[name].double(), value.double(), rtol=1e-9, atol=1e-9, msg=name)
        for site, U, V, matrix in zip(model.sites, model.U, model.V, matrices, strict=True):
            torch.testing.assert_close(U.grad, matrix.U.grad, rtol=1e-7, atol=1e-9, msg=site.name)
            torch.testing.assert_close(V.grad, matrix.V.grad, rtol=1e-7, atol=1e-9, msg=site.name)
        for (name, one), two in zip(net.named_parameters(), plain_net.parameters(), strict=True):
            torch.testing.assert_close(one.grad, two.grad, rtol=1e-7, atol=1e-9, msg=name)
        sources = torch.cat([r_bad.value, rho_bad.value], -1)
        torch.testing.assert_close(adversary.sources, sources, rtol=0, atol=1e-6)


def test_the_stochastic_half_is_the_same_without_an_adversary() -> None:
    """It has a pass of its own where the other half costs nothing."""
    terms = {}
    for adversarial in (0.0, 0.5):
        model, net, matrices = _double()
        config = training()
        coefficients = config.coefficients.model_copy(update={"adversarial": adversarial})
        config = config.model_copy(update={"coefficients": coefficients})
        tokens, M, rows = torch.from_numpy(tiny_blocks(config.batch)).long(), len(matrices), range(config.batch)
        adversary = Adversary(config.adversary, rows, POSITIONS, model.subcomponents, M, 7, torch.device("cpu"))
        for name in ("sources", "first", "second"):
            setattr(adversary, name, getattr(adversary, name).double())
        draws = step_noise(config.seed, 3, rows, POSITIONS, model.subcomponents, M, 1, torch.device("cpu"))
        terms[adversarial] = vpd._step(model, net, adversary, tokens, config, 0.25, draws, ALONE)
    for name in ("stochastic", "minimality", "frequency", "faithfulness", "l0"):
        torch.testing.assert_close(terms[0.0][name], terms[0.5][name], rtol=1e-5, atol=1e-7, msg=name)
    assert terms[0.0]["adversarial"] == 0 < terms[0.5]["adversarial"]


def test_the_net_is_the_plain_one() -> None:
    model, net, _ = _double()
    _, inputs = model.observe(torch.from_numpy(tiny_blocks(3)).long())
    torch.testing.assert_close(net(inputs), ref.importance_logits(net, inputs), rtol=1e-10, atol=1e-10)


def test_the_clamps_and_what_they_let_through() -> None:
    for value in (-2.0, -1e-9, 0.0, 1e-9, 0.3, 1.0, 1 + 1e-9, 3.0):
        for gradient in (-1.7, 2.3):
            z = torch.tensor([value], dtype=torch.float64, requires_grad=True)
            g = lower_leaky(z)
            (got,) = torch.autograd.grad(g, z, torch.tensor([gradient], dtype=torch.float64))
            assert g.item() == min(1.0, max(0.0, value))
            assert got.item() == pytest.approx(ref.lower_leaky_gradient(value, gradient), abs=1e-15), (value, gradient)
            assert upper_leaky(z).item() == pytest.approx(ref.upper_leaky(z).item(), abs=1e-15)


@pytest.mark.parametrize("penalty", [LP, SMOOTH])
def test_the_sharpness_of_every_step(penalty: Penalty) -> None:
    for step in range(40):
        expected = ref.annealed(penalty.start, penalty.end, penalty.until, step, 40)
        assert penalty.sharpness(step / 40) == pytest.approx(expected, abs=1e-12)


def test_the_layer_that_forms_delta_reproduces_the_target() -> None:
    """The reference itself: masks of one and a delta of one give the target back."""
    model, _, matrices = _double()
    tokens = torch.from_numpy(tiny_blocks(2)).long()
    ones = [torch.ones(*tokens.shape, len(m.U), dtype=torch.float64) for m in matrices]
    rho = [torch.ones(tokens.shape, dtype=torch.float64) for _ in matrices]
    route = [torch.ones(tokens.shape, dtype=torch.bool) for _ in matrices]
    got = ref.masked_logits(model.target, matrices, tokens, ones, rho, route)
    torch.testing.assert_close(got, ref.logits(model.target, tokens), rtol=0, atol=1e-12)
