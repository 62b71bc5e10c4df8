"""Workers of this machine that each serve many edits: importing torch takes longer than most edits do."""

import json
import os
import queue
import subprocess
import sys
import threading
from dataclasses import asdict
from typing import Any

from flows.around.environment import environment
from flows.around.errors import FlowError, Interrupted
from flows.around.watch import GRACE
from flows.sweeps.job import Job

DEATHS = 3  # workers that one edit may take with it, as Dask allows


class Worker:
    """A process that takes one job at a time."""

    def __init__(self, threads: int) -> None:
        asked, self._jobs = os.pipe()
        self._answers, told = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flows.sweeps.worker_process", str(asked), str(told)],
            stdin=subprocess.PIPE,
            pass_fds=[asked, told],
            start_new_session=True,
            env=environment() | worker_environment(threads),
        )
        os.close(asked)
        os.close(told)
        self._told = os.fdopen(self._answers, encoding="utf-8")

    def make(self, job: Job) -> dict[str, Any] | None:
        """The answer; None if the process died over it."""
        try:
            sent = (json.dumps(asdict(job)) + "\n").encode()
            while sent:
                sent = sent[os.write(self._jobs, sent) :]
            line = self._told.readline()
        except BrokenPipeError:
            return None
        return json.loads(line) if line.endswith("\n") else None

    def stop(self) -> None:
        """End it; returns when it is gone."""
        assert self.process.stdin is not None
        self.process.stdin.close()  # at its end the process stops
        try:
            self.process.wait(timeout=2 * GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self._jobs)


class Pool:
    """``count`` workers, each started when it is first needed. :meth:`make` may be called from as many threads."""

    def __init__(self, count: int, threads: int) -> None:
        self._threads = threads
        self._idle: queue.LifoQueue[Worker | None] = queue.LifoQueue()
        for _ in range(count):
            self._idle.put(None)
        self._lock = threading.Lock()
        self._all: list[Worker] = []
        self._stopped = False

    def make(self, job: Job) -> dict[str, Any]:
        """As :func:`flows.sweeps.worker.make`, in a worker; in another where that one dies.

        Raises:
            FlowError: the edit cannot be made, or every worker that tried died.
            Interrupted: the pool was stopped.
        """
        worker = self._idle.get()
        try:
            for _ in range(DEATHS):
                worker = worker or self._start()
                answer = worker.make(job)
                if self._stopped:
                    raise Interrupted(f"{job.name} was stopped")
                if answer is None:
                    self._bury(worker)
                    worker = None
                elif "error" in answer:
                    raise FlowError(answer["error"])
                else:
                    return answer["row"]
        finally:
            self._idle.put(worker)
        raise FlowError(f"{job.name}: {DEATHS} workers died over it, as they do when memory runs out")

    def stop(self) -> None:
        """End every worker, and begin no other."""
        with self._lock:
            self._stopped = True
            workers, self._all = self._all, []
        for worker in workers:
            worker.stop()

    def _bury(self, worker: Worker) -> None:
        with self._lock:
            if worker in self._all:
                self._all.remove(worker)
                worker.stop()

    def _start(self) -> Worker:
        with self._lock:
            if self._stopped:
                raise Interrupted("the sweep was stopped")
            self._all.append(worker := Worker(self._threads))
        return worker


def worker_environment(threads: int) -> dict[str, str]:
    """Variables of a worker that may keep ``threads`` cores busy."""
    count = str(threads)
    return {
        "PREFACTOR_THREADS": count,
        "OMP_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "OPENBLAS_NUM_THREADS": count,
    }
