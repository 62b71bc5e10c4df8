"""Which failures of a stage may pass by themselves, and how long to wait before it is tried again.

A stage says by its exit code what happened to it. Two are worth another try: 75, with which it says itself that
something does not answer at this moment (an endpoint, or a lock of DVC's that another process holds); and SIGKILL, with
which the system ends processes when memory runs out, as its neighbours may have used it up. All others are what they
are, however often it is tried: 2 is for the user, 1 an error, and other signals are faults of a program.
"""

from flows.around.errors import FlowError, StageEnded, StageFailed
from stages.common import AGAIN

KILLED = (-9, 137)  # by SIGKILL: of the command itself, or as its shell tells it
PASSING = (AGAIN, *KILLED)
PAUSES = (10.0, 60.0)  # seconds before the second try and the third, which is the last


def pause(failure: FlowError, tries: int) -> float | None:
    """Seconds to wait after ``failure``, the outcome of the last of so many ``tries``; ``None``: it stays failed."""
    passes = isinstance(failure, StageFailed) and not isinstance(failure, StageEnded) and failure.exit_code in PASSING
    return PAUSES[tries - 1] if passes and tries <= len(PAUSES) else None
