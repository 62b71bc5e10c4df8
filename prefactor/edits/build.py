"""From an edit's params and its chosen subcomponents to the method that is fitted, or to the change that is set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from prefactor.config.edit import FitConfig
from prefactor.config.edits import (
    AnyEdit,
    DirectionBaseline,
    FinetuneBaseline,
    Given,
    GuardedEdit,
    LoraBaseline,
    PrefactorEdit,
    Reached,
    RewriteEdit,
    Tolerated,
)
from prefactor.config.guard import spared
from prefactor.corpus.blocks import Blocks, take
from prefactor.corpus.needs import guarding, reaching
from prefactor.edits.methods import Amount, Finetune, Lora, Method
from prefactor.errors import PrefactorError
from prefactor.files.cost import Cost
from prefactor.locate.direction import directions
from prefactor.model.change import Change
from prefactor.model.matrices import Matrix, shape_of
from prefactor.model.prefix import prefix_of
from prefactor.model.reference import flops_a_token, hold_out, measure
from prefactor.model.unigram import Bars
from prefactor.rescale.footprint import Uses
from prefactor.rescale.guard import guarded_terms
from prefactor.rescale.reach import Tried, reach
from prefactor.rescale.terms import Prefactors, rewrite, term_of
from prefactor.rescale.tolerance import tolerated
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet


def build_method(
    edit: AnyEdit, chosen: Sequence[str], model: DecomposedModel, net: ImportanceNet, blocks: Blocks, config: FitConfig
) -> tuple[Method, dict | None]:
    """The method of an edit of chosen subcomponents, and for a guarded one what its second moments came from.

    ``blocks`` is the fit split; guards read ``config.guard_tokens`` of it, a domain where they go by domain.
    """
    if isinstance(edit, PrefactorEdit):
        return _prefactors(edit, chosen, model, net, blocks, config)
    if isinstance(edit, RewriteEdit):
        raise ValueError("a rewrite has nothing to fit")
    own = {name.rpartition(":")[0] for name in chosen}
    return whole_matrices(edit, {site.name: site.module for site in model.sites if site.name in own}), None


def whole_matrices(edit: AnyEdit, among: Mapping[str, Matrix]) -> Method:
    """The LoRA, or the fine-tuning, that ``edit`` makes of some matrices."""
    shapes = {name: shape_of(matrix) for name, matrix in among.items()}
    device = next(iter(among.values())).weight.device
    if isinstance(edit, LoraBaseline):
        return Lora(shapes, edit.rank, device)
    assert isinstance(edit, FinetuneBaseline)
    return Finetune(shapes, edit.share, device)


def along_direction(
    edit: DirectionBaseline, target: Any, among: Mapping[str, Matrix], blocks: Blocks, config: FitConfig,
    found_with: Mapping[str, int], cost: Cost,
) -> tuple[Amount, dict[str, Any]]:  # fmt: skip
    """The closed-form change that ``edit`` makes of the one matrix ``among``, and what it was made from.

    Args:
        blocks: the fit split.
        found_with: tokens of the target's text that the matrix was found with, by stage.

    Raises:
        PrefactorError: there are several, or the matrix reads nothing of the text.
    """
    if len(among) > 1:
        raise PrefactorError(
            f"baselines: matrix = {edit.matrix!r} is the name of {', '.join(among)}: a direction is of one; name it"
        )
    text = {domain: take(blocks, need).tokens for domain, need in guarding(edit, config).items()}
    toward, spared = text[edit.domains.target], [own for domain, own in text.items() if domain != edit.domains.target]
    found = directions(target, among, toward, spared, edit.ridge, cost)
    if not found:
        raise PrefactorError(f"baselines: {', '.join(among)} reads nothing of the text, or is not read: name another")
    (direction,) = found.values()
    return Amount(direction), {
        "module": direction.module,
        "spare": list(edit.spared or ()),
        "ridge": edit.ridge,
        "tokens": sum(own.size for own in text.values()),
        "chosen_with": {**found_with, "direction": toward.size},
    }


@dataclass(frozen=True)
class Grounds:
    """What a change that no token is fitted on may be set from."""

    fit: Blocks  # the fit split, for guards and tolerances
    select: Blocks  # the select split, on which a goal is reached
    bars: Bars
    uses: Uses  # where subcomponents are needed, and what is far from that
    token: int | None = None  # what a rewrite writes toward


def unfitted(
    edit: AnyEdit, chosen: Sequence[str], model: DecomposedModel, net: ImportanceNet, config: FitConfig,
    grounds: Grounds, cost: Cost,
) -> tuple[list[float], Change, dict | None]:  # fmt: skip
    """The prefactors (none for a rewrite), the change, and what it was set from, of an edit that no token is fitted on.

    Raises:
        PrefactorError: the prefactors given are not one a subcomponent, the chosen matrix cannot write a token, or the
            subcomponents are needed so widely that no text is left to tolerate anything.
    """
    if isinstance(edit, RewriteEdit):
        assert grounds.token is not None
        row = model.target.get_output_embeddings().weight[grounds.token].detach()
        changes = [rewrite(term_of(model, name), row, edit.strength) for name in chosen]
        if len({module for change in changes for module in change}) < len(changes):
            raise PrefactorError("a rewrite takes one subcomponent a matrix: choose fewer (`top`)")
        return [], {module: parts for change in changes for module, parts in change.items()}, None
    assert isinstance(edit, PrefactorEdit)
    method, about = _prefactors(edit, chosen, model, net, grounds.fit, config)
    if isinstance(edit.alpha, Given):
        if len(edit.alpha.values) != len(chosen):
            raise PrefactorError(
                f"alpha.values has {len(edit.alpha.values)} prefactors for {len(chosen)} subcomponents: give one each"
            )
        values = list(edit.alpha.values)
    else:
        if isinstance(edit.alpha, Reached):
            alpha, found = _reached(edit, edit.alpha.kl, method, model, config, grounds, cost)
        else:
            assert isinstance(edit.alpha, Tolerated)
            text = take(grounds.fit, guarding(edit, config)[None]).tokens
            alpha, found = tolerated(method, chosen, model, net, text, edit.alpha.kl, grounds.uses)
        values, about = [alpha] * len(chosen), (about or {}) | found
    change = method.change([torch.tensor(values, device=model.U[0].device)])
    if bad := [module for module, parts in change.items() if not all(torch.isfinite(part).all() for part in parts)]:
        raise PrefactorError(f"the change of {bad[0]} is not finite with prefactors {values}: give smaller ones")
    return values, change, about


def _reached(
    edit: PrefactorEdit, kl: float, method: Prefactors, model: DecomposedModel, config: FitConfig, grounds: Grounds,
    cost: Cost,
) -> tuple[float, dict[str, Any]]:  # fmt: skip
    """The common prefactor that reaches the edit's goal on the select split, and how far it got, for the record."""
    target, bar = edit.domains.target, grounds.bars.of(edit.goal, edit.domains.target)
    text = {domain: take(grounds.select, need).tokens for domain, need in reaching(edit, config).items()}
    base = {domain: hold_out(model.target, tokens) for domain, tokens in text.items()}
    prefix = prefix_of(model.target, method.modules, base[target].tokens[:1])
    held = {domain: own.after(prefix) for domain, own in base.items()}
    flops, tokens = flops_a_token(model.target, held[target], prefix), sum(own.size for own in text.values())

    def at(alpha: float) -> Tried:
        found = measure(model.target, method.common(alpha), held, prefix)
        cost.add(tokens, flops * tokens)
        retained = [found[domain]["kl"] for domain in edit.domains.retain]
        error = found[target]["edited_ce_error"] if len(text[target]) > 1 else 0.0  # of one block it is unknown
        return Tried(alpha, found[target]["edited_ce"], error, sum(retained) / len(retained))

    end = reach(at, bar, kl)
    return end.alpha, {"reach_kl": kl, "reached": end.ce - bar, "reach_error": end.error, "held_kl": end.kl}


