"""The Prefect server of ``make serve``: the configured one, or one of this folder, whose schedules and history stay."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import httpx
from prefect.settings import PREFECT_API_URL

from flows.around.child import gone, last_said, start
from flows.around.environment import environment
from flows.around.errors import FlowError
from flows.around.secret import without_secrets
from flows.around.waiting import waiting
from flows.serving.database import check_database
from flows.serving.server import answers, silence

HOME = Path(".runs/server")
PORT = "PREFECT_SERVER_API_PORT"


@contextmanager
def lasting_server() -> Iterator[tuple[str, Popen[bytes] | None]]:
    """Within it a Prefect server answers at the address that is yielded; its process is too, where it is our own.

    Raises:
        FlowError: the configured one does not answer, the port is taken, or the server does not start.
    """
    url = PREFECT_API_URL.value()
    if url:
        why = silence(url)
        if why:
            raise FlowError(why)
        print(f"prefactor: works with the Prefect server at {without_secrets(url)}", flush=True)
        yield url, None
        return
    port = _port()
    env = {name: value for name, value in environment().items() if name not in ("PREFECT_API_URL", "PREFECT_API_KEY")}
    kept = check_database(env)
    HOME.mkdir(parents=True, exist_ok=True)
    log = HOME / "server.log"
    process = start("flows.serving.server_process", str(HOME.absolute()), str(port), "page", env=env, log=log)
    try:
        url = f"http://127.0.0.1:{port}/api"
        with waiting("Prefect's server starts"):
            there = answers(process, url)
        if not there:
            raise FlowError(f"Prefect's server does not start: {last_said(log) or 'no answer'} ({log} has the rest)")
        print(f"prefactor: Prefect's page: http://127.0.0.1:{port}   history: {kept}", flush=True)
        yield url, process
    finally:
        gone(process)


def _port() -> int:
    """The port to listen at.

    Raises:
        FlowError: it is none, or is taken.
    """
    given = os.environ.get(PORT, "").strip() or "4200"
    if not (given.isascii() and given.isdigit() and 0 < int(given[:6]) < 65536):
        raise FlowError(f"{PORT}={given}: write a port from 1 to 65535, or unset it")
    port = int(given)
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: after a restart it is free
        try:
            tried.bind(("127.0.0.1", port))
            tried.listen()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise FlowError(_taken(port)) from None
            raise FlowError(f"{PORT}={port}: {os.strerror(error.errno or 0)}: write another port") from None
    return port


def _taken(port: int) -> str:
    url, other = f"http://127.0.0.1:{port}/api", f"`{PORT}={port + 1 if port < 65535 else port - 1} make serve`"
    try:
        with httpx.Client(trust_env=False, timeout=5) as client:
            prefect = client.get(f"{url}/health").text == "true"
    except httpx.HTTPError:
        prefect = False
    if prefect:
        return (
            f"port {port} is taken by a Prefect server: "
            f"work with that one (`PREFECT_API_URL={url} make serve`), or take another port ({other})"
        )
    return f"port {port} is taken by another program: take another ({other})"
