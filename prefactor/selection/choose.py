"""From candidates to a choice: by label, contrast, chance, name or singular direction."""

import hashlib
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import pandas as pd

from prefactor.config.edits import ByContrast, ByLabel, ByName, ByRandom, BySingular, Choose, Domains, Nothing
from prefactor.config.selection import SelectionConfig
from prefactor.errors import PrefactorError
from prefactor.query.parse import parse_query
from prefactor.query.query import Query
from prefactor.query.tree import OPPOSITE
from prefactor.selection.candidates import Candidate, candidates_of, missing_one, nearest, nearest_names
from prefactor.selection.choice import Choice, Selection
from prefactor.selection.collateral import inverted_of, warning_of
from prefactor.selection.effect import Effect, Measure

T = TypeVar("T", str, Candidate)


def select(
    choose: Choose,
    edit: str,
    domains: Domains,
    table: pd.DataFrame,
    config: SelectionConfig,
    measure: Measure | None = None,
) -> Selection:
    """Choose as ``choose`` says from the rows of ``table`` (:func:`prefactor.selection.table.read_subcomponents`).

    By label, what the query matches is ranked by *margin*: mean importance on the target domain less the largest on a
    retained one, since a subcomponent that one retained domain needs damages it however little the others do.
    With ``rank: effect`` the first ``config.tried`` of these are ranked again by what ``measure`` finds, the damage
    to the retained domains where one prefactor brings the target to chance, since importance does not say how much
    of the target hangs on a subcomponent nor what else its directions meet; with ``rank: spill`` by the divergence on
    the worst of the untagged text that is unlike the target, which stands for neighbours that nobody named.
    With ``rank: causal`` it is ranked by what the effects stage measured of inverting it, without reading a model.
    By contrast, all alive ones are ranked by mean importance on the target less the mean over the retained.

    Raises:
        PrefactorError: the query is wrong or nothing matches (the nearest candidates are shown), fewer do than asked
            for, a name is unknown, or a domain was not harvested.
    """
    if isinstance(choose, Nothing):
        return Selection(edit, choose.by, (), ())
    query = query_of(choose, edit)
    everything = candidates_of(edit, domains, table, query)
    alive = [one for one in everything if one.alive]
    if isinstance(choose, ByName):
        return Selection(edit, choose.by, _named(choose, edit, domains, everything), ())
    ranked = _ranked(choose, query, domains, alive)
    if isinstance(choose, BySingular):
        return Selection(edit, choose.by, *_singular(choose, domains, ranked, config, measure))
    if len(ranked) < choose.top:
        remedy = "lower it or widen the query" if isinstance(choose, ByLabel) else "lower it"
        raise PrefactorError(f"edits.{edit}.choose.top = {choose.top}: only {len(ranked)} qualify: {remedy}")
    shown = choose.top + config.runners_up
    if isinstance(choose, ByLabel) and choose.rank in ("effect", "spill"):
        choices = _by_effect(choose, query, domains, ranked, max(config.tried, choose.top), measure)[:shown]
    else:
        choices = [
            _choice(one, choose, domains, f"{_way(choose, query)}, {place} of {len(ranked)}", query)
            for place, one in enumerate(ranked[:shown], start=1)
        ]
    chosen, candidates = tuple(choices[: choose.top]), tuple(choices[choose.top :])
    if query is None:
        return Selection(edit, choose.by, chosen, candidates)
    near = tuple(_near_miss(one, choose, domains, query) for one in missing_one(query, alive)[: config.runners_up])
    return Selection(edit, choose.by, chosen, candidates, near, matched_of(one.subcomponent for one in ranked))


def query_of(choose: Choose, edit: str) -> Query | None:
    """The query of a choice that has one.

    Raises:
        PrefactorError: it cannot be parsed.
    """
    if not isinstance(choose, ByLabel | BySingular):
        return None
    return parse_query(choose.query, f"edits.{edit}.choose.query = {choose.query!r}")


def matched_of(names: Iterable[str]) -> str:
    """A short stand-in for a set of subcomponents: equal where the sets are."""
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:12]


def _ranked(
    choose: ByLabel | BySingular | ByContrast | ByRandom, query: Query | None, domains: Domains, alive: list[Candidate]
) -> list[Candidate]:
    """All that qualify, best first; equals by module and index."""
    if isinstance(choose, ByContrast):
        return sorted(alive, key=lambda one: -one.contrast)
    if isinstance(choose, ByRandom):
        return random.Random(choose.seed).sample(alive, len(alive))
    assert query is not None
    matches = [one for one in alive if query.holds(one.row)]
    if not matches:
        nothing = "no label matches" if query.plain else "no subcomponent that is alive satisfies it"
        near = "; ".join(nearest(query, alive))
        raise PrefactorError(f"{query.where}: {nothing}; the nearest: {near}: change the query{_hint(query)}")
    if choose.rank != "causal":
        return sorted(matches, key=lambda one: -one.margin)
    if any(math.isnan(one.causal(domains)) for one in matches):
        raise PrefactorError(f"{query.where}, rank: causal: effects were not measured: run it (`dvc repro effects`)")
    return sorted(matches, key=lambda one: -one.causal(domains))


def _hint(query: Query) -> str:
    """For who wrote ``german and not french`` or ``tokn ~ x``: without a comparison these are words to look for."""
    joined = query.plain and {"and", "or", "not", *OPPOSITE} & set(query.text.lower().split())
    return ' (without a comparison all of it is words; write label ~ "…")' if joined else ""


