"""One accelerator, and runs in several folders that know of each other by their Prefect server alone."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

import httpx
from prefect.client.orchestration import get_client
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.sync import concurrency
from prefect.exceptions import PrefectException

LEASE = 60.0  # seconds after which a run that was killed holds a device no longer; the least that Prefect allows
ASK = 15.0  # seconds between two looks at whether the run was stopped meanwhile
TROUBLE = (httpx.HTTPError, PrefectException, ConcurrencySlotAcquisitionError)


@contextmanager
def held(names: Sequence[str], room: int, stopped: Callable[[], bool], say: Callable[[str], None]) -> Iterator[None]:
    """Wait until fewer than ``room`` stages hold each of Prefect's concurrency limits ``names``, and be one of them.

    The block is entered without them where the run is ``stopped``, or the server goes away: no result depends on it.
    """
    stack = ExitStack()
    try:
        _take(stack, names, room, stopped, say)
    except TROUBLE as error:
        say(f"{names[0]}: Prefect's server does not say whether it is free ({error}): it is used all the same")
    try:
        yield
    finally:
        with suppress(*TROUBLE):  # then it comes free when the lease ends
            stack.close()


def _take(
    stack: ExitStack, names: Sequence[str], room: int, stopped: Callable[[], bool], say: Callable[[str], None]
) -> None:
    with get_client(sync_client=True) as client:
        for name in names:
            with suppress(PrefectException):  # two runs may make it at the same moment
                client.upsert_global_concurrency_limit_by_name(name, room)
    said = False
    while not stopped():
        try:
            stack.enter_context(concurrency(list(names), timeout_seconds=ASK, lease_duration=LEASE, strict=False))
        except TimeoutError:
            if not said:
                say(f"{names[0]} is taken by another run: this one waits")
            said = True
        else:
            return
