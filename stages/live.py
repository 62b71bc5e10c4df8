"""Curves that can be watched while a stage runs: ``dvc plots show``, or any viewer of DVCLive."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def live(folder: Path, write: bool = True) -> Iterator[Callable[[dict[str, float]], None]]:
    """A function that takes rows of a training curve (``step`` and figures) and appends them to ``folder``."""
    if not write:
        yield lambda row: None
        return
    from dvclive.live import Live  # slow to import, and of no use to any other stage

    with Live(str(folder), save_dvc_exp=False, dvcyaml=None, report=None) as log:

        def record(row: dict[str, float]) -> None:
            log.step = int(row["step"])
            for name, value in row.items():
                if name != "step":
                    log.log_metric(name, value, timestamp=False)
            log.make_summary()

        yield record
