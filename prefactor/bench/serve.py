"""Serve the bench until it is interrupted."""

import html
import socket
import webbrowser
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn

from prefactor.bench.app import bench_app
from prefactor.bench.doors import LOOPBACK, Doors, new_token
from prefactor.bench.live import Live
from prefactor.errors import PrefactorError
from prefactor.workspace import Workspace

EVERY = ("0.0.0.0", "::")  # no address that a browser could open
ENDING = 2  # seconds that who is being answered has, once it is interrupted


def serve(folder: Path, address: str, port: int, *, browser: bool, say: Callable[[str], None]) -> None:
    """Bind, read the workspace, say the address with this start's token, and answer until interrupted.

    Args:
        port: 0 takes any that is free.
        browser: open the address in this machine's browser.
        say: gets lines for whoever started it, the token among them: it is told nowhere else.

    Raises:
        PrefactorError: the port is taken or may not be bound, or the folder has no finished decomposition.
    """
    bound = listening(address, port)
    with bound:
        work = Workspace(folder)
        live, token = Live.open(work), new_token()
        port = bound.getsockname()[1]
        name = socket.gethostname() if address in EVERY else f"[{address}]" if ":" in address else address
        url = f"http://{name}:{port}/#token={token}"
        say(f"open {url}")
        if address not in LOOPBACK:
            say("who has this address may use the model and write into the folder; what is sent is not encrypted")
        say("ends with Ctrl-C")
        app = Doors(bench_app(live), address, port, token)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, ws="none", timeout_graceful_shutdown=ENDING
        )
        with TemporaryDirectory() as own:
            if browser:
                webbrowser.open(_leading_to(url, Path(own)))
            uvicorn.Server(config).run(sockets=[bound])


def _leading_to(url: str, folder: Path) -> str:
    """The address of a file that leads to ``url``: what a browser is called with is there for all users to see."""
    path = folder / "bench.html"
    path.write_text(f'<!doctype html><meta http-equiv="refresh" content="0;url={html.escape(url)}">', encoding="utf-8")
    return path.as_uri()


def listening(address: str, port: int) -> socket.socket:
    """A socket on which whoever comes waits until they are served.

    Raises:
        PrefactorError: the port is taken or may not be bound.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((address, port))
        made.listen()
    except (OSError, OverflowError) as error:
        made.close()
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise PrefactorError(
            f"{address}, port {port} cannot be listened on ({said}): name another (`--port 0` takes a free one)"
        ) from None
    return made
