"""Fitting an edit: one loss for every method.

Each of n target tokens carries the objective's loss (``objective.py``); the retained domains are held by
``λ KL(base ‖ edited)``. The n tokens lie in as few blocks as give each a quarter of its tokens; the other tokens of
those blocks are read as their context and not trained on.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from prefactor.config.edit import FitConfig, Optimiser
from prefactor.edits.methods import Method
from prefactor.edits.objective import Objective
from prefactor.machine.exact import exact
from prefactor.machine.runtime import generator
from prefactor.model.at_once import few
from prefactor.model.change import Change, attached, stacked
from prefactor.model.head import Head, head_of
from prefactor.model.prefix import Prefix, prefix_of
from prefactor.model.target import logits_of
from prefactor.vpd.losses import token_kl

START_BLOCKS = 16  # retained blocks by which starts are compared
BATCH = 32  # blocks a forward pass, of text that is not read at once
START_PART = 8  # of these at a time: their logits stay in a processor's cache


@dataclass(frozen=True)
class Text:
    """Token blocks (n, position) of the target and the retained domains, and the base model's view of the latter."""

    target: np.ndarray
    retained: Tensor  # (n, position)
    base: Tensor  # (n, position, vocabulary): log-probabilities; where they are many (n, position, width): states ...
    head: Head | None = None  # ... that this head makes them of

    @torch.no_grad()
    def logp(self, base: Tensor) -> Tensor:
        """Log-probabilities (..., vocabulary) by the base model, of some of ``self.base``."""
        return base if self.head is None else F.log_softmax(self.head.logits(base), dim=-1)


@dataclass(frozen=True)
class FitSpec:
    """One fit: the seed of its target tokens, of its retained text and of its start, and its learning rate."""

    seed: int
    learning_rate: float


@dataclass(frozen=True)
class Fit:
    budget: int
    seed: int
    learning_rate: float
    steps: int  # 0 of an edit that is set and not fitted
    loss: float
    parameters: list[Tensor]
    change: Change
    curve: list[dict[str, float]]


@dataclass
class Spent:
    """Tokens that went through the model, forwards only or backwards, too."""

    read: int = 0
    trained: int = 0


