"""What is tried again, and how often; what is not; and how long a stage may take."""

from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest

import flows.run.execution
from flows.around.errors import FlowError, Interrupted, StageEnded, StageFailed
from flows.run import retries
from flows.run.dag import Dag
from flows.run.execution import Execution
from flows.run.group import Group
from flows.run.stage_process import _unable
from tests.small import ROOT, ended, wait_for


@pytest.mark.parametrize("code", [75, -9, 137])
def test_what_may_pass_is_tried_twice_more(code: int) -> None:
    failure = StageFailed("label", code, "prefactor: error: no answer")
    assert [retries.pause(failure, tries) for tries in (1, 2, 3)] == [10.0, 60.0, None]


@pytest.mark.parametrize("code", [1, 2, 3, 126, 127, 130, 134, 139, 143, 255, -1, -2, -6, -7, -11, -15])
def test_what_cannot_pass_is_not(code: int) -> None:
    assert retries.pause(StageFailed("edit@scalar", code, "wrong"), 1) is None


def test_only_a_stage_that_failed_by_itself_is_tried_again() -> None:
    for failure in (FlowError("no disk"), Interrupted("stopped"), StageEnded("edit", "5 minutes", "step 3")):
        assert retries.pause(failure, 1) is None


def test_a_lock_of_dvc_may_pass_and_other_errors_of_its_do_not() -> None:
    from dvc.exceptions import DvcException
    from dvc.lock import LockError

    locked = DvcException("failed to reproduce")
    locked.__cause__ = LockError("'dvc.lock' is busy")
    assert _unable(LockError("busy"))[0] == _unable(locked)[0] == 75
    assert _unable(DvcException("no such stage"))[0] == 1


class Scripted:
    """In place of a group: ends with the next of ``codes``."""

    codes: ClassVar[list[int]] = []

    def __init__(self, *words: str) -> None:
        self.code = self.codes.pop(0)

    def lines(self) -> list[str]:
        return [f"ends with {self.code}"]

    def report(self) -> dict[str, Any]:
        return {"code": self.code, "changed": True}

    def end(self) -> None: ...

    def wait(self) -> None: ...


@pytest.fixture
def execution(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Execution:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(retries, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(flows.run.execution, "Group", Scripted)
    return Execution(Dag({"label": (), "score": ("label",)}, frozenset({"label"})), 1)


def _tries(execution: Execution) -> tuple[int, str | None]:
    """As Prefect would: how often it was tried, and what came of it."""
    for tries in range(1, 10):
        try:
            return tries, execution.stage("label")
        except StageFailed:
            if not execution.again("label"):
                return tries, None
    raise AssertionError("tried for ever")


@pytest.mark.parametrize(
    ("codes", "tries", "outcome"),
    [
        ([0], 1, "done"),
        ([75, 0], 2, "done"),
        ([137, 75, 0], 3, "done"),
        ([-9, -9, -9, 0], 3, None),
        ([2, 0], 1, None),
        ([1, 0], 1, None),
        ([75, 2, 0], 2, None),
    ],
)
def test_a_stage_is_tried_until_it_is_done_or_cannot_be(
    execution: Execution, codes: list[int], tries: int, outcome: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    Scripted.codes = list(codes)
    assert _tries(execution) == (tries, outcome)
    assert (execution.failure is None) == (outcome == "done")
    assert capsys.readouterr().out.count("; again in 0 s\n") == tries - 1
    if outcome is None:
        with pytest.raises(Interrupted):
            execution.stage("label")  # nothing begins after a failure that stays


def test_a_run_that_is_stopped_tries_nothing_again(execution: Execution, monkeypatch: pytest.MonkeyPatch) -> None:
    Scripted.codes = [75, 0]
    with pytest.raises(StageFailed):
        execution.stage("label")
    monkeypatch.setattr(retries, "PAUSES", (3600.0, 3600.0))
    execution.stop()
    assert not execution.again("label")
    with pytest.raises(Interrupted):
        execution.stage("label")  # at once


def test_what_a_killed_leader_leaves_behind_is_killed_before_the_next_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    group = Group("tests.orphan")
    (line,) = group.lines()
    child = psutil.Process(int(line))
    assert group.report() == {"code": -9}
    wait_for(lambda: ended(child), 20)


def test_a_stage_that_takes_too_long_is_ended_and_named(project: Path, call) -> None:
    (project / "hold.sh").write_text("echo $$ > pid.log; echo waiting; exec sleep 600\n")
    code, output = call("flows.pipeline", PREFACTOR_STAGE_MINUTES="0.04")
    assert code == 1
    assert output.splitlines()[-1] == (
        "prefactor: error: stage corpus failed (exit code 1): it was ended after 0.04 minutes (PREFACTOR_STAGE_MINUTES)"
        " (last line: waiting); raise the limit if it needs longer, else look what it waits for; "
        "then run again: what is finished is kept"
    )
    assert "again in" not in output
    if (project / "pid.log").exists():  # a busy machine may not have come so far
        pid = int((project / "pid.log").read_text())
        wait_for(lambda: not psutil.pid_exists(pid) or ended(psutil.Process(pid)), 30)
