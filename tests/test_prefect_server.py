"""Which Prefect server a run takes: one that answers as Prefect does, and else, in seconds, one of its own."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_KEY, PREFECT_API_URL, temporary_settings

from flows.around.errors import FlowError
from flows.serving import server

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def answering(status: int, body: bytes, kind: str = "text/html") -> Iterator[str]:
    """A server that answers everything alike; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as here:
        threading.Thread(target=here.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{here.server_port}/api"
        here.shutdown()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "PATIENCE", 3.0)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")


def why(url: str) -> str:
    begin = time.monotonic()
    with temporary_settings({PREFECT_API_URL: url}):
        said = server.silence(url)
    assert time.monotonic() - begin < 60  # a loaded machine, too
    assert "\n" not in said and "prefect server start" in said and "unset PREFECT_API_URL" in said
    return said


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason"),
    [
        (401, b"<html>log in</html>", "text/html", "HTTP 401"),
        (403, b"{}", "application/json", "HTTP 403"),
        (404, b"<html>not found</html>", "text/html", "HTTP 404"),
        (500, b"", "text/html", "HTTP 500"),
        (503, b"busy", "text/plain", "HTTP 503"),
        (302, b"", "text/html", ""),
        (200, b"<html>welcome to nginx</html>", "text/html", "its answer is not Prefect's"),
        (200, b"{}", "application/json", ""),
        (200, b'"1.4.0"', "application/json", "incompatible versions"),
    ],
)
def test_a_server_that_is_not_prefects_is_told_apart(status: int, body: bytes, kind: str, reason: str) -> None:
    with answering(status, body, kind) as url:
        said = why(url)
    assert said.startswith(f"PREFECT_API_URL={url}: no Prefect server to work with (") and reason in said


def test_a_server_that_is_gone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "onnect" in why(f"http://127.0.0.1:{port}/api")


def test_a_server_that_hangs_is_told() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        assert "no answer in" in why(f"http://127.0.0.1:{deaf.getsockname()[1]}/api")


@pytest.mark.parametrize("hangs", [False, True])
def test_a_name_that_is_not_found_is_told(hangs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(*_: Any, **__: Any) -> None:
        if hangs:
            time.sleep(6)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    assert ("no answer in 3 s" if hangs else "Name or service not known") in why("http://prefect.example:4200/api")


@pytest.mark.parametrize("url", ["banana", "http://", "ftp://127.0.0.1/api", "http://127.0.0.1:99999/api"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    why(url)


def test_no_secret_is_shown() -> None:
    with temporary_settings({PREFECT_API_KEY: "pnu_secret"}):
        said = why("http://me:hunter2@127.0.0.1:1/api")
    assert "hunter2" not in said and "pnu_secret" not in said and "http://127.0.0.1:1/api" in said


def test_how_to_forget_it_follows_where_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "x")
    assert "(`unset PREFECT_API_URL`)" in why("http://127.0.0.1:1/api")
    monkeypatch.delenv("PREFECT_API_URL")
    assert "(`prefect config unset PREFECT_API_URL`)" in why("http://127.0.0.1:1/api")


def test_our_own_server_that_dies_is_told_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    homes: list[bool] = []

    def launch() -> tuple[subprocess.Popen[bytes], str]:
        homes.append(server.HOME.exists())
        server.HOME.mkdir(parents=True, exist_ok=True)
        with (server.HOME / "server.log").open("wb") as log:
            code = "import sys; sys.exit('Traceback\\nDatabase: no such revision\\n')"
            return subprocess.Popen([sys.executable, "-c", code], stderr=log), "http://127.0.0.1:1/api"

    monkeypatch.setattr(server, "_launch", launch)
    server.HOME.mkdir(parents=True)
    with pytest.raises(FlowError, match=r"does not start: Database: no such revision; `dvc repro` runs"):
        server._start()
    assert homes == [True, False]  # the second time without what the first left


def test_our_own_server_ends_with_whoever_started_it(tmp_path: Path) -> None:
    """Even killed: else each would leave a server behind."""
    code = (
        "import flows.serving.server as s\n"
        "process, url = s._launch()\n"
        "print(process.pid, flush=True)\n"
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, check=False)
    pid = int(done.stdout)
    until = time.monotonic() + 60
    while _lives(pid) and time.monotonic() < until:
        time.sleep(0.1)
    assert not _lives(pid)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
