"""A process that never outlives whoever started it."""

import os
import signal
import threading

GRACE = 5.0  # seconds between asking the group to end and ending it


def watch_parent() -> None:
    """Watch standard input; at its end kill the process group. Call it first, in a process that leads its group."""
    pipe = os.dup(0)  # not inheritable: the stage's command does not hold the pipe
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    # A handler, and not SIG_IGN, which the command would inherit. DVC itself ends in good order once its command died.
    signal.signal(signal.SIGTERM, lambda *_: None)

    def watch() -> None:
        while os.read(pipe, 1):
            pass
        os.killpg(0, signal.SIGTERM)
        threading.Event().wait(GRACE)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
