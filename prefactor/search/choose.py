"""Which trial of a front to take, unless a person takes another: what a report holds an edit to says it."""

from collections.abc import Sequence

from prefactor.config.domains import Domains
from prefactor.config.report import Bars
from prefactor.search.trial import Trial


def beyond(trial: Trial, domains: Domains, bars: Bars) -> float:
    """Nats by which ``trial`` misses ``bars`` on the select split, all together; 0 where it meets them."""
    over = trial.gap
    for most, some in ((bars.retained, domains.retain), (bars.protected, domains.protect)):
        over += sum(max(0.0, trial.damage[domain] - most) for domain in some)
    return over


def choose(front: Sequence[Trial], domains: Domains, bars: Bars) -> Trial:
    """Of those that meet ``bars`` the one whose worst neighbour pays least; else the one nearest to them."""
    return min(front, key=lambda trial: (beyond(trial, domains, bars), trial.worst, trial.number))
