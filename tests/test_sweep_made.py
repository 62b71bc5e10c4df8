"""Sweeps of the real pipeline at its smallest: the bytes of DVC's stages, whoever makes them, and whoever dies."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
import yaml

from prefactor.files.artifacts import sha256
from tests.test_pipeline import _call, _project

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1800)]

VALUES = {"guard.ridge": [0.01, 0.05], "alpha": [{"by": "hand", "values": [-1.0]}, {"by": "fit"}]}
SWEEP = {"name": "try", "base": "guarded", "values": VALUES}
EDITS = Path(".runs/sweeps/try/edits")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, prefect_env: dict[str, str]) -> Path:
    """A decomposition with its labels and candidates."""
    project = _project(tmp_path_factory.mktemp("sweep"))
    _call(project, prefect_env, "dvc", "repro", "--quiet", "selection@guarded", "selection@scalar")
    return project


@pytest.fixture
def start(project: Path, prefect_env: dict[str, str]) -> Callable[..., subprocess.Popen[str]]:
    """Start a sweep in the project, with nothing made."""
    shutil.rmtree(project / ".runs/sweeps", ignore_errors=True)

    def start(sweep: dict[str, Any], *words: str) -> subprocess.Popen[str]:
        (project / "sweep.yaml").write_text(yaml.safe_dump(sweep, sort_keys=False), encoding="utf-8")
        return subprocess.Popen(
            [sys.executable, "-m", "flows.sweep", "sweep.yaml", *words],
            cwd=project, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=prefect_env | {"PYTHONPATH": str(project), "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"},
        )  # fmt: skip

    return start


def _made(folder: Path) -> dict[str, str]:
    """sha256 of what selection, edit and evaluate left in ``folder``; costs differ between equal runs."""
    return {
        path.relative_to(folder).as_posix(): sha256(path)
        for stage in ("selection", "edit", "evaluate")
        for path in sorted((folder / stage).rglob("*"))
        if path.is_file() and path.name != "cost.json"
    }


def _rows(project: Path) -> dict[str, float]:
    """By edit that is made, when."""
    return {path.parent.name: path.stat().st_mtime for path in (project / EDITS).glob("*/row.json")}


def _workers(project: Path) -> list[psutil.Process]:
    """Processes at work in an edit's folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(project / EDITS) in process.cwd():
                found.append(process)
        except psutil.Error:
            continue
    return found


def _until(condition: Callable[[], Any], flow: subprocess.Popen[str]) -> Any:
    while not (value := condition()):
        assert flow.poll() is None, flow.communicate()[0]
        time.sleep(0.05)
    return value


def test_a_sweep_leaves_the_bytes_of_dvcs_stages(
    project: Path, prefect_env: dict[str, str], start: Callable[..., subprocess.Popen[str]]
) -> None:
    found = {}
    for runner in ("threads", "dask"):
        shutil.rmtree(project / ".runs/sweeps", ignore_errors=True)
        flow = start(SWEEP, "--runner", runner, "--workers", "2")
        said = flow.communicate()[0]
        assert flow.returncode == 0, said
        names = sorted(_rows(project))
        assert len(names) == 4 and all(name in said for name in names)
        found[runner] = {name: _made(project / EDITS / name / "data") for name in names}
    assert found["threads"] == found["dask"]
    table = pq.read_table(project / ".runs/sweeps/try/table.parquet").to_pylist()
    assert {row["edit"] for row in table} == set(names) and any(row["best"] for row in table)
    before = (project / "params.yaml").read_text()
    first, last = names[0], names[-1]
    for name in (first, last):
        _call(project, prefect_env, "flows.sweep", "sweep.yaml", "--keep", name)
    _call(project, prefect_env, "dvc", "repro", "--quiet", f"evaluate@{first}", f"evaluate@{last}")
    by_stages = _made(project / "data")
    for name in (first, last):
        own = {path: digest for path, digest in by_stages.items() if f"/{name}/" in path}
        assert own == found["threads"][name] and len(own) > 8
    (project / "params.yaml").write_text(before)


