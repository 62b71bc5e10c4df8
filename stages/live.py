"""Curves that can be watched while a stage runs: ``dvc plots show``, or any viewer of DVCLive."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def live(folder: Path, write: bool = True) -> Iterator[Callable[[dict[str, float]], None]]:
    """A function that takes rows of a training curve (``step`` and figures) and appends them to ``folder``."""
    log = _open(folder) if write else None

    def record(row: dict[str, float]) -> None:
        if log is None:
            return
        log.step = int(row["step"])
        for name, value in row.items():
            if name != "step":
                log.log_metric(name, value, timestamp=False)
        log.make_summary()

    try:
        yield record
    finally:
        if log is not None:
            log.end()


def _open(folder: Path) -> Any:
    from dvclive.live import Live  # slow to import, and of no use to any other stage

    try:
        return Live(str(folder), save_dvc_exp=False, dvcyaml=None, report=None)
    except Exception as error:  # e.g. in a git repository without a commit
        # Curves are for watching: no reason to refuse hours of training, whose own curve is kept anyway.
        print(f"  no live curves: DVCLive does not start here ({type(error).__name__}: {error})")
        folder.mkdir(parents=True, exist_ok=True)
        return None
