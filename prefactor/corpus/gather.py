"""From rows of any source to clean documents: bad rows counted, duplicates dropped, shares filled, splits drawn.

Two hashes of the text decide. One, which depends on nothing else, draws the split: equal texts always fall together,
whatever their order, and a text stays in its split when seed or size change. The other is keyed with the seed and
ranks the documents of a domain; the share is filled from the lowest up, so that files sorted by language, date or
quality give a fair sample and the order of rows does not matter.
"""

import hashlib
import heapq
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prefactor.config.corpus import SPLITS, CorpusConfig
from prefactor.corpus.document import Document, SourceRow
from prefactor.errors import PrefactorError

DUPLICATE = "duplicate"  # dropped and counted, but no fault of the row
UNKNOWN_DOMAIN = "unknown domain"


@dataclass(frozen=True)
class Corpus:
    """Clean documents by split and domain, in the order of their hash, and what was left out."""

    documents: Mapping[str, Mapping[str, list[Document]]]
    rows: int  # read in all
    bad_rows: Mapping[str, int]  # reason -> rows left out
    passed_over: Sequence[str] = ()  # files beside those that were read


class Gatherer:
    """Takes rows one at a time and keeps the documents that fill each domain's share."""

    def __init__(self, config: CorpusConfig) -> None:
        self._config = config
        self._splits = {split: config.splits[split] for split in SPLITS}
        # With a split of its own for every file there is no share to fill.
        filled = config.characters if config.hashed else 0
        self._asked = {domain: share * filled for domain, share in config.shares.items()}
        self._had = dict.fromkeys(config.shares, 0)
        # Heaps of (-rank, id, document): the highest rank, the first to give way, is on top.
        self._ranked: dict[str, list[tuple[int, str, Document]]] = {domain: [] for domain in config.shares}
        self._pinned: dict[str, dict[str, list[Document]]] = {
            split: {domain: [] for domain in config.domains_of(split)} for split in SPLITS
        }
        self._seen: set[bytes] = set()
        self._rows = 0
        self._bad: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()

    def wants(self, domain: str) -> bool:
        """Whether the domain's share is still to be filled."""
        return self._had[domain] < self._asked[domain]

    @property
    def filled(self) -> float:
        """The part of the asked characters that is there, in [0, 1]."""
        had = sum(min(self._had[domain], asked) for domain, asked in self._asked.items())
        return had / self._config.characters

    def add(self, row: SourceRow) -> None:
        """Count the row, and keep its document if it is clean, new, and among the lowest ranks of its domain."""
        self._rows += 1
        text = _clean(row)
        if isinstance(text, _Fault):
            self._bad[text.reason] += 1
            return
        domain = unicodedata.normalize("NFC", str(row.domain))  # numbers, or true and false, are tags as well
        if domain not in (self._asked if row.split is None else self._pinned[row.split]):
            self._bad[UNKNOWN_DOMAIN] += 1
            self._unknown[domain] += 1
            return
        key = _hash(text)
        if key in self._seen:
            self._bad[DUPLICATE] += 1
            return
        self._seen.add(key)
        document = Document(row.id or key.hex(), domain, text, row.quotes)
        if row.split is not None:
            self._pinned[row.split][document.domain].append(document)
        else:
            self._keep(document)

    @contextmanager
    def file(self, path: Path) -> Iterator[None]:
        """The rows added in the block are those of ``path``.

        Raises:
            PrefactorError: not one of them can be used; with the reasons.
        """
        rows, bad, unknown = self._rows, self._bad.copy(), self._unknown.copy()
        yield
        reasons = self._bad - bad
        of_it = self._rows - rows
        if of_it == reasons.total() - reasons[DUPLICATE]:
            domains = ", ".join(f"{domain[:20]!r}" for domain, _ in (self._unknown - unknown).most_common(5))
            said = f" ({counts(reasons)}{f', such as {domains}' if domains else ''})" if reasons else ""
            raise PrefactorError(
                f"{path}: not one of its {of_it} rows can be used{said}; mend it or its entry in corpus.text.files, or "
                "leave it out"
            )

    def _keep(self, document: Document) -> None:
        domain, heap = document.domain, self._ranked[document.domain]
        heapq.heappush(heap, (-_place(document, self._config.seed), document.id, document))
        self._had[domain] += len(document.text)
        while self._had[domain] - len(heap[0][2].text) >= self._asked[domain]:
            self._had[domain] -= len(heapq.heappop(heap)[2].text)

    def check_bad_rows(self) -> None:
        """Raise PrefactorError if more of the rows so far are bad than ``corpus.max_bad_rows`` allows."""
        reasons = {reason: count for reason, count in self._bad.items() if reason != DUPLICATE}
        bad, limit = sum(reasons.values()), self._config.max_bad_rows
        if bad > limit * self._rows:
            domains = ", ".join(f"{domain[:20]!r}" for domain, _ in self._unknown.most_common(5))
            raise PrefactorError(
                f"params.yaml: corpus.max_bad_rows = {limit}: {bad} of {self._rows} rows are unusable "
                f"({counts(reasons)}){f', with unknown domains such as {domains}' if domains else ''}; "
                "mend the text, add such domains to corpus.shares, or raise corpus.max_bad_rows"
            )

    def finish(self) -> Corpus:
        """The documents kept.

        Raises:
            PrefactorError: too many bad rows, or too little text in a domain.
        """
        self.check_bad_rows()
        for domain, asked in self._asked.items():
            if self._had[domain] < asked:
                raise PrefactorError(
                    f"params.yaml: corpus.characters = {self._config.characters}: domain {domain} is to have "
                    f"{asked:.0f} characters (its share of {self._config.shares[domain]:g}) but the text has "
                    f"{self._had[domain]}; lower corpus.characters or corpus.shares.{domain}, or add text"
                )
        documents = {split: {domain: list(kept) for domain, kept in by.items()} for split, by in self._pinned.items()}
        for domain, heap in self._ranked.items():
            for _, _, document in heap:
                documents[_split(document.text, self._splits)][domain].append(document)
        for by in documents.values():
            for kept in by.values():
                kept.sort(key=lambda document: (_place(document, self._config.seed), document.id))
        return Corpus(documents, self._rows, dict(sorted(self._bad.items())))


