"""Clauses of French, Spanish and Italian: verb groups, what suits a verb as its complement, and when it happens."""

import random
from abc import abstractmethod
from typing import Any

from prefactor.generated.romance_phrases import MASS, NounPhrases
from prefactor.generated.romance_words import NO_PARTICLE, Action, Agreement, Particle, Verb, Words, particle, phrases


class Clauses(NounPhrases):
    """Builds predicates whose verb agrees with a subject."""

    marked_person = False  # a person as direct object takes the preposition `to` (Spanish)
    pause = ""  # what follows an adverbial at the head of a sentence

    def __init__(self, lexicon: dict[str, Any]):
        super().__init__(lexicon)
        frames = self.verbs(lexicon)
        known = {infinitive: verb for entries in frames.values() for infinitive, verb in entries.items()}
        self.verbs_of = {name: list(entries.values()) for name, entries in frames.items()}
        self.verbs_of |= {name: [known[verb] for verb in lexicon["verbs"][name]] for name in ("animal", "company")}
        self.auxiliary = {
            name: {tense: tuple(forms.split()) for tense, forms in tenses.items()}
            for name, tenses in lexicon["auxiliaries"].items()
        }
        self.negation = particle(lexicon["particles"]["not"], negative=True)
        self.never = particle(lexicon["particles"]["never"], negative=True)
        self.often = [particle(text, negative=False) for text in lexicon["particles"]["often"]]
        self.dative = lexicon.get("dative", "").split()
        self.manner = phrases(lexicon["manner"])
        self.needs: list[str] = lexicon["needs"]
        self.numbers: list[str] = lexicon["numbers"]
        self.times = {tense: phrases(items) for tense, items in lexicon["times"].items()}
        self.weekdays = phrases(lexicon["weekdays"])
        self.moments: dict[str, str] = lexicon["moments"]

    @abstractmethod
    def conjugate(self, verb: Verb, tense: str, subject: Agreement) -> tuple[str, Words]:
        """The finite word of ``verb`` in ``tense`` (present, past, future), and the words that follow it."""

    def group(
        self, action: Action, tense: str, subject: Agreement, around: Particle = NO_PARTICLE, modal: Verb | None = None
    ) -> Words:
        """The verb of ``action`` with clitic, particle and participle or infinitive, without its complement."""
        if modal:
            forms = modal.present if tense == "present" else modal.imperfect
            finite, rest = forms[subject.person], [action.verb.infinitive]
        else:
            finite, rest = self.conjugate(action.verb, tense, subject)
        return [*around.before, *action.clitic, finite, *around.after, *rest]

    def finite(self, auxiliary: str, tense: str, subject: Agreement, around: Particle = NO_PARTICLE) -> Words:
        """`be`, `stay` (be in a state or place) or `own`, in the present or the imperfect."""
        return [*around.before, self.auxiliary[auxiliary][tense][subject.person], *around.after]

    def object_of(self, rng: random.Random, verb: Verb, negative: bool) -> Words:
        """A direct object that suits ``verb``; French `pas de` needs to know that the clause is negative."""
        kind = rng.choice(verb.objects)
        if kind == "person":
            return [*self.word["to"], *self.another(rng).words] if self.marked_person else self.someone(rng).words
        if kind == "place":
            return self.definite(rng, kind, qualified=0.3).words
        draw = rng.random()
        if draw < 0.35:
            return self.definite(rng, kind, qualified=0.3).words
        noun = rng.choice(self.nouns_of[kind])
        if kind in MASS:
            return self.phrase(noun, "none" if negative else "some").words
        if draw < 0.5:
            return self.phrase(noun, rng.choice(("my", "my", "his", "our", "this")), rng.random() < 0.2).words
        if negative:
            return self.phrase(noun, "none", plural=True).words
        if draw < 0.65:
            return [rng.choice(self.numbers), noun.forms[True]]
        adjective = rng.choice(self.adjectives_of[kind]) if rng.random() < 0.3 else None
        return self.phrase(noun, "indefinite", rng.random() < 0.25, adjective).words

    def transitive(self, rng: random.Random, negative: bool) -> Action:
        verb = rng.choice(self.verbs_of["transitive"])
        place = self.somewhere(rng).at if rng.random() < 0.25 else []
        return Action(verb, [*self.object_of(rng, verb, negative), *place], [])

    def giving(self, rng: random.Random, negative: bool) -> Action:
        verb = rng.choice(self.verbs_of["giving"])
        receiver = self.another(rng)
        complement = [*self.object_of(rng, verb, negative), *self.word["to"], *receiver.words]
        return Action(verb, complement, self.dative[receiver.agreement.plural :][:1])

    def motion(self, rng: random.Random) -> Action:
        return Action(rng.choice(self.verbs_of["motion"]), self.somewhere(rng).to, [])

    def staying(self, rng: random.Random, verbs: list[Verb]) -> Action:
        """An intransitive verb with a place, a manner or nothing more."""
        draw = rng.random()
        complement = self.somewhere(rng).at if draw < 0.65 else rng.choice(self.manner) if draw < 0.9 else []
        return Action(rng.choice(verbs), complement, [])

    def action(self, rng: random.Random, negative: bool = False) -> Action:
        """Something a person does."""
        draw = rng.random()
        if draw < 0.52:
            return self.transitive(rng, negative)
        if draw < 0.72:
            return self.staying(rng, self.verbs_of["intransitive"])
        if draw < 0.84:
            return self.motion(rng)
        if draw < 0.92:
            return Action(rng.choice(self.verbs_of["company"]), [*self.word["with"], *self.someone(rng).words], [])
        return self.giving(rng, negative)

    def predicate(self, rng: random.Random, subject: Agreement, tense: str = "present") -> Words:
        """A verb with its complement, in agreement with ``subject``."""
        action = self.action(rng)
        return [*self.group(action, tense, subject), *action.complement]

    def state(self, rng: random.Random, subject: Agreement, tense: str, around: Particle = NO_PARTICLE) -> Words:
        """`is tired` or `is hungry`; ``tense`` is present or imperfect."""
        if rng.random() < 0.5:
            return [*self.finite("own", tense, subject, around), rng.choice(self.needs)]
        adjective = rng.choice(self.adjectives_of["state"])
        return [*self.finite("stay", tense, subject, around), adjective.forms[subject.form]]

    def quality(self, rng: random.Random, kind: str, subject: Agreement) -> Words:
        """One adjective or two that suit a kind of noun."""
        known = self.adjectives_of["person" if kind == "kin" else kind]
        at = rng.randrange(len(known))
        word = known[at].forms[subject.form]
        others = [*known[: max(at - 1, 0)], *known[at + 2 :]]  # opposites stand side by side in the lexicon
        if rng.random() < 0.75 or not others:
            return [word]
        return [word, *self.word["and"], rng.choice(others).forms[subject.form]]

    def time(self, rng: random.Random, tense: str) -> Words:
        """When: an adverb, a day, a date, a year or an hour that suits ``tense``."""
        draw = rng.random()
        if draw < 0.5:
            return rng.choice(self.times[tense])
        if draw < 0.7:
            if rng.random() < 0.6:
                return self.moments["clock"].format(rng.choice(self.numbers)).split()
            return self.moments["clock_digits"].format(rng.randint(6, 22), rng.choice((15, 20, 30, 45))).split()
        if tense == "present":
            return rng.choice(self.weekdays)
        if tense == "past" and draw < 0.76:
            return self.moments["year"].format(rng.randint(1980, 2020)).split()
        day = rng.randint(1, 30)
        month = rng.choice(self.lexicon["months"])
        return self.moments["date"].format(self.lexicon["first_day"] if day == 1 else day, month).split()

    def timed(self, rng: random.Random, clause: Words, tense: str) -> Words:
        """``clause`` with a time before it, after it, or none."""
        draw = rng.random()
        if draw < 0.3:
            return clause
        time = self.time(rng, tense)
        return self.fronted(time, clause) if draw < 0.75 else [*clause, *time]

    def fronted(self, head: Words, clause: Words) -> Words:
        """``clause`` with an adverbial at its head."""
        return [*head[:-1], head[-1] + self.pause, *clause]
