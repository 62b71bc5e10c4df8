"""A stage's process as who starts it sees it: begun, listened to, and gone with all that it started."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from signal import SIGKILL

from flows.environment import environment


@dataclass(frozen=True)
class Report:
    """How it ended: the exit code of the stage's command (0: fine), and whether an output changed."""

    code: int
    changed: bool


class StageCall:
    """One process of :mod:`flows.stage_process`, which ends when this one does, or :meth:`stop` says so."""

    def __init__(self, stage: str) -> None:
        self._read, write = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flows.stage_process", stage, str(write)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[write],
            start_new_session=True,
            env=environment(),
        )
        os.close(write)
        threading.Thread(target=self._outlived_by_none, daemon=True).start()

    def _outlived_by_none(self) -> None:
        """Killed alone, it would leave its command running, with the pipe that :meth:`lines` reads."""
        self.process.wait()
        with suppress(OSError):
            os.killpg(self.process.pid, SIGKILL)

    def lines(self) -> Iterator[str]:
        """What it prints, as it comes, without empty lines."""
        assert self.process.stdout is not None
        for raw in self.process.stdout:
            line = raw.decode("utf-8", "replace").rstrip()
            if line:
                yield line

    def stop(self) -> None:
        """Let it end, and its command, without waiting for it."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def report(self) -> Report:
        """Wait for its end."""
        self.process.wait()
        self.stop()
        with os.fdopen(self._read, encoding="utf-8") as file:
            text = file.read()
        return Report(**json.loads(text)) if text else Report(self.process.returncode or 1, False)
