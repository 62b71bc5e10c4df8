"""What an artifact was made from: readers refuse what has been made anew since."""

import shutil
from pathlib import Path

import pytest

from prefactor.errors import PrefactorError
from prefactor.files.artifacts import identities, inherited, read_json, verify, write_json, write_manifest


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


def test_the_changes_of_an_edit_are_stale_by_the_name_of_its_stage(tmp_path: Path) -> None:
    fits = _artifact(tmp_path / "data" / "edit" / "scalar" / "fits", 1)
    tensors = _artifact(tmp_path / "data" / "changes" / "scalar" / "tensors", 2, fits)
    verify(tensors)
    _artifact(fits, 3)
    with pytest.raises(PrefactorError, match=r"tensors is stale: .*fits is another.*the stage edit of scalar"):
        verify(tensors)
    verify(fits)


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
