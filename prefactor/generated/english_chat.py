"""English as people type it to friends: short, lower-case, no full stops, and emoticons (eyes, then mouth)."""

import random
from typing import Any

from prefactor.generated.base import Mixture, city, person
from prefactor.generated.english_clause import YOU, I, Subject, words
from prefactor.generated.english_forms import a
from prefactor.generated.english_frames import Frames


class EnglishChat:
    """The chat register of English: ``sentence`` is one message of one or two short lines."""

    code = "en"
    emoticon_rate = 0.65

    def __init__(self, lexicon: dict[str, Any]):
        self.frames = Frames(lexicon)
        self.words: dict[str, list[str]] = lexicon["chat"]
        happy, sad, plain = self._happy, self._sad, self._plain
        self.patterns = Mixture([
            (4, lambda rng: happy(rng, rng.choice(self.words["greetings"]))),
            (2, lambda rng: happy(rng, f"{rng.choice(self.words['greetings'])} {person(rng, lexicon)[0].lower()}")),
            (4, lambda rng: happy(rng, self._thanks(rng))),
            (5, lambda rng: happy(rng, rng.choice(self.words["replies"]))),
            (6, lambda rng: happy(rng, self._news(rng, "past"))),
            (4, lambda rng: happy(rng, self._news(rng, "progressive"))),
            (4, lambda rng: happy(rng, self._news(rng, "will"))),
            (4, lambda rng: plain(rng, self._question(rng))),
            (3, lambda rng: happy(rng, f"see you at {rng.randint(2, 11)}")),
            (3, lambda rng: happy(rng, self._praise(rng))),
            (4, lambda rng: sad(rng, rng.choice(self.words["complaints"]))),
            (4, lambda rng: sad(rng, self._loss(rng))),
            (2, lambda rng: plain(rng, f"im in {city(rng, lexicon).lower()} now")),
        ])  # fmt: skip

    def sentence(self, rng: random.Random) -> str:
        """One message: a line, or two."""
        first = self.patterns.draw(rng)
        return f"{first}\n{self.patterns.draw(rng)}" if rng.random() < 0.25 else first

    def quote(self, text: str) -> str:
        return f'"{text}"'

    def says(self, rng: random.Random, quoted: str) -> str:
        """A message that passes on ``quoted``."""
        who = self.frames.phrase(rng, "family", "my").text
        return self._happy(rng, f"{who} just {rng.choice(('said', 'wrote', 'texted me'))} {quoted}")

    def _with_face(self, rng: random.Random, text: str, mood: str) -> str:
        opener = rng.choice(self.words["openers"]) if rng.random() < 0.3 and mood != "sad" else ""
        face = rng.choice(self.words[mood]) if rng.random() < self.emoticon_rate else ""
        return words(opener, text, face)

    def _happy(self, rng: random.Random, text: str) -> str:
        return self._with_face(rng, f"{text} lol" if rng.random() < 0.08 else text, "happy")

    def _sad(self, rng: random.Random, text: str) -> str:
        return self._with_face(rng, text, "sad")

    def _plain(self, rng: random.Random, text: str) -> str:
        return self._happy(rng, text) if rng.random() < 0.5 else text

    def _line(self, text: str) -> str:
        """``text`` as it is typed."""
        return text.lower().replace("'", "")

    def _news(self, rng: random.Random, tense: str) -> str:
        frame = rng.choice(("transitive", "activity", "motion", "prepositional"))
        speaker: Subject = I if rng.random() < 0.75 else self.frames.subject(rng)
        clause = self.frames.clause(rng, speaker, tense, frame, timed=0.25, negated=0.08)
        said = clause.statement()
        said = said.replace("I am ", "im ").replace("I will ", "ill ") if rng.random() < 0.7 else said
        return self._line(said)

    def _question(self, rng: random.Random) -> str:
        tense = rng.choice(("progressive", "past", "will", "present"))
        clause = self.frames.clause(rng, YOU, tense, rng.choice(("transitive", "activity", "motion")), 0.2, 0, True)
        return self._line(clause.question()) + "?"

    def _thanks(self, rng: random.Random) -> str:
        noun = rng.choice(self.frames.nouns[rng.choice(("food", "drink", "thing", "text"))]).lemma
        return f"{rng.choice(self.words['thanks'])} for the {noun}"

    def _praise(self, rng: random.Random) -> str:
        kind = rng.choice(("clothes", "animal", "thing"))
        noun = rng.choice(self.frames.nouns[kind]).lemma
        return rng.choice((f"love your {noun}", f"what {a(self.frames.qualified(rng, kind, noun, 1))}"))

    def _loss(self, rng: random.Random) -> str:
        noun = rng.choice(self.frames.nouns[rng.choice(("thing", "clothes"))]).lemma
        return rng.choice((f"cant find my {noun}", f"i lost my {noun}", f"my {noun} is broken"))
