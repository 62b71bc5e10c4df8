"""From a shortlist and what was measured of it to a choice: the first ones, and why these."""

import math
from collections.abc import Mapping
from dataclasses import replace

from prefactor.config.domains import Domains
from prefactor.config.shortlists import ByContrast, ByLabel, ByName, ByRandom, Choose
from prefactor.errors import PrefactorError
from prefactor.query.query import Query
from prefactor.selection.candidates import Candidate
from prefactor.selection.choice import Choice, Selection
from prefactor.selection.collateral import inverted_of, warning_of
from prefactor.selection.effect import Candidates, Effect, measured, order
from prefactor.selection.shortlist import Shortlist

_EVERYWHERE = "nearly all text needs it as the target's does"


def select(
    edit: str, shortlist: Shortlist, candidates: Candidates, tried: int, runners_up: int, top: int, most: int = 0
) -> Selection:
    """The first ``top`` of ``shortlist``, ranked by what was measured of them where it is to be, and the runners-up.

    With ``most`` as many more as there are up to that, of which the edit itself is to keep ``top``.

    Importance does not say how much of the target hangs on a subcomponent, nor what else its directions meet. So with
    ``rank: effect`` the first ``tried`` are ranked by the damage to the retained domains where one prefactor brings the
    target to chance; with ``rank: spill`` by the divergence on the worst of the untagged text that is unlike the
    target, which stands for neighbours that nobody named.

    Raises:
        PrefactorError: fewer qualify than asked for, or they were not measured.
    """
    config, total = shortlist.config, len(shortlist.ranked)
    choose, domains, query = config.choose, config.domains, shortlist.query
    if total < top:
        remedy = "lower it or widen the query" if query is not None else "lower it"
        raise PrefactorError(f"edits.{edit}.top = {top}: only {total} qualify: {remedy}")
    unmeasured: list[Choice] = []
    if isinstance(choose, ByLabel) and config.measured:
        choices = _by_effect(shortlist, choose, candidates, tried)
        unmeasured = [
            replace(_choice(candidate, choose, domains, f"left out: {reason}", query), score=None)
            for candidate in shortlist.ranked[:tried]
            if (reason := candidates.left_out.get(candidate.subcomponent))
        ]
        if len(choices) < top:
            raise PrefactorError(
                f"edits.{edit}.top = {top}: only {len(choices)} can be measured ({unmeasured[0].reason}): lower it"
            )
    elif isinstance(choose, ByName):
        choices = [
            _choice(candidate, choose, domains, "named" if candidate.alive else "named though dead")
            for candidate in shortlist.ranked
        ]
    else:
        way = _way(choose, query)
        choices = [
            _choice(candidate, choose, domains, f"{way}, {place} of {total}", query)
            for place, candidate in enumerate(shortlist.ranked[: max(top, most) + runners_up], start=1)
        ]
    near = tuple(_near_miss(candidate, choose, domains, query) for candidate in shortlist.near_misses[:runners_up])
    taken = max(top, most)
    runners = (*choices[taken : taken + runners_up], *unmeasured)
    return Selection(edit, choose.by, tuple(choices[:taken]), runners, near)


def select_singular(edit: str, shortlist: Shortlist, candidates: Candidates, runners_up: int, top: int) -> Selection:
    """The control: of the singular directions that were measured the ``top`` best by effect, and the runners-up.

    Raises:
        PrefactorError: fewer were measured than asked for.
    """
    count = len(candidates.singular)
    if count < top:
        raise PrefactorError(f"edits.{edit}.top = {top}: only {count} singular directions were measured: lower it")
    choices = []
    for place, (name, effect) in enumerate(order(list(candidates.singular.items()), "effect"), start=1):
        reason = f"singular direction, {place} of {count} tried: {_found(effect, shortlist.config.domains, 'effect')}."
        choices.append(Choice(name, "singular direction", _score(effect, "effect"), reason))
    return Selection(edit, "singular", tuple(choices[:top]), tuple(choices[top : top + runners_up]))


