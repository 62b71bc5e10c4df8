"""Toy targets whose true components are known (arXiv 2506.20790, section 3): superposition and residual MLPs.

A toy behaves like a language model as far as the engine looks: it takes ``input_ids`` (here numbers, (batch, 1,
feature)) and answers with ``logits`` (here the output vector).
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Toy(nn.Module):
    """What the engine asks of a target."""

    features: int

    @property
    def base_model(self) -> "Toy":
        return self

    @property
    def example(self) -> Tensor:
        return torch.zeros(1, 1, self.features)

    def forward(self, input_ids: Tensor, use_cache: bool = False) -> Any:
        return SimpleNamespace(logits=self.output(input_ids))

    def output(self, x: Tensor) -> Tensor:
        """What the toy makes of numbers (batch, position, feature)."""
        raise NotImplementedError

    def label(self, x: Tensor) -> Tensor:
        """What it is trained to make of them."""
        raise NotImplementedError

    def trained_output(self, x: Tensor) -> Tensor:
        """As :meth:`output`, while it is trained."""
        return self.output(x)

    def tie(self) -> None:
        """After training: make matrices of their own of what was one."""


class Superposition(Toy):
    """``ReLU(W^T W x + b)``: features squeezed through a narrow layer, perhaps with identities inside it."""

    def __init__(self, features: int, hidden: int, identities: int = 0):
        super().__init__()
        self.features = features
        self.read = nn.Linear(features, hidden, bias=False)
        nn.init.xavier_normal_(self.read.weight)
        self.inside = nn.ModuleList([nn.Linear(hidden, hidden, bias=False) for _ in range(identities)])
        for parameter in self.inside.parameters():
            nn.init.eye_(parameter)
            parameter.requires_grad_(False)
        self.write = nn.Linear(hidden, features)
        nn.init.zeros_(self.write.bias)
        self.write.weight.data = self.read.weight.data.T.clone()

    def hidden(self, x: Tensor) -> Tensor:
        x = self.read(x)
        for layer in self.inside:
            x = layer(x)
        return x

    def output(self, x: Tensor) -> Tensor:
        return F.relu(self.write(self.hidden(x)))

    def label(self, x: Tensor) -> Tensor:
        return x

    def trained_output(self, x: Tensor) -> Tensor:
        return F.relu(F.linear(self.hidden(x), self.read.weight.T, self.write.bias))

    def tie(self) -> None:
        with torch.no_grad():
            self.write.weight.copy_(self.read.weight.T)


class ResidualMLP(Toy):
    """``x + relu(x)`` for more features than a layer has neurons, through fixed random embeddings of unit norm."""

    embed: Tensor  # (feature, width)

    def __init__(self, features: int, width: int, neurons: int, layers: int):
        super().__init__()
        self.features = features
        embed = F.normalize(torch.randn(features, width), dim=1)
        self.register_buffer("embed", embed)
        self.up = nn.ModuleList([nn.Linear(width, neurons, bias=False) for _ in range(layers)])
        self.down = nn.ModuleList([nn.Linear(neurons, width, bias=False) for _ in range(layers)])

    def output(self, x: Tensor) -> Tensor:
        stream = x @ self.embed
        for up, down in zip(self.up, self.down, strict=True):
            stream = stream + down(F.relu(up(stream)))
        return stream @ self.embed.T

    def label(self, x: Tensor) -> Tensor:
        return x + F.relu(x)


def sparse(n: int, features: int, chance: float, rng: torch.Generator, low: float = 0.0) -> Tensor:
    """(n, 1, feature): each feature is there by ``chance``, uniform in [low, 1]; where none is, one is chosen."""
    there = torch.rand(n, 1, features, generator=rng) < chance
    chosen = F.one_hot(torch.randint(features, (n, 1), generator=rng), features).bool()
    there |= chosen & ~there.any(-1, keepdim=True)
    return there * (low + (1 - low) * torch.rand(n, 1, features, generator=rng))


@dataclass(frozen=True)
class Case:
    """A toy to calibrate on."""

    build: Callable[[], Toy]
    chance: float  # of a feature
    low: float  # the least value a feature takes
    subcomponents: int  # a matrix
    minimality: float  # coefficient; the error is a mean over features, so the more there are the less each weighs
    steps: int
    toy_steps: int = 5000  # that the toy itself is trained
    target: int = 0  # of a targeted decomposition so many features, the first, are the target stream's; 0: a full one
    other_minimality: float = 0.0  # its coefficient on the other stream


CASES = {
    "superposition 5-2": Case(lambda: Superposition(5, 2), 0.05, 0.0, 20, 3e-3, 4000),
    "superposition 5-2, identity": Case(lambda: Superposition(5, 2, 1), 0.05, 0.0, 20, 3e-3, 4000),
    "superposition 40-10": Case(lambda: Superposition(40, 10), 0.05, 0.0, 200, 2e-4, 8000),
    "superposition 40-10, identity": Case(lambda: Superposition(40, 10, 1), 0.05, 0.0, 200, 5e-5, 8000),
    "residual MLP, 1 layer": Case(lambda: ResidualMLP(100, 1000, 50, 1), 0.01, -1.0, 100, 3e-5, 4000, 2000),
    "residual MLP, 2 layers": Case(lambda: ResidualMLP(100, 1000, 25, 2), 0.01, -1.0, 100, 2e-5, 4000, 2000),
    "targeted 5-2": Case(lambda: Superposition(5, 2), 0.05, 0.0, 8, 3e-3, 2000, target=2, other_minimality=3e-3),
    "targeted 40-10": Case(lambda: Superposition(40, 10), 0.05, 0.0, 24, 2e-4, 3000, target=8, other_minimality=2e-4),
}


def train_toy(case: Case, seed: int, batch: int = 2048) -> Toy:
    """Adam on the squared error, the rate falling to zero."""
    torch.manual_seed(seed)
    toy = case.build()
    rng = torch.Generator().manual_seed(seed)
    adam = torch.optim.Adam([p for p in toy.parameters() if p.requires_grad], lr=5e-3)
    for step in range(case.toy_steps):
        adam.param_groups[0]["lr"] = 5e-3 * (1 - step / case.toy_steps)
        x = sparse(batch, toy.features, case.chance, rng, case.low)
        adam.zero_grad()
        F.mse_loss(toy.trained_output(x), toy.label(x)).backward()
        adam.step()
    toy.tie()
    return toy.eval().requires_grad_(False)


def samples(case: Case, toy: Toy, n: int, seed: int, features: slice = slice(None)) -> np.ndarray:
    """(n, 1, feature) to decompose on, other ones than the toy was trained on; only ``features`` are ever there."""
    x = torch.zeros(n, 1, toy.features)
    among, rng = len(range(toy.features)[features]), torch.Generator().manual_seed(1000 + seed)
    x[..., features] = sparse(n, among, case.chance, rng, case.low)
    return x.numpy()
