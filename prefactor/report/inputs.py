"""Everything the report reads: the tables and JSON of the other stages, checked, and never a model.

Each class names only what the report uses of a file; ``docs/contracts.md`` has the whole of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from prefactor.config.edits import AnyEdit, Chosen
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import part, read_json, verify
from prefactor.label.evidence import fires_above
from prefactor.label.table import label_rows
from prefactor.query.fields import TESTS

SHARED_STAGES = ("corpus", "target", "locate", "decompose", "importance", "harvest", "effects", "label", "score")
LIST_STAGES = ("shortlist", "candidates")  # a folder a shortlist: what all edits of it share
EDIT_STAGES = ("selection", "edit", "evaluate")  # a folder an edit; a baseline has no selection

FITS_FOLDER = "fits"
TableRow = dict[str, Any]


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


T = TypeVar("T", bound=_Read)


class Target(_Read):
    parameters: int
    vocabulary: int
    chance: float
    base_ce: dict[str, float]
    unigram_ce: dict[str, float]


class Share(_Read):
    """A part of the target's weights: what is decomposed, or why it is not."""

    what: str
    weights: int
    share: float
    names: tuple[str, ...]  # of modules, numbers of layers written *


class Decomposed(_Read):
    matrices: int
    weights: tuple[Share, ...]  # what is decomposed first


class Quality(_Read):
    """The battery of the importance stage; ``kl`` and ``ce`` by mask mode, ``l0`` by threshold."""

    kl: dict[str, float]
    ce: dict[str, float]
    l0: dict[str, float]
    alive: int
    subcomponents: int
    delta_share: float | None = None  # of the squared norm of all matrices
    other: "Quality | None" = None  # of a targeted decomposition, on its other stream with Δ never ablated


class LabelTest(_Read):
    """One test of the labels: its mean and 95 % interval over ``n`` of them, null where there are none."""

    n: int
    chance: float
    shuffled: float | None  # what the labels of others score; null where that was not asked
    mean: float | None = None
    low: float | None = None
    high: float | None = None


class LabelScores(_Read):
    alive: int  # subcomponents
    clear: int  # of those, whose label makes a claim
    judged: int  # of those, on which the judge was asked
    judge: str
    surprising: int
    detection: LabelTest
    fuzzing: LabelTest
    intruder: LabelTest
    agreement: LabelTest

    @property
    def tests(self) -> dict[str, LabelTest]:
        return {name: getattr(self, name) for name in TESTS}


class ReportedChoice(_Read):
    subcomponent: str
    label: str | None
    score: float | None
    reason: str = ""
    collateral: dict[str, float] | None = None  # nats a token by domain if it is inverted; None where not measured
    warning: str | None = None


class ReportedSelection(_Read):
    by: str
    subcomponents: tuple[ReportedChoice, ...]
    candidates: tuple[ReportedChoice, ...] = ()
    near_misses: tuple[ReportedChoice, ...] = ()
    chosen_with: dict[str, int] = {}  # tokens tagged as the target's that the choice read, by stage


class Recipe(_Read):
    """A learning rate and a length, and its loss on the select split, at one budget."""

    budget: int
    learning_rate: float
    steps: int
    chosen: bool


class MadeDirection(_Read):
    """Of an edit that is a closed-form change of one matrix."""

    module: str
    amount: float
    chosen_with: dict[str, int]  # tokens of the target's that it was found with and made from, by stage


class Edit(_Read):
    method: str
    subcomponents: tuple[str, ...]
    prefactors: tuple[float, ...]
    target: str
    retain: tuple[str, ...]
    protect: tuple[str, ...]
    report_budget: int
    tuned_with: int = 0  # tokens of the target that recipes were tried on
    recipes: tuple[Recipe, ...] = ()  # that were tried; none where there was no choice
    direction: MadeDirection | None = None


class Spent(_Read):
    """What a stage took: wall seconds, tokens through a model, their operations; requests to an endpoint; memory."""

    seconds: float
    tokens: int
    flops: float
    usd: float = 0.0
    requests: int = 0
    memory: int = 0  # 0 of a run that did not note it


