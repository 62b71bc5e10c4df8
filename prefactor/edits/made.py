"""An edit that was made, read again: what is known of it, and the change of every fit. Free of what fitting needs.

The two lie apart, since who reads what is known of many edits (the report) needs no change, and changes are large.
"""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from safetensors import safe_open

from prefactor.errors import PrefactorError
from prefactor.files.artifacts import read_json, verify
from prefactor.files.tensors import read_tensors
from prefactor.model.change import Change

TENSORS = "fits.safetensors"


def fits_folder(data: Path, name: str) -> Path:
    """What is known of an edit and of every fit; it has a manifest of its own."""
    return data / "edit" / name / "fits"


def tensors_folder(data: Path, name: str) -> Path:
    """The change of every fit, with a manifest that says which ``fits`` they belong to."""
    return data / "changes" / name / "tensors"


def adapter_folder(data: Path, name: str) -> Path:
    """The fit that the report is about, for other tools."""
    return data / "changes" / name / "adapter"


def absent(folder: Path, stage: str, name: str) -> PrefactorError:
    """The error that ``folder``, which ``stage`` makes of the entry ``name``, is not in this work tree."""
    address = f"{stage}@{name}"
    return PrefactorError(
        f"{folder} is not here: fetch it (`prefactor pull {address}`), or make it (`prefactor repro {address}`)"
    )


def tensors_file(data: Path, name: str) -> Path:
    """The file of the changes of every fit, not checked.

    Raises:
        PrefactorError: it is not here.
    """
    path = tensors_folder(data, name) / TENSORS
    if not path.is_file():
        stage = "baseline" if read_edit(data, name)["decomposition"] is None else "edit"
        raise absent(path.parent, stage, name)
    return path


def read_changes(data: Path, name: str, device: Any) -> list[tuple[int, int, Change]]:
    """(budget, seed, change) of every fit of an edit, in the order of ``fits.parquet``.

    Raises:
        PrefactorError: they are not here, damaged, or of another run than ``fits``.
    """
    path, fits = tensors_file(data, name), fits_folder(data, name)
    verify(fits, only=["fits.parquet"])
    verify(path.parent, only=[TENSORS])
    tensors = read_tensors(path, device)
    changes: dict[str, dict[str, tuple[Any, Any]]] = {}
    for key, A in tensors.items():
        if key.endswith(".A"):
            fit, _, module = key.removesuffix(".A").partition("/")
            changes.setdefault(fit, {})[module] = (A, tensors[f"{key[:-2]}.B"])
    rows = pq.read_table(fits / "fits.parquet", columns=["budget", "seed", "fit"]).to_pylist()
    return [(row["budget"], row["seed"], changes[row["fit"]]) for row in rows]


def matrices_in(data: Path, name: str) -> set[str]:
    """The names of the matrices that the fits of an edit change, from the file's header alone.

    Raises:
        PrefactorError: the file is not here.
    """
    with safe_open(tensors_file(data, name), framework="np") as file:
        return {key.partition("/")[2].removesuffix(".A") for key in file.keys() if key.endswith(".A")}  # noqa: SIM118


def read_edit(data: Path, name: str) -> dict[str, Any]:
    """``edit.json`` of an edit.

    Raises:
        PrefactorError: it is missing or damaged.
    """
    verify(fits_folder(data, name), only=["edit.json"])
    return read_json(fits_folder(data, name) / "edit.json")
