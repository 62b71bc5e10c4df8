"""Atomic files and the manifest that catches a damaged one."""

import shutil
from pathlib import Path

import pytest
import torch

from prefactor.errors import PrefactorError
from prefactor.files.artifacts import atomic, identities, inherited, read_json, verify, write_json, write_manifest
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


def _artifact(folder: Path, value: int, *made_from: Path) -> Path:
    write_json(folder / "a.json", value)
    write_manifest(folder, ["a.json"], made_from=identities(*made_from))
    return folder


def _chain(root: Path) -> dict[str, Path]:
    """target <- components <- harvest <- labels <- fits of an edit, each made from the one before it."""
    parts = ("target/checkpoint", "decompose/components", "harvest/subcomponents", "label/labels", "edit/scalar/fits")
    made: list[Path] = []
    for value, part in enumerate(parts):
        made.append(_artifact(root / "data" / part, value, *made[-1:]))
    return {folder.parent.name: folder for folder in made}


@pytest.mark.parametrize(
    ("anew", "read", "named"),
    [
        ("target", "decompose", "components is stale: .*checkpoint is another.*rerun the stage decompose"),
        ("target", "scalar", "components is stale: .*checkpoint is another"),  # four artifacts away
        ("decompose", "harvest", "subcomponents is stale: .*components is another.*rerun the stage harvest"),
        ("harvest", "label", "labels is stale: .*rerun the stage label"),
        ("label", "scalar", "fits is stale: .*labels is another.*rerun the stage edit of scalar"),
    ],
)
def test_what_was_made_from_another_than_is_there_is_stale(tmp_path: Path, anew: str, read: str, named: str) -> None:
    folders = _chain(tmp_path)
    for folder in folders.values():
        verify(folder)
    before = (folders[anew] / "manifest.json").read_text(), (folders[anew] / "a.json").read_text()
    _artifact(folders[anew], 99)
    with pytest.raises(PrefactorError, match=named):
        verify(folders[read])
    (folders[anew] / "manifest.json").write_text(before[0])
    (folders[anew] / "a.json").write_text(before[1])
    verify(folders[read])  # the old one fetched again: nothing is stale


def test_the_same_made_again_is_not_another_nor_is_what_was_not_fetched(tmp_path: Path) -> None:
    folders = _chain(tmp_path)
    _artifact(folders["target"], 0)  # the same files, and a manifest that says less of where they come from
    verify(folders["scalar"])
    shutil.rmtree(folders["target"])
    shutil.rmtree(folders["harvest"])
    verify(folders["scalar"])
    shutil.move(tmp_path / "data", tmp_path / "elsewhere")
    verify(tmp_path / "elsewhere" / "edit" / "scalar" / "fits")


def test_an_origin_is_inherited_by_what_has_no_other_tie(tmp_path: Path) -> None:
    folders = _chain(tmp_path)
    components = folders["decompose"]
    names = tmp_path / "data" / "shortlist" / "mine" / "names"
    write_json(names / "a.json", [])
    write_manifest(names, ["a.json"], made_from=inherited(folders["harvest"], components, folders["target"]))
    assert list(read_json(names / "manifest.json")["made_from"]) == ["../../../decompose/components"]
    verify(names)
    _artifact(components, 99)
    with pytest.raises(PrefactorError, match=r"names is stale: .*components is another.*shortlist of mine"):
        verify(names)
