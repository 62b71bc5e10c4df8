"""What came of a sweep: a row an edit, as parquet and in a terminal, and which edits no other beats."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.table import Table

from prefactor.config.plain import short
from prefactor.files.artifacts import write_table
from prefactor.printable import visible

MOST = 20  # rows shown


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write ``rows`` as parquet: the figures, ``set_<key>`` for what was swept, ``damage_<domain>`` in nats a token."""
    keys = dict.fromkeys(key for row in rows for key in row["values"])
    domains = dict.fromkeys(domain for row in rows for domain in row.get("damage", {}))
    best = best_of(rows)
    table = []
    for row in rows:
        flat = {"edit": row["edit"], **{f"set_{key}": _plain(row["values"].get(key)) for key in keys}}
        flat |= {"error": row.get("error"), "best": row["edit"] in best, "target": row.get("target")}
        flat |= {key: row.get(key) for key in ("minus_chance", "minus_unigram")}
        flat |= {"worst_neighbour": worst(row) if "damage" in row else None}
        flat |= {f"damage_{domain}": row.get("damage", {}).get(domain) for domain in domains}
        flat |= {key: row.get(key) for key in ("subcomponents", "prefactors", "tokens", "seconds", "worker")}
        table.append(flat)
    write_table(path, pa.Table.from_pylist(table))


def worst(row: Mapping[str, Any]) -> float:
    """The largest damage to a domain that is not the target, in nats a token."""
    return max(row["damage"].values())


def short_of(row: Mapping[str, Any]) -> float:
    """How far the target is short of the row's goal, in nats a token; 0 at the goal and beyond."""
    return max(0.0, -row["minus_unigram" if row.get("goal") == "unigram" else "minus_chance"])


def best_of(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """The edits of which no other of the same target is as near to its goal at less damage, or nearer at as much."""
    made = [row for row in rows if "damage" in row]

    def beaten(row: Mapping[str, Any]) -> bool:
        mine = (short_of(row), worst(row))
        return any(
            other["target"] == row["target"] and theirs != mine and theirs[0] <= mine[0] and theirs[1] <= mine[1]
            for other in made
            for theirs in [(short_of(other), worst(other))]
        )

    return {row["edit"] for row in made if not beaten(row)}


def shown(rows: Sequence[Mapping[str, Any]], most: int = MOST) -> Table:
    """The best rows first: by how far they are short of the goal, then by their worst neighbour."""
    best, made = best_of(rows), [row for row in rows if "damage" in row]
    made.sort(key=lambda row: (round(short_of(row), 2), worst(row)))
    table = Table(title=f"{len(made)} edits; * where no other is as near to its goal at less damage. Nats a token.")
    table.add_column("")
    table.add_column("edit", overflow="fold")
    table.add_column("CE - chance", justify="right")
    table.add_column("worst", justify="right")
    domains = list(dict.fromkeys(domain for row in made for domain in row["damage"]))
    for domain in domains:
        table.add_column(visible(domain), justify="right", no_wrap=True)
    table.add_column("prefactors", justify="right", overflow="fold")
    table.add_column("s", justify="right")
    for row in made[:most]:
        table.add_row(
            "*" if row["edit"] in best else "",
            visible(row["edit"]),
            f"{row['minus_chance']:+.2f}",
            f"{worst(row):.3f}",
            *(f"{row['damage'][domain]:+.3f}" if domain in row["damage"] else "" for domain in domains),
            _numbers(row["prefactors"]),
            f"{row['seconds']:.1f}",
        )
    if len(made) > most:
        table.caption = f"{len(made) - most} more in the table on disk"
    return table


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values[:2]) + (", ..." if len(values) > 2 else "")


def _plain(value: Any) -> Any:
    """A value for a column: mappings and lists as JSON."""
    return short(value) if isinstance(value, dict | list) else value
