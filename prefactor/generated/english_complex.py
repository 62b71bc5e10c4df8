"""English sentences of two clauses: reasons, conditions, reported speech, relative clauses and infinitives."""

import random

from prefactor.generated.base import finish
from prefactor.generated.english_clause import IT, Clause, Subject, words
from prefactor.generated.english_frames import Frames, any_tense

OPENINGS = {
    "I don't know": ".", "do you know": "?", "nobody knows": ".", "we want to know": ".", "can you tell me": "?",
}  # fmt: skip


class ComplexSentences:
    def __init__(self, frames: Frames):
        self.frames = frames
        self.lexicon = frames.lexicon

    def reason(self, rng: random.Random) -> str:
        tense = any_tense(rng)
        clause = self.frames.clause(rng, tense=tense, timed=0.3)
        join = rng.choice((" because", " because", " although", ", so"))
        if join != ", so" and rng.random() < 0.55:
            return finish(f"{clause.statement()}{join} {self.frames.state(rng, clause.subject, tense == 'past')}")
        return finish(f"{clause.statement()}{join} {self.frames.clause(rng, tense=tense, timed=0.2).statement()}")

    def condition(self, rng: random.Random) -> str:
        """A clause with if, when, while or before, before or after its main clause."""
        past = rng.random() < 0.5
        join = rng.choice(("when", "while", "before", "after") if past else ("if", "if", "when", "before"))
        main_tense = "past" if past else rng.choice(("present", "will"))
        tense = ("past progressive" if join == "while" else "past") if past else "present"
        main = self.frames.clause(rng, tense=main_tense, timed=0, negated=0.05)
        roll = rng.random()
        if roll < 0.3 and join in ("if", "when", "while"):
            inner = Clause(IT, rng.choice(self.frames.verbs["weather"])[0], tense).statement()
        elif roll < 0.5 and join in ("if", "when"):
            return finish(f"{main.statement()} {join} {self.frames.state(rng, main.subject, past)}")
        else:
            inner = self.frames.clause(rng, tense=tense, timed=0, negated=0).statement()
        if rng.random() < 0.5:
            return finish(f"{join} {inner}, {main.statement()}")
        return finish(f"{main.statement()} {join} {inner}")

    def reported(self, rng: random.Random) -> str:
        verb, _ = rng.choice(self.frames.verbs["saying"])
        tense = any_tense(rng)
        negated = "short" if verb.base in ("say", "think", "know", "believe") and rng.random() < 0.25 else ""
        main = Clause(self.frames.subject(rng), verb, tense, negated=negated)
        subject = Subject(main.subject.pronoun, *main.subject[1:]) if rng.random() < 0.3 else None
        after_past, after_present = ("past", "pluperfect", "would"), ("present", "past", "will", "perfect")
        inner = rng.choice(after_past if tense == "past" else after_present)
        said = self.frames.clause(rng, subject, inner, timed=0.25).statement()
        return finish(words(main.statement(), "" if said.startswith("that ") else "that", said))

    def indirect_question(self, rng: random.Random) -> str:
        asked = rng.choice(("if", "why", "when", "where"))
        if asked == "where":
            clause = Clause(self.frames.subject(rng), rng.choice(self.frames.verbs["activity"])[0], any_tense(rng))
        else:
            clause = self.frames.clause(rng, tense=any_tense(rng), timed=0.3 if asked == "if" else 0, negated=0)
        opening = rng.choice(tuple(OPENINGS))
        return finish(f"{opening} {asked} {clause.statement()}", OPENINGS[opening])

    def relative_subject(self, rng: random.Random) -> str:
        """``The woman who sings in the park is happy.`` The relative pronoun is the clause's subject."""
        subject = self.frames.thing(rng, "person")
        tense = any_tense(rng)
        inner = self.frames.clause(rng, subject, tense, timed=0.2, negated=0.05)
        text = f"{subject.text} who {words(inner.predicate(), inner.time)}"
        main = self.frames.clause(rng, subject, tense, timed=0, negated=0.05)
        if main.verb == inner.verb or rng.random() < 0.5:
            return finish(words(text, self.frames.quality(rng, subject, "person")))
        return finish(words(text, main.predicate()))

    def relative_object(self, rng: random.Random) -> str:
        """``The book that Anna read is new.`` The relative pronoun is the clause's object."""
        verb, details = rng.choice(self.frames.verbs["transitive"])
        kind = rng.choice([kind for kind in details[0] if kind != "family"])
        subject = self.frames.thing(rng, kind)
        inner = Clause(self.frames.subject(rng), verb, rng.choice(("present", "past", "past", "perfect")))
        relative = rng.choice(("who", "that") if kind == "person" else ("that", "that", "which"))
        if relative == inner.subject.text.split()[0]:  # not "the box that that woman washed"
            relative = "who" if kind == "person" else "which"
        return finish(f"{subject.text} {relative} {inner.statement()} {self.frames.quality(rng, subject, kind)}")

    def attempt(self, rng: random.Random) -> str:
        verb, _ = rng.choice(self.frames.verbs["trying"])
        main = Clause(self.frames.subject(rng), verb, any_tense(rng))
        inner = self.frames.clause(rng, main.subject, "present", timed=0, negated=0)
        return finish(f"{main.statement()} {inner.infinitive()}")

    def purpose(self, rng: random.Random) -> str:
        main = self.frames.clause(rng, frame=rng.choice(("motion", "travel")), timed=0, negated=0)
        inner = self.frames.clause(rng, main.subject, "present", rng.choice(("transitive", "giving")), 0, 0)
        return finish(f"{main.statement()} {inner.infinitive()}")

    def two_actions(self, rng: random.Random) -> str:
        tense = any_tense(rng)
        first = self.frames.clause(rng, tense=tense, timed=0.2, negated=0)
        if rng.random() < 0.6:
            second = self.frames.clause(rng, first.subject, tense, timed=0, negated=0.1)
            return finish(f"{first.statement()} and {second.predicate()}")
        return finish(f"{first.statement()}, but {self.frames.clause(rng, tense=tense, timed=0).statement()}")
