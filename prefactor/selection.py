"""Which subcomponents an edit acts on, and why.

Evidence about protected domains is never used here: they are what the edit must spare without having
looked at them. (A label may still say that a subcomponent is about German alone; that is what labels are for.)
"""

import difflib
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

import pandas as pd

from prefactor.artifacts import read_json, verify, write_json
from prefactor.config.edits import ByContrast, ByLabel, ByName, ByRandom, BySingular, Choose, Domains, Nothing
from prefactor.config.selection import SelectionConfig
from prefactor.errors import PrefactorError

FILE = "selection.json"
NEAREST = 5  # candidates shown where nothing matches


@dataclass(frozen=True)
class Choice:
    subcomponent: str  # module:index
    label: str
    score: float | None  # what it was ranked by (an effect: less its damage); None where nothing was ranked
    reason: str


@dataclass(frozen=True)
class Selection:
    """The subcomponents of one edit, best first, and the runners-up."""

    edit: str
    by: str
    chosen: tuple[Choice, ...]
    candidates: tuple[Choice, ...]

    @property
    def subcomponents(self) -> tuple[str, ...]:
        return tuple(choice.subcomponent for choice in self.chosen)


@dataclass(frozen=True)
class Effect:
    """What one prefactor of one subcomponent does to held-out text; nats a token."""

    prefactor: float  # the one that brings the target domain to chance, or nearest to it
    short: float  # of chance; 0 where it is reached
    damage: float | None  # mean over the retained domains at that prefactor; None where chance is not reached
    spill: float | None = None  # KL on the worst of the untagged text that is unlike the target; None if unknown

    def price(self, rank: str) -> float:
        """What it is ranked by: the spill, or the damage."""
        return (self.spill if rank == "spill" else self.damage) or 0.0


class Measure(Protocol):
    """What only a model can say of candidates."""

    def effects(self, names: Sequence[str]) -> Sequence[Effect]:
        """The effect of each of ``module:index``."""
        ...

    def directions(self, module: str) -> int:
        """How many singular directions a matrix has."""
        ...


@dataclass(frozen=True)
class _Candidate:
    """A subcomponent with its mean importance on the target domain and on each retained one."""

    subcomponent: str
    module: str
    index: int
    alive: bool
    label: str
    target: float
    retained: tuple[float, ...]

    @property
    def margin(self) -> float:
        return self.target - max(self.retained, default=0.0)

    @property
    def contrast(self) -> float:
        return self.target - sum(self.retained) / max(1, len(self.retained))


T = TypeVar("T", str, _Candidate)


def select(
    choose: Choose,
    edit: str,
    domains: Domains,
    subcomponents: pd.DataFrame,
    labels: pd.DataFrame,
    config: SelectionConfig,
    measure: Measure | None = None,
) -> Selection:
    """Choose as ``choose`` says from the rows of the harvest and label tables.

    By label, the matches are ranked by *margin*: mean importance on the target domain less the largest on a
    retained one, since a subcomponent that one retained domain needs damages it however little the others do.
    With ``rank: effect`` the first ``config.tried`` of these are ranked again by what ``measure`` finds, the damage
    to the retained domains where one prefactor brings the target to chance, since importance does not say how much
    of the target hangs on a subcomponent nor what else its directions meet; with ``rank: spill`` by the divergence on
    the worst of the untagged text that is unlike the target, which stands for neighbours that nobody named.
    By contrast, all alive ones are ranked by mean importance on the target less the mean over the retained.

    Raises:
        PrefactorError: nothing matches (the nearest candidates are shown), fewer do than asked for, a name is
            unknown, a domain was not harvested, or the two tables are not about the same subcomponents.
    """
    if isinstance(choose, Nothing):
        return Selection(edit, choose.by, (), ())
    everything = _candidates(edit, domains, subcomponents, labels)
    if isinstance(choose, ByName):
        return Selection(edit, choose.by, _named(choose, edit, domains, everything), ())
    if isinstance(choose, BySingular):
        return Selection(edit, choose.by, *_singular(choose, edit, domains, everything, config, measure))
    ranked = _ranked(choose, edit, [one for one in everything if one.alive])
    if len(ranked) < choose.top:
        remedy = "lower it or widen the query" if isinstance(choose, ByLabel) else "lower it"
        raise PrefactorError(f"edits.{edit}.choose.top = {choose.top}: only {len(ranked)} qualify: {remedy}")
    shown = choose.top + config.runners_up
    if isinstance(choose, ByLabel) and choose.rank != "importance":
        choices = _by_effect(choose, domains, ranked, max(config.tried, choose.top), measure)[:shown]
    else:
        choices = [
            _choice(one, choose, domains, f"{_way(choose)}, {place} of {len(ranked)}")
            for place, one in enumerate(ranked[:shown], start=1)
        ]
    return Selection(edit, choose.by, tuple(choices[: choose.top]), tuple(choices[choose.top :]))


