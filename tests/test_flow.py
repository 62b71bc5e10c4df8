"""The Prefect flow and plain DVC on a pipeline of shell commands: same files, nothing lost, nothing left running."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
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


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A DVC repository with the real params, two edits, and stages that copy text."""
    project = tmp_path / "project"
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
    for package in ("prefactor", "stages"):  # whose code the check hashes
        shutil.copytree(ROOT / package, project / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".dvcignore", project / ".dvcignore")
    shutil.copytree(ROOT / ".dvc", project / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache"))
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    return project


def _hears_interrupts() -> None:
    """As in a terminal: what a shell begins in the background ignores SIGINT, and so does all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def start(project: Path, prefect_env: dict[str, str]) -> Callable[..., subprocess.Popen[str]]:
    """Start ``python -m ...`` in the project, the way a shell with the environment activated would."""
    path = os.pathsep.join([str(Path(sys.executable).parent), prefect_env["PATH"]])
    env = {**prefect_env, "PATH": path, "PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1"}

    def start(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", *words]
        return subprocess.Popen(
            command, cwd=project, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=_hears_interrupts,
        )  # fmt: skip

    return start


@pytest.fixture
def call(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., tuple[int, str]]:
    """The same to its end: exit code and output."""

    def call(*words: str) -> tuple[int, str]:
        process = start(*words)
        output, _ = process.communicate(timeout=120)
        lines = [line for line in output.splitlines(keepends=True) if not WAITING.fullmatch(line)]
        return process.returncode, "".join(lines)

    return call


def files(project: Path) -> dict[str, str]:
    """Every output and the lock file, as text."""
    paths = [*(project / "data").rglob("*.txt"), project / "dvc.lock"]
    return {path.relative_to(project).as_posix(): path.read_text() for path in sorted(paths) if path.is_file()}


def test_the_flow_and_dvc_rerun_what_changed_and_leave_the_same_files(project: Path, call) -> None:
    code, output = call("flows.pipeline")
    assert code == 0, output
    assert files(project)["data/report/out.txt"] == "words\nfirst\nwords\nsecond\n"

    code, output = call("dvc", "repro")
    assert code == 0 and "up to date" in output
    assert (project / "report.log").read_text() == "made\n"

    code, output = call("flows.pipeline")
    assert code == 0 and output == "all 5 stages are up to date\n"

    (project / "second.txt").write_text("other\n")
    code, output = call("flows.pipeline")
    assert code == 0, output
    assert {line.split()[2] for line in output.splitlines() if " done in " in line} == {"edit@second", "report"}
    by_flow = files(project)
    assert by_flow["data/report/out.txt"] == "words\nfirst\nwords\nother\n"
    assert (project / "corpus.log").read_text() == "made\n"

    # DVC from nothing, without what it remembers of the flow's run.
    shutil.rmtree(project / "data")
    shutil.rmtree(project / ".dvc" / "cache")
    (project / "dvc.lock").unlink()
    code, output = call("dvc", "repro")
    assert code == 0, output
    by_dvc = files(project)
    assert yaml.safe_load(by_dvc.pop("dvc.lock")) == yaml.safe_load(by_flow.pop("dvc.lock"))
    assert by_dvc == by_flow


def test_a_failing_stage_is_named_and_the_others_are_kept(project: Path, call) -> None:
    (project / "second.txt").unlink()
    (project / "second.txt").mkdir()  # cat cannot read a folder
    code, output = call("flows.pipeline")
    last = output.splitlines()[-1]
    assert code == 1
    assert last.startswith("prefactor: error: stage edit@second failed (exit code 1): cat: second.txt")
    assert "Traceback" not in output
    assert (project / "data/edit/first/out.txt").read_text() == "words\nfirst\n"
    assert not (project / "data/report/out.txt").exists()

    (project / "second.txt").rmdir()
    (project / "second.txt").write_text("second\n")
    assert call("flows.pipeline")[0] == 0
    assert (project / "corpus.log").read_text() == "made\n"


@pytest.mark.parametrize("command", [("flows.pipeline",), ("dvc", "repro")])
def test_wrong_params_leave_everything_as_it_is(project: Path, call, command: tuple[str, ...]) -> None:
    assert call("dvc", "repro")[0] == 0
    before = files(project)
    shutil.copy(project / "params.yaml", project / "params.before")
    params = yaml.safe_load((project / "params.yaml").read_text())
    params["edits"]["second"] = {**params["edits"]["second"], "methud": "scalar"}
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    (project / "words.txt").write_text("other words\n")  # a reason to rerun everything
    code, output = call(*command)
    if command == ("flows.pipeline",):
        assert code == 2
        assert output == (
            'prefactor: error: params.yaml: edits.second.methud = "scalar": unknown key; did you mean `method`?\n'
        )
    else:  # DVC has an exit code of its own, and removed the output of the gate before running it
        assert code != 0 and "did you mean `method`?" in output
        before = {name: text for name, text in before.items() if not name.startswith("data/check/")}
    assert files(project) == before

    # Put right, nothing reruns but the check itself.
    shutil.copy(project / "params.before", project / "params.yaml")
    (project / "words.txt").write_text("words\n")
    code, output = call("flows.pipeline")
    assert code == 0 and " started" not in output


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_flow_takes_its_stages_down(project: Path, start, sign: signal.Signals) -> None:
    (project / "hold.sh").write_text("echo $$ > pid.log; echo holding; exec sleep 600\n")
    flow = start("flows.pipeline")
    pid_file = project / "pid.log"
    wait_for(lambda: pid_file.is_file() and pid_file.read_text().strip() != "", 120)
    stage = psutil.Process(int(pid_file.read_text()))
    flow.send_signal(sign)
    output, _ = flow.communicate(timeout=120)  # a loaded machine, too
    wait_for(lambda: ended(stage), 20)
    assert flow.returncode == (-9 if sign == signal.SIGKILL else 130), output
    if sign != signal.SIGKILL:
        assert output.splitlines()[-1].startswith("prefactor: error: stopped")
        assert "Traceback" not in output


@pytest.mark.timeout(1200)
def test_a_run_gets_through_poor_surroundings(project: Path) -> None:
    """All at once: no git, a Prefect server that is gone, proxies to nowhere, no home, an ASCII terminal, no shell."""
    shutil.rmtree(project / ".git")
    nowhere = "http://127.0.0.1:1"
    env = {
        **os.environ, "PYTHONPATH": str(ROOT), "PREFECT_API_URL": f"{nowhere}/api", "HTTP_PROXY": nowhere,
        "http_proxy": nowhere, "HTTPS_PROXY": nowhere, "ALL_PROXY": "socks5://127.0.0.1:1", "HOME": "/dev/null",
        "PREFECT_HOME": "/dev/null/x", "TMPDIR": "/dev/null/x", "XDG_CACHE_HOME": "/proc/x", "SHELL": "/bin/false",
        "DVC_SITE_CACHE_DIR": "/dev/null/x", "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PREFACTOR_THREAD": "é",
    }  # fmt: skip
    for name in ("NO_PROXY", "no_proxy", "PREFECT_PROFILES_PATH"):
        env.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-m", "flows.pipeline"], cwd=project, env=env, stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "Traceback" not in done.stdout, done.stdout
    assert files(project)["data/report/out.txt"] == "words\nfirst\nwords\nsecond\n"
    notes = [line for line in done.stdout.splitlines(keepends=True) if line.startswith("prefactor: ")]
    first, second, third = (line for line in notes if not WAITING.fullmatch(line))
    assert first == "prefactor: PREFACTOR_THREAD is set, and nothing reads it: did you mean PREFACTOR_THREADS?\n"
    assert second.startswith("prefactor: no git repository here: DVC goes without")
    assert third.startswith(f"prefactor: PREFECT_API_URL={nowhere}/api: no Prefect server to work with (")
    assert third.endswith("this run takes a server of its own and goes on\n")


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
