"""Tokens of the corpus: what any tokenizer is here, and a byte-level BPE trained on the corpus."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers, trainers

from prefactor.corpus.document import Document
from prefactor.corpus.tokenizer_file import vocabulary_of
from prefactor.errors import PrefactorError
from prefactor.machine.progress import track

SEPARATOR = "<s>"
CHUNK = 1_000_000  # characters encoded at a time: the backend's encodings take far more memory than their ids


@dataclass(frozen=True)
class Tokenizer:
    """Encodes text. The last three are of a target's own tokenizer."""

    backend: Backend
    separator: int  # id of the token put before every document
    begins: tuple[int, ...] = ()  # ids that every block begins with, since the tokenizer puts them before any text
    files: Mapping[str, bytes] | None = None  # by name, as they are to be kept
    positions: int | None = None  # tokens of the longest text that the target was made for

    @property
    def vocabulary(self) -> int:
        """The number of ids, the highest one plus 1."""
        return vocabulary_of(self.backend)

    def encode(self, texts: Sequence[str], what: str = "texts encoded") -> list[np.ndarray]:
        """Ids (n,) int32 of each text, the separator not among them.

        Even a text that spells out a special token gives plain tokens, so that nothing but :func:`cut` separates.
        """
        self.backend.encode_special_tokens = True
        encoded: list[np.ndarray] = []
        for chunk in track(_chunks(texts), sum(1 for _ in _chunks(texts)), what):
            batch = self.backend.encode_batch_fast(chunk, add_special_tokens=False)
            encoded.extend(np.asarray(encoding.ids, dtype=np.int32) for encoding in batch)
        return encoded

    def within(self, text: str, spans: Sequence[tuple[int, int]]) -> np.ndarray:
        """Which tokens of ``text`` (n,) bool have a character in ``spans`` (first, one past the last)."""
        self.backend.encode_special_tokens = True
        offsets = self.backend.encode(text, add_special_tokens=False).offsets
        return np.array([any(a < end and start < b for start, end in spans) for a, b in offsets], dtype=bool)


def balanced(documents: Mapping[str, Sequence[Document]], shares: Mapping[str, float]) -> list[str]:
    """The most text that has the domains in the proportion of ``shares``: of each, its first documents."""
    had = {domain: sum(len(document.text) for document in documents[domain]) for domain in shares}
    whole = min(had[domain] / share for domain, share in shares.items())
    texts: list[str] = []
    for domain, share in shares.items():
        characters = 0
        for document in documents[domain]:
            if characters >= share * whole:
                break
            texts.append(document.text)
            characters += len(document.text)
    return texts


def train(texts: Sequence[str], vocabulary: int) -> Tokenizer:
    """A byte-level BPE: any text at all round-trips. Id 0 is ``<s>``, then come the 256 bytes, then the merges.

    Raises:
        PrefactorError: the text is too small for so large a vocabulary.
    """
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[SEPARATOR],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer=trainer)
    tokenizer = Tokenizer(backend, separator=0)
    if tokenizer.vocabulary != vocabulary:
        raise PrefactorError(
            f"params.yaml: corpus.tokenizer.vocabulary = {vocabulary}: the train split gives only "
            f"{tokenizer.vocabulary} tokens; lower it or raise corpus.characters"
        )
    return tokenizer


def _chunks(texts: Sequence[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    characters = 0
    for text in texts:
        chunk.append(text)
        characters += len(text)
        if characters >= CHUNK:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk
