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
    at the end is dropped. Where blocks have to begin with some tokens (``tokenizer.begins``), these are put before a
    row that does not, and the row is the shorter for it.
    """
    parts = [
        _cut_domain(domain, documents[domain], tokenizer, block, f"{split} {domain}: chunks of text encoded")
        for domain in sorted(documents)
    ]
    quoted = [part.quoted for part in parts if part.quoted is not None]
    together = Blocks(
        np.concatenate([part.tokens for part in parts]),
        np.concatenate([part.domain for part in parts]),
        [ids for part in parts for ids in part.documents],
        np.concatenate(quoted) if len(quoted) == len(parts) else None,
    )
    return together.rows(np.random.default_rng(seed).permutation(len(together)))


def _cut_domain(domain: str, documents: Sequence[Document], tokenizer: Tokenizer, block: int, what: str) -> Blocks:
    separator = np.array([tokenizer.separator], dtype=np.int32)
    pieces = [separator[:0]]
    for encoded in tokenizer.encode([document.text for document in documents], what):
        pieces += [separator, encoded]
    stream = np.concatenate(pieces)
    tokens, starts, stops = rows_of(stream, np.array(tokenizer.begins, dtype=np.int32), block)
    # Document d fills the stream up to ends[d]; a block holds the documents from its first token's to its last one's.
    ends = np.cumsum([len(piece) for piece in pieces[1:]], dtype=np.int64)[1::2]
    first = np.searchsorted(ends, starts, side="right")
    last = np.searchsorted(ends, stops - 1, side="right")
    ids = [[documents[d].id for d in range(a, b + 1)] for a, b in zip(first, last, strict=True)]
    quoted = None
    if all(document.quotes is not None for document in documents):
        marks = [np.zeros(len(piece), dtype=bool) for piece in pieces]
        for mark, document in zip(marks[2::2], documents, strict=True):
            if document.quotes:
                mark[:] = tokenizer.within(document.text, document.quotes)
        along, quoted = np.concatenate(marks), np.zeros(tokens.shape, dtype=bool)
        for row, start, stop in zip(quoted, starts, stops, strict=True):
            row[block - (stop - start) :] = along[start:stop]  # what a row begins with is no quote
    return Blocks(tokens, np.full(len(tokens), domain), ids, quoted)


def rows_of(stream: np.ndarray, begins: np.ndarray, block: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows (n, block) of ``stream`` that begin with ``begins``, and where of the stream each starts and stops (n)."""
    if not len(begins):
        starts = np.arange(len(stream) // block) * block
        return stream[: len(starts) * block].reshape(len(starts), block), starts, starts + block
    rows, starts, stops = [], [0], []
    while True:
        start = starts[-1]
        before = begins[:0] if np.array_equal(stream[start : start + len(begins)], begins) else begins
        stop = start + block - len(before)
        if stop > len(stream):
            break
        rows.append(np.concatenate([before, stream[start:stop]]))
        stops.append(stop)
        starts.append(stop)
    tokens = np.array(rows, dtype=np.int32).reshape(len(rows), block)
    return tokens, np.array(starts[:-1], dtype=np.int64), np.array(stops, dtype=np.int64)
