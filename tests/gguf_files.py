"""Models as GGUF files: a Llama of a few weights and its tokenizer, written with the format's own package."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
import transformers

from prefactor.config.target import LoadTarget
from prefactor.model.load import load_target
from tests.foreign import POSITIONS, VOCABULARY, foreign_model, foreign_tokenizer

WIDTH = 32  # numbers of a block of Q8_0, which no row may cut
HEADS = {"q_proj": 4, "k_proj": 2}
Q8 = gguf.GGMLQuantizationType.Q8_0
BLOCK, FILE = 32, "model.gguf"
TOKENS = torch.from_numpy(np.random.default_rng(0).integers(0, VOCABULARY, (2, 20)))


def load(folder: Path, file: str | None = FILE) -> Any:
    """The target that params would load from ``file`` in ``folder``."""
    return load_target(LoadTarget(source="load", name=str(folder), file=file), VOCABULARY, BLOCK)


def llama(tied: bool = False, **changes: Any) -> Any:
    return foreign_model(
        "llama", hidden_size=WIDTH, intermediate_size=2 * WIDTH, head_dim=8, tie_word_embeddings=tied, **changes
    )


def stored(model: Any) -> dict[str, np.ndarray]:
    """The weights by their names in a GGUF file; in queries and keys the halves of a head are interleaved there."""
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, model.config.num_hidden_layers)
    found = {}
    for name, tensor in model.named_parameters():
        value = tensor.detach().numpy()
        if (heads := HEADS.get(name.split(".")[-2])) is not None:
            value = value.reshape(heads, 2, -1, WIDTH).swapaxes(1, 2).reshape(value.shape)
        found[f"{names.get_name(name.removesuffix('.weight'))}.weight"] = np.ascontiguousarray(value)
    return found


def write_gguf(
    path: Path, model: Any = None, tensors: dict[str, np.ndarray] | None = None, quantised: bool = False,
    tokenizer: transformers.PreTrainedTokenizerFast | None = None, **metadata: Any,
) -> Path:  # fmt: skip
    """Write ``model`` to ``path``, in float32 or with its matrices in Q8_0; ``metadata``: of strings and numbers."""
    model, tokenizer = model or llama(), tokenizer or foreign_tokenizer()
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type(metadata.pop("general_type", "model"))
    writer.add_context_length(POSITIONS)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(VOCABULARY)
    for key, value in metadata.items():
        add: Any = writer.add_string if isinstance(value, str) else writer.add_uint16
        add(key.replace("__", "."), value)
    _write_tokenizer(writer, tokenizer)
    for name, value in (tensors or stored(model)).items():
        blocks = quantised and value.ndim == 2
        writer.add_tensor(name, gguf.quantize(value, Q8) if blocks else value, raw_dtype=Q8 if blocks else None)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _write_tokenizer(writer: gguf.GGUFWriter, tokenizer: Any) -> None:
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    tokens = [tokenizer.convert_ids_to_tokens(i) for i in range(len(tokenizer))]
    special = set(tokenizer.all_special_tokens)
    kinds = [gguf.TokenType.CONTROL if token in special else gguf.TokenType.NORMAL for token in map(str, tokens)]
    added = VOCABULARY - len(tokens)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([*map(str, tokens), *(f"[PAD{i}]" for i in range(added))])
    writer.add_token_types([*kinds, *[gguf.TokenType.UNUSED] * added])
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_chat_template(tokenizer.chat_template)
