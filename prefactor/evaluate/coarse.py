"""Does an edit last under coarser weights? Matrices on the grids that models are stored and served on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from prefactor.model.matrices import matrices, weight_of

Grid = Literal["bf16", "int8", "int4", "nf4"]
GRIDS: tuple[Grid, ...] = get_args(Grid)
# NormalFloat's 16 values (Dettmers et al. 2023, "QLoRA", appendix E): equally likely of a normal variable.
NF4 = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip
BLOCK = 64  # weights of four bits with one scale


def rounded(weight: Tensor, grid: Grid) -> Tensor:
    """``weight`` (d_out, d_in) on a coarser grid.

    bfloat16; int8 with one symmetric scale an output row; or int4 (symmetric, -7 to 7) and NF4, with one scale, in
    float32, for every 64 weights that lie side by side (at the end fewer).
    """
    if grid == "bf16":
        return weight.bfloat16().to(weight)
    if grid == "int8":
        scale = weight.abs().amax(1, keepdim=True).clamp_min(1e-12) / 127
        return (weight / scale).round().clamp(-127, 127) * scale
    flat = weight.flatten()
    blocks = torch.nn.functional.pad(flat, (0, -len(flat) % BLOCK)).view(-1, BLOCK)
    scale = blocks.abs().amax(1, keepdim=True).clamp_min(1e-12)
    if grid == "int4":
        return ((blocks / scale * 7).round() * (scale / 7)).flatten()[: len(flat)].view_as(weight)
    values = torch.tensor(NF4, dtype=weight.dtype, device=weight.device)
    nearest = torch.bucketize((blocks / scale).contiguous(), (values[1:] + values[:-1]) / 2)
    return (values[nearest] * scale).flatten()[: len(flat)].view_as(weight)


@contextmanager
def coarse(target: Any, grid: Grid) -> Iterator[None]:
    """All matrices of the base model are :func:`rounded` within the block, and have their own bits after it."""
    weights = [weight_of(module) for module in matrices(target).values()]
    saved = [weight.detach().clone() for weight in weights]
    try:
        with torch.no_grad():
            for weight in weights:
                weight.copy_(rounded(weight, grid))
        yield
    finally:
        with torch.no_grad():
            for weight, before in zip(weights, saved, strict=True):
                weight.copy_(before)
