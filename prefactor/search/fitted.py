"""Proportions by gradient: the target at its goal, the neighbour that pays most as little as can be.

A gradient moves all prefactors at once, for about what one trial costs, and trials alone would find eight of 24 with a
number each only by luck. Unlike ``gains: each`` of the stages this reads every neighbour's tagged text, of the fit
split.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from prefactor.machine.runtime import generator
from prefactor.model.prefix import Prefix
from prefactor.model.reference import HeldOut
from prefactor.rescale.gains import BEYOND, changed, cross_entropy, divergence, drawn
from prefactor.rescale.terms import Prefactors

DRAWN = 8  # blocks of each domain a step
PRICE = 32.0  # nats of the target that a nat of the worst neighbour's divergence is worth
NORM = 4  # of the neighbours' divergences: nearly the largest, and no kink where another becomes it
RATE = 0.08  # of how far the furthest prefactor lies from 1, a step


def fitted(
    target: torch.nn.Module, method: Prefactors, start: Tensor, wanted: HeldOut, bar: float,
    others: Mapping[str, HeldOut], prefix: Prefix, steps: int, seed: int, stop: Callable[[], bool],
) -> Tensor | None:  # fmt: skip
    """The prefactors (k,) of ``method`` after so many steps of Adam from ``start``; None if ``stop`` said so.

    Args:
        wanted, others: text of the target and of its neighbours, with what ``prefix`` puts out.
        bar: nats a token that the target is to have.
    """
    alphas = start.clone().requires_grad_(True)
    rate = RATE * max(1.0, float((start - 1).abs().max()))
    optimiser = torch.optim.Adam([alphas], lr=rate, betas=(0.9, 0.95))
    for step in range(steps):
        if stop():
            return None
        change, rng = method.change([alphas]), generator(seed, step)

        rows = drawn(wanted, DRAWN, rng)
        short = torch.relu(bar + BEYOND - cross_entropy(wanted, rows, *changed(target, change, wanted, rows, prefix)))
        paid = []
        for held in others.values():
            rows = drawn(held, DRAWN, rng)
            own = 1.0 if held.quoted is None else (~held.quoted[rows]).float()
            paid.append((divergence(held, rows, *changed(target, change, held, rows, prefix)) * own).mean())
        worst = torch.stack(paid).clamp_min(1e-6).pow(NORM).sum().pow(1 / NORM)
        for group in optimiser.param_groups:
            group["lr"] = rate * (1 - 0.95 * step / steps)
        optimiser.zero_grad(set_to_none=True)
        (short + PRICE * worst).backward()
        optimiser.step()
    return alphas.detach()
