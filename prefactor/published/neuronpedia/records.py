"""Rows of a Neuronpedia export from what the harvest, the labels and the scores say of a subcomponent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from prefactor.label.labeller import is_clear
from prefactor.label.overrides import PERSON
from prefactor.published.neuronpedia.names import Place
from prefactor.published.neuronpedia.schema import Activation, Explanation, Feature, Score, identity
from prefactor.published.neuronpedia.writes import BINS, TOP, Logits
from prefactor.query.fields import TESTS

Values = Literal["importance", "activation"]
TYPE = "prefactor_"  # what the types of our explanations and scores begin with
CLARITY = f"{TYPE}clarity"
SMALL = 5  # digits behind the point


@dataclass(frozen=True)
class Written:
    """Where a subcomponent writes to the residual stream: what it writes, in units of its activation."""

    hook: str
    vector: np.ndarray  # (width,) of norm 1, signed so that firing writes it
    logits: Logits


@dataclass(frozen=True)
class About:
    """What all rows of an export share."""

    model: str
    creator: str
    values: Values


def sign_of(row: Mapping[str, Any]) -> float:
    """-1 where it fires on negative activations: ``u v^T`` is also ``(-u)(-v)^T``, so that only this has a meaning."""
    return -1.0 if row["mean_activation"] < 0 else 1.0


def values_of(example: Mapping[str, Any], sign: float, values: Values) -> list[float]:
    """A value a token of a window: importance, or the activation, signed so that firing is above 0 on average."""
    if values == "importance":
        return _rounded(example["importance"])
    return _rounded(sign * np.asarray(example["activation"], np.float64))


def activation_rows(
    row: Mapping[str, Any], place: Place, examples: Sequence[Mapping[str, Any]], about: About
) -> list[Activation]:
    """A row a window of the subcomponent ``row``."""
    sign, found = sign_of(row), []
    for example in examples:
        values = values_of(example, sign, about.values)
        most = max(values)
        found.append(
            Activation(
                id=identity(about.model, place.source, row["index"], example["rank"]),
                modelId=about.model, layer=place.source, index=str(row["index"]), creatorId=about.creator,
                tokens=tuple(example["tokens"]), values=tuple(values), maxValue=most,
                maxValueTokenIndex=values.index(most), minValue=min(values),
                qualifyingTokenIndex=example["position"], dataSource=example["domain"],
            )
        )  # fmt: skip
    return found


def feature_row(
    row: Mapping[str, Any], place: Place, windows: Sequence[Activation], about: About, written: Written | None,
    tokens: Sequence[str],
) -> Feature:  # fmt: skip
    """The subcomponent ``row``; ``tokens`` are the vocabulary's texts, by id."""
    drawn = [window.values[window.qualifyingTokenIndex] for window in windows]
    heights, edges = np.histogram(drawn, BINS) if drawn else (np.zeros(0), np.zeros(1))
    raised: list[tuple[str, float]] = [(entry["token"], entry["value"]) for entry in row["output_pmi"][:TOP]]
    lowered: list[tuple[str, float]] = []
    more: dict[str, Any] = {}
    if written is not None:
        raised = [(tokens[token], value) for token, value in written.logits.raised]
        lowered = [(tokens[token], value) for token, value in written.logits.lowered]
        more = {
            "logits_hist_data_bar_heights": _rounded(written.logits.heights),
            "logits_hist_data_bar_values": _rounded(written.logits.middles),
            "hasVector": True,
            "vector": _rounded(written.vector),
            "hookName": written.hook,
            "vectorDefaultSteerStrength": round(abs(row["mean_activation"]), SMALL),
        }
    return Feature(
        modelId=about.model, layer=place.source, index=str(row["index"]), creatorId=about.creator,
        sourceSetName=place.set, maxActApprox=max((window.maxValue for window in windows), default=0.0),
        frac_nonzero=row["density"], freq_hist_data_bar_heights=tuple(_rounded(heights)),
        freq_hist_data_bar_values=tuple(_rounded((edges[:-1] + edges[1:]) / 2)),
        pos_str=tuple(token for token, _ in raised), pos_values=tuple(_rounded([value for _, value in raised])),
        neg_str=tuple(token for token, _ in lowered), neg_values=tuple(_rounded([value for _, value in lowered])),
        **more,
    )  # fmt: skip


def explanation_row(row: Mapping[str, Any], place: Place, about: About) -> Explanation | None:
    """The label of the subcomponent ``row``; None where it makes no claim."""
    if not is_clear(row["label"]):
        return None
    kind, model = labelled_by(row["labeller"])
    by = f"{row['labeller'].removeprefix(PERSON)}: " if kind == f"{TYPE}person" else ""
    return Explanation(
        id=identity("explanation", about.model, place.source, row["index"], row["label"]), modelId=about.model,
        layer=place.source, index=str(row["index"]), authorId=about.creator, description=row["label"], typeName=kind,
        explanationModelName=model, notes=f"{by}{row['reasoning'] or ''}" or None,
    )  # fmt: skip


def score_rows(row: Mapping[str, Any], explanation: Explanation, judge: str, about: About) -> list[Score]:
    """How clear the labeller found its label, and how the label did in each test."""
    figures = {"clarity": row["score"]} | {test: row[test] for test in TESTS if test in row}
    by = {"clarity": row["labeller"], "agreement": "prefactor"}
    return [
        Score(
            id=identity(explanation.id, name), explanationId=explanation.id, value=value,
            explanationScoreTypeName=f"{TYPE}{name}", explanationScoreModelName=by.get(name) or judge or "prefactor",
            initiatedByUserId=about.creator,
        )
        for name, value in figures.items()
        if value is not None and value == value
    ]  # fmt: skip


def labelled_by(labeller: str) -> tuple[str, str | None]:
    """The type of an explanation, and the model that wrote it: ``llm-label-v1/some-model`` names both."""
    name, _, model = labeller.partition("/")
    return f"{TYPE}{name}", model if model and name != PERSON.rstrip("/") else None


def _rounded(values: Any) -> list[float]:
    return np.asarray(values, np.float64).round(SMALL).tolist()
