"""Tokens of the corpus: a byte-level BPE trained here, or the tokenizer of a target that exists."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers, trainers

from prefactor.config.corpus import TargetTokenizer, TokenizerConfig
from prefactor.corpus.document import Document
from prefactor.errors import PrefactorError
from prefactor.machine.progress import track

SEPARATOR = "<s>"
CHUNK = 1_000_000  # characters encoded at a time: the backend's encodings take far more memory than their ids


@dataclass(frozen=True)
class Tokenizer:
    """Encodes text; ``separator`` is the id of the token put before every document."""

    backend: Backend
    separator: int

    @property
    def vocabulary(self) -> int:
        """The number of ids, the highest one plus 1."""
        return max(self.backend.get_vocab(with_added_tokens=True).values()) + 1

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


def obtain(
    config: TokenizerConfig, documents: Mapping[str, Sequence[Document]], shares: Mapping[str, float]
) -> Tokenizer:
    """The tokenizer that the params ask for; ``documents`` is the train split by domain."""
    if isinstance(config, TargetTokenizer):
        return of_target(config)
    return train(balanced(documents, shares), config.vocabulary)


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


def of_target(config: TargetTokenizer) -> Tokenizer:
    """The target's own tokenizer; its bos token separates documents, or its eos token if it has no bos.

    Raises:
        PrefactorError: it cannot be loaded, has no ``tokenizers`` form, or has neither token.
    """
    from transformers import AutoTokenizer  # here, since it takes seconds and the default does not need it

    where = f"params.yaml: corpus.tokenizer.name = {config.name}"
    try:
        loaded = AutoTokenizer.from_pretrained(config.name, revision=config.revision)
    except (OSError, ValueError, ImportError) as error:
        first = str(error).strip().partition("\n")[0]
        raise PrefactorError(f"{where}: cannot be loaded ({first}); mend name or revision") from None
    if not loaded.is_fast:
        raise PrefactorError(f"{where}: it is a slow tokenizer, without tokenizer.json; convert it or choose another")
    separator = loaded.bos_token_id if loaded.bos_token_id is not None else loaded.eos_token_id
    if separator is None:
        raise PrefactorError(f"{where}: it has neither a bos nor an eos token to separate documents; choose another")
    backend = loaded.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    return Tokenizer(backend, separator)


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
