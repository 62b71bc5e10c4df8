"""Files that can be trusted: written atomically, listed with their sha256, checked when read.

A truncated object in a DVC remote or cache is checked out without a word, so every stage folder
carries ``manifest.json`` and every reader goes through :func:`verify`.
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


def write_manifest(folder: Path, outputs: list[str], about: Mapping[str, Any] | None = None) -> None:
    """List the sha256 of each output of ``folder``; a folder among them counts with its files.

    ``about`` is provenance to keep with it (versions, sources); it must not change between equal runs.
    """
    files: dict[str, str] = {}
    for name in outputs:
        path = folder / name
        members = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        files.update({member.relative_to(folder).as_posix(): sha256(member) for member in members})
    write_json(folder / MANIFEST, {"files": files, "about": dict(about or {})})


def write_part(folder: Path, name: str, table: pa.Table, about: Mapping[str, Any] | None = None) -> None:
    """Write ``table`` as ``<name>/<name>.parquet``, with a manifest: who reads it depends on nothing else."""
    write_table(folder / name / f"{name}.parquet", table)
    write_manifest(folder / name, [f"{name}.parquet"], about)


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
        PrefactorError: the manifest or a file is missing, or a file is not what was written.
    """
    remedy = f"fetch it again (`dvc checkout --force {folder}`) or rerun the stage (`dvc repro --force --single-item`)"
    if not (folder / MANIFEST).is_file():
        raise PrefactorError(f"{folder / MANIFEST} is missing: run the stage that makes it (`dvc repro`)")
    manifest = read_json(folder / MANIFEST)
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
    return manifest["about"]
