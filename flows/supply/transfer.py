"""What DVC's remote is asked for: in a process that is ended when nothing moves, and again where that helps."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import IO, Any

import psutil
from dvc.config import Config
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from flows.around.environment import environment
from flows.around.errors import FlowError
from flows.around.watch import GRACE
from flows.supply.trouble import PASSING, without_secrets
from prefactor.machine.settings import remote_seconds

TRIES = 3
BUSY = 0.005  # share of a core below which a process that moves no bytes only waits
LOOK = 0.2  # seconds between looks at it


class RemoteError(FlowError):
    """The remote did not do what it was asked for; not worth another try."""


class Passing(RemoteError):
    """As well, and it may do so the next time: no answer, or a connection that broke."""


def default_remote() -> str:
    """The name of DVC's default remote; empty where there is none."""
    return str(Config(".dvc")["core"].get("remote") or "")


def remote_url() -> str:
    """Where the default remote is."""
    return str(_settings().get("url", ""))


def _settings() -> dict[str, Any]:
    return dict(Config(".dvc")["remote"].get(default_remote(), {}))


def look(oids: Sequence[str]) -> dict[str, bool]:
    """By object (hash as in ``dvc.lock``), whether it can be had whole: what the cache lacks, from the remote.

    Raises:
        RemoteError: the remote does not answer.
    """
    return _ask("look", list(oids)) if oids else {}


def has(oids: Sequence[str]) -> dict[str, bool]:
    """By object, whether the remote has it whole; raises RemoteError."""
    return _ask("has", list(oids)) if oids else {}


def fetch(paths: Sequence[str]) -> list[str]:
    """Bring outputs into the cache; returns those that are damaged at the remote. Raises RemoteError."""
    return _ask("fetch", list(paths)) if paths else []


def push(paths: Sequence[str]) -> int:
    """Send outputs to the remote; returns how many files it lacked. Raises RemoteError."""
    return int(_ask("push", list(paths))) if paths else 0


def examine(paths: Sequence[str]) -> dict[str, list[str]]:
    """By output, its damaged objects at the remote, every byte of which is read; raises RemoteError."""
    return _ask("examine", list(paths)) if paths else {}


def discard(oids: Sequence[str]) -> None:
    """Take objects away from the remote; raises RemoteError."""
    _ask("discard", list(oids))


def probe(writes: bool) -> None:
    """See that the remote answers and, if asked for, that it can be written; raises RemoteError."""
    _ask("probe", writes)


def _ask(verb: str, request: Any) -> Any:
    again = Retrying(
        retry=retry_if_exception_type(Passing), stop=stop_after_attempt(TRIES), reraise=True,
        wait=wait_exponential_jitter(initial=1, max=15),
    )  # fmt: skip
    return again(_once, verb, request)


def _once(verb: str, request: Any) -> Any:
    where = f"remote {default_remote()} ({remote_url()})"
    given = spoken(verb, request)
    if "error" in given:
        said = without_secrets(f"{where}: {given['error']}", _settings())
        raise (Passing if given["passing"] else RemoteError)(said)
    return given["value"]


def spoken(verb: str, request: Any) -> dict[str, Any]:
    """What a process of :mod:`flows.supply.transfer_process` answers, or why it gave no answer."""
    with _file() as asked, _file() as told:
        json.dump(request, asked)
        asked.flush()
        asked.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.supply.transfer_process", verb, str(asked.fileno()), str(told.fileno())],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
            pass_fds=[asked.fileno(), told.fileno()], env=environment(), encoding="utf-8", errors="replace",
        )  # fmt: skip
        if not _watch(process):
            remedy = "look after the connection, or give it longer (PREFACTOR_REMOTE_SECONDS); what came is kept"
            return {"error": f"nothing moved for {remote_seconds()} s: {remedy}", "passing": True}
        told.seek(0)
        text = told.read()
    if text:
        return json.loads(text)
    assert process.stderr is not None
    said = process.stderr.read().strip().splitlines()
    last = said[-1] if said else "it said nothing"
    return {"error": f"the transfer ended with {process.returncode}: {last}: {PASSING}", "passing": True}


def _file() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8")


def _watch(process: "subprocess.Popen[str]") -> bool:
    """Wait for the end; False, and the process is ended, if it neither moved bytes nor worked for too long."""
    assert process.stdin is not None
    seen, since = _activity(process.pid), time.monotonic()
    while process.poll() is None:
        time.sleep(LOOK)
        now = _activity(process.pid)
        if now is None or seen is None or now[0] != seen[0] or now[1] - seen[1] > BUSY * remote_seconds():
            seen, since = now, time.monotonic()
        elif time.monotonic() - since > remote_seconds():
            process.stdin.close()  # at its end the process ends itself, and its group
            try:
                process.wait(2 * GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            return False
    process.stdin.close()
    return True


def _activity(pid: int) -> tuple[int, float] | None:
    """Bytes read and written by the process, and the CPU-seconds that it took."""
    try:
        process = psutil.Process(pid)
        times, bytes_ = process.cpu_times(), 0
        if hasattr(process, "io_counters"):  # not on a Mac
            counters = process.io_counters()
            bytes_ = counters.read_bytes + counters.write_bytes
            bytes_ += getattr(counters, "read_chars", 0) + getattr(counters, "write_chars", 0)
        return bytes_, times.user + times.system
    except psutil.Error:
        return None
