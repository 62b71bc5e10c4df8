"""Everything that is known of subcomponents, a row each: harvest and labels, and effects and scores once they are made.

One table for the stage, for ``prefactor components`` and for ``select``, so that a query means the same everywhere.
"""

from collections.abc import Collection
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from prefactor.errors import PrefactorError
from prefactor.files.artifacts import MANIFEST, part
from prefactor.label.table import read_labels
from prefactor.query.fields import TESTS

# Stages that may not have run: the file, and the columns that are joined, of each domain where they name one.
OPTIONAL = {
    "effects": ("effects", ("ablate_{domain}", "invert_{domain}", "invert_error_{domain}")),
    "score": ("scores", TESTS),
}


def read_subcomponents(data: Path, also: Collection[str] = tuple(OPTIONAL), lists: bool = False) -> pd.DataFrame:
    """A row a subcomponent, in the harvest's order.

    Args:
        also: of ``effects`` and ``score`` those to join where they have been made.
        lists: with the harvest's columns that hold lists (of tokens and the like), which take most of the time.

    Raises:
        PrefactorError: a file is missing or damaged, or not of the same subcomponents as the harvest.
    """
    harvest = pq.ParquetFile(part(data / "harvest", "subcomponents"))
    columns = [field.name for field in harvest.schema_arrow if lists or not pa.types.is_list(field.type)]
    table = join(harvest.read(columns).to_pandas(), read_labels(data))
    domains = [name.removeprefix("importance_") for name in columns if name.startswith("importance_")]
    for stage, (name, wanted) in OPTIONAL.items():
        if stage in also and (data / stage / name / MANIFEST).is_file():
            more = pq.ParquetFile(part(data / stage, name))
            names = {column.format(domain=domain) for column in wanted for domain in domains}
            present = [name for name in more.schema_arrow.names if name in names]
            table = join_some(table, more.read(["subcomponent", *present]).to_pandas(), stage)
    return table


def join(subcomponents: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """The columns of both; each subcomponent has a label.

    Raises:
        PrefactorError: the labels are of other subcomponents.
    """
    names = labels["subcomponent"]
    if not names.is_unique or set(names) != set(subcomponents["subcomponent"]):
        raise PrefactorError("data/label: its labels are not of the harvest's subcomponents: rerun it (`dvc repro`)")
    return subcomponents.merge(labels, on="subcomponent", validate="one_to_one")


def join_some(table: pd.DataFrame, more: pd.DataFrame, stage: str) -> pd.DataFrame:
    """``table`` with the columns of ``more``, which has rows for some of its subcomponents; NaN for the others.

    Raises:
        PrefactorError: ``more`` has a row that ``table`` has not, or one twice.
    """
    names = more["subcomponent"]
    if not names.is_unique or not set(names) <= set(table["subcomponent"]):
        raise PrefactorError(f"data/{stage}: its rows are not of the harvest's subcomponents: rerun it (`dvc repro`)")
    return table.merge(more, on="subcomponent", how="left", validate="one_to_one")
