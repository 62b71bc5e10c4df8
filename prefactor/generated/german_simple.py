"""German sentences of one clause: statements, questions, requests, descriptions, numbers and dates."""

import random

from prefactor.generated.base import city, finish, person
from prefactor.generated.german_clause import DU, ES, ICH, Clause, be, third, words
from prefactor.generated.german_forms import ACCUSATIVE, DATIVE, NOMINATIVE, contract
from prefactor.generated.german_frames import PAST, Frames, any_tense


class SimpleSentences:
    def __init__(self, frames: Frames):
        self.frames = frames
        self.lexicon = frames.lexicon
        transitive = frames.verbs["transitive"]
        self.countable = [entry for entry in transitive if entry[1][0] != ["drink"]]
        self.passives = [entry for entry in transitive if "family" not in entry[1][0]]
        self.requests = [entry for entry in transitive if entry[0].infinitive in self.lexicon["requests"]]

    def statement(self, rng: random.Random) -> str:
        clause = self.frames.clause(rng)
        front = clause.time and clause.time not in self.frames.inner_times and rng.random() < 0.55
        return finish(clause.statement("time" if front else ""))

    def object_first(self, rng: random.Random) -> str:
        """The object or the place opens the sentence, and the subject follows the verb."""
        if rng.random() < 0.4:
            clause = self.frames.clause(rng, frame="transitive", timed=0.3, negated=0, placed=False)
            return finish(clause.statement(self.frames.place(rng)))
        subject, (verb, details) = self.frames.subject(rng), rng.choice(self.frames.verbs["transitive"])
        phrase = self.frames.phrase(rng, rng.choice(details[0]), ACCUSATIVE, definite=True)
        clause = Clause(subject, verb, any_tense(rng), late="nicht" if rng.random() < 0.2 else "")
        return finish(clause.statement(phrase.text))

    def yes_no_question(self, rng: random.Random) -> str:
        if rng.random() < 0.35:
            tense = rng.choice(("perfect", "modal", "future"))
            return finish(self.frames.clause(rng, DU, tense, timed=0.3).question(), "?")
        return finish(self.frames.clause(rng, timed=0.3).question(), "?")

    def word_question(self, rng: random.Random) -> str:
        asked = rng.choice(("warum", "wann", "wo", "wohin", "wer", "was", "wie viele"))
        frames, subject = self.frames, self.frames.subject(rng)
        if asked == "wer":
            return finish(frames.clause(rng, third("wer", "m")).statement(), "?")
        if asked == "wie viele":
            verb, details = rng.choice(self.countable)
            noun = rng.choice([noun for noun in frames.nouns[details[0][-1]] if noun.plural])
            asked = f"wie viele {noun.form(ACCUSATIVE, True)}"
            return finish(Clause(subject, verb, any_tense(rng)).question(asked), "?")
        if asked in ("wo", "wohin", "was"):
            frame = {"wo": "activity", "wohin": "motion", "was": "transitive"}[asked]
            return finish(Clause(subject, rng.choice(frames.verbs[frame])[0], any_tense(rng)).question(asked), "?")
        return finish(frames.clause(rng, subject, timed=0, negated=0.1 if asked == "warum" else 0).question(asked), "?")

    def request(self, rng: random.Random) -> str:
        verb, details = rng.choice(self.requests)
        phrase = self.frames.phrase(rng, rng.choice(details[0]), ACCUSATIVE, "mein", definite=True)
        return finish(words("bitte", verb.base, "Sie", phrase.text, verb.prefix), "!")

    def description(self, rng: random.Random) -> str:
        kind = rng.choice([kind for kind in self.frames.adjectives if kind != "spot"])
        subject = self.frames.thing(rng, kind)
        first = self.frames.predicate(rng, subject, kind)
        if rng.random() < 0.4:
            word = rng.choice(self.frames.adjectives[kind])[0]
            if word not in first.split() and "zu" not in first.split():
                return finish(f"{subject.text} {first}{rng.choice((' und', ', aber'))} {word}")
        return finish(f"{subject.text} {first}")

    def comparison(self, rng: random.Random) -> str:
        kind = rng.choice(tuple(self.lexicon["comparatives"]))
        word = rng.choice(self.lexicon["comparatives"][kind])
        first, second = self.frames.thing(rng, kind), self.frames.thing(rng, kind)
        return finish(words(first.text, be(first.person, False), word, "als", second.text))

    def lying(self, rng: random.Random) -> str:
        verb, details = rng.choice(self.frames.verbs["lying"])
        subject = self.frames.thing(rng, rng.choice(details[0]))
        tense = rng.choice(("present", "preterite"))
        if rng.random() < 0.25:
            return finish(Clause(subject, verb, tense).question("wo"), "?")
        return finish(Clause(subject, verb, tense, late=self.frames.spot(rng, DATIVE)).statement())

    def there_is(self, rng: random.Random) -> str:
        kind = rng.choice(("person", "animal", "spot", "thing", "food"))
        noun = rng.choice([noun for noun in self.frames.nouns[kind] if noun.plural])
        plural = rng.random() < 0.6
        determiner = self.frames.number(rng, 20) if plural else rng.choice(("ein", "kein"))
        stem = self.frames.adjective(rng, kind, "") if rng.random() < 0.3 else ""
        phrase = self.frames.determined(noun, kind, ACCUSATIVE, plural, determiner, stem)
        return finish(f"{self.frames.place(rng)} {rng.choice(('gibt', 'gab'))} es {phrase}")

    def price(self, rng: random.Random) -> str:
        kind = rng.choice(("clothes", "thing", "text"))
        noun = rng.choice(self.frames.nouns[kind])
        phrase = self.frames.determined(noun, kind, NOMINATIVE, False, rng.choice(("der", "dies")), "")
        amount = str(rng.randint(2, 99)) if rng.random() < 0.5 else self.frames.number(rng, 99)
        return finish(f"{phrase} {rng.choice(('kostet', 'kostet nur', 'kostete'))} {amount} Euro")

    def age(self, rng: random.Random) -> str:
        subject = self.frames.subject(rng)
        years = self.frames.number(rng, 90) if rng.random() < 0.6 else str(rng.randint(3, 90))
        return finish(words(subject.text, be(subject.person, False), years, "Jahre alt"))

    def birth(self, rng: random.Random) -> str:
        name, _ = person(rng, self.lexicon)
        if rng.random() < 0.5:
            return finish(f"{name} wurde {self.frames.date(rng)} in {city(rng, self.lexicon)} geboren")
        event = self.frames.determined(rng.choice(self.frames.nouns["event"]), "event", NOMINATIVE, False, "der", "")
        return finish(f"{event} {rng.choice(('beginnt', 'begann'))} {self.frames.date(rng)} {self.frames.clock(rng)}")

    def passive(self, rng: random.Random) -> str:
        verb, details = rng.choice(self.passives)
        subject = self.frames.thing(rng, rng.choice(details[0]))
        agent = contract("von", self.frames.someone(rng, DATIVE, ICH)) if rng.random() < 0.6 else ""
        time = self.frames.time(rng, "past")[0] if rng.random() < 0.5 else ""
        became = "wurden" if subject.person == "3p" else "wurde"
        return finish(words(subject.text, became, time, agent, verb.participle))

    def weather(self, rng: random.Random) -> str:
        tense = rng.choice(("present", "preterite", "perfect", "future"))
        when = "past" if tense in PAST else tense
        verb, _ = rng.choice(self.frames.verbs["weather"])
        front = rng.choice(self.lexicon["times"][when]["front"])
        return finish(Clause(ES, verb, tense, late="in " + city(rng, self.lexicon)).statement(front))

    def exclamation(self, rng: random.Random) -> str:
        kind = rng.choice(("place", "clothes", "animal", "abstract", "thing"))
        noun, stem = rng.choice(self.frames.nouns[kind]), self.frames.adjective(rng, kind, "")
        return finish("was für " + self.frames.determined(noun, kind, NOMINATIVE, False, "ein", stem), "!")

    def despite(self, rng: random.Random) -> str:
        return finish(self.frames.clause(rng, tense=any_tense(rng), timed=0).statement(self.frames.with_genitive(rng)))

    def arrival(self, rng: random.Random) -> str:
        noun = rng.choice(self.frames.nouns["vehicle"])
        vehicle = self.frames.determined(noun, "vehicle", NOMINATIVE, False, "der", "")
        where = f"{rng.choice(('nach', 'aus'))} {city(rng, self.lexicon)}"
        return finish(f"{vehicle} {where} {rng.choice(('kommt', 'kam'))} {self.frames.clock(rng)} an")
