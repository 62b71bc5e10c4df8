"""What guesses that read no text score, and that a target must know more of a domain than token frequencies tell."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prefactor.errors import PrefactorError
from prefactor.files.artifacts import read_entry


@dataclass(frozen=True)
class Bars:
    """Cross-entropies in nats a token of guesses that read no text, as the target stage has measured them."""

    chance: float  # of a uniform guess
    unigram: dict[str, float]  # by domain, of its token frequencies


def read_bars(target: Path) -> Bars:
    """The bars in the metrics of the target stage's folder.

    Raises:
        PrefactorError: they are missing there.
    """
    metrics = target / "metrics.json"
    return Bars(read_entry(metrics, "chance"), read_entry(metrics, "unigram_ce"))


def unigram_ce(fit: np.ndarray, measure: np.ndarray, vocabulary: int) -> float:
    """Cross-entropy in nats of ``measure`` under the add-one token frequencies of ``fit``; both (n, position)."""
    counts = np.bincount(fit.ravel(), minlength=vocabulary) + 1.0
    return float(-np.log(counts / counts.sum())[measure[:, 1:].ravel()].mean())


def check_better_than_unigram(base_ce: dict[str, float], unigram: dict[str, float]) -> None:
    """Raises PrefactorError if the target knows a domain no better than its token frequencies do."""
    for domain, ce in base_ce.items():
        if not ce < unigram[domain]:
            raise PrefactorError(
                f"the target is no better than unigram on domain {domain!r} ({ce:.3f} against {unigram[domain]:.3f} "
                "nats), so nothing could be removed there: train it longer (target.model.steps) or leave the domain "
                "out of corpus.shares"
            )
