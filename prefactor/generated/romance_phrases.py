"""Noun phrases of French, Spanish and Italian: determiner, noun and adjective in agreement, and the people of a text.

Every phrase is a flat list of words in full form (`de le ami`); a language's `join`, last of all, settles what depends
on the neighbouring word (`de l'ami`), so that no pattern can forget an elision or a contraction.
"""

import random
from abc import abstractmethod
from typing import Any

from prefactor.generated.romance_words import Adjective, Agreement, Inflection, Nominal, Noun, Place, Words

MASS = ("dish", "drink")  # not counted


class NounPhrases(Inflection):
    """Builds noun phrases from a lexicon."""

    def __init__(self, lexicon: dict[str, Any]):
        self.lexicon = lexicon
        self.nouns_of = self.nouns(lexicon)
        self.adjectives_of = self.adjectives(lexicon)
        self.articles = {name: tuple(forms.split()) for name, forms in lexicon["determiners"].items()}
        self.word = {role: text.split() for role, text in lexicon["words"].items()}
        self.pronouns = {person: forms.split() for person, forms in lexicon.get("pronouns", {}).items()}
        self.city = lexicon["city"]
        self.cities: list[str] = lexicon["names"]["cities"]
        self.people: dict[str, list[str]] = lexicon["names"]["people"]
        self.places, self.surfaces = (
            [self.place(*item) for item in zip(self.nouns_of[kind], lexicon[section].values(), strict=True)]
            for kind, section in (("place", "places"), ("surface", "surfaces"))
        )

    @abstractmethod
    def determiner(self, name: str, agreement: Agreement, following: str, adjective_first: bool) -> Words:
        """The words of determiner ``name`` before the word ``following``."""

    def before_noun(self, adjective: Adjective, agreement: Agreement, following: str) -> str:
        """The form of an adjective that stands before the word ``following``."""
        return adjective.forms[agreement.form]

    def phrase(self, noun: Noun, determiner: str, plural: bool = False, adjective: Adjective | None = None) -> Nominal:
        """Determiner, noun and adjective, in agreement and in the language's order."""
        agreement = Agreement(noun.feminine, plural)
        words = [noun.forms[plural]]
        if adjective and adjective.before:
            words.insert(0, self.before_noun(adjective, agreement, words[0]))
        elif adjective:
            words.append(adjective.forms[agreement.form])
        before = adjective is not None and adjective.before
        return Nominal([*self.determiner(determiner, agreement, words[0], before), *words], agreement)

    def place(self, noun: Noun, spec: str) -> Place:
        """``spec`` is gender, preposition, and ``bare`` where no article follows."""
        preposition, bare = (*spec.split()[1:], "", "")[:2]
        words = list(noun.forms[:1]) if bare else self.phrase(noun, "definite").words
        return Place([preposition or self.city["at"], *words], [preposition or self.city["to"], *words])

    def somewhere(self, rng: random.Random) -> Place:
        """A city or another place."""
        if rng.random() < 0.35:
            name = rng.choice(self.cities)
            return Place([self.city["at"], name], [self.city["to"], name])
        return rng.choice(self.places)

    def name(self, rng: random.Random) -> Nominal:
        gender = rng.choice("fm")
        return Nominal([rng.choice(self.people[gender])], Agreement(gender == "f"))

    def definite(self, rng: random.Random, kind: str, qualified: float = 0.0) -> Nominal:
        """A definite noun of a kind; with probability ``qualified`` it has an adjective or an owner."""
        noun = rng.choice(self.nouns_of[kind])
        if kind == "kin":  # always somebody's
            return self.phrase(noun, "my kin") if rng.random() < 0.6 else self.owned(rng, noun, plural=False)
        plural = kind not in MASS and rng.random() < 0.25
        if rng.random() >= qualified:
            return self.phrase(noun, "definite", plural)
        if rng.random() < 0.7:
            return self.phrase(noun, "definite", plural, rng.choice(self.adjectives_of[kind]))
        return self.owned(rng, noun, plural)

    def owned(self, rng: random.Random, noun: Noun, plural: bool) -> Nominal:
        """A noun that belongs to somebody: `Anna's garden`."""
        thing = self.phrase(noun, "definite", plural)
        return Nominal([*thing.words, *self.word["of"], *self.name(rng).words], thing.agreement)

    def another(self, rng: random.Random) -> Nominal:
        """A person who is named or described; one phrase, since French repeats a preposition before each."""
        draw = rng.random()
        if draw < 0.5:
            return self.name(rng)
        return self.definite(rng, "kin") if draw < 0.62 else self.definite(rng, "person", qualified=0.25)

    def someone(self, rng: random.Random) -> Nominal:
        """A person or a pair of persons, named or described."""
        if rng.random() < 0.92:
            return self.another(rng)
        first, other = self.name(rng), self.name(rng)
        while other.words == first.words:
            other = self.name(rng)
        feminine = first.agreement.feminine and other.agreement.feminine
        return Nominal([*first.words, *self.word["and"], *other.words], Agreement(feminine, plural=True))

    def subject(self, rng: random.Random) -> Nominal:
        """A person as subject; now and then a pronoun, which Spanish and Italian leave out."""
        if rng.random() < 0.8:
            return self.someone(rng)
        return self.pronoun(Agreement(rng.random() < 0.5, rng.random() < 0.3, rng.random() < 0.6))

    def pronoun(self, agreement: Agreement) -> Nominal:
        """A subject pronoun; no word at all where the lexicon lists none."""
        if not self.pronouns:
            return Nominal([], agreement)
        if agreement.first:
            return Nominal([self.pronouns["first"][agreement.plural]], agreement)
        return Nominal([self.pronouns["third"][agreement.form]], agreement)
