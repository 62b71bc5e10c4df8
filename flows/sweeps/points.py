"""The edits of a sweep: every combination of its values, named, each held against all of ``params.yaml``."""

import copy
import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from prefactor.config.base import parse
from prefactor.config.explain import nearest
from prefactor.config.names import LONGEST
from prefactor.config.plain import short
from prefactor.config.sweep import SweepConfig, in_file
from prefactor.config_check.pipeline import PipelineConfig, check, check_text
from prefactor.errors import ParamsError
from prefactor.files.artifacts import read_entry
from stages.common import DATA

SEED = ("edit", "seed")  # where the draws of target tokens come from
CHANGEABLE = ("edit", "optimisers", "candidates", "selection", "evaluate")  # sections that no shared stage reads


@dataclass(frozen=True)
class Point:
    """One edit of a sweep."""

    name: str
    values: dict[str, Any]  # by key, what was swept
    shortlist: str
    params: dict[str, Any]  # all of params.yaml, with this edit in it


def points(sweep: SweepConfig, params: Mapping[str, Any], file: Path) -> list[Point]:
    """The edits of ``sweep``, in its order.

    Raises:
        ParamsError: one of them is wrong, or two have one name; ``file`` is where it was written.
    """
    before: PipelineConfig = parse(TypeAdapter(PipelineConfig), params, "")
    if sweep.base not in before.edits:
        raise ParamsError(f"{file}: base = {sweep.base}: no key of edits; {nearest(sweep.base, before.edits)}")
    tokens, found = read_entry(DATA / "corpus" / "metrics.json", "tokens"), {}
    common = copy.deepcopy(dict(params))
    for key, value in sweep.params.items():
        section, *rest = key.split(".")
        if section not in CHANGEABLE or not rest:
            known = ", ".join(f"{name}.*" for name in CHANGEABLE)
            raise ParamsError(f"{file}: params.{key}: a sweep changes keys of {known} alone; change params.yaml")
        _put(common, key.split("."), value, f"{file}: params.{key}")
    for values in _combinations(sweep):
        point = _point(sweep.base, values, before, common, file)
        if point.name in found:
            both = f"{short(found[point.name].values)} and {short(values)}"
            raise ParamsError(f"{file}: {both} are both called {point.name}; write one of their values otherwise")
        try:
            config: PipelineConfig = parse(TypeAdapter(PipelineConfig), point.params, "")
            check(config)
            check_text(config, tokens)
        except ParamsError as error:
            raise ParamsError(in_file(file, error)) from None
        # One that was kept is the same; another is not.
        if (
            point.name in params["baselines"]
            or before.edits.get(point.name, config.edits[point.name]) != (config.edits[point.name])
        ):
            raise ParamsError(f"{file}: {point.name}: params.yaml has another edit of this name; rename that one")
        found[point.name] = point
    return list(found.values())


def _combinations(sweep: SweepConfig) -> Iterator[dict[str, Any]]:
    axes: list[list[dict[str, Any]]] = [[{key: value} for value in values] for key, values in sweep.values.items()]
    if sweep.together:
        axes.insert(0, list(sweep.together))
    for parts in itertools.product(*axes):
        yield {key: value for part in parts for key, value in part.items()}


def _point(base: str, values: dict[str, Any], config: PipelineConfig, common: dict[str, Any], file: Path) -> Point:
    params = copy.deepcopy(common)
    edit = config.edits[base].model_dump(mode="json")
    if "shortlist" in values:
        edit["shortlist"] = values["shortlist"]
    listed = str(edit["shortlist"])
    if listed not in config.shortlists:
        near = nearest(listed, config.shortlists)
        raise ParamsError(f"{file}: values.shortlist = {short(listed)}: no key of shortlists; {near}")
    shortlist = config.shortlists[listed].model_dump(mode="json")
    for key, value in values.items():
        where = f"{file}: values.{key}"
        if key == "seed":
            _put(params, list(SEED), value, where)
        elif key == "domains.target":
            for entry in (edit, shortlist):
                entry["domains"] = _with_target(entry["domains"], value)
        elif key.startswith("choose"):
            _put(shortlist, key.split("."), value, where)
        else:
            _put(edit, key.split("."), value, where)
    name = edit["shortlist"] = _shortlist_name(listed, shortlist, config)
    if name not in params["shortlists"]:
        params["shortlists"][name] = shortlist
    point = _name(base, values)
    params["edits"][point] = edit
    return Point(point, values, name, params)


def _put(entry: dict[str, Any], path: list[str], value: Any, where: str) -> None:
    """Set the key ``path`` of ``entry``, which has it."""
    here: Any = entry
    for depth, key in enumerate(path):
        if not isinstance(here, dict) or key not in here:
            near = nearest(key, list(here)) if isinstance(here, dict) and here else "take it out"
            raise ParamsError(f"{where}: there is no {'.'.join(path[: depth + 1])} in what is swept; {near}")
        if depth == len(path) - 1:
            here[key] = value
        here = here[key]


def _with_target(domains: dict[str, Any], target: Any) -> dict[str, Any]:
    """``domains`` with ``target`` removed in place of what was; the two change places."""
    before = domains["target"]
    kept = {part: [before if each == target else each for each in domains[part]] for part in ("retain", "protect")}
    return domains | kept | {"target": target}


def _shortlist_name(before: str, shortlist: dict[str, Any], config: PipelineConfig) -> str:
    """A shortlist of ``params.yaml`` that is the same, the one ``before`` first; else a name by its content."""
    for name in (before, *config.shortlists):
        if config.shortlists[name].model_dump(mode="json") == shortlist:
            return name
    return f"{before[: LONGEST - 9]}-{_digest(shortlist)}"


def _name(base: str, values: Mapping[str, Any]) -> str:
    """``reach-ridge-0-003-seed-1``: the same edit has the same name, whatever else is swept."""
    last = [key.rpartition(".")[2] for key in values]
    words = [
        key.replace(".", "-") if last.count(key.rpartition(".")[2]) > 1 else key.rpartition(".")[2] for key in values
    ]
    name = "-".join(
        [base, *(f"{word.lower().replace('_', '-')}-{_slug(values[k])}" for word, k in zip(words, values, strict=True))]
    )
    return name if len(name) <= LONGEST else f"{base[: LONGEST - 9]}-{_digest(values)}"


def _slug(value: Any) -> str:
    """``value`` in a name: numbers and short words as they are, several one after the other, else a hash."""
    slug = "-".join(_word(leaf) for leaf in _leaves(value))
    return slug if re.fullmatch(r"[a-z0-9][a-z0-9-]{0,19}", slug) else _digest(value)


def _leaves(value: Any) -> Iterator[Any]:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else None
    if members is None:
        yield value
    for member in members or ():
        yield from _leaves(member)


def _word(value: Any) -> str:
    if isinstance(value, float):
        value = f"{value:.12g}"
        return value.replace("-", "minus", value.startswith("-")).replace("+", "").replace(".", "-")
    return value if isinstance(value, str) else json.dumps(value).replace("-", "minus")


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]
