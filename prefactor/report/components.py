"""Every alive subcomponent as the page has it: columns to search and sort, and the cards, packed apart.

Columns are called as in the tables, so that a query names the same fields here as everywhere. Figures have six
significant digits. Cards come in packs, of which the page opens one when a card in it is looked at.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from prefactor.query.fields import TESTS
from prefactor.report.inputs import WINDOWS
from prefactor.report.schemas import Inputs, TableRow

PACK = 100  # cards in a pack
TOKENS, FEWER_TOKENS = 10, 6  # entries of a token table, and where the page has fewer windows a card
TOKEN_TABLES = ("input_recall", "input_pmi", "output_recall", "output_pmi")
HARVESTED = ("density", "mean_importance", "mean_activation", "norm")


class Strings:
    """Texts that stand in many places, each once; what refers to one has its number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    @property
    def texts(self) -> list[str]:
        return list(self._numbers)


def six(value: float | None) -> float | None:
    """``value`` to six significant digits; None where it is not known."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")


def columns(inputs: Inputs) -> dict[str, list[Any]]:
    """The table of subcomponents, column by column; what was not measured is None."""
    rows, names = list(inputs.subcomponents.values()), list(inputs.subcomponents)
    domains = list(inputs.target.base_ce)
    labels, scores, effects = (
        [source.get(name, {}) for name in names] for source in (inputs.labels, inputs.scores, inputs.effects)
    )
    table: dict[str, list[Any]] = {
        "subcomponent": names,
        "module": [row["module"] for row in rows],
        "label": [row.get("label") or "" for row in labels],
        "labeller": [row.get("labeller") or "" for row in labels],
        "score": [six(row.get("score")) for row in labels],
        "exact": [row.get("exact") for row in effects],
        "surprise": [six(row.get("surprise")) for row in scores],
    }
    table |= {name: [six(row[name]) for row in rows] for name in HARVESTED}
    table |= {name: [six(row.get(name)) for row in scores] for name in TESTS}
    for source, kinds in ((rows, ("share", "importance", "density")), (effects, ("ablate", "invert"))):
        for name in (f"{kind}_{domain}" for kind in kinds for domain in domains):
            if any(name in row for row in source):
                table[name] = [six(row.get(name)) for row in source]
    return table


def cards(inputs: Inputs, strings: Strings) -> list[list[dict[str, Any]]]:
    """What a card has beside the columns, in packs of ``PACK``, in the order of the columns."""
    numbers = {name: number for number, name in enumerate(inputs.subcomponents)}
    each = [_card(inputs, name, numbers, strings) for name in inputs.subcomponents]
    return [each[start : start + PACK] for start in range(0, len(each), PACK)]


def tokens_each(inputs: Inputs) -> int:
    """Entries of a token table on a card."""
    return TOKENS if inputs.windows == WINDOWS else FEWER_TOKENS


def _card(inputs: Inputs, name: str, numbers: Mapping[str, int], strings: Strings) -> dict[str, Any]:
    row, label, score = (source.get(name, {}) for source in (inputs.subcomponents, inputs.labels, inputs.scores))
    effects, domains, most = inputs.effects.get(name, {}), list(inputs.target.base_ce), tokens_each(inputs)
    windows = inputs.examples[name]
    scale = max((abs(value) for window in windows for value in window["activation"]), default=0.0)
    return {
        "reasoning": label.get("reasoning") or "",
        "tables": [_tokens((row[table] or [])[:most], strings) for table in TOKEN_TABLES],
        "together": [
            [numbers.get(other["subcomponent"], other["subcomponent"]), six(other["value"]), other["count"]]
            for other in (row.get("together") or [])[:most]
        ],
        "errors": [[six(effects.get(f"{kind}_error_{d}")) for d in domains] for kind in ("ablate", "invert")],
        "judged": [score.get(kind) for kind in ("predicted", "rising", "surprising")],
        "scale": six(scale),
        "windows": [_window(window, scale, strings) for window in windows],
    }


def _tokens(entries: Sequence[TableRow], strings: Strings) -> list[list[Any]]:
    return [[strings(entry["token"]), six(entry["value"]), entry["count"]] for entry in entries]


def _window(window: TableRow, scale: float, strings: Strings) -> list[Any]:
    """Domain, firing position, tokens, importance in hundredths, activation in hundredths of the card's largest."""
    return [
        strings(window["domain"]),
        window["position"],
        [strings(token) for token in window["tokens"]],
        [round(100 * min(1.0, max(0.0, value))) for value in window["importance"]],
        [round(100 * value / scale) if scale else 0 for value in window["activation"]],
    ]
