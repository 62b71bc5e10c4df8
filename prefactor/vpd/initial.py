"""Values that the subcomponents of a matrix start from."""

from collections.abc import Mapping

import torch
from torch import Tensor

from prefactor.machine.exact import exact
from prefactor.model.matrices import Matrix, weight_of


def initial_components(
    modules: Mapping[str, Matrix], counts: Mapping[str, int], rng: torch.Generator
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Random unit read directions, and the least-squares write directions for them, of each matrix.

    With C >= d_in the subcomponents sum to ``W`` from the first step on (Δ = 0), so no warm-up is needed.
    Returns ``U`` (C, d_out) and ``V`` (C, d_in) by module name.
    """
    U, V = {}, {}
    for name, module in modules.items():
        weight = exact(weight_of(module).detach()).cpu()
        v = torch.randn(counts[name], weight.shape[1], generator=rng, dtype=torch.float64)
        v /= v.norm(dim=1, keepdim=True)
        u = _write(v, weight)
        scale = (u.norm(dim=1, keepdim=True).mean()) ** 0.5  # share the norm between both sides
        V[name] = (v * scale).to(module.weight.dtype)
        U[name] = (u / scale).to(module.weight.dtype)
    return U, V


def _write(v: Tensor, weight: Tensor) -> Tensor:
    """The least-norm U (C, d_out) with ``U^T v`` closest to ``weight`` (d_out, d_in): ``pinv(v)^T W^T``.

    ``v`` (C, d_in) is of full rank.

    By the smaller Gram matrix: starting the paper's 38,912 took 21 s so, and 169 s by pseudo-inverses.
    """
    if len(v) >= v.shape[1]:
        return v @ torch.linalg.solve(v.T @ v, weight.T)
    return torch.linalg.solve(v @ v.T, v @ weight.T)


def singular_components(
    modules: Mapping[str, Matrix], counts: Mapping[str, int]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The ``counts`` largest singular directions of each matrix, the singular value shared by both sides.

    A decomposition that costs nothing, to see what training one buys, or to train further: with as many as the matrix's
    rank Δ = 0. Returns as :func:`initial_components`.
    """
    U, V = {}, {}
    for name, module in modules.items():
        left, values, right = torch.linalg.svd(exact(weight_of(module).detach()).cpu(), full_matrices=False)
        scale = values[: counts[name], None].sqrt()
        U[name] = (left.T[: counts[name]] * scale).to(module.weight.dtype)
        V[name] = (right[: counts[name]] * scale).to(module.weight.dtype)
    return U, V
