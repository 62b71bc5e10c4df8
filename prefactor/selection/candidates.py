"""Subcomponents as a choice looks at them."""

import difflib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from prefactor.config.domains import Domains
from prefactor.errors import PrefactorError
from prefactor.printable import visible
from prefactor.query.fields import SubcomponentRow
from prefactor.query.query import Query
from prefactor.query.words import likeness, split_words, words_of
from prefactor.selection.collateral import INVERTED

NEAREST = 5  # candidates shown where nothing matches


@dataclass(frozen=True, eq=False)
class Candidate:
    """A subcomponent with its mean importance on the target domain and on each retained one."""

    subcomponent: str
    module: str
    index: int
    alive: bool
    label: str
    target: float
    retained: tuple[float, ...]
    row: SubcomponentRow  # what a query may compare, and what is reported

    @property
    def margin(self) -> float:
        return self.target - max(self.retained, default=0.0)

    def causal(self, domains: Domains) -> float:
        """Damage of inverting, nats: to the target, less that to the retained domain it hurts most. NaN if unknown."""
        target, *retained = (float(self.row.get(f"{INVERTED}{d}", math.nan)) for d in (domains.target, *domains.retain))
        return target - max(retained, default=0.0)

    @property
    def contrast(self) -> float:
        return self.target - sum(self.retained) / max(1, len(self.retained))


def candidates_of(where: str, domains: Domains, table: pd.DataFrame, query: Query | None) -> list[Candidate]:
    """Every subcomponent, by module and index.

    Raises:
        PrefactorError: a domain was not harvested, or the query compares what ``table`` has not.
    """
    columns = [str(column) for column in table.columns]
    for key, domain in [("target", domains.target), *(("retain", domain) for domain in domains.retain)]:
        if f"importance_{domain}" not in columns:
            known = ", ".join(c.removeprefix("importance_") for c in columns if c.startswith("importance_"))
            raise PrefactorError(f"{where}.domains.{key}: {domain!r} was not harvested: use some of {known}")
    wanted = {"subcomponent", "module", "index", "alive", "label", "domains"}
    wanted |= {f"importance_{domain}" for domain in (domains.target, *domains.retain)}
    wanted |= {column for column in columns if column.startswith(INVERTED)}
    if query is not None:
        query.check(columns)
        wanted |= set(query.columns)
    rows = table[[column for column in columns if column in wanted]].to_dict("records")
    candidates = [_candidate({str(key): value for key, value in row.items()}, domains) for row in rows]
    return sorted(candidates, key=lambda candidate: (candidate.module, candidate.index))


def missing_one(query: Query, alive: Iterable[Candidate]) -> list[Candidate]:
    """The candidates that fail exactly one clause, closest first; of equally close ones the largest margin."""
    failing = [
        (misses[0].distance(candidate.row), candidate)
        for candidate in alive
        if len(misses := query.misses(candidate.row)) == 1
    ]
    return [candidate for _, candidate in sorted(failing, key=lambda pair: (round(pair[0], 6), -pair[1].margin))]


def nearest(query: Query, alive: Sequence[Candidate]) -> list[str]:
    """The candidates that come nearest to a query that none satisfies, each with why it does not."""
    if query.plain:
        return [
            f"{candidate.subcomponent} {candidate.label!r} (margin {candidate.margin:.2f})"
            for candidate in _alike(query.text, alive)
        ]
    failing = [(query.misses(candidate.row), candidate) for candidate in alive]
    order = sorted(failing, key=lambda pair: (len(pair[0]), sum(m.distance(pair[1].row) for m in pair[0])))
    return [
        f"{candidate.subcomponent} {candidate.label!r} "
        f"(fails {visible(', '.join(miss.shown(candidate.row) for miss in misses))})"
        for misses, candidate in order[:NEAREST]
    ]


def nearest_names(name: str, known: Iterable[str]) -> str:
    return ", ".join(difflib.get_close_matches(name, list(known), n=NEAREST, cutoff=0.0))


def _alike(query: str, alive: Sequence[Candidate]) -> list[Candidate]:
    """The candidates whose labels resemble the query most; of equally like ones the largest margin."""
    wanted, unwanted = split_words(query)
    like = {
        label: round(likeness(wanted, label), 6) - sum(word in words_of(label) for word in unwanted)
        for label in {candidate.label for candidate in alive}
    }
    return sorted(alive, key=lambda candidate: (-like[candidate.label], -candidate.margin))[:NEAREST]


def _candidate(row: SubcomponentRow, domains: Domains) -> Candidate:
    return Candidate(
        subcomponent=row["subcomponent"],
        module=row["module"],
        index=int(row["index"]),
        alive=bool(row["alive"]),
        label=row["label"],
        target=float(row[f"importance_{domains.target}"]),
        retained=tuple(float(row[f"importance_{domain}"]) for domain in domains.retain),
        row=row,
    )
