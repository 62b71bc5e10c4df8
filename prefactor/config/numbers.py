"""Numbers that people give by hand, on the command line or from Python: one rule for what they may be."""

import math
import numbers
from typing import Any

from prefactor.errors import PrefactorError

FURTHEST = 1e6  # a prefactor, a strength or a tolerance beyond this is a slip
LAST_SEED = 2**63 - 1


def whole(name: str, value: Any, least: int, most: int = LAST_SEED) -> int:
    """``value`` as a whole number from ``least`` to ``most``; ``name`` is what it was given as.

    Raises:
        PrefactorError: it is none.
    """
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_whole or not least <= int(value) <= most:
        upto = "" if most == LAST_SEED else f" to {most}"
        raise PrefactorError(f"{name} = {value}: give a whole number from {least}{upto}")
    return int(value)


def real(name: str, value: Any, *, positive: bool = False) -> float:
    """``value`` as a finite number of a size that an edit can have; ``positive``: above 0.

    Raises:
        PrefactorError: it is none.
    """
    number = math.nan
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:  # a whole number of hundreds of digits
            number = math.inf
    if not abs(number) <= FURTHEST or (positive and number <= 0):  # NaN is not below anything
        span = f"above 0 and at most {FURTHEST:g}" if positive else f"from {-FURTHEST:g} to {FURTHEST:g}"
        raise PrefactorError(f"{name} = {value}: give a number {span}")
    return number