def matches_query(query: str, label: str) -> bool:
    """Whether every word of ``query`` is a word of ``label``, and none that it has with a leading ``-``."""
    words = _words(label)
    wanted, unwanted = _parse(query)
    return all(word in words for word in wanted) and not any(word in words for word in unwanted)


def write_selection(folder: Path, selection: Selection) -> None:
    """Write ``selection.json`` (docs/contracts.md); its manifest is the caller's."""
    value = {
        "edit": selection.edit,
        "by": selection.by,
        "subcomponents": [asdict(choice) for choice in selection.chosen],
        "candidates": [asdict(choice) for choice in selection.candidates],
    }
    write_json(folder / FILE, value)


def read_selection(folder: Path) -> Selection:
    """The selection that the stage left in ``folder``.

    Raises:
        PrefactorError: it is missing or damaged.
    """
    verify(folder, only=[FILE])
    value = read_json(folder / FILE)
    chosen, candidates = (tuple(Choice(**one) for one in value[part]) for part in ("subcomponents", "candidates"))
    return Selection(value["edit"], value["by"], chosen, candidates)


def _candidates(edit: str, domains: Domains, subcomponents: pd.DataFrame, labels: pd.DataFrame) -> list[_Candidate]:
    """Every subcomponent, by module and index."""
    columns = [column for column in subcomponents if str(column).startswith("importance_")]
    for key, domain in [("target", domains.target), *(("retain", domain) for domain in domains.retain)]:
        if f"importance_{domain}" not in columns:
            known = ", ".join(str(column).removeprefix("importance_") for column in columns)
            raise PrefactorError(f"edits.{edit}.domains.{key}: {domain!r} was not harvested: use some of {known}")
    label_of = dict(zip(labels["subcomponent"], labels["label"], strict=True))
    if len(label_of) != len(labels) or set(label_of) != set(subcomponents["subcomponent"]):
        raise PrefactorError("data/label: its labels are not of the harvest's subcomponents: rerun it (`dvc repro`)")
    found = [
        _Candidate(
            subcomponent=row["subcomponent"],
            module=row["module"],
            index=int(row["index"]),
            alive=bool(row["alive"]),
            label=label_of[row["subcomponent"]],
            target=float(row[f"importance_{domains.target}"]),
            retained=tuple(float(row[f"importance_{domain}"]) for domain in domains.retain),
        )
        for row in subcomponents.to_dict("records")
    ]
    return sorted(found, key=lambda one: (one.module, one.index))


def _ranked(choose: ByLabel | ByContrast | ByRandom, edit: str, alive: list[_Candidate]) -> list[_Candidate]:
    """All that qualify, best first; equals by module and index."""
    if isinstance(choose, ByContrast):
        return sorted(alive, key=lambda one: -one.contrast)
    if isinstance(choose, ByRandom):
        return random.Random(choose.seed).sample(alive, len(alive))
    if not _parse(choose.query)[0]:
        raise PrefactorError(f"edits.{edit}.choose.query = {choose.query!r}: it has no word to look for: add one")
    matches = [one for one in alive if matches_query(choose.query, one.label)]
    if not matches:
        near = "; ".join(
            f"{one.subcomponent} {one.label!r} (margin {one.margin:.2f})" for one in _nearest(choose.query, alive)
        )
        raise PrefactorError(
            f"edits.{edit}.choose.query = {choose.query!r}: no label matches; the nearest: {near}: change the query"
        )
    return sorted(matches, key=lambda one: -one.margin)


