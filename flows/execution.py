"""Run single stages of a DAG, each in a process that ends when this one does, and tell how it goes."""

import threading
import time

from flows.dag import Dag
from flows.durations import Durations
from flows.errors import FlowError, Interrupted, StageFailed
from flows.group import Group
from flows.slots import Slots, ways
from prefactor.machine.progress import clock
from prefactor.machine.trouble import trouble


class Execution:
    """One run of the DAG. :meth:`stage` may be called from many threads, for each stage after those it needs."""

    def __init__(self, dag: Dag, cores: int) -> None:
        self._dag = dag
        self._cores = cores
        self._lock = threading.RLock()
        self._durations = Durations()
        self._slots = Slots(cores, ways(dag.needs, self._durations.expect))
        self._begin = time.monotonic()
        self._waiting = set(dag.expected)
        self._running: dict[str, float] = {}  # stage -> when it began
        self._groups: dict[str, Group] = {}
        self._remade: set[str] = set()  # stages of which this run changed an output
        self._stopped = False
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
            StageFailed: its command ended badly.
            Interrupted: the run was stopped, by a signal or by another stage's failure.
        """
        if not (name in self._dag.changed or self._remade.intersection(self._dag.needs[name])):
            with self._lock:
                self._waiting.discard(name)
            return "unchanged"
        try:
            with self._slots.hold(name):
                return self._run(name)
        except FlowError:
            raise
        except Exception as error:  # Prefect would keep it to itself
            said = trouble(error) or f"{type(error).__name__}: {error}"
            self._give_up(FlowError(f"stage {name} could not be run to its end: {said}"))
            raise

    def stop(self) -> None:
        """End every running stage and begin no other; returns when they are gone."""
        with self._lock:
            self._stopped = True
            groups = list(self._groups.values())
        for group in groups:
            group.end()
        for group in groups:
            group.wait()

    def _give_up(self, why: FlowError) -> None:
        with self._lock:
            self.failure = self.failure or why
        self.stop()

    def _run(self, name: str) -> str:
        with self._lock:
            if self._stopped:
                raise Interrupted(f"stage {name} was not begun")
            group = self._groups[name] = Group("flows.stage_process", name)
            self._waiting.discard(name)
            self._running[name] = time.monotonic()
            self._tell(f"{name} started", self._durations.expect(name))
        last = ""
        for line in group.lines():
            last = line.strip()
            self._say(f"{name} | {line}")
        report = group.report()
        return self._finish(name, report["code"], report.get("changed", False), last)

    def _finish(self, name: str, code: int, changed: bool, last: str) -> str:
        with self._lock:
            del self._groups[name]
            seconds = time.monotonic() - self._running.pop(name)
            if self._stopped and code:
                raise Interrupted(f"stage {name} was stopped")
            if code:
                # Other stages that run at this moment are left to finish: their work is good.
                self._stopped = True
                self.failure = StageFailed(name, code, last)
                raise self.failure
            if changed:
                self._remade.add(name)
            self._durations.record(name, seconds)
            self._tell(f"{name} done in {clock(seconds)}", self._left())
            return "done"

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
