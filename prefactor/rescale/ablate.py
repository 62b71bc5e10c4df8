"""What every alive subcomponent does, measured: the damage to each domain of ablating it and of inverting it.

A label says what a subcomponent is about; this says what an edit of it would do, whatever its label.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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

    def table(self) -> pa.Table:
        """A row a subcomponent: ``ablate_D``, ``invert_D`` and their standard errors ``ablate_error_D``, ..."""
        columns: dict[str, pa.Array] = {"subcomponent": pa.array(list(self.subcomponents))}
        for kind, values in (("", self.damage), ("_error", self.error)):
            for p, name in enumerate(PREFACTORS):
                for d, domain in enumerate(self.domains):
                    columns[f"{name}{kind}_{domain}"] = pa.array(values[:, p, d].numpy())
        return pa.table(columns)


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
    return Effects(subcomponents, list(text), damage, error)


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
