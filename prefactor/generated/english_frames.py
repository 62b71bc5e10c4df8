"""English clauses drawn from the lexicon: a verb with what its frame asks for."""

import random
from typing import Any

from prefactor.generated.base import city
from prefactor.generated.english_clause import Clause, Subject, be, words
from prefactor.generated.english_forms import MODALS, Verb
from prefactor.generated.english_phrases import Phrases

TENSES = ("present", "progressive", "past", "perfect", "will", "modal")
TENSE_WEIGHTS = (26, 12, 34, 8, 9, 11)
# The lexicon's times for each tense; a tense not named here takes no adverbial of time.
TIMES = {
    "present": "present", "progressive": "progressive", "past": "past", "perfect": "perfect", "will": "future",
    "pluperfect": "", "past progressive": "", "would": "",
}  # fmt: skip
FRAMES = ("activity", "transitive", "giving", "motion", "travel", "placing", "prepositional")
FRAME_WEIGHTS = (18, 40, 9, 12, 5, 5, 11)


def any_tense(rng: random.Random) -> str:
    """Present or past."""
    return "present" if rng.random() < 0.45 else "past"


class Frames(Phrases):
    """Draws clauses; each verb frame has its own complements."""

    def __init__(self, lexicon: dict[str, Any]):
        super().__init__(lexicon)
        doubling = lexicon["doubling"]
        self.verbs = {
            frame: [(Verb.read(row[0], doubling), row[1:]) for row in rows] for frame, rows in lexicon["verbs"].items()
        }
        self.stative = set(lexicon["stative"])

    def clause(
        self, rng: random.Random, subject: Subject | None = None, tense: str = "", frame: str = "",
        timed: float = 0.45, negated: float = 0.12, question: bool = False,
    ) -> Clause:  # fmt: skip
        """A clause. What is left out is drawn; ``timed`` and ``negated`` are probabilities."""
        subject = subject or self.subject(rng)
        tense = tense or rng.choices(TENSES, TENSE_WEIGHTS)[0]
        frame = frame or rng.choices(FRAMES, FRAME_WEIGHTS)[0]
        verb, details = rng.choice(self.verbs[frame])
        if "progressive" in tense and verb.base in self.stative:
            tense = {"progressive": "present", "past progressive": "past"}[tense]
        if tense == "modal":
            tense = rng.choice(MODALS)
        denied = rng.choice(("full", "short")) if rng.random() < negated else ""
        thing, rest = self._complements(rng, frame, details, subject, bool(denied))
        time, inner, when = "", "", TIMES.get(tense, "future")
        if when and rng.random() < timed:
            if rng.random() < 0.3 and tense not in MODALS:
                inner = self.inner(rng, when, bool(denied) or question)
            else:
                time = self.time(rng, when)
        return Clause(subject, verb, tense, thing, rest, time, inner, denied)

    def _complements(
        self, rng: random.Random, frame: str, details: list[Any], subject: Subject, denied: bool
    ) -> tuple[str, str]:
        """The object, and what follows it."""
        if frame == "activity":
            return "", self.place(rng) if rng.random() < 0.6 else ""
        if frame == "motion":
            return "", self.goal(rng)
        if frame == "travel":
            by = f"by {rng.choice(self.nouns['vehicle']).lemma}" if rng.random() < 0.6 else ""
            return "", words(f"to {city(rng, self.lexicon)}", by)
        kind = rng.choice(details[0])
        if frame == "prepositional":
            return "", f"{details[1]} {self.phrase(rng, kind, subject.possessive, definite=True).text}"
        thing = self.phrase(rng, kind, subject.possessive, kind == "closable", denied).text
        if frame == "placing":
            return thing, self.spot(rng)
        if frame == "giving":
            return thing, f"to {self.someone(rng, subject)}"
        return thing, self.place(rng) if kind not in ("closable", "family") and rng.random() < 0.12 else ""

    def state(self, rng: random.Random, subject: Subject, past: bool) -> str:
        """How ``subject``, named by its pronoun, is: ``she was tired``."""
        if rng.random() < 0.65:
            return words(subject.pronoun, be(subject.person, past), rng.choice(self.lexicon["moods"]))
        has = "had" if past else "has" if subject.person == "3s" else "have"
        return words(subject.pronoun, has, rng.choice(self.lexicon["having"]))

    def quality(self, rng: random.Random, subject: Subject, kind: str) -> str:
        """What a thing or being of class ``kind`` is like, after its subject."""
        moods = self.lexicon["moods"] if kind in ("person", "animal") else []
        word = rng.choice(self.adjectives[kind] + moods)
        extent = rng.choice(("", "", "very", "not", "too", "quite"))
        return words(be(subject.person, rng.random() < 0.4), "" if word in self.lexicon["absolute"] else extent, word)
