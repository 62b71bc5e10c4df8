"""Identities of the masked forward pass."""

from pathlib import Path

import pytest
import torch

from prefactor.config.decompose import DecomposeConfig
from prefactor.errors import PrefactorError
from prefactor.model.matrices import matrices, shape_of, weight_of
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import lower_leaky
from prefactor.vpd.initial import singular_components
from prefactor.vpd.start import start_decomposition
from prefactor.vpd.store import read_components, read_net, write_components, write_net
from tests.tiny import tiny_blocks, tiny_decomposed, tiny_net, tiny_target, training


def _masks(model: DecomposedModel, tokens: torch.Tensor, value: float) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.full((*tokens.shape, model.subcomponents), value), torch.full((*tokens.shape, len(model.sites)), value)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("count", [5, 30])  # fewer than the matrices' ranks, so Δ is large; and more
def test_masks_of_one_with_delta_are_the_target(bias: bool, count: int) -> None:
    model = tiny_decomposed(count, bias)
    tokens = torch.from_numpy(tiny_blocks()).long()
    logits, _ = model.observe(tokens)
    assert torch.allclose(model.masked(tokens, *_masks(model, tokens, 1.0)), logits, atol=1e-5)


def test_unrouted_is_the_target_bit_for_bit() -> None:
    model = tiny_decomposed()
    tokens = torch.from_numpy(tiny_blocks()).long()
    mask, rho = _masks(model, tokens, 0.3)
    assert torch.equal(
        model.masked(tokens, mask, rho, torch.zeros_like(rho, dtype=torch.bool)), model.observe(tokens)[0]
    )


@pytest.mark.parametrize("bias", [False, True])
def test_masked_pass_is_the_plain_formula(bias: bool) -> None:
    """``U^T (m ⊙ V x) + ρ Δ x + bias`` with Δ formed, in float64, one matrix at a time."""
    model = tiny_decomposed(7, bias).double()
    tokens = torch.from_numpy(tiny_blocks(3)).long()
    rng = torch.Generator().manual_seed(0)
    mask = torch.rand(*tokens.shape, model.subcomponents, generator=rng, dtype=torch.float64)
    rho = torch.rand(*tokens.shape, len(model.sites), generator=rng, dtype=torch.float64)
    got = model.masked(tokens, mask, rho)
    deltas = list(model.deltas())
    handles = []
    for i, site in enumerate(model.sites):

        def plain(module, args, output, i=i, site=site):  # type: ignore[no-untyped-def]
            x = args[0]
            new = (mask[..., site.columns] * (x @ model.V[i].T)) @ model.U[i] + rho[..., i, None] * (x @ deltas[i].T)
            return new + (module.bias if module.bias is not None else 0)

        handles.append(site.module.register_forward_hook(plain))
    expected = model.target(input_ids=tokens, use_cache=False).logits
    for handle in handles:
        handle.remove()
    assert torch.allclose(got, expected, atol=1e-12)


def test_nothing_is_left_on_the_modules() -> None:
    model = tiny_decomposed()
    tokens = torch.from_numpy(tiny_blocks()).long()
    with pytest.raises(RuntimeError):
        model.masked(tokens, torch.zeros(1, 1, 3), torch.zeros(1, 1, 1))  # wrong C
    assert all(not site.module._forward_hooks for site in model.sites)


def test_each_distinct_input_counts_once() -> None:
    model = tiny_decomposed()
    assert model.input_of == [0, 0, 0, 1, 2, 2, 3, 4, 4, 4, 5, 6, 6, 7]
    assert model.input_widths == [16, 16, 16, 24] * 2


def test_more_subcomponents_than_inputs_sum_to_the_matrix_from_the_start() -> None:
    for delta, site in zip(tiny_decomposed(30).deltas(), tiny_decomposed(30).sites, strict=True):
        assert delta.abs().max() < 1e-5 * site.module.weight.abs().max() + 1e-5


def test_singular_components_sum_to_the_best_approximation_of_their_rank() -> None:
    found = matrices(tiny_target())
    whole = DecomposedModel(tiny_target(), *singular_components(found, {n: min(shape_of(m)) for n, m in found.items()}))
    assert all(delta.abs().max() < 1e-5 for delta in whole.deltas())
    few = DecomposedModel(tiny_target(), *singular_components(found, dict.fromkeys(found, 3)))
    for site, delta, U, V in zip(few.sites, few.deltas(), few.U, few.V, strict=True):
        values = torch.linalg.svdvals(weight_of(site.module).detach())
        assert delta.norm().item() == pytest.approx(values[3:].norm().item(), rel=1e-4)
        torch.testing.assert_close((U.norm(dim=1) * V.norm(dim=1)).detach(), values[:3], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("singular", [{"source": "svd"}, {"initial": "singular"}])
def test_more_singular_directions_than_there_are_is_an_error(singular: dict[str, str]) -> None:
    net = {"width": 16, "blocks": 1, "heads": 2}
    config = {"net": net, "clip": 0.01, "training": training().model_dump(), **singular}
    target, cpu = tiny_target(), torch.device("cpu")
    model, _ = start_decomposition(target, DecomposeConfig.model_validate(config), matrices(target), cpu)
    assert [site.count for site in model.sites] == [min(shape_of(site.module)) for site in model.sites]
    with pytest.raises(PrefactorError, match=r"asks for 17 singular directions of layers\.0.*, which has 16"):
        start_decomposition(
            target, DecomposeConfig.model_validate(config | {"subcomponents": 17}), matrices(target), cpu
        )


def test_pattern_without_match_names_the_modules() -> None:
    with pytest.raises(PrefactorError, match=r"'nope' matches no matrix.*layers\.0\.self_attn\.q_proj"):
        matrices(tiny_target(), "nope")


def test_files_give_back_model_and_net(tmp_path: Path) -> None:
    """A components file is sorted by name, the target is not: the net's columns must still meet their subcomponents."""
    model = tiny_decomposed(5)
    net = tiny_net(model)
    write_components(tmp_path / "components", model)
    write_net(tmp_path / "net", net)
    loaded = read_components(tmp_path / "components", tiny_target())
    assert loaded.names == model.names
    tokens = torch.from_numpy(tiny_blocks()).long()
    g, again = (
        lower_leaky(n(m.observe(tokens)[1])) for m, n in ((model, net), (loaded, read_net(tmp_path / "net", loaded)))
    )
    assert torch.equal(g, again)
    rho = torch.zeros(1, 1, len(model.sites))
    assert torch.equal(model.masked(tokens, g, rho), loaded.masked(tokens, again, rho))
