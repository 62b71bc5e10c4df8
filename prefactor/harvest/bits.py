"""One bit a subcomponent, as numpy packs them: free of torch, since who reads tables needs none."""

import numpy as np


def unpacked(bits: np.ndarray, subcomponents: int) -> np.ndarray:
    """``bits`` (..., ceil(C / 8)) uint8 as bool (..., C)."""
    return np.unpackbits(bits, axis=-1, count=subcomponents).astype(bool)
