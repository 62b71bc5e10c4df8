"""When proportions are fitted, of what, and what is proposed from it."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from prefactor.search.fitted import fitted
from prefactor.search.measure import Measuring
from prefactor.search.starts import Start
from prefactor.search.store import Store
from prefactor.search.text import Text
from prefactor.search.trial import MOST, Proposal, Weigh
from prefactor.workspace import Workspace

STEPS = 30
FEWER = (8, 4, 2)  # of the fitted ones that move most, proposed by themselves
SOURCE = "fitted"


@dataclass(frozen=True)
class Fit:
    """Where a fit starts."""

    names: tuple[str, ...]
    prefactors: tuple[float, ...]
    guard: Weigh | None
    ridge: float | None
    seed: int

    @property
    def key(self) -> str:
        value = [self.names, self.prefactors, self.guard, self.ridge, self.seed, STEPS]
        return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:24]


def fit_of(kept: Mapping[str, Any]) -> Fit:
    """From what a note has of it."""
    names, prefactors = tuple(kept["names"]), tuple(kept["prefactors"])
    return Fit(names, prefactors, kept["guard"], kept["ridge"], kept["seed"])


class Fits:
    """Fits on text of the fit split, each done once and kept."""

    def __init__(self, work: Workspace, measuring: Measuring, store: Store):
        self.measuring, self.store = measuring, store
        self._work, self._text = work, None

    def around(self, proposal: Proposal, prefactors: Sequence[float], more: Sequence[str], seed: int) -> Fit:
        """One that starts from what was tried, and may take ``more`` subcomponents along."""
        start = dict.fromkeys(more, 1.0) | dict(zip(proposal.subcomponents, prefactors, strict=True))
        names = tuple(sorted(start))
        return Fit(names, tuple(start[name] for name in names), proposal.guard, proposal.ridge, seed)

    def proposed(self, fit: Fit, stop: Callable[[], bool]) -> Iterator[Start]:
        """What ``fit`` finds, and of more than ``MOST`` those that move most, fitted once more by themselves."""
        moved = self._done(fit, stop)
        if moved is None:
            return
        if len(moved) > MOST:
            kept = _most(moved, MOST)
            yield _start(kept, fit)
            again = Fit(tuple(kept), tuple(1 - value for value in kept.values()), fit.guard, fit.ridge, fit.seed)
            moved = self._done(again, stop)
            if moved is None:
                return
        for count in FEWER:
            if count <= len(moved):
                yield _start(_most(moved, count), fit)

    def _done(self, fit: Fit, stop: Callable[[], bool]) -> dict[str, float] | None:
        """How far each is moved, ``1 - α``; None where ``stop`` came first, or another command is at it."""
        known = self.store.note(fit.key)
        if known is None:
            with self.store.claim(fit.key) as mine:
                known = self._fit(fit, stop) if mine else None
                if known is None:
                    return None
                self.store.remember(fit.key, known)
        moved = {name: 1 - prefactor for name, prefactor in zip(fit.names, known, strict=True)}
        return {name: value for name, value in moved.items() if value} or None

    def _fit(self, fit: Fit, stop: Callable[[], bool]) -> list[float] | None:
        measuring = self.measuring
        domains = measuring.domains
        if self._text is None:
            self._text = Text(self._work, domains, "fit")
        method = measuring.terms.method(Proposal(fit.names, (1.0,) * len(fit.names), fit.guard, fit.ridge))
        prefix = measuring.prefixes.of(method.modules)
        others = dict(self._text.after(prefix))
        wanted = others.pop(domains.target)
        start = torch.tensor(fit.prefactors, device=measuring.target.device)
        found = fitted(
            measuring.target, method, start, wanted, measuring.bar, others, prefix, STEPS, fit.seed, stop
        )  # fmt: skip
        return None if found is None or not torch.isfinite(found).all() else found.tolist()


def _most(moved: dict[str, float], count: int) -> dict[str, float]:
    names = sorted(moved, key=lambda name: -abs(moved[name]))[:count]
    return {name: moved[name] for name in sorted(names)}


def _start(moved: dict[str, float], fit: Fit) -> Start:
    proposal = Proposal.of(moved.items(), fit.guard, fit.ridge)
    return Start(SOURCE, proposal, first=max(map(abs, moved.values())))
