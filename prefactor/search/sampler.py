"""Optuna between the trials that are kept and the next one: it sees all of them, and is told of what it repeats."""

from collections.abc import Collection, Mapping
from typing import Any

import optuna
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from prefactor.machine.runtime import generator
from prefactor.search.space import Space
from prefactor.search.trial import Proposal

REPEATS = 200  # in a row, after which there is taken to be nothing new


def tree_parzen(seed: int) -> BaseSampler:
    """By densities of good and of other trials, over all switches together, whoever proposed the trials."""
    return TPESampler(multivariate=True, n_startup_trials=8, seed=seed, constant_liar=False)


class Sampler:
    def __init__(self, space: Space, seed: int, make: Any = tree_parzen):
        self.space, self.seed, self.make = space, seed, make
        self._study = optuna.create_study(directions=["minimize", "minimize"])
        self._seen = 0

    def next(
        self, kept: list[FrozenTrial], values: Mapping[str, tuple[float, float]], refused: Collection[str]
    ) -> Proposal | None:
        """A proposal that is new; None where there seems to be none.

        Args:
            kept: all trials that the sampler is to learn from, those that it has seen first.
            values: by the key of a proposal that was tried, what came of it.
            refused: keys of those that cannot be measured.
        """
        for trial in kept[self._seen :]:
            self._study.add_trial(trial)
        self._seen = len(kept)
        for attempt in range(REPEATS):
            # Of the trials alone: who goes on after a kill gets what would have come.
            self._study.sampler = self.make(generator(self.seed, len(kept), attempt).initial_seed() % 2**32)
            asked = self._study.ask(self.space.distributions)
            proposal = self.space.proposal(asked.params)
            if proposal is not None and proposal.key in values:
                self._study.tell(asked, values[proposal.key])
                continue
            self._study.tell(asked, state=TrialState.FAIL)
            if proposal is not None and proposal.key not in refused:
                return proposal
        return None
