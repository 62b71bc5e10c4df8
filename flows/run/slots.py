"""Which stage runs next: of those that could, the one with the longest way to the end of the DAG."""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager


def ways(needs: Mapping[str, Collection[str]], seconds: Callable[[str], float | None]) -> dict[str, float]:
    """By stage, the seconds of the longest way from it to the end; ``needs`` in an order that respects it."""
    longest: dict[str, float] = {}
    for stage in reversed(list(needs)):
        after = [longest[other] for other, wanted in needs.items() if stage in wanted]
        longest[stage] = (seconds(stage) or 1.0) + max(after, default=0.0)
    return longest


class Slots:
    """Room for ``count`` stages at a time, given by ``priority``, highest first; of ``scarce`` ones for ``few``.

    Stages that wait for the same one come one by one. So that the first to come does not take the room of a more
    urgent one, each waits ``grace`` seconds for others.
    """

    def __init__(
        self,
        count: int,
        priority: Mapping[str, float],
        grace: float = 0.5,
        scarce: Callable[[str], bool] = lambda stage: False,
        few: int = 1,
    ):
        self._free, self._priority, self._grace = count, priority, grace
        self._scarce, self._few = scarce, few
        self._waiting: list[str] = []
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, stage: str) -> Iterator[None]:
        """Wait for room, and have it for the length of the block."""
        with self._changed:
            self._waiting.append(stage)
            until = time.monotonic() + self._grace
            while (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            self._changed.wait_for(lambda: self._first(stage))
            self._waiting.remove(stage)
            self._give(stage, -1)
        try:
            yield
        finally:
            with self._changed:
                self._give(stage, +1)

    def _give(self, stage: str, more: int) -> None:
        self._free += more
        self._few += more * self._scarce(stage)
        self._changed.notify_all()

    def _first(self, stage: str) -> bool:
        could = [name for name in self._waiting if self._few > 0 or not self._scarce(name)]
        return self._free > 0 and stage in could and stage == max(could, key=lambda name: self._priority.get(name, 0.0))
