"""Floating-point operations of a computation, counted and not estimated."""

from collections.abc import Callable

from torch.utils.flop_counter import FlopCounterMode


def flops_of(call: Callable[[], object]) -> float:
    """FLOPs of the matrix products that ``call`` makes, backward passes included.

    Counting can change the last bits of a result, so ``call`` should be a sample that is thrown away.
    """
    with FlopCounterMode(display=False) as counter:
        call()
    return float(counter.get_total_flops())
