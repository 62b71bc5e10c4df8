"""A change that no token is fitted on: prefactors given, tolerated or reached, or a rewrite."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from prefactor.config.edit import FitConfig
from prefactor.config.edits import AnyEdit, Given, PrefactorEdit, Reached, RewriteEdit, Tolerated
from prefactor.corpus.blocks import Blocks, take
from prefactor.corpus.needs import guarding, proportioning, reaching
from prefactor.edits.build import prefactors
from prefactor.errors import PrefactorError
from prefactor.files.cost import Cost
from prefactor.model.change import Change
from prefactor.model.prefix import Prefix, prefix_of
from prefactor.model.reference import flops_a_token, hold_out, measure
from prefactor.model.unigram import Bars
from prefactor.rescale.footprint import Uses, importance_of
from prefactor.rescale.gains import FEWEST, Spared, carries, fit_gains, unlike
from prefactor.rescale.reach import Tried, reach
from prefactor.rescale.terms import Prefactors, rewrite, term_of
from prefactor.rescale.tolerance import tolerated
from prefactor.vpd.components import DecomposedModel
from prefactor.vpd.importance_net import ImportanceNet


@dataclass(frozen=True)
class Grounds:
    """What a change that no token is fitted on may be set from."""

    fit: Blocks  # the fit split, for guards and tolerances
    select: Blocks  # the select split, on which a goal is reached
    bars: Bars
    uses: Uses  # where subcomponents are needed, and what is far from that
    token: int | None = None  # what a rewrite writes toward


@dataclass(frozen=True, eq=False)
class Unfitted:
    subcomponents: list[str]  # that it changes: all that were chosen, or those that were kept of them
    prefactors: list[float]  # one each; none of a rewrite
    change: Change
    about: dict[str, Any] | None  # what the prefactors were set from, for the record


def unfitted(
    edit: AnyEdit, chosen: Sequence[str], model: DecomposedModel, net: ImportanceNet, config: FitConfig,
    grounds: Grounds, cost: Cost,
) -> Unfitted:  # fmt: skip
    """The change of an edit that no token is fitted on.

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
        parts = {module: parts for change in changes for module, parts in change.items()}
        return Unfitted(list(chosen), [], parts, None)
    assert isinstance(edit, PrefactorEdit)
    about: dict[str, Any] | None
    method, about = prefactors(edit, chosen, model, net, grounds.fit, config)
    kept = list(range(len(chosen)))
    if isinstance(edit.alpha, Given):
        if len(edit.alpha.values) != len(chosen):
            raise PrefactorError(
                f"alpha.values has {len(edit.alpha.values)} prefactors for {len(chosen)} subcomponents: give one each"
            )
        values = list(edit.alpha.values)
    else:
        if isinstance(edit.alpha, Reached):
            kept, values, found = _reached(edit, edit.alpha, chosen, method, model, net, config, grounds, cost)
        else:
            assert isinstance(edit.alpha, Tolerated)
            text = take(grounds.fit, guarding(edit, config)[None]).tokens
            alpha, found = tolerated(method, chosen, model, net, text, edit.alpha.kl, grounds.uses)
            values = [alpha] * len(chosen)
        about = (about or {}) | found
    names = [chosen[place] for place in kept]
    if about and "unguarded" in about:  # of all that came into question
        about["unguarded"] = [name for name in about["unguarded"] if name in names]
    change = method.only(kept).change([torch.tensor(values, device=model.U[0].device)])
    if bad := [module for module, parts in change.items() if not all(torch.isfinite(part).all() for part in parts)]:
        raise PrefactorError(f"the change of {bad[0]} is not finite with prefactors {values}: give smaller ones")
    return Unfitted(names, values, change, about)


