"""Floating-point operations of a computation, counted and not estimated."""

from collections.abc import Callable
from contextvars import ContextVar

from torch.utils.flop_counter import FlopCounterMode

_COUNTING = ContextVar("counting", default=False)


def counting() -> bool:
    """Whether operations are being counted: then nothing that was worked out before may stand in for any."""
    return _COUNTING.get()


def flops_of(call: Callable[[], object]) -> float:
    """FLOPs of the matrix products that ``call`` makes, backward passes included.

    Counting can change the last bits of a result, so ``call`` should be a sample that is thrown away.
    """
    before = _COUNTING.set(True)
    try:
        with FlopCounterMode(display=False) as counter:
            call()
    finally:
        _COUNTING.reset(before)
    return float(counter.get_total_flops())
