"""From an edit's params and its chosen subcomponents to the method that is fitted, or to the change that is set."""

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer

from prefactor.config.edit import FitConfig, Optimiser
from prefactor.config.edits import (
    EditConfig,
    FinetuneEdit,
    Given,
    GuardByDomain,
    GuardedEdit,
    LoraEdit,
    PrefactorEdit,
    RewriteEdit,
    Tolerated,
)
from prefactor.corpus.blocks import Blocks, take
from prefactor.edits.methods import Finetune, Lora, Method
from prefactor.errors import PrefactorError
from prefactor.model.change import Change
from prefactor.model.matrices import shape_of
from prefactor.rescale.guard import guarded_terms
from prefactor.rescale.terms import Prefactors, rewrite, term_of
from prefactor.rescale.tolerance import tolerated
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet


def build_method(
    edit: EditConfig, chosen: Sequence[str], model: DecomposedModel, net: ImportanceNet, blocks: Blocks,
    config: FitConfig,
) -> tuple[Method, dict | None]:  # fmt: skip
    """The method of ``edit``, and for a guarded one what its second moments came from (else None).

    ``blocks`` is the fit split; guards read ``config.guard_tokens`` of it, a domain where they go by domain.
    """
    if isinstance(edit, PrefactorEdit):
        return _prefactors(edit, chosen, model, net, blocks, config.guard_tokens)
    if isinstance(edit, RewriteEdit):
        raise ValueError("a rewrite has nothing to fit")
    own = {name.rpartition(":")[0] for name in chosen}
    shapes = {s.name: shape_of(s.module) for s in model.sites if not own or s.name in own}
    device = model.U[0].device
    if isinstance(edit, LoraEdit):
        return Lora(shapes, edit.rank, device), None
    return Finetune(shapes, edit.share, device), None


def optimiser_of(edit: EditConfig, config: FitConfig) -> Optimiser:
    if isinstance(edit, LoraEdit):
        return config.lora
    return config.finetune if isinstance(edit, FinetuneEdit) else config.prefactor


def unfitted(
    edit: EditConfig, chosen: Sequence[str], model: DecomposedModel, net: ImportanceNet, blocks: Blocks,
    config: FitConfig, token: int | None,
) -> tuple[list[float], Change, dict | None]:  # fmt: skip
    """The prefactors (none for a rewrite), the change, and what it was set from, of an edit that no token is fitted on.

    Args:
        token: what a rewrite writes toward.

    Raises:
        PrefactorError: the prefactors given are not one a subcomponent, the chosen matrix cannot write a token, or the
            subcomponents are needed so widely that no text is left to tolerate anything.
    """
    if isinstance(edit, RewriteEdit):
        assert token is not None
        row = model.target.get_output_embeddings().weight[token].detach()
        changes = [rewrite(term_of(model, name), row, edit.strength) for name in chosen]
        if len({module for change in changes for module in change}) < len(changes):
            raise PrefactorError("a rewrite takes one subcomponent a matrix: choose fewer (choose.top)")
        return [], {module: parts for change in changes for module, parts in change.items()}, None
    assert isinstance(edit, PrefactorEdit)
    method, about = _prefactors(edit, chosen, model, net, blocks, config.guard_tokens)
    if isinstance(edit.alpha, Given):
        if len(edit.alpha.values) != len(chosen):
            raise PrefactorError(
                f"alpha.values has {len(edit.alpha.values)} prefactors for {len(chosen)} subcomponents: give one each"
            )
        values = list(edit.alpha.values)
    else:
        assert isinstance(edit.alpha, Tolerated)
        text = take(blocks, config.guard_tokens, "edit.guard_tokens").tokens
        alpha, found = tolerated(method, chosen, model, net, text, edit.alpha.kl)
        values, about = [alpha] * len(chosen), (about or {}) | found
    return values, method.change([torch.tensor(values, device=model.U[0].device)]), about


def _prefactors(
    edit: PrefactorEdit, chosen: Sequence[str], model: DecomposedModel, net: ImportanceNet, blocks: Blocks, tokens: int
) -> tuple[Prefactors, dict | None]:
    terms = [term_of(model, name) for name in chosen]
    if not isinstance(edit, GuardedEdit):
        return Prefactors(tuple(terms)), None
    domains = (edit.domains.target, *edit.guard.spare) if isinstance(edit.guard, GuardByDomain) else ()
    tagged = {d: take(blocks.of(d), tokens, "edit.guard_tokens").tokens for d in domains}
    untagged = take(blocks, tokens, "edit.guard_tokens").tokens  # the split's own mix
    about = {
        "weigh": edit.guard.weigh,
        "ridge": edit.ridge,
        "tokens": sum(t.size for t in tagged.values()) if tagged else untagged.size,
        "target_tokens": tagged[edit.domains.target].size if tagged else 0,
    }
    if isinstance(edit.guard, GuardByDomain):
        about["spare"] = list(edit.guard.spare)
    return Prefactors(tuple(guarded_terms(edit, chosen, terms, model, net, untagged, tagged))), about


def token_of(tokenizer: Tokenizer, text: str) -> int:
    """The id of the one token that ``text`` is.

    Raises:
        PrefactorError: it is none, or more than one.
    """
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    parts = [tokenizer.decode([i]) for i in ids]
    if len(ids) != 1 or parts[0].strip() != text.strip():  # one id may also stand for a text that is unknown
        shown = " ".join(map(repr, parts))
        raise PrefactorError(f"toward {text!r} reads as {len(ids)} tokens ({shown}): write text that is one token")
    return ids[0]
