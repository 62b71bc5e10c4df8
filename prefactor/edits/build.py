"""From an edit's params and its chosen subcomponents to its method: which parameters it has, and what they change."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from prefactor.config.edit import FitConfig
from prefactor.config.edits import (
    AnyEdit,
    DirectionBaseline,
    FinetuneBaseline,
    GuardedEdit,
    LoraBaseline,
    PrefactorEdit,
    RewriteEdit,
)
from prefactor.config.guard import spared
from prefactor.corpus.blocks import Blocks, take
from prefactor.corpus.needs import guarding
from prefactor.edits.methods import Amount, Finetune, Lora, Method
from prefactor.errors import PrefactorError
from prefactor.files.cost import Cost
from prefactor.locate.direction import directions
from prefactor.model.matrices import Matrix, shape_of
from prefactor.rescale.guard import guarded_terms
from prefactor.rescale.terms import Prefactors, term_of
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet


def build_method(
    edit: AnyEdit, chosen: Sequence[str], model: DecomposedModel, net: ImportanceNet, blocks: Blocks, config: FitConfig
) -> tuple[Method, dict | None]:
    """The method of an edit of chosen subcomponents, and for a guarded one what its second moments came from.

    ``blocks`` is the fit split; guards read ``config.guard_tokens`` of it a domain, or ``config.untagged`` of its mix.
    """
    if isinstance(edit, PrefactorEdit):
        return prefactors(edit, chosen, model, net, blocks, config)
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


def prefactors(
    edit: PrefactorEdit, chosen: Sequence[str], model: DecomposedModel, net: ImportanceNet, blocks: Blocks,
    config: FitConfig,
) -> tuple[Prefactors, dict | None]:  # fmt: skip
    terms = [term_of(model, name) for name in chosen]
    if not isinstance(edit, GuardedEdit):
        return Prefactors(tuple(terms)), None
    untagged, tagged = guard_text(edit, blocks, config)
    about = {
        "weigh": edit.guard.weigh,
        "ridge": edit.guard.ridge,
        "tokens": sum(t.size for t in tagged.values()) if tagged else untagged.size,
        "target_tokens": tagged[edit.domains.target].size if tagged else 0,
    }
    if named := spared(edit.guard):
        about["spare"] = list(named)
    guarded = guarded_terms(edit.guard, edit.domains.target, chosen, terms, model, net, untagged, tagged)
    if same := [name for name, own, new in zip(chosen, terms, guarded, strict=True) if new is own]:
        about["unguarded"] = same
    return Prefactors(tuple(guarded)), about


def guard_text(edit: GuardedEdit, blocks: Blocks, config: FitConfig) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """What the guard of ``edit`` reads of the fit split ``blocks``: untagged text (n, position) for one by importance,
    or by domain; as :func:`prefactor.rescale.guard.moments_for` takes both, and the other is empty.

    Raises:
        PrefactorError: there is too little text.
    """
    named = spared(edit.guard)
    text = {domain: take(blocks, need).tokens for domain, need in guarding(edit, config).items()}
    if not named:
        return text[None], {}  # the split's own mix
    return np.empty((0, 0), np.int32), {domain: text[domain] for domain in (edit.domains.target, *named)}
