"""What one subcomponent's prefactor can do, measured: what chance on the target costs everything else.

Protected domains are not looked at. What stands for them is *spill*: the divergence on untagged blocks of text that
need the subcomponent less than half as much as the target's text does, a mean over the worst quarter of them. An edit's
worst neighbour, whichever that is, is a small part of such text, and a mean over all of it would not show it. Of a
subcomponent that nearly all text needs there is no such text: its spill is unknown, and it ranks behind all others.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from prefactor.config.candidates import CandidatesConfig
from prefactor.config.guard import spared
from prefactor.config.shortlists import ByLabel, ShortlistConfig
from prefactor.corpus import needs
from prefactor.corpus.blocks import Blocks, take
from prefactor.errors import PrefactorError
from prefactor.files.cost import Cost
from prefactor.machine.exact import exact
from prefactor.machine.progress import track
from prefactor.model.matrices import matrix_of, shape_of
from prefactor.model.memory import Sizes
from prefactor.model.prefix import Prefix, Prefixes
from prefactor.model.reference import HeldOut, flops_a_token, hold_out, measure
from prefactor.rescale.footprint import BATCH, divergence, importance_of
from prefactor.rescale.guard import guarded_term, moments_for
from prefactor.rescale.terms import SINGULAR, Prefactors, term_of
from prefactor.selection.effect import Candidates, Effect, order
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet
from prefactor.vpd.sizes import decomposed_sizes

# Prefactors are tried away from 1, inverting first, until the target's cross-entropy passes chance.
INVERTING = (0.0, -1.0, -2.0, -3.0, -4.0, -6.0, -8.0, -12.0, -16.0, -24.0)
AMPLIFYING = (2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
FEWEST = 4  # blocks unlike the target: a quarter of fewer is not one block, and these few would be the mildest of all


@dataclass(frozen=True, eq=False)
class Others:
    """Untagged text, and how much it and the target's text need each of some subcomponents."""

    held: HeldOut
    needed: Tensor  # (n, subcomponent): mean importance over each block
    target: Tensor  # (subcomponent,): ... over the target domain

    def worst(self, divergence: Tensor, place: int) -> float | None:
        """The mean of ``divergence`` (n, position) over the worst quarter of blocks that are unlike the target.

        None, for unknown, where fewer than ``FEWEST`` blocks are.
        """
        unlike = self.needed[:, place] < self.target[place] / 2
        means = exact(divergence[unlike]).mean(1).sort(descending=True).values
        return means[: len(means) // 4].mean().item() if len(means) >= FEWEST else None


def measure_candidates(
    shortlist: ShortlistConfig, names: Sequence[str], model: DecomposedModel, net: ImportanceNet, blocks: Blocks,
    config: CandidatesConfig, cost: Cost,
) -> Candidates:  # fmt: skip
    """What each of ``names`` does to ``blocks``, changed as ``shortlist`` says; and the control, if it has one.

    The control: the largest singular directions of the matrix in which the best candidate lies, as many as candidates.

    Args:
        blocks: the select split.

    What cannot be measured is left out, with the reason.

    Raises:
        PrefactorError: there is less text than ``config`` asks for.
    """
    domains, guard = shortlist.domains, shortlist.guard
    untagged = take(blocks, needs.untagged_for_candidates(config)).tokens
    tokens = {
        domain: take(blocks, need).tokens for domain, need in needs.tagged_for_candidates(config, shortlist).items()
    }
    held = {domain: hold_out(model.target, tokens[domain]) for domain in (domains.target, *domains.retain)}
    wanted = held.pop(domains.target)
    terms, left_out = {name: term_of(model, name) for name in names}, {}
    if guard is not None:
        moments = moments_for(guard, domains.target, names, list(terms.values()), model, net, untagged, tokens)
        for name, pair in zip(names, moments, strict=True):
            try:
                terms[name] = guarded_term(name, terms[name], pair, guard.ridge)
            except PrefactorError as error:
                left_out[name] = str(error)
    methods = {name: Prefactors((term,)) for name, term in terms.items() if name not in left_out}
    measured: dict[str, Effect] = {}
    if methods:
        kept = list(methods)
        needed = importance_of(model, net, wanted.tokens, kept).mean((0, 1))
        others = Others(hold_out(model.target, untagged), importance_of(model, net, untagged, kept).mean(1), needed)
        measured = dict(zip(kept, effects(model.target, methods, wanted, held, others, cost), strict=True))
    for name, effect in list(measured.items()):
        if not effect.finite:
            left_out[name] = f"{name}: no finite figure comes of changing it"
            del measured[name]
    found = {name: measured.get(name) for name in names}
    if not shortlist.singular or not measured:
        return Candidates(found, {}, left_out)
    assert isinstance(shortlist.choose, ByLabel)  # only such candidates are measured
    module = order(list(measured.items()), shortlist.choose.rank)[0][0].rpartition(":")[0]
    count = min(config.tried, *shape_of(matrix_of(model.target, module)))
    control = {
        f"{module}:{SINGULAR}{i}": Prefactors((term_of(model, f"{module}:{SINGULAR}{i}"),)) for i in range(count)
    }
    singular = effects(model.target, control, wanted, held, None, cost)  # without importance, and so without spill
    finite = {name: effect for name, effect in zip(control, singular, strict=True) if effect.finite}
    return Candidates(found, finite, left_out)


def measuring_sizes(
    shortlist: ShortlistConfig, names: Sequence[str], model: DecomposedModel, net: ImportanceNet, block: int,
    config: CandidatesConfig,
) -> Sizes:  # fmt: skip
    """The sizes of :func:`measure_candidates`."""
    guard, modules = shortlist.guard, {name.rpartition(":")[0] for name in names}
    moments = 0 if guard is None else len(modules) + len(spared(guard)) if spared(guard) else len(names)
    return decomposed_sizes(
        model, net, block, batch=BATCH, tokens=max(config.tokens, config.untagged_tokens),
        texts=2 + len(shortlist.domains.retain), moments=moments,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Replayed:
    """All text that a change of one matrix is measured on, with the layers before that matrix run beforehand."""

    prefix: Prefix
    wanted: HeldOut
    retained: Mapping[str, HeldOut]
    others: HeldOut | None
    flops: float  # a token


def effects(
    target: Any, methods: Mapping[str, Prefactors], wanted: HeldOut, retained: Mapping[str, HeldOut],
    others: Others | None, cost: Cost,
) -> list[Effect]:  # fmt: skip
    """For each method (of one prefactor) the one that brings the target domain to chance, and its damage and spill.

    Args:
        wanted: held-out text of the target domain.
        retained: held-out text of each retained domain; the damage is their mean.
        others: untagged text, with how much it needs each of ``methods``; None measures no spill.
        cost: is charged with every forward pass that measures a change.
    """
    chance = wanted.chance
    if wanted.ce >= chance:  # no change is needed, and none could be told by where it reaches chance
        return [Effect(1.0, 0.0, 0.0, None if others is None else 0.0)] * len(methods)
    replayed: dict[int, Replayed] = {}  # by how many layers are run beforehand
    prefixes = Prefixes(target, wanted.tokens[:1])

    def text_for(method: Prefactors) -> Replayed:
        prefix = prefixes.of(method.modules)
        if prefix.depth not in replayed:
            own, kept = wanted.after(prefix), {domain: held.after(prefix) for domain, held in retained.items()}
            rest = others.held.after(prefix) if others is not None else None
            replayed[prefix.depth] = Replayed(prefix, own, kept, rest, flops_a_token(target, own, prefix))
        return replayed[prefix.depth]

    def charge(text: Replayed, held: HeldOut) -> None:
        cost.add(held.tokens.numel(), text.flops * held.tokens.numel())

    def measured(method: Prefactors, alpha: float, text: Replayed, domains: Mapping[str, HeldOut]) -> list[dict]:
        for held in domains.values():
            charge(text, held)
        return list(measure(target, method.common(alpha), domains, text.prefix).values())

    def spill(place: int, method: Prefactors, alpha: float, text: Replayed) -> float | None:
        if others is None or text.others is None:
            return None
        charge(text, text.others)
        return others.worst(divergence(target, method.common(alpha), text.others, text.prefix), place)

    def effect(place: int, method: Prefactors) -> Effect:
        text, nearest = text_for(method), (wanted.ce, 1.0)
        for direction in (INVERTING, AMPLIFYING):
            before = (wanted.ce, 1.0)
            for alpha in direction:
                ce = measured(method, alpha, text, {"": text.wanted})[0]["edited_ce"]
                if not math.isfinite(ce):
                    break  # further than the model can be read
                if ce >= chance:
                    at = before[1] + (chance - before[0]) / (ce - before[0]) * (alpha - before[1])
                    damage = [figures["damage"] for figures in measured(method, at, text, text.retained)]
                    return Effect(at, 0.0, sum(damage) / len(damage), spill(place, method, at, text))
                before = (ce, alpha)
                nearest = max(nearest, before)
        return Effect(nearest[1], chance - nearest[0], None, None)

    tried = track(list(enumerate(methods.values())), len(methods), "effect of candidates")
    with torch.no_grad():
        return [effect(place, method) for place, method in tried]
