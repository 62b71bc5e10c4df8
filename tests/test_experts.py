"""Experts that are stored in one parameter act as matrices of their own, and change nothing else of the model."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from benchmarks.families import edit_of_each_kind, same
from benchmarks.family_configs import build
from prefactor.errors import PrefactorError
from prefactor.export.adapter import write_adapter
from prefactor.export.checkpoint_stack import pop, push
from prefactor.export.lora import check_loadable
from prefactor.machine.runtime import generator
from prefactor.model.change import applied
from prefactor.model.experts import ExpertMatrix, split_experts
from prefactor.model.matrices import matrices, matrix_of, shape_of, weight_of
from prefactor.model.target import logits_of, read_target
from prefactor.rescale.guard import domain_moment
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.initial import initial_components
from tests.tiny import tiny_blocks

MIXTURES = ["mixtral", "qwen2_moe", "olmoe", "granitemoe", "phimoe", "gpt_oss", "deepseek_v3", "nemotron_h", "jamba"]


def _text() -> torch.Tensor:
    return torch.from_numpy(tiny_blocks(4)).long()


def _experts(target: Any) -> dict[str, Any]:
    return {name: matrix for name, matrix in matrices(target).items() if isinstance(matrix, ExpertMatrix)}


@pytest.mark.parametrize("family", MIXTURES)
@torch.no_grad()
def test_the_model_is_the_one_that_transformers_runs(family: str) -> None:
    target, text = build(family), _text()
    saved = set(target.state_dict())
    own = {}
    for implementation in ("eager", "grouped_mm"):
        target.set_experts_implementation(implementation)
        own[implementation] = logits_of(target, text)
    split_experts(target)
    split_experts(target)
    calls: list[str] = []
    for name, matrix in _experts(target).items():
        matrix.register_forward_hook(lambda module, args, output, name=name: calls.append(name))
    got = logits_of(target, text)
    assert sorted(calls) == sorted(_experts(target))  # every expert once
    assert all(same(got, logits) for logits in own.values())
    assert set(target.state_dict()) == saved


@pytest.mark.parametrize("family", MIXTURES)
def test_an_experts_weight_is_a_view_and_its_bias_too(family: str) -> None:
    target = build(family)
    before = {name: p.clone() for name, p in target.named_parameters()}
    for name, matrix in _experts(target).items():
        assert weight_of(matrix).shape == shape_of(matrix)
        assert matrix.bias is None or matrix.bias.shape == shape_of(matrix)[:1]
        with torch.no_grad():
            weight_of(matrix_of(target, name)).add_(1)
    changed = {name for name, p in target.named_parameters() if not torch.equal(p, before[name])}
    fused = ("experts.gate_up_proj", "experts.up_proj", "experts.down_proj")
    assert changed == {name for name in before if name.endswith(fused)}
    for name in changed:
        assert torch.allclose(dict(target.named_parameters())[name], before[name] + 1)


def test_a_copy_has_weights_of_its_own() -> None:
    target = build("mixtral")
    name, matrix = next(iter(_experts(target).items()))
    other = matrix_of(copy.deepcopy(target), name)
    with torch.no_grad():
        weight_of(other).zero_()
    assert weight_of(matrix).abs().sum() > 0


@pytest.mark.parametrize("family", ["mixtral", "gpt_oss"])
def test_an_expert_reads_the_tokens_that_are_routed_to_it_and_no_other(family: str) -> None:
    target, text = build(family), _text()
    found = matrices(target)
    model = DecomposedModel(target, *initial_components(found, dict.fromkeys(found, 3), generator(1)))
    chosen: list[torch.Tensor] = []
    experts = target.base_model.layers[1].mlp.experts
    experts.register_forward_pre_hook(lambda module, args: chosen.append(args[1]))
    _, inputs = model.observe(text)
    for number in range(4):
        name = f"layers.1.mlp.experts.{number}.down_proj"
        site = [s.name for s in model.sites].index(name)
        routed = (chosen[0] == number).any(-1).view(text.shape)
        x = inputs[model.input_of[site]]
        assert torch.equal(x.any(-1), routed)
        own = x[routed].double()
        torch.testing.assert_close(domain_moment(model, name, text.numpy()) * text.numel(), own.T @ own)


def test_a_config_that_is_saved_says_nothing_of_it_and_stock_reads_the_checkpoint(tmp_path: Path) -> None:
    target = build("qwen3_moe")
    target.save_pretrained(tmp_path / "before")
    split_experts(target)
    target.save_pretrained(tmp_path / "after")
    for file in ("config.json", "model.safetensors"):
        assert (tmp_path / "before" / file).read_bytes() == (tmp_path / "after" / file).read_bytes()
    again = read_target(tmp_path / "after")
    assert torch.equal(logits_of(again, _text()), logits_of(target, _text()))


@pytest.mark.parametrize("family", ["mixtral", "gpt_oss", "nemotron_h"])
def test_edits_of_experts_go_on_a_checkpoint_and_off_bit_for_bit(family: str, tmp_path: Path) -> None:
    target = build(family)
    target.save_pretrained(tmp_path)
    before = load_file(tmp_path / "model.safetensors")
    found = _experts(target)
    model = DecomposedModel(target, *initial_components(found, dict.fromkeys(found, 9), generator(1)))
    change = edit_of_each_kind(model)
    with applied(target, change), torch.no_grad():
        edited = logits_of(target, _text())
    push(tmp_path, "one", change)
    with torch.no_grad():
        assert same(logits_of(read_target(tmp_path), _text()), edited)
    assert pop(tmp_path) == "one"
    after = load_file(tmp_path / "model.safetensors")
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_what_peft_refuses_is_said_before_it_is_written(tmp_path: Path) -> None:
    target = build("mamba")
    with pytest.raises(
        PrefactorError, match=r"PEFT loads no adapter for layers.0.mixer.out_proj of a mamba .*--merged"
    ):
        check_loadable(target, ["layers.0.mixer.in_proj", "layers.0.mixer.out_proj"])
    check_loadable(target, ["layers.0.mixer.in_proj"])
    check_loadable(build("bamba"), ["layers.0.mamba.out_proj"])
    change = {"layers.0.mixer.out_proj": (torch.ones(1, 32), torch.ones(16, 1))}
    write_adapter(tmp_path, target, change, "base", "card")
    assert "PEFT loads no adapter for `layers.0.mixer.out_proj`" in (tmp_path / "README.md").read_text()
