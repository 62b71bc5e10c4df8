"""The folder that a command works in: settled as a run settles it, before DVC is imported."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.around import surroundings
from flows.around.environment import environment
from prefactor.errors import PrefactorError


@contextmanager
def project(folder: Path) -> Iterator[None]:
    """Within it the current folder is ``folder``, a project whose files DVC can read.

    Raises:
        PrefactorError: it is none, or a variable ``PREFACTOR_*`` makes no sense.
        FlowError: a file or folder of it cannot be worked with.
    """
    before = Path.cwd()
    if not (folder / "dvc.yaml").is_file():
        raise PrefactorError(f"{folder.absolute()} has no dvc.yaml: name the project's folder (-C)")
    os.chdir(folder)
    try:
        from flows.around.repository import check_files, free_stale_locks, settle_git

        check_files()
        notes = surroundings.settle()
        environment()
        for note in [*notes, *settle_git()]:
            print(f"prefactor: {note}", file=sys.stderr)
        free_stale_locks()
        yield
    finally:
        os.chdir(before)