def _prefactors(
    edit: PrefactorEdit, chosen: Sequence[str], model: DecomposedModel, net: ImportanceNet, blocks: Blocks,
    config: FitConfig,
) -> tuple[Prefactors, dict | None]:  # fmt: skip
    terms = [term_of(model, name) for name in chosen]
    if not isinstance(edit, GuardedEdit):
        return Prefactors(tuple(terms)), None
    named = spared(edit.guard)
    text = {domain: take(blocks, need).tokens for domain, need in guarding(edit, config).items()}
    tagged = {domain: text[domain] for domain in ((edit.domains.target, *named) if named else ())}
    untagged = np.empty((0, 0), np.int32) if named else text[None]  # the split's own mix
    about = {
        "weigh": edit.guard.weigh,
        "ridge": edit.guard.ridge,
        "tokens": sum(t.size for t in tagged.values()) if tagged else untagged.size,
        "target_tokens": tagged[edit.domains.target].size if tagged else 0,
    }
    if named:
        about["spare"] = list(named)
    guarded = guarded_terms(edit.guard, edit.domains.target, chosen, terms, model, net, untagged, tagged)
    if same := [name for name, own, new in zip(chosen, terms, guarded, strict=True) if new is own]:
        about["unguarded"] = same
    return Prefactors(tuple(guarded)), about


def token_of(tokenizer: Tokenizer, text: str) -> int:
    """The id of the one token that ``text`` is.

    Raises:
        PrefactorError: it is none, or more than one.
    """
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    parts = [tokenizer.decode([i], skip_special_tokens=False) for i in ids]
    if len(ids) != 1 or parts[0].strip() != text.strip():  # one id may also stand for a text that is unknown
        shown = " ".join(map(repr, parts))
        raise PrefactorError(f"toward {text!r} reads as {len(ids)} tokens ({shown}): write text that is one token")
    return ids[0]
