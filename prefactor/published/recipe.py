"""``reproduce.json``: all that it takes to make a published edit again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from prefactor.config.base import Config
from prefactor.config.edits import AnyEdit, BaselineConfig, EditConfig
from prefactor.config.names import EntryName
from prefactor.config.params import PARAMS, read_params, section
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import identities, read_json, sha256

RECIPE = "reproduce.json"
ADAPTER = "adapter_model.safetensors"
# What the stages that fit edits and baselines read; the checkpoint is told by its weights.
INPUTS = ("data/corpus/fit", "data/corpus/select", "data/corpus/tokenizer", "data/text/used")
BARS = "data/target/bars.json"
READS = {
    "edit": (*INPUTS, "data/decompose/components", "data/importance/net"),
    "baseline": (*INPUTS, "data/locate/modules", "data/locate/best"),
}
MAPPING: Mapping[str, Literal["edits", "baselines"]] = {"edit": "edits", "baseline": "baselines"}  # of params.yaml
SHARED = ("edit", "optimisers")  # sections that decide every edit


class Source(Config):
    """Where the decomposition was published."""

    source: str
    revision: str | None
    sha256: str


class Machine(Config):
    device: str
    threads: int
    libraries: dict[str, str]


class Recipe(Config):
    edit: EntryName
    stage: Literal["edit", "baseline"]
    params: dict[str, Any]  # sections; of edits or baselines this one alone
    chosen: tuple[str, ...]  # subcomponents; none of a baseline
    inputs: dict[str, str]  # by artifact, the hash of its files; and of the bars
    decomposition: Source | None
    machine: Machine  # that it was published on


def read_recipe(folder: Path) -> Recipe:
    """The recipe of the published edit in ``folder``.

    Raises:
        PrefactorError: it is none.
    """
    try:
        recipe: Recipe = TypeAdapter(Recipe).validate_json(json.dumps(read_json(folder / RECIPE)), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise PrefactorError(
            f"{folder / RECIPE}: {'.'.join(map(str, first['loc']))}: {first['msg']}: have it published again"
        ) from None
    if strange := sorted(set(recipe.params) - {MAPPING[recipe.stage], *SHARED}):
        raise PrefactorError(
            f"{folder / RECIPE}: params: it sets {strange[0]}, which its decomposition was made by: "
            "have it published again"
        )
    return recipe


def edit_of(root: Path, name: str) -> tuple[Literal["edit", "baseline"], AnyEdit]:
    """The stage that makes an edit of params, and the edit.

    Raises:
        PrefactorError: params have no edit of this name.
    """
    params = read_params(root / PARAMS)
    if name in (params.get("edits") or {}):
        return "edit", section(f"edits.{name}", EditConfig, root / PARAMS)
    if name in (params.get("baselines") or {}):
        return "baseline", section(f"baselines.{name}", BaselineConfig, root / PARAMS)
    known = [*(params.get("edits") or {}), *(params.get("baselines") or {})]
    raise PrefactorError(f"{root / PARAMS} has no edit {name!r}: name one of {', '.join(known)}")


def params_of(root: Path, name: str, stage: str) -> dict[str, Any]:
    """The sections that decide an edit, beside those that made the decomposition."""
    params = read_params(root / PARAMS)
    own = MAPPING[stage]
    return {own: {name: params[own][name]}} | {section: params[section] for section in SHARED}


def inputs_of(root: Path, stage: str) -> dict[str, str]:
    """By artifact that ``stage`` reads, the hash of its files, and that of the bars; the checkpoint is not there."""
    paths = {name: root / name for name in READS[stage]}
    found = identities(*paths.values())
    return {name: found[path] for name, path in paths.items()} | {BARS: sha256(root / BARS)}
