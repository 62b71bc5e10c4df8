"""A small real project to break: shell commands as stages, the real flow over them, and what a run must leave."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

ROOT = Path(__file__).resolve().parents[2]
MARK = "FAULTS_OF"  # in the environment of every process of a project: by it they are found again
STAGES = ("decompose", "edit@first", "edit@second", "report")
HUNG = -1000
LINGER = 15.0  # seconds in which what a dead run has started must have ended

# Each command writes in two pieces with a pause between, as a real stage would, and tells `made.log` when it ended. One
# of them does not end when it is asked to.
DAG = """
stages:
  check:
    cmd: mkdir -p data/check && echo checked > data/check/all.txt
    deps: [code.txt]
    outs: [data/check]
  decompose:
    cmd: sh work.sh decompose data/decompose/parts/u.txt words.txt data/decompose/parts/v.txt data/decompose/curve.txt
    deps: [words.txt, data/check/all.txt]
    outs: [data/decompose/parts, data/decompose/curve.txt]
  edit:
    foreach: ${edits}
    do:
      cmd: sh work.sh edit@${key} data/edit/${key}/out.txt data/decompose/parts/u.txt
        data/edit/${key}/${item.method}.txt
      deps: [data/decompose/parts]
      params: ["edits.${key}"]
      outs: ["data/edit/${key}"]
  report:
    cmd: cat data/edit/*/out.txt > all.log && sh work.sh report data/report/out.txt all.log
    deps: [data/edit]
    outs: [data/report/out.txt]
"""
WORK = """set -e
stage=$1 out=$2 read=$3; shift 3
echo $$ > command.log
if [ $stage = edit@first ]; then trap '' TERM; fi
mkdir -p $(dirname $out)
head -c 20000 $read > $out
sleep 0.4
if [ "$(cat hang.log 2> /dev/null)" = $stage ]; then sleep 600; fi
tail -c +20001 $read >> $out
echo $stage >> $out
for more; do echo $more > $more; done
echo $stage >> made.log
"""
IGNORED = "/data/\n/.runs/\n*.log\n"


class Project:
    """A folder with such a project; its processes carry the folder's own mark."""

    def __init__(self, folder: Path, server: str) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "PREFACTOR_"))}
        self.env = {
            **kept, "PATH": path, "PYTHONPATH": str(ROOT), MARK: self.mark, "PREFECT_API_URL": server,
            "DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
            "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org",
        }  # fmt: skip
        if not server:
            del self.env["PREFECT_API_URL"]

    def write(self) -> None:
        """Lay the sources down and commit them; nothing is made."""
        self.folder.mkdir(parents=True)
        params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        one = params["edits"]["scalar"]
        params["edits"] = {"first": one, "second": one}
        params["report"]["edit"], params["report"]["controls"] = "first", []
        plain = json.loads(json.dumps(params))  # no anchors
        contents = {
            "params.yaml": yaml.safe_dump(plain), "dvc.yaml": DAG, "work.sh": WORK, "code.txt": "code\n",
            "words.txt": "".join(f"word {n}\n" for n in range(10_000)), ".gitignore": IGNORED,
        }  # fmt: skip
        for name, text in contents.items():
            (self.folder / name).write_text(text, encoding="utf-8")
        self.git("init", "-q", "-b", "main")
        self.call("dvc", "init", "-q")
        self.call("dvc", "config", "-q", "core.autostage", "false")
        self.git("add", "-A")
        self.git("commit", "-qm", "begun")

    def copy(self, folder: Path) -> "Project":
        """The same at another place."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder, self.env.get("PREFECT_API_URL", ""))

    def start(self, *words: str, log: str = "run.log") -> int:
        """Start one of MAINS with its words in the folder; returns its number. Its output goes to ``log``, anew, which
        lies beside the folder: a full disk must not swallow what is said of it.

        Not by a new interpreter, which imports for ten seconds where the machine is busy, but by a fork of this one.
        """
        sys.stdout.flush()
        pid = os.fork()
        if pid:
            return pid
        code = 70
        try:
            os.setsid()
            signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal
            os.chdir(self.folder)
            os.environ.clear()
            os.environ.update(self.env)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            out = os.open(self._log(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(out, 1)
            os.dup2(out, 2)
            sys.stdout = sys.__stdout__ = os.fdopen(1, "w", encoding="utf-8", closefd=False)
            sys.stderr = sys.__stderr__ = os.fdopen(2, "w", encoding="utf-8", closefd=False)
            code = MAINS[words[0]](list(words[1:]))
        except BaseException:
            traceback.print_exc()
        finally:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError):
                    stream.flush()
            os._exit(code)

    def clone(self, folder: Path) -> "Project":
        """A fresh clone, as a teammate has it."""
        self.git("clone", "-q", str(self.folder), str(folder))
        return Project(folder, self.env.get("PREFECT_API_URL", ""))

    def wait(self, pid: int, seconds: float = 240) -> int:
        """Exit code of what was started, below 0 for a signal; it is killed, for -1000, if it takes longer."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return HUNG

    def call(self, *words: str, seconds: float = 240) -> tuple[int, str]:
        """The same to its end: exit code and output."""
        return self.wait(self.start(*words), seconds), self.said()

    def flow(self) -> tuple[int, str]:
        return self.call("flow")

    def said(self, log: str = "run.log") -> str:
        return self._log(log).read_text(encoding="utf-8", errors="replace")

    def _log(self, log: str) -> Path:
        return self.folder.with_name(f"{self.folder.name}.{log}")

    def git(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *words], cwd=self.folder, env=self.env, check=check, capture_output=True, encoding="utf-8"
        )

    def made(self) -> Counter[str]:
        """How often the command of each stage has ended well."""
        log = self.folder / "made.log"
        return Counter(log.read_text(encoding="utf-8").split()) if log.is_file() else Counter()

    def finished(self) -> set[str]:
        """Stages that the last run said are done, and those that ``dvc.lock`` knows."""
        said = {line.split()[2] for line in self.said().splitlines() if line.startswith("[") and " done in " in line}
        try:
            lock = YAML(typ="safe").load((self.folder / "dvc.lock").read_text(encoding="utf-8"))
        except (OSError, YAMLError):
            return said
        return said | set((lock or {}).get("stages") or {})

    def result(self) -> dict[str, object]:
        """Every byte that a finished run leaves, and what it recorded."""
        files = [path for path in (self.folder / "data").rglob("*") if path.is_file()]
        found: dict[str, object] = {str(path.relative_to(self.folder)): path.read_bytes() for path in files}
        lock = self.folder / "dvc.lock"
        found["dvc.lock"] = YAML(typ="safe").load(lock.read_text(encoding="utf-8")) if lock.is_file() else None
        return found

    def processes(self, mark: str = "") -> list[psutil.Process]:
        """Those that live and have this mark, or the present one."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == (mark or self.mark) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def remark(self) -> str:
        """Give the processes to come a mark of their own, and return it."""
        self.mark = self.env[MARK] = uuid.uuid4().hex
        return self.mark

    def remove(self) -> None:
        """Take the folder away."""
        shutil.rmtree(self.folder)

    def orphans(self, mark: str) -> list[str]:
        """What still lives LINGER seconds after the run of this mark has ended; it is ended."""
        until = time.monotonic() + LINGER
        while (left := self.processes(mark)) and time.monotonic() < until:
            time.sleep(0.1)
        said = []
        for process in left:
            try:
                said.append(" ".join(process.cmdline())[:200])
                process.kill()
            except psutil.Error:
                continue
        return said


def _flow(words: list[str]) -> int:
    from flows.pipeline import main

    return main(words)


def _prefactor(words: list[str]) -> int:
    from team.cli import app

    try:
        app(words, prog_name="prefactor")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0


def _dvc(words: list[str]) -> int:
    from dvc.cli import main

    return main(words)


def _stage(words: list[str]) -> int:
    from flows.run.group import Group

    group = Group("flows.run.stage_process", words[0])
    for line in group.lines():
        print(line)
    return group.report()["code"]


MAINS: dict[str, Callable[[list[str]], int]] = {"flow": _flow, "prefactor": _prefactor, "dvc": _dvc, "stage": _stage}
