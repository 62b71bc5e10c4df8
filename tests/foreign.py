"""Checkpoints as other people leave them: tiny random models of several families, with tokenizers of their own."""

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

VOCABULARY, POSITIONS = 300, 64
SMALL: dict[str, Any] = {"vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4}
ROPE: dict[str, Any] = SMALL | {"intermediate_size": 24, "max_position_embeddings": POSITIONS}
GPT2: dict[str, Any] = {"vocab_size": VOCABULARY, "n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": POSITIONS}

CONFIGS: dict[str, Any] = {
    "llama": lambda: transformers.LlamaConfig(**ROPE, num_key_value_heads=2, tie_word_embeddings=False),
    "llama-tied": lambda: transformers.LlamaConfig(**ROPE, tie_word_embeddings=True),
    "gpt2": lambda: transformers.GPT2Config(**GPT2),
    "gemma3": lambda: transformers.Gemma3TextConfig(**ROPE, num_key_value_heads=2, head_dim=4, sliding_window=8),
    "qwen2": lambda: transformers.Qwen2Config(**ROPE, num_key_value_heads=2),
    "gpt-neox": lambda: transformers.GPTNeoXConfig(**ROPE),
    "opt": lambda: transformers.OPTConfig(
        **SMALL, ffn_dim=24, max_position_embeddings=POSITIONS, word_embed_proj_dim=16
    ),
    "phi": lambda: transformers.PhiConfig(**ROPE),
    "bloom": lambda: transformers.BloomConfig(vocab_size=VOCABULARY, hidden_size=16, n_layer=2, n_head=4),
}
TEXT = ["The small house is old.", "Das kleine Haus ist alt.", "La petite maison est vieille, n'est-ce pas ?"] * 3


def foreign_model(family: str = "llama", **changes: Any) -> Any:
    config = CONFIGS[family]()
    for key, value in (
        {"initializer_range": 0.3, "pad_token_id": 5, "bos_token_id": 2, "eos_token_id": 3} | changes
    ).items():
        setattr(config, key, value)
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config).eval()


def foreign_tokenizer(begins: bool = False, **changes: Any) -> PreTrainedTokenizerFast:
    """Byte-level, no special token at id 0, a chat template, an added token; ``begins``: puts bos before a text."""
    backend = Tokenizer(models.BPE(unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - 4, initial_alphabet=alphabet, show_progress=False,
        special_tokens=["!", "<unk>", "<bos>", "<eos>", "<turn>", "<pad>"],
    )  # fmt: skip
    backend.train_from_iterator(TEXT, trainer)
    if begins:
        backend.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 2)])
    special: dict[str, Any] = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"}
    made = PreTrainedTokenizerFast(tokenizer_object=backend, **(special | changes))
    added: Any = AddedToken("<<tool>>", normalized=False)
    made.add_tokens([added])
    made.chat_template = "{% for m in messages %}<turn>{{ m.role }}: {{ m.content }}<eos>{% endfor %}"
    return made


def leave(folder: Path, model: Any = None, tokenizer: Any = None, **how: Any) -> Path:
    """Save both in ``folder``, as their owners would."""
    (model or foreign_model()).save_pretrained(folder, **how)
    (tokenizer or foreign_tokenizer()).save_pretrained(folder)
    return folder
