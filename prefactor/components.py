"""A target model whose weight matrices are split into rank-1 subcomponents, and its masked forward pass.

For a matrix ``W`` (d_out, d_in) with C subcomponents, ``U`` is (C, d_out) and ``V`` is (C, d_in); the sum of the
subcomponents is ``U^T V`` and ``Δ = W - U^T V`` is the rest. With masks ``m`` (batch, position, C) and delta masks
``ρ`` (batch, position) the matrix's output is

    U^T (m ⊙ V x) + ρ Δ x + bias  =  ρ W x + U^T ((m - ρ) ⊙ V x) + bias,

so Δ is never formed. Masks are arguments: hooks live inside one call and nothing is left on the modules.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from prefactor.errors import PrefactorError
from prefactor.losses import KL, Divergence
from prefactor.matrices import Matrix, matrices, shape_of, weight_of


@dataclass(frozen=True)
class Site:
    """One decomposed matrix: its name in the base model, its module, its slice of all C subcomponents."""

    name: str
    module: Matrix
    start: int
    stop: int

    @property
    def columns(self) -> slice:
        return slice(self.start, self.stop)

    @property
    def count(self) -> int:
        return self.stop - self.start


class DecomposedModel(nn.Module):
    """A frozen target model with trainable subcomponents ``U``, ``V`` beside each chosen matrix."""

    def __init__(
        self, target: Any, U: Mapping[str, Tensor], V: Mapping[str, Tensor], divergence: Divergence = KL
    ):  # fmt: skip
        super().__init__()
        self.divergence = divergence
        self.target = target.eval().requires_grad_(False)
        self.sites: list[Site] = []
        start = 0
        if unknown := sorted(set(U) - {name for name, _ in target.base_model.named_modules()}):
            raise PrefactorError(
                f"the components name {unknown[0]}, which the target does not have: decompose it again"
            )
        # In the target's order, whatever the file's: the columns of the importance net follow it.
        modules = matrices(target, "|".join(map(re.escape, U)))
        for name in modules:
            shape = (U[name].shape[1], V[name].shape[1])
            if shape != shape_of(modules[name]):
                raise PrefactorError(
                    f"the components of {name} are for a matrix of shape {shape}, the target's is "
                    f"{shape_of(modules[name])}: decompose it again"
                )
            stop = start + U[name].shape[0]
            self.sites.append(Site(name, modules[name], start, stop))
            start = stop
        self.subcomponents = start
        self.U = nn.ParameterList([nn.Parameter(U[s.name].clone()) for s in self.sites])
        self.V = nn.ParameterList([nn.Parameter(V[s.name].clone()) for s in self.sites])
        self.input_of = _distinct_inputs(self.target, self.sites)

    @property
    def names(self) -> list[str]:
        """``module:index`` of each of the C subcomponents, in order."""
        return [f"{site.name}:{i}" for site in self.sites for i in range(site.count)]

    @property
    def input_widths(self) -> list[int]:
        """d_in of each distinct input of the decomposed matrices."""
        widths: dict[int, int] = {}
        for site, reads in zip(self.sites, self.input_of, strict=True):
            widths[reads] = shape_of(site.module)[1]
        return [widths[i] for i in range(len(widths))]

    def state(self) -> dict[str, Tensor]:
        """``U.<module>`` and ``V.<module>`` for the components file."""
        pairs = zip(self.sites, self.U, self.V, strict=True)
        return {f"{k}.{s.name}": t.detach() for s, u, v in pairs for k, t in (("U", u), ("V", v))}

    @torch.no_grad()
    def observe(self, tokens: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The target on ``tokens`` (batch, position): logits, and each distinct input (batch, position, d_in)."""
        inputs: list[Tensor] = [torch.empty(0)] * len(set(self.input_of))

        def keep(i: int) -> Callable[..., None]:
            def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
                inputs[self.input_of[i]] = args[0].view(*tokens.shape[:2], -1)  # OPT's MLP flattens batch and position

            return hook

        with hooked(self.sites, keep):
            logits = self.target(input_ids=tokens, use_cache=False).logits
        return logits, inputs

    def masked(self, tokens: Tensor, mask: Tensor, rho: Tensor, route: Tensor | None = None) -> Tensor:
        """Logits (batch, position, vocabulary) of the masked forward pass.

        Args:
            tokens: (batch, position).
            mask: (batch, position, C) or anything that broadcasts to it: ``m`` of every subcomponent.
            rho: (batch, position, M), or broadcasting: the mask of each matrix's Δ.
            route: (batch, position, M) bool; where false the matrix acts as the original. None routes everywhere.
        """
        # Split and not sliced: the backward pass is then one concatenation, not a full-size sum a matrix.
        masks = mask.split([site.count for site in self.sites], dim=-1)
        rhos = rho.split(1, dim=-1)

        def replace(i: int) -> Callable[..., Tensor]:
            site, m, r, U, V = self.sites[i], masks[i], rhos[i], self.U[i], self.V[i]

            def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
                x, y = args[0].view(*tokens.shape[:2], -1), output.view(*tokens.shape[:2], -1)
                new = r * y + ((m - r) * (x @ V.T)) @ U
                if site.module.bias is not None:
                    new = new + (1 - r) * site.module.bias
                return (new if route is None else torch.where(route[..., i : i + 1], new, y)).view_as(output)

            return hook

        with hooked(self.sites, replace):
            return self.target(input_ids=tokens, use_cache=False).logits

    def inner_activations(self, inputs: list[Tensor]) -> Tensor:
        """``v_c^T x`` of every subcomponent, (batch, position, C)."""
        return torch.cat([inputs[r] @ v.T for r, v in zip(self.input_of, self.V, strict=True)], dim=-1)

    def deltas(self) -> Iterator[Tensor]:
        """Δ (d_out, d_in) of each matrix, differentiable in U and V."""
        for site, U, V in zip(self.sites, self.U, self.V, strict=True):
            yield weight_of(site.module) - U.T @ V


