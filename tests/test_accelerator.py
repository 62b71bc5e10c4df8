"""Stages that need an accelerator take turns at it: within a run, and among the runs of one Prefect server."""

import ast
import os
import platform
import threading
import time
from pathlib import Path

import pytest
import yaml

from flows.run import shared
from flows.run.accelerator import STAGES, TOGETHER, Accelerators, accelerators
from flows.run.slots import Slots
from prefactor.errors import PrefactorError

ROOT = Path(__file__).resolve().parent.parent
HERE = f"prefactor-{platform.node()}-cuda-"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PREFACTOR_") or name == "CUDA_VISIBLE_DEVICES"]:
        monkeypatch.delenv(name)


def _calls(script: Path, name: str) -> bool:
    tree = ast.parse(script.read_text(encoding="utf-8"))
    return any(isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == name for n in ast.walk(tree))


def test_the_stages_that_need_a_device_are_those_that_ask_for_one() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    scripts = {name: stage.get("do", stage)["cmd"].split()[2] for name, stage in stages.items()}
    paths = {name: ROOT / Path(*script.split(".")).with_suffix(".py") for name, script in scripts.items()}
    assert {name for name, path in paths.items() if _calls(path, "setup")} == STAGES
    assert {name for name, path in paths.items() if _calls(path, "run_processes")} == TOGETHER


@pytest.mark.parametrize(
    ("variables", "cuda", "expected"),
    [
        ({}, False, Accelerators()),
        ({}, True, Accelerators((0,))),
        ({"PREFACTOR_DEVICE": "cpu"}, True, Accelerators()),
        ({"PREFACTOR_DEVICE": "mps"}, True, Accelerators()),
        ({"PREFACTOR_DEVICE": "cuda"}, False, Accelerators((0,))),
        ({"PREFACTOR_DEVICE": "cuda:3"}, False, Accelerators((3,))),
        ({"PREFACTOR_PROCESSES": "2"}, True, Accelerators((0, 1))),
        ({"PREFACTOR_ACCELERATOR_STAGES": "3"}, True, Accelerators((0,), 3)),
        ({"PREFACTOR_ACCELERATOR_STAGES": "3"}, False, Accelerators()),
    ],
)
def test_the_devices_are_those_that_the_variables_mean(
    variables: dict[str, str], cuda: bool, expected: Accelerators, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert accelerators(lambda: cuda) == expected


def test_a_number_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFACTOR_ACCELERATOR_STAGES", "0")
    with pytest.raises(PrefactorError, match="PREFACTOR_ACCELERATOR_STAGES=0: write a whole number from 1"):
        accelerators(lambda: True)


def test_a_device_has_one_name_for_all_who_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = Accelerators((0,)), Accelerators((0, 1))
    assert one.names("edit@scalar") == one.names("decompose") == [f"{HERE}0"]
    assert one.names("report") == one.names("label") == one.names("shortlist@german") == []
    assert Accelerators().names("decompose") == []
    assert two.names("decompose") == [f"{HERE}0", f"{HERE}1"] and two.names("edit@scalar") == [f"{HERE}0"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5, 7")
    assert two.names("decompose") == [f"{HERE}5", f"{HERE}7"]


def _most_at_once(slots: Slots, stages: list[str]) -> dict[str, int]:
    """How many stages of a kind were inside at a time, at most; ``""``: of all kinds."""
    inside: list[str] = []
    most: dict[str, int] = {}
    lock = threading.Lock()

    def run(stage: str) -> None:
        with slots.hold(stage):
            with lock:
                inside.append(stage.split("@")[0])
                for kind in ("", *inside):
                    most[kind] = max(most.get(kind, 0), len([each for each in inside if kind in ("", each)]))
            time.sleep(0.05)
            with lock:
                inside.remove(stage.split("@")[0])

    threads = [threading.Thread(target=run, args=(stage,)) for stage in stages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not inside
    return most


EDITS = [f"edit@{number}" for number in range(6)]


@pytest.mark.parametrize(("room", "edits"), [(1, 1), (2, 2)])
def test_stages_that_need_the_device_take_turns_within_a_run(room: int, edits: int) -> None:
    devices = Accelerators((0,), room)
    slots = Slots(4, {}, grace=0.2, scarce=devices.needed, few=devices.room)
    most = _most_at_once(slots, [*EDITS, "selection@0", "selection@1"])
    assert most["edit"] == edits and most[""] == edits + 2


def test_on_a_cpu_as_many_run_as_there_are_cores() -> None:
    none = Accelerators()
    most = _most_at_once(Slots(4, {}, grace=0.2, scarce=none.needed, few=none.room), EDITS)
    assert most["edit"] == 4


def test_a_stage_that_waits_for_the_device_keeps_no_other_waiting() -> None:
    devices = Accelerators((0,))
    slots = Slots(2, {"edit@0": 3.0, "edit@1": 2.0, "report": 1.0}, grace=0.0, scarce=devices.needed)
    done = threading.Event()
    with slots.hold("edit@0"):
        second = threading.Thread(target=lambda: slots.hold("edit@1").__enter__(), daemon=True)
        second.start()

        def report() -> None:
            with slots.hold("report"):
                done.set()

        threading.Thread(target=report, daemon=True).start()
        assert done.wait(10)
    second.join(10)
    assert not second.is_alive()


def test_runs_of_one_server_take_turns(prefect_env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "ASK", 0.5)
    inside, most, said = [0], [0], []

    def run() -> None:
        with shared.held(["prefactor-test-cuda-0"], 1, lambda: False, said.append):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(1.2)
            inside[0] -= 1

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (most, inside) == ([1], [0])
    assert said == ["prefactor-test-cuda-0 is taken by another run: this one waits"]


def test_a_run_that_is_stopped_waits_no_longer(prefect_env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "ASK", 0.5)
    stop = threading.Event()
    with shared.held(["prefactor-test-cuda-1"], 1, lambda: False, print):

        def run() -> None:
            with shared.held(["prefactor-test-cuda-1"], 1, stop.is_set, print):
                pass

        thread = threading.Thread(target=run)
        thread.start()
        time.sleep(0.2)
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def test_a_server_that_is_gone_stops_nobody() -> None:
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    said: list[str] = []
    gone = temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api", PREFECT_CLIENT_MAX_RETRIES: 0})
    with gone, shared.held(["prefactor-test-cuda-2"], 1, lambda: False, said.append):
        pass
    assert len(said) == 1 and "it is used all the same" in said[0]
