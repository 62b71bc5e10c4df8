"""What the base model makes of held-out text, computed once, and what a change of its weights makes of it."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from prefactor.machine.exact import exact
from prefactor.machine.flops import flops_of
from prefactor.model.change import Change, applied
from prefactor.model.prefix import Prefix
from prefactor.model.target import logits_of

BATCH = 16  # blocks a forward pass: more logits than a cache holds take longer, above all with two processes


@dataclass(frozen=True)
class HeldOut:
    """One domain's held-out blocks and the base model's view of them."""

    tokens: Tensor  # (n, position)
    p: Tensor  # (n, position, vocabulary): its probabilities
    plogp: Tensor  # (n, position): Σ p log p over the vocabulary
    ce: float  # nats a token
    states: Tensor | None = None  # (n, position, width): what the layers put out that no change reaches, if kept

    def after(self, prefix: Prefix) -> "HeldOut":
        """With what ``prefix`` makes of the tokens, so that :func:`logits` need not run it again."""
        return replace(self, states=prefix.states(self.tokens))

    @property
    def chance(self) -> float:
        """``ln |vocabulary|`` in nats."""
        return math.log(self.p.shape[-1])


@torch.no_grad()
def hold_out(target: Any, tokens: np.ndarray) -> HeldOut:
    """The base model on ``tokens`` (n, position)."""
    ids = torch.from_numpy(tokens).long().to(next(target.parameters()).device)
    parts = []
    for part in ids.split(BATCH):
        logp = F.log_softmax(logits_of(target, part), dim=-1)
        p = logp.exp()
        parts.append((p, _token_ce(logp, part), logp.mul_(p).sum(-1)))
    p, ce, plogp = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    return HeldOut(ids, p, plogp, ce.mean().item())


def logits(target: Any, held: HeldOut, prefix: Prefix | None = None) -> Iterator[tuple[slice, Tensor]]:
    """The target's logits on ``held``, some blocks at a time: which ones, and (block, position, vocabulary).

    Args:
        prefix: is not run: ``held`` has what it puts out (:meth:`HeldOut.after`).
    """
    for start in range(0, len(held.tokens), BATCH):
        rows = slice(start, start + BATCH)
        if prefix is None or held.states is None:
            yield rows, logits_of(target, held.tokens[rows])
        else:
            with prefix.given(held.states[rows]):
                values = logits_of(target, held.tokens[rows])
            yield rows, values


def flops_a_token(target: Any, held: HeldOut, prefix: Prefix | None = None) -> float:
    """FLOPs of a forward pass, counted on one block."""
    block = HeldOut(
        held.tokens[:1], held.p[:1], held.plogp[:1], held.ce, None if held.states is None else held.states[:1]
    )
    return flops_of(lambda: list(logits(target, block, prefix))) / block.tokens.numel()


@torch.no_grad()
def measure(
    target: Any, change: Change, domains: Mapping[str, HeldOut], prefix: Prefix | None = None
) -> dict[str, dict[str, float]]:
    """For each domain ``base_ce``, ``edited_ce``, ``damage`` (the difference), ``kl`` (base ‖ edited), nats a token.

    ``edited_ce_error`` and ``damage_error`` are standard errors over the blocks of the text, NaN of a single one: what
    other text of the domain might have given. And how much the edited predictions still claim to know: their mean
    ``entropy``, at most chance, and ``uniform_kl`` (uniform ‖ edited), 0 if they claim nothing.
    """
    table = {}
    with applied(target, change):
        for domain, held in domains.items():
            figures = {"edited_ce": [], "kl": [], "entropy": [], "uniform_kl": []}
            base = []
            for rows, values in logits(target, held, prefix):
                # Memory traffic decides here: the vocabulary is swept as seldom as can be.
                logq = F.log_softmax(values, dim=-1)
                figures["edited_ce"].append(_token_ce(logq, held.tokens[rows]))
                base.append(_token_ce(held.p[rows], held.tokens[rows], probabilities=True))
                figures["kl"].append(exact(held.plogp[rows] - (logq * held.p[rows]).sum(-1)))
                figures["uniform_kl"].append(exact(-held.chance - logq.mean(-1)))
                figures["entropy"].append(exact(-(logq.exp().mul_(logq)).sum(-1)))
            means = {key: torch.cat(parts).mean().item() for key, parts in figures.items()}
            edited = torch.cat(figures["edited_ce"])
            errors = {"edited_ce_error": _error(edited), "damage_error": _error(edited - torch.cat(base))}
            table[domain] = {"base_ce": held.ce, "damage": means["edited_ce"] - held.ce} | means | errors
    return table


def _token_ce(values: Tensor, tokens: Tensor, probabilities: bool = False) -> Tensor:
    """Cross-entropy of each next token (batch, position - 1) in float64, from log-probabilities or probabilities."""
    found = exact(values[:, :-1].gather(-1, tokens[:, 1:, None]).squeeze(-1))
    return -(found.clamp_min(1e-30).log() if probabilities else found)


def _error(values: Tensor) -> float:
    """The standard error over blocks of the mean of ``values`` (block, position)."""
    return (values.mean(1).std() / len(values) ** 0.5).item() if len(values) > 1 else math.nan
