"""Sentences of one clause in French, Spanish and Italian. Each pattern returns its words and its final mark.

Where the languages order the parts differently, the lexicon says how: its `patterns` are words and the slots S
(subject), V (verb), G (verb group), C (complement), P (predicate: G and C), O (object), A (adjective), L (place),
N (number), Q (how many), B (before the verb) and D (the dative clitic).
"""

import random
from typing import Any

from prefactor.generated.romance_clauses import Clauses
from prefactor.generated.romance_phrases import MASS
from prefactor.generated.romance_words import NO_PARTICLE, Words

TENSES = ("present", "past", "future")
COUNTED = ("animal", "food", "text", "clothing", "thing")
DESCRIBED = ("person", "kin", "animal", "food", "dish", "drink", "text", "clothing", "thing", "opening", "vehicle",
             "sound", "idea", "place")  # fmt: skip
EXCLAIMED = ("animal", "text", "clothing", "thing", "vehicle", "sound", "place")
PRICED = ("dish", "drink", "text", "clothing", "thing")

Parts = tuple[Words, str]


class Statements(Clauses):
    """Sentences that assert one thing."""

    taste_follows_object = True  # `me gusta`, `mi piace`: the verb agrees with what is liked

    def __init__(self, lexicon: dict[str, Any]):
        super().__init__(lexicon)
        self.patterns = {name: text.split() for name, text in lexicon["patterns"].items()}

    def fill(self, pattern: str, **slots: Words) -> Words:
        """The words of a lexicon pattern with its slots filled."""
        return [word for item in self.patterns[pattern] for word in slots.get(item, (item,))]

    def clause(self, rng: random.Random, tense: str) -> Words:
        subject = self.someone(rng)
        return [*subject.words, *self.predicate(rng, subject.agreement, tense)]

    def statement(self, rng: random.Random) -> Parts:
        tense = rng.choice(TENSES)
        subject = self.subject(rng)
        draw = rng.random()
        if tense == "present" and draw < 0.25:
            around = self.never if draw < 0.08 else rng.choice(self.often)
        else:
            around = self.negation if draw > 0.82 else NO_PARTICLE
        action = self.action(rng, around.negative)
        words = [*subject.words, *self.group(action, tense, subject.agreement, around), *action.complement]
        plain = around in (NO_PARTICLE, self.negation)
        return (self.timed(rng, words, tense) if plain else words), "."

    def modal(self, rng: random.Random) -> Parts:
        subject = self.subject(rng)
        around = self.negation if rng.random() < 0.25 else NO_PARTICLE
        action = self.action(rng, around.negative)
        tense = "present" if rng.random() < 0.7 else "imperfect"
        verb = rng.choice(self.verbs_of["modal"])
        return [*subject.words, *self.group(action, tense, subject.agreement, around, verb), *action.complement], "."

    def animal(self, rng: random.Random) -> Parts:
        tense = rng.choice(("present", "past"))
        subject = self.definite(rng, "animal", qualified=0.5)
        action = self.staying(rng, self.verbs_of["animal"])
        words = [*subject.words, *self.group(action, tense, subject.agreement), *action.complement]
        return self.timed(rng, words, tense), "."

    def description(self, rng: random.Random) -> Parts:
        kind = rng.choice(DESCRIBED)
        subject = self.definite(rng, kind)
        around = self.negation if rng.random() < 0.15 else NO_PARTICLE
        verb = self.finite("be", rng.choice(("present", "present", "imperfect")), subject.agreement, around)
        return [*subject.words, *verb, *self.quality(rng, kind, subject.agreement)], "."

    def feeling(self, rng: random.Random) -> Parts:
        subject = self.subject(rng)
        around = self.negation if rng.random() < 0.2 else NO_PARTICLE
        tense = rng.choice(("present", "imperfect"))
        words = [*subject.words, *self.state(rng, subject.agreement, tense, around)]
        return (self.timed(rng, words, "present") if tense == "present" else words), "."

    def existence(self, rng: random.Random) -> Parts:
        exists = self.lexicon["exists"]
        kind = rng.choice(COUNTED)
        noun = rng.choice(self.nouns_of[kind])
        place = rng.choice(self.places if kind == "animal" or rng.random() < 0.5 else self.surfaces).at
        draw = rng.random()
        if draw < 0.15:
            return [*exists["lack"].split(), noun.forms[True], *place], "."
        singular, plural = exists["present" if draw < 0.75 else "imperfect"].split("/")
        if rng.random() < 0.5:
            return [*singular.split(), *self.phrase(noun, "indefinite").words, *place], "."
        return [*plural.split(), rng.choice(self.numbers), noun.forms[True], *place], "."

    def comparison(self, rng: random.Random) -> Parts:
        subject, other = self.another(rng), self.another(rng)
        while other.words == subject.words:
            other = self.another(rng)
        adjective = rng.choice(self.adjectives_of["person"]).forms[subject.agreement.form]
        verb = self.finite("be", "present", subject.agreement)
        return [*subject.words, *verb, *self.word["more"], adjective, *self.word["than"], *other.words], "."

    def exclamation(self, rng: random.Random) -> Parts:
        kind = rng.choice(EXCLAIMED)
        subject = self.definite(rng, kind)
        adjective = rng.choice(self.adjectives_of[kind]).forms[subject.agreement.form]
        verb = self.finite("be", "present", subject.agreement)
        return self.fill("exclaim", S=subject.words, V=verb, A=[adjective]), "!"

    def taste(self, rng: random.Random) -> Parts:
        subject = self.another(rng)
        noun = rng.choice(self.nouns_of[rng.choice(("dish", "drink", "food", "animal"))])
        liked = self.phrase(noun, "definite", plural=noun.kind not in MASS)
        decides = liked if self.taste_follows_object else subject
        verb = self.lexicon["likes"].split()[decides.agreement.plural]
        around = self.negation if rng.random() < 0.25 else NO_PARTICLE
        clitic = self.dative[subject.agreement.plural :][:1]
        group = [verb, *around.after]
        return self.fill("like", S=subject.words, B=around.before, D=clitic, V=group, O=liked.words), "."

    def price(self, rng: random.Random) -> Parts:
        subject = self.definite(rng, rng.choice(PRICED))
        verb = self.lexicon["prices"].split()[subject.agreement.plural]
        return self.fill("price", S=subject.words, V=[verb], N=[rng.choice(self.numbers)]), "."

    def age(self, rng: random.Random) -> Parts:
        subject = self.name(rng) if rng.random() < 0.6 else self.definite(rng, rng.choice(("kin", "person")))
        verb = self.finite("own", "present", subject.agreement)
        return self.fill("age", S=subject.words, V=verb, N=[str(rng.randint(5, 90))]), "."

    def weather(self, rng: random.Random) -> Parts:
        weather = rng.choice(self.lexicon["weather"]["present"]).split()
        return [*weather, self.lexicon["city"]["at"], rng.choice(self.cities)], "."
