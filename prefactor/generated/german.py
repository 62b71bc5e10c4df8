"""The German grammar: how often each sentence pattern is used, and how German quotes."""

import random
from typing import Any

from prefactor.generated.base import Mixture, finish
from prefactor.generated.german_clause import Clause
from prefactor.generated.german_complex import ComplexSentences
from prefactor.generated.german_frames import Frames
from prefactor.generated.german_simple import SimpleSentences


class German:
    code = "de"

    def __init__(self, lexicon: dict[str, Any]):
        self.frames = Frames(lexicon)
        single, double = SimpleSentences(self.frames), ComplexSentences(self.frames)
        self.patterns = Mixture([
            (26, single.statement), (7, single.object_first), (6, single.yes_no_question), (6, single.word_question),
            (4, single.request), (6, single.description), (4, single.comparison), (4, single.lying),
            (4, single.there_is), (3, single.price), (2, single.age), (2, single.birth), (3, single.passive),
            (2, single.weather), (2, single.exclamation), (2, single.despite), (2, single.arrival),
            (7, double.reason), (5, double.condition), (7, double.reported), (6, double.indirect_question),
            (6, double.relative_subject), (5, double.relative_object), (4, double.attempt), (4, double.purpose),
            (5, double.two_actions),
        ])  # fmt: skip

    def sentence(self, rng: random.Random) -> str:
        return self.patterns.draw(rng)

    def quote(self, text: str) -> str:
        return f"„{text}“"

    def says(self, rng: random.Random, quoted: str) -> str:
        verb, _ = rng.choice(self.frames.verbs["quoting"])
        subject = self.frames.subject(rng, pronouns=False)
        clause = Clause(subject, verb, rng.choice(("present", "preterite", "perfect")))
        return finish(clause.statement(), ": ") + quoted