@contextmanager
def hooked(sites: list[Site], make: Callable[[int], Callable[..., Any]]) -> Iterator[None]:
    """Hook the module of every site for the length of the block; ``make(i)`` is the forward hook of site i."""
    handles = [site.module.register_forward_hook(make(i)) for i, site in enumerate(sites)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def _distinct_inputs(target: Any, sites: list[Site]) -> list[int]:
    """For each site the number of the input it reads; matrices fed by the same tensor share one."""
    seen: list[Tensor] = []
    reads = [0] * len(sites)

    def note(i: int) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            match = next((n for n, tensor in enumerate(seen) if tensor is args[0]), None)
            if match is None:
                match = len(seen)
                seen.append(args[0])
            reads[i] = match

        return hook

    device = next(target.parameters()).device
    example = getattr(target, "example", torch.zeros(1, 2, dtype=torch.long))
    with hooked(sites, note):
        target(input_ids=example.to(device), use_cache=False)
    return reads


def initial_components(
    modules: Mapping[str, Matrix], counts: Mapping[str, int], rng: torch.Generator
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Random unit read directions, and the least-squares write directions for them, of each matrix.

    With C >= d_in the subcomponents sum to ``W`` from the first step on (Δ = 0), so no warm-up is needed.
    Returns ``U`` (C, d_out) and ``V`` (C, d_in) by module name.
    """
    U, V = {}, {}
    for name, module in modules.items():
        weight = weight_of(module).detach().double().cpu()
        v = torch.randn(counts[name], weight.shape[1], generator=rng, dtype=torch.float64)
        v /= v.norm(dim=1, keepdim=True)
        u = torch.linalg.pinv(v).T @ weight.T  # the least-norm U with U^T V closest to W
        scale = (u.norm(dim=1, keepdim=True).mean()) ** 0.5  # share the norm between both sides
        V[name] = (v * scale).to(module.weight)
        U[name] = (u / scale).to(module.weight)
    return U, V


def singular_components(
    modules: Mapping[str, Matrix], counts: Mapping[str, int]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The ``counts`` largest singular directions of each matrix, the singular value shared by both sides.

    A decomposition that costs nothing, to see what training one buys. Returns as :func:`initial_components`.
    """
    U, V = {}, {}
    for name, module in modules.items():
        left, values, right = torch.linalg.svd(weight_of(module).detach().double().cpu(), full_matrices=False)
        scale = values[: counts[name], None].sqrt()
        U[name] = (left.T[: counts[name]] * scale).to(module.weight)
        V[name] = (right[: counts[name]] * scale).to(module.weight)
    return U, V
