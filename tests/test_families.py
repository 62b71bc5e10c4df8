"""Decompose, edit, export and reload on tiny random models of the families people use."""

from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.families import RESULTS, examine, line
from benchmarks.family_configs import FAMILIES, build
from prefactor.config.decompose import DecomposeConfig
from prefactor.errors import PrefactorError
from prefactor.files.cost import Cost
from prefactor.machine.runtime import generator
from prefactor.model.matrices import matrices, shape_of
from prefactor.model.sites import sites
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.initial import initial_components
from prefactor.vpd.start import start_decomposition
from prefactor.vpd.train import train
from tests.tiny import tiny_blocks, tiny_net, training

# Matrices a layer; what the others have is in the table.
DENSE = {"llama": 7, "qwen3": 7, "gemma": 7, "gemma2": 7, "gpt2": 4, "gpt_neox": 4, "opt": 6, "phi": 6}
TRAINED = (*DENSE, "mixtral", "gpt_oss", "deepseek_v3", "mamba", "jamba", "nemotron_h", "gemma3")


def _decomposed(family: str, subcomponents: int = 9) -> DecomposedModel:
    target = build(family)
    found = sites(target, ".*", torch.from_numpy(tiny_blocks(4))).matrices
    return DecomposedModel(target, *initial_components(found, dict.fromkeys(found, subcomponents), generator(1)))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_table_says_what_is_found(family: str, tmp_path: Path) -> None:
    outcome = examine(family, tmp_path)
    assert False not in outcome.checks.values(), outcome.checks
    assert line(family, outcome) in RESULTS.read_text(encoding="utf-8").splitlines(), line(family, outcome)


def test_the_table_has_every_family_once() -> None:
    rows = [row.split(" | ")[0][2:] for row in RESULTS.read_text(encoding="utf-8").splitlines() if " % | " in row]
    assert rows == list(FAMILIES)
    assert len(rows) >= 20
    assert {family.kind for family in FAMILIES.values()} == {"dense", "mixture", "state space", "multimodal"}


@pytest.mark.parametrize("family", TRAINED)
def test_masks_of_one_reproduce_the_model_and_unrouted_is_it(family: str) -> None:
    model = _decomposed(family)
    tokens = torch.from_numpy(tiny_blocks(3)).long()
    logits, inputs = model.observe(tokens)
    assert all(x.shape[:2] == tokens.shape for x in inputs)
    mask, rho = torch.ones(*tokens.shape, model.subcomponents), torch.ones(*tokens.shape, len(model.sites))
    torch.testing.assert_close(model.masked(tokens, mask, rho), logits, rtol=0, atol=2e-5)
    assert torch.equal(model.masked(tokens, 0 * mask, 0 * rho, torch.zeros_like(rho, dtype=torch.bool)), logits)
    assert not torch.allclose(model.masked(tokens, 0 * mask, 0 * rho), logits, atol=1e-2)


@pytest.mark.parametrize("family", DENSE)
def test_every_matrix_of_every_block_is_found(family: str) -> None:
    names = list(matrices(build(family)))
    assert len(names) == 2 * DENSE[family]
    assert not any("head" in name or "embed" in name for name in names)


@pytest.mark.parametrize("family", TRAINED)
def test_a_step_of_training_reaches_every_matrix(family: str) -> None:
    model = _decomposed(family)
    before = {k: v.clone() for k, v in model.state().items()}
    train(model, tiny_net(model), tiny_blocks(), training(steps=2), Cost(), clip=0.01)
    assert all(not torch.equal(before[k], v) for k, v in model.state().items())


def test_counts_come_from_the_shapes_unless_given() -> None:
    net = {"width": 16, "blocks": 1, "heads": 2}
    base = {"net": net, "clip": 0.01, "training": training().model_dump()}
    target = build("gpt2")
    model, _ = start_decomposition(target, DecomposeConfig.model_validate(base), matrices(target), torch.device("cpu"))
    assert [site.count for site in model.sites] == [2 * min(shape_of(site.module)) for site in model.sites]
    given = {"subcomponents": {r".*\.c_attn": 5, ".*": 7}}
    config = DecomposeConfig.model_validate(base | given)
    model, _ = start_decomposition(target, config, matrices(target), torch.device("cpu"))
    assert [site.count for site in model.sites] == [5, 7, 7, 7] * 2


class _PackedLinear(nn.Module):
    """As the layers of quantisers are: linear in name and deed, but no ``nn.Linear``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -x


def test_a_quantised_matrix_is_named() -> None:
    target = build("llama")
    attention = target.base_model.layers[1].self_attn
    attention.q_proj = _PackedLinear()
    with pytest.raises(PrefactorError, match=r"layers.1.self_attn.q_proj \(_PackedLinear\) cannot be decomposed"):
        matrices(target)
    found = sites(target, r".*mlp.*", torch.from_numpy(tiny_blocks(4)))  # the remedy that the error names
    assert [name.split(".")[2] for name in found.matrices] == ["mlp"] * 6
    attention.q_proj = nn.Linear(16, 16).requires_grad_(False)
    attention.q_proj.weight.data = attention.q_proj.weight.data.to(torch.int8)
    with pytest.raises(PrefactorError, match=r"layers.1.self_attn.q_proj \(Linear\).*torch.int8"):
        matrices(target)
