"""What a labeller gets to see of one subcomponent: the harvest's figures and activating windows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prefactor.errors import PrefactorError
from prefactor.files.artifacts import part, verify

FIRES = 0.1  # a subcomponent fires at a token where its causal importance exceeds this (docs/contracts.md)
HELD_OUT = 3  # one window in so many is kept for scoring
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
    held_out: tuple[Window, ...] = ()  # drawn like the others, and kept from the labeller: labels are scored on them

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(self.importance)


def read_evidence(subcomponents: pa.Table, examples: pa.Table, tokens: int) -> Iterator[Evidence]:
    """Yield the evidence of every row of ``harvest/subcomponents.parquet``, in its order.

    ``tokens`` is how many tokens were harvested; with the density it gives the number of firings.

    Raises:
        PrefactorError: a column is missing, or an example is of a subcomponent that has no row.
    """
    names = subcomponents.column_names
    domains = [name.removeprefix("importance_") for name in names if name.startswith("importance_")]
    each = [f"{figure}_{domain}" for figure in ("importance", "density", "share") for domain in domains]
    columns = ["subcomponent", "alive", "density", "mean_importance", *each, *TABLES]
    _require(subcomponents, columns, "harvest/subcomponents.parquet")
    _require(examples, EXAMPLE_COLUMNS, "harvest/examples.parquet")

    order = [("subcomponent", "ascending"), ("rank", "ascending")]
    examples = examples.select(list(EXAMPLE_COLUMNS)).sort_by(order).combine_chunks()
    spans = _spans(examples["subcomponent"])
    unknown = sorted(set(spans) - set(subcomponents["subcomponent"].to_pylist()))
    if unknown:
        raise PrefactorError(f"harvest: {unknown[0]} has examples but no row among the subcomponents: rerun the stage")
    for row in subcomponents.select(columns).to_pylist():
        windows = _windows(examples.slice(*spans.get(row["subcomponent"], (0, 0))))
        shown = len(windows) - len(windows) // HELD_OUT
        yield Evidence(
            subcomponent=row["subcomponent"],
            alive=row["alive"],
            firings=row["density"] * tokens,
            density=row["density"],
            mean_importance=row["mean_importance"],
            importance={domain: row[f"importance_{domain}"] for domain in domains},
            domain_density={domain: row[f"density_{domain}"] for domain in domains},
            share={domain: row[f"share_{domain}"] for domain in domains},
            windows=windows[:shown],
            held_out=windows[shown:],
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
    return read_evidence(subcomponents, examples, sum(about["tokens"].values()))


def _require(table: pa.Table, columns: Sequence[str], where: str) -> None:
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise PrefactorError(f"{where} has no column {missing[0]!r}: rerun the harvest stage (`dvc repro`)")


def _spans(names: pa.ChunkedArray) -> dict[str, tuple[int, int]]:
    """Where the run of each name begins in the sorted column, and how long it is."""
    distinct, begins, lengths = np.unique(names.to_numpy(), return_index=True, return_counts=True)
    return {str(name): (int(begin), int(length)) for name, begin, length in zip(distinct, begins, lengths, strict=True)}


def _windows(examples: pa.Table) -> tuple[Window, ...]:
    """One subcomponent's windows: only these become Python objects, since a whole harvest would not fit."""
    return tuple(
        Window(row["domain"], row["position"], *(tuple(row[each]) for each in ("tokens", "importance", "activation")))
        for row in examples.to_pylist()
    )
