"""What guesses that read no text score, and that a target must know more of a domain than token frequencies tell."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from prefactor.corpus.blocks import Blocks
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import read_entry, write_json

BARS = "bars.json"


@dataclass(frozen=True)
class Bars:
    """Cross-entropies in nats a token of guesses that read no text: what edits are fitted towards.

    On text of the train split, since what edits are measured on must not say how they are fitted.
    """

    chance: float  # of a uniform guess
    unigram: dict[str, float]  # by domain, of its token frequencies

    def of(self, goal: str, domain: str) -> float:
        """The one that an edit's ``goal`` for ``domain`` is about."""
        return self.unigram[domain] if goal == "unigram" else self.chance


def bars_of(train: Blocks, vocabulary: int) -> Bars:
    """Of each domain of ``train`` the frequencies of nine tenths of its blocks, on the last tenth."""
    unigram = {}
    for domain in train.domains:
        tokens = train.of(domain).tokens
        cut = max(1, len(tokens) * 9 // 10)
        measured = tokens[cut:] if len(tokens) > cut else tokens
        unigram[domain] = unigram_ce(tokens[:cut], measured, vocabulary)
    return Bars(math.log(vocabulary), unigram)


def write_bars(target: Path, bars: Bars) -> None:
    """Write ``bars`` into the target stage's folder."""
    write_json(target / BARS, asdict(bars))


def read_bars(target: Path) -> Bars:
    """The bars in the target stage's folder.

    Raises:
        PrefactorError: they are missing there.
    """
    return Bars(read_entry(target / BARS, "chance"), read_entry(target / BARS, "unigram"))


def unigram_ce(fit: np.ndarray, measure: np.ndarray, vocabulary: int) -> float:
    """Cross-entropy in nats of ``measure`` under the add-one token frequencies of ``fit``; both (n, position)."""
    return float(-log_frequencies(fit, vocabulary)[measure[:, 1:].ravel()].mean())


def log_frequencies(tokens: np.ndarray, vocabulary: int) -> np.ndarray:
    """The natural logarithm of each token's frequency (vocabulary,) in ``tokens``, one added to every count."""
    counts = np.bincount(tokens.ravel(), minlength=vocabulary) + 1.0
    return np.log(counts / counts.sum())


def check_better_than_unigram(base_ce: dict[str, float], unigram: dict[str, float]) -> None:
    """Raises PrefactorError if the target knows a domain no better than its token frequencies do."""
    for domain, ce in base_ce.items():
        if not ce < unigram[domain]:
            raise PrefactorError(
                f"the target is no better than unigram on domain {domain!r} ({ce:.3f} against {unigram[domain]:.3f} "
                "nats), so nothing could be removed there: train it longer (target.model.steps) or leave the domain "
                "out of corpus.shares"
            )
