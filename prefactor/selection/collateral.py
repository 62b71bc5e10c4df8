"""What inverting a subcomponent was measured to do to each domain, and whether its label says so.

Read from the effects stage, protected domains and all: it is reported, and no choice is made by it.
"""

import math
from collections.abc import Collection, Mapping
from typing import Any

from prefactor.label.causal import DomainDamage, Prediction, surprise

INVERTED, ERROR = "invert_", "invert_error_"


def inverted_of(row: Mapping[str, Any]) -> DomainDamage | None:
    """What inverting it does, of the columns ``invert_<domain>`` and ``invert_error_<domain>``.

    None where it was not measured, or to first order alone.
    """
    if not row.get("exact", True):
        return None
    domains = [column.removeprefix(ERROR) for column in row if column.startswith(ERROR)]
    damage = {domain: _number(row.get(f"{INVERTED}{domain}")) for domain in domains}
    known = [domain for domain, nats in damage.items() if not math.isnan(nats)]
    if not known:
        return None
    return DomainDamage(
        {domain: round(damage[domain], 6) for domain in known},
        {domain: _number(row[f"{ERROR}{domain}"]) for domain in known},
    )


def warning_of(named: Collection[str] | None, inverted: DomainDamage | None) -> str | None:
    """That inverting it damages a domain that its label does not name: as a surprise is told, where these are spared.

    None where it does not, where nothing was measured, and where the label names no domain and so claims nothing.
    """
    if named is None or inverted is None:
        return None
    rise = frozenset(inverted.damage) & frozenset(named)
    against, _ = surprise(Prediction(rise, frozenset(inverted.damage) - rise), inverted)
    if not against:
        return None
    inside = [domain for domain in inverted.damage if domain in rise]
    costs, own = _listed(against, inverted), _listed(inside, inverted)
    return f"its label names {', '.join(inside)}, but inverting it also costs {costs} ({own})"


def _listed(domains: Collection[str], inverted: DomainDamage) -> str:
    return ", ".join(f"{domain} {inverted.damage[domain]:+.2g}" for domain in domains)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
