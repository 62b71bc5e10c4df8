"""Does an edit last under someone who trains the capability back?"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from prefactor.edits.methods import Finetune
from prefactor.machine.runtime import generator
from prefactor.model.change import Change, applied, attached
from prefactor.model.matrices import shape_of
from prefactor.model.sites import sites
from prefactor.model.target import cross_entropy, logits_of, next_token_ce


def relearned(
    target: Any, change: Change, text: np.ndarray, held_out: np.ndarray, rates: Sequence[float], most: int, seed: int
) -> int | None:
    """Target tokens of fine-tuning, at the best of ``rates``, after which half of what the edit removed is back.

    Every weight of the base model's matrices is trained by Adam on next-token cross-entropy, one block of ``text`` (n,
    position) a step, each block once; half back is the cross-entropy on ``held_out`` midway between base and edited.
    None where ``most`` steps do not get there, or where the edit removed nothing.
    """
    device = next(target.parameters()).device
    base = cross_entropy(target, held_out)
    with applied(target, change):
        edited = cross_entropy(target, held_out)
        if edited <= base:
            return None
        order = torch.randperm(len(text), generator=generator(seed))[:most].tolist()
        found = sites(target, ".*", torch.from_numpy(text)).matrices
        method = Finetune({name: shape_of(module) for name, module in found.items()}, 1.0, device)
        needed = []
        for rate in rates:
            (parameters,) = method.starts(torch.Generator())
            parameters = [p.requires_grad_(True) for p in parameters]
            adam = torch.optim.Adam(parameters, lr=rate)
            for step, row in enumerate(order[: min(needed, default=most)]):
                tokens = torch.from_numpy(text[row : row + 1]).long().to(device)
                with attached(target, method.change(parameters)):
                    loss = next_token_ce(logits_of(target, tokens)[:, :-1], tokens).mean()
                    adam.zero_grad(set_to_none=True)
                    loss.backward()
                    adam.step()
                with attached(target, method.change([p.detach() for p in parameters])):
                    if cross_entropy(target, held_out) <= (base + edited) / 2:
                        needed.append(step + 1)
                        break
    return min(needed) * text.shape[1] if needed else None
