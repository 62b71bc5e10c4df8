"""The folder that a run works in: files that a merge or a crash has left, locks, one run at a time, git or none."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import flows.around.repository
import flows.around.waiting
import flows.run.execution
from flows.around.errors import FlowError
from flows.around.repository import alone, check_files, free_stale_locks, settle_git

ROOT = Path(__file__).resolve().parent.parent


OURS = "<<<<<<< HEAD\n"
CONFLICTS = [OURS + "a: 1\n=======\na: 2\n>>>>>>> branch\n", "a: 1\n" + OURS, OURS.replace("\n", "\r\n") + "a: 1\n",
             "<<<<<<<\na: 1\n", "a: 1\n>>>>>>> 1234567 (a commit)\n", "a: 1\n||||||| base\n"]  # fmt: skip


def test_a_folder_without_stages_is_named(here: Path) -> None:
    with pytest.raises(FlowError, match=r"^dvc.yaml is missing: run from the folder that has it"):
        check_files()


@pytest.mark.parametrize("name", ["params.yaml", "dvc.yaml", "dvc.lock", ".dvc/config"])
@pytest.mark.parametrize("content", CONFLICTS)
def test_conflict_markers_are_found(here: Path, name: str, content: str) -> None:
    (here / ".dvc").mkdir()
    (here / "dvc.yaml").touch()
    (here / name).write_bytes(content.encode())
    with pytest.raises(FlowError, match=rf"^{name}: line [12]: a merge left its conflict markers: "):
        check_files()


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"# nothing\n", b"[]\n", b"schema: '2.0'\nstages:\n  a:\n    cmd: x\n    de", b"\x00\xff",
     b"stages: {}\n",
     b"schema: '2.0'\nstages: []\n", b"schema: '2.0'\nstages:\n  a:\n", b"schema: '2.0'\nstages:\n  a: {deps: []}\n",
     b"schema: '2.0'\nstages:\n  a: {cmd: x}\n  a: {cmd: x}\n"],
)  # fmt: skip
def test_a_lock_file_that_is_not_whole_is_named(here: Path, content: bytes) -> None:
    (here / "dvc.yaml").touch()
    (here / "dvc.lock").write_bytes(content)
    with pytest.raises(FlowError, match=r"^dvc.lock is not whole: bring it back"):
        check_files()


def test_a_whole_lock_file_passes(here: Path) -> None:
    (here / "dvc.yaml").touch()
    check_files()
    (here / "dvc.lock").write_text("schema: '2.0'\nstages:\n  a: {cmd: x, outs: [{path: '======='}]}\n")
    check_files()


def rwlock(here: Path, text: str, age: float = 0.0) -> Path:
    path = here / ".dvc/tmp/rwlock"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def entry(pid: int, how: str) -> str:
    info = {"pid": pid, "cmd": "dvc repro"}
    return json.dumps({how: {"/x": info if how == "write" else [info]}})


@pytest.fixture
def living() -> Iterator[Callable[..., int]]:
    """Start something that lives until the test ends, with these words on its command line; its number."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(folder: Path, *words: str) -> int:
        sleep = [sys.executable, "-c", "import time; print('.', flush=True); time.sleep(100)", *words]
        processes.append(subprocess.Popen(sleep, cwd=folder, stdout=subprocess.PIPE))
        assert (stream := processes[-1].stdout) is not None and stream.readline()
        return processes[-1].pid

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("how", ["write", "read"])
@pytest.mark.parametrize("age", [-10_000_000, 0, 10_000_000])
@pytest.mark.parametrize("word", ["/x/bin/dvc", "dvc", "flows.run.stage_process", "/x/bin/prefactor"])
def test_locks_of_the_living_stay(here: Path, living: Callable[..., int], how: str, age: float, word: str) -> None:
    path = rwlock(here, entry(living(here, word), how), age)
    free_stale_locks()
    assert path.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"write": {"/x": {}}}', '{"read": {"/x": 3}}', "\x00" * 40,
                                  entry(2**22 + 5, "write"), entry(2**22 + 5, "read")])  # fmt: skip
def test_locks_that_nobody_holds_go(here: Path, text: str) -> None:
    path = rwlock(here, text)
    free_stale_locks()
    assert not path.exists()


@pytest.mark.parametrize("how", ["write", "read"])
@pytest.mark.parametrize("age", [-10_000_000, 0, 10_000_000])
def test_a_number_that_another_process_has_today_holds_no_lock(
    here: Path, living: Callable[..., int], how: str, age: float
) -> None:
    """Whatever the clock was when the list was written: it may have been set since."""
    path = rwlock(here, entry(living(here, "sleep"), how), age)
    free_stale_locks()
    assert not path.exists()


def test_a_dvc_elsewhere_holds_no_lock_here(here: Path, living: Callable[..., int], tmp_path_factory) -> None:
    path = rwlock(here, entry(living(tmp_path_factory.mktemp("elsewhere"), "dvc"), "write"))
    free_stale_locks()
    assert not path.exists()


HOLDS = (
    "import time\nfrom flows.around.repository import alone\nwith alone():\n"
    "  print('held', flush=True)\n  time.sleep(100)"
)


def test_one_run_at_a_time(here: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    other = subprocess.Popen([sys.executable, "-c", HOLDS], env=env, stdout=subprocess.PIPE)
    assert other.stdout is not None
    with other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(FlowError, match=rf"another run works in {here} \(process {other.pid}\): wait"), alone():
            pass
        other.kill()
    with alone(), alone():  # the killed one's lock is gone; a flow within a run asks again
        assert Path(".runs/lock").read_text() == str(os.getpid())
    assert not flows.around.repository._held


@pytest.mark.parametrize("found", ["nothing", "git", "git around", "told before"])
def test_dvc_goes_with_git_or_without(here: Path, found: str) -> None:
    project = here / "outer" / "project"
    shutil.copytree(ROOT / ".dvc", project / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache", "config.local"))
    if found.startswith("git"):
        subprocess.run(["git", "init", "-q"], cwd=project if found == "git" else here / "outer", check=True)
    if found == "told before":
        (project / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")
    os.chdir(project)
    lines = settle_git()
    assert len(lines) == (found in ("nothing",)), lines
    from dvc.repo import Repo

    with Repo(".") as repo:
        assert bool(repo.config["core"].get("no_scm")) == (found in ("nothing", "told before"))
        assert repo.scm is not None
    assert settle_git() == []
