"""Files that can be trusted: written atomically, listed with their sha256, checked when read.

A truncated object in a DVC remote or cache is checked out without a word, so every artifact carries
``manifest.json`` and every reader goes through :func:`verify`. The manifest also has the hashes of the artifacts that
this one was made from: where one of them has been made anew since, this one is stale, and no reader takes it.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from prefactor.errors import PrefactorError
from prefactor.files.together import writable

MANIFEST = "manifest.json"
WRITTEN_BY = {"changes": "edit"}  # folders of data/ that are not called as the stage that writes them
LAYOUT = 1  # of all artifacts: raised when a reader could misunderstand what an older version wrote

Origin = Mapping[Path, str]  # what an artifact was made from: folders, and the identity of each at that time


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary neighbour of ``path`` that replaces it if the block ends without error.

    A link is replaced, and what it points to left alone: it may be an object of DVC's cache.

    Raises:
        PrefactorError: its folder cannot be written, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with writable(path, "make its folder writable, and room on its disk"):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            os.replace(temporary, path)
        finally:
            if temporary.exists():
                temporary.unlink()


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON with sorted keys, so that equal values give equal bytes."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """The JSON value in ``path``, which a stage wrote.

    Raises:
        PrefactorError: it is missing, or holds something else: nothing, half of it, a merge's conflict.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text)
    except (FileNotFoundError, NotADirectoryError):
        raise PrefactorError(f"{path} is missing: run the stage that makes it (`dvc repro`)") from None
    except IsADirectoryError:
        why = "is a folder, and no file"
    except UnicodeDecodeError as error:
        why = f"is no text (byte {error.start} is not UTF-8)"
    except RecursionError:
        why = "is no JSON of ours (it is nested too deep)"
    except ValueError as error:
        conflict = re.search(r"^(<{7}|={7}|>{7})( |$)", text, re.MULTILINE)
        line = f"is no JSON (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else "is no JSON"
        why = "is empty" if not text.strip() else "has the conflict marks of a merge in it" if conflict else line
    raise PrefactorError(f"{path} {why}: {_again(path)}")


def read_entry(path: Path, *keys: str) -> Any:
    """What stands under ``keys``, one within the other, in the JSON that ``path`` holds.

    Raises:
        PrefactorError: nothing does, or ``path`` holds no JSON.
    """
    value = read_json(path)
    for place, key in enumerate(keys):
        if not isinstance(value, dict) or key not in value:
            raise PrefactorError(f"{path} has no {'.'.join(keys[: place + 1])}: {_again(path)}")
        value = value[key]
    return value


def _again(path: Path) -> str:
    return f"fetch it again (`dvc checkout --force {path}`) or rerun the stage (`dvc repro --force --single-item`)"


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
    write_json(folder / MANIFEST, {"layout": LAYOUT, "files": files, "about": dict(about or {}), "made_from": origin})


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
    remedy = _again(folder)
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
            top, *rest = folder.parts[len(folder.parts) - relative.count("..") :]
            stage = WRITTEN_BY.get(top, top)
            if len(rest) > 1:  # <stage>/<entry>/<part>
                stage += f" of {rest[0]}"
            raise PrefactorError(
                f"{folder} is stale: {other} is another by now than it was made from: rerun the stage {stage} "
                "(`dvc repro` does), or fetch what belongs together (`dvc checkout --force`)"
            )
        if other not in seen:
            seen.add(other)
            _check_origin(other, origin, seen)


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    manifest = read_json(path)
    known = isinstance(manifest, dict) and {"layout": LAYOUT, "made_from": {}} | manifest  # one of before either
    if not known or not all(isinstance(known.get(part), dict) for part in ("files", "about", "made_from")):
        raise PrefactorError(f"{path} is no manifest: {_again(folder)}")
    if known["layout"] != LAYOUT:
        raise PrefactorError(
            f"{path} has layout {known['layout']!r}, and this Prefactor reads {LAYOUT}: "
            "take the version of Prefactor that made it (its git commit), or rerun the stage with this one"
        )
    return manifest


def _identity(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest["files"], sort_keys=True).encode()).hexdigest()


def _between(folder: Path, other: Path) -> str:
    return Path(os.path.relpath(other, folder)).as_posix()
