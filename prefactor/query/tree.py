"""What a query is made of: comparisons, and groups of them of which all or one must hold.

There is no ``not`` in it: the parser turns every comparison under one round. So where a figure or a label is not known,
neither a comparison nor its negation holds, and what was never measured passes no query as harmless.
"""

import math
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from dataclasses import field as with_default
from typing import Literal

from prefactor.query.fields import Field, SubcomponentRow
from prefactor.query.words import has_words, likeness, words_of

TOO_MANY = 0.25
OPPOSITE = {"~": "!~", "!~": "~", "=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "!=": operator.ne,
}  # fmt: skip


@dataclass(frozen=True)
class Clause:
    """One comparison."""

    field: Field
    operator: str
    value: str | float
    written: str  # the value as it is shown
    at: int = with_default(compare=False, default=1)  # where its field stands in the query, from 1

    def __str__(self) -> str:
        return f"{self.field.name} {self.operator} {self.written}"

    @property
    def clauses(self) -> Iterator["Clause"]:
        yield self

    def holds(self, row: SubcomponentRow) -> bool:
        if isinstance(self.value, str):
            text = self.field.text(row)
            return text is not None and self._found(text, self.value) == (self.operator in ("~", "="))
        figure = self.field.figure(row)
        return not math.isnan(figure) and _COMPARE[self.operator](figure, self.value)

    def shown(self, row: SubcomponentRow) -> str:
        """The comparison with the value that ``row`` has."""
        if isinstance(self.value, str):
            text = self.field.text(row)
            actual = "not known" if text is None else quoted(text)
        else:
            figure = self.field.figure(row)
            actual = "not measured" if math.isnan(figure) else f"{figure:.4g}"
        return f"{self.field.name} {actual} {self.operator} {self.written}"

    def distance(self, row: SubcomponentRow) -> float:
        """How far ``row`` is from what is asked: 0 at the bound.

        For a figure in parts of the bound, for a text how unlike its words are those asked for. A text that has what
        it must not is ``TOO_MANY`` off, however long it is, so that something else decides between such texts.
        """
        if not isinstance(self.value, str):
            figure = self.field.figure(row)
            return math.inf if math.isnan(figure) else abs(figure - self.value) / (abs(self.value) or 1.0)
        text = self.field.text(row)
        if text is None:
            return math.inf
        return 1 - likeness(words_of(self.value), text) if self.operator in ("~", "=") else TOO_MANY

    def _found(self, text: str, value: str) -> bool:
        if self.operator in ("=", "!="):
            return text.casefold() == value.casefold()
        return bool(re.search(value, text)) if self.field.kind == "pattern" else has_words(text, value)


@dataclass(frozen=True)
class Group:
    """Clauses and groups, of which all must hold (``and``) or at least one (``or``)."""

    word: Literal["and", "or"]
    parts: tuple["Clause | Group", ...]

    def __str__(self) -> str:
        return f"({f' {self.word} '.join(str(part) for part in self.parts)})"

    @property
    def clauses(self) -> Iterator[Clause]:
        for part in self.parts:
            yield from part.clauses

    def holds(self, row: SubcomponentRow) -> bool:
        return (all if self.word == "and" else any)(part.holds(row) for part in self.parts)

    def shown(self, row: SubcomponentRow) -> str:
        return f"({f' {self.word} '.join(part.shown(row) for part in self.parts)})"

    def distance(self, row: SubcomponentRow) -> float:
        """Of the part that fails by most, or, where one would do, by least."""
        failing = [part.distance(row) for part in self.parts if not part.holds(row)]
        return (max if self.word == "and" else min)(failing, default=0.0)


Node = Clause | Group


def quoted(text: str) -> str:
    return f"'{text}'" if '"' in text else f'"{text}"'
