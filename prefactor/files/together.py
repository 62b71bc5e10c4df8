"""Several files of a folder that change as one: whenever the process dies, all of them are old, or all are new.

The new files are written into a folder of their own, whose renaming is the moment of change; then they are moved to
their places. Whoever comes after a death in between moves the rest (:func:`finish`). What is replaced is the folder's
entry and not the file behind it, so that a link to a cache becomes a file, and the cache keeps what it has.
"""

import errno
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from prefactor.errors import PrefactorError

WRITING, READY = ".prefactor-writing", ".prefactor-ready"
REMOVED = "removed.json"
NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR, errno.EEXIST)


@contextmanager
def writable(path: Path, remedy: str) -> Iterator[None]:
    """An error of the block that says that ``path`` cannot be written is one line.

    Raises:
        PrefactorError: in place of that error; with ``remedy``.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in NOT_WRITABLE:
            raise
        raise PrefactorError(f"{path} cannot be written ({error.strerror}): {remedy}") from None


@contextmanager
def changed_together(folder: Path, removed: Sequence[str]) -> Iterator[Path]:
    """Yield an empty folder; the files in it replace those of ``folder`` if the block ends without error.

    Args:
        removed: files of ``folder``, by name, that go in the same moment; read when the block has ended.

    Raises:
        PrefactorError: ``folder`` cannot be written: it is as it was, or the next call does what is left to do.
    """
    finish(folder)
    writing = folder / WRITING
    with writable(folder, "make the folder and those in it writable, or take a copy of it; it is as it was"):
        try:
            writing.mkdir()
            yield writing
            for inner in {path.parent for path in writing.rglob("*") if path.is_file()} | {writing}:
                place = folder / inner.relative_to(writing)
                if place.is_dir() and not os.access(place, os.W_OK | os.X_OK):
                    raise PermissionError(errno.EACCES, f"{place.name}: {os.strerror(errno.EACCES)}")
            (writing / REMOVED).write_text(json.dumps(sorted(removed)), encoding="utf-8")
            for path in writing.rglob("*"):
                if path.is_file():
                    _to_disk(path)
            os.rename(writing, folder / READY)
        except BaseException:
            shutil.rmtree(writing, ignore_errors=True)
            raise
    finish(folder)


def finish(folder: Path) -> None:
    """Do what a process that died has left to do in ``folder``; nothing where there is nothing.

    Raises:
        PrefactorError: ``folder`` cannot be written.
    """
    ready = folder / READY
    with writable(folder, "its change is half done; make it writable and run the same again, to finish or undo it"):
        shutil.rmtree(folder / WRITING, ignore_errors=True)
        if (ready / REMOVED).is_file():
            for path in sorted(path for path in ready.rglob("*") if path.is_file() and path != ready / REMOVED):
                place = folder / path.relative_to(ready)
                place.parent.mkdir(parents=True, exist_ok=True)
                os.replace(path, place)
            for name in json.loads((ready / REMOVED).read_text(encoding="utf-8")):
                (folder / name).unlink(missing_ok=True)
            (ready / REMOVED).unlink()  # all is in its place: what is left are empty folders
        if ready.is_dir():
            shutil.rmtree(ready)


def _to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
