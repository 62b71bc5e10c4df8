"""Prefect's server dies under a run."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from benchmarks.faults.planted import Planted, Setting, alive, note, recover, settle
from benchmarks.faults.project import HUNG, ROOT


@contextmanager
def gateway(url: str, port: int) -> Iterator[subprocess.Popen[str]]:
    """Within it the server at ``url`` is at ``port``, too, until what it yields is killed."""
    words = [sys.executable, "-m", "benchmarks.faults.gateway", str(port), str(urlsplit(url).port)]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process:
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def kill_server(setting: Setting, dice: random.Random, times: int) -> list[Planted]:
    """kill -9 of what answers at the server's address; before the next run it is there again."""
    planted = []
    expected, url = setting.made.result(), setting.unmade.env["PREFECT_API_URL"]
    port = 41_000 + os.getpid() % 10_000
    for number in range(times):
        project = setting.unmade.copy(setting.folder / f"server{number}")
        project.env["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
        before = project.made()
        with gateway(url, port) as process:
            run = project.start("flow")
            until = time.monotonic() + dice.uniform(setting.begun / 2, setting.undisturbed)
            while alive(run) and time.monotonic() < until:
                time.sleep(0.02)
            process.kill()
            code = project.wait(run)
        found, finished, then = note(project, before)
        if code == HUNG:
            found.person = f"it hung: {found.said}"
        found.orphans = project.orphans(project.mark)
        with gateway(url, port):
            last = recover(project, expected)
        settle(found, finished, then, project.made())
        found.wrong, found.person = found.wrong or last.wrong, found.person or last.person
        found.seconds = last.seconds
        planted.append(found)
        project.remove()
    return planted
