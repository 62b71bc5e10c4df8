"""Tiny random models of the families of ``transformers`` that people use: of each its own code, at a width of 16."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
import transformers as t
from transformers import AutoModelForCausalLM

VOCABULARY = 40
SIZE: dict[str, Any] = {"vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4}
MLP: dict[str, Any] = {"intermediate_size": 24, "max_position_embeddings": 64}
BASIC: dict[str, Any] = SIZE | MLP | {"num_key_value_heads": 2}
GROUPED: dict[str, Any] = BASIC | {"head_dim": 4}
TOP2: dict[str, Any] = {"num_experts_per_tok": 2}
LOCAL: dict[str, Any] = TOP2 | {"num_local_experts": 4}
ROUTED: dict[str, Any] = TOP2 | {"n_routed_experts": 4, "moe_intermediate_size": 12, "n_group": 1, "topk_group": 1}
EXPERTS: dict[str, Any] = TOP2 | {"num_experts": 4, "moe_intermediate_size": 12}
GPT: dict[str, Any] = {"vocab_size": VOCABULARY, "n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 64}
SSM: dict[str, Any] = {"vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2, "state_size": 4}
MAMBA: dict[str, Any] = {"mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 4, "mamba_chunk_size": 4}
VISION: dict[str, Any] = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28,
    "patch_size": 14,
}  # fmt: skip
MLA: dict[str, Any] = {
    "kv_lora_rank": 8, "q_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 4,
}  # fmt: skip


@dataclass(frozen=True)
class Family:
    kind: Literal["dense", "mixture", "state space", "multimodal"]
    config: Callable[[], Any]


def _dense(config: Callable[[], Any]) -> Family:
    return Family("dense", config)


def _mixture(config: Callable[[], Any]) -> Family:
    return Family("mixture", config)


def _state_space(config: Callable[[], Any]) -> Family:
    return Family("state space", config)


FAMILIES: dict[str, Family] = {
    "llama": _dense(lambda: t.LlamaConfig(**BASIC, tie_word_embeddings=True)),
    "mistral": _dense(lambda: t.MistralConfig(**GROUPED)),
    "qwen2": _dense(lambda: t.Qwen2Config(**BASIC)),
    "qwen3": _dense(lambda: t.Qwen3Config(**GROUPED, tie_word_embeddings=True)),
    "gemma": _dense(lambda: t.GemmaConfig(**GROUPED)),
    "gemma2": _dense(lambda: t.Gemma2Config(**GROUPED)),
    "gemma3_text": _dense(lambda: t.Gemma3TextConfig(**GROUPED)),
    "gemma3n_text": _dense(
        lambda: t.Gemma3nTextConfig(
            **SIZE, num_key_value_heads=2, head_dim=4, intermediate_size=24, vocab_size_per_layer_input=VOCABULARY,
            hidden_size_per_layer_input=4, num_kv_shared_layers=0, laurel_rank=4,
            activation_sparsity_pattern=[0.0, 0.0], layer_types=["sliding_attention", "full_attention"],
        )
    ),
    "phi": _dense(lambda: t.PhiConfig(**SIZE, **MLP)),
    "phi3": _dense(lambda: t.Phi3Config(**BASIC)),
    "gpt2": _dense(lambda: t.GPT2Config(**GPT, n_inner=24, resid_pdrop=0.0)),
    "gpt_neo": _dense(
        lambda: t.GPTNeoConfig(
            vocab_size=VOCABULARY, hidden_size=16, num_layers=2, num_heads=4, max_position_embeddings=64,
            attention_types=[[["global", "local"], 1]],
        )
    ),
    "gptj": _dense(lambda: t.GPTJConfig(**GPT, rotary_dim=4)),
    "gpt_neox": _dense(lambda: t.GPTNeoXConfig(**SIZE, **MLP)),
    "gpt_bigcode": _dense(lambda: t.GPTBigCodeConfig(**GPT)),
    "codegen": _dense(lambda: t.CodeGenConfig(**GPT, rotary_dim=4)),
    "opt": _dense(
        lambda: t.OPTConfig(**SIZE, ffn_dim=24, max_position_embeddings=64, word_embed_proj_dim=16)
    ),
    "opt with projections": _dense(
        lambda: t.OPTConfig(**SIZE, ffn_dim=24, max_position_embeddings=64, word_embed_proj_dim=8)
    ),
    "bloom": _dense(lambda: t.BloomConfig(vocab_size=VOCABULARY, hidden_size=16, n_layer=2, n_head=4)),
    "mpt": _dense(
        lambda: t.MptConfig(vocab_size=VOCABULARY, d_model=16, n_heads=4, n_layers=2, expansion_ratio=2, max_seq_len=64)
    ),
    "falcon": _dense(lambda: t.FalconConfig(**SIZE)),
    "stablelm": _dense(lambda: t.StableLmConfig(**BASIC)),
    "starcoder2": _dense(lambda: t.Starcoder2Config(**BASIC)),
    "cohere": _dense(lambda: t.CohereConfig(**BASIC)),
    "olmo2": _dense(lambda: t.Olmo2Config(**BASIC)),
    "smollm3": _dense(lambda: t.SmolLM3Config(**BASIC)),
    "glm4": _dense(lambda: t.Glm4Config(**GROUPED)),
    "xlnet": _dense(lambda: t.XLNetConfig(vocab_size=VOCABULARY, d_model=16, n_layer=2, n_head=4, d_inner=24)),
    "mixtral": _mixture(lambda: t.MixtralConfig(**BASIC, **LOCAL)),
    "qwen2_moe": _mixture(lambda: t.Qwen2MoeConfig(**BASIC, **EXPERTS, shared_expert_intermediate_size=12)),
    "qwen3_moe": _mixture(lambda: t.Qwen3MoeConfig(**GROUPED, **EXPERTS, decoder_sparse_step=1)),
    "olmoe": _mixture(lambda: t.OlmoeConfig(**BASIC, **TOP2, num_experts=4, eos_token_id=0)),
    "granitemoe": _mixture(lambda: t.GraniteMoeConfig(**BASIC, **LOCAL)),
    "phimoe": _mixture(lambda: t.PhimoeConfig(**BASIC, **LOCAL)),
    "gpt_oss": _mixture(lambda: t.GptOssConfig(**GROUPED, **LOCAL, rope_parameters={"rope_type": "default"})),
    "deepseek_v3": _mixture(
        lambda: t.DeepseekV3Config(
            **SIZE, **MLP, **ROUTED, **MLA, num_key_value_heads=4, first_k_dense_replace=1, n_shared_experts=1
        )
    ),
    "glm4_moe": _mixture(lambda: t.Glm4MoeConfig(**GROUPED, **ROUTED, first_k_dense_replace=1)),
    "qwen3_next": _mixture(
        lambda: t.Qwen3NextConfig(
            **GROUPED, **EXPERTS, shared_expert_intermediate_size=12, linear_num_key_heads=2, linear_num_value_heads=2,
            linear_key_head_dim=4, linear_value_head_dim=4, layer_types=["linear_attention", "full_attention"],
        )
    ),
    "llama4_text": _mixture(
        lambda: t.Llama4TextConfig(**GROUPED, intermediate_size_mlp=24, num_local_experts=2)
    ),
    "jetmoe": _mixture(
        lambda: t.JetMoeConfig(
            vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, num_key_value_heads=2, kv_channels=4, **MLP,
            **LOCAL,
        )
    ),
    "mamba": _state_space(lambda: t.MambaConfig(**SSM, time_step_rank=2)),
    "falcon_mamba": _state_space(lambda: t.FalconMambaConfig(**SSM, time_step_rank=2)),
    "mamba2": _state_space(lambda: t.Mamba2Config(**SSM, num_heads=4, head_dim=8, n_groups=1, chunk_size=4)),
    "rwkv": _state_space(
        lambda: t.RwkvConfig(
            vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, context_length=64, attention_hidden_size=16,
            intermediate_size=24,
        )
    ),
    "jamba": _state_space(
        lambda: t.JambaConfig(
            **BASIC, **TOP2, num_experts=4, mamba_d_state=4, mamba_dt_rank=2, attn_layer_period=2, attn_layer_offset=1,
            expert_layer_period=2, expert_layer_offset=1, use_mamba_kernels=False,
        )
    ),
    "falcon_h1": _state_space(lambda: t.FalconH1Config(**BASIC, **MAMBA, mamba_d_ssm=32)),
    "bamba": _state_space(lambda: t.BambaConfig(**BASIC, **MAMBA, attn_layer_indices=[1])),
    "granitemoehybrid": _state_space(
        lambda: t.GraniteMoeHybridConfig(
            **BASIC, **LOCAL, **MAMBA, shared_intermediate_size=24, layer_types=["mamba", "attention"]
        )
    ),
    "nemotron_h": _state_space(
        lambda: t.NemotronHConfig(
            vocab_size=VOCABULARY, hidden_size=16, intermediate_size=24, num_attention_heads=4, num_key_value_heads=2,
            head_dim=4, layers_block_type=["mamba", "moe", "attention"], mamba_num_heads=4, mamba_head_dim=8,
            ssm_state_size=4, n_groups=1, chunk_size=4, moe_shared_expert_intermediate_size=12, **ROUTED,
        )
    ),
    "zamba2": _state_space(
        lambda: t.Zamba2Config(
            **BASIC | {"num_hidden_layers": 3}, mamba_d_state=4, n_mamba_heads=4, mamba_headdim=8, chunk_size=4,
            num_mem_blocks=1, layers_block_type=["mamba", "hybrid", "hybrid"], adapter_rank=4, mamba_ngroups=1,
        )
    ),
    "recurrent_gemma": _state_space(
        lambda: t.RecurrentGemmaConfig(
            **SIZE | {"num_hidden_layers": 3}, intermediate_size=24, lru_width=16, num_key_value_heads=2, head_dim=4
        )
    ),
    "gemma3": Family(
        "multimodal",
        lambda: t.Gemma3Config(
            text_config=GROUPED, vision_config=VISION, mm_tokens_per_image=4, image_token_index=VOCABULARY - 1
        ),
    ),
    "git": Family("multimodal", lambda: t.GitConfig(**SIZE, **MLP, vision_config=VISION)),
    "fuyu": Family(
        "multimodal",
        lambda: t.FuyuConfig(text_config={"model_type": "persimmon"} | SIZE | MLP, **SIZE, **MLP, patch_size=4),
    ),
}  # fmt: skip


def build(family: str) -> Any:
    """A model of ``family`` with weights large enough for every matrix to tell, in evaluation mode."""
    config = FAMILIES[family].config()
    for part in (config, config.get_text_config()):
        part.pad_token_id, part.bos_token_id, part.eos_token_id = 0, 0, 0
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    rng = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        if parameter.ndim >= 2 or name.endswith("bias"):
            parameter.data.copy_(torch.randn(parameter.shape, generator=rng) * 0.3)
    return model
