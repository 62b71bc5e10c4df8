"""What a step of training draws at random.

Every row of the batch draws by itself, from a generator seeded by (seed, step, row): a resumed run repeats it, and it
does not matter which process has the row.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from prefactor.machine.runtime import generator


@dataclass(frozen=True)
class StepNoise:
    """The stochastic sources and the routing of some rows, and the particle the adversary uses in each."""

    r: Tensor  # (row, position, C), uniform
    rho: Tensor  # (row, position, M), uniform
    route: Tensor  # (row, position, M) bool
    particle: Tensor  # (row, 1, 1) long


def random_routing(positions: int, matrices: int, rng: torch.Generator) -> Tensor:
    """(position, M) bool: at each position a random k of the M matrices, k uniform in 1..M."""
    ranks = torch.rand(positions, matrices, generator=rng, device=rng.device).argsort(-1)
    k = torch.randint(1, matrices + 1, (positions, 1), generator=rng, device=rng.device)
    return ranks < k


def step_noise(
    seed: int, step: int, rows: range, positions: int, subcomponents: int, matrices: int, particles: int,
    device: torch.device,
) -> StepNoise:  # fmt: skip
    """The draws of ``rows`` of the batch of ``step``."""
    r = torch.empty(len(rows), positions, subcomponents, device=device)
    rho = torch.empty(len(rows), positions, matrices, device=device)
    route = torch.empty(len(rows), positions, matrices, device=device, dtype=torch.bool)
    particle = torch.empty(len(rows), 1, 1, device=device, dtype=torch.long)
    for i, row in enumerate(rows):
        rng = generator(seed, step, row, device=device)
        r[i].uniform_(generator=rng)
        rho[i].uniform_(generator=rng)
        route[i] = random_routing(positions, matrices, rng)
        particle[i] = torch.randint(particles, (1, 1), generator=rng, device=device)
    return StepNoise(r, rho, route, particle)
