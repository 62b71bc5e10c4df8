"""A small DAG of shell commands in a git repository, and clones of it: what a team shares, without a model."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flows.around.environment import _inherited

ROOT = Path(__file__).resolve().parent.parent

DAG = """
stages:
  check:
    cmd: mkdir -p data/check && echo checked > data/check/all.txt
    deps: [code.txt]
    outs: [data/check]
  decompose:
    cmd: mkdir -p data/decompose/parts && cp words.txt data/decompose/parts/u.txt && echo v > data/decompose/parts/v.txt
      && echo curve > data/decompose/curve.txt && echo made >> decompose.log
    deps: [words.txt, data/check/all.txt]
    outs: [data/decompose/parts, data/decompose/curve.txt]
  edit:
    foreach: ${edits}
    do:
      cmd: mkdir -p data/edit/${key} && echo ${key} >> edit.log
        && (cat data/decompose/parts/u.txt && echo ${item.alpha}) > data/edit/${key}/out.txt
      deps: [data/decompose/parts]
      params: ["edits.${key}"]
      outs: ["data/edit/${key}/out.txt"]
  report:
    cmd: mkdir -p data/report && cat data/edit/*/out.txt > data/report/out.txt && echo made >> report.log
    deps: [data/edit]
    outs: [data/report/out.txt]
"""
PARAMS = """edits:
  first: {alpha: -1} # the first
  second: {alpha: -2}
"""


def git(folder: Path, *words: str, check: bool = True) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    done = subprocess.run(
        ["git", *who, *words], cwd=folder, check=check, capture_output=True, encoding="utf-8", errors="replace"
    )
    return done.stdout


def dvc(folder: Path, *words: str) -> None:
    env = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    subprocess.run([sys.executable, "-m", "dvc", *words, "-q"], cwd=folder, env=env, check=True)


def make_project(folder: Path, dag: str = DAG, params: str = PARAMS) -> None:
    """A repository whose DAG was run once, all of it committed."""
    folder.mkdir()
    (folder / "dvc.yaml").write_text(dag, encoding="utf-8")
    (folder / "params.yaml").write_text(params, encoding="utf-8")
    (folder / "words.txt").write_text("words\n" * 1000, encoding="utf-8")
    (folder / "code.txt").write_text("code\n", encoding="utf-8")
    (folder / ".gitignore").write_text("/data/\n/.runs/\n*.log\n", encoding="utf-8")
    git(folder, "init", "-q", "-b", "main")
    dvc(folder, "init")
    dvc(folder, "config", "core.autostage", "false")
    dvc(folder, "repro")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "made")


@contextmanager
def copied(made: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of a project in ``folder``, which is the current one; what it starts finds this repository's code."""
    shutil.copytree(made, folder, symlinks=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    _inherited.cache_clear()
    yield folder
    _inherited.cache_clear()


def flip(path: Path) -> None:
    """Change one bit and leave the file's size, mode and time as they were, as a disk does."""
    was = path.stat()
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    path.chmod(was.st_mode)
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
