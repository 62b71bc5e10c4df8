"""The rank-1 change of a matrix that a domain's own text names, in closed form: what to read, and what to write.

``ΔW = a ‖y‖ u r^T`` with ``r = (Σ_0 + εI)^{-1} μ_1``, scaled to ``r·μ_1 = 1``: of all directions with this mean
response on the target's text the one that acts least on the spared text (μ_1 the mean input of the matrix on the
former, Σ_0 the second moment on the latter). ``u`` is the unit mean gradient of the target text's loss at the matrix's
output and ‖y‖ the mean norm of that output: at a = 1 the change is as large as what the matrix writes. No training.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prefactor.files.cost import Cost
from prefactor.locate.streams import pulls, readers, second_moments
from prefactor.machine.flops import flops_of
from prefactor.model.change import Change
from prefactor.model.matrices import Matrix, shape_of

MOST_CONDITION = 1e14  # of the matrix that is inverted: beyond it, what comes out is rounding
MOST_BYTES = 2**31  # of second moments at a time: of more inputs they are gathered in several passes over the text


@dataclass(frozen=True)
class Direction:
    """The change of one matrix but for its amount, and what a first-order look at it foretells."""

    module: str
    read: Tensor  # r (d_in,)
    write: Tensor  # ‖y‖ u (d_out,)
    rise: float  # nats a token at a = 1, of the target's loss, first order
    coherence: float  # of the gradients at single tokens (streams.py)
    spread: float  # √(r^T Σ_0 r): the r.m.s. response on spared text, where the target's has a mean of 1

    @property
    def screen(self) -> float:
        """Foretold rise of the target's loss against foretold spill, both first order; ‖y‖ and a cancel.

        The rise is ``a ‖y‖ ‖ḡ‖``. What is written into other text has the size ``a ‖y‖ spread`` (root mean square), and
        how sensitive the loss is to it there is taken to be the r.m.s. gradient on the target's text.
        """
        return self.coherence / self.spread

    def change(self, amount: float | Tensor) -> Change:
        """The change at ``amount`` a: differentiable in it, and sharing no memory with another."""
        return {self.module: (torch.stack([self.read]), (amount * self.write)[:, None])}


def read_direction(mean: Tensor, second: Tensor, ridge: float) -> tuple[Tensor, float] | None:
    """``r`` and ``√(r^T Σ_0 r)``; None where there is none: no input on one of the two texts, or nothing finite.

    Args:
        mean: μ_1 (d_in,), float64.
        second: Σ_0 (d_in, d_in), float64.
        ridge: ε as a share of the mean eigenvalue of Σ_0, as far as float64 can tell.
    """
    d, trace = len(mean), second.trace().item()
    if not (math.isfinite(trace) and trace > 0 and mean.isfinite().all() and mean.any()):
        return None
    epsilon = max(ridge, d / MOST_CONDITION) * trace / d
    solved = torch.linalg.solve(second + epsilon * torch.eye(d, dtype=second.dtype, device=second.device), mean)
    read = solved / (solved @ mean)
    spread = (read @ second @ read).clamp_min(0).sqrt().item()
    return (read, spread) if read.isfinite().all() and spread > 0 else None


def directions(
    target: Any, matrices: Mapping[str, Matrix], toward: np.ndarray, spared: Sequence[np.ndarray], ridge: float,
    cost: Cost,
) -> dict[str, Direction]:  # fmt: skip
    """The direction of each of ``matrices``, in their order; those that have none are left out.

    Args:
        toward: (n, position) text of the domain that is to be removed.
        spared: texts that the change must not meet, each of equal weight.
    """
    pulled = pulls(target, matrices, toward)
    found: dict[str, Direction] = {}
    by_input, passes = readers(target, matrices, toward), 0
    for group in _groups({first: shape_of(matrices[first])[1] for first in by_input}):
        moments = second_moments(target, {first: matrices[first] for first in group}, spared)
        passes += 1
        for first in group:
            solved = read_direction(pulled[first].mean, moments.pop(first), ridge)
            for name in by_input[first] if solved else ():
                pull, like = pulled[name], matrices[name].weight
                norm = pull.gradient.norm().item()
                if solved and 0 < norm < math.inf and 0 < pull.size < math.inf:
                    write = pull.gradient * (pull.size / norm)
                    found[name] = Direction(
                        name, solved[0].to(like), write.to(like), pull.size * norm, pull.coherence, solved[1]
                    )
    _charge(cost, target, toward, sum(text.size for text in spared) * passes)
    return {name: found[name] for name in matrices if name in found}


def _groups(widths: Mapping[str, int]) -> Iterator[list[str]]:
    """The names in order, cut so that second moments of these widths take at most ``MOST_BYTES`` together."""
    group: list[str] = []
    taken = 0
    for name, width in widths.items():
        if group and taken + 8 * width**2 > MOST_BYTES:
            yield group
            group, taken = [], 0
        group.append(name)
        taken += 8 * width**2
    yield group


def _charge(cost: Cost, target: Any, toward: np.ndarray, read: int) -> None:
    """A forward and a backward pass (twice the former) over ``toward``, and ``read`` tokens up to the head."""
    block = torch.from_numpy(toward[:1]).long().to(next(target.parameters()).device)
    with torch.no_grad():
        whole = flops_of(lambda: target(input_ids=block, use_cache=False)) / block.numel()
        layers = flops_of(lambda: target.base_model(input_ids=block, use_cache=False)) / block.numel()
    cost.add(toward.size + read, 3 * whole * toward.size + layers * read)
