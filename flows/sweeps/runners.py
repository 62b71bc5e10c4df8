"""Where the edits of a sweep are made: workers of this machine, or Dask's."""

# Of extras, which an installation may lack:
# pyright: reportMissingImports=false

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from flows.around.errors import FlowError
from flows.run.cores import cores
from flows.sweeps.job import Job
from flows.sweeps.pool import Pool, worker_environment
from flows.sweeps.worker import make
from prefactor.machine.settings import threads

Kind = Literal["threads", "dask"]
PATIENCE = 15.0  # seconds for a scheduler to answer
SCRATCH = Path(".runs/dask")  # of Dask's workers


@dataclass(frozen=True)
class Runner:
    """A task runner of Prefect, what it calls for each job, and how to end what it started."""

    tasks: TaskRunner[Any]
    make: Callable[[Job], dict[str, Any]]
    stop: Callable[[], None]


def check_asked(kind: Kind, workers: int | None, address: str | None) -> None:
    """Whether what is asked for fits together.

    Raises:
        FlowError: it does not.
    """
    if workers is not None and workers < 1:
        raise FlowError(f"--workers {workers}: write 1 or more")
    if address is not None and (kind != "dask" or workers is not None):
        raise FlowError(f"--address {address}: it names workers that are there: say --runner dask, and no --workers")


@contextmanager
def started(kind: Kind, workers: int | None, address: str | None) -> Iterator[Runner]:
    """Within it there are ``workers`` (as many as there are cores, unless told), or those at ``address`` of Dask.

    Each has one CPU thread, or ``PREFACTOR_THREADS``, and never more than its share of the cores.

    Raises:
        FlowError: Dask is not installed, or does not answer at ``address``.
    """
    count = workers or cores()
    each = min(threads(), max(1, cores() // count))
    if kind == "threads":
        pool = Pool(count, each)
        try:
            yield Runner(cast(Any, ThreadPoolTaskRunner(max_workers=count)), pool.make, pool.stop)
        finally:
            pool.stop()
        return
    try:
        from prefect_dask.task_runners import DaskTaskRunner
    except ImportError:
        raise FlowError(
            "--runner dask: prefect-dask is not installed: `pip install -c constraints.txt -e .[dask]`"
        ) from None
    if address:
        _check_scheduler(address)
    with ExitStack() as stack:
        cluster = None if address else stack.enter_context(_cluster(count, each))
        yield Runner(DaskTaskRunner(cluster=cluster, address=address), make, lambda: None)


def _check_scheduler(address: str) -> None:
    from distributed.core import rpc

    async def ask() -> dict[str, Any]:
        async with rpc(address, timeout=PATIENCE) as scheduler:
            return cast(Any, await scheduler.identity(n_workers=-1))["workers"]

    try:
        found = asyncio.run(ask())
    except (OSError, ValueError) as error:
        said = " ".join(str(error).split())
        raise FlowError(f"--address {address}: no Dask scheduler answers there ({said}): start it") from None
    if not found:
        raise FlowError(f"--address {address}: it has no worker: start some (`python -m dask worker {address}`)")
    if any(worker["nthreads"] != 1 for worker in found.values()):
        raise FlowError(f"--address {address}: a worker makes one edit at a time: start each with --nthreads 1")


@contextmanager
def _cluster(count: int, each: int) -> Iterator[Any]:
    """Processes of this machine, one job at a time each; one that dies is replaced."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=count, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0",
        memory_limit=0, local_directory=str(SCRATCH.absolute()), env={"TQDM_DISABLE": "1"} | worker_environment(each),
    ) as cluster:  # fmt: skip
        yield cluster
