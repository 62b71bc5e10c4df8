"""What the words of a label claim, for a reader without a language model: domains, tokens, and what comes next.

Languages and domain tags, tokens in quotes, classes of tokens (``label/tokens.py``), `before "x"`, starts of documents.
A label whose words are none of these says nothing to this reader, and neither does one that denies something, or one
about the start of a block, which no window shows.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from prefactor.corpus.languages import is_language, one_word
from prefactor.label.labeller import is_clear
from prefactor.label.tokens import CLASSES, START, quoted

_TOKEN = r'"[^"\s]+"|line-break|half-character|(?<=token )space\b|(?<=before )space\b|(?<=[:"] )space\b'
_BEFORE = re.compile(rf"\bbefore ({_TOKEN})")
_DENIES = re.compile(r"\b(?:not|no|non|never|neither|without|except)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Reading:
    """A conjunction of claims; an empty one claims nothing."""

    domains: frozenset[str] | None = None
    tokens: frozenset[str] = frozenset()  # as ``quoted`` shows them; one of these, or of a class, or a start
    classes: tuple[str, ...] = ()
    start: bool = False  # of a document
    following: str | None = None
    everywhere: bool = False

    @property
    def of_tokens(self) -> bool:
        """Whether it says anything of the token at hand or of the next."""
        return bool(self.tokens or self.classes or self.start or self.following)

    @property
    def says_nothing(self) -> bool:
        return not (self.everywhere or self.of_tokens or self.domains is not None)

    def holds(self, domain: str, tokens: Sequence[str], position: int) -> bool:
        """Whether the subcomponent should be needed at ``position`` of some text, by the label."""
        if self.everywhere:
            return True
        if self.domains is not None and domain not in self.domains:
            return False
        if self.following and (position + 1 >= len(tokens) or quoted(tokens[position + 1]) != self.following):
            return False
        if not (self.tokens or self.classes or self.start):
            return True
        token = tokens[position]
        return (
            (self.start and START.fullmatch(token) is not None)
            or quoted(token) in self.tokens
            or any(CLASSES[token_class](token) for token_class in self.classes)
        )


def read_label(text: str, known: Collection[str], domains: Sequence[str] | None = None) -> Reading:
    """The reading of a label.

    Args:
        known: all domains.
        domains: those that the label's author says it is about; left out, they are read from its words.
    """
    if not is_clear(text):
        return Reading()
    before = _BEFORE.search(text)
    rest = _BEFORE.sub(" ", text)
    tokens = frozenset(re.findall(_TOKEN, rest))
    words = re.sub(_TOKEN, " ", rest)
    if _DENIES.search(words) or "block start" in words:
        return Reading()
    return Reading(
        domains=frozenset(domains) if domains else _domains(words, known),
        tokens=tokens,
        classes=tuple(token_class for token_class in CLASSES if re.search(rf"\b{token_class}\b", words, re.IGNORECASE)),
        start=re.search(r"\bdocument start\b", words, re.IGNORECASE) is not None,
        following=before.group(1) if before else None,
        everywhere="fires everywhere" in words,
    )


def _domains(words: str, known: Collection[str]) -> frozenset[str] | None:
    """The domains that ``words`` name; after "all but" or "all domains but" all others."""
    all_but = re.search(r"\ball (?:domains )?but (.*)", words)
    mentioned = {word.casefold() for word in re.findall(r"[\w-]+", all_but.group(1) if all_but else words)}
    named = {d for d in known if one_word(d).casefold() in mentioned or (is_language(d) and d in _tags(words))}
    if all_but:
        named |= {d for d in known if d.casefold() in mentioned}
        return frozenset(known) - named
    if not named and "foreign" in mentioned:
        named = {d for d in known if d != "en" and is_language(d)}
    return frozenset(named) or None


def _tags(words: str) -> set[str]:
    """Domain tags stand in brackets: outside of them ``it`` and ``es`` are words."""
    return {tag for inside in re.findall(r"\(([^)]*)\)", words) for tag in inside.split()}
