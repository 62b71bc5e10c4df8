"""What one prefactor of a subcomponent can do: the edit's own loss on held-out text, at a few fixed prefactors."""

from collections.abc import Sequence

import torch

from prefactor.components import DecomposedModel
from prefactor.edits.fit import Text, validation_loss
from prefactor.edits.methods import PREFACTOR_STARTS, Prefactors, term_of
from prefactor.flops import flops_of
from prefactor.ledger import Cost
from prefactor.progress import track
from prefactor.selection import Effect


def effects(model: DecomposedModel, names: Sequence[str], text: Text, retain_weight: float, cost: Cost) -> list[Effect]:
    """For each subcomponent ``module:index``, the least loss over the prefactors that a fit starts from.

    Args:
        text: held-out text of the target and the retained domains.
        retain_weight: as in the fit's loss.
        cost: is charged with every forward pass.
    """

    def loss(name: str, alpha: float) -> float:
        change = Prefactors((term_of(model, name),)).change([torch.tensor([alpha], device=text.retained.device)])
        return validation_loss(model.target, change, text, retain_weight)

    tokens = text.target.size + text.retained.numel()
    flops = flops_of(lambda: loss(names[0], 1.0))
    found = []
    for name in track(names, len(names), "effect of label matches"):
        losses = {alpha: loss(name, alpha) for alpha in PREFACTOR_STARTS}
        cost.add(tokens * len(losses), flops * len(losses))
        best = min(losses, key=lambda alpha: losses[alpha])
        found.append(Effect(losses[best], best))
    return found
