"""The whole pipeline as a Prefect flow, one task a DVC stage.

DVC alone remembers what is up to date; Prefect plans, runs stages side by side, schedules and shows. Plain
``dvc repro`` leaves the same files.
"""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, cast

from prefect import Task, flow
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import ThreadPoolTaskRunner

from flows.cores import cores
from flows.dag import Dag, check_code
from flows.errors import Interrupted
from flows.execution import Execution
from flows.repository import alone, check_cache
from flows.supply import supply
from stages.check import read_pipeline


# Threads wait for the stages upstream and hold no core meanwhile: how many stages run at once is Execution's to say.
@flow(name="prefactor", task_runner=cast(Any, ThreadPoolTaskRunner(max_workers=256)), persist_result=False)
def pipeline(stages: Sequence[str] = ()) -> None:
    """Check ``params.yaml``, then bring ``stages`` (default: all) and what they need up to date.

    Raises:
        ParamsError: ``params.yaml`` is wrong; nothing was begun.
        FlowError: a stage failed, the run was interrupted, or another one works in this folder.
    """
    with alone():
        read_pipeline()
        check_code()
        wanted = supply(stages)
        assert wanted is not None  # nobody was asked
        if wanted.dag.changed:
            check_cache()
        _reproduce(wanted.dag)


def _reproduce(dag: Dag) -> None:
    execution = Execution(dag, cores())
    execution.announce()
    futures = {}
    with _stopping(execution):
        for name, needs in dag.needs.items():
            task = Task(execution.stage, name=name, task_run_name=name, persist_result=False, cache_policy=NO_CACHE)
            futures[name] = cast(Any, task).submit(name, wait_for=[futures[need] for need in needs])
        for future in futures.values():
            future.wait()
    if execution.failure:
        raise execution.failure
    if any(not future.state.is_completed() for future in futures.values()):
        raise Interrupted("the run was stopped")


@contextmanager
def _stopping(execution: Execution) -> Iterator[None]:
    """Within it, a signal to end ends the stages first and then raises Interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        execution.stop()
        raise Interrupted("stopped; what is finished is kept, run again to go on")

    ends = [number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if _heard(number)]
    before = {number: signal.signal(number, stop) for number in ends}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _heard(number: signal.Signals) -> bool:
    """Whether the signal means this run: under ``nohup`` a terminal that closes does not."""
    return signal.getsignal(number) is not signal.SIG_IGN
