"""Which subcomponents a costly labeller is asked about: those that a query on the harvest's figures matches."""

from pathlib import Path

import pyarrow.parquet as pq

from prefactor.config.label import LabelConfig
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import verify
from prefactor.label.deterministic import Deterministic
from prefactor.label.labeller import Part
from prefactor.query.parse import parse_query


def part_of(config: LabelConfig, data: Path) -> Part | None:
    """The part that ``label.only`` stands for; None where it is not given.

    Raises:
        PrefactorError: the harvest is missing or damaged, the query is wrong, or nothing alive matches it.
    """
    if config.only is None:
        return None
    where = f"label.only = {config.only!r}"
    query = parse_query(config.only, where)
    folder = data / "harvest" / "subcomponents"
    verify(folder, only=["subcomponents.parquet"])
    table = pq.read_table(folder / "subcomponents.parquet")
    query.check(table.column_names)
    rows = table.select(list(dict.fromkeys(["subcomponent", "alive", *query.columns]))).to_pylist()
    names = frozenset(row["subcomponent"] for row in rows if row["alive"] and query.holds(row))
    if not names:
        raise PrefactorError(f"{where}: no subcomponent that is alive satisfies it: change the query, or take it out")
    return Part(names, Deterministic(config.rest))
