"""No long silence: what the flow is at, said whenever it takes longer than a moment."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

FIRST, EVERY = 8.0, 15.0  # seconds


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Within it, say on standard error what is waited for: after FIRST seconds, then every EVERY."""
    done = threading.Event()
    begin, stream = time.monotonic(), sys.stderr

    def tell() -> None:
        pause = FIRST
        while not done.wait(pause):
            pause = EVERY
            print(f"prefactor: {what}: {time.monotonic() - begin:.0f} s", file=stream, flush=True)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