def _by_effect(
    choose: ByLabel, query: Query | None, domains: Domains, ranked: Sequence[Candidate], tried: int,
    measure: Measure | None,
) -> list[Choice]:  # fmt: skip
    """The first ``tried`` matches, least damage (or spill) first, and after them those that never reach chance."""
    matches = ranked[:tried]
    choices = []
    for place, (one, effect) in enumerate(_measured(matches, choose.rank, measure), start=1):
        why = f"{_way(choose, query)} ({len(ranked)}), {place} of {len(matches)} tried: {_found(effect, domains)}"
        choices.append(replace(_choice(one, choose, domains, why, query), score=_score(effect, choose.rank)))
    return choices


def _singular(
    choose: BySingular, domains: Domains, ranked: Sequence[Candidate], config: SelectionConfig, measure: Measure | None
) -> tuple[tuple[Choice, ...], tuple[Choice, ...]]:
    """The chosen singular directions and the runners-up, of the matrix in which the query's own choice lies."""
    module = _measured(ranked[: config.tried], choose.rank, measure)[0][0].module
    count = min(max(config.tried, choose.top), measure.directions(module) if measure else 0)
    names = [f"{module}:sv{i}" for i in range(count)]
    choices = []
    for place, (name, effect) in enumerate(_measured(names, "effect", measure), start=1):
        reason = f"singular direction, {place} of {count} tried: {_found(effect, domains)}."
        choices.append(Choice(name, "singular direction", _score(effect, "effect"), reason))
    return tuple(choices[: choose.top]), tuple(choices[choose.top : choose.top + config.runners_up])


def _measured(candidates: Sequence[T], rank: str, measure: Measure | None) -> list[tuple[T, Effect]]:
    """Candidates with their effects, best first; those that never reach chance by how near they come."""
    if measure is None:
        raise ValueError(f"rank: {rank} needs a way to measure effects")
    names = [one if isinstance(one, str) else one.subcomponent for one in candidates]
    pairs = zip(candidates, measure.effects(names), strict=True)
    return sorted(pairs, key=lambda pair: (pair[1].short, pair[1].price(rank)))


def _found(effect: Effect, domains: Domains) -> str:
    if effect.damage is None:
        return f"at best {effect.short:.2f} nats short of chance at prefactor {effect.prefactor:.3g}"
    spill = "" if effect.spill is None else f" (worst of other text {effect.spill:.3f})"
    price = f"{effect.damage:+.3f} nats on {', '.join(domains.retain)}{spill}"
    return f"{domains.target} at chance for {price} at prefactor {effect.prefactor:.3g}"


def _score(effect: Effect, rank: str) -> float | None:
    return None if effect.damage is None else round(-effect.price(rank), 6)


def _named(choose: ByName, edit: str, domains: Domains, everything: list[Candidate]) -> tuple[Choice, ...]:
    by_name = {one.subcomponent: one for one in everything}
    where = f"edits.{edit}.choose.subcomponents"
    for name in choose.subcomponents:
        if name not in by_name:
            raise PrefactorError(f"{where}: {name!r} is no subcomponent; the nearest: {nearest_names(name, by_name)}")
        if choose.subcomponents.count(name) > 1:
            raise PrefactorError(f"{where}: {name!r} is named twice: name it once")
    named = [by_name[name] for name in choose.subcomponents]
    return tuple(_choice(one, choose, domains, "named" if one.alive else "named though dead") for one in named)


def _near_miss(one: Candidate, choose: Choose, domains: Domains, query: Query) -> Choice:
    (miss,) = query.misses(one.row)
    return _choice(one, choose, domains, f"near miss, fails only {miss.shown(one.row)}", query)


def _way(choose: ByLabel | ByContrast | ByRandom, query: Query | None) -> str:
    match choose:
        case ByLabel():
            return f"label matches {choose.query!r}" if query is None or query.plain else "query matches"
        case ByContrast():
            return "importance contrast"
        case ByRandom():
            return f"drawn at random with seed {choose.seed}"


def _choice(one: Candidate, choose: Choose, domains: Domains, why: str, query: Query | None = None) -> Choice:
    """``one`` with a sentence that says why, gives the importance that counted, and what the query compared."""
    score = one.margin if isinstance(choose, ByLabel) else one.contrast if isinstance(choose, ByContrast) else None
    if isinstance(choose, ByLabel) and choose.rank == "causal":
        score = one.causal(domains)
        why += f", inverting it costs {domains.target} {score:+.2f} nats more than what is retained"
    against = ""
    if domains.retain:
        pairs = zip(domains.retain, one.retained, strict=True)
        against = " against " + ", ".join(f"{value:.3f} on {domain}" for domain, value in pairs)
    compared = f"; {query.explain(one.row)}" if query is not None and not query.plain else ""
    inverted, named = inverted_of(one.row), one.row.get("domains")
    return Choice(
        subcomponent=one.subcomponent,
        label=one.label,
        score=None if score is None else round(score, 6),
        reason=f"{why}: mean importance {one.target:.3f} on {domains.target}{against}{compared}.",
        collateral=None if inverted is None else dict(inverted.damage),
        warning=warning_of(None if named is None else list(named), inverted),
    )
