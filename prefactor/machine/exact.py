"""Sums in float64, on devices that have it and on those that do not: Apple's MPS knows float32 at most."""

import torch
from torch import Tensor

WITHOUT_FLOAT64 = frozenset({"mps"})


def exact(tensor: Tensor) -> Tensor:
    """``tensor`` in float64, on its own device or, where that has none, on the CPU."""
    return tensor.to(exact_device(tensor.device)).to(torch.float64)


def exact_device(device: torch.device) -> torch.device:
    """Where float64 tensors of what is on ``device`` lie."""
    return torch.device("cpu") if device.type in WITHOUT_FLOAT64 else device
