"""The methods: which parameters an edit has, and which change of the weights they stand for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from prefactor.components import DecomposedModel
from prefactor.edits.change import Change


class Method(Protocol):
    """Parameters to fit, and the change they make."""

    def starts(self, rng: torch.Generator) -> list[list[Tensor]]:
        """Parameters to start from, with zero change at the first. Of several a fit takes the best; ``rng`` must then
        make no difference, since a part of how good they are is computed once for all fits."""
        ...

    def change(self, parameters: Sequence[Tensor]) -> Change:
        """The change, differentiable in ``parameters``."""
        ...


@dataclass(frozen=True)
class Term:
    """The rank-1 term ``(α - 1) u w^T`` that a prefactor adds: ``w`` is ``v_c``, or a guarded direction for it."""

    module: str
    write: Tensor  # u_c (d_out,)
    read: Tensor  # (d_in,)


# One prefactor's loss has more than one valley (inverting and amplifying both hurt), and a gradient sees only its own.
PREFACTOR_STARTS = (1.0, 0.0, -1.0, -2.0, -3.0, -4.0, -6.0, -8.0, -12.0, -16.0, 3.0, 6.0)


@dataclass(frozen=True)
class Prefactors:
    """A prefactor α a term; all start at one common value."""

    terms: tuple[Term, ...]

    def starts(self, rng: torch.Generator) -> list[list[Tensor]]:
        device = self.terms[0].read.device
        return [[torch.full((len(self.terms),), alpha, device=device)] for alpha in PREFACTOR_STARTS]

    def change(self, parameters: Sequence[Tensor]) -> Change:
        (alpha,) = parameters
        by_module: dict[str, list[int]] = {}
        for i, term in enumerate(self.terms):
            by_module.setdefault(term.module, []).append(i)
        return {
            module: (
                torch.stack([self.terms[i].read for i in members]),
                torch.stack([(alpha[i] - 1) * self.terms[i].write for i in members], dim=1),
            )
            for module, members in by_module.items()
        }


@dataclass(frozen=True)
class Lora:
    """A LoRA of one rank on some matrices: A as ``peft`` starts it (Kaiming uniform), B at zero, scale 1."""

    shapes: dict[str, tuple[int, int]]  # module -> (d_out, d_in)
    rank: int
    device: torch.device

    def starts(self, rng: torch.Generator) -> list[list[Tensor]]:
        leaves: list[Tensor] = []
        for d_out, d_in in self.shapes.values():
            bound = d_in**-0.5
            A = (torch.rand(self.rank, d_in, generator=rng) * 2 - 1) * bound
            leaves += [A.to(self.device), torch.zeros(d_out, self.rank, device=self.device)]
        return [leaves]

    def change(self, parameters: Sequence[Tensor]) -> Change:
        return {name: (parameters[2 * i], parameters[2 * i + 1]) for i, name in enumerate(self.shapes)}


def term_of(model: DecomposedModel, subcomponent: str) -> Term:
    """The term of ``module:index`` with its own read direction."""
    module, _, index = subcomponent.rpartition(":")
    number = next(i for i, site in enumerate(model.sites) if site.name == module)
    return Term(module, model.U[number][int(index)].detach(), model.V[number][int(index)].detach())
