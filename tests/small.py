"""A pipeline of shell commands that copy text, for tests of what runs it."""

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import yaml

ROOT = Path(__file__).resolve().parent.parent
WAITING = re.compile(r"prefactor: .*: \d+ s\n")  # said where the machine is busy

DAG = """
stages:
  check:
    cmd: python -m stages.check
    deps: [params.yaml, prefactor, stages]
    outs: [data/check]
  corpus:
    cmd: mkdir -p data/corpus && cp words.txt data/corpus/out.txt && echo made >> corpus.log && sh hold.sh
    deps: [words.txt, data/check/corpus.txt]
    outs: [data/corpus/out.txt]
  edit:
    foreach: ${edits}
    do:
      cmd: mkdir -p data/edit/${key} && cat data/corpus/out.txt ${key}.txt > data/edit/${key}/out.txt
      deps: [data/check/corpus.txt, data/corpus/out.txt, "${key}.txt"]
      params: ["edits.${key}"]
      outs: ["data/edit/${key}/out.txt"]
  report:
    cmd: mkdir -p data/report && cat data/edit/*/out.txt > data/report/out.txt && echo made >> report.log
    deps: [data/check/corpus.txt, data/edit]
    outs: [data/report/out.txt]
"""


def make_project(project: Path, *packages: str) -> Path:
    """A DVC repository with the real params, two edits, stages that copy text, and the code of ``packages``."""
    project.mkdir()
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    one = next(iter(params["edits"].values()))
    params["edits"] = {"first": one, "second": one}
    params["report"] = {"edit": "first"}
    (project / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    (project / "dvc.yaml").write_text(DAG, encoding="utf-8")
    (project / "words.txt").write_text("words\n")
    (project / "hold.sh").write_text("")
    for name in ("first", "second"):
        (project / f"{name}.txt").write_text(f"{name}\n")
    (project / ".gitignore").write_text("/data/\n/.runs/\n*.log\n")
    for package in ("prefactor", "stages", *packages):  # the check hashes the code of the former two
        shutil.copytree(ROOT / package, project / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".dvcignore", project / ".dvcignore")
    shutil.copytree(ROOT / ".dvc", project / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache"))
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    return project


def hears_interrupts() -> None:
    """As in a terminal: what a shell begins in the background ignores SIGINT, and so does all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"still waiting after {seconds} s"
        time.sleep(0.05)
