"""Tasks that do nothing, in a module that workers can import."""

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import ThreadPoolTaskRunner
from prefect_dask.task_runners import DaskTaskRunner


def nothing(number: int) -> int:
    return number


@task(persist_result=False, cache_policy=NO_CACHE)
def nothing_task(number: int) -> int:
    return number


@flow(persist_result=False)
def many(count: int, address: str | None) -> None:
    """``count`` tasks at Dask's scheduler at ``address``, or on two threads."""
    runner = DaskTaskRunner(address=address) if address else ThreadPoolTaskRunner(max_workers=2)
    with runner as tasks:
        for future in [tasks.submit(nothing_task, {"number": n}) for n in range(count)]:
            future.result()
