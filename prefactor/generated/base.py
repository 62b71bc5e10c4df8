"""What the five grammars share: the interface of a language, the lexicon, and how a sentence is finished.

A grammar is a class with one method a sentence pattern. Each method draws words from the lexicon with the generator
it is handed and returns words that already agree; nothing is drawn from a global generator, so equal seeds give equal
text.
"""

import itertools
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import yaml

from prefactor.errors import ParamsError

NAMES = "names"


class Language(Protocol):
    """One language of the generated corpus."""

    code: str  # 'en', 'de', ...

    def sentence(self, rng: random.Random) -> str:
        """One complete sentence: a capital at its start, one of ``.?!`` at its end."""
        ...

    def quote(self, text: str) -> str:
        """``text`` in this language's quotation marks."""
        ...

    def says(self, rng: random.Random, quoted: str) -> str:
        """A sentence of this language that introduces ``quoted``, as in ``Anna read aloud: "…"``."""
        ...


def load_lexicon(folder: Path, code: str) -> dict[str, Any]:
    """The words of language ``code``, with the names all languages share under the key ``names``.

    Raises ``ParamsError`` where ``folder`` has no such lexicon.
    """
    loaded = {}
    for name in (code, NAMES):
        path = Path(folder) / f"{name}.yaml"
        if not path.is_file():
            raise ParamsError(f"{path}: no such lexicon; add the file or name the folder that has it")
        loaded[name] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {**loaded[code], NAMES: loaded[NAMES]}


Pattern = Callable[[random.Random], str]


class Mixture:
    """Sentence patterns with weights; ``draw`` picks one and calls it."""

    def __init__(self, weighted: Sequence[tuple[float, Pattern]]):
        self.patterns = [pattern for _, pattern in weighted]
        self.cumulative = list(itertools.accumulate(weight for weight, _ in weighted))

    def draw(self, rng: random.Random) -> str:
        return rng.choices(self.patterns, cum_weights=self.cumulative)[0](rng)


def capital(text: str) -> str:
    """``text`` with its first letter in upper case and the rest as it was."""
    return text[:1].upper() + text[1:]


def finish(words: str, mark: str = ".") -> str:
    """``words`` as a sentence that ends in ``mark``."""
    return capital(words) + mark


def person(rng: random.Random, lexicon: dict[str, Any]) -> tuple[str, str]:
    """A first name and its gender, ``f`` or ``m``."""
    gender = rng.choice(("f", "m"))
    return rng.choice(lexicon[NAMES]["people"][gender]), gender


def city(rng: random.Random, lexicon: dict[str, Any]) -> str:
    return rng.choice(lexicon[NAMES]["cities"])
