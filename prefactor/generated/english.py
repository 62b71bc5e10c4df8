"""The English grammar: how often each sentence pattern is used, and how English quotes."""

import random
from typing import Any

from prefactor.generated.base import Mixture, finish
from prefactor.generated.english_clause import Clause
from prefactor.generated.english_complex import ComplexSentences
from prefactor.generated.english_frames import Frames, any_tense
from prefactor.generated.english_simple import SimpleSentences


class English:
    code = "en"

    def __init__(self, lexicon: dict[str, Any]):
        self.frames = Frames(lexicon)
        single, double = SimpleSentences(self.frames), ComplexSentences(self.frames)
        self.patterns = Mixture([
            (28, single.statement), (4, single.place_first), (6, single.yes_no_question), (6, single.word_question),
            (4, single.request), (6, single.description), (4, single.comparison), (4, single.lying),
            (4, single.there_is), (3, single.price), (2, single.age), (2, single.birth), (3, single.passive),
            (2, single.weather), (2, single.exclamation), (2, single.tag_question), (2, single.arrival),
            (7, double.reason), (5, double.condition), (7, double.reported), (5, double.indirect_question),
            (6, double.relative_subject), (5, double.relative_object), (4, double.attempt), (4, double.purpose),
            (5, double.two_actions),
        ])  # fmt: skip

    def sentence(self, rng: random.Random) -> str:
        return self.patterns.draw(rng)

    def quote(self, text: str) -> str:
        return f'"{text}"'

    def says(self, rng: random.Random, quoted: str) -> str:
        verb, _ = rng.choice(self.frames.verbs["quoting"])
        clause = Clause(self.frames.subject(rng, pronouns=False), verb, any_tense(rng))
        return finish(clause.statement(), ": ") + quoted
