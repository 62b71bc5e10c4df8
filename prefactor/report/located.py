"""Where it is worth decomposing, as the page shows it: what the best matrices cost each domain, and a map of all."""

from typing import Any

from prefactor.corpus.languages import language_name
from prefactor.report import words
from prefactor.report.schemas import Inputs

SHOWN = 5  # matrices with all their figures


def located(inputs: Inputs) -> dict[str, Any]:
    """The section's words and rows."""
    found, rows = inputs.located, inputs.located.rows
    by_module = {row["module"]: row["verified"] for row in rows}
    best = list(by_module)[: min(SHOWN, sum(by_module.values()))]
    columns = [name for name in (rows[0] if rows else {}) if name.startswith("damage_")]
    return {
        "target": language_name(found.target),
        "tolerated": f"{found.tolerated:g}",
        "verified": f"{sum(by_module.values()):,}",
        "matrices": f"{len(by_module):,}",
        "best": len(best),
        "domains": [language_name(column.removeprefix("damage_")) for column in columns],
        "rows": [
            {
                "module": row["module"],
                "amount": f"{row['amount']:g}",
                "cells": [words.signed(row[column], 3) for column in columns],
            }
            for row in rows
            if row["module"] in best
        ],
    }
