"""Plant faults in runs of a small real project, at random moments, and see what each of them costs.

``python -m benchmarks.faults [FAULT ...] [--times 20] [--seed 0]`` (all faults, if none is named). Rows are kept in
``.runs/bench/faults.json``, so that faults can be planted one by one; all that there are go into
``benchmarks/results/faults.md``.
"""

import argparse
import fcntl
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path

import httpx

from benchmarks.common import KEPT, write_lines
from benchmarks.faults import disks, hanging, killing, objects, remotes, servers, together
from benchmarks.faults.page import page
from benchmarks.faults.planted import Fault, Planted, Setting, costs
from benchmarks.faults.project import ROOT, Project

FAULTS: dict[str, Fault] = {
    "kill-command": partial(killing.in_a_row, killing.kill_command),
    "kill-stage": partial(killing.in_a_row, killing.kill_stage),
    "kill-flow": partial(killing.in_a_row, killing.kill_flow),
    "kill-server": servers.kill_server,
    "terminate": partial(killing.in_a_row, killing.terminate),
    "interrupt": partial(killing.in_a_row, killing.interrupt),
    "stage-hangs": hanging.hang,
    "two-flows": together.two_flows,
    "two-stages": together.two_stages,
    "full-disk": disks.full,
    "read-only-cache": disks.read_only,
    "damage": objects.damage,
    "damage-read": objects.damage_read,
    "torn-lock": objects.torn_lock,
    "clock": objects.clock,
    "remote-refuses": partial(remotes.bad_remote, ("refuse", "error")),
    "remote-hangs": partial(remotes.bad_remote, ("hang", "stall")),
    "remote-breaks-off": partial(remotes.bad_remote, ("cut",)),
    "merge": together.merge,
}
AT_ONCE = 4  # of a fault before what came of it is kept


@contextmanager
def prefect_server(home: Path) -> Iterator[str]:
    """A server that stays for all runs: each would else wait for one of its own. The configured one, if there is."""
    if url := os.environ.get("PREFECT_API_URL"):
        yield url
        return
    home.mkdir()
    port = 20_000 + os.getpid() % 20_000
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.serving.server_process", str(home), str(port)], cwd=ROOT,
            stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}/api"
    try:
        while True:
            try:
                httpx.get(f"{url}/health", timeout=5, trust_env=False)
                break
            except httpx.TransportError:
                time.sleep(0.2)
        yield url
    finally:
        process.kill()
        process.wait()


def prepare(folder: Path, url: str) -> Setting:
    """The projects that are copied for every fault, and what a run takes that nothing disturbs."""
    unmade = Project(folder / "unmade", url)
    unmade.write()
    # What every run would import; before Prefect is, its settings are those of a run.
    os.environ.update(PREFECT_API_URL=url, PREFECT_HOME=str(folder / "home"), PREFECT_SERVER_ANALYTICS_ENABLED="false")
    import dvc.cli  # noqa: F401

    import team.cli  # noqa: F401

    unmade.call("dvc", "repro", "-q", "-s", "check")
    made = unmade.copy(folder / "a")
    begin = time.monotonic()
    run = made.start("flow")
    while not (made.folder / "command.log").is_file():
        time.sleep(0.05)
    begun = time.monotonic() - begin
    code = made.wait(run)
    undisturbed = time.monotonic() - begin
    if code:
        sys.exit(f"the undisturbed run ended with {code}: {made.said()}")
    (folder / "remote").mkdir()
    for words in (("share", "init", str(folder / "remote")), ("push",)):
        code, said = made.call("prefactor", *words)
        if code:
            sys.exit(f"prefactor {words[0]} ended with {code}: {said}")
    made.git("add", "-A")
    made.git("commit", "-qm", "made")
    return Setting(unmade, made, folder, undisturbed, begun)


def may_be_planted(name: str, folder: Path) -> bool:
    """Whether this user has the right that the fault needs."""
    may = name not in ("full-disk", "read-only-cache") or disks.can_mount(folder)
    if not may:
        print(f"{name}: skipped: this user may not mount a file system", flush=True)
    return may


def tell(name: str, planted: list[Planted]) -> None:
    """On the terminal, all that is not as it should be."""
    for number, each in enumerate(planted):
        odd = {key: value for key, value in asdict(each).items() if value and key not in ("seconds", "said")}
        if odd:
            print(f"  {name} {number}: {odd} ({each.said})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("fault", nargs="*", help=", ".join(FAULTS))
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--more", action="store_true", help="add to what an earlier call has kept")
    parser.add_argument("--dry", action="store_true", help="keep nothing, and write no page")
    words = parser.parse_args()
    unknown = [name for name in words.fault if name not in FAULTS]
    if unknown:
        parser.error(f"{unknown[0]}: no such fault; there are {', '.join(FAULTS)}")
    bad, folder = 0, Path(tempfile.mkdtemp(prefix="faults"))
    try:
        with prefect_server(folder / "home") as url:
            setting = prepare(folder, url)
            print(f"undisturbed: {setting.undisturbed:.1f} s, first stage after {setting.begun:.1f} s", flush=True)
            names = [name for name in words.fault or FAULTS if may_be_planted(name, folder)]
            for done in range(0, words.times, AT_ONCE):  # a few of each, so that all have come up wherever it stops
                for name in names:
                    begin = time.monotonic()
                    dice = random.Random(f"{words.seed} {name} {done}")
                    planted = FAULTS[name](setting, dice, min(AT_ONCE, words.times - done))
                    print(f"{name}: {done + len(planted)}, {time.monotonic() - begin:.0f} s", flush=True)
                    tell(name, planted)
                    bad += sum(map(costs, planted))
                    if not words.dry:
                        keep(name, planted, setting.undisturbed, anew=not (done or words.more))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(f"{bad} faults cost something finished, or a person, or left something" if bad else 0)


def keep(name: str, planted: list[Planted], undisturbed: float, anew: bool) -> None:
    """Put what came of a fault to what other calls have kept, or to what this one has so far, and write the page."""
    words = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    kept = KEPT / "faults.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # several calls may run side by side
        file.seek(0)
        text = file.read()
        rows = json.loads(text) if text else {}
        if anew or name not in rows:
            rows[name] = {"planted": [], "undisturbed": undisturbed}
        rows[name]["planted"] += map(asdict, planted)
        rows[name] |= {"when": f"{datetime.now():%Y-%m-%d %H:%M}", "code": commit}
        file.truncate(0)
        file.write(json.dumps(rows, indent=1))
    write_lines(ROOT / "benchmarks/results", "faults.md", [*page(rows), ""])


if __name__ == "__main__":
    main()
