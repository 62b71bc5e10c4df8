"""Fits on disk: a table of what was fitted, and the tensors of every change. Schemas in ``docs/contracts.md``."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from torch import Tensor

from prefactor.edits.fit import Fit
from prefactor.edits.made import TENSORS, fits_folder, tensors_folder
from prefactor.files.artifacts import Origin, identities, sha256, write_json, write_manifest, write_table
from prefactor.files.tensors import write_tensors

PARTS = ("loss", "target", "retained")


def fit_key(budget: int, seed: int) -> str:
    return f"n{budget}.s{seed}"


FITS = pa.schema(
    [
        ("budget", pa.int64()),
        ("seed", pa.int64()),
        ("learning_rate", pa.float64()),
        ("steps", pa.int64()),
        ("loss", pa.float64()),
        ("prefactors", pa.list_(pa.float64())),
        ("fit", pa.string()),
    ]
)
CURVE = pa.schema([(n, pa.int64()) for n in ("budget", "seed", "step")] + [(n, pa.float64()) for n in PARTS])


def fit_table(fits: Iterable[Fit], prefactors: bool) -> pa.Table:
    """A row a fit; whether its parameters are ``prefactors``, an empty list if not."""
    rows = [
        {
            "budget": f.budget,
            "seed": f.seed,
            "learning_rate": f.learning_rate,
            "steps": f.steps,
            "loss": f.loss,
            "prefactors": f.parameters[0].tolist() if prefactors else [],
            "fit": fit_key(f.budget, f.seed),
        }
        for f in fits
    ]
    return pa.Table.from_pylist(rows, schema=FITS)


def fit_tensors(fits: Iterable[Fit]) -> dict[str, Tensor]:
    """``<fit>/<module>.A`` (r, d_in) and ``<fit>/<module>.B`` (d_out, r) of every fit."""
    tensors = {}
    for f in fits:
        for module, (A, B) in f.change.items():
            tensors[f"{fit_key(f.budget, f.seed)}/{module}.A"] = A
            tensors[f"{fit_key(f.budget, f.seed)}/{module}.B"] = B
    return tensors


def curve_table(fits: Iterable[Fit]) -> pa.Table:
    """A row a fit and recorded step; none for an edit that is not fitted."""
    rows = [{"budget": f.budget, "seed": f.seed, **row} for f in fits for row in f.curve]
    return pa.Table.from_pylist(rows, schema=CURVE)


def write_edit(
    data: Path, name: str, facts: Mapping[str, Any], fits: Sequence[Fit], prefactors: bool,
    made_from: Origin | None = None,
) -> None:  # fmt: skip
    """Write ``fits/`` of an edit (``edit.json``, every fit and its curve) and ``tensors/``, the changes of these fits.

    Each names the other, so that they are of one run: ``edit.json`` has the hash of the tensors, and the manifest of
    the tensors has that of ``fits/``.
    """
    out, tensors = fits_folder(data, name), tensors_folder(data, name)
    write_tensors(tensors / TENSORS, fit_tensors(fits))
    write_table(out / "fits.parquet", fit_table(fits, prefactors))
    write_table(out / "curve.parquet", curve_table(fits))
    write_json(out / "edit.json", {**facts, "tensors": sha256(tensors / TENSORS)})
    write_manifest(out, ["fits.parquet", "curve.parquet", "edit.json"], made_from=made_from)
    write_manifest(tensors, [TENSORS], made_from=identities(out))
