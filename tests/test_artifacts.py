"""Atomic files and the manifest that catches a damaged one."""

import errno
import os
import re
from pathlib import Path

import pytest
import torch

from prefactor.errors import PrefactorError
from prefactor.files.artifacts import atomic, read_entry, read_json, verify, write_json, write_manifest
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


@pytest.mark.parametrize("layout", [0, 2, "1"])
def test_another_layout_is_refused_with_the_way_out(tmp_path: Path, layout: object) -> None:
    manifest = read_json(_folder(tmp_path) / "manifest.json")
    write_json(tmp_path / "manifest.json", manifest | {"layout": layout})
    with pytest.raises(PrefactorError, match=rf"has layout {layout!r}, and this Prefactor reads 1: take the version"):
        verify(tmp_path)
    del manifest["layout"]
    write_json(tmp_path / "manifest.json", manifest)
    assert verify(tmp_path) == {"by": "test"}  # written before layouts had numbers


def test_a_ledger_says_what_was_computed_with(tmp_path: Path) -> None:
    with ledger(tmp_path / "cost.json"):
        pass
    made_with = read_json(tmp_path / "cost.json")["with"]
    assert made_with["libraries"]["torch"] == torch.__version__ and made_with["device"]


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


CONFLICT = '{\n "files": {},\n<<<<<<< HEAD\n "about": {}\n=======\n "about": {"x": 1}\n>>>>>>> other\n}\n'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \n\t", "is empty"),
        (CONFLICT.encode(), "has the conflict marks of a merge in it"),
        (b'{"files": {', "is no JSON (line 1)"),
        (b'{"files": {}}\n{"files": {}}\n', "is no JSON (line 2)"),
        (b"\xff\xfe{\x00}\x00", "is no text (byte 0 is not UTF-8)"),
        (b"\xef\xbb\xbf{}", "is no JSON (line 1)"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is no JSON (line 1)"),
        (b"[" * 100_000, "is no JSON of ours (it is nested too deep)"),
        (b"null", "is no manifest"),
        (b"[]", "is no manifest"),
        (b'{"about": {}}', "is no manifest"),
        (b'{"files": [], "about": {}}', "is no manifest"),
        (None, "is a folder, and no file"),
    ],
)
def test_a_manifest_that_is_none_is_named_with_a_remedy(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = _folder(tmp_path) / "manifest.json"
    path.unlink()
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(PrefactorError) as error:
        verify(tmp_path)
    assert str(error.value).startswith(f"{path} {said}: fetch it again (`dvc checkout --force") and (
        "\n" not in str(error.value)
    )


@pytest.mark.parametrize(
    ("value", "said"),
    [({}, "has no tokens"), ([], "has no tokens"), ({"tokens": 3}, "has no tokens.train"), (7, "has no tokens")],
)
def test_an_entry_that_is_not_there_is_named(tmp_path: Path, value: object, said: str) -> None:
    write_json(tmp_path / "m.json", value)
    with pytest.raises(PrefactorError, match=f"m.json {re.escape(said)}: fetch it again"):
        read_entry(tmp_path / "m.json", "tokens", "train")
    with pytest.raises(PrefactorError, match=r"n\.json is missing: run the stage"):
        read_entry(tmp_path / "n.json", "tokens")
    write_json(tmp_path / "m.json", {"tokens": {"train": 0}})
    assert read_entry(tmp_path / "m.json", "tokens", "train") == 0


def test_a_link_is_replaced_and_what_it_points_to_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("cached")
    (tmp_path / "cache").chmod(0o444)
    for kind, path in (("symbolic", tmp_path / "a.json"), ("hard", tmp_path / "b.json")):
        path.symlink_to(tmp_path / "cache") if kind == "symbolic" else path.hardlink_to(tmp_path / "cache")
        write_json(path, {})
        assert path.read_text() == "{}\n" and not path.is_symlink()
    assert (tmp_path / "cache").read_text() == "cached"


def test_what_cannot_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(PrefactorError, match=r"below/a\.json cannot be written \(Not a directory\)"):
        write_json(tmp_path / "file" / "below" / "a.json", {})

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(PrefactorError, match=r"a\.json cannot be written \(No space left on device\)"):
        write_json(tmp_path / "a.json", {})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
