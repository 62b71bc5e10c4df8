"""Which tokens a subcomponent fires on, and how much more than chance."""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prefactor.label.evidence import Evidence, Window

MOST_TOKENS = 3  # more than this is a class of tokens or a wide subcomponent, not a list
NAMED = 0.1  # share of the firings that a token needs to be named
COVERED = 0.7  # share of the firings that a claim about tokens must cover
START = re.compile(r"<\|?\w+\|?>")  # <s>, <bos>, <|endoftext|>: put before every document


@dataclass(frozen=True)
class Claim:
    """Something that holds at most firings, such as that the token is a digit."""

    text: str
    kind: str  # start, tokens, class or next
    covered: float  # share of the firings at which it holds
    chance: float  # share of other tokens at which it holds

    @property
    def clarity(self) -> float:
        """(covered - chance) / (1 - chance): 0 where firings are like other tokens, 1 where they alone are so."""
        return max(0.0, (self.covered - self.chance) / (1 - self.chance)) if self.chance < 1 else 0.0


def _letters(text: str) -> bool:
    return any(character.isalpha() for character in text)


CLASSES: dict[str, Callable[[str], bool]] = {
    "digits": lambda token: token.strip().isdigit(),
    "punctuation": lambda token: bool(token.strip()) and all(unicodedata.category(c)[0] in "PS" for c in token.strip()),
    "line breaks": lambda token: not token.strip() and "\n" in token,
    "capitalised words": lambda token: token.strip()[:1].isupper(),
    "accented letters": lambda token: any(c.isalpha() and not c.isascii() for c in token) or "\ufffd" in token,
    "word continuations": lambda token: _letters(token) and not token[:1].isspace() and not token[:1].isupper(),
}


def quoted(token: str) -> str:
    """A token as one word of a label: without its space, in quotes; blanks and half characters are named."""
    if "\ufffd" in token:
        return "half-character"
    if not token.strip():
        return "line-break" if "\n" in token else "space"
    return '"' + "_".join(token.split()).replace('"', "''") + '"'


def firing_tokens(windows: Sequence[Window]) -> list[tuple[str, int]]:
    """Each token that a window is about, as a label shows it, with how many windows; the most frequent first."""
    counts = Counter(quoted(window.tokens[window.position]) for window in windows)
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def token_claims(windows: Sequence[Window], fires: float) -> list[Claim]:
    """Every claim about the token at the firing position that covers enough, the most specific first.

    Args:
        fires: the importance above which a subcomponent fires: all other tokens of the windows say what chance is.
    """
    if not windows:
        return []
    firing = Counter(window.tokens[window.position] for window in windows)
    other = Counter(t for w in windows for t, g in zip(w.tokens, w.importance, strict=True) if g <= fires)

    def claim(text: str, kind: str, holds: Callable[[str], bool]) -> Claim:
        covered, chance = (
            sum(count for token, count in tokens.items() if holds(token)) / tokens.total() if tokens else 1.0
            for tokens in (firing, other)
        )
        return Claim(text, kind, covered, chance)

    claims = [claim("document start", "start", lambda token: START.fullmatch(token) is not None)]
    # A window starts at its firing token only where the block does; 1 / length is more than the chance of that.
    first = sum(window.position == 0 for window in windows) / len(windows)
    claims.append(Claim("block start", "start", first, sum(1 / len(w.tokens) for w in windows) / len(windows)))
    frequent = [token for token, count in firing_tokens(windows) if count > 1 and count >= NAMED * len(windows)]
    named = frequent[:MOST_TOKENS]
    claims.append(claim(" ".join(named), "tokens", lambda token: quoted(token) in named))
    claims += [claim(text, "class", holds) for text, holds in CLASSES.items()]
    return [candidate for candidate in claims if candidate.covered >= COVERED]


def likely_next(evidence: Evidence) -> list[Claim]:
    """The target's most likely next tokens where the subcomponent fires, the most frequent first.

    Chance is the token's share of all most likely next tokens: share of the firings / exp(PMI), and PMI is
    ln(recall / density).
    """
    if not evidence.firings:
        return []
    lifts = {entry.token: (entry.count, math.exp(entry.value)) for entry in evidence.output_pmi}
    lifts |= {entry.token: (entry.count, entry.value / evidence.density) for entry in evidence.output_recall}
    ranked = sorted(lifts.items(), key=lambda item: (-item[1][0], item[0]))
    claims = []
    for token, (count, lift) in ranked:
        share = min(1.0, count / evidence.firings)
        claims.append(Claim(quoted(token), "next", share, share / lift if lift > 0 else 1.0))
    return claims
