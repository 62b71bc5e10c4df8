"""What locate leaves: a table for people and the report, and names for the stages that act on them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from prefactor.errors import PrefactorError
from prefactor.files.artifacts import Origin, part, read_json, verify, write_json, write_manifest
from prefactor.locate.rank import Located

MODULES, BEST = Path("modules", "modules.json"), Path("best", "best.json")


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


def write_names(folder: Path, modules: Sequence[str], best: str, target_tokens: int, made_from: Origin) -> None:
    """Write ``modules/`` and ``best/`` of the stage's ``folder``, apart from the figures, so that these rerun nothing.

    Args:
        modules: what is to be decomposed; none where ``decompose.modules`` is a pattern, whatever was found.
        target_tokens: of text known to be the target's, that ``best`` was found with.
    """
    write_json(folder / MODULES, list(modules))
    write_json(folder / BEST, {"module": best, "target_tokens": target_tokens})
    for path in (MODULES, BEST):
        write_manifest((folder / path).parent, [path.name], made_from=made_from)


def read_modules(folder: Path) -> list[str]:
    """The matrices to decompose.

    Raises:
        PrefactorError: the stage was run for a pattern, or what it left is damaged.
    """
    verify((folder / MODULES).parent, only=[MODULES.name])
    if not (names := read_json(folder / MODULES)):
        raise PrefactorError(f"{folder / MODULES} names no matrix: it is of other params; run the stage locate again")
    return names


def read_best(folder: Path) -> tuple[str, int]:
    """The best verified matrix, and how many tokens of the target's text it was found with."""
    verify((folder / BEST).parent, only=[BEST.name])
    best = read_json(folder / BEST)
    return best["module"], best["target_tokens"]
