"""The interface of all labellers, and the table of labels they fill."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from prefactor.errors import PrefactorError
from prefactor.label.evidence import Evidence

MOST_WORDS = 8
DEAD = "dead"  # the label of a subcomponent that is never needed
UNCLEAR = "unclear"  # the first word of a label whose evidence is not enough for a claim

LABELS = pa.schema(
    [
        ("subcomponent", pa.string()),
        ("label", pa.string()),
        ("reasoning", pa.string()),
        ("evidence", pa.string()),
        ("score", pa.float64()),
        ("labeller", pa.string()),
    ]
)


@dataclass(frozen=True)
class Label:
    """A hypothesis on a subcomponent. ``evidence`` holds the figures it rests on, as JSON values."""

    text: str
    reasoning: str
    evidence: dict[str, Any]
    score: float | None  # 0 (no better than chance) to 1; None where there is nothing to score


class Labeller(Protocol):
    """``name`` is the provenance kept with each label; a change of wording or formula changes it."""

    name: str

    def label(self, evidence: Evidence) -> Label:
        """Label one alive subcomponent.

        Raises:
            PrefactorError: no label could be had. A failure is never stored as a label.
        """
        ...


def label_all(evidence: Iterable[Evidence], labeller: Labeller) -> pa.Table:
    """One row a subcomponent, in the order given. A dead one is called so without asking the labeller.

    Raises:
        PrefactorError: a label is empty or has more than 8 words, or its score is outside [0, 1].
    """
    rows = []
    for one in evidence:
        label = labeller.label(one) if one.alive else _dead(one)
        words = len(label.text.split())
        if not 1 <= words <= MOST_WORDS:
            raise PrefactorError(f"{labeller.name}: {one.subcomponent}: {label.text!r} has {words} words, not 1 to 8")
        if label.score is not None and not 0 <= label.score <= 1:
            raise PrefactorError(f"{labeller.name}: {one.subcomponent}: score {label.score} is outside [0, 1]")
        rows.append(
            {
                "subcomponent": one.subcomponent,
                "label": label.text,
                "reasoning": label.reasoning,
                "evidence": json.dumps(label.evidence, ensure_ascii=False, separators=(",", ":")),
                "score": label.score,
                "labeller": labeller.name,
            }
        )
    return pa.Table.from_pylist(rows, schema=LABELS)


def summary(labels: pa.Table) -> dict[str, int]:
    """How many subcomponents the labeller saw, for how many it made a claim, and how many are dead."""
    texts = labels["label"].to_pylist()
    dead = sum(text == DEAD for text in texts)
    unclear = sum(text.startswith(UNCLEAR) for text in texts)
    return {"labelled": len(texts) - dead, "clear": len(texts) - dead - unclear, "dead": dead}


def _dead(evidence: Evidence) -> Label:
    figures = {"mean_importance": evidence.mean_importance}
    return Label(DEAD, f"Its mean importance, {evidence.mean_importance:.1e}, is not above 1e-6.", figures, None)
