"""A change of some weight matrices, ``W' = W + B A``, and putting it on a model and off again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from prefactor.model.matrices import matrix_of, weight_of

Change = Mapping[str, tuple[Tensor, Tensor]]  # module -> A (r, d_in), B (d_out, r)


@contextmanager
def applied(target: Any, change: Change) -> Iterator[None]:
    """Merge ``change`` into the weights for the length of the block; afterwards they have their old bits again.

    A zero change (all prefactors 1) leaves every bit as it is inside the block, too.
    """
    saved: list[tuple[Tensor, Tensor]] = []
    try:
        with torch.no_grad():
            for name, (A, B) in change.items():
                weight = weight_of(matrix_of(target, name))
                saved.append((weight, weight.detach().clone()))
                weight.add_(B.to(weight) @ A.to(weight))
        yield
    finally:
        with torch.no_grad():
            for weight, before in reversed(saved):
                weight.copy_(before)


def stacked(changes: Sequence[Change]) -> Change:
    """Changes of the same matrices and ranks as one, for :func:`attached`: A (n, r, d_in), B (n, d_out, r)."""
    return {
        name: (torch.stack([c[name][0] for c in changes]), torch.stack([c[name][1] for c in changes]))
        for name in changes[0]
    }


@contextmanager
def attached(target: Any, change: Change) -> Iterator[None]:
    """As :func:`applied`, but beside the weights and differentiable in A and B, for fitting.

    Of n stacked changes the first acts on the first n-th of the batch, and so on.
    """

    def make(A: Tensor, B: Tensor) -> Callable[..., Tensor]:
        def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
            x = args[0]  # (batch, position, d_in)
            if A.ndim == 3:
                x = x.view(len(A), -1, x.shape[-1])  # matrices of one change as one long sequence
            return output + (x @ A.mT @ B.mT).view_as(output)

        return hook

    handles = [matrix_of(target, n).register_forward_hook(make(A, B)) for n, (A, B) in change.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
