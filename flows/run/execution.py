"""Run single stages of a DAG, each in a process that ends when this one does, and tell how it goes."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from flows.around.errors import FlowError, Interrupted, StageEnded, StageFailed
from flows.run import retries
from flows.run.accelerator import Accelerators
from flows.run.dag import Dag
from flows.run.durations import Durations
from flows.run.group import Group
from flows.run.slots import Slots, ways
from prefactor.machine.progress import clock
from prefactor.machine.settings import STAGE_MINUTES
from prefactor.machine.trouble import trouble

Share = Callable[[Sequence[str], int, Callable[[], bool], Callable[[str], None]], AbstractContextManager[None]]


class Execution:
    """One run of the DAG. :meth:`stage` may be called from many threads, for each stage after those it needs.

    Args:
        cores: how many stages run at a time.
        accelerators: of those that need one, how many.
        share: waits for other runs to leave the accelerators of these names, ``shared.held``.
        limit: seconds that a stage may take.
    """

    def __init__(
        self,
        dag: Dag,
        cores: int,
        accelerators: Accelerators = Accelerators(),  # noqa: B008  (frozen)
        share: Share | None = None,
        limit: float | None = None,
    ) -> None:
        self._dag, self._cores, self._limit = dag, cores, limit
        self._accelerators, self._share = accelerators, share
        self._lock = threading.RLock()
        self._durations = Durations()
        priority = ways(dag.needs, self._durations.expect)
        self._slots = Slots(cores, priority, scarce=accelerators.needed, few=accelerators.room)
        self._begin = time.monotonic()
        self._waiting = set(dag.expected)
        self._running: dict[str, float] = {}  # stage -> when it began
        self._groups: dict[str, Group] = {}
        self._remade: set[str] = set()  # stages of which this run changed an output
        self._tries: dict[str, int] = {}
        self._stopped = threading.Event()
        self.failure: FlowError | None = None

    def announce(self) -> None:
        """Say what will run and how long it will presumably take."""
        expected = self._dag.expected
        left = self._durations.left(expected, {}, self._cores)
        total = f"about {clock(left)}" if left is not None else "for a time not known yet"
        self._say(f"{len(expected)} of {len(self._dag.needs)} stages to run, {total}, on {self._cores} cores")
        for stage in expected:
            seconds = self._durations.expect(stage)
            self._say(f"  {stage:<32} {'' if seconds is None else clock(seconds):>8}".rstrip())

    def stage(self, name: str) -> str:
        """Bring one stage up to date; returns ``done`` or ``unchanged``.

        DVC is asked only where something may have changed: in the work tree before the run, or by it further up.

        Raises:
            StageFailed: its command ended badly; call again where :meth:`again` says so.
            Interrupted: the run was stopped, by a signal or by another stage's failure.
        """
        if not (name in self._dag.changed or self._remade.intersection(self._dag.needs[name])):
            with self._lock:
                self._waiting.discard(name)
            return "unchanged"
        self._pause(name)
        try:
            with self._slots.hold(name), self._device(name):
                return self._run(name)
        except FlowError:
            raise
        except Exception as error:  # Prefect would keep it to itself
            said = trouble(error) or f"{type(error).__name__}: {error}"
            self._give_up(FlowError(f"stage {name} could not be run to its end: {said}"))
            raise

    def again(self, name: str) -> bool:
        """Whether a stage that has just failed shall be tried again."""
        return name in self._tries and not self._stopped.is_set()

    def progress(self) -> float:
        """What share of the run is done, from 0 to 1: of its seconds, or of its stages where those are not known."""
        with self._lock:
            passed, left = time.monotonic() - self._begin, self._left()
            done = 1 - len(self._waiting | set(self._running)) / max(1, len(self._dag.expected))
        return done if left is None else passed / max(passed + left, 1e-9)

    def stop(self) -> None:
        """End every running stage and begin no other; returns when they are gone."""
        with self._lock:
            self._stopped.set()
            groups = list(self._groups.values())
        for group in groups:
            group.end()
        for group in groups:
            group.wait()

    def _give_up(self, why: FlowError) -> None:
        with self._lock:
            self.failure = self.failure or why
        self.stop()

    def _pause(self, name: str) -> None:
        failed = self._tries.get(name, 0)
        if failed:  # in Prefect's own pauses a run could not be stopped
            self._stopped.wait(retries.PAUSES[failed - 1])

    def _device(self, name: str) -> AbstractContextManager[None]:
        names = self._accelerators.names(name)
        if not names or self._share is None:
            return nullcontext()
        return self._share(names, self._accelerators.room, self._stopped.is_set, lambda line: self._say(line))

    def _run(self, name: str) -> str:
        with self._lock:
            if self._stopped.is_set():
                raise Interrupted(f"stage {name} was not begun")
            group = self._groups[name] = Group("flows.run.stage_process", name)
            self._waiting.discard(name)
            self._running[name] = time.monotonic()
            self._tell(f"{name} started", self._durations.expect(name))
        late = threading.Event()
        watch = self._watch(group, late)
        last = ""
        for line in group.lines():
            last = line.strip()
            self._say(f"{name} | {line}")
        report = group.report()
        if watch:
            watch.cancel()
        return self._finish(name, report["code"], report.get("changed", False), last, late.is_set())

    def _watch(self, group: Group, late: threading.Event) -> threading.Timer | None:
        """End ``group`` when its time is over."""
        if self._limit is None:
            return None

        def end() -> None:
            late.set()
            group.end()

        timer = threading.Timer(self._limit, end)
        timer.daemon = True
        timer.start()
        return timer

    def _finish(self, name: str, code: int, changed: bool, last: str, late: bool) -> str:
        with self._lock:
            del self._groups[name]
            seconds = time.monotonic() - self._running.pop(name)
            if self._stopped.is_set() and code:
                raise Interrupted(f"stage {name} was stopped")
            if code:
                raise self._failed(StageFailed(name, code, last) if not late else self._ended(name, last))
            if changed:
                self._remade.add(name)
            self._durations.record(name, seconds)
            self._tell(f"{name} done in {clock(seconds)}", self._left())
            return "done"

    def _ended(self, name: str, last: str) -> StageEnded:
        assert self._limit is not None
        return StageEnded(name, f"{self._limit / 60:g} minutes ({STAGE_MINUTES})", last)

    def _failed(self, failure: StageFailed) -> StageFailed:
        """``failure``, after it was decided whether that is the end of the run."""
        name = failure.stage
        tries = self._tries.get(name, 0) + 1
        seconds = retries.pause(failure, tries)
        if seconds is None:
            # Other stages that run at this moment are left to finish: their work is good.
            self._tries.pop(name, None)
            self._stopped.set()
            self.failure = failure
        else:
            self._tries[name] = tries
            self._waiting.add(name)
            self._say(f"stage {name} failed (exit code {failure.exit_code}): {failure.said}; again in {seconds:g} s")
        return failure

    def _left(self) -> float | None:
        now = time.monotonic()
        return self._durations.left(self._waiting, {n: now - t for n, t in self._running.items()}, self._cores)

    def _tell(self, what: str, seconds: float | None) -> None:
        word = "takes about" if what.endswith("started") else "left: about"
        rest = "" if seconds is None else f", {word} {clock(seconds)}"
        self._say(f"[{clock(time.monotonic() - self._begin):>6}] {what}{rest}")

    def _say(self, line: str) -> None:
        try:
            with self._lock:
                print(line, flush=True)
        except OSError as error:  # `| head` that has seen enough, or a log on a full disk
            why = trouble(error) or error.strerror or str(error)
            gone = Interrupted(
                f"the output cannot be written ({why}): stopped; what is finished is kept, run again to go on"
            )
            self._give_up(gone)
            raise gone from None
