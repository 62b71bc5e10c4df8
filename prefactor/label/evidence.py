"""What a labeller gets to see of one subcomponent: the harvest's figures and activating windows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prefactor.errors import PrefactorError
from prefactor.files.artifacts import part, verify

TABLES = ("input_recall", "input_pmi", "output_recall", "output_pmi")
EXAMPLE_COLUMNS = ("subcomponent", "rank", "domain", "position", "tokens", "importance", "activation")


@dataclass(frozen=True)
class TokenFigure:
    token: str
    value: float  # recall or PMI
    count: int  # firings with this token


@dataclass(frozen=True)
class Window:
    """One activating window; ``position`` is the firing token's index in it."""

    domain: str
    position: int
    tokens: tuple[str, ...]
    importance: tuple[float, ...]
    activation: tuple[float, ...]  # signed; the sign means something between tokens, not by itself


@dataclass(frozen=True, eq=False)
class Windows:
    """All windows of a table: only those asked for become Python objects, since a whole harvest would not fit."""

    table: pa.Table  # sorted by subcomponent and rank
    spans: Mapping[str, tuple[int, int]]  # where the run of each subcomponent begins, and how long it is

    @classmethod
    def of(cls, table: pa.Table, where: str) -> "Windows":
        """Of ``harvest/examples.parquet``, or another table of its columns.

        Raises:
            PrefactorError: a column is missing.
        """
        _require(table, EXAMPLE_COLUMNS, where)
        order = [("subcomponent", "ascending"), ("rank", "ascending")]
        table = table.select(list(EXAMPLE_COLUMNS)).sort_by(order).combine_chunks()
        names = table["subcomponent"].to_numpy()
        distinct, begins, lengths = np.unique(names, return_index=True, return_counts=True)
        spans = zip(distinct, begins, lengths, strict=True)
        return cls(table, {str(name): (int(begin), int(length)) for name, begin, length in spans})

    @property
    def known(self) -> set[str]:
        return set(self.spans)

    def of_one(self, subcomponent: str) -> tuple[Window, ...]:
        """The windows of one subcomponent by rank; none where it has none."""
        rows = self.table.slice(*self.spans.get(subcomponent, (0, 0))).to_pylist()
        lists = ("tokens", "importance", "activation")
        return tuple(Window(r["domain"], r["position"], *(tuple(r[each]) for each in lists)) for r in rows)


@dataclass(frozen=True)
class Evidence:
    """The harvest of one subcomponent. Mappings go from domain to figure and share one order."""

    subcomponent: str
    alive: bool
    firings: float  # over the whole harvest text
    density: float  # share of tokens at which it fires
    mean_importance: float
    importance: Mapping[str, float]  # mean g over the domain's tokens
    domain_density: Mapping[str, float]  # share of the domain's tokens at which it fires
    share: Mapping[str, float]  # share of the firings, every domain weighing the same
    input_recall: tuple[TokenFigure, ...]
    input_pmi: tuple[TokenFigure, ...]
    output_recall: tuple[TokenFigure, ...]
    output_pmi: tuple[TokenFigure, ...]
    windows: tuple[Window, ...]
    fires: float  # it fires at a token where its causal importance exceeds this

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(self.importance)


def read_evidence(subcomponents: pa.Table, examples: pa.Table, tokens: int, fires: float) -> Iterator[Evidence]:
    """Yield the evidence of every row of ``harvest/subcomponents.parquet``, in its order.

    Args:
        tokens: how many tokens were harvested; with the density it gives the number of firings.
        fires: the importance above which a subcomponent fires.

    Raises:
        PrefactorError: a column is missing, or an example is of a subcomponent that has no row.
    """
    names = subcomponents.column_names
    domains = [name.removeprefix("importance_") for name in names if name.startswith("importance_")]
    each = [f"{figure}_{domain}" for figure in ("importance", "density", "share") for domain in domains]
    columns = ["subcomponent", "alive", "density", "mean_importance", *each, *TABLES]
    _require(subcomponents, columns, "harvest/subcomponents.parquet")
    windows = Windows.of(examples, "harvest/examples.parquet")
    unknown = sorted(windows.known - set(subcomponents["subcomponent"].to_pylist()))
    if unknown:
        raise PrefactorError(f"harvest: {unknown[0]} has examples but no row among the subcomponents: rerun the stage")
    for row in subcomponents.select(columns).to_pylist():
        yield Evidence(
            subcomponent=row["subcomponent"],
            alive=row["alive"],
            firings=row["density"] * tokens,
            density=row["density"],
            mean_importance=row["mean_importance"],
            importance={domain: row[f"importance_{domain}"] for domain in domains},
            domain_density={domain: row[f"density_{domain}"] for domain in domains},
            share={domain: row[f"share_{domain}"] for domain in domains},
            windows=windows.of_one(row["subcomponent"]),
            fires=fires,
            **{table: tuple(TokenFigure(**entry) for entry in row[table] or ()) for table in TABLES},
        )


def read_harvest(data: Path) -> Iterator[Evidence]:
    """The evidence on every subcomponent, from what the harvest stage left under ``data``.

    Raises:
        PrefactorError: a file is missing or damaged, or lacks a column.
    """
    harvest = data / "harvest"
    about = verify(harvest / "subcomponents", only=["subcomponents.parquet"])
    subcomponents = pq.read_table(harvest / "subcomponents" / "subcomponents.parquet")
    examples = pq.read_table(part(harvest, "examples"))
    return read_evidence(subcomponents, examples, sum(about["tokens"].values()), fires_above(about))


def fires_above(about: Mapping[str, Any]) -> float:
    """The importance above which a subcomponent fires, by what the manifest of ``harvest/subcomponents`` is about.

    Raises:
        PrefactorError: it does not say.
    """
    if "threshold" not in about:
        raise PrefactorError("data/harvest/subcomponents names no threshold: rerun the stage (`dvc repro harvest`)")
    return float(about["threshold"])


def read_held_out(data: Path) -> Windows:
    """The windows that labels are scored on: of text that the harvest's figures and other windows are not from.

    Raises:
        PrefactorError: the file is missing or damaged, or lacks a column.
    """
    return Windows.of(pq.read_table(part(data / "harvest", "held_out")), "harvest/held_out.parquet")


def _require(table: pa.Table, columns: Sequence[str], where: str) -> None:
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise PrefactorError(f"{where} has no column {missing[0]!r}: rerun the harvest stage (`dvc repro`)")
