"""Reproduce one stage, and never outlive whoever asked: ``python -m flows.run.stage_process STAGE``.

Killing DVC leaves the stage's command running, and the next run would start a second writer beside it. So each stage
runs in a process group of its own, led by this process, which holds a pipe to the flow on its standard input. When the
pipe closes, because the flow says so or because it died in any way, the command is killed, the group with it.

Standard output is the stage's. File descriptor REPORT, given by number, gets one JSON line: exit code and whether
an output changed.
"""

import json
import logging
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dvc.dvcfile
import dvc.stage.run
from dvc.exceptions import DvcException, ReproductionError
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc.stage import Stage
from dvc.stage.exceptions import StageCmdFailedError
from dvc.stage.run import cmd_run
from dvc.utils.serialize import modify_yaml

from flows.around.watch import watch_parent
from flows.run import ended
from prefactor.machine.trouble import trouble
from stages.common import AGAIN


def reproduce(stage: str) -> tuple[int, bool, str]:
    """Run ``dvc repro --single-item STAGE``.

    Returns the exit code of the stage's command (0: fine), whether an output changed, and DVC's own message if any.
    """
    with Repo(".", _wait_for_lock=True) as repo:
        with lock_repo(repo):  # a neighbour may be half-way through writing dvc.lock
            (before,) = [_outs(node) for node in repo.stage.collect(stage)]
        try:
            if ended.record(stage):
                print("had ended before, and was not recorded; it is now", flush=True)
            made = Repo.reproduce(repo, targets=[stage], single_item=True)
        except ReproductionError as error:
            cause = error.__cause__
            code = re.search(r"exited with (-?\d+)$", str(cause)) if isinstance(cause, StageCmdFailedError) else None
            return (int(code[1]) or 1, False, "") if code else _unable(error)
        except (DvcException, OSError) as error:
            return _unable(error)
        ended.forget(stage)
        (after,) = [_outs(node) for node in made or repo.stage.collect(stage)]
        return 0, after != before, ""


def _unable(error: Exception) -> tuple[int, bool, str]:
    """What kept DVC itself from its work: another of its processes, the system, or something else."""
    if isinstance(error, LockError) or isinstance(error.__cause__, LockError):
        return AGAIN, False, str(error.__cause__ or error)
    line = trouble(error)
    return (1, False, str(error.__cause__ or error)) if line is None else (2, False, line)


def _outs(stage: Stage) -> dict[str, Any]:
    """The hash of each output as ``dvc.lock`` has it."""
    return {str(out): out.hash_info and out.hash_info.to_dict() for out in stage.outs}


def noted(stage: Stage, *words: Any, **more: Any) -> None:
    """Run the command, in DVC's place, and note that it ended."""
    ended.reserve(stage)
    cmd_run(stage, *words, **more)
    ended.note(stage)


@contextmanager
def whole(path: str, fs: Any = None) -> Iterator[dict[str, Any]]:
    """Change a YAML file by putting another in its place: DVC writes over it, and killed meanwhile leaves half."""
    temporary = Path(".dvc/tmp", f"{Path(path).name}.{os.getpid()}")
    try:
        if Path(path).exists():
            shutil.copyfile(path, temporary)
        with modify_yaml(str(temporary), fs=fs) as data:
            yield data
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def main(stage: str, report: str) -> None:
    watch_parent()
    dvc.dvcfile.modify_yaml = whole
    dvc.stage.run.cmd_run = noted
    logging.getLogger("dvc").setLevel(logging.WARNING)  # the flow says itself what runs
    os.set_inheritable(int(report), False)
    code, changed, message = reproduce(stage)
    if message:
        print(" ".join(message.split()), file=sys.stderr, flush=True)  # the flow shows the last line
    with os.fdopen(int(report), "w") as file:
        file.write(json.dumps({"code": code, "changed": changed}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
