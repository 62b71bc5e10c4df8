"""A folder that people name for what is handed over: new, and there as a whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefactor.errors import PrefactorError
from prefactor.files.together import writable


def check_new(path: Path) -> None:
    """Whether ``path`` can become a new folder: there is nothing, or an empty folder.

    Raises:
        PrefactorError: something is there already, which stays as it is.
    """
    if path.is_symlink() and not path.exists():
        raise PrefactorError(f"{path} is a link to nothing: name another folder, or remove it")
    if path.exists():
        if not path.is_dir() or any(path.iterdir()):
            raise PrefactorError(f"{path} is there already: name another folder, or remove it")
        if path.samefile(Path.cwd()):
            raise PrefactorError(f"{path} is the folder that you are in: name a new one")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield an empty neighbour of ``path`` that becomes it if the block ends without error.

    Raises:
        PrefactorError: something is there already (:func:`check_new`), or it cannot be written.
    """
    check_new(path)
    place = path.resolve()  # a link to an empty folder stays a link
    temporary = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    with writable(path, "name a folder that you may write to"):
        try:
            temporary.mkdir(parents=True)
            yield temporary
            os.rename(temporary, place)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
