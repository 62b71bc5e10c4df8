"""Files that can be trusted: written atomically, listed with their sha256, checked when read.

A truncated object in a DVC remote or cache is checked out without a word, so every artifact carries
``manifest.json`` and every reader goes through :func:`verify`. The manifest also has the hashes of the artifacts that
this one was made from: where one of them has been made anew since, this one is stale, and no reader takes it.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from prefactor.errors import PrefactorError

MANIFEST = "manifest.json"

Origin = Mapping[Path, str]  # what an artifact was made from: folders, and the identity of each at that time


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary neighbour of ``path`` that replaces it if the block ends without error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON with sorted keys, so that equal values give equal bytes."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write_table(path: Path, table: pa.Table) -> None:
    """Write ``table`` as zstd parquet; equal tables give equal bytes."""
    with atomic(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(
    folder: Path, outputs: list[str], about: Mapping[str, Any] | None = None, made_from: Origin | None = None
) -> None:
    """List the sha256 of each output of ``folder``; a folder among them counts with its files.

    Args:
        about: provenance to keep with it (versions, sources); it must not change between equal runs.
        made_from: from :func:`identities`, of artifacts whose every change makes this one anew, and of no others:
            it would be stale for nothing.
    """
    files: dict[str, str] = {}
    for name in outputs:
        path = folder / name
        members = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        files.update({member.relative_to(folder).as_posix(): sha256(member) for member in members})
    origin = {_between(folder, other): hash_ for other, hash_ in (made_from or {}).items()}
    write_json(folder / MANIFEST, {"files": files, "about": dict(about or {}), "made_from": origin})


def identities(*folders: Path) -> dict[Path, str]:
    """By artifact, a hash of its files as its manifest has them: equal files, equal hash, wherever they lie.

    Raises:
        PrefactorError: one has no manifest.
    """
    return {folder: _identity(_manifest(folder)) for folder in folders}


def inherited(folder: Path, *wanted: Path) -> dict[Path, str]:
    """What the artifact ``folder`` was made from, as its manifest has it; of that, only ``wanted``."""
    origin = _manifest(folder).get("made_from", {})
    return {other: origin[_between(folder, other)] for other in wanted if _between(folder, other) in origin}


def write_part(
    folder: Path, name: str, table: pa.Table, about: Mapping[str, Any] | None = None,
    made_from: Origin | None = None,
) -> None:  # fmt: skip
    """Write ``table`` as ``<name>/<name>.parquet``, with a manifest: who reads it depends on nothing else."""
    write_table(folder / name / f"{name}.parquet", table)
    write_manifest(folder / name, [f"{name}.parquet"], about, made_from)


def part(folder: Path, name: str) -> Path:
    """The table that :func:`write_part` wrote, checked.

    Raises:
        PrefactorError: it is missing or damaged.
    """
    verify(folder / name, only=[f"{name}.parquet"])
    return folder / name / f"{name}.parquet"


def verify(folder: Path, only: list[str] | None = None) -> dict[str, Any]:
    """Check the files of a stage folder against its manifest and return what the manifest is about.

    ``only`` limits the check to some files (or folders), for readers that need no more.

    Raises:
        PrefactorError: the manifest or a file is missing, or a file is not what was written; or an artifact that it
            was made from is there, but is another by now.
    """
    remedy = f"fetch it again (`dvc checkout --force {folder}`) or rerun the stage (`dvc repro --force --single-item`)"
    manifest = _manifest(folder)
    wanted = [] if only is None else only
    for path in wanted:
        if not any(name == path or name.startswith(f"{path}/") for name in manifest["files"]):
            raise PrefactorError(f"{folder / MANIFEST} does not list {path}: {remedy}")
    for name, expected in manifest["files"].items():
        if wanted and not any(name == path or name.startswith(f"{path}/") for path in wanted):
            continue
        if not (folder / name).is_file():
            raise PrefactorError(f"{folder / name} is missing though {MANIFEST} lists it: {remedy}")
        if sha256(folder / name) != expected:
            raise PrefactorError(f"{folder / name} is damaged (its sha256 differs from {MANIFEST}): {remedy}")
    _check_origin(folder, manifest, set())
    return manifest["about"]


def _check_origin(folder: Path, manifest: Mapping[str, Any], seen: set[Path]) -> None:
    """What it was made from is what is there, all the way up; of what was not fetched nothing is said."""
    for relative, expected in manifest.get("made_from", {}).items():
        other = Path(os.path.normpath(folder / relative))
        if not (other / MANIFEST).is_file():
            continue
        origin = _manifest(other)
        if _identity(origin) != expected:
            names = folder.parts[-relative.count("..") :]  # <stage>/<part>, or <stage>/<entry>/<part>
            stage = names[0] if len(names) < 3 else f"{names[0]} of {names[1]}"
            raise PrefactorError(
                f"{folder} is stale: {other} is another by now than it was made from: rerun the stage {stage} "
                "(`dvc repro` does), or fetch what belongs together (`dvc checkout --force`)"
            )
        if other not in seen:
            seen.add(other)
            _check_origin(other, origin, seen)


def _manifest(folder: Path) -> dict[str, Any]:
    if not (folder / MANIFEST).is_file():
        raise PrefactorError(f"{folder / MANIFEST} is missing: run the stage that makes it (`dvc repro`)")
    return read_json(folder / MANIFEST)


def _identity(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest["files"], sort_keys=True).encode()).hexdigest()


def _between(folder: Path, other: Path) -> str:
    return Path(os.path.relpath(other, folder)).as_posix()
