"""Progress of a long loop: a bar on a terminal, a line now and then in a log, always with time left."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def clock(seconds: float) -> str:
    """``75.2`` -> ``1:15``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def track(
    items: Iterable[T], total: int, what: str, note: Callable[[], str] = lambda: "", every: float = 15.0, done: int = 0
) -> Iterator[T]:
    """Yield ``items``, printing ``what: done/total, time left`` every ``every`` seconds.

    Lines and not a redrawn bar: stages run under DVC, whose output is a log as often as a terminal.
    ``done`` is the count at which a resumed loop starts; ``note`` adds the figures of the moment.
    """
    begin = last = time.monotonic()
    first = done
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        if now - last >= every or (done == total and now - begin >= every):
            last = now
            left = (now - begin) / (done - first) * (total - done)
            print(f"  {what}: {done}/{total}, {clock(left)} left  {note()}".rstrip(), file=sys.stderr, flush=True)
