"""Which files a path of ``corpus.text.files`` stands for, and which ones there are none of ours."""

import glob
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from prefactor.config.corpus import FileSet, FilesText
from prefactor.corpus.opening import PACKED
from prefactor.errors import PrefactorError

NO_DATA = ("__MACOSX", "__pycache__")  # besides what is hidden (._x, .git, .ipynb_checkpoints) and editors' copies
NAMES = 5  # of files passed over that a message has


@dataclass(frozen=True)
class Listing:
    """Files to read, each with its entry in params; and what else lies there, a folder with a slash at its end."""

    members: list[tuple[FileSet, Path]]
    passed_over: list[str]


def listing(text: FilesText, formats: Collection[str]) -> Listing:
    """The files in one of ``formats`` (suffixes): first those with a split of their own, so that no other gets theirs.

    Raises:
        PrefactorError: nothing to read at a path, a folder that cannot be read, or a file that is said to be of two
            domains.
    """
    members: list[tuple[FileSet, Path]] = []
    others: dict[str, None] = {}
    read: set[str] = set()
    for files in sorted(text.files, key=lambda files: files.split is None):  # stable
        try:
            found, passed = _split(files.path, formats)
        except OSError as error:
            raise PrefactorError(
                f"params.yaml: corpus.text.files: path = {files.path[:200]}: it cannot be read ({error.strerror}); "
                "mend the path"
            ) from None
        if not found:
            raise PrefactorError(
                f"params.yaml: corpus.text.files: path = {files.path}: no file there ends in {', '.join(formats)}"
                f"{f' (there is {some(passed)})' if passed else ''}; mend the path (it is relative to the repository "
                "root), or make one of these of it"
            )
        members += [(files, path) for path in found]
        others |= dict.fromkeys(passed)
        read |= {str(path) for path in found}
    _check_overlaps(members)
    return Listing(members, sorted(other for other in others if other not in read))


def suffix_of(path: Path) -> str:
    """``.jsonl`` of ``a.JSONL`` and of ``a.jsonl.gz``."""
    name = path.name.lower()
    packed = next((end for end in PACKED if name.endswith(end)), "")
    return Path(name.removesuffix(packed)).suffix


def some(names: Sequence[str]) -> str:
    """The first few of ``names``, and how many more there are."""
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return ", ".join(names[:NAMES]) + more


def _split(path: str, formats: Collection[str]) -> tuple[list[Path], list[str]]:
    """What is to be read at ``path``, sorted, each file once however many links lead to it; and what is not."""
    root = Path(path)
    if root.is_file():  # named itself, whatever its name looks like
        return ([root], []) if suffix_of(root) in formats else ([], [str(root)])
    if root.is_dir():
        entries = _walk(root, ["**"])
    else:
        parts = root.parts
        fixed = next((place for place, part in enumerate(parts) if glob.has_magic(part)), len(parts))
        start, pattern = Path(*parts[:fixed]), parts[fixed:]
        entries = _walk(start, pattern) if pattern and start.is_dir() else iter(())
    found: dict[str, Path] = {}
    passed: list[str] = []
    for entry in sorted(entries):
        file = Path(entry)
        if entry.endswith(os.sep) or not file.is_file() or suffix_of(file) not in formats or not _is_data(file.name):
            passed.append(entry)
        else:
            found.setdefault(os.path.realpath(file), file)
    return sorted(found.values()), passed


def _walk(root: Path, pattern: Sequence[str]) -> Iterator[str]:
    """The files below ``root`` that ``pattern`` fits; of a folder that is none of ours or is not gone into, its name.

    Links to folders are followed, and each folder is gone into once, so that no loop of links matters.
    """

    def fail(error: OSError) -> None:
        raise PrefactorError(f"{error.filename} cannot be read ({error.strerror}); mend that or name other files")

    gone: set[str] = set()
    deep = "**" in pattern
    for folder, folders, names in os.walk(root, followlinks=True, onerror=fail):
        here = Path(folder)
        within = here.relative_to(root).parts
        if (real := os.path.realpath(here)) in gone:
            folders.clear()
            continue
        gone.add(real)
        for name in names:
            if _fits((*within, name), pattern):
                yield str(here / name)
        last = not deep and len(within) + 1 == len(pattern)
        ours = [name for name in folders if _is_data(name) and not last]
        for name in folders:
            if name not in ours and _fits((*within, name), pattern):
                yield f"{here / name}{os.sep}"
        folders[:] = ours if deep else [name for name in ours if fnmatch(name, pattern[len(within)])]


def _is_data(name: str) -> bool:
    copied = name.endswith("~") or name.startswith("~$") or (name.startswith("#") and name.endswith("#"))
    return not (name.startswith(".") or copied or name in NO_DATA)


def _fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path fits a glob: ``**`` stands for any number of folders, or at the end for all that is in them."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return _fits(parts, pattern[1:]) or (bool(parts) and _fits(parts[1:], pattern))
    return bool(parts) and fnmatch(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])


def _check_overlaps(members: Sequence[tuple[FileSet, Path]]) -> None:
    said: dict[tuple[str, str], FileSet] = {}
    for files, path in members:
        first = said.setdefault((os.path.realpath(path), files.text), files)
        if (first.domain, first.domain_column) != (files.domain, files.domain_column):
            raise PrefactorError(
                f"params.yaml: corpus.text.files: {path} is in two entries ({first.path} and {files.path}) that take "
                "its domain from different places; leave it out of one of the two"
            )
