"""One of each fault that benchmarks/faults plants by the dozen, where a run's own machinery can be had without Prefect.

The kills of whole flows are in ``test_flow.py``, damaged objects and remotes in ``test_share.py``.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml
from typer.testing import CliRunner

import flows.supply.transfer
from benchmarks.faults.remotes import served
from flows.around.errors import FlowError, StageFailed
from flows.around.repository import check_cache, free_stale_locks
from flows.run.dag import read_dag
from flows.run.execution import Execution
from flows.run.group import Group
from flows.supply.supply import supply
from flows.supply.transfer import RemoteError
from flows.supply.transfer_process import answer
from team.cli import app
from team.share import add_remote
from tests.small import wait_for
from tests.team_project import ROOT, copied, dvc, make_project


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faults") / "a"
    make_project(folder)
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy with all made; the current folder."""
    with copied(made, tmp_path / "a", monkeypatch) as folder:
        yield folder


def slow_down(mark: str) -> None:
    """Let the command of decompose tell its number, in ``mark``, and stay."""
    text = Path("dvc.yaml").read_text(encoding="utf-8")
    begins = "mkdir -p data/decompose/parts &&"
    assert begins in text
    Path("dvc.yaml").write_text(text.replace(begins, f"echo $$ > {mark} && sleep 60; {begins}"), encoding="utf-8")


def forget_the_end_of_runs() -> None:
    """Nothing of the run is recorded: neither the lock file nor DVC's memory of runs knows it."""
    shutil.rmtree(".dvc/cache/runs")
    lock = yaml.safe_load(Path("dvc.lock").read_text(encoding="utf-8"))
    del lock["stages"]["decompose"]
    Path("dvc.lock").write_text(yaml.safe_dump(lock), encoding="utf-8")


def test_a_stages_command_ends_with_its_process(project: Path) -> None:
    slow_down("number.log")
    execution, failed = Execution(read_dag(), 1), []

    def run() -> None:
        try:
            execution.stage("decompose")
        except StageFailed as error:
            failed.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    number = Path("number.log")
    wait_for(lambda: number.is_file() and number.read_text().strip() != "", 60)
    command = psutil.Process(int(number.read_text()))
    leader = next(parent for parent in command.parents() if "flows.run.stage_process" in parent.cmdline())
    leader.kill()
    thread.join(20)
    assert not thread.is_alive() and "exit code -9" in failed[0]
    wait_for(lambda: not command.is_running() or command.status() == psutil.STATUS_ZOMBIE, 10)


def call(stage: str) -> tuple[int, bool, list[str]]:
    group = Group("flows.run.stage_process", stage)
    lines = list(group.lines())
    report = group.report()
    return report["code"], report["changed"], lines


def end_unrecorded() -> None:
    """Let decompose run while nothing can be kept, as on a full disk: its command ends, and DVC records nothing."""
    cache = Path(".dvc/cache/files")
    kept = cache.rename(".dvc/cache/kept")
    cache.write_text("no folder can be made here")
    code, _, lines = call("decompose")
    assert code == 2, lines
    cache.unlink()
    kept.rename(cache)


def test_what_had_ended_and_was_not_recorded_is_recorded_and_not_made_again(project: Path) -> None:
    forget_the_end_of_runs()
    end_unrecorded()
    made = Path("decompose.log").read_text()
    assert made == "made\nmade\n"
    code, changed, lines = call("decompose")
    assert (code, changed) == (0, True) and lines == ["had ended before, and was not recorded; it is now"]
    assert Path("decompose.log").read_text() == made and not list(Path(".runs/ended").iterdir())
    assert read_dag().expected == ()


@pytest.mark.parametrize("command", [["verify", "--heal"], ["pull", "decompose"]])
def test_what_had_ended_is_not_taken_for_damage(project: Path, tmp_path: Path, command: list[str]) -> None:
    """The lock file knows what the stage had made before: its good copy is older, and not better."""
    add_remote(str(tmp_path / "remote"), (), replace=False)
    text = Path("dvc.yaml").read_text()
    Path("dvc.yaml").write_text(text.replace("echo curve", "echo another"))
    end_unrecorded()
    ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 0 and "decompose had ended before" in ran.stderr, ran.output
    assert "another" in Path("data/decompose/curve.txt").read_text() and not list(Path(".runs/ended").iterdir())
    made = Path("decompose.log").read_text()
    assert call("decompose")[0] == 0 and Path("decompose.log").read_text() == made


@pytest.mark.parametrize("change", ["params of it", "what it read", "what it made", "half a note"])
def test_an_end_that_is_not_of_what_there_is_now_counts_for_nothing(project: Path, change: str) -> None:
    forget_the_end_of_runs()
    end_unrecorded()
    shutil.rmtree(".dvc/cache/runs")  # in which DVC would find it
    note = Path(".runs/ended/decompose.json")
    if change == "params of it":
        text = Path("dvc.yaml").read_text()
        Path("dvc.yaml").write_text(text.replace("echo curve", "echo curves"))
    elif change == "what it read":
        Path("words.txt").write_text("others\n")
    elif change == "what it made":
        Path("data/decompose/parts/v.txt").write_text("w\n")
    else:
        note.write_bytes(note.read_bytes()[:30])
    code, _, lines = call("decompose")
    assert code == 0 and not lines and Path("decompose.log").read_text() == "made\nmade\nmade\n"


