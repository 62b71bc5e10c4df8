"""The tests of a label, as the field has them (Bills et al. 2023; Paulo et al. 2024), on windows its author never saw.

*Detection*: which of some windows have a firing? *Fuzzing*: in which of some windows that all have one is the right
token marked? Both are asked with the label; the answer's balanced accuracy is 0.5 by chance. *Intruder*: which of five
windows is not of the same subcomponent as the others? It is asked without a label, so that it says how much the windows
have in common at all; 0.2 by chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from prefactor.label.evidence import FIRES, Window
from prefactor.label.silent import Sampled

FEWEST = 3  # windows of each kind, below which nothing is tested
INTRUDER_OF = 5  # windows


@dataclass(frozen=True)
class Trial:
    """Windows in a random order, and for each whether the right answer names it."""

    windows: tuple[Window, ...]
    right: tuple[bool, ...]

    def accuracy(self, answer: Sequence[bool]) -> float:
        """The mean of the shares of right ones found and of wrong ones left out."""
        pairs = list(zip(self.right, answer, strict=True))
        shares = [[given == truth for truth, given in pairs if truth is kind] for kind in (True, False)]
        return sum(sum(share) / len(share) for share in shares) / 2


@dataclass(frozen=True)
class Trials:
    """The tests of one subcomponent; None where there is too little text."""

    detection: Trial | None
    fuzzing: Trial | None
    intruder: tuple[Trial, ...]


def make_trials(
    held_out: Sequence[Window], column: int, sampled: Sampled, windows: int, trials: int, rng: np.random.Generator
) -> Trials:
    """The tests of the subcomponent number ``column`` on the windows ``held_out`` of it."""
    length = max((len(window.tokens) for window in held_out), default=1)
    silent = sampled.silent(column, windows + trials, length, rng)
    firing = list(held_out[:windows])
    detection = _shuffled(firing, silent[:windows], rng)
    half = len(firing) // 2
    wrong = [moved for window in firing[half:] if (moved := _mismarked(window, rng))]
    fuzzing = _shuffled(firing[:half], wrong, rng)
    intruders = []
    for stranger in silent[windows:]:
        if len(held_out) < INTRUDER_OF - 1:
            break
        own = [held_out[i] for i in rng.permutation(len(held_out))[: INTRUDER_OF - 1]]
        if trial := _shuffled([stranger], own, rng, fewest=1):
            intruders.append(trial)
    return Trials(detection, fuzzing, tuple(intruders))


def _mismarked(window: Window, rng: np.random.Generator) -> Window | None:
    """``window`` with its position at a token where nothing fires, if there is one."""
    quiet = [place for place, g in enumerate(window.importance) if g <= FIRES]
    return replace(window, position=int(rng.choice(quiet))) if quiet else None


def _shuffled(
    right: Sequence[Window], wrong: Sequence[Window], rng: np.random.Generator, fewest: int = FEWEST
) -> Trial | None:
    if min(len(right), len(wrong)) < fewest:
        return None
    pairs = [*((window, True) for window in right), *((window, False) for window in wrong)]
    order = [pairs[i] for i in rng.permutation(len(pairs))]
    return Trial(tuple(window for window, _ in order), tuple(truth for _, truth in order))
