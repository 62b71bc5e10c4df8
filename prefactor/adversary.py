"""The persistent adversary: sources that look for the ablation the masked model survives worst."""

import torch
from torch import Tensor


class Adversary:
    """Sources ``r`` in [0, 1] for every subcomponent, and for every Δ, ascended by Adam and kept between steps.

    One source a batch row, position and subcomponent: ``r`` is (batch, position, C), ``rho`` (batch, position, M).
    """

    def __init__(
        self, shape: tuple[int, int], subcomponents: int, matrices: int, learning_rate: float,
        betas: tuple[float, float], rng: torch.Generator, device: torch.device,
    ):  # fmt: skip
        self.learning_rate, self.betas, self.steps = learning_rate, betas, 0
        self.columns = subcomponents
        # One tensor for both, so that the update is one sweep over memory.
        self.sources = torch.rand(*shape, subcomponents + matrices, generator=rng).to(device)
        self.first, self.second = torch.zeros_like(self.sources), torch.zeros_like(self.sources)

    def leaves(self) -> tuple[Tensor, Tensor, Tensor]:
        """The sources as a leaf that collects a gradient, and its two parts ``r`` and ``rho``."""
        leaf = self.sources.detach().requires_grad_(True)
        r, rho = leaf.split([self.columns, leaf.shape[-1] - self.columns], dim=-1)
        return leaf, r, rho

    @torch.no_grad()
    def ascend(self, gradient: Tensor) -> None:
        """One Adam step up ``gradient``, clamped to [0, 1]."""
        a, b = self.betas
        self.steps += 1
        self.first.lerp_(gradient, 1 - a)
        self.second.mul_(b).addcmul_(gradient, gradient, value=1 - b)
        scale = self.learning_rate / (1 - a**self.steps)
        denominator = (self.second / (1 - b**self.steps)).sqrt_().add_(1e-12)
        self.sources.addcdiv_(self.first, denominator, value=scale).clamp_(0, 1)

    def state(self) -> dict[str, Tensor]:
        return {
            "sources": self.sources, "first": self.first, "second": self.second, "steps": torch.tensor(self.steps)
        }  # fmt: skip

    def load(self, state: dict[str, Tensor]) -> None:
        self.sources.copy_(state["sources"])
        self.first.copy_(state["first"])
        self.second.copy_(state["second"])
        self.steps = int(state["steps"])
