"""An edit that was made, read again: what is known of it, and the change of every fit. Free of what fitting needs."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from safetensors import safe_open

from prefactor.files.artifacts import read_json, verify
from prefactor.files.tensors import read_tensors
from prefactor.model.change import Change

FITS_FOLDER = "fits"  # of an edit's folder: every fit, and what is known of the edit; it has a manifest of its own


def read_changes(folder: Path, device: Any) -> list[tuple[int, int, Change]]:
    """(budget, seed, change) of every fit in an edit's folder, in the order of ``fits.parquet``."""
    verify(folder / FITS_FOLDER, only=["fits.parquet", "fits.safetensors"])
    tensors = read_tensors(folder / FITS_FOLDER / "fits.safetensors", device)
    changes: dict[str, dict[str, tuple[Any, Any]]] = {}
    for key, A in tensors.items():
        if key.endswith(".A"):
            name, _, module = key.removesuffix(".A").partition("/")
            changes.setdefault(name, {})[module] = (A, tensors[f"{key[:-2]}.B"])
    rows = pq.read_table(folder / FITS_FOLDER / "fits.parquet", columns=["budget", "seed", "fit"]).to_pylist()
    return [(row["budget"], row["seed"], changes[row["fit"]]) for row in rows]


def matrices_in(folder: Path) -> set[str]:
    """The names of the matrices that the fits in an edit's folder change, from the file's header alone."""
    with safe_open(folder / FITS_FOLDER / "fits.safetensors", framework="np") as file:
        return {key.partition("/")[2].removesuffix(".A") for key in file.keys() if key.endswith(".A")}  # noqa: SIM118


def read_edit(folder: Path) -> dict[str, Any]:
    """``edit.json`` of an edit's folder.

    Raises:
        PrefactorError: it is missing or damaged.
    """
    verify(folder / FITS_FOLDER, only=["edit.json"])
    return read_json(folder / FITS_FOLDER / "edit.json")
