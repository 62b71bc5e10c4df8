"""Reproduce one stage, and never outlive whoever asked: ``python -m flows.stage_process STAGE``.

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
import sys
from typing import Any

from dvc.exceptions import DvcException, ReproductionError
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc.stage import Stage
from dvc.stage.exceptions import StageCmdFailedError

from flows.watch import watch_parent
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
            made = Repo.reproduce(repo, targets=[stage], single_item=True)
        except ReproductionError as error:
            cause = error.__cause__
            code = re.search(r"exited with (-?\d+)$", str(cause)) if isinstance(cause, StageCmdFailedError) else None
            return (int(code[1]) or 1, False, "") if code else _unable(error)
        except (DvcException, OSError) as error:
            return _unable(error)
        return 0, any(_outs(node) != before for node in made), ""


def _unable(error: Exception) -> tuple[int, bool, str]:
    """What kept DVC itself from its work: another of its processes, the system, or something else."""
    if isinstance(error, LockError) or isinstance(error.__cause__, LockError):
        return AGAIN, False, str(error.__cause__ or error)
    line = trouble(error)
    return (1, False, str(error.__cause__ or error)) if line is None else (2, False, line)


def _outs(stage: Stage) -> dict[str, Any]:
    """The hash of each output as ``dvc.lock`` has it."""
    return {str(out): out.hash_info and out.hash_info.to_dict() for out in stage.outs}


def main(stage: str, report: str) -> None:
    watch_parent()
    logging.getLogger("dvc").setLevel(logging.WARNING)  # the flow says itself what runs
    os.set_inheritable(int(report), False)
    code, changed, message = reproduce(stage)
    if message:
        print(" ".join(message.split()), file=sys.stderr, flush=True)  # the flow shows the last line
    with os.fdopen(int(report), "w") as file:
        file.write(json.dumps({"code": code, "changed": changed}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
