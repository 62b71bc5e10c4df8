"""The folder that a command works in: settled as a run settles it, before DVC is imported."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows import surroundings
from flows.environment import environment
from flows.errors import FlowError
from prefactor.errors import PrefactorError


@contextmanager
def project(folder: Path) -> Iterator[None]:
    """Within it the current folder is ``folder``, a project whose files DVC can read.

    Raises:
        PrefactorError: it is none, or what a flow or DVC has to say, in one line.
    """
    from dvc.exceptions import DvcException

    before = Path.cwd()
    if not (folder / "dvc.yaml").is_file():
        raise PrefactorError(f"{folder.absolute()} has no dvc.yaml: name the project's folder (-C)")
    os.chdir(folder)
    try:
        from flows.repository import check_files, free_stale_locks, settle_git

        check_files()
        notes = surroundings.settle()
        environment()
        for note in [*notes, *settle_git()]:
            print(f"prefactor: {note}", file=sys.stderr)
        free_stale_locks()
        yield
    except FlowError as error:
        raise PrefactorError(str(error)) from None
    except DvcException as error:
        raise PrefactorError(f"DVC: {' '.join(str(error).split())}") from None
    finally:
        os.chdir(before)
