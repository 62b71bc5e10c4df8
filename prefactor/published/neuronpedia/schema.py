"""The rows of a Neuronpedia export, a class a table: their columns, their names, and nothing that they do not have.

A column that is left out gets the default of their database, and so do the times at which rows are made: equal
exports have equal bytes. Ids are made here, since their database makes none.
"""

import hashlib
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

DEFAULT_CREATOR = "clkht01d40000jv08hvalcvly"  # whom their own tools name when nobody is named


def _plain(text: str) -> str:
    return text.replace("\0", " ")  # PostgreSQL has no such character; their importer would do the same


Text = Annotated[str, AfterValidator(_plain)]
Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.-]+$", min_length=1, max_length=128)]  # a part of an address
Index = Annotated[str, Field(pattern=r"^\d+$")]
Identity = Annotated[str, Field(pattern=r"^c[0-9a-z]{24}$")]


class Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class Release(Row):
    """``release.jsonl``."""

    name: Name
    description: Text
    descriptionShort: Text
    creatorName: Text
    creatorNameShort: Text
    creatorId: str
    visibility: str = "PUBLIC"
    urls: tuple[str, ...] = ()


class Model(Row):
    """``model.jsonl``; one that they have already stays as it is."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$", min_length=1, max_length=128)]
    displayName: Text
    displayNameShort: Text
    creatorId: str
    owner: Annotated[Text, Field(min_length=1)]
    layers: Annotated[int, Field(ge=0)]
    neuronsPerLayer: Annotated[int, Field(ge=0)]
    dimension: Annotated[int, Field(ge=1)]
    instruct: bool = False
    inferenceEnabled: bool = False  # their servers have no such model
    visibility: str = "PUBLIC"


class SourceSet(Row):
    """``sourceset.jsonl``: the matrices of one kind, of all layers."""

    modelId: str
    name: Name
    description: Text
    type: str = ""
    creatorName: Text
    creatorId: str
    releaseName: Name
    visibility: str = "PUBLIC"
    hasDashboards: bool = True
    allowInferenceSearch: bool = False
    urls: tuple[str, ...] = ()


class Source(Row):
    """``source.jsonl``: one matrix."""

    id: Name
    modelId: str
    setName: Name
    creatorId: str
    visibility: str = "PUBLIC"
    hasDashboards: bool = True
    inferenceEnabled: bool = False
    num_prompts: Annotated[int, Field(ge=0)]
    num_tokens_in_prompt: Annotated[int, Field(ge=0)]
    notes: Text


class Feature(Row):
    """A line of ``features/batch-*.jsonl.gz``: one subcomponent."""

    modelId: str
    layer: Name  # the source's id
    index: Index
    creatorId: str
    sourceSetName: Name
    maxActApprox: float
    frac_nonzero: Annotated[float, Field(ge=0, le=1)]
    freq_hist_data_bar_heights: tuple[float, ...] = ()
    freq_hist_data_bar_values: tuple[float, ...] = ()
    logits_hist_data_bar_heights: tuple[float, ...] = ()
    logits_hist_data_bar_values: tuple[float, ...] = ()
    pos_str: tuple[Text, ...] = ()
    pos_values: tuple[float, ...] = ()
    neg_str: tuple[Text, ...] = ()
    neg_values: tuple[float, ...] = ()
    hasVector: bool = False
    vector: tuple[float, ...] = ()
    hookName: str | None = None
    vectorDefaultSteerStrength: float | None = None

    @model_validator(mode="after")
    def _parallel(self) -> "Feature":
        pairs = [
            (self.freq_hist_data_bar_heights, self.freq_hist_data_bar_values),
            (self.logits_hist_data_bar_heights, self.logits_hist_data_bar_values),
            (self.pos_str, self.pos_values),
            (self.neg_str, self.neg_values),
        ]
        if any(len(one) != len(other) for one, other in pairs):
            raise ValueError("heights and values, and strings and values, are of different lengths")
        if self.hasVector != bool(self.vector) or bool(self.vector) != (self.hookName is not None):
            raise ValueError("a vector, where it is added, and that there is one go together")
        return self


class Activation(Row):
    """A line of ``activations/batch-*.jsonl.gz``: one window, of the features of the batch of the same number."""

    id: Identity
    modelId: str
    layer: Name
    index: Index
    creatorId: str
    tokens: Annotated[tuple[Text, ...], Field(min_length=1)]
    values: tuple[float, ...]
    maxValue: float
    maxValueTokenIndex: Annotated[int, Field(ge=0)]
    minValue: float
    qualifyingTokenIndex: Annotated[int, Field(ge=0)]
    dataSource: Text | None = None

    @model_validator(mode="after")
    def _of_the_values(self) -> "Activation":
        if len(self.values) != len(self.tokens) or self.qualifyingTokenIndex >= len(self.tokens):
            raise ValueError("each token has a value, and what qualifies is one of them")
        if (self.maxValue, self.minValue) != (max(self.values), min(self.values)):
            raise ValueError("the largest and the smallest are those of the values")
        if self.values[self.maxValueTokenIndex] != self.maxValue:
            raise ValueError("the largest is at its index")
        return self


class Explanation(Row):
    """A line of ``explanations/batch-*.jsonl.gz``: a label that makes a claim."""

    id: Identity
    modelId: str
    layer: Name
    index: Index
    authorId: str
    description: Annotated[Text, Field(min_length=1)]
    typeName: str
    explanationModelName: str | None = None
    notes: Text | None = None


class Score(Row):
    """A line of ``scores/batch-*.jsonl.gz``, their table ``ExplanationScore``: their importer does not read it yet."""

    id: Identity
    explanationId: Identity
    value: float
    explanationScoreTypeName: str
    explanationScoreModelName: str
    initiatedByUserId: str


class Kind(Row):
    """A line of ``config/*.jsonl``: what explanations and scores name, and what must be there before these are."""

    name: str
    displayName: str
    description: str
    creatorName: str
    creatorId: str | None = None
    featured: bool = False


def identity(*parts: object) -> str:
    """An id as theirs look, the same for the same ``parts``."""
    return "c" + hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:24]
