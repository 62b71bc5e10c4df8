"""The tests of a label, as the field has them (Bills et al. 2023; Paulo et al. 2024), on windows kept from its author.

*Detection*: which of some windows have a firing? *Fuzzing*: in which of some windows that all have one is the right
token marked? Both are asked with the label; the answer's balanced accuracy is 0.5 by chance. *Intruder*: which of five
windows is not of the same subcomponent as the others? It is asked without a label, so that it says how much the windows
have in common at all; 0.2 by chance.

Nothing but the words may tell right from wrong: windows without a firing are as long as those with one, and where a
token is marked, every window is cut to as many tokens on either side of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from prefactor.label.evidence import Window
from prefactor.label.silent import Sampled

FEWEST = 3  # windows of each kind, below which nothing is tested
AROUND = 8  # tokens on either side of a marked one; a window that has not so many is left out
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
    held_out: Sequence[Window], column: int, sampled: Sampled, windows: int, trials: int, fires: float,
    rng: np.random.Generator,
) -> Trials:  # fmt: skip
    """The tests of the subcomponent number ``column`` on the windows ``held_out`` of it; it fires above ``fires``."""
    firing = list(held_out[:windows])
    silent = sampled.silent(column, [len(window.tokens) for window in firing], rng)
    detection = _shuffled(firing, silent, rng)
    marked = [cut for window in held_out if (cut := _cut(window, window.position))]
    right = [cut for window in held_out[::2] if (cut := _cut(window, window.position))]
    wrong = [cut for window in held_out[1::2] if (cut := _mismarked(window, fires, rng))]
    fuzzing = _shuffled(right[:windows], wrong[:windows], rng)
    intruders = []
    for stranger in sampled.silent(column, [2 * AROUND + 1] * trials, rng):
        if len(marked) < INTRUDER_OF - 1:
            break
        own = [marked[i] for i in rng.permutation(len(marked))[: INTRUDER_OF - 1]]
        if trial := _shuffled([replace(stranger, position=AROUND)], own, rng, fewest=1):
            intruders.append(trial)
    return Trials(detection, fuzzing, tuple(intruders))


def _cut(window: Window, position: int) -> Window | None:
    """``AROUND`` tokens on either side of ``position``, which is marked; None if there are not so many."""
    part = slice(position - AROUND, position + AROUND + 1)
    if part.start < 0 or part.stop > len(window.tokens):
        return None
    return Window(window.domain, AROUND, window.tokens[part], window.importance[part], window.activation[part])


def _mismarked(window: Window, fires: float, rng: np.random.Generator) -> Window | None:
    """``window`` cut around a token where nothing fires, if there is one."""
    quiet = [place for place, g in enumerate(window.importance) if g <= fires and _cut(window, place)]
    return _cut(window, int(rng.choice(quiet))) if quiet else None


def _shuffled(
    right: Sequence[Window], wrong: Sequence[Window], rng: np.random.Generator, fewest: int = FEWEST
) -> Trial | None:
    if min(len(right), len(wrong)) < fewest:
        return None
    pairs = [*((window, True) for window in right), *((window, False) for window in wrong)]
    order = [pairs[i] for i in rng.permutation(len(pairs))]
    return Trial(tuple(window for window, _ in order), tuple(truth for _, truth in order))