def _by_effect(
    choose: ByLabel, domains: Domains, ranked: Sequence[_Candidate], tried: int, measure: Measure | None
) -> list[Choice]:
    """The first ``tried`` matches, least damage (or spill) first, and after them those that never reach chance."""
    matches = ranked[:tried]
    choices = []
    for place, (one, effect) in enumerate(_measured(matches, choose.rank, measure), start=1):
        why = f"{_way(choose)} ({len(ranked)}), {place} of {len(matches)} tried: {_found(effect, domains)}"
        choices.append(replace(_choice(one, choose, domains, why), score=_score(effect, choose.rank)))
    return choices


def _singular(
    choose: BySingular, edit: str, domains: Domains, everything: list[_Candidate], config: SelectionConfig,
    measure: Measure | None,
) -> tuple[tuple[Choice, ...], tuple[Choice, ...]]:  # fmt: skip
    """The chosen singular directions and the runners-up, of the matrix in which the query's own choice lies."""
    by_label = ByLabel(by="label", query=choose.query, rank=choose.rank)
    ranked = _ranked(by_label, edit, [one for one in everything if one.alive])
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


def _nearest(query: str, alive: list[_Candidate]) -> list[_Candidate]:
    """The candidates whose labels resemble the query most; of equally like ones the largest margin."""
    wanted, unwanted = _parse(query)

    def likeness(label: str) -> float:
        words = _words(label)
        like = [max(difflib.SequenceMatcher(None, want, word).ratio() for word in words) for want in wanted]
        return round(sum(like) / len(wanted), 6) - sum(word in words for word in unwanted)

    like = {label: likeness(label) for label in {one.label for one in alive}}
    return sorted(alive, key=lambda one: (-like[one.label], -one.margin))[:NEAREST]


def _named(choose: ByName, edit: str, domains: Domains, everything: list[_Candidate]) -> tuple[Choice, ...]:
    by_name = {one.subcomponent: one for one in everything}
    where = f"edits.{edit}.choose.subcomponents"
    for name in choose.subcomponents:
        if name not in by_name:
            near = ", ".join(difflib.get_close_matches(name, by_name, n=NEAREST, cutoff=0.0))
            raise PrefactorError(f"{where}: {name!r} is no subcomponent; the nearest: {near}")
        if choose.subcomponents.count(name) > 1:
            raise PrefactorError(f"{where}: {name!r} is named twice: name it once")
    named = [by_name[name] for name in choose.subcomponents]
    return tuple(_choice(one, choose, domains, "named" if one.alive else "named though dead") for one in named)


def _way(choose: ByLabel | ByContrast | ByRandom) -> str:
    match choose:
        case ByLabel():
            return f"label matches {choose.query!r}"
        case ByContrast():
            return "importance contrast"
        case ByRandom():
            return f"drawn at random with seed {choose.seed}"


def _choice(one: _Candidate, choose: Choose, domains: Domains, why: str) -> Choice:
    """``one`` with a sentence that says why and gives the importance that counted."""
    score = one.margin if isinstance(choose, ByLabel) else one.contrast if isinstance(choose, ByContrast) else None
    against = ""
    if domains.retain:
        pairs = zip(domains.retain, one.retained, strict=True)
        against = " against " + ", ".join(f"{value:.3f} on {domain}" for domain, value in pairs)
    reason = f"{why}: mean importance {one.target:.3f} on {domains.target}{against}."
    return Choice(one.subcomponent, one.label, None if score is None else round(score, 6), reason)


def _parse(query: str) -> tuple[list[str], list[str]]:
    """The wanted and the unwanted words of a query."""
    excluded = [part.startswith("-") and len(part) > 1 for part in query.split()]
    wanted = " ".join(part for part, out in zip(query.split(), excluded, strict=True) if not out)
    unwanted = " ".join(part[1:] for part, out in zip(query.split(), excluded, strict=True) if out)
    return _words(wanted), _words(unwanted)


def _words(text: str) -> list[str]:
    """Words in lower case without the punctuation around them; a word of nothing else stays."""
    return [word.strip("\"'():;,.") or word for word in text.casefold().split()]
