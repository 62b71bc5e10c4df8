"""What one subcomponent's prefactor can do, measured: what chance on the target costs everything else.

Protected domains are not looked at. What stands for them is *spill*: the divergence on untagged blocks of text that
need the subcomponent less than half as much as the target's text does, a mean over the worst quarter of them. An edit's
worst neighbour, whichever that is, is a small part of such text, and a mean over all of it would not show it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from prefactor.config.edits import EditConfig, GuardByDomain, GuardedEdit
from prefactor.config.selection import SelectionConfig
from prefactor.corpus.blocks import Blocks, take
from prefactor.files.cost import Cost
from prefactor.machine.flops import flops_of
from prefactor.machine.progress import track
from prefactor.model.matrices import matrix_of, shape_of
from prefactor.model.reference import HeldOut, hold_out, measure
from prefactor.rescale.footprint import divergence, importance_of
from prefactor.rescale.guard import guarded_terms
from prefactor.rescale.terms import SINGULAR, Prefactors, term_of
from prefactor.selection.effect import Effect
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet

# Prefactors are tried away from 1, inverting first, until the target's cross-entropy passes chance.
INVERTING = (0.0, -1.0, -2.0, -3.0, -4.0, -6.0, -8.0, -12.0, -16.0, -24.0)
AMPLIFYING = (2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)


@dataclass(frozen=True, eq=False)
class CandidateMeasure:
    """Measures candidates of ``edit`` as :class:`prefactor.selection.measure.Measure`; reads a model only when asked.

    ``load`` gives the decomposed model, its importance net and the select split.
    """

    edit: EditConfig
    config: SelectionConfig
    cost: Cost
    load: Callable[[], tuple[DecomposedModel, ImportanceNet, Blocks]]

    @cached_property
    def _loaded(self) -> tuple[DecomposedModel, ImportanceNet, Blocks]:
        return self.load()

    def effects(self, names: Sequence[str]) -> list[Effect]:
        model, net, blocks = self._loaded
        return effects_on(blocks, model, net, names, self.edit, self.config, self.cost)

    def directions(self, module: str) -> int:
        model, _, _ = self._loaded
        return min(shape_of(matrix_of(model.target, module)))


@dataclass(frozen=True, eq=False)
class Others:
    """Untagged text, and how much it and the target's text need each of some subcomponents."""

    held: HeldOut
    needed: Tensor  # (n, subcomponent): mean importance over each block
    target: Tensor  # (subcomponent,): ... over the target domain

    def worst(self, divergence: Tensor, place: int) -> float | None:
        """The mean of ``divergence`` (n, position) over the worst quarter of blocks that are unlike the target."""
        unlike = self.needed[:, place] < self.target[place] / 2
        means = divergence[unlike].double().mean(1).sort(descending=True).values
        return means[: max(1, len(means) // 4)].mean().item() if len(means) else None


def effects_on(
    blocks: Blocks, model: DecomposedModel, net: ImportanceNet, names: Sequence[str], edit: EditConfig,
    config: SelectionConfig, cost: Cost,
) -> list[Effect]:  # fmt: skip
    """:func:`effects` of the change that ``edit`` would make of each of ``names``, on the select split's ``blocks``.

    Raises:
        PrefactorError: there is less text than ``config`` asks for.
    """
    domains = edit.domains
    held = {
        domain: hold_out(model.target, take(blocks.of(domain), config.tokens, "selection.tokens").tokens)
        for domain in (domains.target, *domains.retain)
    }
    untagged = take(blocks, config.untagged_tokens, "selection.untagged_tokens").tokens
    terms = [term_of(model, name) for name in names]
    if isinstance(edit, GuardedEdit):
        wanted = (domains.target, *edit.guard.spare) if isinstance(edit.guard, GuardByDomain) else ()
        tagged = {d: take(blocks.of(d), config.tokens, "selection.tokens").tokens for d in wanted}
        terms = guarded_terms(edit, names, terms, model, net, untagged, tagged)
    methods = {name: Prefactors((term,)) for name, term in zip(names, terms, strict=True)}
    wanted = held.pop(domains.target)
    others = None
    if not any(SINGULAR in name.rpartition(":")[2] for name in names):  # these have no importance
        needed = importance_of(model, net, wanted.tokens, names).mean((0, 1))
        others = Others(hold_out(model.target, untagged), importance_of(model, net, untagged, names).mean(1), needed)
    return effects(model, methods, wanted, held, others, cost)


def effects(
    model: DecomposedModel, methods: Mapping[str, Prefactors], wanted: HeldOut, retained: Mapping[str, HeldOut],
    others: Others | None, cost: Cost,
) -> list[Effect]:  # fmt: skip
    """For each method (of one prefactor) the one that brings the target domain to chance, and its damage and spill.

    Args:
        wanted: held-out text of the target domain.
        retained: held-out text of each retained domain; the damage is their mean.
        others: untagged text, with how much it needs each of ``methods``; None measures no spill.
        cost: is charged with every forward pass that measures a change.
    """
    chance = math.log(wanted.p.shape[-1])
    flops = flops_of(lambda: measure(model.target, {}, {"": wanted})) / wanted.tokens.numel()

    def measured(method: Prefactors, alpha: float, domains: Mapping[str, HeldOut]) -> dict[str, dict[str, float]]:
        tokens = sum(held.tokens.numel() for held in domains.values())
        cost.add(tokens, flops * tokens)
        return measure(model.target, method.common(alpha), domains)

    def spill(place: int, method: Prefactors, alpha: float) -> float | None:
        if others is None:
            return None
        cost.add(others.held.tokens.numel(), flops * others.held.tokens.numel())
        return others.worst(divergence(model, method.common(alpha), others.held), place)

    def effect(place: int, method: Prefactors) -> Effect:
        nearest = (wanted.ce, 1.0)
        for direction in (INVERTING, AMPLIFYING):
            before = (wanted.ce, 1.0)
            for alpha in direction:
                ce = measured(method, alpha, {"": wanted})[""]["edited_ce"]
                if ce >= chance:
                    at = before[1] + (chance - before[0]) / (ce - before[0]) * (alpha - before[1])
                    damage = [figures["damage"] for figures in measured(method, at, retained).values()]
                    return Effect(at, 0.0, sum(damage) / len(damage), spill(place, method, at))
                before = (ce, alpha)
                nearest = max(nearest, before)
        return Effect(nearest[1], chance - nearest[0], None, None)

    tried = track(list(enumerate(methods.values())), len(methods), "effect of candidates")
    with torch.no_grad():
        return [effect(place, method) for place, method in tried]
