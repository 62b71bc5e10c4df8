"""The search: what is tried next, until time is up; all of it kept, and nothing tried twice.

First come the edits that the stages made of the same target, so that a search never ends worse than they; then what
leads the pool, alone; then proportions fitted by gradient. From then on Optuna proposes, and whenever it has found
something better the proportions of that are fitted anew. Of what comes on the front partial ways are tried, too.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

from optuna.trial import FrozenTrial

from prefactor.config.edits import Goal
from prefactor.config.guard import GuardByImportance
from prefactor.config.numbers import real, whole
from prefactor.errors import PrefactorError
from prefactor.export.edited_model import Edited
from prefactor.search.fits import SOURCE, Fit, Fits, fit_of
from prefactor.search.measure import Measuring, Outcome
from prefactor.search.pool import pool_of
from prefactor.search.problem import problem_of
from prefactor.search.records import kept_of, proposal_of, size_of, trial_of
from prefactor.search.sampler import Sampler
from prefactor.search.space import Space
from prefactor.search.starts import Start, alone, made
from prefactor.search.store import Store
from prefactor.search.trial import Trial, front_of
from prefactor.workspace import Workspace

KEPT = Path("search")  # beside what else this machine alone keeps
PARTWAY = (0.9, 0.75, 0.5)  # of the way to the goal
PART = "partway"
BETWEEN_FITS = 20  # trials
BEGUN = "begun"  # the note of the last fit


class Search:
    """Looks for edits that remove ``target`` from the model of ``work``.

    Args:
        target, retain: as of ``Workspace.remove``.
        goal: ``chance`` or ``unigram``.
        seed: of what is proposed: in a store of its own the same seed makes the same trials.
        query: as ``choose.query``: only subcomponents that match.
        store: where trials are kept; the workspace's ``.runs/search`` if left out.

    Raises:
        PrefactorError: a name is unknown, there is no run or no text, or the store cannot be written.
    """

    def __init__(
        self, work: Workspace, target: str, *, retain: Sequence[str] | None = None, goal: Goal = "chance",
        seed: int = 0, query: str | None = None, store: Path | None = None,
    ):  # fmt: skip
        self.work, self.seed, self.query = work, whole("seed", seed, 0), query
        self.problem = problem_of(work, target, retain, goal)
        self.domains = self.problem.domains
        folder = work.kept.parent / KEPT if store is None else store
        if query is not None:
            _ = self.pool  # a query that is wrong, or matches nothing, is told at once
        self.store = Store(folder, f"{self.domains.target}-{goal}", self.problem.about(work))
        self._fitted: set[str] = set()  # keys of fits that were asked for
        self._refused: dict[str, str] = {}  # proposals that cannot be measured, by key, and why

    @cached_property
    def pool(self) -> list[str]:
        """The subcomponents that are drawn from, the most promising first."""
        return pool_of(self.work, self.domains, self.query)

    @cached_property
    def _made(self) -> list[Start]:
        return list(made(self.work, self.domains))

    @cached_property
    def _measuring(self) -> Measuring:
        names = [name for start in self._made for name in start.proposal.subcomponents]
        return Measuring(self.work, self.domains, self.problem.bar, list(dict.fromkeys((*self.pool, *names))))

    @cached_property
    def _fits(self) -> Fits:
        return Fits(self.work, self._measuring, self.store)

    @cached_property
    def _sampler(self) -> Sampler:
        return Sampler(Space(self.pool), self.seed)

    @cached_property
    def _labels(self) -> dict[str, str]:
        return dict(zip(self.work.table["subcomponent"], self.work.table["label"], strict=True))

    def trials(self) -> list[Trial]:
        """All that was tried, by whichever command, in the order of their numbers."""
        return [trial_of(kept, self._labels) for kept in self.store.trials()]

    def front(self) -> list[Trial]:
        """The trials that none dominates, the smallest gap first."""
        return front_of(self.trials())

    def edited(self, trial: Trial) -> Edited:
        """The edit that ``trial`` is: to measure on the eval split, export or apply; and as the DAG would make it."""
        guard = None
        if trial.guarded is not None and trial.ridge is not None:
            guard = GuardByImportance(weigh=trial.guarded, ridge=trial.ridge)
        prefactors = dict(zip(trial.subcomponents, trial.prefactors, strict=True))
        domains = self.domains
        return self.work.set(
            prefactors, target=domains.target, retain=domains.retain, guard=guard, goal=self.problem.goal
        )

    def run(
        self, seconds: float, on_trial: Callable[[Trial], None] = lambda trial: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        """Try for ``seconds``, or until ``stop`` says so, or there is nothing new to try.

        Args:
            on_trial: is told of each trial when it is kept.
            stop: is asked before each trial, and between the steps of a fit.

        Raises:
            PrefactorError: ``seconds`` is no number above 0, or nothing could be measured.
        """
        end = time.monotonic() + real("seconds", seconds, positive=True)
        known = len(self.store.trials())

        def over() -> bool:
            return stop() or time.monotonic() >= end

        for start in self._starts(over):
            if over():
                break
            trial = self._try(start)
            if trial is not None:
                known += 1
                on_trial(trial)
        if not known and self._refused:
            raise PrefactorError(f"none of {len(self._refused)} can be measured; {next(iter(self._refused.values()))}")

    def _starts(self, over: Callable[[], bool]) -> Iterator[Start]:
        """What to try, one after the other; each is tried, or was before, when the next one is asked for."""
        yield from self._made
        yield from alone(self.pool)
        if (begun := self.store.note(BEGUN)) is not None:  # a command that was stopped may not have come to its end
            yield from self._fits.proposed(fit_of(begun), over)
        while not over():
            if parts := self._parts():
                yield from parts
            elif (fit := self._next_fit()) is not None:
                self._fitted.add(fit.key)
                self.store.remember(BEGUN, asdict(fit))
                yield from self._fits.proposed(fit, over)
            else:
                proposal = self._sampler.next(self._whole(), self._values(), self._refused)
                if proposal is None:
                    return
                yield Start("search", proposal)

    def _parts(self) -> list[Start]:
        """Partial ways of the best trial that were not tried."""
        best = self._best()
        if best is None:
            return []
        proposal, size = proposal_of(best), size_of(best)
        parts = [Start(PART, proposal.partway(aim), first=size * aim) for aim in PARTWAY]
        return [part for part in parts if part.key not in self._values() and part.key not in self._refused]

    def _next_fit(self) -> Fit | None:
        """One from the best trial, after every so many others: by turns with all of the pool, and by itself."""
        whole, best = self._whole(), self._best()
        if best is None:
            return None
        places = [place for place, kept in enumerate(whole) if kept.user_attrs["source"] == SOURCE]
        turn = len(whole) // BETWEEN_FITS if places else 0
        if places and len(whole) - places[-1] <= BETWEEN_FITS:
            return None
        more = [] if turn % 2 else self.pool
        fit = self._fits.around(proposal_of(best), best.user_attrs["prefactors"], more, self.seed + turn)
        return None if fit.key in self._fitted else fit

    def _try(self, start: Start) -> Trial | None:
        """What ``start`` does, kept; None where that is known, cannot be measured, or another command is at it."""
        if start.key in self._values() or start.key in self._refused:
            return None
        with self.store.claim(start.key) as mine:
            if not mine or start.key in self._values():
                self._refused[start.key] = "another command tries it"
                return None
            try:
                outcome = self._outcome(start)
            except PrefactorError as error:
                self._refused[start.key] = str(error)
                return None
            self.store.add(kept_of(self._sampler.space, start, outcome))
        return next(trial for trial in reversed(self.trials()) if trial.key == start.key)

    def _outcome(self, start: Start) -> Outcome:
        if start.prefactors is not None:
            return self._measuring.given(start.proposal, start.prefactors)
        return self._measuring(start.proposal, start.first)

    def _whole(self) -> list[FrozenTrial]:
        """Those that go all the way: what a part of the way does is no news of what is proposed."""
        return [kept for kept in self.store.trials() if kept.user_attrs["aim"] == 1.0]

    def _values(self) -> dict[str, tuple[float, float]]:
        """By key, of all that was tried: the gap and the worst neighbour's damage."""
        found = ((kept.user_attrs["key"], kept.values) for kept in self.store.trials())
        return {key: (gap, worst) for key, (gap, worst) in found}

    def _best(self) -> FrozenTrial | None:
        return min(self._whole(), key=lambda kept: (*kept.values, kept.number), default=None)
