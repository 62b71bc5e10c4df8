"""From documents to blocks."""

from collections.abc import Mapping, Sequence

import numpy as np

from prefactor.corpus.blocks import Blocks
from prefactor.corpus.document import Document
from prefactor.corpus.tokenizer import Tokenizer


def cut(
    documents: Mapping[str, Sequence[Document]], tokenizer: Tokenizer, block: int, seed: Sequence[int], split: str
) -> Blocks:
    """Blocks of one split, shuffled by ``seed``.

    A domain's documents are joined, each after the separator, and cut into rows of ``block`` tokens; what is left over
    at the end is dropped.
    """
    parts = [
        _cut_domain(domain, documents[domain], tokenizer, block, f"{split} {domain}: chunks of text encoded")
        for domain in sorted(documents)
    ]
    together = Blocks(
        np.concatenate([part.tokens for part in parts]),
        np.concatenate([part.domain for part in parts]),
        [ids for part in parts for ids in part.documents],
    )
    return together.rows(np.random.default_rng(seed).permutation(len(together)))


def _cut_domain(domain: str, documents: Sequence[Document], tokenizer: Tokenizer, block: int, what: str) -> Blocks:
    separator = np.array([tokenizer.separator], dtype=np.int32)
    pieces = [separator[:0]]
    for encoded in tokenizer.encode([document.text for document in documents], what):
        pieces += [separator, encoded]
    stream = np.concatenate(pieces)
    count = len(stream) // block
    # Document d fills the stream up to ends[d]; a block holds the documents from its first token's to its last one's.
    ends = np.cumsum([len(piece) for piece in pieces[1:]], dtype=np.int64)[1::2]
    starts = np.arange(count) * block
    first = np.searchsorted(ends, starts, side="right")
    last = np.searchsorted(ends, starts + block - 1, side="right")
    ids = [[documents[d].id for d in range(a, b + 1)] for a, b in zip(first, last, strict=True)]
    return Blocks(stream[: count * block].reshape(count, block), np.full(count, domain), ids)
