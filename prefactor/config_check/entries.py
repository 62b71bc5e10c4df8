"""The entries of ``shortlists``, ``edits`` and ``baselines``: against each other, and against the corpus's domains."""

from collections.abc import Mapping

from prefactor.config.corpus import CorpusConfig
from prefactor.config.domains import Domains
from prefactor.config.edits import AnyEdit, EditConfig, GuardedEdit, ScalarEdit, has_gains
from prefactor.config.explain import nearest
from prefactor.config.guard import spared
from prefactor.config.shortlists import ByLabel, ShortlistConfig
from prefactor.errors import ParamsError, PrefactorError
from prefactor.query.parse import parse_query


def check_shortlist(name: str, shortlist: ShortlistConfig, corpus: CorpusConfig) -> None:
    """Check the shortlist ``name``: its domains are the corpus's, and its query can be read.

    Raises:
        ParamsError: one of the two does not hold.
    """
    where = f"params.yaml: shortlists.{name}"
    _check_domains(where, shortlist.domains, spared(shortlist.guard), corpus)
    if isinstance(shortlist.choose, ByLabel):
        query = shortlist.choose.query
        try:
            parse_query(query, f"{where}.choose.query = {query!r}").check_domains(corpus.domains)
        except PrefactorError as error:
            raise ParamsError(str(error)) from None


def check_edit(key: str, edit: AnyEdit, corpus: CorpusConfig) -> None:
    """Check that the domains of the edit or baseline at ``key`` are the corpus's, each in one part.

    Raises:
        ParamsError: one is not.
    """
    where = f"params.yaml: {key}"
    _check_domains(where, edit.domains, spared(edit.guard) if isinstance(edit, GuardedEdit) else (), corpus)


def check_chosen(name: str, edit: EditConfig, shortlists: Mapping[str, ShortlistConfig], tried: int) -> None:
    """Check the edit ``name`` against the shortlist that it names; ``tried`` is ``candidates.tried``.

    Raises:
        ParamsError: there is no such shortlist, or it is not made for this edit.
    """
    where, shortlist = f"params.yaml: edits.{name}", shortlists.get(edit.shortlist)
    if shortlist is None:
        near = nearest(edit.shortlist, tuple(shortlists))
        raise ParamsError(f'{where}.shortlist = "{edit.shortlist}": no key of shortlists; {near}')
    for part in ("target", "retain"):
        own, listed = getattr(edit.domains, part), getattr(shortlist.domains, part)
        if own != listed:
            raise ParamsError(
                f"{where}.domains.{part} = {own}: shortlists.{edit.shortlist} is made for {listed}; "
                "write the same, or name another shortlist"
            )
    if shortlist.measured and (edit.top or 1) > tried:
        raise ParamsError(
            f"{where}.top = {edit.top}: only candidates.tried = {tried} are measured; "
            "lower it, or raise candidates.tried"
        )
    if edit.directions == "singular":
        if not shortlist.singular:
            raise ParamsError(
                f"{where}.directions = singular: shortlists.{edit.shortlist} measures none; "
                f"set shortlists.{edit.shortlist}.singular: true"
            )
        by_importance = isinstance(edit, GuardedEdit) and edit.guard.weigh != "domain"
        tolerates = isinstance(edit, ScalarEdit | GuardedEdit) and edit.alpha.by == "tolerance"
        if by_importance or tolerates or has_gains(edit):
            raise ParamsError(
                f"{where}.directions = singular: a singular direction has no importance, which the edit's guard, "
                "tolerance or gains need; take subcomponents, guard by domain, or fit the prefactor"
            )


def _check_domains(where: str, domains: Domains, spare: tuple[str, ...], corpus: CorpusConfig) -> None:
    named = {"domains.target": (domains.target,)}
    named |= {f"domains.{key}": getattr(domains, key) for key in ("retain", "protect", "unseen")}
    for key, values in {**named, "guard.spare": spare}.items():
        listed, known = ("unseen", corpus.unseen) if key == "domains.unseen" else ("shares", corpus.domains)
        for value in values:
            if value in corpus.unseen and value not in known:
                raise ParamsError(f'{where}.{key} = "{value}": corpus.unseen has it; name it in {where}.domains.unseen')
            if value not in known:
                near = nearest(value, known)
                raise ParamsError(f'{where}.{key} = "{value}": no domain of corpus.{listed}; {near}')
        if len(set(values)) < len(values):
            raise ParamsError(f"{where}.{key} = {list(values)}: names a domain twice; name each once")
        if key != "domains.target" and domains.target in values:
            raise ParamsError(f'{where}.{key} has "{domains.target}", the target; take it out of one of the two')
    if not domains.retain:
        raise ParamsError(
            f"{where}.domains.retain = []: nothing would hold the model; name a domain other than the target"
        )
    if both := set(domains.retain) & set(domains.protect):
        raise ParamsError(
            f'{where}.domains.protect has "{min(both)}", which is retained; take it out of one of the two'
        )
