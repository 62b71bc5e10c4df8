"""The word rule: a text matches where it has every word asked for, case and the punctuation around them ignored."""

import difflib
import re
from collections.abc import Iterable
from functools import lru_cache


def words_of(text: str) -> list[str]:
    """Words in lower case without the punctuation around them; a word of nothing else stays."""
    return [word.strip("\"'():;,.") or word for word in text.casefold().split()]


def has_words(text: str, wanted: str) -> bool:
    words = words_of(text)
    return all(word in words for word in words_of(wanted))


def split_words(query: str) -> tuple[list[str], list[str]]:
    """The wanted and the unwanted words of a query without comparisons."""
    excluded = [part.startswith("-") and len(part) > 1 for part in query.split()]
    wanted = " ".join(part for part, out in zip(query.split(), excluded, strict=True) if not out)
    unwanted = " ".join(part[1:] for part, out in zip(query.split(), excluded, strict=True) if out)
    return words_of(wanted), words_of(unwanted)


def query_for(wanted: str, unwanted: Iterable[str]) -> str:
    """The query without comparisons for one word and none of the others, whatever characters they have."""
    return " ".join([_as_written(wanted), *(f"-{_as_written(word)}" for word in unwanted)])


def _as_written(word: str) -> str:
    return word if re.fullmatch(r"\w[\w-]*", word) else f'"{word}"'


def matches_query(query: str, label: str) -> bool:
    """Whether every word of ``query`` is a word of ``label``, and none that it has with a leading ``-``.

    A label without words is not known, so that it matches none but the empty query.
    """
    words = words_of(label)
    wanted, unwanted = split_words(query)
    has_all, has_none = all(word in words for word in wanted), not any(word in words for word in unwanted)
    return has_all and has_none and bool(words or not unwanted)


def likeness(wanted: list[str], text: str) -> float:
    """How much ``text`` resembles having the wanted words: 1 where it has them all."""
    words = words_of(text)
    return sum(max((_like(want, word) for word in words), default=0.0) for want in wanted) / max(1, len(wanted))


@lru_cache(maxsize=1 << 16)
def _like(word: str, other: str) -> float:
    return difflib.SequenceMatcher(None, word, other).ratio()
