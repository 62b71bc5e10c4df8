"""Rows of text, or of a toy's numbers, as a target model takes them."""

import numpy as np
import torch
from torch import Tensor


def given(rows: np.ndarray, device: torch.device) -> Tensor:
    """``rows`` (batch, position) of tokens as int64; a toy's (batch, position, feature) numbers as they are."""
    tensor = torch.from_numpy(rows)
    return (tensor if tensor.is_floating_point() else tensor.long()).to(device)
