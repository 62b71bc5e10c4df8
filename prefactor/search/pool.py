"""Which subcomponents a search draws from: by turns the first of every order that the decomposition knows."""

from collections.abc import Iterator
from itertools import zip_longest

import numpy as np
import pandas as pd

from prefactor.config.domains import Domains
from prefactor.config.params import section
from prefactor.config.shortlists import ByLabel, ShortlistConfig
from prefactor.errors import PrefactorError
from prefactor.query.parse import parse_query
from prefactor.query.words import matches_query
from prefactor.selection.candidates import candidates_of, nearest
from prefactor.selection.collateral import INVERTED
from prefactor.selection.effect import order, read_candidates
from prefactor.workspace import Workspace

SIZE = 24  # as many as the candidates stage tries


def pool_of(work: Workspace, domains: Domains, query: str | None = None) -> list[str]:
    """At most ``SIZE`` names (``module:index``), those that most orders put first in front.

    The orders: what the candidates stage measured of this target; what inverting each costs the target beyond every
    other domain, where the effects stage was run; labels of the target alone; and mean importance on the target beyond
    every other domain. With ``query`` only what it matches.

    Raises:
        PrefactorError: nothing is needed by the target's text, or the query is wrong or matches nothing.
    """
    rows = work.table[work.table["alive"]]
    if query is not None:
        rows = _matching(rows, query, domains)
    needed = rows[rows[f"importance_{domains.target}"] > 0]
    if needed.empty:
        raise PrefactorError(
            f"no subcomponent that is alive is needed by {domains.target}: harvest more text (harvest.tokens)"
        )
    matching = needed[[matches_query(work.query(domains.target), label) for label in needed["label"]]]
    orders = [_candidates(work, domains, set(needed["subcomponent"]))]
    if f"{INVERTED}{domains.target}" in needed.columns:
        orders.append(_by(needed, INVERTED, domains))
    orders += [_by(some, "importance_", domains) for some in (matching, needed)]
    return list(_by_turns(orders))[:SIZE]


def _matching(rows: pd.DataFrame, query: str, domains: Domains) -> pd.DataFrame:
    parsed = parse_query(query)
    matching = rows[parsed.matches(rows)]
    if matching.empty:
        near = "; ".join(nearest(parsed, candidates_of("query", domains, rows, parsed)))
        raise PrefactorError(f"query = {query!r} matches no subcomponent that is alive; the nearest: {near}: change it")
    return matching


def _candidates(work: Workspace, domains: Domains, among: set[str]) -> list[str]:
    """What the candidates stage measured of the same target and retained domains, best first."""
    for name, config in section("shortlists", dict[str, ShortlistConfig], work.params).items():
        folder, choose = work.data / "candidates" / name, config.choose
        same = (config.domains.target, config.domains.retain) == (domains.target, domains.retain)
        if same and config.guard is not None and isinstance(choose, ByLabel) and folder.is_dir():
            effects = read_candidates(folder).subcomponents
            known = [(name, effect) for name, effect in effects.items() if effect is not None and name in among]
            return [name for name, _ in order(known, choose.rank)]
    return []


def _by(rows: pd.DataFrame, figure: str, domains: Domains) -> list[str]:
    """By ``figure`` of the target less the largest of any other domain."""
    others = [f"{figure}{domain}" for domain in (*domains.retain, *domains.protect)]
    against = rows[others].max(axis=1) if others else 0.0
    margin = np.asarray(rows[f"{figure}{domains.target}"] - against)
    return list(rows["subcomponent"].iloc[np.argsort(-margin, kind="stable")])


def _by_turns(orders: list[list[str]]) -> Iterator[str]:
    seen: set[str] = set()
    for turn in zip_longest(*orders):
        for name in turn:
            if name is not None and name not in seen:
                seen.add(name)
                yield name
