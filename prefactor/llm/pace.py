"""At most so many requests a minute, their starts evenly spaced."""

import threading
import time


class Stopped(Exception):
    """No request may start any more."""


class Pace:
    """Thread-safe. ``stop`` ends all waiting."""

    def __init__(self, per_minute: float | None, stop: threading.Event) -> None:
        self._gap = 60 / per_minute if per_minute else 0.0
        self._next = 0.0
        self._lock = threading.Lock()
        self._stop = stop

    def wait(self) -> None:
        """Return when the caller may start a request.

        Raises:
            Stopped: it may not.
        """
        with self._lock:
            now = time.monotonic()
            at = max(now, self._next)
            self._next = at + self._gap
        if self._stop.wait(at - now):
            raise Stopped