def test_new_candidates_are_made_once_and_a_bad_edit_is_named(
    project: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    queries = ['not label ~ "nobody" and module ~ "mlp"', 'label ~ "nobody knows"']
    values = {"choose.query": queries, "guard.ridge": [0.01, 0.05]}
    flow = start(SWEEP | {"values": values}, "--workers", "2")
    said = flow.communicate()[0]
    assert flow.returncode == 1, said
    assert len(_rows(project)) == 2  # those of the first query
    error = said.splitlines()[-1]
    assert error.startswith("prefactor: error: 2 of 4 edits failed: ") and "stage shortlist: " in error
    assert len(list((project / ".runs/sweeps/try/shortlists").iterdir())) == 2
    table = pq.read_table(project / ".runs/sweeps/try/table.parquet").to_pylist()
    assert [row["error"] is None for row in table] == [True, True, False, False]


@pytest.mark.parametrize("runner", ["threads", "dask"])
def test_a_worker_that_dies_is_replaced(
    runner: str, project: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    flow = start(SWEEP, "--runner", runner, "--workers", "2")
    _until(lambda: _workers(project), flow)[0].kill()
    said = flow.communicate()[0]
    assert flow.returncode == 0, said
    assert len(_rows(project)) == 4


@pytest.mark.parametrize("runner", ["threads", "dask"])
def test_a_killed_sweep_leaves_no_worker_and_makes_nothing_twice(
    runner: str, project: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    flow = start(SWEEP, "--runner", runner, "--workers", "1")
    before = _until(lambda: _rows(project), flow)
    workers = _until(lambda: _workers(project), flow)
    flow.send_signal(signal.SIGKILL)
    flow.communicate()
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive
    before = _rows(project) or before
    again = subprocess.run(flow.args, cwd=project, env=_env(project), text=True, capture_output=True, check=False)
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"4 edits, {len(before)} of them made before" in again.stdout
    after = _rows(project)
    assert len(after) == 4 and before.items() <= after.items()


def _env(project: Path) -> dict[str, str]:
    """Without a Prefect server: the sweep takes one of its own."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return own | {"PYTHONPATH": str(project), "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"}


ASK = """
import dataclasses, json, pathlib
from flows.sweeps.flow import read_points
from flows.sweeps.job import jobs
config, params, found = read_points(pathlib.Path("sweep.yaml"))
job = jobs(config.name, found, params, pathlib.Path.cwd(), "token")[0]
print(json.dumps(dataclasses.asdict(dataclasses.replace(job, root="/nowhere"))))
"""
ANSWER = """
import json, sys
from flows.sweeps.worker import make
from flows.sweeps.worker_process import job_of
print(json.dumps(make(job_of(json.load(sys.stdin)))))
"""


def test_a_worker_elsewhere_fetches_what_its_edit_reads(
    project: Path, prefect_env: dict[str, str], tmp_path: Path
) -> None:
    values = {"choose.query": ['not label ~ "nobody" and module ~ "mlp"']}
    (project / "sweep.yaml").write_text(yaml.safe_dump(SWEEP | {"values": values}), encoding="utf-8")
    _call(project, prefect_env, "dvc", "remote", "add", "--default", "--force", "away", str(tmp_path / "remote"))
    _call(project, prefect_env, "dvc", "push", "--quiet")
    clone = tmp_path / "clone"
    shutil.copytree(project, clone, ignore=shutil.ignore_patterns(".runs", "cache", "tmp", "data"))
    shutil.copytree(project / "data/corpus/lexicon", clone / "data/corpus/lexicon")
    (clone / "data/label").mkdir()
    shutil.copy(project / "data/label/overrides.yaml", clone / "data/label")

    def python(folder: Path, code: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code], cwd=folder, env=_env(folder), input=given, text=True, capture_output=True,
            check=False,
        )  # fmt: skip

    job = python(project, ASK).stdout
    answer = python(clone, ANSWER, job)
    assert answer.returncode == 0, answer.stderr
    row = json.loads(answer.stdout)
    fetched = {path.relative_to(clone / "data").as_posix() for path in (clone / "data").glob("*/*")}
    assert "decompose/components" in fetched and not {"decompose/net", "corpus/train", "locate/table"} & fetched
    assert _made(clone / EDITS / row["edit"] / "data")
    # Of what the remote has lost it says so.
    shutil.rmtree(clone / "data/importance")
    shutil.rmtree(clone / ".dvc/cache")
    shutil.rmtree(tmp_path / "remote")
    lost = python(clone, ANSWER, job)
    assert lost.returncode == 1 and "`dvc push` where the sweep was started" in lost.stderr


def test_two_nodes_decompose_as_two_processes_of_one_do(project: Path, tmp_path: Path) -> None:
    found = []
    for nodes in (1, 2):
        folder = tmp_path / f"nodes-{nodes}"
        shutil.copytree(project, folder, ignore=shutil.ignore_patterns(".runs", "cache", "tmp"))
        shutil.rmtree(folder / "data/decompose")
        env = _env(folder) | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
        if nodes == 1:
            commands = [([sys.executable, "-m", "stages.decompose"], {"PREFACTOR_PROCESSES": "2"})]
        else:
            script = ["sh", str(Path(__file__).parents[1] / "cluster/torchrun.sh"), "decompose"]
            meet = {"NNODES": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
            commands = [(script, meet | {"NODE_RANK": rank}) for rank in "01"]
        running = [
            subprocess.Popen(
                words, cwd=folder, env=env | more, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            for words, more in commands
        ]
        for process in running:
            said = process.communicate()[0]
            assert process.returncode == 0, said
        found.append({
            path.relative_to(folder).as_posix(): sha256(path)
            for part in ("components", "net", "metrics.json", "curve.parquet")
            for path in sorted([folder / "data/decompose" / part, *(folder / "data/decompose" / part).rglob("*")])
            if path.is_file()
        })  # fmt: skip
    assert found[0] == found[1] and len(found[0]) >= 6
    assert json.loads((tmp_path / "nodes-2/data/decompose/metrics.json").read_text())["steps"] == 12


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
