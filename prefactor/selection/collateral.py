"""What inverting a subcomponent was measured to do to each domain, and whether its label says so.

Read from the effects stage, protected domains and all: it is reported, and no choice is made by it.
"""

import math
from collections.abc import Collection, Mapping
from typing import Any

from prefactor.label.causal import RISES

INVERTED = "invert_"
LEAST = 0.005  # nats a token; less is noise


def collateral_of(row: Mapping[str, Any]) -> dict[str, float] | None:
    """Damage by domain, of the columns ``invert_<domain>``; None where it was not measured."""
    damage = {
        column.removeprefix(INVERTED): round(float(value), 6)
        for column, value in row.items()
        if column.startswith(INVERTED) and value is not None and not math.isnan(value)
    }
    return damage or None


def warning_of(named: Collection[str] | None, collateral: Mapping[str, float] | None) -> str | None:
    """That inverting it costs a domain that its label does not name a fair part of what it costs the worst hit one.

    None where it does not, where nothing was measured, and where the label names no domain and so claims nothing.
    """
    if named is None or collateral is None:
        return None
    inside = {domain: damage for domain, damage in collateral.items() if domain in named}
    if not inside:
        return None
    bound = RISES * max(collateral.values())
    outside = {d: damage for d, damage in collateral.items() if d not in inside and damage > LEAST and damage >= bound}
    if not outside:
        return None
    return f"its label names {', '.join(inside)}, but inverting it also costs {_listed(outside)} ({_listed(inside)})"


def _listed(damage: Mapping[str, float]) -> str:
    return ", ".join(f"{domain} {value:+.2g}" for domain, value in damage.items())
