"""An edit on disk: what is known of it, and apart from that its changes, which are of the same run or refused."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from prefactor.edits.fit import Fit
from prefactor.edits.made import (
    TENSORS,
    fits_folder,
    matrices_in,
    read_changes,
    read_edit,
    tensors_file,
    tensors_folder,
)
from prefactor.edits.tables import write_edit
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import sha256, verify

MODULE = "layers.0.mlp.up_proj"
FACTS: dict[str, Any] = {"edit": "mine", "report_budget": 2}


def _write(data: Path, seed: int, decomposition: str | None = "5" * 64) -> list[Fit]:
    """An edit of two fits, whose tables say the same whatever the ``seed`` of the changes."""
    rng = torch.Generator().manual_seed(seed)
    fits = []
    for draw in range(2):
        change = {MODULE: (torch.randn(1, 4, generator=rng), torch.randn(6, 1, generator=rng))}
        fits.append(Fit(2, draw, 0.1, 5, 0.5, [torch.tensor([-1.0])], change, []))
    write_edit(data, "mine", FACTS | {"decomposition": decomposition}, fits, prefactors=True)
    return fits


def test_what_is_read_is_what_was_written_and_small_without_the_changes(tmp_path: Path) -> None:
    fits = _write(tmp_path, seed=0)
    read = read_changes(tmp_path, "mine", "cpu")
    assert [(budget, draw) for budget, draw, _ in read] == [(2, 0), (2, 1)]
    for fit, (_, _, change) in zip(fits, read, strict=True):
        assert all(torch.equal(*pair) for pair in zip(change[MODULE], fit.change[MODULE], strict=True))
    assert matrices_in(tmp_path, "mine") == {MODULE}
    known = {path.name for path in fits_folder(tmp_path, "mine").iterdir()}
    assert known == {"edit.json", "fits.parquet", "curve.parquet", "manifest.json"}
    hashed = read_edit(tmp_path, "mine").pop("tensors")
    assert hashed == sha256(tensors_folder(tmp_path, "mine") / TENSORS)


def test_equal_edits_are_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        _write(tmp_path / name, seed=0)
    one, other = (
        {path.relative_to(tmp_path / name): sha256(path) for path in (tmp_path / name).rglob("*") if path.is_file()}
        for name in ("a", "b")
    )
    assert one == other


@pytest.mark.parametrize("taken", ["changes", "edit"])
def test_changes_of_another_run_are_refused_though_all_else_is_equal(tmp_path: Path, taken: str) -> None:
    """Even where no table tells the two runs apart; and the half that is known stays readable by itself."""
    data, other = tmp_path / "data", tmp_path / "other"
    _write(data, seed=0)
    _write(other, seed=1)
    shutil.rmtree(data / taken)
    shutil.copytree(other / taken, data / taken)
    with pytest.raises(PrefactorError, match=r"tensors is stale: .*fits is another .*the stage edit of mine") as said:
        read_changes(data, "mine", "cpu")
    assert "\n" not in str(said.value)
    assert read_edit(data, "mine")["edit"] == "mine"
    verify(fits_folder(data, "mine"))


def test_tensors_that_are_damaged_are_refused(tmp_path: Path) -> None:
    _write(tmp_path, seed=0)
    path = tensors_file(tmp_path, "mine")
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(PrefactorError, match=rf"{TENSORS} is damaged"):
        read_changes(tmp_path, "mine", "cpu")


@pytest.mark.parametrize(("decomposition", "stage"), [("5" * 64, "edit"), (None, "baseline")])
def test_changes_that_were_not_fetched_are_asked_for(tmp_path: Path, decomposition: str | None, stage: str) -> None:
    _write(tmp_path, 0, decomposition)
    shutil.rmtree(tmp_path / "changes")
    wanted = (
        f"{tmp_path}/changes/mine/tensors is not here: fetch it (`prefactor pull {stage}@mine`), or make it "
        f"(`prefactor repro {stage}@mine`)"
    )
    for read in (lambda: read_changes(tmp_path, "mine", "cpu"), lambda: matrices_in(tmp_path, "mine")):
        with pytest.raises(PrefactorError, match=f"^{re.escape(wanted)}$"):
            read()
    assert read_edit(tmp_path, "mine")["edit"] == "mine"
