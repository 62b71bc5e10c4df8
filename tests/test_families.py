"""Decompose, edit, export and reload on tiny random models of the families people use."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from peft import PeftModel
from torch import nn
from transformers import AutoModelForCausalLM

from prefactor.config.decompose import DecomposeConfig
from prefactor.errors import PrefactorError
from prefactor.export.adapter import write_adapter
from prefactor.files.cost import Cost
from prefactor.machine.runtime import generator
from prefactor.model.change import applied, attached
from prefactor.model.matrices import matrices, shape_of
from prefactor.rescale.terms import Prefactors, term_of
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.initial import initial_components
from prefactor.vpd.start import start_decomposition
from prefactor.vpd.train import train
from tests.tiny import VOCABULARY, tiny_blocks, tiny_net, training

SMALL: dict[str, Any] = {"vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4}
MLP: dict[str, Any] = {"intermediate_size": 24, "max_position_embeddings": 64}
GROUPED: dict[str, Any] = {"num_key_value_heads": 2, "head_dim": 4}

FAMILIES: dict[str, Callable[[], Any]] = {
    "llama": lambda: transformers.LlamaConfig(**SMALL, **MLP, num_key_value_heads=2, tie_word_embeddings=True),
    "qwen3": lambda: transformers.Qwen3Config(**SMALL, **MLP, **GROUPED, tie_word_embeddings=True),
    "gemma": lambda: transformers.GemmaConfig(**SMALL, **MLP, **GROUPED),
    "gemma2": lambda: transformers.Gemma2Config(**SMALL, **MLP, **GROUPED),
    "gpt2": lambda: transformers.GPT2Config(
        vocab_size=VOCABULARY, n_embd=16, n_layer=2, n_head=4, n_positions=64, n_inner=24, resid_pdrop=0.0
    ),
    "pythia": lambda: transformers.GPTNeoXConfig(**SMALL, **MLP),
    "opt": lambda: transformers.OPTConfig(
        **SMALL, ffn_dim=24, max_position_embeddings=64, word_embed_proj_dim=16, do_layer_norm_before=True
    ),
    "phi": lambda: transformers.PhiConfig(**SMALL, **MLP),
}


def _target(family: str) -> Any:
    config = FAMILIES[family]()
    config.initializer_range, config.pad_token_id, config.bos_token_id, config.eos_token_id = 0.3, 0, 0, 0
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.data.normal_(std=0.3)
    return model


def _decomposed(family: str, subcomponents: int = 9) -> DecomposedModel:
    target = _target(family)
    found = matrices(target)
    return DecomposedModel(target, *initial_components(found, dict.fromkeys(found, subcomponents), generator(1)))


@pytest.fixture(params=list(FAMILIES))
def family(request: pytest.FixtureRequest) -> str:
    return request.param


def test_masks_of_one_reproduce_the_model_and_unrouted_is_it(family: str) -> None:
    model = _decomposed(family)
    tokens = torch.from_numpy(tiny_blocks(3)).long()
    logits, inputs = model.observe(tokens)
    assert all(x.shape[:2] == tokens.shape for x in inputs)
    mask, rho = torch.ones(*tokens.shape, model.subcomponents), torch.ones(*tokens.shape, len(model.sites))
    torch.testing.assert_close(model.masked(tokens, mask, rho), logits, rtol=0, atol=2e-5)
    assert torch.equal(model.masked(tokens, 0 * mask, 0 * rho, torch.zeros_like(rho, dtype=torch.bool)), logits)
    assert not torch.allclose(model.masked(tokens, 0 * mask, 0 * rho), logits, atol=1e-2)


def test_every_matrix_of_every_block_is_found(family: str) -> None:
    expected = {"llama": 7, "qwen3": 7, "gemma": 7, "gemma2": 7, "gpt2": 4, "pythia": 4, "opt": 6, "phi": 6}
    names = list(matrices(_target(family)))
    assert len(names) == 2 * expected[family]
    assert not any("head" in name or "embed" in name for name in names)


def test_a_step_of_training_reaches_every_matrix(family: str) -> None:
    model = _decomposed(family)
    before = {k: v.clone() for k, v in model.state().items()}
    train(model, tiny_net(model), tiny_blocks(), training(steps=2), Cost(), clip=0.01)
    assert all(not torch.equal(before[k], v) for k, v in model.state().items())


def test_an_edit_exports_reloads_and_matches(family: str, tmp_path: Path) -> None:
    model = _decomposed(family)
    names = [f"{site.name}:{i}" for i, site in enumerate(model.sites[:9])]
    change = Prefactors(tuple(term_of(model, n) for n in names)).change([torch.linspace(-3, 3, len(names))])
    tokens = torch.from_numpy(tiny_blocks(3)).long()
    base = model.target(input_ids=tokens).logits
    with attached(model.target, change):
        beside = model.target(input_ids=tokens).logits
    with applied(model.target, change):
        edited = model.target(input_ids=tokens).logits
        model.target.save_pretrained(tmp_path / "merged")
    assert not torch.allclose(edited, base, atol=1e-2)
    assert torch.equal(model.target(input_ids=tokens).logits, base)
    torch.testing.assert_close(beside, edited, rtol=0, atol=1e-4)

    model.target.save_pretrained(tmp_path / "base")
    write_adapter(tmp_path / "adapter", model.target, change, str(tmp_path / "base"), "card")
    stock = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32)
    wrapped: Any = PeftModel.from_pretrained(stock, str(tmp_path / "adapter"))
    with torch.no_grad():
        torch.testing.assert_close(wrapped.eval()(input_ids=tokens).logits, edited, rtol=0, atol=1e-4)
        merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32).eval()
        torch.testing.assert_close(merged(input_ids=tokens).logits, edited, rtol=0, atol=1e-5)


def test_counts_come_from_the_shapes_unless_given() -> None:
    net = {"width": 16, "blocks": 1, "heads": 2}
    base = {"net": net, "clip": 0.01, "training": training().model_dump()}
    target = _target("gpt2")
    model, _ = start_decomposition(target, DecomposeConfig.model_validate(base), torch.device("cpu"))
    assert [site.count for site in model.sites] == [2 * min(shape_of(site.module)) for site in model.sites]
    given = {"subcomponents": {r".*\.c_attn": 5, ".*": 7}}
    model, _ = start_decomposition(target, DecomposeConfig.model_validate(base | given), torch.device("cpu"))
    assert [site.count for site in model.sites] == [5, 7, 7, 7] * 2


class _PackedLinear(nn.Module):
    """As the layers of quantisers are: linear in name and deed, but no ``nn.Linear``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -x


def test_a_quantised_matrix_is_named() -> None:
    target = _target("llama")
    attention = target.base_model.layers[1].self_attn
    attention.q_proj = _PackedLinear()
    with pytest.raises(PrefactorError, match=r"layers.1.self_attn.q_proj \(_PackedLinear\) cannot be decomposed"):
        matrices(target)
    base = {"net": {"width": 16, "blocks": 1, "heads": 2}, "clip": 0.01, "training": training().model_dump()}
    left_out = DecomposeConfig.model_validate(base | {"modules": r".*mlp.*"})  # the remedy that the error names
    model, _ = start_decomposition(target, left_out, torch.device("cpu"))
    assert [site.name.split(".")[2] for site in model.sites] == ["mlp"] * 6
    attention.q_proj = nn.Linear(16, 16).requires_grad_(False)
    attention.q_proj.weight.data = attention.q_proj.weight.data.to(torch.int8)
    with pytest.raises(PrefactorError, match=r"layers.1.self_attn.q_proj \(Linear\).*torch.int8"):
        matrices(target)
