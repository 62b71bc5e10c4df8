"""English sentences of one clause: statements, questions, requests, descriptions, numbers and dates."""

import random
from dataclasses import replace

from prefactor.generated.base import city, finish, person
from prefactor.generated.english_clause import IT, YOU, Clause, I, be, third, words
from prefactor.generated.english_forms import a
from prefactor.generated.english_frames import TIMES, Frames, any_tense


class SimpleSentences:
    def __init__(self, frames: Frames):
        self.frames = frames
        self.lexicon = frames.lexicon
        transitive = frames.verbs["transitive"]
        self.countable = [entry for entry in transitive if entry[1][0] != ["drink"]]
        self.passives = [entry for entry in transitive if "family" not in entry[1][0]]
        self.requests = [entry for entry in transitive if entry[0].base in self.lexicon["requests"]]

    def statement(self, rng: random.Random) -> str:
        return finish(self.frames.clause(rng).statement(front=rng.random() < 0.45))

    def place_first(self, rng: random.Random) -> str:
        clause = self.frames.clause(rng, frame="transitive", timed=0, negated=0.1)
        return finish(replace(clause, rest="", time=self.frames.place(rng)).statement(front=True))

    def yes_no_question(self, rng: random.Random) -> str:
        subject = YOU if rng.random() < 0.35 else None
        return finish(self.frames.clause(rng, subject, timed=0.3, question=True).question(), "?")

    def word_question(self, rng: random.Random) -> str:
        asked = rng.choice(("why", "when", "where", "who", "what", "how many"))
        frames = self.frames
        if asked == "who":
            return finish(frames.clause(rng, third("who", "m")).statement(), "?")
        subject = YOU if rng.random() < 0.3 else frames.subject(rng)
        if asked == "how many":
            verb, details = rng.choice(self.countable)
            noun = rng.choice([noun for noun in frames.nouns[details[0][-1]] if noun.plural])
            return finish(Clause(subject, verb, any_tense(rng)).question(f"how many {noun.plural}"), "?")
        if asked in ("where", "what"):
            verb, _ = rng.choice(frames.verbs["activity" if asked == "where" else "transitive"])
            return finish(Clause(subject, verb, any_tense(rng)).question(asked), "?")
        negated = 0.1 if asked == "why" else 0
        return finish(frames.clause(rng, subject, timed=0, negated=negated, question=True).question(asked), "?")

    def request(self, rng: random.Random) -> str:
        verb, details = rng.choice(self.requests)
        phrase = self.frames.phrase(rng, rng.choice(details[0]), "my", definite=True)
        opening = rng.choice(("please", "please", "please don't"))
        return finish(words(opening, verb.base, phrase.text, verb.particle), "!" if "don't" in opening else ".")

    def description(self, rng: random.Random) -> str:
        kind = rng.choice([kind for kind in self.frames.adjectives if kind != "spot"])
        subject = self.frames.thing(rng, kind)
        first = self.frames.quality(rng, subject, kind)
        word = rng.choice(self.frames.adjectives[kind])
        if rng.random() < 0.4 and word not in first.split() and "too" not in first.split():
            return finish(f"{subject.text} {first}{rng.choice((' and', ', but'))} {word}")
        return finish(f"{subject.text} {first}")

    def comparison(self, rng: random.Random) -> str:
        kind = rng.choice(tuple(self.lexicon["comparatives"]))
        word = rng.choice(self.lexicon["comparatives"][kind])
        first, second = self.frames.thing(rng, kind), self.frames.thing(rng, kind)
        return finish(words(first.text, be(first.person, False), word, "than", second.text))

    def lying(self, rng: random.Random) -> str:
        verb, details = rng.choice(self.frames.verbs["lying"])
        subject = self.frames.thing(rng, rng.choice(details[0]))
        if rng.random() < 0.25:
            return finish(words("where", be(subject.person, rng.random() < 0.3), subject.text), "?")
        tense = rng.choice(("past", "past", "progressive", "past progressive"))
        return finish(Clause(subject, verb, tense, rest=self.frames.spot(rng)).statement())

    def there_is(self, rng: random.Random) -> str:
        kind = rng.choice(("person", "animal", "spot", "thing", "food"))
        noun = rng.choice([noun for noun in self.frames.nouns[kind] if noun.plural])
        past, place = rng.random() < 0.4, self.frames.place(rng)
        if rng.random() < 0.6:
            name = self.frames.qualified(rng, kind, noun.plural)
            return finish(f"there {'were' if past else 'are'} {self.frames.number(rng, 20)} {name} {place}")
        name = self.frames.qualified(rng, kind, noun.lemma)
        return finish(f"there {'was' if past else 'is'} {rng.choice((a(name), f'no {name}'))} {place}")

    def price(self, rng: random.Random) -> str:
        noun = rng.choice(self.frames.nouns[rng.choice(("clothes", "thing", "text"))]).lemma
        amount = str(rng.randint(2, 99)) if rng.random() < 0.5 else self.frames.number(rng, 99)
        costs = rng.choice(("costs", "cost", "costs only"))
        return finish(f"{rng.choice(('the', 'this', 'that'))} {noun} {costs} {amount} euros")

    def age(self, rng: random.Random) -> str:
        subject = self.frames.subject(rng)
        years = self.frames.number(rng, 90) if rng.random() < 0.6 else str(rng.randint(3, 90))
        return finish(words(subject.text, be(subject.person, False), years, "years old"))

    def birth(self, rng: random.Random) -> str:
        if rng.random() < 0.5:
            name, _ = person(rng, self.lexicon)
            return finish(f"{name} was born in {city(rng, self.lexicon)} {self.frames.date(rng)}")
        event = rng.choice(self.frames.nouns["event"]).lemma
        begins = rng.choice(("begins", "began"))
        return finish(f"the {event} {begins} {self.frames.clock(rng)} {self.frames.date(rng)}")

    def passive(self, rng: random.Random) -> str:
        verb, details = rng.choice(self.passives)
        subject = self.frames.thing(rng, rng.choice(details[0]))
        agent = f"by {self.frames.someone(rng, I)}" if rng.random() < 0.6 else ""
        time = self.frames.time(rng, "past") if rng.random() < 0.5 else ""
        return finish(words(subject.text, be(subject.person, True), verb.participle, verb.particle, agent, time))

    def weather(self, rng: random.Random) -> str:
        verb, _ = rng.choice(self.frames.verbs["weather"])
        tense = rng.choice(("present", "progressive", "past", "will"))
        time = rng.choice(self.lexicon["times"][TIMES[tense]]["outer"])
        clause = Clause(IT, verb, tense, rest="in " + city(rng, self.lexicon), time=time)
        return finish(clause.statement(front=rng.random() < 0.5))

    def exclamation(self, rng: random.Random) -> str:
        kind = rng.choice(("place", "clothes", "animal", "abstract", "thing"))
        return finish("what " + a(self.frames.qualified(rng, kind, rng.choice(self.frames.nouns[kind]).lemma, 1)), "!")

    def tag_question(self, rng: random.Random) -> str:
        kind = rng.choice(("person", "animal", "text", "clothes", "food"))
        subject, word = self.frames.thing(rng, kind), rng.choice(self.frames.adjectives[kind])
        verb = be(subject.person, rng.random() < 0.3)
        return finish(f"{subject.text} {verb} {word}, {verb}n't {subject.pronoun}", "?")

    def arrival(self, rng: random.Random) -> str:
        where = f"{rng.choice(('to', 'from'))} {city(rng, self.lexicon)}"
        vehicle = rng.choice(self.frames.nouns["vehicle"]).lemma
        return finish(f"the {vehicle} {where} {rng.choice(('arrives', 'arrived', 'leaves'))} {self.frames.clock(rng)}")
