"""What one prefactor of a subcomponent can do, measured: what chance on the target costs the retained domains."""

import math
from collections.abc import Mapping, Sequence

import torch

from prefactor.components import DecomposedModel
from prefactor.config.edits import Domains
from prefactor.corpus.blocks import Blocks, take
from prefactor.edits.change import Change
from prefactor.edits.methods import Prefactors, term_of
from prefactor.evaluate import HeldOut, hold_out, measure
from prefactor.flops import flops_of
from prefactor.ledger import Cost
from prefactor.progress import track
from prefactor.selection import Effect

# Prefactors are tried away from 1, inverting first, until the target's cross-entropy passes chance.
INVERTING = (0.0, -1.0, -2.0, -3.0, -4.0, -6.0, -8.0, -12.0, -16.0, -24.0)
AMPLIFYING = (2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)


def effects_on(
    blocks: Blocks, model: DecomposedModel, names: Sequence[str], domains: Domains, tokens: int, cost: Cost
) -> list[Effect]:
    """:func:`effects` on the first ``tokens`` tokens a domain of the select split's ``blocks``.

    Raises:
        PrefactorError: there are fewer.
    """
    held = {
        domain: hold_out(model.target, take(blocks.of(domain), tokens, "selection.tokens").tokens)
        for domain in (domains.target, *domains.retain)
    }
    return effects(model, names, held.pop(domains.target), held, cost)


def effects(
    model: DecomposedModel, names: Sequence[str], wanted: HeldOut, retained: Mapping[str, HeldOut], cost: Cost
) -> list[Effect]:
    """For each subcomponent ``module:index`` the prefactor that brings the target domain to chance, and its damage.

    Args:
        wanted: held-out text of the target domain.
        retained: held-out text of each retained domain; the damage is their mean.
        cost: is charged with every forward pass.
    """
    chance = math.log(wanted.p.shape[-1])
    flops = flops_of(lambda: measure(model.target, {}, {"": wanted})) / wanted.tokens.numel()

    def change(name: str, alpha: float) -> Change:
        return Prefactors((term_of(model, name),)).change([torch.tensor([alpha], device=wanted.tokens.device)])

    def measured(name: str, alpha: float, domains: Mapping[str, HeldOut]) -> dict[str, dict[str, float]]:
        tokens = sum(held.tokens.numel() for held in domains.values())
        cost.add(tokens, flops * tokens)
        return measure(model.target, change(name, alpha), domains)

    def effect(name: str) -> Effect:
        nearest = (wanted.ce, 1.0)
        for direction in (INVERTING, AMPLIFYING):
            before = (wanted.ce, 1.0)
            for alpha in direction:
                ce = measured(name, alpha, {"": wanted})[""]["edited_ce"]
                if ce >= chance:
                    at = before[1] + (chance - before[0]) / (ce - before[0]) * (alpha - before[1])
                    damage = [figures["damage"] for figures in measured(name, at, retained).values()]
                    return Effect(at, 0.0, sum(damage) / len(damage))
                before = (ce, alpha)
                nearest = max(nearest, before)
        return Effect(nearest[1], chance - nearest[0], None)

    return [effect(name) for name in track(names, len(names), "effect of label matches")]
