"""The terms that trials move: guarded read directions, each worked out once for every ridge."""

from collections.abc import Sequence

from prefactor.config.domains import Domains
from prefactor.config.edit import FitConfig
from prefactor.config.edits import GuardedEdit
from prefactor.config.guard import GuardByImportance
from prefactor.config.params import section
from prefactor.edits.build import guard_text
from prefactor.errors import PrefactorError
from prefactor.rescale.guard import guarded_term, importance_moments
from prefactor.rescale.terms import Prefactors, Term, term_of
from prefactor.search.trial import Proposal, Weigh
from prefactor.workspace import BY_HAND, Workspace

RIDGES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
ROOM = 2**28  # bytes of second moments in a pass over the text


class Terms:
    """Terms by name and guard, as the edit stage would make them."""

    def __init__(self, work: Workspace, domains: Domains, likely: Sequence[str]):
        """``likely`` are read the guards' text for together with the first that needs it."""
        self.work, self.domains, self.likely = work, domains, tuple(likely)
        self._plain: dict[str, Term] = {}
        self._guarded: dict[tuple[str, Weigh, float], Term | PrefactorError] = {}

    def method(self, proposal: Proposal) -> Prefactors:
        """The terms of ``proposal``.

        Raises:
            PrefactorError: one cannot be guarded so.
        """
        if proposal.guard is None or proposal.ridge is None:
            return Prefactors(tuple(self._own(name) for name in proposal.subcomponents))
        self._prepare(proposal.subcomponents, proposal.guard, proposal.ridge)
        terms = []
        for name in proposal.subcomponents:
            term = self._guarded[name, proposal.guard, proposal.ridge]
            if isinstance(term, PrefactorError):
                raise term
            terms.append(term)
        return Prefactors(tuple(terms))

    def _prepare(self, names: Sequence[str], weigh: Weigh, ridge: float) -> None:
        if all((name, weigh, ridge) in self._guarded for name in names):
            return
        missing = [n for n in dict.fromkeys((*names, *self.likely)) if (n, weigh, ridge) not in self._guarded]
        width = max(len(self._own(name).read) for name in missing)
        some = max(1, ROOM // (16 * width * width))
        for start in range(0, len(missing), some):
            moments = importance_moments(
                self.work.model, self.work.net, missing[start : start + some], self._untagged(weigh),
                of_context=weigh == "context",
            )  # fmt: skip
            for name, pair in moments.items():
                for each in {*RIDGES, ridge}:
                    self._guarded[name, weigh, each] = self._one(name, pair, each)

    def _one(self, name: str, moments: tuple, ridge: float) -> Term | PrefactorError:
        try:
            return guarded_term(name, self._own(name), moments, ridge)
        except PrefactorError as error:
            return error

    def _own(self, name: str) -> Term:
        if name not in self._plain:
            self._plain[name] = term_of(self.work.model, name)
        return self._plain[name]

    def _untagged(self, weigh: Weigh):
        config = section("edit", FitConfig, self.work.params)
        guard = GuardByImportance(weigh=weigh, ridge=RIDGES[0])
        edit = GuardedEdit(method="guarded", domains=self.domains, shortlist=BY_HAND, guard=guard)
        return guard_text(edit, self.work.blocks("fit"), config)[0]
