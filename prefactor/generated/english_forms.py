"""English inflection: plurals, verb forms, a and an, number words, and the verb group of each tense."""

import re
from typing import NamedTuple

SIBILANT = ("s", "x", "z", "ch", "sh")
# Spelled with a vowel, spoken with a consonant.
CONSONANT_SOUND = ("uni", "use", "eu", "one")
SILENT_H = ("hour", "honest", "heir")
ONE_SYLLABLE = re.compile(r"[^aeiou]*[aeiou][^aeiouwxy]$")

# Persons: first and third singular, first and third plural, second.
PERSONS = ("1s", "2", "3s", "1p", "3p")


def _persons(forms: str) -> dict[str, str]:
    return dict(zip(PERSONS, forms.split(), strict=True))


AM = _persons("am are is are are")
WAS = _persons("was were was were were")
HAVE = _persons("have have has have have")
DO = _persons("do do does do do")
MODALS = ("can", "must", "should", "may")
NEGATED = {
    "am": "am not", "can": "cannot", "may": "may not", "will": "will not", "had": "had not", "would": "would not",
}  # fmt: skip
SHORT_NEGATED = {"am": "am not", "can": "can't", "may": "may not", "will": "won't"}


def with_s(word: str) -> str:
    """The plural of a noun and the third person of a verb: ``boxes``, ``carries``, ``goes``."""
    if word.endswith(SIBILANT) or word in ("go", "do"):
        return word + "es"
    return word[:-1] + "ies" if re.search(r"[^aeiou]y$", word) else word + "s"


def a(word: str) -> str:
    """``word`` after a or an, by its sound."""
    vowel = (word[0] in "aeiou" and not word.startswith(CONSONANT_SOUND)) or word.startswith(SILENT_H)
    return f"an {word}" if vowel else f"a {word}"


def number_word(value: int, ones: list[str], tens: list[str]) -> str:
    """``value`` in words, 0 to 99: ``thirty-seven``."""
    if value < 20:
        return ones[value]
    return tens[value // 10 - 2] + (f"-{ones[value % 10]}" if value % 10 else "")


def negate(auxiliary: str, short: bool) -> str:
    table = SHORT_NEGATED if short else NEGATED
    return table.get(auxiliary) or (f"{auxiliary}n't" if short else f"{auxiliary} not")


class Noun(NamedTuple):
    lemma: str
    plural: str  # '' for a mass noun

    @classmethod
    def read(cls, entry: str | list) -> "Noun":
        """From a lexicon entry: the word, or ``[word, plural]``."""
        return cls(entry, with_s(entry)) if isinstance(entry, str) else cls(entry[0], entry[1] or "")


class Verb(NamedTuple):
    base: str
    past: str
    participle: str
    progressive: str
    particle: str  # '' for none; it follows the object

    @classmethod
    def read(cls, entry: str | list[str], doubling: list[str]) -> "Verb":
        """From a lexicon entry: a regular verb, or ``[base, past, participle]``."""
        base, _, particle = (entry if isinstance(entry, str) else entry[0]).partition("|")
        stem = base + base[-1] if base in doubling or ONE_SYLLABLE.match(base) else base
        short = stem[:-1] if stem.endswith("e") and not stem.endswith("ee") else stem
        progressive = "lying" if base == "lie" else short + "ing"
        if isinstance(entry, list):
            return cls(base, entry[1], entry[2], progressive, particle)
        past = base[:-1] + "ied" if re.search(r"[^aeiou]y$", base) else short + "ed"
        return cls(base, past, past, progressive, particle)

    def group(self, person: str, tense: str, supported: bool) -> tuple[str, str]:
        """The auxiliary and the main verb of ``tense``.

        ``supported`` asks for an auxiliary (do) where there would be none. A tense that is none of the named ones is
        a modal verb: can, will, would, ...
        """
        if tense == "present":
            if supported:
                return DO[person], self.base
            return "", with_s(self.base) if person == "3s" else self.base
        if tense == "past":
            return ("did", self.base) if supported else ("", self.past)
        if tense == "progressive":
            return AM[person], self.progressive
        if tense == "past progressive":
            return WAS[person], self.progressive
        if tense == "perfect":
            return HAVE[person], self.participle
        if tense == "pluperfect":
            return "had", self.participle
        return tense, self.base
