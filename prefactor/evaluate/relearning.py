"""Does an edit last? Under coarser weights, and under someone who trains the capability back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from prefactor.edits.methods import Finetune
from prefactor.machine.runtime import generator
from prefactor.model.change import Change, applied, attached
from prefactor.model.matrices import matrices, shape_of, weight_of
from prefactor.model.sites import sites
from prefactor.model.target import cross_entropy, logits_of, next_token_ce

Grid = Literal["bf16", "int8", "nf4"]
GRIDS: tuple[Grid, ...] = get_args(Grid)
# NormalFloat's 16 values (Dettmers et al. 2023, "QLoRA", appendix E): equally likely of a normal variable.
NF4 = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip
NF4_BLOCK = 64  # weights with one scale


def rounded(weight: Tensor, grid: Grid) -> Tensor:
    """``weight`` (d_out, d_in) on a coarser grid.

    bfloat16; int8 with one symmetric scale an output row; or NF4, with one scale, in float32, for every 64 weights that
    lie side by side (at the end fewer).
    """
    if grid == "bf16":
        return weight.bfloat16().to(weight)
    if grid == "int8":
        scale = weight.abs().amax(1, keepdim=True).clamp_min(1e-12) / 127
        return (weight / scale).round().clamp(-127, 127) * scale
    flat = weight.flatten()
    blocks = torch.nn.functional.pad(flat, (0, -len(flat) % NF4_BLOCK)).view(-1, NF4_BLOCK)
    scale = blocks.abs().amax(1, keepdim=True).clamp_min(1e-12)
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


def relearned(
    target: Any, change: Change, text: np.ndarray, held_out: np.ndarray, rates: Sequence[float], most: int, seed: int
) -> int | None:
    """Target tokens of fine-tuning, at the best of ``rates``, after which half of what the edit removed is back.

    Every weight of the base model's matrices is trained by Adam on next-token cross-entropy, one block of ``text`` (n,
    position) a step, each block once; half back is the cross-entropy on ``held_out`` midway between base and edited.
    None where ``most`` steps do not get there, or where the edit removed nothing.
    """
    device = next(target.parameters()).device
    base = cross_entropy(target, held_out)
    with applied(target, change):
        edited = cross_entropy(target, held_out)
        if edited <= base:
            return None
        order = torch.randperm(len(text), generator=generator(seed))[:most].tolist()
        found = sites(target, ".*", torch.from_numpy(text)).matrices
        method = Finetune({name: shape_of(module) for name, module in found.items()}, 1.0, device)
        needed = []
        for rate in rates:
            (parameters,) = method.starts(torch.Generator())
            parameters = [p.requires_grad_(True) for p in parameters]
            adam = torch.optim.Adam(parameters, lr=rate)
            for step, row in enumerate(order[: min(needed, default=most)]):
                tokens = torch.from_numpy(text[row : row + 1]).long().to(device)
                with attached(target, method.change(parameters)):
                    loss = next_token_ce(logits_of(target, tokens)[:, :-1], tokens).mean()
                    adam.zero_grad(set_to_none=True)
                    loss.backward()
                    adam.step()
                with attached(target, method.change([p.detach() for p in parameters])):
                    if cross_entropy(target, held_out) <= (base + edited) / 2:
                        needed.append(step + 1)
                        break
    return min(needed) * text.shape[1] if needed else None
