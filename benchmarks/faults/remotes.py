"""A remote over HTTP that refuses, hangs, or breaks off in the middle of a file, from some request on."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmarks.faults.planted import Planted, Setting, recover
from benchmarks.faults.project import HUNG, Project

SILENCE = 2  # seconds without a byte after which a run gives up


class Remote:
    """Files of a folder over HTTP; :attr:`after` so many requests they come as :attr:`mode` says."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.mode, self.after = folder, "", 0
        self._stopping = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.give(self)

            do_HEAD = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                pass  # who asked has gone

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def give(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request, or not."""
        self.after -= 1
        mode = self.mode if self.after < 0 else ""
        if mode == "hang":
            self._stopping.wait(600)
            return
        if mode == "refuse":
            request.close_connection = True
            request.connection.close()
            return
        if mode == "error":
            request.send_error(503)
            return
        path = self.folder / request.path.lstrip("/")
        if not path.is_file():
            request.send_response(404)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        content = path.read_bytes()
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if request.command == "HEAD":
            return
        if mode in ("cut", "stall"):
            request.wfile.write(content[: len(content) // 2])
            request.wfile.flush()
            if mode == "stall":
                self._stopping.wait(600)
            request.close_connection = True
            request.connection.close()
            return
        request.wfile.write(content)

    def stop(self) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def served(folder: Path) -> Iterator[Remote]:
    remote = Remote(folder)
    try:
        yield remote
    finally:
        remote.stop()


def bad_remote(modes: tuple[str, ...], setting: Setting, dice: random.Random, times: int) -> list[Planted]:
    """A fresh clone's run gives up with one line, and makes nothing that the remote has; the next one fetches all."""
    planted = []
    expected = setting.made.result()
    for number in range(times):
        project = setting.made.clone(setting.folder / f"{modes[0]}{number}")
        with served(setting.folder / "remote") as remote:
            planted.append(_one(project, remote, dice.choice(modes), dice.randrange(6), expected))
        project.remove()
    return planted


def _one(project: Project, remote: Remote, mode: str, after: int, expected: dict[str, object]) -> Planted:
    project.env["PREFACTOR_REMOTE_SECONDS"] = str(SILENCE)
    project.call("dvc", "remote", "add", "-q", "-d", "-f", "team", remote.url)
    project.call("dvc", "repro", "-q", "-s", "check")
    words = ("prefactor", "pull", "--all")
    remote.mode, remote.after = mode, after
    run = project.start(*(words if after % 2 else ("flow",)))
    code = project.wait(run)
    found = Planted(said=project.said().strip()[-300:], orphans=project.orphans(project.mark))
    remote.mode = ""
    if code == HUNG:
        found.person = f"it hung: {found.said}"
    elif code and "prefactor: error: " not in found.said:
        found.wrong = f"no error of one line: {found.said}"
    elif "at no remote" in found.said or "damaged at the remote" in found.said:
        found.wrong = f"it says that the remote lacks what it has: {found.said}"
    begin = time.monotonic()
    code, said = project.call(*words)
    if code:
        found.person = found.person or f"exit code {code}: {said[-300:]}"
    last = recover(project, expected)
    found.seconds = time.monotonic() - begin
    found.again = sorted(project.made())
    found.person, found.wrong = found.person or last.person, found.wrong or last.wrong
    return found
