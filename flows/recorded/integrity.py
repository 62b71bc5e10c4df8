"""Whether an object is what its name says: DVC names it by the md5 of its bytes, and trusts a name that it finds."""

import hashlib
import json
from pathlib import Path

from dvc.repo import Repo

FOLDER = ".dir"  # ends the name of a list of files: JSON with an ``md5`` and a ``relpath`` each


def md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def cached(repo: Repo, oid: str) -> Path:
    """Where the cache keeps an object; it need not be there."""
    return Path(repo.cache.local.oid_to_path(oid))


def is_sound(path: Path, oid: str) -> bool:
    """Whether there is a file and it has the bytes that ``oid`` names."""
    return path.is_file() and md5(path) == oid.removesuffix(FOLDER)


def name_of(path: Path) -> str:
    """The name that DVC gives to what lies at ``path``, by every byte of it: DVC itself trusts size and time."""
    if not path.is_dir():
        return md5(path)
    files = sorted((file.relative_to(path).as_posix(), file) for file in path.rglob("*") if file.is_file())
    listed = [{"md5": md5(file), "relpath": relative} for relative, file in files]
    return hashlib.md5(json.dumps(listed, sort_keys=True).encode()).hexdigest() + FOLDER


def members(repo: Repo, oid: str) -> list[str]:
    """The objects of the files of a folder, whose list must be sound; none of a file."""
    if not oid.endswith(FOLDER):
        return []
    return [entry["md5"] for entry in json.loads(cached(repo, oid).read_text(encoding="utf-8"))]


def faults(repo: Repo, oid: str) -> list[str]:
    """The objects of ``oid`` that the cache lacks or has damaged."""
    own = is_sound(cached(repo, oid), oid)
    wanted = [oid, *(members(repo, oid) if own else [])]
    return [each for each in wanted if not is_sound(cached(repo, each), each)]


def whole_in_cache(repo: Repo, oid: str) -> bool:
    """Whether the cache has the object, with all that is in it if it is a folder; what is damaged is thrown out."""
    found = faults(repo, oid)
    for each in found:
        cached(repo, each).unlink(missing_ok=True)
    return not found
