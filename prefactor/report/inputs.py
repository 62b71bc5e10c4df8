"""Everything the report reads: the tables and JSON of the other stages, checked, and never a model.

``schemas.py`` names what is used of each; ``docs/contracts.md`` has the whole of it.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from prefactor.config.edits import AnyEdit, Chosen
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import part, read_json, verify
from prefactor.label.evidence import fires_above
from prefactor.label.table import label_rows
from prefactor.query.fields import TESTS
from prefactor.report.schemas import (
    EDIT_STAGES,
    LIST_STAGES,
    SHARED_STAGES,
    Decomposed,
    Edit,
    EditResult,
    Inputs,
    LabelScores,
    Located,
    Quality,
    Read,
    ReportedSelection,
    Spent,
    TableRow,
    Target,
)  # fmt: skip

FITS_FOLDER = "fits"
WINDOWS, FEWEST, ALTOGETHER = 12, 2, 20_000  # activating windows: on a card, at the least, and on the page

T = TypeVar("T", bound=Read)


def windows_each(subcomponents: int) -> int:
    """How many windows a card has, so that the page stays in size: 12, and fewer from 1,667 subcomponents on."""
    return max(FEWEST, min(WINDOWS, ALTOGETHER // max(1, subcomponents)))


def load(data: Path, edits: Mapping[str, AnyEdit], shortlists: Sequence[str], headline: str) -> Inputs:
    """Read and check the outputs of every stage under ``data``.

    Raises:
        PrefactorError: a file is missing, damaged, or lacks what the contract promises.
    """
    results = {name: _edit(data, name, config) for name, config in edits.items()}
    chosen = list(results[headline].edit.subcomponents)
    named = {name for result in results.values() for name in result.edit.subcomponents}
    target = _json(Target, data / "target/metrics.json")
    harvest, examples = data / "harvest/subcomponents", part(data / "harvest", "examples")
    about = verify(harvest, only=["subcomponents.parquet"])
    harvested = harvest / "subcomponents.parquet"
    subcomponents = _by_name(_harvested(harvested, target, results, named), harvested, chosen)
    windows = windows_each(len(subcomponents))
    columns = ["subcomponent", *TESTS, "predicted", "rising", "surprising", "surprise"]
    scores = part(data / "score", "scores")
    return Inputs(
        target=target,
        located=_located(data / "locate"),
        decomposed=_json(Decomposed, data / "decompose/metrics.json"),
        quality=_json(Quality, data / "importance/metrics.json"),
        curve=_curve(data / "decompose/curve.parquet"),
        spectrum=sorted(pq.read_table(harvested, columns=["mean_importance"])["mean_importance"].to_pylist())[::-1],
        depth=_depth(data / "importance/depth.parquet"),
        fires=fires_above(about),
        subcomponents=subcomponents,
        windows=windows,
        examples=_examples(examples, subcomponents, windows, chosen),
        effects=_by_name(pq.read_table(part(data / "effects", "effects")).to_pylist(), data),
        labels=_by_name(label_rows(data), data / "label/labels/labels.parquet", chosen),
        label_scores=_json(LabelScores, data / "score/metrics.json"),
        scores=_by_name(_rows(scores, columns), scores),
        edits=results,
        costs=_costs(data, edits, shortlists),
    )


def _harvested(path: Path, target: Target, results: Mapping[str, EditResult], named: Collection[str]) -> list[TableRow]:
    """The rows of the alive subcomponents, and of those that edits use.

    Of domains that only an evaluation sees the harvest has nothing; what an edit removes and retains it must have.
    """
    used = {domain for result in results.values() for domain in (result.edit.target, *result.edit.retain)}
    tokens = [f"{side}_{kind}" for side in ("input", "output") for kind in ("recall", "pmi")]
    columns = ["subcomponent", "module", "alive", "density", "mean_importance", "mean_activation", "norm", *tokens]
    columns += [f"importance_{domain}" for domain in target.base_ce if domain in used]
    optional = ["together", *(f"importance_{domain}" for domain in target.base_ce if domain not in used)]
    optional += [f"{kind}_{domain}" for kind in ("share", "density") for domain in target.base_ce]
    wanted = pc.field("alive") | pc.field("subcomponent").isin(sorted(named))
    return _rows(path, columns, optional, wanted)


def _examples(
    path: Path, subcomponents: Collection[str], windows: int, most: Sequence[str]
) -> dict[str, list[TableRow]]:
    """Of each subcomponent the first ``windows`` windows by rank; of those in ``most`` as many as a card has room."""
    columns = ["subcomponent", "rank", "domain", "position", "tokens", "importance", "activation"]
    first = pc.field("rank") < windows
    if most:
        first = first | (pc.field("subcomponent").isin(most) & (pc.field("rank") < WINDOWS))
    found: dict[str, list[TableRow]] = {name: [] for name in subcomponents}
    for row in sorted(_rows(path, columns, wanted=first), key=lambda row: row["rank"]):
        if row["subcomponent"] in found:
            found[row["subcomponent"]].append(row)
    return found


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
        tokens=_tokens(data / "evaluate" / name),
        made_from=_made_from(data, fits),
    )


def _tokens(folder: Path) -> list[TableRow]:
    if not (folder / "tokens").is_dir():
        return []
    columns = ["budget", "seed", "domain", "block", "position", "token", "base_ce", "edited_ce", "kl"]
    return _rows(part(folder, "tokens"), columns)


def _made_from(data: Path, fits: Path) -> dict[str, str]:
    """What the fits' manifest names, as paths from ``data``."""
    origin = read_json(fits / "manifest.json").get("made_from", {})
    return {name.lstrip("./"): value for name, value in sorted(origin.items())}


def _depth(path: Path) -> list[TableRow]:
    return _rows(path, ["layer", "position", "l0"]) if path.is_file() else []


def _located(folder: Path) -> Located:
    path, about = part(folder, "table"), verify(folder / "table")
    _rows(path, ["module", "amount", "verified", "screen", "score", "spill"])
    return Located(**about, rows=pq.read_table(path).to_pylist())


def _costs(data: Path, edits: Mapping[str, AnyEdit], shortlists: Sequence[str]) -> dict[str, dict[str, Spent]]:
    folders = {stage: {"": data / stage} for stage in SHARED_STAGES}
    folders |= {stage: {name: data / stage / name for name in shortlists} for stage in LIST_STAGES}
    for stage in EDIT_STAGES:
        names = [name for name, config in edits.items() if stage != "selection" or isinstance(config, Chosen)]
        folders[stage] = {name: data / stage / name for name in names}
    return {
        stage: {name: _json(Spent, folder / "cost.json") for name, folder in where.items()}
        for stage, where in folders.items()
    }


def _json(kind: type[T], path: Path) -> T:
    try:
        return kind.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise PrefactorError(f"{path}: {key}: {first['msg']}: rerun the stage that makes it (`dvc repro`)") from None


def _rows(
    path: Path, columns: list[str], optional: Sequence[str] = (), wanted: pc.Expression | None = None
) -> list[TableRow]:
    """The named columns as rows, of ``optional`` those that there are; of ``wanted`` rows, or of all."""
    present = pq.read_schema(path).names
    missing = sorted(set(columns) - set(present))
    if missing:
        raise PrefactorError(f"{path} has no column {missing[0]!r}: rerun the stage that makes it (`dvc repro`)")
    columns = [*columns, *(name for name in optional if name in present)]
    return pq.read_table(path, columns=columns, filters=wanted).to_pylist()


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
