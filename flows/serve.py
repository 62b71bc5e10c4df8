"""Schedules, runs on demand and Prefect's page, on one machine until stopped: ``python -m flows.serve``.

A Prefect server, a worker and the deployments of ``prefect.yaml``. Both processes end with this one, however it ends.
"""

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, SimpleQueue
from subprocess import Popen

from flows.around import surroundings
from flows.around.ending import ended
from flows.around.environment import environment
from flows.around.errors import FlowError
from flows.around.waiting import waiting
from flows.serving.prefect_import import imported
from prefactor.machine.streams import settle_streams

LOCK = Path(".runs/serve.lock")
TOLD = {  # to a worker, which asks over loopback alone, and whose runs have a page to show their output on
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    "PREFECT_LOGGING_LEVEL": "INFO",
    "PREFECT_LOGGING_LOG_PRINTS": "true",
    "PREFECT_LOGGING_TO_API_ENABLED": "true",
}


def serve(with_parent: bool) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP; or, if asked to, until this process's parent has ended.

    Raises:
        PrefactorError: a variable ``PREFACTOR_*`` is wrong.
        FlowError: something else to put right; or the server, or the worker, has ended.
    """
    from flows.around.repository import alone, check_files, settle_git

    with waiting("the folder is looked at"):
        check_files()
        notes = surroundings.settle()
        environment()
        notes += settle_git()
    for note in notes:
        print(f"prefactor: {note}", file=sys.stderr, flush=True)
    with alone(LOCK, "another `make serve` works", "a folder has one"), _signals() as stopped:
        if with_parent:
            threading.Thread(target=_watch, args=(os.getppid(), stopped), daemon=True).start()
        with waiting("Prefect is imported"):
            lasting, _ = imported("flows.serving.lasting_server", "flows.serving.deploy")
        with lasting.lasting_server() as (url, server):
            _work(url, server, stopped)


def _work(url: str, server: Popen[bytes] | None, stopped: SimpleQueue[None]) -> None:
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.around.child import gone, start
    from flows.around.repository import alone
    from flows.serving.database import without_database
    from flows.serving.deploy import POOL, check_owner, deploy, deployments, make_pool
    from flows.serving.leftovers import settle_runs

    env = _through_no_proxy({**without_database(environment()), "PREFECT_API_URL": url})
    os.environ["no_proxy"], os.environ["NO_PROXY"] = env["no_proxy"], env["NO_PROXY"]
    with temporary_settings({PREFECT_API_URL: url}), get_client(sync_client=True) as client:
        with waiting("the deployments are made"):
            check_owner(client)
            make_pool(client)
            deploy(env)
            try:
                with alone():  # else a run works here, begun by hand
                    left = settle_runs(client, POOL)
            except FlowError:
                left = 0
        if left:
            print(f"prefactor: runs that were cut off: {left}; they are marked as crashed", flush=True)
        for deployment in deployments(client):
            crons = [getattr(each.schedule, "cron", None) or str(each.schedule) for each in deployment.schedules]
            print(f"prefactor: {deployment.name:<10} {', '.join(crons) or 'on demand'}", flush=True)
    worker = start("flows.serving.worker_process", POOL, env=env | {n: v for n, v in TOLD.items() if _quiet(env, n)})
    try:
        print("prefactor: serving; Ctrl-C stops it", flush=True)
        while _silent(stopped):
            for what, process in (("the worker", worker), ("Prefect's server", server)):
                if process is not None and process.poll() is not None:
                    raise FlowError(f"{what} has ended (exit code {process.returncode}): start again (`make serve`)")
    finally:
        gone(worker)


def _through_no_proxy(env: dict[str, str]) -> dict[str, str]:
    """``env`` in which a proxy by SOCKS is not asked for where nothing here could speak to it.

    Prefect's client refuses to start for one, even if it would not use it, as on loopback.
    """
    proxies = (value for name, value in env.items() if name.lower().endswith("_proxy"))
    if any(value.startswith("socks") for value in proxies) and find_spec("socksio") is None:
        return env | {"no_proxy": "*", "NO_PROXY": "*"}
    return env


def _quiet(env: dict[str, str], name: str) -> bool:
    """Whether a setting is as ``flows`` has it for runs by hand: what its user has set stays."""
    return env.get(name) in (None, "CRITICAL", "false")


def _silent(stopped: SimpleQueue[None]) -> bool:
    """Whether half a second went by and nothing was said."""
    try:
        stopped.get(timeout=0.5)
    except Empty:
        return True
    return False


def _watch(parent: int, stopped: SimpleQueue[None]) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    stopped.put(None)


@contextmanager
def _signals() -> Iterator[SimpleQueue[None]]:
    """A queue that a signal to end is put into. (An event, set by a handler in the thread that waits, can lock it.)"""
    stopped: SimpleQueue[None] = SimpleQueue()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, lambda *_: stopped.put(None))
    yield stopped


def main(argv: Sequence[str] | None = None) -> int:
    """Serve; returns the exit code."""
    settle_streams()
    description = "Prefect's server, a worker and the deployments of prefect.yaml, until stopped."
    parser = argparse.ArgumentParser(prog="python -m flows.serve", description=description)
    parser.add_argument("--with-parent", action="store_true", help="end when the process that started it does")
    words = parser.parse_args(argv)
    return ended(lambda: serve(words.with_parent), "stopped before it served")


if __name__ == "__main__":
    sys.exit(main())
