"""A module of ours in a process group of its own, which never outlives this process, and what it reports."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from flows.around.environment import environment
from flows.around.watch import GRACE


class Group:
    """``python -m MODULE WORDS... REPORT``, which calls ``watch_parent`` first.

    Its standard output and error are :meth:`lines`; on the file descriptor REPORT, given by number, it leaves JSON.
    """

    def __init__(self, module: str, *words: str) -> None:
        self._report, write = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *words, str(write)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[write],
                start_new_session=True,
                env=environment(),
            )
        except BaseException:
            os.close(self._report)
            raise
        finally:
            os.close(write)
        self._end = threading.Thread(target=self._follow, daemon=True)
        self._end.start()

    def _follow(self) -> None:
        """Kill what the first process leaves running when it ends: the system may have ended it alone.

        What is left would hold the pipe that :meth:`lines` reads, for as long as it likes. Until the first process is
        reaped, its number is that of its group.
        """
        with suppress(ChildProcessError, ProcessLookupError, PermissionError):  # the first: `wait` has reaped it
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
            os.killpg(self._process.pid, signal.SIGKILL)

    def lines(self) -> Iterator[str]:
        """What it prints, but empty lines, until it has ended."""
        assert self._process.stdout is not None
        for raw in self._process.stdout:
            line = raw.decode("utf-8", "replace").rstrip()
            if line:
                yield line

    def end(self) -> None:
        """Ask it to end, with all that it started; it is killed if it does not within ``GRACE`` seconds."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()

    def wait(self, seconds: float = 2 * GRACE) -> None:
        """Wait for its end after :meth:`end`."""
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def report(self) -> dict[str, Any]:
        """What it left when it ended, with its ``code``."""
        self._end.join()
        self._process.wait()
        self.end()
        with os.fdopen(self._report, encoding="utf-8") as file:
            text = file.read()
        return json.loads(text) if text else {"code": self._process.returncode or 1}
