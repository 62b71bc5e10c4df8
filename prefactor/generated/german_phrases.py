"""German phrases drawn from the lexicon: noun phrases in every case, subjects, times and places."""

import random
from typing import Any, NamedTuple

from prefactor.generated.base import city, person
from prefactor.generated.german_clause import ICH, WIR, Subject, third, words
from prefactor.generated.german_forms import (
    ACCUSATIVE,
    ADJECTIVE_ENDINGS,
    ARTICLE,
    DATIVE,
    ENDINGS,
    GENITIVE,
    NOMINATIVE,
    PLURAL,
    Noun,
    contract,
    genitive_name,
    number_word,
)

OWNERS = ("mein", "unser")
QUANTITIES = ("viele", "einige")


class Phrase(NamedTuple):
    text: str
    gender: str  # m, f, n, or p for the plural
    definite: bool  # a negation stands beside it (nicht), and not in it (kein)


class Phrases:
    """Draws phrases; every method takes the generator it draws with."""

    def __init__(self, lexicon: dict[str, Any]):
        self.lexicon = lexicon
        self.nouns = {kind: [Noun.read(row) for row in rows] for kind, rows in lexicon["nouns"].items()}
        self.prepositions = {row[0]: row[4] for row in lexicon["nouns"]["place"]}
        self.adjectives = {
            kind: [row if isinstance(row, list) else [row, row] for row in rows]
            for kind, rows in lexicon["adjectives"].items()
        }

    def number(self, rng: random.Random, most: int) -> str:
        """A number word from zwei to ``most`` (at most 99)."""
        return number_word(rng.randint(2, most), self.lexicon["numbers"], self.lexicon["tens"])

    def adjective(self, rng: random.Random, kind: str, ending: str) -> str:
        return rng.choice(self.adjectives[kind])[1] + ending

    def determined(self, noun: Noun, kind: str, case: int, plural: bool, determiner: str, adjective: str) -> str:
        """``noun`` after ``determiner``: der, dieser, jeder, an ein-word (ein, kein, mein, ...), or a bare word or ''.

        ``adjective`` is a stem or ''.
        """
        row = PLURAL if plural else noun.gender
        if determiner == "der":
            article, endings = ARTICLE[row][case], "definite"
        elif determiner in ("dies", "jed"):
            article, endings = determiner + ENDINGS["strong"][row][case], "definite"
        elif determiner in ("ein", "kein", "mein", "dein", "sein", "ihr", "unser"):
            article, endings = determiner + ENDINGS["indefinite"][row][case], "indefinite"
        elif determiner in QUANTITIES and case == DATIVE:
            article, endings = determiner + "n", "none"
        else:
            article, endings = determiner, "none"
        qualified = adjective + ADJECTIVE_ENDINGS[endings][row][case] if adjective else ""
        return words(article, qualified, noun.form(case, plural))

    def phrase(
        self, rng: random.Random, kind: str, case: int, owner: str = "", negated: bool = False, definite: bool = False
    ) -> Phrase:
        """A noun phrase of class ``kind``.

        ``owner`` is the possessive that refers to the subject; ``negated`` makes an indefinite phrase one with kein;
        ``definite`` rules the indefinite ones out.
        """
        noun = rng.choice(self.nouns[kind])
        if kind == "family":
            return Phrase(self._relative(rng, noun, case, owner), noun.gender, True)
        mass = not noun.plural
        plural = not mass and rng.random() < 0.2
        gender = PLURAL if plural else noun.gender
        roll = rng.random()
        if roll < 0.5:
            determiner = "der"
        elif roll < 0.57:
            determiner = "dies"
        elif roll < 0.72 and owner and kind != "person":
            determiner = owner
        elif definite:
            determiner = "der"
        elif negated:
            determiner = "kein"
        elif mass:
            determiner = ""
        elif plural:
            determiner = self.number(rng, 12) if rng.random() < 0.6 else rng.choice(QUANTITIES)
        else:
            determiner = "ein"
        stem = self.adjective(rng, kind, "") if kind in self.adjectives and rng.random() < 0.3 else ""
        fixed = determiner in ("der", "dies", owner) and determiner != ""
        return Phrase(self.determined(noun, kind, case, plural, determiner, stem), gender, fixed)

    def _relative(self, rng: random.Random, noun: Noun, case: int, owner: str) -> str:
        if not owner and rng.random() < 0.4:
            return f"{genitive_name(person(rng, self.lexicon)[0])} {noun.form(case)}"
        return self.determined(noun, "family", case, False, owner or rng.choice(OWNERS), "")

    def subject(self, rng: random.Random, pronouns: bool = True) -> Subject:
        """Someone who can act: a name, a person, a relative, or a pronoun."""
        roll = rng.random()
        if roll < 0.36:
            return third(*person(rng, self.lexicon))
        if roll < 0.62:
            phrase = self.phrase(rng, "person", NOMINATIVE, definite=rng.random() < 0.8)
            return third(phrase.text, phrase.gender)
        if roll < 0.78 or not pronouns:
            phrase = self.phrase(rng, "family", NOMINATIVE)
            return third(phrase.text, phrase.gender)
        if roll < 0.9:
            return rng.choice((ICH, WIR))
        gender = rng.choice("mfp")
        return third({"m": "er", "f": "sie", "p": "sie"}[gender], gender)

    def thing(self, rng: random.Random, kind: str) -> Subject:
        """A definite phrase of class ``kind`` as a subject."""
        phrase = self.phrase(rng, kind, NOMINATIVE, definite=True)
        return third(phrase.text, phrase.gender)

    def someone(self, rng: random.Random, case: int, subject: Subject) -> str:
        """A person other than ``subject`` as an object; names have no ending in the accusative and dative."""
        name, _ = person(rng, self.lexicon)
        if rng.random() < 0.35 and name != subject.text:
            return name
        kind = "family" if rng.random() < 0.4 else "person"
        return self.phrase(rng, kind, case, subject.possessive if kind == "family" else "", definite=True).text

    def place(self, rng: random.Random) -> str:
        """Where something is: ``im alten Park``, ``in Oslo``."""
        if rng.random() < 0.15:
            return "in " + city(rng, self.lexicon)
        noun, stem = self._place(rng)
        return contract(self.prepositions[noun.lemma], self.determined(noun, "place", DATIVE, False, "der", stem))

    def goal(self, rng: random.Random) -> str:
        """Where someone goes: ``in den Park``, ``zum Bahnhof``."""
        noun, stem = self._place(rng)
        preposition = self.prepositions[noun.lemma]
        if preposition == "an" or rng.random() < 0.25:
            return contract("zu", self.determined(noun, "place", DATIVE, False, "der", stem))
        return contract(preposition, self.determined(noun, "place", ACCUSATIVE, False, "der", stem))

    def origin(self, rng: random.Random) -> str:
        """Where someone comes from: ``aus dem Haus``, ``vom Markt``."""
        noun, stem = self._place(rng)
        preposition = "aus" if self.prepositions[noun.lemma] == "in" else "von"
        return contract(preposition, self.determined(noun, "place", DATIVE, False, "der", stem))

    def _place(self, rng: random.Random) -> tuple[Noun, str]:
        return rng.choice(self.nouns["place"]), self.adjective(rng, "place", "") if rng.random() < 0.2 else ""

    def spot(self, rng: random.Random, case: int) -> str:
        """On, under or beside a piece of furniture."""
        noun = rng.choice(self.nouns["spot"])
        stem = self.adjective(rng, "spot", "") if rng.random() < 0.2 else ""
        return contract(rng.choice(("auf", "unter", "neben")), self.determined(noun, "spot", case, False, "der", stem))

    def with_genitive(self, rng: random.Random) -> str:
        """Why or when: ``wegen des Festes``, ``während der Reise``."""
        noun = rng.choice(self.nouns["event"])
        determiner = rng.choice(("der", "dies"))
        preposition = rng.choice(("wegen", "während", "trotz"))
        return f"{preposition} {self.determined(noun, 'event', GENITIVE, False, determiner, '')}"

    def date(self, rng: random.Random) -> str:
        """``am 3. Mai`` or ``am 3. Mai 1987``."""
        day = f"am {rng.randint(1, 28)}. {rng.choice(self.lexicon['months'])}"
        return f"{day} {rng.randint(1950, 2024)}" if rng.random() < 0.5 else day

    def clock(self, rng: random.Random) -> str:
        """``um acht Uhr``, ``um 15 Uhr``, ``um halb neun``."""
        roll = rng.random()
        if roll < 0.4:
            return f"um {self.number(rng, 12)} Uhr"
        return f"um {rng.randint(8, 22)} Uhr" if roll < 0.7 else f"um halb {self.number(rng, 12)}"

    def time(self, rng: random.Random, tense: str) -> tuple[str, bool]:
        """An adverbial of time that suits ``tense`` (present, past or future), and whether it may open the sentence."""
        roll = rng.random()
        if roll < 0.12:
            return "am " + rng.choice(self.lexicon["weekdays"]), True
        if roll < 0.2:
            return self.clock(rng), True
        if roll < 0.27 and tense == "past":
            return self.date(rng), True
        if roll < 0.33:
            return "im " + rng.choice(self.lexicon["months"]), True
        front = rng.random() < 0.75
        return rng.choice(self.lexicon["times"][tense]["front" if front else "inner"]), front
