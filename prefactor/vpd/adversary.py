"""The persistent adversary: sources that look for the ablation the masked model survives worst."""

import torch
from torch import Tensor

from prefactor.config.training import AdversaryConfig
from prefactor.machine.exact import exact_device
from prefactor.machine.runtime import generator


class Adversary:
    """Sources ``r`` in [0, 1] for every subcomponent, and for every Δ, ascended by Adam and kept between steps.

    Each row of the batch owns ``slots`` of them. By position there is one slot a position, and ``r`` is
    (batch, position, C). Pooled, a row uses one of its slots, drawn anew each step, at all its positions: ``r`` is
    (batch, 1, C), which is cheaper, and an ablation that many tokens have to survive.
    """

    def __init__(
        self, config: AdversaryConfig, rows: range, positions: int, subcomponents: int, matrices: int, seed: int,
        device: torch.device, dtype: torch.dtype = torch.float32,
    ):  # fmt: skip
        self.rows = rows
        self.pooled, self.columns = config.scope == "pooled", subcomponents
        self.learning_rate, self.betas = config.learning_rate, config.betas
        slots = config.particles if self.pooled else positions
        # One tensor for both, so that the update is one sweep over memory.
        shape = (slots, subcomponents + matrices)
        drawn = [torch.rand(shape, generator=generator(seed, -1, row, device=device), device=device) for row in rows]
        self.sources = torch.stack(drawn).to(dtype)
        self.first, self.second = torch.zeros_like(self.sources), torch.zeros_like(self.sources)
        self.steps = torch.zeros(len(rows), slots, 1, dtype=torch.float64, device=exact_device(device))
        self._in_use: Tensor | None = None  # (row, 1, 1): the slot each row uses in this step; None means all

    def use(self, particle: Tensor) -> None:
        """Of each row use slot ``particle`` (row, 1, 1), if pooled."""
        if self.pooled:
            self._in_use = particle

    def leaves(self) -> tuple[Tensor, Tensor, Tensor]:
        """The sources in use as a leaf that collects a gradient, and its two parts ``r`` and ``rho``."""
        leaf = self._used(self.sources).detach().requires_grad_(True)
        r, rho = leaf.split([self.columns, leaf.shape[-1] - self.columns], dim=-1)
        return leaf, r, rho

    @torch.no_grad()
    def ascend(self, gradient: Tensor) -> None:
        """One Adam step up ``gradient``, that of the leaf, clamped to [0, 1]."""
        a, b = self.betas
        sources, first, second, steps = map(self._used, (self.sources, self.first, self.second, self.steps))
        steps.add_(1)
        first.lerp_(gradient, 1 - a)
        second.mul_(b).addcmul_(gradient, gradient, value=1 - b)
        # lr m̂ / (√v̂ + ε) with both corrections in one factor a slot
        correction = (1 - b**steps).sqrt()
        scale = self.learning_rate * correction / (1 - a**steps)
        denominator = second.sqrt().add_((1e-12 * correction).to(second)).div_(scale.to(second))
        sources.addcdiv_(first, denominator).clamp_(0, 1)
        if self._in_use is not None:
            for whole, part in zip(self._state(), (sources, first, second, steps), strict=True):
                whole.scatter_(1, self._in_use.to(whole.device).expand(part.shape), part)

    def state(self) -> dict[str, Tensor]:
        return dict(zip(("sources", "first", "second", "steps"), self._state(), strict=True))

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over this adversary's rows of ``state``."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name][self.rows.start : self.rows.stop])

    def _state(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.sources, self.first, self.second, self.steps

    def _used(self, tensor: Tensor) -> Tensor:
        if self._in_use is None:
            return tensor
        rows, _, width = tensor.shape
        return tensor.gather(1, self._in_use.to(tensor.device).expand(rows, 1, width))
