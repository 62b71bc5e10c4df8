"""Find an edit for the page: the search of ``prefactor remove``, in a model of its own, told as it goes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from queue import Queue
from threading import Event, Lock, Thread
from typing import Any

from prefactor.bench.turns import Superseded, Turn
from prefactor.config.params import section
from prefactor.config.report import ReportConfig
from prefactor.errors import PrefactorError
from prefactor.search.choose import beyond, choose
from prefactor.search.search import Search
from prefactor.search.trial import Trial
from prefactor.workspace import Workspace


@dataclass(eq=False)
class Finder:
    """One search at a time, as it takes all the processor that it gets. Its model is not the one that sliders move."""

    folder: Path
    _busy: Lock = field(default_factory=Lock)

    @cached_property
    def _work(self) -> Workspace:
        return Workspace(self.folder)

    def find(self, target: str, seconds: float, turn: Turn) -> Iterator[dict[str, Any]]:
        """After each trial how many there are, and those that none dominates; ``done`` at the end.

        It ends early when ``turn`` is over or nobody reads on; what was tried by then is kept.

        Raises:
            PrefactorError: another search is running, or the target cannot be searched for.
        """
        if not self._busy.acquire(blocking=False):
            raise PrefactorError("a search is running here already: let it end, or stop it on its page")
        try:
            search = Search(self._work, target)
        except BaseException:
            self._busy.release()
            raise
        return self._run(search, seconds, turn)

    def _run(self, search: Search, seconds: float, turn: Turn) -> Iterator[dict[str, Any]]:
        told: Queue[dict[str, Any] | None] = Queue()
        left = Event()

        def over() -> bool:
            try:
                turn.check()
            except Superseded:
                return True
            return left.is_set()

        def run() -> None:
            try:
                search.run(seconds, lambda trial: told.put(self._found(search)), over)
                told.put(self._found(search) | {"done": True})
            except PrefactorError as error:
                told.put({"error": str(error)})
            finally:
                told.put(None)
                self._busy.release()

        Thread(target=run, name="search", daemon=True).start()
        try:
            yield self._found(search)
            while (event := told.get()) is not None:
                yield event
        finally:
            left.set()

    def _found(self, search: Search) -> dict[str, Any]:
        trials, front = search.trials(), search.front()
        bars, best = section("report", ReportConfig, self._work.params).bars, None
        if front:
            best = choose(front, search.domains, bars).number
        rows = [_row(trial, trial.number == best, not beyond(trial, search.domains, bars)) for trial in front]
        return {"target": search.domains.target, "tried": len(trials), "front": rows}


def _row(trial: Trial, best: bool, meets: bool) -> dict[str, Any]:
    """A trial as the page has it: sliders and guard as of an edit, and what it does."""
    guard = None if trial.guarded is None else {"weigh": trial.guarded, "ridge": trial.ridge}
    moved = zip(trial.subcomponents, trial.labels, trial.prefactors, strict=True)
    return {
        "number": trial.number,
        "sliders": [{"subcomponent": name, "label": label, "alpha": alpha} for name, label, alpha in moved],
        "guard": guard,
        "gap": trial.gap,
        "worst": trial.worst,
        "worst_domain": trial.worst_domain,
        "best": best,
        "meets": meets,
    }
