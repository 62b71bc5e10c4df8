"""The methods: which parameters an edit has, and which change of the weights they stand for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from prefactor.locate.direction import Direction
from prefactor.model.change import Change


class Method(Protocol):
    """Parameters to fit, and the change they make."""

    @property
    def share(self) -> float:
        """Of the parameters a fit may train this share: those with the largest first gradients."""
        ...

    @property
    def modules(self) -> tuple[str, ...]:
        """The matrices that it changes."""
        ...

    def starts(self, rng: torch.Generator) -> list[list[Tensor]]:
        """Parameters to start from, with zero change at the first. Of several a fit takes the best; ``rng`` must then
        make no difference, since a part of how good they are is computed once for all fits."""
        ...

    def nearer(self, start: int) -> int:
        """For a start but the first, the one before it on the way from no change."""
        ...

    def change(self, parameters: Sequence[Tensor]) -> Change:
        """The change, differentiable in ``parameters``."""
        ...


AMOUNTS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)  # where the fit of one may start


@dataclass(frozen=True)
class Amount:
    """How much of a closed-form change of one matrix: one number, 1 where it is as large as what the matrix writes."""

    direction: Direction
    share: float = 1.0

    @property
    def modules(self) -> tuple[str, ...]:
        return (self.direction.module,)

    def starts(self, rng: torch.Generator) -> list[list[Tensor]]:
        return [[torch.tensor([amount], device=self.direction.read.device)] for amount in AMOUNTS]

    def nearer(self, start: int) -> int:
        return start - 1

    def change(self, parameters: Sequence[Tensor]) -> Change:
        return self.direction.change(parameters[0])


@dataclass(frozen=True)
class Lora:
    """A LoRA of one rank on some matrices: A as ``peft`` starts it (Kaiming uniform), B at zero, scale 1."""

    shapes: dict[str, tuple[int, int]]  # module -> (d_out, d_in)
    rank: int
    device: torch.device
    share: float = 1.0

    @property
    def modules(self) -> tuple[str, ...]:
        return tuple(self.shapes)

    def nearer(self, start: int) -> int:
        return start - 1

    def starts(self, rng: torch.Generator) -> list[list[Tensor]]:
        leaves: list[Tensor] = []
        for d_out, d_in in self.shapes.values():
            bound = d_in**-0.5
            A = (torch.rand(self.rank, d_in, generator=rng) * 2 - 1) * bound
            leaves += [A.to(self.device), torch.zeros(d_out, self.rank, device=self.device)]
        return [leaves]

    def change(self, parameters: Sequence[Tensor]) -> Change:
        return {name: (parameters[2 * i], parameters[2 * i + 1]) for i, name in enumerate(self.shapes)}


@dataclass(frozen=True)
class Finetune:
    """Every weight of some matrices, or a share of them: the change is a LoRA of full rank whose A is the identity."""

    shapes: dict[str, tuple[int, int]]  # module -> (d_out, d_in)
    share: float
    device: torch.device

    @property
    def modules(self) -> tuple[str, ...]:
        return tuple(self.shapes)

    def nearer(self, start: int) -> int:
        return start - 1

    def starts(self, rng: torch.Generator) -> list[list[Tensor]]:
        return [[torch.zeros(shape, device=self.device) for shape in self.shapes.values()]]

    def change(self, parameters: Sequence[Tensor]) -> Change:
        return {name: (torch.eye(B.shape[1]).to(B), B) for name, B in zip(self.shapes, parameters, strict=True)}
