"""Files that people own: changed as a whole or not at all, and never through a link."""

import errno
import os
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from prefactor.errors import PrefactorError
from prefactor.export import checkpoint_stack
from prefactor.export.checkpoint_stack import applied_to, pop, push
from prefactor.files.artifacts import sha256
from prefactor.files.new_folder import new_folder
from prefactor.files.together import READY, WRITING
from prefactor.model.change import Change
from tests.tiny import tiny_target

MODULE = "layers.0.mlp.down_proj"
KEY = f"model.{MODULE}.weight"


def _change(seed: int) -> Change:
    rng = torch.Generator().manual_seed(seed)
    return {MODULE: (torch.randn(1, 24, generator=rng), torch.randn(16, 1, generator=rng))}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    tiny_target().save_pretrained(folder, max_shard_size="8KB")  # of several shards
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    (folder / "notes.txt").write_text("mine")
    return folder


def _weights(folder: Path) -> dict[str, Tensor]:
    shards = sorted(folder.glob("model*.safetensors"))
    assert shards
    return {name: tensor for path in shards for name, tensor in load_file(path).items()}


def _same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _link(kind: str) -> Callable[[Path, Path], None]:
    """How a link cache leaves a file: linked to an object that may not be written."""

    def leave(path: Path, cache: Path) -> None:
        shutil.move(path, cache)
        cache.chmod(0o444)
        {"symlink": path.symlink_to, "hardlink": path.hardlink_to}.get(kind, lambda to: shutil.copy(to, path))(cache)

    return leave


@pytest.mark.parametrize("kind", ["symlink", "hardlink", "read-only copy"])
def test_edits_on_a_copy_that_is_links_leave_what_is_linked_to(checkpoint: Path, tmp_path: Path, kind: str) -> None:
    (tmp_path / "cache").mkdir()
    before = _weights(checkpoint)
    for path in sorted(checkpoint.iterdir()):
        _link(kind)(path, tmp_path / "cache" / path.name)
    objects = {path: sha256(path) for path in (tmp_path / "cache").iterdir()}
    for i in range(2):
        push(checkpoint, f"e{i}", _change(i))
        assert not _same(_weights(checkpoint), before)
    kept = checkpoint / checkpoint_stack.KEPT / "001.e1.safetensors"
    _link(kind)(kept, tmp_path / "cache" / kept.name)  # a stack that was itself put under DVC
    assert (pop(checkpoint), pop(checkpoint)) == ("e1", "e0")
    assert _same(_weights(checkpoint), before)
    assert {path: sha256(path) for path in objects} == objects
    assert (tmp_path / "cache" / kept.name).is_file() and not kept.exists()
    assert (checkpoint / "notes.txt").read_text() == "mine" and (checkpoint / "notes.txt").is_symlink() == (
        kind == "symlink"
    )


CHANGING = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}


def _dies_at(step: int, act: Callable[[], Any]) -> bool:
    """Do ``act`` in a process that is gone, without a word, before the ``step``-th time that it changes a file."""
    child = os.fork()
    if child == 0:
        left = step

        def count(event: str, args: tuple[Any, ...]) -> None:
            nonlocal left
            writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if event in CHANGING or writes:
                left -= 1
                if left < 0:
                    os._exit(9)

        torch.set_num_threads(1)
        sys.addaudithook(count)
        act()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.parametrize("act", ["push", "pop"])
def test_whenever_the_process_dies_the_checkpoint_is_old_or_new(checkpoint: Path, tmp_path: Path, act: str) -> None:
    torch.set_num_threads(1)
    work, base, states = tmp_path / "work", _weights(checkpoint), set()
    push(checkpoint, "first", _change(0))
    if act == "pop":
        push(checkpoint, "second", _change(1))
    start, applied = _weights(checkpoint), applied_to(checkpoint)
    shutil.copytree(checkpoint, work)
    do: Callable[[], Any] = (lambda: push(work, "new", _change(2))) if act == "push" else (lambda: pop(work))
    do()
    end, afterwards = _weights(work), applied_to(work)
    assert applied != afterwards and not _same(start, end)
    for step in range(200):
        shutil.rmtree(work)
        shutil.copytree(checkpoint, work)
        died = _dies_at(step, do)
        found = applied_to(work)
        assert found in (applied, afterwards)
        assert _same(_weights(work), start if found == applied else end), step
        assert not any((work / name).exists() for name in (READY, WRITING))
        states.add(tuple(found))
        if step % 5 == 0 or not died:  # goes on as if nothing had been
            push(work, "after", _change(3))
            while applied_to(work):
                pop(work)
            assert _same(_weights(work), base)
        if not died:
            break
    assert not died and step > 10 and len(states) == 2


@pytest.mark.parametrize("error", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EPERM])
@pytest.mark.parametrize("call", ["mkdir", "rename", "fsync"])
def test_where_the_folder_cannot_be_written_nothing_is_changed(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, error: int, call: str
) -> None:
    before, names = _weights(checkpoint), sorted(path.name for path in checkpoint.rglob("*"))

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OSError(error, os.strerror(error), str(args[0]))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(PrefactorError, match=f"copy cannot be written .*{os.strerror(error)}") as said:
            push(checkpoint, "e", _change(0))
    assert "\n" not in str(said.value)
    assert applied_to(checkpoint) == [] and _same(_weights(checkpoint), before)
    assert sorted(path.name for path in checkpoint.rglob("*")) == names


def test_a_folder_is_new_whole_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    for name in ("new", "deep/er/new", "link"):
        with new_folder(tmp_path / name) as folder:
            (folder / "a").write_text("a")
            assert not (tmp_path / name / "a").exists()
        assert (tmp_path / name / "a").read_text() == "a"
    (tmp_path / "plain").mkdir()
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    assert (tmp_path / "link").is_symlink()
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "failed"):
        raise ZeroDivisionError
    assert not (tmp_path / "failed").exists() and not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("there", ["file", "folder with a file", "link to nothing", "link to a file", "here", "below"])
def test_what_is_there_is_never_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str) -> None:
    monkeypatch.chdir(tmp_path)
    path, mine = tmp_path / "into", tmp_path / "mine"
    mine.write_text("mine")
    match there:
        case "file":
            path.write_text("x")
        case "folder with a file":
            path.mkdir()
            (path / "adapter_config.json").write_text("x")
        case "link to nothing":
            path.symlink_to(tmp_path / "nothing")
        case "link to a file":
            path.symlink_to(mine)
        case "here":
            path.mkdir()
            monkeypatch.chdir(path)
        case _:
            path = mine / "below"
    before = sorted(p.name for p in tmp_path.rglob("*"))
    with pytest.raises(PrefactorError, match=f"^{path}") as said, new_folder(path):
        pass
    assert "\n" not in str(said.value) and sorted(p.name for p in tmp_path.rglob("*")) == before
    assert mine.read_text() == "mine"