def characters_of(rows: Iterable[SourceRow]) -> Counter[str]:
    """How much usable text there is, by domain, equal texts counted once."""
    found, seen = Counter[str](), set[bytes]()
    for row in rows:
        text = _clean(row)
        if row.domain is None or isinstance(text, _Fault) or (key := _hash(text)) in seen:
            continue
        seen.add(key)
        found[unicodedata.normalize("NFC", str(row.domain))] += len(text)
    return found


def counts(reasons: Mapping[str, int]) -> str:
    """``empty 3, null 1``"""
    return ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))


@dataclass(frozen=True)
class _Fault:
    """Why a row is no document."""

    reason: str


def _clean(row: SourceRow) -> str | _Fault:
    """The row's text, or what is wrong with it. Bytes are taken for UTF-8."""
    if row.fault is not None:
        return _Fault(row.fault)
    text = row.text
    if text is None:
        return _Fault("null")
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        if not isinstance(text, str):
            return _Fault({list: "a list and not text", dict: "an object and not text"}.get(type(text), "not text"))
        text.encode("utf-8")  # fails on lone surrogates
    except UnicodeError:
        return _Fault("undecodable")
    if "\N{REPLACEMENT CHARACTER}" in text:  # what decoders leave in the place of bytes that are not UTF-8
        return _Fault("undecodable")
    if "\0" in text:  # what is left of another encoding, or of a file that is no text
        return _Fault("zero bytes")
    return text if text.strip() else _Fault("empty")


def _hash(text: str, key: bytes = b"") -> bytes:
    return hashlib.blake2b(text.encode("utf-8"), digest_size=16, key=key).digest()


def _place(document: Document, seed: int) -> int:
    """Where the document stands in its domain: 64 bits of its text's hash, keyed with the seed."""
    # The key is never empty, or the lowest places would all be in the split that the plain hash draws first.
    return int.from_bytes(_hash(document.text, key=b"place %d" % seed)[:8], "big")


def _split(text: str, shares: Mapping[str, float]) -> str:
    """The split that the hash of the text draws, with the odds of ``shares`` (which need not sum to 1)."""
    point = int.from_bytes(_hash(text)[:8], "big") / 2**64 * sum(shares.values())
    drawn = ""
    for split, share in shares.items():
        if share > 0:
            drawn = split  # the last one stays, should the sum round below the point
            point -= share
            if point < 0:
                break
    return drawn
