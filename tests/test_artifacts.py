"""Atomic files and the manifest that catches a damaged one."""

from pathlib import Path

import pytest
import torch

from prefactor.errors import PrefactorError
from prefactor.files.artifacts import atomic, verify, write_json, write_manifest
from prefactor.files.cost import ledger
from prefactor.files.tensors import read_tensors, write_tensors


def _folder(root: Path) -> Path:
    write_json(root / "a.json", {"b": 1})
    write_tensors(root / "sub" / "t.safetensors", {"x": torch.arange(3)})
    write_manifest(root, ["a.json", "sub"], {"by": "test"})
    return root


def test_round_trip(tmp_path: Path) -> None:
    assert verify(_folder(tmp_path)) == {"by": "test"}
    assert torch.equal(read_tensors(tmp_path / "sub" / "t.safetensors")["x"], torch.arange(3))


def test_truncated_file_is_named(tmp_path: Path) -> None:
    file = _folder(tmp_path) / "sub" / "t.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(PrefactorError, match=r"t\.safetensors is damaged.*dvc checkout"):
        verify(tmp_path)
    verify(tmp_path, only=["a.json"])  # what is not asked for is not read


def test_missing_file_and_missing_manifest_are_named(tmp_path: Path) -> None:
    (_folder(tmp_path) / "a.json").unlink()
    with pytest.raises(PrefactorError, match=r"a\.json is missing"):
        verify(tmp_path)
    with pytest.raises(PrefactorError, match=r"manifest\.json is missing: run the stage"):
        verify(tmp_path / "nowhere")


def test_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic(path) as temporary:
        temporary.write_text("new")
        _ = 1 / 0
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_cost_is_written_only_when_the_work_is_done(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), ledger(tmp_path / "cost.json"):
        _ = 1 / 0
    assert not (tmp_path / "cost.json").exists()
