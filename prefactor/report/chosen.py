"""What each edit chose, as the page shows it: the damage foreseen of every domain beside the measured, near misses."""

from collections.abc import Mapping
from typing import Any

from prefactor.report import words
from prefactor.report.frontier import headline_point
from prefactor.report.schemas import EditResult, Inputs, ReportedChoice


def chosen(inputs: Inputs, result: EditResult, domains: list[str]) -> dict[str, Any] | None:
    """Of one edit what its selection says beyond its choice; None where it says nothing.

    Damage in nats a token by domain, in the order of ``domains``: of each subcomponent if it alone is inverted, as the
    effects stage measured it before the edit, and of the edit as fitted, at the report's budget.
    """
    changed = [choice for choice in result.selection.subcomponents if choice.subcomponent in result.edit.subcomponents]
    told = [choice for choice in changed if choice.collateral or choice.warning]
    if not told and not result.selection.near_misses:
        return None
    measured = headline_point(result, inputs.target).damage
    means = {domain: value["mean"] for domain, value in measured.items()}
    return {
        "name": result.name,
        "warnings": sum(choice.warning is not None for choice in told),
        "rows": [_row(choice, domains) for choice in told],
        "measured": _cells(means, domains) if told else None,
        "prefactors": words.prefactors(result.edit.prefactors),
        "near_misses": [
            one.model_dump(include={"subcomponent", "label", "score", "reason"}) for one in result.selection.near_misses
        ],
    }


def _row(choice: ReportedChoice, domains: list[str]) -> dict[str, Any]:
    return {
        "subcomponent": choice.subcomponent,
        "label": choice.label or "no label",
        "warning": choice.warning,
        "cells": _cells(choice.collateral or {}, domains),
    }


def _cells(damage: Mapping[str, float], domains: list[str]) -> list[str]:
    return [words.signed(damage[domain], 3) if domain in damage else "–" for domain in domains]