def _by_effect(shortlist: Shortlist, choose: ByLabel, candidates: Candidates, tried: int) -> list[Choice]:
    """The first ``tried`` matches, least damage (or spill) first, and after them those that never reach chance."""
    domains, query = shortlist.config.domains, shortlist.query
    names = shortlist.names(tried)
    by_name: Mapping[str, Candidate] = {candidate.subcomponent: candidate for candidate in shortlist.ranked}
    pairs = measured(candidates, names, f"data/candidates/{shortlist.name}")
    choices = []
    for place, (name, effect) in enumerate(order(pairs, choose.rank), start=1):
        counted = f"({len(shortlist.ranked)}), {place} of {len(names)} tried"
        why = f"{_way(choose, query)} {counted}: {_found(effect, domains, choose.rank)}"
        choice = _choice(by_name[name], choose, domains, why, query)
        warning = choice.warning
        if choose.rank == "spill" and _unknown_spill(effect):
            unknown = f"what it does to other text is unknown, since {_EVERYWHERE}"
            warning = f"{warning}; {unknown}" if warning else unknown
        choices.append(replace(choice, score=_score(effect, choose.rank), warning=warning))
    return choices


def _unknown_spill(effect: Effect) -> bool:
    return effect.damage is not None and effect.spill is None


def _spilled(effect: Effect, rank: str) -> str:
    if effect.spill is not None:
        return f"worst of other text {effect.spill:.3f}"
    return f"worst of other text unknown, since {_EVERYWHERE}" if rank == "spill" else ""


def _found(effect: Effect, domains: Domains, rank: str) -> str:
    if effect.damage is None:
        return f"at best {effect.short:.2f} nats short of chance at prefactor {effect.prefactor:.3g}"
    spill = f" ({worst})" if (worst := _spilled(effect, rank)) else ""
    price = f"{effect.damage:+.3f} nats on {', '.join(domains.retain)}{spill}"
    return f"{domains.target} at chance for {price} at prefactor {effect.prefactor:.3g}"


def _score(effect: Effect, rank: str) -> float | None:
    return round(-effect.price(rank), 6) if math.isfinite(effect.price(rank)) else None


def _near_miss(candidate: Candidate, choose: Choose, domains: Domains, query: Query | None) -> Choice:
    assert query is not None  # only a query is missed
    (miss,) = query.misses(candidate.row)
    return _choice(candidate, choose, domains, f"near miss, fails only {miss.shown(candidate.row)}", query)


def _way(choose: ByLabel | ByContrast | ByRandom, query: Query | None) -> str:
    match choose:
        case ByLabel():
            return f"label matches {choose.query!r}" if query is None or query.plain else "query matches"
        case ByContrast():
            return "importance contrast"
        case ByRandom():
            return f"drawn at random with seed {choose.seed}"


def _choice(candidate: Candidate, choose: Choose, domains: Domains, why: str, query: Query | None = None) -> Choice:
    """``candidate`` with a sentence that says why, gives the importance that counted, and what the query compared."""
    by_margin, by_contrast = isinstance(choose, ByLabel), isinstance(choose, ByContrast)
    score = candidate.margin if by_margin else candidate.contrast if by_contrast else None
    if isinstance(choose, ByLabel) and choose.rank == "causal":
        score = candidate.causal(domains)
        why += f", inverting it costs {domains.target} {score:+.2f} nats more than what is retained"
    against = ""
    if domains.retain:
        pairs = zip(domains.retain, candidate.retained, strict=True)
        against = " against " + ", ".join(f"{value:.3f} on {domain}" for domain, value in pairs)
    compared = f"; {query.explain(candidate.row)}" if query is not None and not query.plain else ""
    inverted, named = inverted_of(candidate.row), candidate.row.get("domains")
    return Choice(
        subcomponent=candidate.subcomponent,
        label=candidate.label,
        score=None if score is None else round(score, 6),
        reason=f"{why}: mean importance {candidate.target:.3f} on {domains.target}{against}{compared}.",
        collateral=None if inverted is None else dict(inverted.damage),
        warning=warning_of(None if named is None else list(named), inverted),
    )
