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
import signal
import sys
import threading
from typing import Any

from dvc.exceptions import DvcException, ReproductionError
from dvc.repo import Repo, lock_repo
from dvc.stage import Stage
from dvc.stage.exceptions import StageCmdFailedError

GRACE = 5.0  # seconds between asking the group to end and ending it


def watch_parent() -> None:
    """Watch standard input; at its end kill the process group. Call it first, in a process that leads its group."""
    pipe = os.dup(0)  # not inheritable: the stage's command does not hold the pipe
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    # A handler, and not SIG_IGN, which the command would inherit. DVC itself ends in good order once its command died.
    signal.signal(signal.SIGTERM, lambda *_: None)

    def watch() -> None:
        while os.read(pipe, 1):
            pass
        os.killpg(0, signal.SIGTERM)
        threading.Event().wait(GRACE)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


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
            return (int(code[1]) or 1, False, "") if code else (1, False, str(cause or error))
        except DvcException as error:
            return 1, False, str(error)
        return 0, any(_outs(node) != before for node in made), ""


def _outs(stage: Stage) -> dict[str, Any]:
    """The hash of each output as ``dvc.lock`` has it."""
    return {str(out): out.hash_info and out.hash_info.to_dict() for out in stage.outs}


def main(stage: str, report: str) -> None:
    watch_parent()
    logging.getLogger("dvc").setLevel(logging.WARNING)  # the flow says itself what runs
    os.set_inheritable(int(report), False)
    code, changed, message = reproduce(stage)
    if message:
        print(message, file=sys.stderr, flush=True)
    with os.fdopen(int(report), "w") as file:
        file.write(json.dumps({"code": code, "changed": changed}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
