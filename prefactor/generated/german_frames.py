"""German clauses drawn from the lexicon: a verb with what its frame asks for."""

import random
from typing import Any

from prefactor.generated.base import city
from prefactor.generated.german_clause import Clause, Subject, be, have, words
from prefactor.generated.german_forms import ACCUSATIVE, DATIVE, MODALS, Verb, contract
from prefactor.generated.german_phrases import Phrases

TENSES = ("present", "perfect", "preterite", "future", "modal")
TENSE_WEIGHTS = (40, 24, 14, 8, 14)
PAST = ("perfect", "preterite")
CASES = {"accusative": ACCUSATIVE, "dative": DATIVE}
FRAMES = ("activity", "transitive", "giving", "dative", "motion", "travel", "placing", "prepositional")
FRAME_WEIGHTS = (18, 34, 9, 8, 12, 5, 5, 9)


def any_tense(rng: random.Random) -> str:
    """Present, perfect or preterite."""
    return rng.choices(TENSES[:3], TENSE_WEIGHTS[:3])[0]


class Frames(Phrases):
    """Draws clauses; each verb frame has its own complements and their order."""

    def __init__(self, lexicon: dict[str, Any]):
        super().__init__(lexicon)
        self.verbs = {frame: [(Verb.read(row), row[4:]) for row in rows] for frame, rows in lexicon["verbs"].items()}
        self.inner_times = {word for times in lexicon["times"].values() for word in times["inner"]}

    def clause(
        self, rng: random.Random, subject: Subject | None = None, tense: str = "", frame: str = "",
        timed: float = 0.45, negated: float = 0.12, placed: bool = True,
    ) -> Clause:  # fmt: skip
        """A clause. What is left out is drawn.

        ``timed`` and ``negated`` are probabilities; ``placed`` allows a place.
        """
        subject = subject or self.subject(rng)
        tense = tense or rng.choices(TENSES, TENSE_WEIGHTS)[0]
        frame = frame or rng.choices(FRAMES, FRAME_WEIGHTS)[0]
        verb, details = rng.choice(self.verbs[frame])
        denied = rng.random() < negated
        early, late = self._complements(rng, frame, details, subject, denied, placed)
        when = "past" if tense in PAST else "future" if tense == "future" or rng.random() < 0.2 else "present"
        time, frontable = self.time(rng, when) if rng.random() < timed else ("", False)
        if denied and not frontable:
            time = ""
        if tense == "modal":
            tense = rng.choice(tuple(MODALS))
        return Clause(subject, verb, tense, early, time, late)

    def _complements(
        self, rng: random.Random, frame: str, details: list[Any], subject: Subject, denied: bool, placed: bool
    ) -> tuple[str, str]:
        """What stands before and after the adverbial of time."""
        nicht = "nicht" if denied else ""
        if frame == "activity":
            return "", words(nicht, self.place(rng) if placed and rng.random() < 0.6 else "")
        if frame == "motion":
            place = self.origin(rng) if rng.random() < 0.2 else self.goal(rng)
            return "", words(nicht, place)
        if frame == "travel":
            by = self.determined(rng.choice(self.nouns["vehicle"]), "vehicle", DATIVE, False, "der", "")
            return "", words(nicht, f"mit {by}" if rng.random() < 0.6 else "", "nach " + city(rng, self.lexicon))
        if frame == "dative":
            return "", words(self.someone(rng, DATIVE, subject), nicht)
        kind = rng.choice(details[0])
        if frame == "prepositional":
            phrase = self.phrase(rng, kind, CASES[details[2]], subject.possessive, definite=True)
            return "", words(nicht, contract(details[1], phrase.text))
        phrase = self.phrase(rng, kind, ACCUSATIVE, subject.possessive, denied, definite=kind == "closable")
        thing = words(phrase.text, nicht if phrase.definite else "")
        if frame == "placing":
            return "", words(thing, self.spot(rng, ACCUSATIVE))
        if frame == "giving":
            return self.someone(rng, DATIVE, subject), thing
        return "", words(thing, self.place(rng) if placed and kind != "closable" and rng.random() < 0.15 else "")

    def state(self, rng: random.Random, subject: Subject, past: bool) -> str:
        """A subordinate clause about how ``subject``, named by its pronoun, is: ``sie müde ist``."""
        if rng.random() < 0.6:
            return f"{subject.pronoun} {rng.choice(self.lexicon['moods'])} {be(subject.person, past)}"
        noun, gender = rng.choice(self.lexicon["having"])
        no = "keine" if gender == "f" else "kein" if gender == "n" else "keinen"
        return f"{subject.pronoun} {noun if rng.random() < 0.4 else f'{no} {noun}'} {have(subject.person, past)}"

    def predicate(self, rng: random.Random, subject: Subject, kind: str) -> str:
        """What a thing or being of class ``kind`` is like, after its subject."""
        moods = self.lexicon["moods"] if kind in ("person", "animal") else []
        word = rng.choice([adjective[0] for adjective in self.adjectives[kind]] + moods)
        extent = rng.choice(("", "", "sehr", "nicht", "zu", "ziemlich"))
        return words(be(subject.person, rng.random() < 0.3), "" if word in self.lexicon["absolute"] else extent, word)
