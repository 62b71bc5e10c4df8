"""What a proposal does: how far it must go, and what every domain then pays, on text of the select split."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prefactor.config.domains import Domains
from prefactor.errors import PrefactorError
from prefactor.model.change import Change
from prefactor.model.prefix import Prefix, Prefixes
from prefactor.model.reference import HeldOut
from prefactor.rescale.terms import Prefactors
from prefactor.search.goal import FIRST, size_for
from prefactor.search.losses import mean_of, own_mean, token_ce
from prefactor.search.terms import Terms
from prefactor.search.text import Text, neighbours_of
from prefactor.search.trial import Proposal
from prefactor.workspace import Workspace


@dataclass(frozen=True)
class Outcome:
    """Fields as of ``Trial``."""

    prefactors: tuple[float, ...]
    gap: float
    worst: float
    worst_domain: str
    damage: dict[str, float]
    seconds: float


class Measuring:
    """One target, its neighbours, and the text of both."""

    def __init__(self, work: Workspace, domains: Domains, bar: float, likely: Sequence[str]):
        self.domains, self.terms = domains, Terms(work, domains, likely)
        self.target, self.text = work.model.target, Text(work, domains, "select")
        self.bar = bar  # nats a token
        self.prefixes = Prefixes(self.target, self.text.held[domains.target].tokens[:1])
        none = self.prefixes.none
        self._base = {domain: token_ce(self.target, {}, held, none) for domain, held in self.text.after(none).items()}

    def __call__(self, proposal: Proposal, first: float = FIRST) -> Outcome:
        """Go as far as ``proposal`` aims, then measure all.

        Args:
            first: a size |1 - α| that may be near.

        Raises:
            PrefactorError: it cannot be guarded, or what it does is not finite.
        """
        began = time.monotonic()
        method, held, prefix = self._at(proposal)
        wanted, base = held[self.domains.target], self._base[self.domains.target].mean().item()
        goal = base + proposal.aim * (self.bar - base)

        def short(size: float) -> float:
            found = token_ce(self.target, self._change(method, proposal.prefactors(size)), wanted, prefix)
            return goal - mean_of(found).surely

        prefactors = proposal.prefactors(size_for(short, first).size)
        return self._outcome(method, prefactors, held, prefix, began)

    def given(self, proposal: Proposal, prefactors: Sequence[float]) -> Outcome:
        """What ``prefactors``, one a subcomponent of ``proposal``, do.

        Raises:
            PrefactorError: as above.
        """
        began = time.monotonic()
        method, held, prefix = self._at(proposal)
        return self._outcome(method, prefactors, held, prefix, began)

    def _at(self, proposal: Proposal) -> tuple[Prefactors, Mapping[str, HeldOut], Prefix]:
        method = self.terms.method(proposal)
        prefix = self.prefixes.of(method.modules)
        return method, self.text.after(prefix), prefix

    def _outcome(
        self, method: Prefactors, prefactors: Sequence[float], held: Mapping[str, HeldOut], prefix: Prefix, began: float
    ) -> Outcome:
        change = self._change(method, prefactors)
        found: dict[str, Tensor] = {domain: token_ce(self.target, change, own, prefix) for domain, own in held.items()}
        gap = max(0.0, self.bar - mean_of(found[self.domains.target]).surely)
        damage = {domain: own_mean(ce - self._base[domain], held[domain].quoted) for domain, ce in found.items()}
        if not all(map(math.isfinite, (gap, *damage.values()))):
            raise PrefactorError(f"prefactors {list(prefactors)} make figures that are not finite")
        worst = max(neighbours_of(self.domains), key=lambda domain: damage[domain])
        return Outcome(tuple(prefactors), gap, damage[worst], worst, damage, time.monotonic() - began)

    def _change(self, method: Prefactors, prefactors: Sequence[float]) -> Change:
        return method.change([torch.tensor(list(prefactors), device=self.target.device)])
