"""Where two tables of labels say something else, and where people say something else than the labeller."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from prefactor.errors import PrefactorError
from prefactor.label.table import labels_and_overrides, machine_rows, read_labels

COLUMNS = ["subcomponent", "label", "labeller"]


def corrections(data: Path) -> dict[str, Any]:
    """``applied`` and ``left_out`` (written for another decomposition): the entries of the overrides, as rows.

    Raises:
        PrefactorError: as :func:`prefactor.label.table.label_rows`.
    """
    rows, overrides = labels_and_overrides(data)
    said = {row["subcomponent"]: row["machine_label"] for row in rows}
    return {
        key: [
            {"subcomponent": name, "machine_label": said.get(name), **entry.model_dump(mode="json")}
            for name, entry in entries.items()
        ]
        for key, entries in (("applied", overrides.applied), ("left_out", overrides.left_out))
    }


def differences(data: Path, other: Path) -> dict[str, Any]:
    """The labels of ``data`` against those of another ``labels.parquet``: counts, and ``rows`` for those that differ.

    Raises:
        PrefactorError: ``other`` is no table of labels, or as :func:`prefactor.label.table.read_labels`.
    """
    try:
        missing = set(COLUMNS) - set(pq.read_schema(other).names)
    except (OSError, pa.ArrowInvalid):
        raise PrefactorError(f"{other} is no parquet file: name a labels.parquet") from None
    if missing:
        raise PrefactorError(f"{other} has no column {min(missing)!r}: name a labels.parquet")
    theirs = pd.DataFrame(machine_rows(other))[COLUMNS]
    theirs = theirs.rename(columns={"label": "other", "labeller": "other_labeller"})
    both = read_labels(data)[COLUMNS].merge(theirs, on="subcomponent", how="outer", indicator="where", sort=False)
    shared = both[both["where"] == "both"]
    differ = shared[shared["label"] != shared["other"]]
    return {
        "same": len(shared) - len(differ),
        "differ": len(differ),
        "only_here": int((both["where"] == "left_only").sum()),
        "only_there": int((both["where"] == "right_only").sum()),
        "rows": differ.drop(columns="where").to_dict("records"),
    }
