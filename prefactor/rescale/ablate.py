"""What every alive subcomponent does, measured: the damage to each domain of ablating it and of inverting it.

A label says what a subcomponent is about; this says what an edit of it would do, whatever its label.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from prefactor.files.checkpoint import Checkpoint
from prefactor.files.cost import Cost
from prefactor.machine.exact import exact
from prefactor.machine.flops import flops_of
from prefactor.machine.progress import track
from prefactor.model.at_once import blocks_at_once
from prefactor.model.change import applied
from prefactor.model.prefix import Prefix, Prefixes
from prefactor.model.target import logits_of
from prefactor.rescale.attribution import attributions
from prefactor.rescale.kinds import PREFACTORS
from prefactor.rescale.terms import Prefactors, term_of
from prefactor.vpd.components import DecomposedModel

BATCH = 20  # blocks a forward pass: their logits stay in a processor's cache
SAVE_EVERY = 60.0  # seconds between checkpoints


@dataclass(frozen=True)
class Effects:
    """Nats a token; n subcomponents, D domains."""

    subcomponents: Sequence[str]
    domains: Sequence[str]
    damage: Tensor  # (n, 2, D): of ablating and of inverting
    error: Tensor  # (n, 2, D): standard error of that over blocks of text
    exact: Tensor  # (n,) bool: by forward passes, and not to first order

    def table(self) -> pa.Table:
        """A row a subcomponent: ``ablate_D``, ``invert_D``, their errors ``ablate_error_D``, ...; ``exact``."""
        columns: dict[str, pa.Array] = {"subcomponent": pa.array(list(self.subcomponents))}
        for kind, values in (("", self.damage), ("_error", self.error)):
            for p, name in enumerate(PREFACTORS):
                for d, domain in enumerate(self.domains):
                    columns[f"{name}{kind}_{domain}"] = pa.array(values[:, p, d].numpy())
        return pa.table(columns | {"exact": pa.array(self.exact.numpy())})

    def filled_from(self, other: "Effects") -> "Effects":
        """Those of ``other``, with these in the place of the subcomponents that are here."""
        at = torch.tensor([other.subcomponents.index(name) for name in self.subcomponents])
        parts = {}
        for part in ("damage", "error", "exact"):
            parts[part] = getattr(other, part).index_copy(0, at, getattr(self, part))
        return replace(other, **parts)


@torch.no_grad()
def effects_of(
    model: DecomposedModel, subcomponents: Sequence[str], text: Mapping[str, np.ndarray], cost: Cost,
    checkpoint: Checkpoint | None = None,
) -> Effects:  # fmt: skip
    """Ablate and invert each of ``subcomponents`` (``module:index``), one at a time.

    Args:
        text: blocks (n, position) of each domain, at least two.
        checkpoint: a run that was killed goes on where its last one was written.
    """
    device = model.U[0].device
    blocks = torch.cat([torch.from_numpy(tokens) for tokens in text.values()]).long().to(device)
    lengths = [len(tokens) for tokens in text.values()]
    prefixes, states = Prefixes(model.target, blocks[:1]), {}  # states by how many layers are run beforehand
    base = _block_ce(prefixes.none, blocks, prefixes.none.states(blocks))
    shape = (len(subcomponents), len(PREFACTORS), len(lengths))
    damage, error = (torch.zeros(shape, dtype=torch.float64) for _ in range(2))
    done = 0
    if checkpoint and (saved := checkpoint.load()):
        damage, error, done = saved["damage"], saved["error"], int(saved["done"])
        cost.resume(saved["seconds"].item(), 0, 0.0)
    saved_at = time.monotonic()
    for i in track(range(done, len(subcomponents)), len(subcomponents), "effects", done=done):
        method = Prefactors((term_of(model, subcomponents[i]),))
        prefix = prefixes.of(method.modules)
        if prefix.depth not in states:
            states[prefix.depth] = prefix.states(blocks)
        for p, alpha in enumerate(PREFACTORS.values()):
            with applied(model.target, method.common(alpha)):
                changed = (_block_ce(prefix, blocks, states[prefix.depth]) - base).cpu().split(lengths)
            damage[i, p] = torch.stack([rises.mean() for rises in changed])
            error[i, p] = torch.stack([rises.std() / len(rises) ** 0.5 for rises in changed])
        if checkpoint and time.monotonic() - saved_at > SAVE_EVERY:
            seconds = torch.tensor(cost.spent(), dtype=torch.float64)
            checkpoint.save({"damage": damage, "error": error, "done": torch.tensor(i + 1), "seconds": seconds})
            saved_at = time.monotonic()
    for module, count in Counter(name.rpartition(":")[0] for name in subcomponents).items():
        prefix, passes = prefixes.of((module,)), count * len(PREFACTORS)
        given = prefix.states(blocks[:1])
        flops = flops_of(lambda prefix=prefix, given=given: _block_ce(prefix, blocks[:1], given))
        cost.add(blocks.numel() * passes, flops * len(blocks) * passes)
    return Effects(subcomponents, list(text), damage, error, torch.ones(len(subcomponents), dtype=torch.bool))


def first_order(
    model: DecomposedModel, subcomponents: Sequence[str], text: Mapping[str, np.ndarray], cost: Cost
) -> Effects:
    """:func:`effects_of` to first order (``attribution.py``), of all ``subcomponents`` in one pass over ``text``."""
    place = {name: i for i, name in enumerate(model.names)}
    columns = [place[name] for name in subcomponents]
    slopes = []
    for tokens in text.values():
        blocks = torch.from_numpy(tokens).long().to(model.U[0].device)
        slopes.append(attributions(model, blocks)[:, columns])
        cost.add(blocks.numel(), flops_of(lambda blocks=blocks: attributions(model, blocks[:1])) * len(blocks))
    steps = torch.tensor(list(PREFACTORS.values()), dtype=torch.float64) - 1  # (2,)
    damage = torch.stack([slope.mean(0)[:, None] * steps for slope in slopes], dim=-1)
    error = torch.stack([slope.std(0)[:, None] / len(slope) ** 0.5 * steps.abs() for slope in slopes], dim=-1)
    return Effects(subcomponents, list(text), damage, error, torch.zeros(len(columns), dtype=torch.bool))


def standing_out(rough: Effects, importance: np.ndarray, count: int) -> list[str]:
    """The ``count`` subcomponents of ``rough`` that are worth a measurement, in its order.

    By turns the one with the largest effect on some domain, to first order, and the one that some domain needs most
    beyond all others, which is what labels go by.

    Args:
        importance: (n, domain) mean importance.
    """
    by_effect = rough.damage.abs().amax((1, 2)).argsort(descending=True, stable=True).tolist()
    two = np.sort(importance, axis=1)[:, -2:]
    by_need = np.argsort(-(two[:, -1] - two[:, 0] * (two.shape[1] > 1)), kind="stable").tolist()
    turns = [place for pair in zip(by_effect, by_need, strict=True) for place in pair]
    chosen = sorted(list(dict.fromkeys(turns))[:count])
    return [str(rough.subcomponents[place]) for place in chosen]


def _block_ce(prefix: Prefix, blocks: Tensor, states: Tensor) -> Tensor:
    """Mean cross-entropy of the next token in each of ``blocks`` (n, position), float64 (n,).

    ``states`` are what ``prefix`` makes of them.
    """
    losses, batch = [], blocks_at_once(prefix.target, blocks.shape[1], BATCH)
    # Not ``next_token_ce``: that copies the logits and writes every log-probability, which takes twice as long here.
    for part, given in zip(blocks.split(batch), states.split(batch), strict=True):
        with prefix.given(given):
            logits = logits_of(prefix.target, part)[:, :-1]
        right = logits.gather(-1, part[:, 1:, None])[..., 0]
        losses.append(exact(logits.logsumexp(-1) - right).mean(-1))
    return torch.cat(losses)
