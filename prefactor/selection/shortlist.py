"""Which subcomponents come into question: all that qualify, best first, without reading a model."""

import math
import random
from dataclasses import dataclass

import pandas as pd

from prefactor.config.domains import Domains
from prefactor.config.shortlists import ByContrast, ByLabel, ByName, ByRandom, Choose, ShortlistConfig
from prefactor.errors import PrefactorError
from prefactor.query.parse import parse_query
from prefactor.query.query import Query
from prefactor.query.tree import OPPOSITE
from prefactor.selection.candidates import Candidate, candidates_of, missing_one, nearest, nearest_names


@dataclass(frozen=True, eq=False)
class Shortlist:
    """The candidates of one problem, best first."""

    name: str
    config: ShortlistConfig
    query: Query | None
    ranked: tuple[Candidate, ...]
    near_misses: tuple[Candidate, ...]  # that fail one clause of the query, closest first

    def names(self, tried: int) -> list[str]:
        """``module:index`` of those that are measured, the first ``tried`` of them; of all, where none is measured."""
        among = self.ranked[:tried] if self.config.measured else self.ranked
        return [candidate.subcomponent for candidate in among]


def shortlist(name: str, config: ShortlistConfig, table: pd.DataFrame) -> Shortlist:
    """Choose as ``config`` says from the rows of ``table`` (:func:`prefactor.selection.table.read_subcomponents`).

    By label, what the query matches is ranked by *margin*: mean importance on the target domain less the largest on a
    retained one, since a subcomponent that one retained domain needs damages it however little the others do.
    With ``rank: causal`` it is ranked by what the effects stage measured of inverting it. By contrast, all alive ones
    are ranked by mean importance on the target less the mean over the retained.

    Raises:
        PrefactorError: the query is wrong or nothing matches (the nearest candidates are shown), a name is unknown, or
            a domain was not harvested.
    """
    choose, where = config.choose, f"shortlists.{name}"
    query = query_of(choose, name)
    everything = candidates_of(where, config.domains, table, query)
    if isinstance(choose, ByName):
        return Shortlist(name, config, None, _named(choose, where, everything), ())
    alive = [candidate for candidate in everything if candidate.alive]
    near = missing_one(query, alive) if query is not None else []
    return Shortlist(name, config, query, tuple(_ranked(choose, query, config.domains, alive)), tuple(near))


def query_of(choose: Choose, name: str) -> Query | None:
    """The query of a shortlist that has one.

    Raises:
        PrefactorError: it cannot be parsed.
    """
    if not isinstance(choose, ByLabel):
        return None
    return parse_query(choose.query, f"shortlists.{name}.choose.query = {choose.query!r}")


def _ranked(
    choose: ByLabel | ByContrast | ByRandom, query: Query | None, domains: Domains, alive: list[Candidate]
) -> list[Candidate]:
    """All that qualify, best first; equals by module and index."""
    if isinstance(choose, ByContrast):
        return sorted(alive, key=lambda candidate: -candidate.contrast)
    if isinstance(choose, ByRandom):
        return random.Random(choose.seed).sample(alive, len(alive))
    assert query is not None
    matches = [candidate for candidate in alive if query.holds(candidate.row)]
    if not matches:
        nothing = "no label matches" if query.plain else "no subcomponent that is alive satisfies it"
        near = "; ".join(nearest(query, alive))
        raise PrefactorError(f"{query.where}: {nothing}; the nearest: {near}: change the query{_hint(query)}")
    if choose.rank != "causal":
        return sorted(matches, key=lambda candidate: -candidate.margin)
    if any(math.isnan(candidate.causal(domains)) for candidate in matches):
        raise PrefactorError(f"{query.where}, rank: causal: effects were not measured: run it (`dvc repro effects`)")
    return sorted(matches, key=lambda candidate: -candidate.causal(domains))


def _hint(query: Query) -> str:
    """For who wrote ``german and not french`` or ``tokn ~ x``: without a comparison these are words to look for."""
    joined = query.plain and {"and", "or", "not", *OPPOSITE} & set(query.text.lower().split())
    return ' (without a comparison all of it is words; write label ~ "…")' if joined else ""


def _named(choose: ByName, where: str, everything: list[Candidate]) -> tuple[Candidate, ...]:
    by_name = {candidate.subcomponent: candidate for candidate in everything}
    where = f"{where}.choose.subcomponents"
    for name in choose.subcomponents:
        if name not in by_name:
            raise PrefactorError(f"{where}: {name!r} is no subcomponent; the nearest: {nearest_names(name, by_name)}")
        if choose.subcomponents.count(name) > 1:
            raise PrefactorError(f"{where}: {name!r} is named twice: name it once")
    return tuple(by_name[name] for name in choose.subcomponents)
