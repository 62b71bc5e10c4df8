"""The Prefect flow and plain DVC on a pipeline of shell commands: same files, nothing lost, nothing left running."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml

from tests.small import ROOT, WAITING, ended, wait_for


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
