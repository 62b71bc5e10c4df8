"""What goes in and what comes out: rows as a source finds them, documents that are fit for use."""

from dataclasses import dataclass
from typing import NamedTuple


class SourceRow(NamedTuple):
    """What a source found, unchecked: ``domain`` and ``text`` may be anything at all."""

    domain: object
    text: object
    split: str | None = None  # the split that the user pinned it to
    id: str | None = None  # where the source has one; else the text's hash
    fault: str | None = None  # why the source could not even parse it
    quotes: tuple[tuple[int, int], ...] | None = None  # as a document's


@dataclass(frozen=True)
class Document:
    """A text, its domain, and an id that is unique within the corpus and the same on every run."""

    id: str
    domain: str
    text: str
    # Where it quotes text of another domain: first character, one past the last. None where the source cannot say.
    quotes: tuple[tuple[int, int], ...] | None = None
