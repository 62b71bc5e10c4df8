"""Make one edit of a sweep, by the very code of its stages, in a process that has made others before.

A stage reads ``params.yaml`` and ``data`` of the folder that it runs in. So each edit has a folder of its own, with its
params and what its stages write, and links to the rest. What comes of it is, byte for byte, what DVC's stages make.
"""

import importlib
import json
import os
import shutil
import socket
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from flows.around.errors import FlowError
from flows.sweeps.held import held
from flows.sweeps.job import ROW, Job
from flows.sweeps.reads import OF_EDIT
from flows.sweeps.workspace import ready
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import read_json, write_json
from prefactor.machine.trouble import trouble
from stages.common import DATA, RUNS

LOG = "log.txt"  # in an entry's folder: what its stages said


def make(job: Job) -> dict[str, Any]:
    """What came of ``job``: a row of the sweep's table; made only where it is not there under the same key.

    Raises:
        FlowError: a stage failed; with the name, and what was wrong.
    """
    return _made(job, ready(job))


def kept_row(job: Job, root: Path) -> dict[str, Any] | None:
    """The row of ``job`` in the workspace ``root``, if it was made there under the same key."""
    path = root / job.folder / ROW
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return kept["row"] if isinstance(kept, dict) and kept.get("key") == job.key else None


def keep_row(job: Job, root: Path, row: dict[str, Any]) -> None:
    """Write ``row`` to where :func:`kept_row` looks for it."""
    write_json(root / job.folder / ROW, {"key": job.key, "row": row})


def _made(job: Job, root: Path) -> dict[str, Any]:
    folder = root / job.folder
    with held(folder):
        row = kept_row(job, root)
        if row is None:
            if job.needs is not None:
                _made(job.needs, root)
            begin = time.perf_counter()
            _view(job, root)
            with (folder / LOG).open("w", encoding="utf-8", errors="backslashreplace") as log:
                _run(job, folder, log)
            seconds = time.perf_counter() - begin
            row = _row(job, folder, seconds) if job.stages == OF_EDIT else {"seconds": round(seconds, 3)}
            keep_row(job, root, row)
    return row


def _view(job: Job, root: Path) -> None:
    """Lay out the folder that the stages run in: their params, a place for what they write, and links to the rest."""
    folder = root / job.folder
    (folder / ROW).unlink(missing_ok=True)
    shutil.rmtree(folder / DATA, ignore_errors=True)
    (folder / DATA).mkdir()
    (folder / "params.yaml").write_text(json.dumps(job.params, indent=1) + "\n", encoding="utf-8")
    links = {there.name: there for there in (root / DATA).iterdir() if there.is_dir()}
    if job.needs is not None:
        links |= {stage: root / job.needs.folder / DATA / stage for stage in job.needs.stages}
    for name, there in links.items():
        if name not in job.stages:
            (folder / DATA / name).symlink_to(there)
    if not (folder / RUNS).is_symlink():
        (folder / RUNS).symlink_to(root / RUNS)


def _run(job: Job, folder: Path, log: Any) -> None:
    with _inside(folder), redirect_stdout(log), redirect_stderr(log):
        for stage in job.stages:
            try:
                importlib.import_module(f"stages.{stage}").main(job.name)
            except Exception as error:
                traceback.print_exc()
                said = str(error) if isinstance(error, PrefactorError) else trouble(error)
                said = said or f"{type(error).__name__}: {' '.join(str(error).split())} ({folder / LOG})"
                raise FlowError(f"{job.name}: stage {stage}: {said}") from None


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = os.open(".", os.O_RDONLY)
    os.chdir(folder)
    try:
        yield
    finally:
        os.fchdir(before)
        os.close(before)


def _row(job: Job, folder: Path, seconds: float) -> dict[str, Any]:
    data = folder / DATA
    about = read_json(data / "edit" / job.name / "fits" / "edit.json")
    figures = read_json(data / "evaluate" / job.name / "metrics.json")
    costs = [read_json(data / stage / job.name / "cost.json") for stage in job.stages]
    damage = {domain: figure["mean"] for domain, figure in figures["damage_own"].items()}
    return {
        "edit": job.name,
        "values": job.values,
        "target": about["target"],
        "goal": job.params["edits"][job.name].get("goal", "chance"),
        "minus_chance": figures["target_ce_minus_chance"]["mean"],
        "minus_unigram": figures["target_ce_minus_unigram"]["mean"],
        "damage": damage,
        "subcomponents": about["subcomponents"],
        "prefactors": about["prefactors"],
        "tokens": sum(cost["tokens"] for cost in costs),
        "seconds": round(seconds, 3),
        "worker": f"{socket.gethostname()}:{os.getpid()}",
    }