def _reached(
    edit: PrefactorEdit, asked: Reached, chosen: Sequence[str], method: Prefactors, model: DecomposedModel,
    net: ImportanceNet, config: FitConfig, grounds: Grounds, cost: Cost,
) -> tuple[list[int], list[float], dict[str, Any]]:  # fmt: skip
    """Places in ``chosen`` of what is changed, its prefactors, which reach the edit's goal on the select split, and how
    far they got, for the record.
    """
    target, bar = edit.domains.target, grounds.bars.of(edit.goal, edit.domains.target)
    text = {domain: take(grounds.select, need).tokens for domain, need in reaching(edit, config).items()}
    base = {domain: hold_out(model.target, tokens) for domain, tokens in text.items()}
    prefix = prefix_of(model.target, method.modules, base[target].tokens[:1])
    held = {domain: own.after(prefix) for domain, own in base.items()}
    flops, tokens = flops_a_token(model.target, held[target], prefix), sum(own.size for own in text.values())

    def reached(along: Callable[[float], Change]) -> Tried:
        def at(alpha: float) -> Tried:
            found = measure(model.target, along(alpha), held, prefix)
            cost.add(tokens, flops * tokens)
            retained = [found[domain]["kl"] for domain in edit.domains.retain]
            error = found[target]["edited_ce_error"] if len(text[target]) > 1 else 0.0  # of one block it is unknown
            return Tried(alpha, found[target]["edited_ce"], error, sum(retained) / len(retained))

        return reach(at, bar, asked.kl)

    kept = list(range(len(chosen)))
    if asked.gains == "common" or len(chosen) == 1:
        end = reached(method.common)
        values = [end.alpha] * len(chosen)
    else:

        def alone(place: int) -> float:
            return reached(method.only([place]).common).alpha

        kept, gains = _gains(edit, asked, alone, bar, chosen, method, model, net, config, grounds.fit, prefix, cost)
        several = method.only(kept)

        def scaled(alpha: float) -> Tensor:  # the fitted gains at 0, no change at 1
            return 1 + (gains - 1) * (1 - alpha)

        end = reached(lambda alpha: several.change([scaled(alpha)]))
        values = scaled(end.alpha).tolist()
    about = {"reach_kl": asked.kl, "reached": end.ce - bar, "reach_error": end.error, "held_kl": end.kl}
    if asked.gains == "each":
        about |= {"gains": asked.gains, "among": len(chosen)}
    return kept, values, about


def _gains(
    edit: PrefactorEdit, asked: Reached, alone: Callable[[int], float], bar: float, chosen: Sequence[str],
    method: Prefactors, model: DecomposedModel, net: ImportanceNet, config: FitConfig, fit: Blocks, prefix: Prefix,
    cost: Cost,
) -> tuple[list[int], Tensor]:  # fmt: skip
    """Which of ``chosen`` to keep, and a prefactor for each of these, fitted to text of the fit split.

    Args:
        alone: the prefactor of one of ``chosen``, by its place, that alone comes nearest to the bar.
    """
    text = {domain: take(fit, need).tokens for domain, need in proportioning(edit, config).items()}
    needed = {domain: importance_of(model, net, tokens, chosen) for domain, tokens in text.items()}
    target, untagged = edit.domains.target, text.pop(None)
    held = {domain: hold_out(model.target, tokens).after(prefix) for domain, tokens in text.items()}

    def fitted(kept: list[int]) -> Tensor:
        own = {domain: importance[..., kept] for domain, importance in needed.items()}
        spared = [Spared(held[domain], 1 - own[domain].amax(-1)) for domain in edit.domains.retain]
        far, others = unlike(own[None], own[target]), None
        if int(far.sum()) >= FEWEST:
            other = hold_out(model.target, untagged[far.cpu().numpy()]).after(prefix)
            others = Spared(other, 1 - own[None][far].amax(-1))
        first, several = alone(kept[0]), method.only(kept)
        return fit_gains(model.target, several, first, held[target], bar, spared, others, prefix, config.seed, cost)

    kept = list(range(len(chosen)))
    gains = fitted(kept)
    if asked.among is not None and edit.top is not None and edit.top < len(chosen):
        carried = carries(model.target, method, gains, held[target], prefix, cost)
        kept = sorted(carried.topk(edit.top).indices.tolist())
        gains = fitted(kept)
    return kept, gains


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
