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
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not least <= value <= most:
        upto = "" if most == LAST_SEED else f" to {most}"
        raise PrefactorError(f"{name} = {value}: give a whole number from {least}{upto}")
    return int(value)


def real(name: str, value: Any, *, positive: bool = False) -> float:
    """``value`` as a finite number of a size that an edit can have; ``positive``: above 0.

    Raises:
        PrefactorError: it is none.
    """
    fits = not isinstance(value, bool) and isinstance(value, numbers.Real) and math.isfinite(value)
    if not fits or abs(value) > FURTHEST or (positive and value <= 0):
        raise PrefactorError(f"{name} = {value}: give a number {'above 0' if positive else f'from {-FURTHEST:g}'}"
                             f"{' and at most' if positive else ' to'} {FURTHEST:g}")  # fmt: skip
    return float(value)
