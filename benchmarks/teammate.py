"""What a teammate waits for: ``python -m benchmarks.teammate`` after a finished run that is committed.

For each kind of remote that this machine can serve on loopback: who made the run pushes it; a fresh clone wants (a) the
page, (b) the page after one edit was changed. Bytes are those that the clone's cache gains. ``--full KIND`` makes the
changed edit, too; elsewhere (b) ends when all that its stages read is there.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common import markdown, write_lines
from flows.run.cores import cores
from team.plan import size
from tests.remotes import KINDS, Missing, Remote, serve

DEAR = (
    "corpus",
    "target",
    "locate",
    "decompose",
    "importance",
    "harvest",
    "effects",
    "label",
    "candidates",
    "baseline",
)
PREFACTOR = "from team.cli import main; main()"
SUPPLY = "from flows.run.dag import check_code; check_code(); from flows.supply.supply import supply; supply()"
CHANGE = (re.compile(r"^(  zero-token:.*\n.*kl: )0\.02", re.MULTILINE), r"\g<1>0.03")
RESULTS = Path("benchmarks/results")


@dataclass(frozen=True)
class Wait:
    """What a teammate had to wait for."""

    downloaded: int  # bytes
    stages: list[str]  # that ran, or would
    dry: float  # seconds of ``prefactor repro --dry``
    fetched: float  # seconds until what is read was there; the plan included
    all: float | None  # seconds of ``prefactor repro``


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, default=Path("."), help="a finished run, all of it committed")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--full", choices=KINDS, default="s3", help="where the changed edit is made")
    words = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in words.kinds:
            place = Path(folder, kind)
            place.mkdir()
            try:
                with serve(kind, place) as remote:
                    rows += measured(kind, remote, words.project, place, kind == words.full)
            except Missing as missing:
                print(f"{kind}: this machine lacks {missing}", file=sys.stderr)
            shutil.rmtree(place)
            write_lines(RESULTS, "teammate.md", page(rows))


def measured(kind: str, remote: Remote, project: Path, place: Path, full: bool) -> list[dict[str, str]]:
    """The rows of one remote."""
    ada, grace = place / "ada", place / "grace"
    run(["git", "clone", "-q", str(project.absolute()), str(ada)], place)
    shutil.copytree(project / ".dvc/cache", ada / ".dvc/cache")
    own = [word for option in remote.options for word in ("--set", option)]
    prefactor(ada, "share", "init", remote.url, "--replace", *own)
    sent, _ = prefactor(ada, "push")
    run([*GIT, "commit", "-qam", "shared"], ada)
    rows = []
    for what in ("the page", "an edit changed"):
        run(["git", "clone", "-q", str(ada), str(grace)], place)
        prefactor(grace, "share", "init", remote.url, *own)
        if what != "the page":
            params = grace / "params.yaml"
            text, changes = CHANGE[0].subn(CHANGE[1], params.read_text(encoding="utf-8"))
            assert changes == 1
            params.write_text(text, encoding="utf-8")
        found = waited(grace, what == "the page" or full)
        print(kind, what, found, flush=True)
        rows.append(row(kind, what, sent if what == "the page" else None, found))
        shutil.rmtree(grace)
    return rows


def waited(clone: Path, all_: bool) -> Wait:
    """Plan, fetch and, if asked for, make what a clone lacks."""
    dry, said = prefactor(clone, "repro", "--dry")
    stages = re.findall(r"^│ (\S+) +│", said, re.MULTILINE)
    before = cached(clone)
    fetched, _ = python(clone, SUPPLY)
    gained = cached(clone) - before
    whole = None
    if all_:
        rest, said = prefactor(clone, "repro", "--yes")
        whole = fetched + rest
        assert "page: " in said
    return Wait(gained, stages, dry, fetched, whole)


def row(kind: str, what: str, sent: float | None, found: Wait) -> dict[str, str]:
    dear = [stage for stage in found.stages if stage.split("@")[0] in DEAR]
    return {
        "remote": kind, "wanted": what, "push, s": "" if sent is None else f"{sent:.0f}",
        "downloaded": size(found.downloaded),
        "stages to make": str(len(found.stages)), "dear among them": str(len(dear)),
        "`repro --dry`, s": f"{found.dry:.0f}", "plan and fetch, s": f"{found.fetched:.0f}",
        "in all, s": "" if found.all is None else f"{found.all:.0f}",
    }  # fmt: skip


def page(rows: list[dict[str, str]]) -> list[str]:
    return [
        "# What a teammate waits for",
        "",
        "`python -m benchmarks.teammate`: a finished run of the default is pushed to a real server of each kind on",
        "loopback (OpenSSH's, moto's S3, WsgiDAV), and a fresh clone wants its page, then the page after one edit was",
        f"changed (`zero-token`, another divergence). {cores()} CPU cores with a load of {os.getloadavg()[2]:.0f} over",
        "the last quarter of an hour, so seconds are of a machine that does much else; bytes and stages are exact.",
        "Plan and fetch is once more all that `--dry` does, then the transfer; in all is that and a `prefactor repro`.",
        "",
        *markdown(rows),
        "",
    ]


def prefactor(folder: Path, *words: str) -> tuple[float, str]:
    return python(folder, PREFACTOR, *words)


def python(folder: Path, code: str, *words: str) -> tuple[float, str]:
    """Seconds and standard output of a command in ``folder``, by the code that is there."""
    begun = time.monotonic()
    said = run([sys.executable, "-c", code, *words], folder)
    return time.monotonic() - begun, said


def run(words: list[str], folder: Path) -> str:
    env = {**os.environ, "PYTHONPATH": str(folder.absolute())}
    done = subprocess.run(
        words, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(words[:6])}: {done.stderr}")
    return done.stdout


def cached(clone: Path) -> int:
    return sum(file.stat().st_size for file in (clone / ".dvc/cache/files").rglob("*") if file.is_file())


GIT = ["git", "-c", "user.name=ada", "-c", "user.email=ada@example.org"]

if __name__ == "__main__":
    main()
