"""German word order: one clause, said as a statement, a question, a subordinate clause or an infinitive."""

from dataclasses import dataclass
from typing import NamedTuple

from prefactor.generated.german_forms import AUXILIARIES, HAD, MODALS, REFLEXIVE, WAS, Verb


class Subject(NamedTuple):
    text: str
    person: str  # a key of german_forms.PERSONS
    pronoun: str  # what refers back to it, in the nominative
    possessive: str  # its possessive without an ending: sein, ihr, ...

    @property
    def gender(self) -> str:
        """m, f, n, or p for the plural; of third persons only."""
        return "p" if self.person == "3p" else {"er": "m", "sie": "f", "es": "n"}[self.pronoun]


ICH = Subject("ich", "1s", "ich", "mein")
WIR = Subject("wir", "1p", "wir", "unser")
DU = Subject("du", "2s", "du", "dein")
ES = Subject("es", "3s", "es", "sein")
BACK = {"m": ("er", "sein"), "f": ("sie", "ihr"), "n": ("es", "sein"), "p": ("sie", "ihr")}


def third(text: str, gender: str) -> Subject:
    """A third-person subject of gender m, f, n, or p for the plural."""
    return Subject(text, "3p" if gender == "p" else "3s", *BACK[gender])


def words(*parts: str) -> str:
    return " ".join(part for part in parts if part)


@dataclass(frozen=True)
class Clause:
    """What happens, before it is put in order.

    ``tense`` is present, perfect, preterite, future, or a modal verb. The middle field is ``early`` (dative
    objects), ``time``, ``late`` (other objects, ``nicht``, places), in this order.
    """

    subject: Subject
    verb: Verb
    tense: str
    early: str = ""
    time: str = ""
    late: str = ""

    def _verbs(self) -> tuple[str, str]:
        """The finite verb, and what closes the clause."""
        verb, person = self.verb, self.subject.person
        if self.tense == "present":
            return verb.in_present(person), verb.prefix
        if self.tense == "preterite":
            return verb.in_preterite(person), verb.prefix
        if self.tense == "perfect":
            return AUXILIARIES[verb.auxiliary][person], verb.participle
        if self.tense == "future":
            return AUXILIARIES["werden"][person], verb.infinitive
        return MODALS[self.tense][person], verb.infinitive

    def _middle(self, time: str) -> str:
        reflexive = REFLEXIVE[self.subject.person] if self.verb.reflexive else ""
        return words(reflexive, self.early, time, self.late)

    def statement(self, front: str = "") -> str:
        """Verb second. ``front`` takes the first place and the subject then follows the verb.

        ``front="time"`` moves the clause's own time there.
        """
        finite, end = self._verbs()
        time = self.time
        if front == "time":
            front, time = time, ""
        if front:
            return words(front, finite, self.subject.text, self._middle(time), end)
        return words(self.subject.text, finite, self._middle(time), end)

    def question(self, asked: str = "") -> str:
        """Verb first, or second after the question word ``asked``."""
        finite, end = self._verbs()
        return words(asked, finite, self.subject.text, self._middle(self.time), end)

    def predicate(self) -> str:
        """All but the subject, for a second clause with the same subject."""
        finite, end = self._verbs()
        return words(finite, self._middle(self.time), end)

    def subordinate(self, subject: str = "") -> str:
        """Verb last, after the conjunction or relative pronoun that the caller puts before it."""
        finite, end = self._verbs()
        joined = end + finite if end == self.verb.prefix else words(end, finite)
        return words(subject or self.subject.text, self._middle(self.time), joined)

    def infinitive(self) -> str:
        """With ``zu``, and no subject."""
        return words(self._middle(self.time), self.verb.zu_infinitive)


def be(person: str, past: bool) -> str:
    return (WAS if past else AUXILIARIES["sein"])[person]


def have(person: str, past: bool) -> str:
    return (HAD if past else AUXILIARIES["haben"])[person]
