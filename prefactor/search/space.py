"""What the optimiser sees of a proposal: a switch for each subcomponent, who shares a proportion, and the guard.

A proposal that the space cannot say in full (a fitted one) is told as the nearest that it can.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from prefactor.search.terms import RIDGES
from prefactor.search.trial import MOST, Proposal

SHARES = ("all", "matrix", "none")  # who has one proportion: all, those of a matrix, or nobody with another
GUARDS = (None, "importance", "context")
GRID = 0.05  # of proportions


class Space:
    """Over the subcomponents of a pool."""

    def __init__(self, pool: Sequence[str]):
        self.pool = list(pool)
        self.matrices = list(dict.fromkeys(map(_matrix, self.pool)))
        proportion = FloatDistribution(-1.0, 1.0, step=GRID)
        self.distributions: dict[str, BaseDistribution] = {
            "share": CategoricalDistribution(SHARES),
            "guard": CategoricalDistribution(GUARDS),
            "ridge": CategoricalDistribution(RIDGES),
            **{f"in {name}": CategoricalDistribution((False, True)) for name in self.pool},
            **{f"of {name}": proportion for name in (*self.pool, *self.matrices)},
        }

    def proposal(self, params: Mapping[str, Any]) -> Proposal | None:
        """What ``params`` say, of too many subcomponents the first ``MOST`` of the pool; None if nothing moves."""
        names = [name for name in self.pool if params[f"in {name}"]][:MOST]

        def of(name: str) -> float:
            if params["share"] == "all":
                return 1.0
            return params[f"of {_matrix(name) if params['share'] == 'matrix' else name}"]

        pairs = [(name, of(name)) for name in names]
        if not any(abs(value) > GRID / 2 for _, value in pairs):
            return None
        return Proposal.of(pairs, params["guard"], params["ridge"])

    def params(self, proposal: Proposal) -> dict[str, Any]:
        """The nearest params that say ``proposal``; of what is not in the pool nothing is said."""
        own = dict(zip(proposal.subcomponents, proposal.proportions, strict=True))
        by_matrix: dict[str, list[float]] = {}
        for name, value in own.items():
            by_matrix.setdefault(_matrix(name), []).append(value)
        share = "none"
        if all(value == 1.0 for value in own.values()):
            share = "all"
        elif all(len(set(values)) == 1 for values in by_matrix.values()):
            share = "matrix"
        means = {matrix: sum(values) / len(values) for matrix, values in by_matrix.items()}
        return {
            "share": share,
            "guard": proposal.guard,
            "ridge": min(RIDGES, key=lambda ridge: abs(ridge - (proposal.ridge or 0.01))),
            **{f"in {name}": name in own for name in self.pool},
            **{f"of {name}": _on_grid(own.get(name, 1.0)) for name in self.pool},
            **{f"of {matrix}": _on_grid(means.get(matrix, 1.0)) for matrix in self.matrices},
        }


def _matrix(name: str) -> str:
    return name.rpartition(":")[0]


def _on_grid(value: float) -> float:
    return round(round(value / GRID) * GRID, 6)
