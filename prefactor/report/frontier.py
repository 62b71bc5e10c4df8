"""The frontier: what removing the target costs, per edit and number of target tokens."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from prefactor.evaluate.intervals import Figure, figure
from prefactor.report.schemas import EditResult, Inputs, Target

REACHED = 0.05  # nats: a target this near to chance, or above, counts as removed


@dataclass(frozen=True)
class Point:
    """One edit at one budget. Cross-entropies and damage in nats a token, over draws and over blocks of eval text."""

    edit: str
    method: str
    budget: int  # target tokens the edit was fitted on
    target_ce: Figure
    target_ce_minus_chance: Figure
    target_ce_minus_unigram: Figure
    damage: dict[str, Figure]  # every domain, the target included
    own: dict[str, Figure]  # ... of text that is no quote of another domain
    worst_retained: float | None  # the largest mean damage of a retained domain; None where none was named
    worst_protected: float | None  # ... of a protected one

    @property
    def reached(self) -> bool:
        return self.target_ce_minus_chance["mean"] >= -REACHED


def points(result: EditResult, target: Target) -> list[Point]:
    """The points of one edit, by budget."""
    return [_point(result, budget, target) for budget in sorted({row["budget"] for row in result.table})]


def frontier(inputs: Inputs) -> dict[str, list[Point]]:
    """The points of every edit, in the order of ``params.yaml``."""
    return {name: points(result, inputs.target) for name, result in inputs.edits.items()}


def headline_point(result: EditResult, target: Target) -> Point:
    """The point at the report's budget."""
    return _point(result, result.edit.report_budget, target)


def tokens_to_chance(curve: Iterable[Point]) -> int | None:
    """The smallest budget at which the target is removed; None where it never is."""
    return next((point.budget for point in curve if point.reached), None)


def as_csv(curves: dict[str, list[Point]]) -> str:
    """A row an edit and budget, a ``damage_`` column a domain; what the DVC plots are drawn from."""
    domains = sorted({domain for curve in curves.values() for point in curve for domain in point.damage})
    gap = ("mean", "low", "high", "text_low", "text_high")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["edit", "method", "budget", "draws", "target_ce"]
        + [f"target_ce_minus_chance_{bound}" for bound in gap]
        + ["target_ce_minus_unigram"]
        + [f"damage_{domain}" for domain in domains]
        + ["worst_retained", "worst_protected"]
    )
    for curve in curves.values():
        for point in curve:
            damage = [point.damage[domain]["mean"] if domain in point.damage else None for domain in domains]
            numbers: list[float | None] = [
                point.target_ce["mean"],
                *(point.target_ce_minus_chance[b] for b in gap),
                point.target_ce_minus_unigram["mean"],
                *damage,
            ]
            numbers += [point.worst_retained, point.worst_protected]
            cells = ["" if number is None else f"{number:.6f}" for number in numbers]
            writer.writerow([point.edit, point.method, point.budget, point.target_ce["draws"], *cells])
    return text.getvalue()


def _point(result: EditResult, budget: int, target: Target) -> Point:
    rows = [row for row in result.table if row["budget"] == budget]
    edit = result.edit

    def of(domain: str, column: str, less: float = 0.0) -> Figure:
        ordered = sorted((row for row in rows if row["domain"] == domain), key=lambda row: row["seed"])
        errors = [row[f"{column}_error"] for row in ordered]
        return figure([row[column] - less for row in ordered], errors, ordered[0]["blocks"])

    domains = sorted({row["domain"] for row in rows})
    damage = {domain: of(domain, "damage") for domain in domains}
    return Point(
        edit=result.name,
        method=edit.method,
        budget=budget,
        target_ce=of(edit.target, "edited_ce"),
        target_ce_minus_chance=of(edit.target, "edited_ce", target.chance),
        target_ce_minus_unigram=of(edit.target, "edited_ce", target.unigram_ce[edit.target]),
        damage=damage,
        own={domain: of(domain, "damage_own") for domain in domains},
        worst_retained=max((damage[domain]["mean"] for domain in edit.retain), default=None),
        worst_protected=max((damage[domain]["mean"] for domain in edit.protect), default=None),
    )
