"""English phrases drawn from the lexicon: noun phrases, subjects, times and places."""

import random
from typing import Any, NamedTuple

from prefactor.generated.base import city, person
from prefactor.generated.english_clause import WE, I, Subject, third
from prefactor.generated.english_forms import Noun, a, number_word

GENDERS = {
    "m": {"boy", "man", "policeman", "brother", "father", "uncle", "son", "grandfather"},
    "f": {"girl", "woman", "sister", "mother", "aunt", "daughter", "grandmother"},
}


class Phrase(NamedTuple):
    text: str
    gender: str  # m, f, n, or p for the plural


class Phrases:
    """Draws phrases; every method takes the generator it draws with."""

    def __init__(self, lexicon: dict[str, Any]):
        self.lexicon = lexicon
        self.nouns = {
            kind: [Noun.read(row[0] if kind == "place" else row) for row in rows]
            for kind, rows in lexicon["nouns"].items()
        }
        self.adjectives: dict[str, list[str]] = lexicon["adjectives"]
        self.places = lexicon["nouns"]["place"]

    def number(self, rng: random.Random, most: int) -> str:
        """A number word from two to ``most`` (at most 99)."""
        return number_word(rng.randint(2, most), self.lexicon["numbers"], self.lexicon["tens"])

    def qualified(self, rng: random.Random, kind: str, noun: str, rate: float = 0.3) -> str:
        """``noun`` with an adjective before it, with probability ``rate``."""
        if kind in self.adjectives and rng.random() < rate:
            return f"{rng.choice(self.adjectives[kind])} {noun}"
        return noun

    def gender(self, rng: random.Random, noun: Noun, kind: str) -> str:
        """m, f, or n for what is an ``it``; drawn where the word is for either sex."""
        if kind not in ("person", "family"):
            return "n"
        if noun.lemma in GENDERS["f"]:
            return "f"
        return "m" if noun.lemma in GENDERS["m"] else rng.choice("mf")

    def phrase(
        self, rng: random.Random, kind: str, owner: str = "", definite: bool = False, denied: bool = False
    ) -> Phrase:
        """A noun phrase of class ``kind``.

        ``owner`` is the possessive that refers to the subject; ``definite`` rules out a and some; ``denied`` says any
        for some.
        """
        noun = rng.choice(self.nouns[kind])
        gender = self.gender(rng, noun, kind)
        if kind == "family":
            if not owner and rng.random() < 0.4:
                owner = person(rng, self.lexicon)[0] + "'s"
            return Phrase(f"{owner or rng.choice(('my', 'our'))} {noun.lemma}", gender)
        mass = not noun.plural
        plural = not mass and rng.random() < 0.2
        name = self.qualified(rng, kind, noun.plural if plural else noun.lemma)
        if plural:
            gender = "p"
        roll = rng.random()
        if roll < 0.45:
            text = f"the {name}"
        elif roll < 0.53:
            text = f"{rng.choice(('these', 'those') if plural else ('this', 'that'))} {name}"
        elif roll < 0.7 and owner and kind != "person":
            text = f"{owner} {name}"
        elif definite:
            text = f"the {name}"
        elif mass:
            text = f"{'any' if denied else 'some'} {name}"
        elif plural:
            counted = self.number(rng, 12) if rng.random() < 0.6 else "any" if denied else rng.choice(("some", "many"))
            text = f"{counted} {name}"
        else:
            text = a(name)
        return Phrase(text, gender)

    def subject(self, rng: random.Random, pronouns: bool = True) -> Subject:
        """Someone who can act: a name, a person, a relative, or a pronoun."""
        roll = rng.random()
        if roll < 0.36:
            return third(*person(rng, self.lexicon))
        if roll < 0.62:
            return third(*self.phrase(rng, "person", definite=rng.random() < 0.8))
        if roll < 0.78 or not pronouns:
            return third(*self.phrase(rng, "family"))
        if roll < 0.9:
            return rng.choice((I, WE))
        gender = rng.choice("mfp")
        return third({"m": "he", "f": "she", "p": "they"}[gender], gender)

    def thing(self, rng: random.Random, kind: str) -> Subject:
        """A definite phrase of class ``kind`` as a subject."""
        return third(*self.phrase(rng, kind, definite=True))

    def someone(self, rng: random.Random, subject: Subject) -> str:
        """A person other than ``subject`` as an object."""
        name, _ = person(rng, self.lexicon)
        if rng.random() < 0.35 and name != subject.text:
            return name
        kind = "family" if rng.random() < 0.4 else "person"
        return self.phrase(rng, kind, subject.possessive if kind == "family" else "", definite=True).text

    def place(self, rng: random.Random) -> str:
        """Where something is: ``in the old park``, ``in Oslo``."""
        if rng.random() < 0.15:
            return "in " + city(rng, self.lexicon)
        name, preposition = rng.choice(self.places)
        return f"{preposition} the {self.qualified(rng, 'place', name, 0.2)}"

    def goal(self, rng: random.Random) -> str:
        """Where someone goes to or comes from."""
        preposition = "from" if rng.random() < 0.2 else "to"
        return f"{preposition} the {self.qualified(rng, 'place', rng.choice(self.places)[0], 0.2)}"

    def spot(self, rng: random.Random) -> str:
        noun = rng.choice(self.nouns["spot"]).lemma
        return f"{rng.choice(('on', 'under', 'next to'))} the {self.qualified(rng, 'spot', noun, 0.2)}"

    def date(self, rng: random.Random) -> str:
        """``on 3 May`` or ``on 3 May 1987``."""
        day = f"on {rng.randint(1, 28)} {rng.choice(self.lexicon['months'])}"
        return f"{day} {rng.randint(1950, 2024)}" if rng.random() < 0.5 else day

    def clock(self, rng: random.Random) -> str:
        """``at eight o'clock``, ``at half past nine``, ``at 10:30``."""
        roll = rng.random()
        if roll < 0.4:
            return f"at {self.number(rng, 12)} o'clock"
        if roll < 0.7:
            return f"at {rng.randint(8, 22)}:{rng.choice(('00', '15', '30', '45'))}"
        return f"at half past {self.number(rng, 12)}"

    def time(self, rng: random.Random, tense: str) -> str:
        """An adverbial of time for the end or the front of a clause; ``tense`` is a key of the lexicon's times."""
        roll = rng.random()
        if tense in ("past", "future"):
            if roll < 0.12:
                return "on " + rng.choice(self.lexicon["weekdays"])
            if roll < 0.2:
                return self.clock(rng)
            if roll < 0.27:
                return "in " + rng.choice(self.lexicon["months"])
            if roll < 0.33 and tense == "past":
                return self.date(rng)
        if tense == "present" and roll < 0.2:
            return f"on {rng.choice(self.lexicon['weekdays'])}s" if roll < 0.1 else self.clock(rng)
        return rng.choice(self.lexicon["times"][tense]["outer"])

    def inner(self, rng: random.Random, tense: str, denied: bool) -> str:
        """An adverb that stands before the main verb."""
        adverb = rng.choice(self.lexicon["times"][tense]["inner"])
        return "" if denied and adverb in self.lexicon["positive"] else adverb
