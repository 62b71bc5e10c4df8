"""What is seen while a search runs: a front that changes on a terminal, lines in a log."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live as RichLive
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from prefactor.cli.remove_front import front_table
from prefactor.cli.terminal import visible
from prefactor.machine.progress import clock
from prefactor.search.search import Search
from prefactor.search.trial import Trial, front_of

EVERY = 15.0  # seconds between lines where nothing else is to be told
REFRESH = 4  # a second


class Lines:
    """On standard error: what comes on the front, and now and then how much time is left."""

    def __init__(self, search: Search):
        self.search, self.seconds, self.stopped = search, 0.0, False
        self._trials: list[Trial] = []

    @contextmanager
    def running(self, seconds: float) -> Iterator[None]:
        self._trials, self._end, self._last = self.search.trials(), time.monotonic() + seconds, time.monotonic()
        self._say(f"{len(self._trials)} tried before; {clock(seconds)} to go")
        yield

    def tried(self, trial: Trial) -> None:
        self._trials.append(trial)
        front = front_of(self._trials)
        if trial in front:
            size = f"{len(trial.subcomponents)} of {trial.source}"
            worst = f"worst neighbour {trial.worst:+.3f} ({trial.worst_domain})"
            self._say(f"trial {trial.number}, {size}: {trial.gap:.2f} short, {worst}")
        elif time.monotonic() - self._last > EVERY:
            self._say(f"{len(self._trials)} tried, {len(front)} on the front")

    def _say(self, line: str) -> None:
        self._last = time.monotonic()
        left = clock(max(0.0, self._end - self._last))
        print(visible(f"  remove {self.search.domains.target}: {line}  {left} left"), file=sys.stderr, flush=True)


class Live:
    """On a terminal: a bar with the time left, and the front."""

    def __init__(self, search: Search):
        self.search, self.seconds, self.stopped = search, 0.0, False
        self._console = Console(markup=False, emoji=False)

    @contextmanager
    def running(self, seconds: float) -> Iterator[None]:
        self._trials, begin = self.search.trials(), time.monotonic()
        progress = Progress(
            TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=self._console
        )  # fmt: skip
        task = progress.add_task(f"removing {visible(self.search.domains.target)}", total=seconds)

        def view() -> Group:
            progress.update(task, completed=min(seconds, time.monotonic() - begin))
            front = front_of(self._trials)
            said = Text(f"{len(self._trials)} tried; Ctrl-C ends it and keeps them", style="dim")
            return Group(progress, front_table(front, None), said) if front else Group(progress, said)

        with RichLive(
            get_renderable=view, console=self._console, refresh_per_second=REFRESH, transient=True,
            vertical_overflow="ellipsis", redirect_stdout=False, redirect_stderr=False,
        ):  # fmt: skip
            yield

    def tried(self, trial: Trial) -> None:
        self._trials = [*self._trials, trial]
