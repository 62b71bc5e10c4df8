"""What text puts into matrices, and what its loss asks of what they put out: of all matrices in one pass.

Nothing is kept a token: means and second moments alone, in float64. Matrices that read one tensor share its moments.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prefactor.machine.exact import exact, exact_device
from prefactor.model.at_once import blocks_at_once
from prefactor.model.hooks import hooked
from prefactor.model.matrices import Matrix, shape_of
from prefactor.model.target import logits_of, next_token_ce

BATCH = 32  # blocks a forward pass at most


@dataclass(frozen=True)
class Pull:
    """Of one matrix, on the text of the target domain."""

    mean: Tensor  # μ_1 (d_in,): the mean input
    size: float  # ‖y‖, the mean norm of its output
    gradient: Tensor  # (d_out,): of the mean next-token loss (nats), with respect to a bias added to its output
    coherence: (
        float  # in [0, 1]: how far the gradients at single tokens agree, the norm of their mean over their r.m.s.
    )


def parts(target: Any, tokens: np.ndarray) -> Iterator[Tensor]:
    """``tokens`` (n, position) on the target's device, as many blocks at a time as their logits allow."""
    batch = blocks_at_once(target, tokens.shape[1], BATCH)
    device = next(target.parameters()).device
    for start in range(0, len(tokens), batch):
        yield torch.from_numpy(tokens[start : start + batch]).long().to(device)


@torch.no_grad()
def readers(target: Any, matrices: Mapping[str, Matrix], tokens: np.ndarray) -> dict[str, list[str]]:
    """The matrices by what they read: under the first that reads a tensor, all that read the very same one.

    Args:
        tokens: (n, position) some text, of which a block is read.
    """
    seen: list[tuple[Tensor, str]] = []
    found: dict[str, list[str]] = {}

    def note(name: str) -> Callable[..., None]:
        def hook(module: Any, args: tuple[Tensor, ...], output: Tensor) -> None:
            first = next((other for tensor, other in seen if tensor is args[0]), None)
            if first is None:
                seen.append((args[0], name))
            found.setdefault(first or name, []).append(name)

        return hook

    with hooked(matrices, note):
        _read(target, next(parts(target, tokens[:1])))
    return found


def pulls(target: Any, matrices: Mapping[str, Matrix], tokens: np.ndarray) -> dict[str, Pull]:
    """One forward and one backward pass over ``tokens`` (n, position), for all ``matrices`` at once.

    The gradient is that of a bias of zeros put on each output; the weights stay frozen, and no output is kept for it
    longer than autograd needs.
    """
    device = next(target.parameters()).device
    zeros = {name: torch.zeros(shape_of(matrix)[0], device=device) for name, matrix in matrices.items()}
    biases = {name: zero.to(matrices[name].weight.dtype).requires_grad_(True) for name, zero in zeros.items()}
    means = {name: _zeros(shape_of(matrix)[1], device=device) for name, matrix in matrices.items()}
    gradients = {name: _zeros(len(zero), device=device) for name, zero in zeros.items()}
    sizes, squares = dict.fromkeys(matrices, 0.0), dict.fromkeys(matrices, 0.0)

    def watch(name: str) -> Callable[..., Tensor]:
        def hook(module: Any, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
            means[name] += exact(args[0].detach()).flatten(0, -2).sum(0)
            sizes[name] += exact(output.detach()).norm(dim=-1).sum().item()
            moved = output + biases[name]
            moved.register_hook(
                lambda gradient: squares.update({name: squares[name] + exact(gradient).square().sum().item()})
            )
            return moved

        return hook

    predictions = len(tokens) * (tokens.shape[1] - 1)
    with hooked(matrices, watch), torch.enable_grad():
        for part in parts(target, tokens):
            loss = next_token_ce(logits_of(target, part)[:, :-1], part).sum()
            for name, gradient in zip(biases, torch.autograd.grad(loss, list(biases.values())), strict=True):
                gradients[name] += exact(gradient)
    found = {}
    for name, gradient in gradients.items():
        coherence = gradient.norm().item() / max((tokens.size * squares[name]) ** 0.5, 1e-300)
        found[name] = Pull(means[name] / tokens.size, sizes[name] / tokens.size, gradient / predictions, coherence)
    return found


@torch.no_grad()
def second_moments(target: Any, matrices: Mapping[str, Matrix], texts: Sequence[np.ndarray]) -> dict[str, Tensor]:
    """``E[x x^T]`` (d_in, d_in) of the input of each of ``matrices``; ``texts`` (n, position) weigh the same.

    The head is not run: a vocabulary can cost more than all layers.
    """
    device = next(target.parameters()).device
    totals = {name: _zeros(*2 * shape_of(matrix)[1:], device=device) for name, matrix in matrices.items()}
    weight = 0.0

    def watch(name: str) -> Callable[..., None]:
        def hook(module: Any, args: tuple[Tensor, ...], output: Tensor) -> None:
            x = exact(args[0]).flatten(0, -2)
            totals[name].addmm_(x.T, x, alpha=weight)

        return hook

    with hooked(matrices, watch):
        for text in texts:
            weight = 1 / (len(texts) * text.size)
            for part in parts(target, text):
                _read(target, part)
    return totals


def _read(target: Any, tokens: Tensor) -> None:
    """A forward pass up to the head."""
    target.base_model(input_ids=tokens, use_cache=False)


def _zeros(*shape: int, device: torch.device) -> Tensor:
    return torch.zeros(*shape, dtype=torch.float64, device=exact_device(device))