def test_the_lock_file_is_never_half_written(project: Path) -> None:
    """A reader sees a whole one at every moment, whatever is being recorded."""
    Path("words.txt").write_text("others\n")
    made, sizes = threading.Thread(target=call, args=("decompose",)), set()
    made.start()
    while made.is_alive():
        sizes.add(len(yaml.safe_load(Path("dvc.lock").read_text(encoding="utf-8"))["stages"]))
    assert sizes == {5} and "decompose" not in read_dag().expected
    assert not list(Path(".dvc/tmp").glob("dvc.lock.*"))


def test_a_cache_that_cannot_be_written_is_named_before_anything_is_made(project: Path) -> None:
    shutil.rmtree(".dvc/cache/files")
    Path(".dvc/cache/files").write_text("")
    with pytest.raises(FlowError, match=r"\.dvc/cache/files/md5.*: Not a directory: a file stands where"):
        check_cache()


def test_two_edits_stages_at_once_are_both_recorded(project: Path) -> None:
    params = Path("params.yaml").read_text()
    Path("params.yaml").write_text(params.replace("-1", "-3").replace("-2", "-4"))
    both = [Group("flows.run.stage_process", f"edit@{name}") for name in ("first", "second")]
    assert [(list(each.lines()), each.report()["code"]) for each in both] == [([], 0), ([], 0)]
    assert read_dag().expected == ("report",)


def test_an_interrupted_stage_ends_and_is_made_whole_by_the_next(project: Path) -> None:
    before = {path: path.read_bytes() for path in Path("data").rglob("*") if path.is_file()}
    fast = Path("dvc.yaml").read_text()
    slow_down("number.log")
    group = Group("flows.run.stage_process", "decompose")
    wait_for(lambda: Path("number.log").is_file() and Path("number.log").read_text().strip() != "", 60)
    command = psutil.Process(int(Path("number.log").read_text()))
    group.end()
    group.wait()
    assert not command.is_running()
    Path("dvc.yaml").write_text(fast)
    free_stale_locks()
    dvc(project, "repro")
    assert {path: path.read_bytes() for path in Path("data").rglob("*") if path.is_file()} == before


def test_files_of_another_time_change_nothing(project: Path) -> None:
    for number, path in enumerate(sorted(Path().rglob("*"))):
        if path.is_file() and ".git" not in path.parts:
            moment = time.time() + (3e8 if number % 2 else -3e8)
            os.utime(path, (moment, moment))
    held = {"write": {str(project / "data/report/out.txt"): {"pid": os.getpid(), "cmd": "dvc repro"}}}
    Path(".dvc/tmp/rwlock").write_text(json.dumps(held))
    later = time.time() + 3e8
    os.utime(".dvc/tmp/rwlock", (later, later))
    free_stale_locks()
    assert not Path(".dvc/tmp/rwlock").exists() and read_dag().expected == ()
    words = ["git", "status", "--porcelain"]
    assert subprocess.run(words, capture_output=True, check=True).stdout == b""


@pytest.mark.parametrize("mode", ["refuse", "error", "cut"])
@pytest.mark.parametrize("after", [0, 3])
def test_a_remote_that_fails_is_no_remote_that_lacks_it(
    project: Path, monkeypatch: pytest.MonkeyPatch, mode: str, after: int
) -> None:
    """Else a run would make again, for hours, what is only out of reach."""
    monkeypatch.setattr(flows.supply.transfer, "spoken", answer)  # in this process: the other takes a second to start
    monkeypatch.setattr(flows.supply.transfer, "TRIES", 1)
    Path(".dvc/cache").rename("remote")
    shutil.rmtree("data/decompose")
    shutil.rmtree("data/report")
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("-2", "-3"))
    with served(project / "remote") as remote:
        dvc(project, "remote", "add", "-d", "team", remote.url)
        remote.mode, remote.after = mode, after
        with pytest.raises(RemoteError, match=r"^remote team "):
            supply()
        remote.mode = ""
        wanted = supply()
    assert wanted is not None and wanted.dag.expected == ("edit@second", "report")
    assert Path("data/decompose/parts/u.txt").is_file()


@pytest.mark.servers
@pytest.mark.timeout(1800)
def test_one_of_each_fault_in_whole_runs_costs_nothing(prefect_env: dict[str, str]) -> None:
    words = [sys.executable, "-m", "benchmarks.faults", "--times", "1", "--dry"]
    done = subprocess.run(words, cwd=ROOT, env=prefect_env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
