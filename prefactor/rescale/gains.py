"""Several subcomponents with a gain each, found together: the target at its bar at the least price elsewhere.

One gain for all of them is dearer than the best of them alone, since each has text of its own that it may not touch.
With a gain each the little that each costs falls on other text, and divergence grows with the square of a change.

The price is the divergence of what is retained, and of untagged text that is unlike the target, its worst part: as a
shortlist ranks by spill. Neither looks at a protected domain. Tokens that need the subcomponents count less in both,
as in a guard by importance: German that is quoted in English is to be forgotten, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from prefactor.files.cost import Cost
from prefactor.machine.flops import flops_of
from prefactor.machine.progress import track
from prefactor.machine.runtime import generator
from prefactor.model.change import Change, attached
from prefactor.model.head import Head
from prefactor.model.prefix import Prefix
from prefactor.model.reference import HeldOut, States, flops_a_token, measure
from prefactor.rescale.terms import Prefactors

STEPS = 80
RATE = 0.05  # of how far the first one's own gain lies from 1
BEYOND = 0.2  # nats beyond the bar that are aimed at; how far it really goes is then set by forward passes
RETAINED, OTHERS = 16.0, 48.0  # nats of the target that a nat of divergence is worth; others are to pay half as much
DRAWN = 24  # blocks of each text a step
WORST = 3  # a part of so many of the drawn untagged blocks is what counts
FEWEST = 4  # blocks unlike the target, below which none is looked at


@dataclass(frozen=True, eq=False)
class Spared:
    """Text that a change is to leave alone, and how much of each token counts."""

    held: HeldOut
    weight: Tensor  # (n, position): 1 less the importance of the subcomponent that the token needs most


def unlike(importance: Tensor, wanted: Tensor) -> Tensor:
    """Which blocks (n,) need every subcomponent less than half as much as the target's text does.

    Args:
        importance: (n, position, subcomponent) on untagged text.
        wanted: (m, position, subcomponent) on the target's.
    """
    return (importance.mean(1) < wanted.mean((0, 1)) / 2).all(-1)


def fit_gains(
    target: Any, method: Prefactors, first: float, wanted: HeldOut, bar: float, retained: Sequence[Spared],
    others: Spared | None, prefix: Prefix, seed: int, cost: Cost,
) -> Tensor:  # fmt: skip
    """The gain (prefactor) of each term of ``method`` (k,), by Adam on all at once.

    Args:
        first: the gain of the first term that alone comes nearest to the bar; the others start at 1.
        wanted: text of the target, which is to have ``bar`` nats a token. All text has what ``prefix`` puts out.
        others: untagged text unlike the target; None where there is too little.
    """
    gains = torch.ones(len(method.terms), device=wanted.tokens.device)
    gains[0] = first
    gains.requires_grad_(True)
    rate = RATE * max(1.0, abs(first - 1))
    optimiser = torch.optim.Adam([gains], lr=rate)

    def loss(step: int) -> Tensor:
        change, rng = method.change([gains]), generator(seed, step)

        def price(text: Spared, part: int) -> Tensor:
            rows = drawn(text.held, DRAWN, rng)
            kl = divergence(text.held, rows, *changed(target, change, text.held, rows, prefix)) * text.weight[rows]
            means = kl.mean(1).sort(descending=True).values
            return means[: max(1, len(means) // part)].mean()

        rows = drawn(wanted, DRAWN, rng)
        short = torch.relu(bar + BEYOND - cross_entropy(wanted, rows, *changed(target, change, wanted, rows, prefix)))
        paid = torch.stack([price(text, 1) for text in retained]).mean()
        return short + RETAINED * paid + (0.0 if others is None else OTHERS * price(others, WORST))

    step_flops = flops_of(lambda: loss(0).backward())
    texts = [wanted, *(text.held for text in retained), *([] if others is None else [others.held])]
    tokens = sum(min(DRAWN, len(held.tokens)) * held.tokens.shape[1] for held in texts)
    for step in track(range(STEPS), STEPS, "gains"):
        for group in optimiser.param_groups:
            group["lr"] = rate * (1 - 0.95 * step / STEPS)
        optimiser.zero_grad(set_to_none=True)
        loss(step).backward()
        optimiser.step()
        cost.add(tokens, step_flops)
    return gains.detach()


def carries(target: Any, method: Prefactors, gains: Tensor, wanted: HeldOut, prefix: Prefix, cost: Cost) -> Tensor:
    """By how many nats a token (k,) the target's text would be less far away, were each gain of ``gains`` back at 1."""
    tokens, flops = wanted.tokens.numel(), flops_a_token(target, wanted, prefix)

    def nats(some: Tensor) -> float:
        cost.add(tokens, flops * tokens)
        return measure(target, method.change([some]), {"": wanted}, prefix)[""]["edited_ce"]

    every, places = nats(gains), torch.arange(len(gains), device=gains.device)
    return torch.tensor([every - nats(torch.where(places == place, 1.0, gains)) for place in range(len(gains))])


def drawn(held: HeldOut, blocks: int, rng: torch.Generator) -> Tensor:
    """Which of its blocks, at most so many, in random order (int64)."""
    return torch.randperm(len(held.tokens), generator=rng)[:blocks].to(held.tokens.device)


def changed(target: Any, change: Change, held: HeldOut, rows: Tensor, prefix: Prefix) -> tuple[Head, Tensor]:
    """The head, and what the changed layers put out for the blocks ``rows``; differentiable in ``change``.

    ``held`` has what ``prefix`` puts out.
    """
    head = held.head(target)
    assert held.states is not None
    with attached(target, change), prefix.given(held.states[rows]):
        return head, head.states(held.tokens[rows])


def cross_entropy(held: HeldOut, rows: Tensor, head: Head, states: Tensor) -> Tensor:
    """Mean nats a token of some blocks, of which a changed model makes ``states``; differentiable in these."""
    following = held.tokens[rows].roll(-1, 1).flatten()

    def each(logits: Tensor, part: slice) -> Tensor:
        return F.cross_entropy(logits, following[part], reduction="none")

    return head.each(states, each)[:, :-1].mean()


def divergence(held: HeldOut, rows: Tensor, head: Head, states: Tensor) -> Tensor:
    """``KL(base ‖ changed)`` in nats at each position (block, position), differentiable in ``states``."""
    if isinstance(held.base, States):
        return head.kl(held.base.out[rows], states)
    p, plogp = held.base.p[rows].flatten(0, 1), held.base.plogp[rows].flatten()

    def each(logits: Tensor, part: slice) -> Tensor:
        return plogp[part] - (p[part] * F.log_softmax(logits, dim=-1)).sum(-1)

    return head.each(states, each)
