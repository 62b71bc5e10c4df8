"""A change of some weight matrices, ``W' = W + B A``, and putting it on a model and off again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from prefactor.errors import PrefactorError

Change = Mapping[str, tuple[Tensor, Tensor]]  # module -> A (r, d_in), B (d_out, r)


def module_of(target: Any, name: str) -> nn.Linear:
    """The linear module ``name`` of the base model of ``target``.

    Raises:
        PrefactorError: there is none.
    """
    try:
        module = target.base_model.get_submodule(name)
    except AttributeError:
        module = None
    if not isinstance(module, nn.Linear):
        raise PrefactorError(f"the edit changes {name}, which is no linear module of this target: use its own target")
    return module


@contextmanager
def applied(target: Any, change: Change) -> Iterator[None]:
    """Merge ``change`` into the weights for the length of the block; afterwards they have their old bits again.

    A zero change (all prefactors 1) leaves every bit as it is inside the block, too.
    """
    saved: list[tuple[nn.Linear, Tensor]] = []
    try:
        with torch.no_grad():
            for name, (A, B) in change.items():
                module = module_of(target, name)
                saved.append((module, module.weight.detach().clone()))
                module.weight.add_(B.to(module.weight) @ A.to(module.weight))
        yield
    finally:
        with torch.no_grad():
            for module, weight in reversed(saved):
                module.weight.copy_(weight)


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

    handles = [module_of(target, n).register_forward_hook(make(A, B)) for n, (A, B) in change.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
