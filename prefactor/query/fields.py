"""The fields that a query may name, and the columns they stand for.

| field | is |
|---|---|
| `label`, `labeller` | texts |
| `module` | the matrix; `~` searches it for a regular expression |
| `density`, `mean_importance`, `mean_activation`, `norm` | the harvest's figures |
| `score` | how clear the labeller found it, 0 to 1 |
| `detection`, `fuzzing`, `intruder`, `agreement` | how the label did when it was put to the test |
| `domain.D` | share of the firings that lie in domain D, every domain weighing the same |
| `importance.D`, `density.D` | mean importance on D, share of D's tokens at which it fires |
| `causal.D` | the larger damage to D, in nats a token, of ablating and of inverting it |

A domain that is no plain word stands in quotes: `domain."code review"`.
"""

import difflib
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from prefactor.config.explain import nearest

# How a label is put to the test: its scores, in ``score/scores.parquet`` and wherever they are shown.
TESTS = ("detection", "fuzzing", "intruder", "agreement")

PLAIN = re.compile(r"[^\s()\"'!~=<>]+")  # what a query need not put in quotes

SubcomponentRow = Mapping[str, Any]
Kind = Literal["text", "pattern", "number"]

# Each with the stage that makes its columns.
_TEXTS: dict[str, tuple[Kind, str]] = {
    "label": ("text", "label"),
    "labeller": ("text", "label"),
    "module": ("pattern", "harvest"),
}
_FIGURES = {
    **dict.fromkeys(("density", "mean_importance", "mean_activation", "norm"), "harvest"),
    "score": "label",
    **dict.fromkeys(TESTS, "score"),
}
_BY_DOMAIN: dict[str, tuple[tuple[str, ...], str]] = {
    "domain": (("share_",), "harvest"),
    "importance": (("importance_",), "harvest"),
    "density": (("density_",), "harvest"),
    "causal": (("ablate_", "invert_"), "effects"),
}


@dataclass(frozen=True)
class Field:
    name: str  # as written in a query
    kind: Kind
    stage: str  # that makes the columns
    columns: tuple[str, ...]  # a figure is the largest of them
    domain: str | None = None

    @property
    def prefix(self) -> str:
        """What the first column's name is without the domain."""
        return self.columns[0].removesuffix(self.domain or "")

    def text(self, row: SubcomponentRow) -> str | None:
        """None where it is not known: a label that the labeller could not give is "" in the table."""
        value = row[self.columns[0]]
        return value if isinstance(value, str) and value else None

    def figure(self, row: SubcomponentRow) -> float:
        """NaN where it is not known: a dead subcomponent has no effect, a label without firings no score."""
        values = [math.nan if row[column] is None else float(row[column]) for column in self.columns]
        return max((value for value in values if not math.isnan(value)), default=math.nan)


def field_of(name: str) -> Field | None:
    """The field of this name; ``domain.D`` and the like with any D, in quotes or not. None where there is none."""
    if name in _TEXTS:
        kind, stage = _TEXTS[name]
        return Field(name, kind, stage, (name,))
    if name in _FIGURES:
        return Field(name, "number", _FIGURES[name], (name,))
    family, _, domain = name.partition(".")
    domain = unicodedata.normalize("NFC", domain[1:-1] if re.fullmatch(r"\".*\"|'.*'", domain, re.DOTALL) else domain)
    if family in _BY_DOMAIN and domain:
        prefixes, stage = _BY_DOMAIN[family]
        name = f"{family}.{domain}" if PLAIN.fullmatch(domain) else f'{family}."{domain}"'
        return Field(name, "number", stage, tuple(f"{prefix}{domain}" for prefix in prefixes), domain)
    return None


def instead(name: str) -> str:
    """What to write in place of a name that is no field."""
    return nearest(name, _like(name))


def resembles(name: str) -> bool:
    """Whether a name that is no field may be meant for one: it is near one, or has a dot."""
    return "." in name or bool(difflib.get_close_matches(name.lower(), _like(name), n=1))


def _like(name: str) -> list[str]:
    domain = name.partition(".")[2] or "D"
    return [*_TEXTS, *_FIGURES, *(f"{family}.{domain}" for family in _BY_DOMAIN)]
