"""What ``dvc metrics`` and ``dvc plots`` show of a run, so that two commits can be held against each other.

Metrics are flat, few, and named with their units; an edit has a file, and so a row, of its own.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from prefactor.report.frontier import Point
from prefactor.report.inputs import EditResult, Quality
from prefactor.report.summary import Summary


def run_metrics(summary: Summary) -> dict[str, float]:
    """Of the decomposition, the labels, and whether the report's edit holds."""
    decomposition, labels = summary.decomposition, summary.labels
    tests = {"detection": labels.detection, "agreement": labels.agreement}
    return {
        "holds": float(summary.holds.holds),
        "alive_subcomponents": decomposition.alive,
        "l0_subcomponents": decomposition.l0,
        "kl_stochastic_nats": decomposition.kl.stochastic,
        "kl_importance_nats": decomposition.kl.importance,
        "clear_labels": labels.clear,
        **{f"label_{name}_accuracy": value for name, value in tests.items() if value is not None},
    }


def edit_metrics(point: Point) -> dict[str, float]:
    """Of one edit at its own budget; nats a token, means over draws."""
    spill = {"worst_retained": point.worst_retained, "worst_protected": point.worst_protected}
    return {
        "target_tokens": point.budget,
        "target_minus_chance_nats": point.target_ce_minus_chance["mean"],
        **{f"{name}_nats": value for name, value in spill.items() if value is not None},
    }


def damage_csv(reported: Mapping[str, Point], edits: Mapping[str, EditResult]) -> str:
    """A row an edit and domain other than its target, at the report's budget."""
    rows: list[tuple[str, ...]] = []
    for name, point in reported.items():
        for domain, found in point.damage.items():
            if domain != edits[name].edit.target:
                role = "retained" if domain in edits[name].edit.retain else "protected"
                rows.append(
                    (name, domain, role, *(_number(found[bound]) for bound in ("mean", "text_low", "text_high")))
                )
    return _csv(("edit", "domain", "role", "damage", "text_low", "text_high"), rows)


def quality_csv(quality: Quality) -> str:
    """A row a kind of mask: how far the masked model is from the target."""
    return _csv(("mask", "kl"), [(mask, _number(kl)) for mask, kl in quality.kl.items()])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()
