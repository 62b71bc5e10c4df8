"""How often each word of the lexicon is used."""

import functools
import itertools
import random
from bisect import bisect
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

SHORT = 4  # up to so many alternatives are of grammar (genders, tenses), not of words


class Zipf(random.Random):
    """A generator whose ``choice`` takes the k-th of a list with weight ``k^-exponent`` (Zipf's law; 0: all alike).

    Lists of up to four are drawn from evenly: they are alternatives of grammar.
    """

    def __new__(cls, seed: str, exponent: float) -> "Zipf":
        return super().__new__(cls, seed)  # pyright: ignore[reportCallIssue]  # 3.11 refuses a second argument here

    def __init__(self, seed: str, exponent: float):
        super().__init__(seed)
        self.exponent = exponent

    def choice(self, seq: Sequence[T]) -> T:  # type: ignore[override]
        if len(seq) <= SHORT or not self.exponent:
            return super().choice(seq)
        weights = _cumulative(len(seq), self.exponent)
        return seq[bisect(weights, self.random() * weights[-1], 0, len(seq) - 1)]


@functools.cache
def _cumulative(n: int, exponent: float) -> list[float]:
    return list(itertools.accumulate((k + 1) ** -exponent for k in range(n)))
