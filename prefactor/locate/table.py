"""The table that locate leaves, for people and the report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from prefactor.files.artifacts import part
from prefactor.locate.rank import Located


def table_of(located: Located, amounts: Sequence[float], domains: Sequence[str]) -> pa.Table:
    """A row a matrix and amount, in the order of ``located`` (docs/contracts.md); null of what was not verified."""
    rows: list[dict[str, Any]] = []
    for direction in located.directions:
        verified = located.verified.get(direction.module)
        reach = verified.reach if verified else None
        about = {"module": direction.module, "screen": direction.screen, "spread": direction.spread}
        about |= {"verified": verified is not None, "score": reach and reach.score, "spill": reach and reach.spill}
        for amount, damages in (verified.damages if verified else {amount: {} for amount in amounts}).items():
            row = about | {"amount": float(amount), "rise": amount * direction.rise}
            rows.append(row | {f"damage_{domain}": damages.get(domain) for domain in domains})
    numbers = ["amount", "rise", "spread", "screen", "score", "spill", *(f"damage_{domain}" for domain in domains)]
    schema = [pa.field("module", pa.string()), pa.field("verified", pa.bool_())]
    return pa.Table.from_pylist(rows, schema=pa.schema([*schema, *(pa.field(n, pa.float64()) for n in numbers)]))


def read_table(folder: Path, most: int) -> list[dict[str, Any]]:
    """The rows of the first ``most`` matrices."""
    rows = pq.read_table(part(folder, "table")).to_pylist()
    shown = list(dict.fromkeys(row["module"] for row in rows))[:most]
    return [row for row in rows if row["module"] in shown]
