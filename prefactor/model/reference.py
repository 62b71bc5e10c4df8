"""What the base model makes of held-out text, computed once, and what a change of its weights makes of it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from prefactor.machine.exact import exact
from prefactor.machine.flops import flops_of
from prefactor.model.at_once import few
from prefactor.model.change import Change, applied
from prefactor.model.head import Head, head_of
from prefactor.model.prefix import Prefix
from prefactor.model.target import logits_of

FIGURES = ("edited_ce", "base_ce", "kl", "uniform_kl", "entropy")  # at every position
BATCH = 16  # blocks a forward pass: more logits than a cache holds take longer, above all with two processes


@dataclass(frozen=True)
class Probabilities:
    """What the base model predicts, of a short text."""

    p: Tensor  # (n, position, vocabulary)
    plogp: Tensor  # (n, position): Σ p log p over the vocabulary

    @property
    def vocabulary(self) -> int:
        return self.p.shape[-1]

    def first(self, n: int) -> "Probabilities":
        return Probabilities(self.p[:n], self.plogp[:n])


@dataclass(frozen=True, eq=False)
class States:
    """... of a long one: what its head makes it of."""

    head: Head
    out: Tensor  # (n, position, width)

    @cached_property
    def vocabulary(self) -> int:
        return self.head.logits(self.out[0, :1]).shape[-1]

    def first(self, n: int) -> "States":
        return States(self.head, self.out[:n])


@dataclass(frozen=True)
class HeldOut:
    """One domain's held-out blocks and the base model's view of them."""

    tokens: Tensor  # (n, position)
    base: Probabilities | States
    ce: float  # nats a token
    states: Tensor | None = None  # (n, position, width): what the layers put out that no change reaches, if kept
    quoted: Tensor | None = None  # (n, position) bool: tokens of other domains' text, where they are known

    def head(self, target: Any) -> Head:
        """What makes logits of what the layers of ``target`` put out for this text."""
        return self.base.head if isinstance(self.base, States) else Head(target)

    def after(self, prefix: Prefix) -> "HeldOut":
        """With what ``prefix`` makes of the tokens, so that :func:`pieces` need not run it again."""
        return replace(self, states=prefix.states(self.tokens))

    def first(self, n: int = 1) -> "HeldOut":
        """Its first ``n`` blocks alone; ``ce`` stays that of all."""
        states = None if self.states is None else self.states[:n]
        quoted = None if self.quoted is None else self.quoted[:n]
        return replace(self, tokens=self.tokens[:n], base=self.base.first(n), states=states, quoted=quoted)

    @property
    def chance(self) -> float:
        """``ln |vocabulary|`` in nats."""
        return math.log(self.base.vocabulary)


class Piece(NamedTuple):
    """Some positions of a text."""

    following: Tensor  # (..., 1): the token after each, anything after a block's last
    logits: Tensor  # (..., vocabulary)
    p: Tensor  # (..., vocabulary): the base model's probabilities
    plogp: Tensor  # (...)


@torch.no_grad()
def hold_out(target: Any, tokens: np.ndarray) -> HeldOut:
    """The base model on ``tokens`` (n, position)."""
    ids = torch.from_numpy(tokens).long().to(next(target.parameters()).device)
    if not few(target, ids.numel()):
        head = head_of(target, ids)
        out = head.all_states(ids, BATCH)
        following = _following(ids).flatten(0, 1)
        ce = head.each(out, lambda logits, rows: -F.log_softmax(logits, dim=-1).gather(-1, following[rows])[:, 0])
        return HeldOut(ids, States(head, out), exact(ce[:, :-1]).mean().item())
    parts = []
    for part in ids.split(BATCH):
        logp = F.log_softmax(logits_of(target, part), dim=-1)
        p, ce = logp.exp(), -exact(logp[:, :-1].gather(-1, part[:, 1:, None]).squeeze(-1))
        parts.append((p, ce, logp.mul_(p).sum(-1)))
    p, ce, plogp = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    return HeldOut(ids, Probabilities(p, plogp), ce.mean().item())


def pieces(target: Any, held: HeldOut, prefix: Prefix | None = None) -> Iterator[Piece]:
    """What the target, as it now is, and the base model make of ``held``, in order.

    Args:
        prefix: is not run: ``held`` has what it puts out (:meth:`HeldOut.after`).
    """
    return (piece for _, piece in pieces_of_each(target, [{}], held, prefix))


def pieces_of_each(
    target: Any, changes: Sequence[Change], held: HeldOut, prefix: Prefix | None = None
) -> Iterator[tuple[int, Piece]]:
    """... with each of ``changes`` (its number comes first); of every change in order.

    What the base model predicts is worked out once for all of them, where it is not kept.
    """
    following, base = _following(held.tokens), held.base
    head = held.head(target)

    def states_of(change: Change, rows: slice) -> Tensor:
        with applied(target, change):
            if prefix is None or held.states is None:
                return head.states(held.tokens[rows])
            with prefix.given(held.states[rows]):
                return head.states(held.tokens[rows])

    for start in range(0, len(held.tokens), BATCH):
        rows = slice(start, start + BATCH)
        if isinstance(base, Probabilities):
            for number, change in enumerate(changes):
                yield number, Piece(following[rows], states_of(change, rows), base.p[rows], base.plogp[rows])
            continue
        states = [states_of(change, rows).flatten(0, 1) for change in changes]
        out, after = (part.flatten(0, 1) for part in (base.out[rows], following[rows]))
        for some in head.parts(len(out)):
            logp = F.log_softmax(head.logits(out[some]), dim=-1)
            p = logp.exp()
            plogp = logp.mul_(p).sum(-1)
            for number, own in enumerate(states):
                yield number, Piece(after[some], head.logits(own[some]), p, plogp)


def flops_a_token(target: Any, held: HeldOut, prefix: Prefix | None = None, changes: int = 1) -> float:
    """FLOPs of measuring so many changes together, counted on one block."""
    block = held.first()
    return flops_of(lambda: list(pieces_of_each(target, [{}] * changes, block, prefix))) / block.tokens.numel()


def measure(
    target: Any, change: Change, domains: Mapping[str, HeldOut], prefix: Prefix | None = None
) -> dict[str, dict[str, float]]:
    """For each domain ``base_ce``, ``edited_ce``, ``damage`` (the difference), ``kl`` (base ‖ edited), nats a token.

    ``edited_ce_error`` and ``damage_error`` are standard errors over the blocks of the text, NaN of a single one: what
    other text of the domain might have given. And how much the edited predictions still claim to know: their mean
    ``entropy``, at most chance, and ``uniform_kl`` (uniform ‖ edited), 0 if they claim nothing.

    Of the damage, ``damage_own`` is that of tokens in the domain's own text, with ``damage_own_error``, and
    ``damage_quoted`` that of tokens in quotes of another (0 without any), of which there are ``quoted_tokens``. Where
    nothing is known of quotes all text is the domain's own.
    """
    return {domain: measure_each(target, [change], held, prefix)[0] for domain, held in domains.items()}


def measure_each(
    target: Any, changes: Sequence[Change], held: HeldOut, prefix: Prefix | None = None
) -> list[dict[str, float]]:
    """The figures of :func:`measure` of one text, of each of ``changes``."""
    return [_summary(held, figures) for figures in figures_each(target, changes, held, prefix)]


@torch.no_grad()
def figures_each(
    target: Any, changes: Sequence[Change], held: HeldOut, prefix: Prefix | None = None
) -> list[dict[str, Tensor]]:
    """The ``FIGURES`` at every position of one text (n, position), float64, of each of ``changes``.

    They are of what is predicted there, which is the next token.
    """
    # Made beforehand: what outlives a piece, and was made amid its logits, keeps their room from being used again.
    kept = exact(torch.zeros(len(changes), len(FIGURES), held.tokens.numel(), device=held.tokens.device))
    filled = [0] * len(changes)
    for number, piece in pieces_of_each(target, changes, held, prefix):
        found, end = _figures(piece, held.chance), filled[number] + piece.following.numel()
        for values, key in zip(kept[number], FIGURES, strict=True):
            values[filled[number] : end] = found[key]
        filled[number] = end
    return [dict(zip(FIGURES, own.view(-1, *held.tokens.shape), strict=True)) for own in kept]


def _summary(held: HeldOut, figures: Mapping[str, Tensor]) -> dict[str, float]:
    base, edited = (figures[key][:, :-1].contiguous() for key in ("base_ce", "edited_ce"))
    figures = {"edited_ce": edited} | {key: figures[key] for key in ("kl", "entropy", "uniform_kl")}
    means = {key: values.mean().item() for key, values in figures.items()}
    errors = {"edited_ce_error": _error(edited), "damage_error": _error(edited - base)}
    damage = {"damage": means["edited_ce"] - held.ce} | _by_quotes(edited - base, held.quoted)
    return {"base_ce": held.ce} | damage | means | errors


def _by_quotes(damage: Tensor, quoted: Tensor | None) -> dict[str, float]:
    """``damage`` (block, position) of predicting the next token, by whether that token is ``quoted``."""
    inside = torch.zeros_like(damage, dtype=torch.bool) if quoted is None else quoted[:, 1:]
    own = ~inside
    by_block = (damage * own).sum(1)[own.any(1)] / own.sum(1)[own.any(1)]  # of the blocks that have own text
    return {
        "damage_own": damage[own].mean().item() if own.any() else 0.0,
        "damage_own_error": (by_block.std() / len(by_block) ** 0.5).item() if len(by_block) > 1 else math.nan,
        "damage_quoted": damage[inside].mean().item() if inside.any() else 0.0,
        "quoted_tokens": int(inside.sum()),
    }


def _figures(piece: Piece, chance: float) -> dict[str, Tensor]:
    """The ``FIGURES``, which :func:`measure` has means of, at each position of ``piece`` (n,), float64."""
    # Memory traffic decides here: the vocabulary is swept as seldom as can be.
    logq = F.log_softmax(piece.logits, dim=-1)
    found = {
        "edited_ce": -exact(logq.gather(-1, piece.following).squeeze(-1)),
        "base_ce": -exact(piece.p.gather(-1, piece.following).squeeze(-1)).clamp_min(1e-30).log(),
        "kl": exact(piece.plogp - (logq * piece.p).sum(-1)),
        "uniform_kl": exact(-chance - logq.mean(-1)),
        "entropy": exact(-(logq.exp().mul_(logq)).sum(-1)),
    }
    return {key: values.flatten() for key, values in found.items()}


def _following(tokens: Tensor) -> Tensor:
    """The token after each of ``tokens`` (n, position), (n, position, 1); after the last of a block its first."""
    return tokens.roll(-1, 1)[..., None]


def _error(values: Tensor) -> float:
    """The standard error over blocks of the mean of ``values`` (block, position)."""
    return (values.mean(1).std() / len(values) ** 0.5).item() if len(values) > 1 else math.nan
