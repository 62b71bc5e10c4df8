"""Which Prefect server a run speaks to: the one that its user has configured, else one of its own."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path
from typing import Any

import httpx
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from flows.around.child import end, free_port, last_said, start
from flows.around.environment import environment
from flows.around.errors import FlowError
from flows.around.secret import without_secrets
from flows.around.waiting import waiting

PATIENCE = 15.0  # seconds for a configured server to answer
START = 1200.0  # for one of our own: it makes its database first, and may share its cores with much else
HOME = Path(".runs/prefect")
_own: set[str] = set()  # addresses of servers that end with this process


def own() -> bool:
    """Whether flows run at a server that ends with this process, and that nobody else knows of."""
    return PREFECT_API_URL.value() in (None, *_own)


@contextmanager
def server() -> Iterator[None]:
    """Within it flows run at a server that answers: the configured one, or one that ends with the block.

    Raises:
        FlowError: none could be started.
    """
    url = PREFECT_API_URL.value()
    why = silence(url) if url else ""
    if url and not why:
        yield
        return
    if why:
        print(f"prefactor: {why}; this run takes a server of its own and goes on", file=sys.stderr, flush=True)
    with waiting("Prefect's server starts"):
        process, ours = _start()
    _own.add(ours)
    try:
        # The two speak over loopback: a proxy, of whatever kind, would only be in the way.
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = "*"
        with temporary_settings({PREFECT_API_URL: ours}):
            yield
    finally:
        end(process)


def silence(url: str) -> str:
    """Ask the configured server for something; returns why that failed, and what to do, or nothing if it answered."""
    outcome: list[str] = []

    def ask() -> None:
        try:
            with (
                temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
                get_client(httpx_settings={"timeout": PATIENCE}, sync_client=True) as client,
            ):
                client.raise_for_api_version_mismatch()
                client.read_flows(limit=1)  # which needs the right key, too
            outcome.append("")
        except Exception as error:  # whatever a stranger's server, a proxy or a name server may cause
            outcome.append(_reason(error))

    # In a thread, since no time limit holds for the name server.
    thread = threading.Thread(target=copy_context().run, args=(ask,), daemon=True)
    thread.start()
    with waiting("the Prefect server is asked whether it is there"):
        thread.join(PATIENCE)
    why = outcome[0] if outcome else f"no answer in {PATIENCE:g} s"
    if not why:
        return ""
    forget = "unset PREFECT_API_URL" if "PREFECT_API_URL" in os.environ else "prefect config unset PREFECT_API_URL"
    return (
        f"PREFECT_API_URL={without_secrets(url)}: no Prefect server to work with ({why}): "
        f"start it (`prefect server start`), or forget it (`{forget}`)"
    )


def _reason(error: BaseException) -> str:
    """The first cause of ``error`` that says something, in a few words."""
    said = ""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, httpx.HTTPStatusError):
            return f"HTTP {cause.response.status_code}"
        if isinstance(cause, httpx.TimeoutException):
            return f"no answer in {PATIENCE:g} s"
        if isinstance(cause, httpx.TransportError | httpx.InvalidURL | ImportError):
            return _short(cause)
        if isinstance(cause, ValueError):
            said = "its answer is not Prefect's"
        said = said or _short(cause)
        cause = cause.__cause__ or cause.__context__
    return said


def _short(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:120]


def _start() -> tuple[subprocess.Popen[bytes], str]:
    """Start a server of our own, from an empty database where the last one's is of no use."""
    said = ""
    for _ in range(2):
        process, url = _launch()
        if answers(process, url):
            return process, url
        process.kill()
        process.wait()
        said = last_said(HOME / "server.log") or f"no answer in {START:.0f} s"
        shutil.rmtree(HOME, ignore_errors=True)
    raise FlowError(f"Prefect's own server does not start: {said}; `dvc repro` runs the same stages without Prefect")


def _launch() -> tuple[subprocess.Popen[bytes], str]:
    HOME.mkdir(parents=True, exist_ok=True)
    port = free_port()
    # None of the user's settings of Prefect: they are meant for another server.
    env = {name: value for name, value in environment().items() if not name.startswith("PREFECT_")}
    process = start("flows.serving.server_process", str(HOME.absolute()), str(port), env=env, log=HOME / "server.log")
    return process, f"http://127.0.0.1:{port}/api"


def answers(process: subprocess.Popen[Any], url: str) -> bool:
    """Wait until the server that ``process`` is answers at ``url``, or is gone."""
    until = time.monotonic() + START
    with httpx.Client(trust_env=False) as client:
        while process.poll() is None and time.monotonic() < until:
            try:
                if client.get(f"{url}/health", timeout=5).status_code == 200:
                    return True
            except httpx.TransportError:
                pass
            time.sleep(0.1)
    return False
