"""A project's decomposition, copied into a folder that others can use."""

import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from prefactor.config.params import PARAMS, read_params, section
from prefactor.config.target import LoadTarget, TargetConfig
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import MANIFEST, atomic, read_json, verify, write_json
from prefactor.files.new_folder import check_new, new_folder
from prefactor.published.base import weights_sha256
from prefactor.published.card import decomposition_card
from prefactor.published.index import Base, Index, check_folder, new_index, read_index, write_index
from prefactor.published.layout import (
    ARTIFACTS,
    CARD,
    CHECKPOINT,
    FILES,
    HOLD_TEXT,
    LAYOUT,
    NEEDED,
    NEEDED_FILES,
    SECTIONS,
    STAGES,
)
from prefactor.published.provenance import code_of
from prefactor.published.recorded import check_recorded
from prefactor.vpd.store import components_sha256


@dataclass(frozen=True)
class Wanted:
    """What its publisher says of it."""

    name: str
    version: str = "1"
    licence: str = "unknown"  # an identifier of the Hub (mit, apache-2.0, other), for the card
    where: str = "."  # how readers will name it
    target: bool | None = None  # whether the checkpoint goes along; None: if the project trained it
    text: bool = True


def publish(root: Path, into: Path, wanted: Wanted) -> Index:
    """Write the decomposition of the project ``root``, its labels, card and hashes into a new folder.

    Raises:
        PrefactorError: something of it is missing, damaged or stale, or ``into`` is there already.
    """
    check_new(into)
    params = read_params(root / PARAMS)
    measured = [
        name for name in params.get("shortlists") or () if (root / "data/candidates" / name / "effects").is_dir()
    ]
    check_recorded(root, params, (*STAGES, *(f"candidates@{name}" for name in measured)))
    model = section("target", TargetConfig, root / PARAMS).model
    loaded = isinstance(model, LoadTarget)
    included = wanted.target if wanted.target is not None else not loaded
    if not included and not loaded:
        raise PrefactorError(
            "--without-target: this project trained its target, so that nobody could fetch it elsewhere: leave it out"
        )
    left_out = {*(() if included else (CHECKPOINT,)), *(() if wanted.text else HOLD_TEXT)}
    taken = [name for name in ARTIFACTS if name not in left_out and (name in NEEDED or (root / name).is_dir())]
    taken += [f"data/candidates/{name}/effects" for name in measured]  # with them an edit by hand takes seconds
    if not (root / CHECKPOINT).is_dir():
        raise PrefactorError(f"{root / CHECKPOINT} is missing: make it (`dvc repro target`) or fetch it (`dvc pull`)")
    for name in {*taken, CHECKPOINT}:
        verify(root / name)
    files = [name for name in FILES if name in NEEDED_FILES or (root / name).is_file()]
    base = Base(
        included=included, name=model.name if loaded else None, revision=model.revision if loaded else None,
        weights=weights_sha256(root / CHECKPOINT),
    )  # fmt: skip
    index = new_index(
        layout=LAYOUT, kind="decomposition", name=wanted.name, version=wanted.version, licence=wanted.licence,
        decomposition=components_sha256(root / "data"), base=base, text=wanted.text, dropped={}, code=code_of(root),
    )  # fmt: skip
    with new_folder(into) as new:
        dropped = {name: _copy(root, new, name, left_out) for name in taken}
        for name in files:
            _copy_file(root / name, new / name)
        _copy_file(root / PARAMS, new / PARAMS)
        index = index.model_copy(update={"dropped": {name: names for name, names in dropped.items() if names}})
        made_by = {name: params[name] for name in SECTIONS if name in params}
        with atomic(new / CARD) as temporary:
            temporary.write_text(decomposition_card(new, index, made_by, wanted.where), encoding="utf-8")
        write_index(new, index)
        index = read_index(new)
        check_folder(new, index)
        for name in taken:
            verify(new / name)
    return index


def outside_paths(params: Mapping[str, Any]) -> list[str]:
    """Paths of this machine that ``params.yaml`` names, and that go along with it."""
    found: list[str] = []

    def look(value: Any) -> None:
        if isinstance(value, Mapping):
            for inner in value.values():
                look(inner)
        elif isinstance(value, list | tuple):
            for inner in value:
                look(inner)
        elif isinstance(value, str) and (value.startswith("~") or PurePosixPath(value).is_absolute()):
            found.append(value)

    look(params)
    return list(dict.fromkeys(found))


def _copy(root: Path, new: Path, name: str, left_out: Collection[str]) -> tuple[str, ...]:
    """Copy one artifact, file by file; returns those of its origins that are not in ``new``.

    They are taken out of the copy's manifest: who has text or a base model of their own has another one there, and
    the copy is not stale for that.
    """
    manifest = read_json(root / name / MANIFEST)
    for file in manifest["files"]:
        _copy_file(root / name / file, new / name / file)
    origins = {path: _from_root(name, path) for path in manifest.get("made_from", {})}
    gone = {path for path, origin in origins.items() if origin in left_out}
    kept = {path: value for path, value in manifest.get("made_from", {}).items() if path not in gone}
    write_json(new / name / MANIFEST, manifest | {"made_from": kept})
    return tuple(sorted(origins[path] for path in gone))


def _from_root(name: str, relative: str) -> str:
    parts = list(PurePosixPath(name).parts)
    for part in PurePosixPath(relative).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def _copy_file(source: Path, goal: Path) -> None:
    if not source.is_file():
        raise PrefactorError(f"{source} is missing: make it (`dvc repro`) or fetch it (`dvc pull`)")
    goal.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, goal)
