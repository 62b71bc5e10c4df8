"""From an edit's params and its chosen subcomponents to the method that is fitted."""

from collections.abc import Sequence

from prefactor.components import DecomposedModel
from prefactor.config.edit import FitConfig
from prefactor.config.edits import GuardByDomain, GuardedEdit, LoraEdit, ScalarEdit
from prefactor.corpus.blocks import Blocks, take
from prefactor.edits.guard import domain_moment, guarded_read, importance_moments
from prefactor.edits.methods import Lora, Method, Prefactors, Term, term_of
from prefactor.importance_net import ImportanceNet
from prefactor.matrices import shape_of


def build_method(
    edit: ScalarEdit | GuardedEdit | LoraEdit,
    chosen: Sequence[str],
    model: DecomposedModel,
    net: ImportanceNet,
    blocks: Blocks,
    config: FitConfig,
) -> tuple[Method, dict | None]:
    """The method of ``edit``, and for a guarded one what its second moments came from (else None).

    ``blocks`` is the fit split; guards read ``config.guard_tokens`` of it, a domain where they go by domain.
    """
    if isinstance(edit, LoraEdit):
        own = {name.rpartition(":")[0] for name in chosen}
        shapes = {s.name: shape_of(s.module) for s in model.sites if not own or s.name in own}
        return Lora(shapes, edit.rank, model.U[0].device), None
    terms = [term_of(model, name) for name in chosen]
    if isinstance(edit, ScalarEdit):
        return Prefactors(tuple(terms)), None
    terms, about = _guarded(edit, chosen, terms, model, net, blocks, config.guard_tokens)
    return Prefactors(tuple(terms)), about


def _guarded(
    edit: GuardedEdit, chosen: Sequence[str], terms: list[Term], model: DecomposedModel, net: ImportanceNet,
    blocks: Blocks, tokens: int,
) -> tuple[list[Term], dict]:  # fmt: skip
    about = {"weigh": edit.guard.weigh, "ridge": edit.ridge, "tokens": 0, "target_tokens": 0}
    if isinstance(edit.guard, GuardByDomain):
        spare = [take(blocks.of(d), tokens, "edit.guard_tokens").tokens for d in edit.guard.spare]
        wanted = take(blocks.of(edit.domains.target), tokens, "edit.guard_tokens").tokens
        about |= {
            "spare": list(edit.guard.spare),
            "tokens": sum(s.size for s in spare) + wanted.size,
            "target_tokens": wanted.size,
        }
        moments = {}
        for module in dict.fromkeys(term.module for term in terms):
            spared = sum(domain_moment(model, module, s) for s in spare) / len(spare)
            moments[module] = (domain_moment(model, module, wanted), spared)
        pairs = [moments[term.module] for term in terms]
    else:
        text = take(blocks, tokens, "edit.guard_tokens").tokens  # the split's own mix, untagged
        about |= {"tokens": text.size}
        moments = importance_moments(model, net, chosen, text)
        pairs = [moments[name] for name in chosen]
    guarded = [
        Term(term.module, term.write, guarded_read(term.read, needed, spared, edit.ridge))
        for term, (needed, spared) in zip(terms, pairs, strict=True)
    ]
    return guarded, about
