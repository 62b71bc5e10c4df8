"""What French, Spanish and Italian share: the mixture of sentence patterns, those of two clauses, and the questions.

The layers below: `romance_words` (forms), `romance_phrases` (noun phrases), `romance_clauses` (verbs and what follows
them), `romance_simple` (sentences of one clause). A language adds its own rules of forms and of joining words.
"""

import itertools
import random
from abc import abstractmethod
from typing import Any

from prefactor.generated.romance_simple import COUNTED, TENSES, Parts, Statements
from prefactor.generated.romance_words import NO_PARTICLE, SINGULAR, Agreement, Verb, Words


class Romance(Statements):
    """Whole sentences; see `prefactor.corpus.generated.base.Language`."""

    code = ""

    def __init__(self, lexicon: dict[str, Any]):
        super().__init__(lexicon)
        weighted = [
            (30, self.statement), (8, self.modal), (6, self.animal), (10, self.description), (5, self.feeling),
            (6, self.existence), (3, self.comparison), (2, self.exclamation), (4, self.taste), (6, self.who_does),
            (4, self.which_is), (7, self.because), (6, self.whenever), (6, self.that), (5, self.contrast),
            (3, self.whether), (2, self.why), (2, self.where), (2, self.who), (1, self.how_many), (2, self.age),
            (1, self.age_question), (2, self.price), (1, self.weather),
        ]  # fmt: skip
        self.names = {name for names in self.people.values() for name in names}
        self.drawn = [pattern for _, pattern in weighted]
        self.cumulative = list(itertools.accumulate(weight for weight, _ in weighted))

    @abstractmethod
    def join(self, words: Words) -> str:
        """One string, with elisions and contractions."""

    @abstractmethod
    def punctuate(self, text: str, mark: str) -> str:
        """``text``, which has its capital already, with its final ``mark``, one of ``.?!``."""

    def sentence(self, rng: random.Random) -> str:
        """One complete sentence."""
        words, mark = rng.choices(self.drawn, cum_weights=self.cumulative)[0](rng)
        while self.repeats_name(words):  # nobody helps herself
            words, mark = rng.choices(self.drawn, cum_weights=self.cumulative)[0](rng)
        text = self.join(words)
        return self.punctuate(text[0].upper() + text[1:], mark)

    def repeats_name(self, words: Words) -> bool:
        names = [name for word in words if (name := word.removesuffix(",")) in self.names]
        return len(set(names)) < len(names)

    def introduction(self, rng: random.Random) -> str:
        """`Anna reads aloud`: who says something, without the colon."""
        verb = rng.choice(self.lexicon["quoting"])
        who = self.name(rng) if rng.random() < 0.7 else self.phrase(rng.choice(self.nouns_of["person"]), "definite")
        text = self.join([*who.words, *verb.split()])
        return text[0].upper() + text[1:]

    # Sentences of two clauses.

    def who_does(self, rng: random.Random) -> Parts:
        """`The woman who works at the station is young.`"""
        kind = rng.choice(("person", "person", "animal"))
        subject = self.definite(rng, kind)
        agreement = subject.agreement
        action = self.staying(rng, self.verbs_of["animal"]) if kind == "animal" else self.action(rng)
        inner = [*self.word["who"], *self.group(action, "present", agreement), *action.complement]
        main = [*self.finite("be", "present", agreement), *self.quality(rng, kind, agreement)]
        return [*subject.words, *inner, *main], "."

    def which_is(self, rng: random.Random) -> Parts:
        """`The book that Anna read is long.`"""
        kind = rng.choice(("text", "clothing", "thing", "vehicle", "idea"))
        verb = rng.choice([verb for verb in self.verbs_of["transitive"] if kind in verb.objects])
        thing = self.definite(rng, kind)
        who = self.someone(rng)
        finite, rest = self.relative(verb, rng.choice(("present", "past")), who.agreement, thing.agreement)
        main = [*self.finite("be", "present", thing.agreement), *self.quality(rng, kind, thing.agreement)]
        return [*thing.words, *self.word["whom"], *who.words, finite, *rest, *main], "."

    def relative(self, verb: Verb, tense: str, subject: Agreement, thing: Agreement) -> tuple[str, Words]:
        """The verb of an object relative clause; French agrees the participle with the object before it."""
        return self.conjugate(verb, tense, subject)

    def because(self, rng: random.Random) -> Parts:
        subject = self.subject(rng)
        tense = rng.choice(("present", "past"))
        around = self.negation if rng.random() < 0.25 else NO_PARTICLE
        action = self.action(rng, around.negative)
        main = [*subject.words, *self.group(action, tense, subject.agreement, around), *action.complement]
        matching = "present" if tense == "present" else "imperfect"
        if rng.random() < 0.25:
            return [*main, *self.word["because"], *rng.choice(self.lexicon["weather"][matching]).split()], "."
        again = self.pronoun(subject.agreement)
        return [*main, *self.word["because"], *again.words, *self.state(rng, subject.agreement, matching)], "."

    def whenever(self, rng: random.Random) -> Parts:
        """`When it rains, Anna stays at home.` `When Anna is tired, she sleeps.`"""
        conjunction = self.word[rng.choice(("when", "if"))]
        if rng.random() < 0.4:
            head = rng.choice(self.lexicon["weather"]["present"]).split()
            return [*conjunction, *head[:-1], head[-1] + ",", *self.clause(rng, "present")], "."
        subject = self.someone(rng)
        head = [*subject.words, *self.state(rng, subject.agreement, "present")]
        again = self.pronoun(subject.agreement)
        return [*conjunction, *head[:-1], head[-1] + ",", *again.words, *self.predicate(rng, subject.agreement)], "."

    def that(self, rng: random.Random) -> Parts:
        """`Anna says that Martin sleeps.` `Anna said that Martin was tired.`"""
        verbs = self.verbs_of["saying"]
        speaker, other = self.someone(rng), self.someone(rng)
        if rng.random() < 0.3:
            finite, rest = self.conjugate(verbs[0], "past", speaker.agreement)
            told = self.state(rng, other.agreement, "imperfect")
        else:
            finite, rest = self.conjugate(rng.choice(verbs), "present", speaker.agreement)
            told = self.predicate(rng, other.agreement, rng.choice(TENSES))
        return [*speaker.words, finite, *rest, *self.word["that"], *other.words, *told], "."

    def contrast(self, rng: random.Random) -> Parts:
        tense = rng.choice(("present", "past"))
        first, second = self.clause(rng, tense), self.clause(rng, tense)
        if rng.random() < 0.5:
            return [*first, *self.word["and"], *second], "."
        return [*first[:-1], first[-1] + ",", *self.word["but"], *second], "."

    # Questions.

    def whether(self, rng: random.Random) -> Parts:
        subject = self.subject(rng)
        predicate = self.predicate(rng, subject.agreement, rng.choice(TENSES))
        return self.fill("whether", S=subject.words, P=predicate), "?"

    def why(self, rng: random.Random) -> Parts:
        subject = self.subject(rng)
        around = self.negation if rng.random() < 0.4 else NO_PARTICLE
        action = self.action(rng, around.negative)
        group = self.group(action, rng.choice(("present", "past")), subject.agreement, around)
        return self.fill("why", S=subject.words, G=group, C=action.complement), "?"

    def where(self, rng: random.Random) -> Parts:
        kind = rng.choice(("person", "kin", "animal", "text", "clothing", "thing", "place"))
        subject = self.name(rng) if kind == "person" else self.definite(rng, kind, qualified=0.3)
        return self.fill("where", S=subject.words, V=self.finite("stay", "present", subject.agreement)), "?"

    def who(self, rng: random.Random) -> Parts:
        return self.fill("who", P=self.predicate(rng, SINGULAR, rng.choice(TENSES))), "?"

    def how_many(self, rng: random.Random) -> Parts:
        noun = rng.choice(self.nouns_of[rng.choice(COUNTED)])
        asked = self.lexicon.get("how_many", "- -").split()[noun.feminine]
        return self.fill("how_many", Q=[asked], O=[noun.forms[True]], L=rng.choice(self.places).at), "?"

    def age_question(self, rng: random.Random) -> Parts:
        subject = self.name(rng) if rng.random() < 0.6 else self.definite(rng, rng.choice(("kin", "person")))
        return self.fill("age_question", S=subject.words, V=self.finite("own", "present", subject.agreement)), "?"
