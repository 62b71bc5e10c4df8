"""English word order: one clause, said as a statement, a question or an infinitive."""

from dataclasses import dataclass
from typing import NamedTuple

from prefactor.generated.english_forms import AM, WAS, Verb, negate


class Subject(NamedTuple):
    text: str
    person: str  # a key of english_forms.PERSONS
    pronoun: str  # what refers back to it: she
    possessive: str  # her


I = Subject("I", "1s", "I", "my")  # noqa: E741
WE = Subject("we", "1p", "we", "our")
YOU = Subject("you", "2", "you", "your")
IT = Subject("it", "3s", "it", "its")
BACK = {"m": ("he", "his"), "f": ("she", "her"), "n": ("it", "its"), "p": ("they", "their")}


def third(text: str, gender: str) -> Subject:
    """A third-person subject of gender m, f, n, or p for the plural."""
    return Subject(text, "3p" if gender == "p" else "3s", *BACK[gender])


def words(*parts: str) -> str:
    return " ".join(part for part in parts if part)


@dataclass(frozen=True)
class Clause:
    """What happens, before it is put in order.

    ``tense`` is one that ``Verb.group`` knows. ``inner`` is an adverb before the main verb; ``object`` comes before the
    verb's particle, ``rest`` (places, recipients) and ``time`` after it.
    """

    subject: Subject
    verb: Verb
    tense: str
    object: str = ""
    rest: str = ""
    time: str = ""
    inner: str = ""
    negated: str = ""  # '', 'full' (does not) or 'short' (doesn't)

    def _after(self, main: str) -> str:
        return words(self.inner, main, self.object, self.verb.particle, self.rest)

    def predicate(self) -> str:
        """All but the subject and the time."""
        auxiliary, main = self.verb.group(self.subject.person, self.tense, bool(self.negated))
        if self.negated:
            auxiliary = negate(auxiliary, self.negated == "short")
        return words(auxiliary, self._after(main))

    def statement(self, front: bool = False) -> str:
        """Subject first, or after the time where ``front`` is set."""
        said = words(self.subject.text, self.predicate())
        return f"{self.time}, {said}" if front and self.time else words(said, self.time)

    def question(self, asked: str = "") -> str:
        """The auxiliary before the subject, after the question word ``asked``. A negation English has no short form for
        (am, may) is dropped."""
        auxiliary, main = self.verb.group(self.subject.person, self.tense, True)
        if self.negated and auxiliary not in ("am", "may"):
            auxiliary = negate(auxiliary, True)
        return words(asked, auxiliary, self.subject.text, self._after(main), self.time)

    def infinitive(self) -> str:
        return words("to", self._after(self.verb.base), self.time)


def be(person: str, past: bool) -> str:
    return (WAS if past else AM)[person]
