"""Components from a matrix's own output: exact where they can be, found where they are, and always the same."""

import pytest
import torch

from prefactor.config.decompose import Local
from prefactor.files.cost import Cost
from prefactor.model.matrices import matrices, weight_of
from prefactor.vpd.components import DecomposedModel, Subcomponents
from prefactor.vpd.initial import singular_components
from prefactor.vpd.local import fit_locally, unexplained
from tests.tiny import tiny_blocks, tiny_decomposed, tiny_target

CONFIG = Local(steps=60, batch=4, learning_rate=1e-2, top=3)


def test_all_singular_directions_explain_all_and_few_leave_what_they_leave() -> None:
    target = tiny_target()
    modules = matrices(target)
    whole = DecomposedModel(target, *singular_components(modules, dict.fromkeys(modules, 16)))
    x = torch.randn(50, 16, generator=torch.Generator().manual_seed(0))
    part, weight = whole.parts[0], weight_of(whole.sites[0].module)
    assert unexplained(part, weight, x, 16).item() == pytest.approx(0, abs=1e-10)
    met = (x @ part.V.T).detach()
    kept = [(row * part.U.norm(dim=1).detach()).abs().argsort(descending=True)[:2] for row in met]
    guess = torch.stack([(row[top, None] * part.U[top]).sum(0) for row, top in zip(met, kept, strict=True)])
    y = x @ weight.T
    expected = ((y - guess) ** 2).sum() / (y**2).sum()
    assert unexplained(part, weight, x, 2).item() == pytest.approx(expected.item(), rel=1e-5)


def test_fitting_explains_more_and_is_the_same_every_time() -> None:
    found = []
    for _ in range(2):
        model, cost = tiny_decomposed(12), Cost()
        inputs = model.inputs(torch.from_numpy(tiny_blocks(8)).long())
        before = [_left(model, inputs, i) for i in range(len(model.sites))]
        lost = fit_locally(model, tiny_blocks(8), CONFIG, 0, cost)
        after = [_left(model, inputs, i) for i in range(len(model.sites))]
        assert sum(after) < 0.8 * sum(before) and cost.tokens == 60 * 4 * 12 and cost.flops > 0
        found.append((lost, [part.U.detach().clone() for part in model.parts]))
    assert found[0][0] == found[1][0]
    assert all(torch.equal(*pair) for pair in zip(found[0][1], found[1][1], strict=True))


def test_planted_directions_are_found() -> None:
    """A matrix of which each input meets one direction alone: with one acting at a token nearly all is explained."""
    rng = torch.Generator().manual_seed(1)
    read = torch.linalg.qr(torch.randn(16, 16, generator=rng))[0][:6]
    weight = torch.randn(10, 6, generator=rng) @ read
    x = read[torch.randint(6, (400,), generator=rng)] * (1 + torch.rand(400, 1, generator=rng))
    part = Subcomponents(0.3 * torch.randn(32, 10, generator=rng), 0.3 * torch.randn(32, 16, generator=rng))
    adam = torch.optim.Adam(part.parameters(), lr=2e-2)
    for _ in range(1500):
        adam.zero_grad()
        unexplained(part, weight, x, 1).backward()
        adam.step()
    assert unexplained(part, weight, x, 1).item() < 0.1  # of 1 at the start


def _left(model: DecomposedModel, inputs: list[torch.Tensor], i: int) -> float:
    x = inputs[model.input_of[i]].flatten(0, 1)
    return unexplained(model.parts[i], weight_of(model.sites[i].module), x, CONFIG.top).item()
