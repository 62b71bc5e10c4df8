"""Processes that end with this one, in any way it may end: a Prefect server, a worker (``watch.py``)."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from flows.around.secret import without_secrets
from flows.around.watch import GRACE

ERROR = re.compile(r"[\w.]*(?:Error|Exception|Refused|Timeout)\b.*: .*|[\w.]*Error:.*")


def start(module: str, *words: str, env: Mapping[str, str], log: Path | None = None) -> subprocess.Popen[bytes]:
    """``python -m MODULE WORDS...``, which calls ``watch_parent`` first; it prints into ``log``, or where this does."""
    output = None if log is None else os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", module, *words],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=dict(env),
        )
    finally:
        if output is not None:
            os.close(output)


def end(process: subprocess.Popen[bytes]) -> None:
    """Tell it to end: the end of its standard input says so."""
    assert process.stdin is not None
    process.stdin.close()


def gone(process: subprocess.Popen[bytes]) -> None:
    """Tell it to end, wait until it has, and see that its group has, too."""
    end(process)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=2 * GRACE)
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    """A port of loopback that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def last_said(log: Path) -> str:
    """The line of ``log`` that says most: the last error, else the last line; without passwords."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if ERROR.fullmatch(line)]
    return without_secrets((errors or lines or [""])[-1])
