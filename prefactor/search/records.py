"""A trial as Optuna keeps it, and as everybody else sees it."""

from collections.abc import Mapping
from dataclasses import asdict

from optuna.trial import FrozenTrial, create_trial

from prefactor.search.measure import Outcome
from prefactor.search.space import Space
from prefactor.search.starts import Start
from prefactor.search.trial import Proposal, Trial


def kept_of(space: Space, start: Start, outcome: Outcome) -> FrozenTrial:
    about = {"key": start.key, "source": start.source, **asdict(start.proposal), **asdict(outcome)}
    return create_trial(
        params=space.params(start.proposal), distributions=space.distributions,
        values=[outcome.gap, outcome.worst], user_attrs=about,
    )  # fmt: skip


def trial_of(kept: FrozenTrial, labels: Mapping[str, str]) -> Trial:
    about = kept.user_attrs
    names = tuple(about["subcomponents"])
    return Trial(
        kept.number, names, tuple(labels.get(name, "") for name in names), tuple(about["prefactors"]), about["guard"],
        about["ridge"], about["gap"], about["worst"], about["worst_domain"], about["damage"], about["seconds"],
        about["source"], about["key"],
    )  # fmt: skip


def proposal_of(kept: FrozenTrial) -> Proposal:
    about = kept.user_attrs
    names, proportions = tuple(about["subcomponents"]), tuple(about["proportions"])
    return Proposal(names, proportions, about["guard"], about["ridge"], about["aim"])


def size_of(kept: FrozenTrial) -> float:
    """How far the furthest prefactor lies from 1."""
    return max(abs(1 - prefactor) for prefactor in kept.user_attrs["prefactors"])
