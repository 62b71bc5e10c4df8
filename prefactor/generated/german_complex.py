"""German sentences of two clauses: reasons, conditions, reported speech, relative clauses and infinitives."""

import random

from prefactor.generated.base import finish
from prefactor.generated.german_clause import ES, Clause, Subject, be, words
from prefactor.generated.german_forms import ACCUSATIVE, DATIVE, NOMINATIVE
from prefactor.generated.german_frames import PAST, Frames, any_tense

# Relative pronouns by gender or plural: nominative, accusative, dative.
RELATIVE = {
    "m": ("der", "den", "dem"),
    "f": ("die", "die", "der"),
    "n": ("das", "das", "dem"),
    "p": ("die", "die", "denen"),
}
OPENINGS = {
    "ich weiß nicht": ".", "weißt du": "?", "niemand weiß": ".", "wir wollen wissen": ".", "können Sie mir sagen": "?",
}  # fmt: skip


class ComplexSentences:
    def __init__(self, frames: Frames):
        self.frames = frames
        self.lexicon = frames.lexicon

    def reason(self, rng: random.Random) -> str:
        tense = any_tense(rng)
        clause = self.frames.clause(rng, tense=tense, timed=0.3)
        past, because = tense in PAST, rng.choice(("weil", "weil", "obwohl", "denn"))
        if because == "denn":
            mood = f"{clause.subject.pronoun} {be(clause.subject.person, past)} {rng.choice(self.lexicon['moods'])}"
            return finish(f"{clause.statement()}, denn {mood}")
        if rng.random() < 0.55:
            return finish(f"{clause.statement()}, {because} {self.frames.state(rng, clause.subject, past)}")
        other = self.frames.clause(rng, tense=tense, timed=0.2)
        return finish(f"{clause.statement()}, {because} {other.subordinate()}")

    def condition(self, rng: random.Random) -> str:
        """A clause with wenn, als, bevor or während before or after its main clause."""
        past = rng.random() < 0.4
        tense = "preterite" if past else "present"
        join = rng.choice(("als", "bevor", "während") if past else ("wenn", "wenn", "bevor", "während"))
        first, second = (self.frames.clause(rng, tense=tense, timed=0, negated=0.05) for _ in range(2))
        roll = rng.random()
        if roll < 0.3 and join in ("wenn", "als", "während"):
            verb, _ = rng.choice(self.frames.verbs["weather"])
            inner = Clause(ES, verb, tense).subordinate()
        elif roll < 0.5 and join in ("wenn", "als"):
            inner = self.frames.state(rng, second.subject, past)
            if second.subject.person == "3s" and second.subject.text != second.subject.pronoun:
                return finish(f"{second.statement()}, {join} {inner}")
        else:
            inner = first.subordinate()
        if rng.random() < 0.6:
            return finish(second.statement(f"{join} {inner},"))
        return finish(f"{second.statement()}, {join} {inner}")

    def reported(self, rng: random.Random) -> str:
        verb, _ = rng.choice(self.frames.verbs["saying"])
        denial = "nicht" if verb.base in ("glauben", "wissen", "sagen") and rng.random() < 0.3 else ""
        main = Clause(self.frames.subject(rng), verb, any_tense(rng), late=denial)
        subject = Subject(main.subject.pronoun, *main.subject[1:]) if rng.random() < 0.3 else None
        return finish(f"{main.statement()}, dass {self.frames.clause(rng, subject, timed=0.3).subordinate()}")

    def indirect_question(self, rng: random.Random) -> str:
        asked = rng.choice(("ob", "warum", "wann", "wo"))
        if asked == "wo":
            clause = Clause(self.frames.subject(rng), rng.choice(self.frames.verbs["activity"])[0], any_tense(rng))
        else:
            clause = self.frames.clause(rng, timed=0.3 if asked == "ob" else 0, negated=0)
        opening = rng.choice(tuple(OPENINGS))
        return finish(f"{opening}, {asked} {clause.subordinate()}", OPENINGS[opening])

    def relative_subject(self, rng: random.Random) -> str:
        """``Die Frau, die im Park singt, ist meine Tante.`` The relative pronoun is the clause's subject."""
        subject = self.frames.thing(rng, "person")
        gender = subject.gender
        inner = self.frames.clause(rng, subject, any_tense(rng), timed=0.2, negated=0.05)
        text = f"{subject.text}, {inner.subordinate(RELATIVE[gender][NOMINATIVE])},"
        if rng.random() < 0.5:
            return finish(words(text, self.frames.predicate(rng, subject, "person")))
        return finish(words(text, self.frames.clause(rng, subject, inner.tense, timed=0).predicate()))

    def relative_object(self, rng: random.Random) -> str:
        """``Das Buch, das Anna gelesen hat, ist neu.`` The relative pronoun is the clause's object."""
        if rng.random() < 0.25:
            kind, (verb, _), case = "person", rng.choice(self.frames.verbs["dative"]), DATIVE
        else:
            verb, details = rng.choice(self.frames.verbs["transitive"])
            kind, case = rng.choice([kind for kind in details[0] if kind != "family"] or ["person"]), ACCUSATIVE
        subject = self.frames.thing(rng, kind)
        inner = Clause(self.frames.subject(rng), verb, any_tense(rng))
        relative = RELATIVE[subject.gender][case]
        return finish(f"{subject.text}, {relative} {inner.subordinate()}, {self.frames.predicate(rng, subject, kind)}")

    def attempt(self, rng: random.Random) -> str:
        verb, _ = rng.choice(self.frames.verbs["trying"])
        main = Clause(self.frames.subject(rng), verb, any_tense(rng))
        inner = self.frames.clause(rng, main.subject, "present", timed=0, negated=0)
        return finish(f"{main.statement()}, {inner.infinitive()}")

    def purpose(self, rng: random.Random) -> str:
        main = self.frames.clause(rng, frame=rng.choice(("motion", "travel")), timed=0.3, negated=0)
        inner = self.frames.clause(rng, main.subject, "present", rng.choice(("transitive", "giving", "dative")), 0, 0)
        return finish(f"{main.statement()}, um {inner.infinitive()}")

    def two_actions(self, rng: random.Random) -> str:
        tense = rng.choice(("present", "preterite"))
        first = self.frames.clause(rng, tense=tense, negated=0)
        second = self.frames.clause(rng, first.subject, tense, timed=0)
        if rng.random() < 0.6:
            return finish(f"{first.statement()} und {second.predicate()}")
        return finish(f"{first.statement()}, aber {self.frames.clause(rng, tense=tense, timed=0).statement()}")
