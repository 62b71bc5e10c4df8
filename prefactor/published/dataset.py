"""All tables of a decomposition's subcomponents as a data set: ``datasets.load_dataset(folder, table)`` opens it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from jinja2 import Environment, StrictUndefined
from pydantic import ValidationError

from prefactor.config.base import Config
from prefactor.config.names import EntryName
from prefactor.errors import PrefactorError
from prefactor.export.card import cell
from prefactor.files.artifacts import MANIFEST, atomic, part, verify, write_manifest, write_table
from prefactor.files.new_folder import new_folder
from prefactor.label.evidence import fires_above
from prefactor.label.table import label_rows
from prefactor.published.index import Licence, Version, wrong
from prefactor.published.layout import CARD
from prefactor.published.provenance import code_of

TEMPLATE = Path(__file__).with_name("dataset.md")
LISTED = ("input_recall", "input_pmi", "output_recall", "output_pmi")  # columns that become rows of the table tokens
LABELS = pa.schema(
    [
        ("subcomponent", pa.string()), ("label", pa.string()), ("domains", pa.list_(pa.string())),
        ("score", pa.float64()), ("labeller", pa.string()), ("reasoning", pa.string()), ("machine_label", pa.string()),
    ]
)  # fmt: skip


class Named(Config):
    """What whoever exports it calls it."""

    name: EntryName
    version: Version
    licence: Licence

    @property
    def called(self) -> str:
        return f"{self.name} {self.version}"


def named(name: str, version: str, licence: str) -> Named:
    """Raises:
    PrefactorError: one of them is no name, version or licence.
    """
    try:
        return Named(name=name, version=version, licence=licence)
    except ValidationError as error:
        raise wrong(error) from None


def export_dataset(root: Path, into: Path, what: Named, where: str = ".", text: bool = True) -> dict[str, int]:
    """Write the tables of the project ``root`` into the new folder ``into``; the rows of each.

    Args:
        where: how readers will name it, for the card.
        text: whether windows of the corpus's text go along.

    Raises:
        PrefactorError: one is missing, damaged or stale, or ``into`` is there already.
    """
    data = root / "data"
    harvested = verify(data / "harvest" / "subcomponents", only=["subcomponents.parquet"])
    rows: dict[str, int] = {}
    with new_folder(into) as new:
        for name, table in _tables(data, text):
            write_table(new / name / "train.parquet", table)
            rows[name] = len(table)
        code = code_of(root)
        domains = dict(sorted(harvested["tokens"].items()))
        with atomic(new / CARD) as temporary:
            environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
            environment.filters["cell"] = cell
            card = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
            said = card.render(
                what=what, where=where, rows=rows, tokens=domains, fires=fires_above(harvested), code=code,
                decomposition=harvested["decomposition"],
            )  # fmt: skip
            temporary.write_text(said, encoding="utf-8")
        about = what.model_dump(mode="json") | {
            "decomposition": harvested["decomposition"],
            "code": code.model_dump(mode="json"),
        }
        write_manifest(new, [CARD, *rows], about)
        verify(new)
    return rows


def _tables(data: Path, text: bool) -> Iterator[tuple[str, pa.Table]]:
    """By name; what a stage has not made is not there."""
    harvest = pq.read_table(part(data / "harvest", "subcomponents"))
    yield "subcomponents", harvest.drop_columns([*LISTED, "together"])
    labels = pa.Table.from_pylist(label_rows(data), schema=LABELS)
    if (data / "score" / "scores" / MANIFEST).is_file():
        scores = pq.read_table(part(data / "score", "scores"))
        labels = _beside(labels, scores)
    yield "labels", labels
    if (data / "effects" / "effects" / MANIFEST).is_file():
        yield "effects", pq.read_table(part(data / "effects", "effects"))
    yield "tokens", _tokens(harvest)
    yield "neighbours", _neighbours(harvest)
    if text:
        if not (data / "harvest" / "examples").is_dir():
            raise PrefactorError(
                f"{data / 'harvest' / 'examples'} is missing, as of a decomposition that was published without its "
                "text: say --without-text"
            )
        yield "examples", pq.read_table(part(data / "harvest", "examples"))


def _beside(labels: pa.Table, scores: pa.Table) -> pa.Table:
    """``labels`` with the columns of ``scores``, in the order of ``labels``; null where a label has no scores."""
    place = {name: at for at, name in enumerate(scores["subcomponent"].to_pylist())}
    order = pa.array([place.get(name) for name in labels["subcomponent"].to_pylist()], pa.int64())
    for name in scores.column_names[1:]:
        labels = labels.append_column(name, scores[name].take(order))
    return labels


def _tokens(harvest: pa.Table) -> pa.Table:
    rows: list[dict[str, Any]] = []
    for row in harvest.select(["subcomponent", *LISTED]).to_pylist():
        for column in LISTED:
            side, measure = column.split("_")
            rows += [
                {"subcomponent": row["subcomponent"], "side": side, "measure": measure, "rank": rank, **entry}
                for rank, entry in enumerate(row[column])
            ]
    kinds = {"rank": pa.int32(), "value": pa.float64(), "count": pa.int64()}
    names = ("subcomponent", "side", "measure", "rank", "token", "value", "count")
    return pa.Table.from_pylist(rows, schema=pa.schema([(name, kinds.get(name, pa.string())) for name in names]))


def _neighbours(harvest: pa.Table) -> pa.Table:
    rows = [
        {
            "subcomponent": row["subcomponent"], "rank": rank, "neighbour": entry["subcomponent"],
            "similarity": entry["value"], "together": entry["count"],
        }
        for row in harvest.select(["subcomponent", "together"]).to_pylist()
        for rank, entry in enumerate(row["together"])
    ]  # fmt: skip
    kinds = {"rank": pa.int32(), "similarity": pa.float64(), "together": pa.int64()}
    names = ("subcomponent", "rank", "neighbour", "similarity", "together")
    return pa.Table.from_pylist(rows, schema=pa.schema([(name, kinds.get(name, pa.string())) for name in names]))
