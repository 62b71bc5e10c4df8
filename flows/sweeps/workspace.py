"""Where a worker works: the folder of who asks, if it sees it, else the clone that it was started in."""

import socket
import subprocess
import sys
from pathlib import Path

from flows.around.environment import environment
from flows.around.errors import FlowError
from flows.sweeps.held import held
from flows.sweeps.job import SWEEPS, TOKEN, Job
from flows.sweeps.reads import CODE, code, hashes
from prefactor.config.params import read_params

STARTED_IN = Path.cwd()  # as this worker was started
_ready: set[tuple[str, str, frozenset[tuple[str, str]]]] = set()  # whose inputs this process has looked at


def ready(job: Job) -> Path:
    """The workspace for ``job``, with all that it reads, fetched from the DVC remote where it was missing.

    Raises:
        FlowError: this worker runs other code, or has no workspace, or the remote lacks something.
    """
    for each in filter(None, (job.needs, job)):
        if other := [stage for stage, value in code(each.stages).items() if value != each.code[stage]]:
            raise FlowError(
                f"{_here()}: the code of {CODE} makes stage {other[0]} differently: check the same commit out there, "
                "and start the worker again"
            )
    seen = Path(job.root) / SWEEPS / job.sweep / TOKEN
    if seen.is_file() and seen.read_text(encoding="utf-8") == job.token:
        return Path(job.root)
    if not (STARTED_IN / "dvc.lock").is_file():
        raise FlowError(
            f"{_here()}: it sees no {job.root}, and was started in {STARTED_IN}, which has no dvc.lock: start it in "
            "a clone of the repository, at the same commit"
        )
    for each in filter(None, (job.needs, job)):
        known = (job.root, each.name, frozenset(each.inputs.items()))
        if known not in _ready:
            _fetch(each.inputs)
            _ready.add(known)
    return STARTED_IN


def _fetch(inputs: dict[str, str]) -> None:
    with held(STARTED_IN / SWEEPS):  # workers of one machine may share a clone
        if not (wrong := _wrong(inputs)):
            return
        kept = {out["path"] for stage in _lock().values() for out in stage.get("outs", [])}
        command = [sys.executable, "-m", "dvc", "--wait-for-lock", "pull", "--quiet", "--force"]
        done = subprocess.run(
            [*command, *(path for path in wrong if path in kept)], cwd=STARTED_IN, env=environment(),
            capture_output=True, encoding="utf-8", errors="replace", check=False,
        )  # fmt: skip
        if wrong := _wrong(inputs):
            lines = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("ERROR")]
            said = f" ({lines[-1]})" if lines else ""
            raise FlowError(
                f"{_here()}: {STARTED_IN / wrong[0]} is not what was asked for, nor does `dvc pull` bring it{said}: "
                "`dvc push` where the sweep was started, and commit dvc.lock and check it out here"
            )


def _wrong(inputs: dict[str, str]) -> list[str]:
    return [path for path, value in hashes(list(inputs), STARTED_IN).items() if value != inputs[path]]


def _lock() -> dict[str, dict]:
    return read_params(STARTED_IN / "dvc.lock")["stages"]


def _here() -> str:
    return f"worker on {socket.gethostname()}"
