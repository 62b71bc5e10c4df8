"""How many logits are held at a time: a vocabulary may be some hundred times as large as a model is wide."""

from typing import Any

AT_ONCE = 2**25  # logits, 128 MiB of float32; who takes a loss of them holds some eight tensors of the size


def vocabulary_of(model: Any) -> int:
    """How many tokens a causal language model tells apart."""
    return model.get_input_embeddings().weight.shape[0]


def few(model: Any, positions: int) -> bool:
    """Whether the logits at so many positions may be held at once."""
    return positions * vocabulary_of(model) <= AT_ONCE


def positions_at_once(model: Any, blocks: int = 1) -> int:
    """At how many positions of each of so many blocks logits may be held at once; at one of each at least."""
    return max(1, AT_ONCE // (blocks * vocabulary_of(model)))


def blocks_at_once(model: Any, positions: int, most: int) -> int:
    """How many blocks of so many tokens to read at a time: ``most``, or fewer if their logits are too many."""
    return min(most, max(1, AT_ONCE // (positions * vocabulary_of(model))))