@dataclass(frozen=True)
class EditResult:
    name: str
    config: AnyEdit
    selection: ReportedSelection
    edit: Edit
    fits: list[TableRow]  # budget, seed, prefactors
    table: list[TableRow]  # a row a (budget, seed, domain): role, base_ce, edited_ce, damage, kl
    rollouts: list[TableRow]

    @property
    def chosen_with(self) -> dict[str, int]:
        """Tokens tagged as the target's, behind the choice of what the edit changes, by stage."""
        return self.selection.chosen_with | (self.edit.direction.chosen_with if self.edit.direction else {})


class Located(_Read):
    """What the locate stage has looked for, and a row a matrix and amount, the best matrix first."""

    target: str
    tolerated: float
    rows: list[TableRow] = []


@dataclass(frozen=True)
class Inputs:
    target: Target
    located: Located
    decomposed: Decomposed
    quality: Quality
    curve: dict[str, list[float]]  # decompose: step, l0 and a column a loss term
    fires: float  # a subcomponent is needed where its importance is above
    subcomponents: dict[str, TableRow]  # the headline edit's rows of the harvest, by name
    examples: dict[str, list[TableRow]]  # their activating windows, by rank
    labels: dict[str, TableRow]  # of every subcomponent
    label_scores: LabelScores
    scores: dict[str, TableRow]  # of every alive subcomponent: its label's tests, and what would surprise
    edits: dict[str, EditResult]  # in the order of params.yaml
    cost: dict[str, Spent]  # per stage, summed over edits


def load(data: Path, edits: Mapping[str, AnyEdit], shortlists: Sequence[str], headline: str) -> Inputs:
    """Read and check the outputs of every stage under ``data``.

    Raises:
        PrefactorError: a file is missing, damaged, or lacks what the contract promises.
    """
    results = {name: _edit(data, name, config) for name, config in edits.items()}
    chosen = list(results[headline].edit.subcomponents)
    for stage, files in {
        "harvest/examples": ["examples.parquet"],
        "score/scores": ["scores.parquet"],
    }.items():
        verify(data / stage, only=files)
    about = verify(data / "harvest/subcomponents", only=["subcomponents.parquet"])
    tokens = [f"{side}_{kind}" for side in ("input", "output") for kind in ("recall", "pmi")]
    target = _json(Target, data / "target/metrics.json")
    # Of domains that only an evaluation sees the harvest has nothing; what an edit removes and retains it must have.
    named = {domain for result in results.values() for domain in (result.edit.target, *result.edit.retain)}
    domains, others = ([f"importance_{d}" for d in target.base_ce if (d in named) == is_] for is_ in (True, False))
    columns = ["subcomponent", "alive", "density", "mean_importance", "mean_activation", "norm", *domains, *tokens]
    optional = ["together", *others]
    subcomponents = _rows(data / "harvest/subcomponents/subcomponents.parquet", columns, chosen, optional=optional)
    columns = ["subcomponent", "rank", "domain", "position", "tokens", "importance", "activation"]
    examples = _rows(data / "harvest/examples/examples.parquet", columns, chosen)
    columns = ["subcomponent", *TESTS, "predicted", "rising", "surprising", "surprise"]
    scores = _rows(data / "score/scores/scores.parquet", columns)
    return Inputs(
        target=target,
        located=_located(data / "locate"),
        decomposed=_json(Decomposed, data / "decompose/metrics.json"),
        quality=_json(Quality, data / "importance/metrics.json"),
        curve=_curve(data / "decompose/curve.parquet"),
        fires=fires_above(about),
        subcomponents=_by_name(subcomponents, data / "harvest/subcomponents/subcomponents.parquet", chosen),
        examples={
            name: sorted((row for row in examples if row["subcomponent"] == name), key=lambda row: row["rank"])
            for name in chosen
        },
        labels=_by_name(label_rows(data), data / "label/labels/labels.parquet", chosen),
        label_scores=_json(LabelScores, data / "score/metrics.json"),
        scores=_by_name(scores, data / "score/scores/scores.parquet"),
        edits=results,
        cost=_cost(data, edits, shortlists),
    )


