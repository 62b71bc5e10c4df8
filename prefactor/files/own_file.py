"""A text file that a person keeps (``params.yaml``, ``overrides.yaml``), changed for them."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefactor.errors import PrefactorError
from prefactor.files.artifacts import atomic

WRITE_BITS = 0o222


def check_own(path: Path) -> None:
    """Whether ``path`` may be changed; one that is not there may.

    Raises:
        PrefactorError: it is read-only, as what a cache shares is; or a link to nothing; or its folder is read-only.
    """
    if path.is_symlink() and not path.exists():
        raise PrefactorError(f"{path} is a link to nothing: restore what it points to, or remove it")
    place = path.resolve()
    if place.exists() and not place.stat().st_mode & WRITE_BITS:  # not os.access: root may do anything
        raise PrefactorError(f"{path} is read-only: make it a writable file of your own (`chmod u+w {path}`)")
    if place.parent.is_dir() and not os.access(place.parent, os.W_OK | os.X_OK):
        raise PrefactorError(f"{place.parent} is read-only: make it writable to change {path}")


@contextmanager
def changed(path: Path) -> Iterator[Path]:
    """Yield a temporary file that takes the place of ``path``, or of the file that it is a link to, with its mode.

    Raises:
        PrefactorError: as :func:`check_own`.
    """
    check_own(path)
    place = path.resolve()
    with atomic(place) as temporary:
        yield temporary
        if place.exists():
            shutil.copymode(place, temporary)
