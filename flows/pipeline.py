"""The whole pipeline as a Prefect flow: ``python -m flows.pipeline [--stage NAME ...] [--serve CRON]``.

One Prefect task a DVC stage. DVC alone remembers what is up to date; Prefect plans, runs stages side by side,
schedules and shows. Plain ``dvc repro`` leaves the same files.
"""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, cast

from prefect import Task, flow
from prefect.cache_policies import NO_CACHE
from prefect.settings import PREFECT_API_URL
from prefect.task_runners import ThreadPoolTaskRunner

from flows.dag import Dag, check_code, read_dag
from flows.errors import FlowError, Interrupted
from flows.execution import Execution
from flows.headline import print_headline
from prefactor.errors import PrefactorError
from stages.check import read_pipeline


# Threads wait for the stages upstream and hold no core meanwhile: how many stages run at once is Execution's to say.
@flow(name="prefactor", task_runner=cast(Any, ThreadPoolTaskRunner(max_workers=256)), persist_result=False)
def pipeline(stages: Sequence[str] = ()) -> None:
    """Check ``params.yaml``, then bring ``stages`` (default: all) and what they need up to date.

    Raises:
        ParamsError: ``params.yaml`` is wrong; nothing was begun.
        FlowError: a stage failed, or the run was interrupted.
    """
    read_pipeline()
    check_code()
    _reproduce(read_dag(stages))


def _reproduce(dag: Dag) -> None:
    execution = Execution(dag, cores=_cores())
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

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run or schedule the flow; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m flows.pipeline", description="Run the whole pipeline.")
    parser.add_argument(
        "--stage", action="append", default=[], help="only this stage (edit, edit@NAME) and what it needs"
    )
    parser.add_argument("--serve", metavar="CRON", help='stay and run on a schedule, such as "0 3 * * *"')
    words = parser.parse_args(argv)
    try:
        read_pipeline()  # before anything starts, Prefect included
        if words.serve:
            if not PREFECT_API_URL.value():
                raise FlowError(
                    "--serve: a schedule needs a Prefect server that stays: run `prefect server start`, "
                    "and `prefect config set PREFECT_API_URL=http://127.0.0.1:4200/api`"
                )
            pipeline.serve(name="prefactor", cron=words.serve, parameters={"stages": words.stage})
            return 0
        check_code()
        dag = read_dag(words.stage)
        if dag.changed:
            pipeline(words.stage)
        else:
            print(f"all {len(dag.needs)} stages are up to date")
        print_headline()
    except (PrefactorError, FlowError) as error:
        print(f"prefactor: error: {error}", file=sys.stderr)
        return getattr(error, "code", 2)
    except KeyboardInterrupt:
        print("prefactor: error: interrupted before any stage began", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
