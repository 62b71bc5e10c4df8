"""The interface of all labellers, and the table of labels they fill."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from prefactor.errors import PrefactorError
from prefactor.label.evidence import Evidence
from prefactor.llm.prompt import Failure

MOST_WORDS = 8
DEAD = "dead"  # the label of a subcomponent that is never needed
UNCLEAR = "unclear"  # the first word of a label whose evidence is not enough for a claim
REASONS = 3  # of failures that are told
SUSPICIOUS = 0.25  # of a labeller's labels that are the same

LABELS = pa.schema(
    [
        ("subcomponent", pa.string()),
        ("label", pa.string()),
        ("reasoning", pa.string()),
        ("domains", pa.list_(pa.string())),
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
    domains: tuple[str, ...] | None = None  # that it says it is about; None: it says nothing about domains


class Labeller(Protocol):
    """``name`` is the provenance kept with each label; a change of wording or formula changes it."""

    name: str
    most_failures: float  # share of the alive subcomponents that may go without a label

    def label_many(self, evidence: Iterable[Evidence]) -> Iterable[Label | Failure]:
        """A label for each alive subcomponent, in order; of a whole harvest the evidence does not fit into memory.

        Raises:
            PrefactorError: no label could be had at all.
        """
        ...


@dataclass(frozen=True)
class Part:
    """The subcomponents that a labeller is asked about, by name, and who labels the rest at no cost."""

    names: frozenset[str]
    rest: Labeller


def label_all(evidence: Iterable[Evidence], labeller: Labeller, part: Part | None = None) -> pa.Table:
    """One row a subcomponent, in the order given. A dead one is called so without asking the labeller.

    ``labeller`` is asked about all alive ones, or about ``part`` of them. Those that it fails at are not the rest's.

    One that the labeller fails at has no label, reasoning or score: a failure is never stored as a label.

    Raises:
        PrefactorError: a label is empty or has more than 8 words, or its score is outside [0, 1]; or more than
            ``most_failures`` of the labels failed.
    """
    rows: list[dict[str, Any]] = []
    asked: list[dict[str, Any]] = []

    def alive() -> Iterator[Evidence]:
        for record in evidence:
            rows.append({"subcomponent": record.subcomponent, "labeller": labeller.name})
            if not record.alive:
                rows[-1] |= _columns(_dead(record))
            elif part is None or record.subcomponent in part.names:
                asked.append(rows[-1])
                yield record
            else:
                (label,) = part.rest.label_many([record])
                rows[-1] |= {"labeller": part.rest.name} | _filled(label, part.rest, record.subcomponent)

    failed: Counter[str] = Counter()
    labels = list(labeller.label_many(alive()))
    for row, label in zip(asked, labels, strict=True):
        if isinstance(label, Failure):
            failed[label.reason] += 1
        row |= _filled(label, labeller, row["subcomponent"])
    if failed.total() > labeller.most_failures * len(asked):
        raise PrefactorError(_failures(labeller, failed, len(asked)))
    return pa.Table.from_pylist(rows, schema=LABELS)


def is_clear(label: str | None) -> bool:
    """Whether a label makes a claim: there is one, of an alive subcomponent, and it does not say unclear."""
    return bool(label) and label != DEAD and not label.startswith(UNCLEAR)


def summary(labels: pa.Table) -> dict[str, int]:
    """How many subcomponents have a label, how many of these make a claim, how many failed, and how many are dead."""
    texts = labels["label"].to_pylist()
    failed, dead = texts.count(None), texts.count(DEAD)
    unclear = sum(text.startswith(UNCLEAR) for text in texts if text)
    labelled = len(texts) - dead - failed
    return {"labelled": labelled, "clear": labelled - unclear, "failed": failed, "dead": dead}


def repeated(labels: pa.Table, labeller: str) -> int:
    """How many have a label of ``labeller`` that more than ``SUSPICIOUS`` of those whose label makes a claim have, too.

    Perhaps it says the same whatever it is shown; perhaps they are all about the same.
    """
    rows = zip(labels["label"].to_pylist(), labels["labeller"].to_pylist(), strict=True)
    counts = Counter(text.casefold() for text, author in rows if author == labeller and is_clear(text))
    return sum(count for count in counts.values() if count > max(1, SUSPICIOUS * counts.total()))


def _filled(label: Label | Failure, labeller: Labeller, subcomponent: str) -> dict[str, Any]:
    """The columns of one row, other than who wrote it."""
    if isinstance(label, Failure):
        return {"evidence": _json({"failure": label.reason})}
    _check(label, f"{labeller.name}: {subcomponent}")
    return _columns(label)


def _dead(evidence: Evidence) -> Label:
    figures = {"mean_importance": evidence.mean_importance}
    return Label(DEAD, f"Its mean importance, {evidence.mean_importance:.1e}, is not above 1e-6.", figures, None)


def _check(label: Label, whose: str) -> None:
    words = len(label.text.split())
    if not 1 <= words <= MOST_WORDS:
        raise PrefactorError(f"{whose}: {label.text!r} has {words} words, not 1 to 8")
    if label.score is not None and not 0 <= label.score <= 1:
        raise PrefactorError(f"{whose}: score {label.score} is outside [0, 1]")


def _columns(label: Label) -> dict[str, Any]:
    return {
        "label": label.text,
        "reasoning": label.reasoning,
        "domains": label.domains,
        "evidence": _json(label.evidence),
        "score": label.score,
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _failures(labeller: Labeller, failed: Counter[str], asked: int) -> str:
    told = "; ".join(f"{count} × {reason}" for reason, count in failed.most_common(REASONS))
    rest = f"; and {len(failed) - REASONS} more reasons" if len(failed) > REASONS else ""
    return (
        f"{labeller.name}: {failed.total()} of {asked} subcomponents got no label, more than most_failures = "
        f"{labeller.most_failures:g} of them: {told}{rest}. What was answered is kept: mend that and rerun, or raise "
        "most_failures"
    )
