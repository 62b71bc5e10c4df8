"""Numbers as prompts and tables show them."""

import math


def rounded(value: float, digits: int = 4) -> float | None:
    """Enough digits to judge by; none for what is no number."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
