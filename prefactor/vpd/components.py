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
from prefactor.model.hooks import hooked
from prefactor.model.matrices import Matrix, matrices, shape_of, weight_of
from prefactor.model.prefix import Prefix, prefix_of
from prefactor.model.verified import sample_tokens
from prefactor.vpd.losses import KL, Divergence


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


class Subcomponents(nn.Module):
    """The subcomponents of one matrix: ``U`` (C, d_out), ``V`` (C, d_in)."""

    def __init__(self, U: Tensor, V: Tensor):
        super().__init__()
        self.U, self.V = nn.Parameter(U.clone()), nn.Parameter(V.clone())

    def forward(self, x: Tensor, y: Tensor, m: Tensor, r: Tensor, bias: Tensor | None) -> Tensor:
        """The matrix's masked output, where ``y`` is its own for the input ``x`` (batch, position, d_in).

        Args:
            m: masks (batch, position, C).
            r: mask of Δ (batch, position, 1).
        """
        new = r * y + ((m - r) * (x @ self.V.T)) @ self.U
        return new if bias is None else new + (1 - r) * bias

    def activations(self, x: Tensor) -> Tensor:
        """``v_c^T x``, (batch, position, C)."""
        return x @ self.V.T

    def delta(self, weight: Tensor) -> Tensor:
        """Δ (d_out, d_in) of the matrix ``weight``."""
        return weight - self.U.T @ self.V


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
        self.parts = [Subcomponents(U[s.name], V[s.name]) for s in self.sites]
        self.components = nn.ModuleList(self.parts)
        self.input_of = _distinct_inputs(self.target, self.sites)
        self.prefix = _prefix(self.target, [site.name for site in self.sites])

    @property
    def modules_by_site(self) -> dict[int, Matrix]:
        """The module of each site, by its number."""
        return {i: site.module for i, site in enumerate(self.sites)}

    @property
    def U(self) -> list[Tensor]:
        """The write directions of each matrix, (C, d_out)."""
        return [part.U for part in self.parts]

    @property
    def V(self) -> list[Tensor]:
        """The read directions of each matrix, (C, d_in)."""
        return [part.V for part in self.parts]

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

    def states(self, tokens: Tensor) -> Tensor:
        """What the layers before the first decomposed matrix make of ``tokens`` (batch, position).

        (batch, position, width), for :meth:`observe` and :meth:`masked`; of width 0 where there are no such layers.
        """
        return self.prefix.states(tokens)

    @torch.no_grad()
    def observe(self, tokens: Tensor, states: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        """The target on ``tokens`` (batch, position): logits, and each distinct input (batch, position, d_in).

        ``states`` are those of the tokens; left out, they are looked up or computed.
        """
        with self._kept_inputs(tokens, states) as inputs:
            logits = self.target(input_ids=tokens, use_cache=False).logits
        return logits, inputs

    @torch.no_grad()
    def inputs(self, tokens: Tensor, states: Tensor | None = None) -> list[Tensor]:
        """The inputs alone, as :meth:`observe` gives them: the head, the largest part of a small model, is not run."""
        with self._kept_inputs(tokens, states) as inputs:
            self.target.base_model(input_ids=tokens, use_cache=False)
        return inputs

    @contextmanager
    def _kept_inputs(self, tokens: Tensor, states: Tensor | None) -> Iterator[list[Tensor]]:
        """A list that has, after a forward pass within the block, each distinct input (batch, position, d_in)."""
        inputs: list[Tensor] = [torch.empty(0)] * len(set(self.input_of))

        def keep(i: int) -> Callable[..., None]:
            def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
                inputs[self.input_of[i]] = args[0].view(*tokens.shape[:2], -1)  # OPT's MLP flattens batch and position

            return hook

        with hooked(self.modules_by_site, keep), self.prefix.given(self.states(tokens) if states is None else states):
            yield inputs

    def masked(
        self, tokens: Tensor, mask: Tensor, rho: Tensor, route: Tensor | None = None, states: Tensor | None = None
    ) -> Tensor:
        """Logits (batch, position, vocabulary) of the masked forward pass.

        Args:
            tokens: (batch, position).
            mask: (batch, position, C) or anything that broadcasts to it: ``m`` of every subcomponent.
            rho: (batch, position, M), or broadcasting: the mask of each matrix's Δ.
            route: (batch, position, M) bool; where false the matrix acts as the original. None routes everywhere.
            states: of the tokens; left out, they are looked up or computed.
        """
        # Split and not sliced: the backward pass is then one concatenation, not a full-size sum a matrix.
        masks = mask.split([site.count for site in self.sites], dim=-1)
        rhos = rho.split(1, dim=-1)

        def replace(i: int) -> Callable[..., Tensor]:
            site, part, m, r = self.sites[i], self.parts[i], masks[i], rhos[i]

            def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
                x, y = args[0].view(*tokens.shape[:2], -1), output.view(*tokens.shape[:2], -1)
                new = part(x, y, m, r, site.module.bias)
                return (new if route is None else torch.where(route[..., i : i + 1], new, y)).view_as(output)

            return hook

        states = self.states(tokens) if states is None else states
        with hooked(self.modules_by_site, replace), self.prefix.given(states):
            return self.target(input_ids=tokens, use_cache=False).logits

    def inner_activations(self, inputs: list[Tensor]) -> Tensor:
        """``v_c^T x`` of every subcomponent, (batch, position, C)."""
        parts = zip(self.input_of, self.parts, strict=True)
        return torch.cat([part.activations(inputs[reads]) for reads, part in parts], dim=-1)

    def deltas(self) -> Iterator[Tensor]:
        """Δ (d_out, d_in) of each matrix, differentiable in U and V."""
        for site, part in zip(self.sites, self.parts, strict=True):
            yield part.delta(weight_of(site.module))


def _prefix(target: Any, modules: list[str]) -> Prefix:
    """The layers before all of ``modules``; none for a toy, which takes no text."""
    return Prefix(target, ()) if hasattr(target, "example") else prefix_of(target, modules, sample_tokens(target))


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
    with hooked({i: site.module for i, site in enumerate(sites)}, note):
        target(input_ids=example.to(device), use_cache=False)
    return reads
