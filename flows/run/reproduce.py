"""Run a DAG within a flow: a task a stage, and a signal that ends the run ends its stages first."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Any, Protocol, cast

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.exceptions import TerminationSignal

from flows.around.errors import Interrupted
from flows.around.repository import check_cache
from flows.page import artifacts
from flows.run import retries, shared
from flows.run.accelerator import accelerators
from flows.run.cores import cores
from flows.run.dag import Dag
from flows.run.execution import Execution
from flows.serving.server import own
from prefactor.machine.settings import stage_seconds

BY_WORKER = "PREFECT__FLOW_RUN_ID"  # which Prefect sets in the process of a run that a worker begins


class Stoppable(Protocol):
    def stop(self) -> None:
        """End what runs, and begin nothing else; returns when it is gone."""
        ...


def reproduce(dag: Dag) -> None:
    """Bring every stage of ``dag`` up to date.

    Raises:
        FlowError: a stage failed, the run was interrupted, or DVC's cache cannot be written.
    """
    if dag.expected:
        check_cache()
    stays = not own()  # a server that ends with the run has no other runs, and no page
    execution = Execution(dag, cores(), accelerators(), shared.held if stays else None, stage_seconds())
    execution.announce()
    futures = {}
    with stopping(execution), artifacts.progress(execution.progress) if stays else nullcontext():
        for name, needs in dag.needs.items():
            futures[name] = _task(execution, name).submit(name, wait_for=[futures[need] for need in needs])
        for future in futures.values():
            future.wait()
    if execution.failure:
        raise execution.failure
    if any(not future.state.is_completed() for future in futures.values()):
        raise Interrupted("the run was stopped")
    if stays:
        artifacts.leave_results()


def _task(execution: Execution, name: str) -> Any:
    def again(task: object, run: object, state: object) -> bool:  # Prefect wants a plain function
        return execution.again(name)

    task = Task(
        execution.stage, name=name, task_run_name=name, persist_result=False, cache_policy=NO_CACHE,
        retries=len(retries.PAUSES), retry_condition_fn=again, log_prints=None,
    )  # fmt: skip
    return cast(Any, task)


@contextmanager
def stopping(work: Stoppable) -> Iterator[None]:
    """Within it, a signal to end ends ``work`` first, and then the flow.

    SIGTERM stays Prefect's, as it asks whether it is before it cancels a run: within a flow it raises
    ``TerminationSignal``. A run that a worker has begun passes it on, so that Prefect knows that it was cancelled.

    Raises:
        Interrupted: the run was stopped by hand.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    ends = [number for number in (signal.SIGINT, signal.SIGHUP) if _heard(number)]
    before = {number: signal.signal(number, stop) for number in ends}
    try:
        yield
    except (KeyboardInterrupt, TerminationSignal) as error:
        for number in before:
            signal.signal(number, signal.SIG_IGN)  # once is enough
        work.stop()
        if isinstance(error, TerminationSignal) and BY_WORKER in os.environ:
            raise
        raise Interrupted("stopped; what is finished is kept, run again to go on") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _heard(number: signal.Signals) -> bool:
    """Whether the signal means this run: under ``nohup`` a terminal that closes does not."""
    return signal.getsignal(number) is not signal.SIG_IGN