def _edit(data: Path, name: str, config: AnyEdit) -> EditResult:
    selection = ReportedSelection(by="nothing", subcomponents=())
    if isinstance(config, Chosen):
        folder = data / "selection" / name / "selection"
        verify(folder, only=["selection.json"])
        selection = _json(ReportedSelection, folder / "selection.json")
    fits = data / "edit" / name / FITS_FOLDER
    verify(fits, only=["edit.json", "fits.parquet"])
    path = part(data / "evaluate" / name, "table")
    columns = ["edit", "method", "budget", "seed", "domain", "role", "base_ce", "edited_ce", "damage", "kl"]
    columns += ["edited_ce_error", "damage_error", "blocks", "damage_own", "damage_own_error", "damage_quoted"]
    columns += ["quoted_tokens"]
    edit = _json(Edit, fits / "edit.json")
    table = _rows(path, columns)
    for domain in (edit.target, *edit.retain, *edit.protect):
        if not any(row["domain"] == domain and row["budget"] == edit.report_budget for row in table):
            raise PrefactorError(
                f"{path} has no row of domain {domain!r} at the report's budget {edit.report_budget}: "
                f"evaluate the edit again (`dvc repro --force --single-item evaluate@{name}`)"
            )
    return EditResult(
        name=name,
        config=config,
        selection=selection,
        edit=edit,
        fits=_rows(fits / "fits.parquet", ["budget", "seed", "prefactors"]),
        table=table,
        rollouts=_rows(part(data / "evaluate" / name, "rollouts"), ["domain", "prompt", "before", "after"]),
    )


def _located(folder: Path) -> Located:
    path, about = part(folder, "table"), verify(folder / "table")
    _rows(path, ["module", "amount", "verified", "screen", "score", "spill"])
    return Located(**about, rows=pq.read_table(path).to_pylist())


def _cost(data: Path, edits: Mapping[str, AnyEdit], shortlists: Sequence[str]) -> dict[str, Spent]:
    folders = {stage: [data / stage] for stage in SHARED_STAGES}
    folders |= {stage: [data / stage / name for name in shortlists] for stage in LIST_STAGES}
    for stage in EDIT_STAGES:
        names = [name for name, config in edits.items() if stage != "selection" or isinstance(config, Chosen)]
        folders[stage] = [data / stage / name for name in names]
    return {stage: _sum(_json(Spent, folder / "cost.json") for folder in where) for stage, where in folders.items()}


def _sum(costs: Iterable[Spent]) -> Spent:
    each = list(costs)
    return Spent(
        seconds=sum(cost.seconds for cost in each),
        tokens=sum(cost.tokens for cost in each),
        flops=sum(cost.flops for cost in each),
        usd=sum(cost.usd for cost in each),
        requests=sum(cost.requests for cost in each),
        memory=max((cost.memory for cost in each), default=0),
    )


def _json(kind: type[T], path: Path) -> T:
    try:
        return kind.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise PrefactorError(f"{path}: {key}: {first['msg']}: rerun the stage that makes it (`dvc repro`)") from None


def _rows(
    path: Path, columns: list[str], subcomponents: list[str] | None = None, optional: Sequence[str] = ()
) -> list[TableRow]:
    """The named columns as rows, of ``optional`` those that there are; of some ``subcomponents``, or of all."""
    present = pq.read_schema(path).names
    missing = sorted(set(columns) - set(present))
    if missing:
        raise PrefactorError(f"{path} has no column {missing[0]!r}: rerun the stage that makes it (`dvc repro`)")
    filters = None if subcomponents is None else [("subcomponent", "in", subcomponents)]
    if subcomponents == []:
        return []
    columns = [*columns, *(name for name in optional if name in present)]
    return pq.read_table(path, columns=columns, filters=filters).to_pylist()


def _by_name(rows: list[TableRow], path: Path, needed: Sequence[str] = ()) -> dict[str, TableRow]:
    by_name = {row["subcomponent"]: row for row in rows}
    for name in needed:
        if name not in by_name:
            raise PrefactorError(f"{path} has no row of {name!r}, which the headline edit uses: rerun that stage")
    return by_name


def _curve(path: Path) -> dict[str, list[float]]:
    columns = pq.read_table(path).to_pydict()
    if "step" not in columns or "l0" not in columns:
        raise PrefactorError(f"{path} has no column 'step' or 'l0': rerun the decompose stage (`dvc repro`)")
    return columns
