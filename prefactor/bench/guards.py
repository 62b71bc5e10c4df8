"""The terms of prefactors, guarded or not, as the edit stage would make them; each worked out once.

A guard reads tens of thousands of tokens, which takes seconds. What it finds of a subcomponent depends on no other, so
its second moments are kept by subcomponent: a further one costs one pass, and another ridge none.
"""

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor

from prefactor.config.domains import Domains
from prefactor.config.edit import FitConfig
from prefactor.config.edits import GuardedEdit
from prefactor.config.guard import Guard
from prefactor.config.params import section
from prefactor.edits.build import guard_text
from prefactor.rescale.guard import guarded_term, moments_for
from prefactor.rescale.terms import Prefactors, Term, term_of
from prefactor.workspace import Workspace, by_hand

KEPT = 2**28  # bytes of second moments

Moments = tuple[Tensor, Tensor]


class Terms:
    """Of one workspace; whoever asks holds the model."""

    def __init__(self, work: Workspace):
        self.work = work
        self._moments: OrderedDict[tuple[str, str], Moments] = OrderedDict()

    def of(self, names: Sequence[str], domains: Domains, guard: Guard | None) -> Prefactors:
        """A term each of ``names`` (``module:index``).

        Raises:
            PrefactorError: one cannot be guarded, or there is too little text for it.
        """
        terms = [term_of(self.work.model, name) for name in names]
        if guard is None:
            return Prefactors(tuple(terms))
        moments = self._all_moments(names, terms, domains, guard)
        every = zip(names, terms, moments, strict=True)
        return Prefactors(tuple(guarded_term(name, term, pair, guard.ridge) for name, term, pair in every))

    def _all_moments(
        self, names: Sequence[str], terms: Sequence[Term], domains: Domains, guard: Guard
    ) -> list[Moments]:
        kind = guard.weigh if guard.weigh != "domain" else " ".join([guard.weigh, domains.target, *guard.spare])
        found = {name: self._moments[kind, name] for name in names if (kind, name) in self._moments}
        missing = [(name, term) for name, term in zip(names, terms, strict=True) if name not in found]
        if missing:
            edit = by_hand(domains, (1.0,), guard)
            assert isinstance(edit, GuardedEdit)
            config = section("edit", FitConfig, self.work.params)
            untagged, tagged = guard_text(edit, self.work.blocks("fit"), config)
            new, new_terms = zip(*missing, strict=True)
            pairs = moments_for(guard, domains.target, new, new_terms, self.work.model, self.work.net, untagged, tagged)
            found |= dict(zip(new, pairs, strict=True))
        for name, pair in found.items():
            self._keep((kind, name), pair)
        return [found[name] for name in names]

    def _keep(self, key: tuple[str, str], pair: Moments) -> None:
        self._moments[key] = pair
        self._moments.move_to_end(key)
        while len(self._moments) > 1 and sum(_bytes(kept) for kept in self._moments.values()) > KEPT:
            self._moments.popitem(last=False)


def _bytes(pair: Moments) -> int:
    return sum(moment.numel() * moment.element_size() for moment in pair)