@dataclass(frozen=True, eq=False)
class Fitter:
    """Fits one method on one text; what all of its fits share is computed once."""

    target: Any
    method: Method
    text: Text
    optimiser: Optimiser
    config: FitConfig
    objective: Objective
    spent: Spent = field(default_factory=Spent)
    _held: dict[int, float] = field(default_factory=dict)

    @cached_property
    def prefix(self) -> Prefix:
        """The layers that no change of the method reaches."""
        return prefix_of(self.target, self.method.modules, self.text.retained[:1])

    @cached_property
    def retained_states(self) -> Tensor:
        """What the prefix makes of the retained text."""
        return self.prefix.states(self.text.retained)

    @cached_property
    def own_head(self) -> Head:
        return self.text.head or head_of(self.target, self.text.retained)

    def head_for(self, positions: int) -> Head:
        """The head for text of so many positions: with logits for states, where these are few."""
        return Head(self.target) if few(self.target, positions) else self.own_head

    def away(self, head: Head, states: Tensor, following: Tensor) -> Tensor:
        """The objective's loss at each prediction of ``following`` (...), of ``states`` (..., width) of the head."""
        if head.body is None:
            return self.objective.loss(states, following)
        flat = following.flatten()
        return head.each(states, lambda logits, some: self.objective.loss(logits, flat[some]))

    def held(self, head: Head, text: Text, rows: Tensor | slice, states: Tensor) -> Tensor:
        """``KL(base ‖ edited)`` at each position (...) of ``rows`` of the retained text, of ``states`` (..., width)."""
        base = text.base[rows]
        if head.body is None:
            return token_kl(text.logp(base), states)
        flat = base.flatten(0, -2)
        return head.each(states, lambda logits, some: token_kl(text.logp(flat[some]), logits))

    @cached_property
    def sample(self) -> Tensor:
        """Which ``START_BLOCKS`` retained blocks starts are compared by."""
        return torch.linspace(0, len(self.text.retained) - 1, START_BLOCKS).long().unique()

    @cached_property
    def sample_p(self) -> tuple[Tensor, Tensor]:
        """The base model's probabilities on them, and their entropy."""
        logp = self.text.logp(self.text.base[self.sample])
        p = logp.exp()
        return p, -torch.linalg.vecdot(p, logp)

    @torch.no_grad()
    def held_at_start(self, start: int) -> float:
        """The divergence on a sample of retained blocks at one of several starts of the method; computed once."""
        if start not in self._held:
            change = self.method.change(self.method.starts(generator(self.config.seed))[start])
            total, count = 0.0, 0
            head = self.head_for(len(self.sample) * self.text.retained.shape[1])
            for first in range(0, len(self.sample), START_PART):
                some = slice(first, first + START_PART)
                rows = self.sample[some]
                with attached(self.target, change), self.prefix.given(self.retained_states[rows]):
                    states = head.states(self.text.retained[rows])
                if head.body is None:
                    p, entropy = (part[some] for part in self.sample_p)
                    kl = states.logsumexp(-1) - torch.linalg.vecdot(p, states) - entropy
                else:
                    kl = self.held(head, self.text, rows, states)
                total, count = total + exact(kl).sum().item(), count + kl.numel()
            self._held[start] = total / count
            self.spent.read += count
        return self._held[start]

    def best_start(self, away: Sequence[float]) -> int:
        """The start with the least loss; ``away`` is the target's part of it at each.

        The divergence is measured only where it can matter: it is taken to be no less than at a start that is nearer
        to no change, where it is 0. Of the starts that this leaves the one a third of the way is next: it rules out
        most.
        """
        weight, nearer = self.optimiser.retain_weight, self.method.nearer
        measured = {0: 0.0}  # in this call: what other fits have measured must not change the choice
        while True:
            held = [0.0]
            for start in range(1, len(away)):
                held.append(measured.get(start, held[nearer(start)]))
            losses = [a + weight * h for a, h in zip(away, held, strict=True)]
            best = min(sorted(measured), key=losses.__getitem__)
            left = [start for start, loss in enumerate(losses) if loss < losses[best] and start not in measured]
            if not left:
                return best
            following = left[len(left) // 3]
            measured[following] = self.held_at_start(following)

    def fit(self, budget: int, draws: Sequence[FitSpec], ends: Sequence[int] | None = None) -> list[Fit]:
        """Fit on ``budget`` target tokens once for every draw; of each a fit at every one of ``ends``, in that order.

        ``ends`` are counts of steps, the last of them at most the optimiser's; left out, only these.

        All draws go through the model as one batch, each with its own change, since one alone is too small to keep a
        processor busy; neither their losses nor their steps of Adam meet. What is random of one depends on
        (config.seed, its seed, budget).
        """
        target, method, text, optimiser = self.target, self.method, self.text, self.optimiser
        ends = ends or (optimiser.steps,)
        rngs = [generator(self.config.seed, draw.seed, budget) for draw in draws]
        drawn = [self.objective.draw_tokens(target, text.target, budget, rng) for rng in rngs]
        blocks, chosen = (torch.stack(parts) for parts in zip(*drawn, strict=True))  # (draw, k, position[ - 1])
        k = blocks.shape[1]
        states = self.prefix.states(blocks.flatten(0, 1)).unflatten(0, blocks.shape[:2])
        head = self.head_for(len(draws) * (k + self.config.retain_batch) * blocks.shape[2])

        def out_with(parameters: Sequence[Sequence[Tensor]], tokens: Tensor, states: Tensor) -> Tensor:
            change = stacked([method.change(p) for p in parameters])
            with attached(target, change), self.prefix.given(states.flatten(0, 1)):
                return head.states(tokens.flatten(0, 1)).unflatten(0, tokens.shape[:2])

        def away_from_aim(out: Tensor) -> Tensor:
            before, following = out[:, :, :-1], blocks[:, :, 1:]
            if head.body is None:
                return self.objective.settle((self.away(head, before, following) * chosen).sum((1, 2)) / budget)
            short = self.away(head, before[chosen], following[chosen])  # of no other token logits are worked out
            total = short.new_zeros(len(draws)).index_add(0, chosen.nonzero()[:, 0], short)
            return self.objective.settle(total / budget)

        starts = [method.starts(rng) for rng in rngs]
        parameters = [own[0] for own in starts]
        if len(starts[0]) > 1:
            with torch.no_grad():
                away = [away_from_aim(out_with(start, blocks, states)) for start in zip(*starts, strict=True)]
            best = [self.best_start(losses) for losses in torch.stack(away, dim=1).tolist()]
            parameters = [own[i] for own, i in zip(starts, best, strict=True)]
        self.spent.read += blocks.numel() * (1 + len(starts[0]) if len(starts[0]) > 1 else 1)
        parameters = [[p.clone().requires_grad_(True) for p in own] for own in parameters]
        masks: list[list[Tensor]] = []
        adam = torch.optim.Adam(
            [{"params": p, "lr": draw.learning_rate} for p, draw in zip(parameters, draws, strict=True)]
        )
        curves: list[list[dict[str, float]]] = [[] for _ in draws]
        fits: list[Fit] = []
        for step in range(ends[-1]):
            for group, draw in zip(adam.param_groups, draws, strict=True):
                group["lr"] = draw.learning_rate * (0.55 + 0.45 * math.cos(math.pi * step / optimiser.steps))
            drawn_rows = [torch.randint(len(text.retained), (self.config.retain_batch,), generator=rng) for rng in rngs]
            rows = torch.stack(drawn_rows).to(text.retained.device)
            tokens = torch.cat([blocks, text.retained[rows]], dim=1)
            out = out_with(parameters, tokens, torch.cat([states, self.retained_states[rows]], dim=1))
            away = away_from_aim(out[:, :k])
            held = self.held(head, text, rows, out[:, k:]).mean((1, 2))
            loss = away + optimiser.retain_weight * held
            adam.zero_grad(set_to_none=True)
            loss.sum().backward()
            if method.share < 1:
                gradients = [[p.grad for p in own if p.grad is not None] for own in parameters]
                masks = masks or [largest(own, method.share) for own in gradients]
                for own, kept in zip(gradients, masks, strict=True):
                    for gradient, mask in zip(own, kept, strict=True):
                        gradient.mul_(mask)
            adam.step()
            self.spent.trained += tokens.numel()
            if step % 5 == 0 or step + 1 in ends:
                for i, curve in enumerate(curves):
                    parts = {"loss": loss[i].item(), "target": away[i].item(), "retained": held[i].item()}
                    curve.append({"step": step, **parts})
            if step + 1 in ends:
                of_draws = zip(draws, parameters, curves, strict=True)
                fits += [_fit(method, budget, step + 1, *of_one) for of_one in of_draws]
        return fits


def largest(gradients: Sequence[Tensor], share: float) -> list[Tensor]:
    """Masks, shaped as ``gradients``, of the ``share`` of all their entries with the largest absolute values."""
    flat = torch.cat([g.abs().flatten() for g in gradients])
    kept = torch.zeros_like(flat)
    kept[flat.topk(max(1, round(share * len(flat)))).indices] = 1
    return [m.view_as(g) for m, g in zip(kept.split([g.numel() for g in gradients]), gradients, strict=True)]


def _fit(
    method: Method, budget: int, steps: int, draw: FitSpec, parameters: list[Tensor], curve: list[dict[str, float]]
) -> Fit:
    done = [p.detach().clone() for p in parameters]
    change = {name: (A.detach(), B.detach()) for name, (A, B) in method.change(done).items()}
    return Fit(budget, draw.seed, draw.learning_rate, steps, curve[-1]["loss"], done, change, list(curve))


@torch.no_grad()
def make_text(target: Any, target_blocks: np.ndarray, retained_blocks: Sequence[np.ndarray]) -> Text:
    """Text for :class:`Text`, with the base model's predictions worked out once."""
    device = next(target.parameters()).device
    retained = torch.from_numpy(np.concatenate(retained_blocks)).long().to(device)
    if few(target, retained.numel()):
        return Text(target_blocks, retained, F.log_softmax(logits_of(target, retained), dim=-1))
    head = head_of(target, retained)
    return Text(target_blocks, retained, head.all_states(retained, BATCH), head)
