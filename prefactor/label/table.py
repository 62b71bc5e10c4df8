"""The labels as everything after the label stage reads them: the labeller's, with people's corrections over them."""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from prefactor.files.artifacts import part
from prefactor.label.overrides import FILE, PERSON, Overrides, read_overrides
from prefactor.printable import visible


def read_labels(data: Path) -> pd.DataFrame:
    """A row a subcomponent, as :func:`label_rows`.

    Raises:
        PrefactorError: the labels are missing or damaged, or an override is wrong.
    """
    return pd.DataFrame(label_rows(data)).astype({"score": float})


def label_rows(data: Path) -> list[dict[str, Any]]:
    """The rows of ``labels.parquet`` and, as ``machine_label``, what the labeller said.

    Where a person wrote a label, it stands under ``label``, with ``labeller`` ``person/<author>``, their reason under
    ``reasoning``, the domains they named or None, and no score. A label that could not be had is "". Says on standard
    error which overrides are left out.

    Raises:
        PrefactorError: the labels are missing or damaged, or an override is wrong.
    """
    rows, overrides = labels_and_overrides(data)
    for name, entry in overrides.left_out.items():
        print(
            f"prefactor: warning: {data / 'label' / FILE}: {visible(name)} is left out: it was written for the "
            f"decomposition {entry.decomposition}; look at it again, then override it anew or take it out",
            file=sys.stderr,
        )
    for row in rows:
        entry = overrides.applied.get(row["subcomponent"])
        if entry is not None:
            row["label"], row["reasoning"], row["score"] = entry.label, entry.reason, None
            row["labeller"] = f"{PERSON}{entry.author}"
            row["domains"] = None if entry.domains is None else list(entry.domains)
    return rows


def labels_and_overrides(data: Path) -> tuple[list[dict[str, Any]], Overrides]:
    """The labeller's rows, and apart from them what people wrote.

    Raises:
        PrefactorError: as :func:`label_rows`.
    """
    rows = machine_rows(part(data / "label", "labels"))
    return rows, read_overrides(data, [row["subcomponent"] for row in rows], _domains(data))


def machine_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a table of labels alone, with ``machine_label`` and ``domains`` (None where it has none)."""
    rows = pq.read_table(path).to_pylist()
    for row in rows:
        row["label"] = row["machine_label"] = row["label"] or ""
        row.setdefault("domains", None)
    return rows


def _domains(data: Path) -> list[str]:
    path = data / "harvest" / "subcomponents" / "subcomponents.parquet"
    names = pq.read_schema(path).names if path.is_file() else []
    return [name.removeprefix("importance_") for name in names if name.startswith("importance_")]
