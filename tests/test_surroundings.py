"""What `make run` finds around it: it is put right, named in one line, or of no consequence, and never silent."""

import errno
import getpass
import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import flows.around.repository
import flows.around.waiting
import flows.run.execution
import flows.run.group
from flows.around import surroundings
from flows.around.errors import FlowError, StageFailed
from flows.run.cores import _quota
from stages.closure import fingerprint

ROOT = Path(__file__).resolve().parent.parent
REFUSED = "/dev/null/x"  # not even root makes a folder there


@pytest.mark.parametrize("home", [None, "", "/dev/null", REFUSED, "/nonexistent", "relative"])
def test_there_is_always_a_home(here: Path, home: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if home is None:
        del os.environ["HOME"]
        monkeypatch.setattr(os.path, "expanduser", lambda path: os.environ.get("HOME", path))  # no line in passwd
    else:
        os.environ["HOME"] = home
    surroundings.settle()
    assert os.path.isdir(os.environ.get("HOME") or os.path.expanduser("~"))
    assert surroundings.writable(Path(os.environ["PREFECT_HOME"]))


@pytest.mark.parametrize(
    "variable", ["PREFECT_HOME", "PREFECT_PROFILES_PATH", "XDG_CACHE_HOME", "HF_HOME", "DVC_SITE_CACHE_DIR", "TMPDIR"]
)
@pytest.mark.parametrize("value", [REFUSED, "/proc/x", ""])
def test_what_cannot_be_written_is_replaced(here: Path, variable: str, value: str) -> None:
    os.environ[variable] = value
    tempfile.tempdir = None
    surroundings.settle()
    now = os.environ.get(variable)
    if variable == "PREFECT_PROFILES_PATH":
        assert now and Path(now).parent.is_dir()
    else:
        assert not now or surroundings.writable(Path(now)), now


@pytest.mark.parametrize("variable", ["XDG_CONFIG_HOME", "DVC_GLOBAL_CONFIG_DIR"])
@pytest.mark.parametrize("value", [REFUSED, "/dev/null", "/proc/1/mem", ""])
def test_a_configuration_that_cannot_be_read_is_passed_over(here: Path, variable: str, value: str) -> None:
    os.environ[variable] = value
    surroundings.settle()
    from dvc.config import Config

    Config(".dvc").load()


def test_a_home_of_another_user_is_passed_over(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != os.environ["HOME"] and asked(path, mode))
    before = os.environ["HOME"]
    surroundings.settle()
    assert os.environ["HOME"] != before and os.path.isdir(os.environ["HOME"])


def test_a_user_without_a_name_gets_one(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    import pwd

    monkeypatch.setattr(pwd, "getpwuid", lambda uid: {}[uid])  # docker run --user 1234
    surroundings.settle()
    assert getpass.getuser() == str(os.getuid())


@pytest.mark.parametrize(
    ("given", "hosts"),
    [
        ({}, "127.0.0.1,localhost,::1"),
        ({"NO_PROXY": "example.org"}, "example.org,127.0.0.1,localhost,::1"),
        ({"no_proxy": " a , localhost "}, "a,localhost,127.0.0.1,::1"),
        ({"no_proxy": "*"}, "*"),
        ({"no_proxy": "", "NO_PROXY": ".corp"}, ".corp,127.0.0.1,localhost,::1"),
    ],
)
def test_loopback_goes_through_no_proxy(here: Path, given: dict[str, str], hosts: str) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        os.environ.pop(name, None)
    os.environ.update(given)
    surroundings.settle()
    assert (os.environ["no_proxy"], os.environ["NO_PROXY"]) == (hosts, hosts)


@pytest.mark.parametrize("folder", ["data", ".dvc", ".dvc/tmp", ".runs"])
@pytest.mark.parametrize("number", [None, errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT])
def test_a_folder_that_cannot_be_written_is_named(
    here: Path, folder: str, number: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if number is None:
        (here / folder).parent.mkdir(exist_ok=True)
        (here / folder).write_text("a file")
    else:
        made = tempfile.TemporaryFile

        def refuse(dir: Path) -> object:  # root may write anywhere
            if dir == Path(folder):
                raise OSError(number, os.strerror(number), "/made/up")
            return made(dir=dir)

        monkeypatch.setattr(surroundings.tempfile, "TemporaryFile", refuse)
    with pytest.raises(FlowError, match=f"^{here / folder}: ") as caught:
        surroundings.settle()
    assert "\n" not in str(caught.value)


def test_a_disk_that_is_nearly_full_is_named(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(here)._replace(free=7_000_000)
    monkeypatch.setattr(surroundings.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(FlowError, match=f"7 MB are free on the disk of {here}"):
        surroundings.settle()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu.max": "150000 100000"}, 1.5),
        ({"a/b/cpu.max": "400000 100000", "a/cpu.max": "200000 100000"}, 2.0),
        ({"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"}, 0.5),
        ({"cpu/a/b/cpu.cfs_quota_us": "-1", "cpu/a/b/cpu.cfs_period_us": "100000"}, None),
        ({"cpu.max": "nonsense"}, None),
        ({"cpu.max": ""}, None),
    ],
)
def test_a_container_has_as_many_cores_as_its_quota(
    tmp_path: Path, files: dict[str, str], expected: float | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    (tmp_path / "self").write_text("0::/a/b\n")
    assert _quota(tmp_path, tmp_path / "self") == expected


def test_whoever_stops_listening_stops_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from flows.run.dag import Dag

    for error in (BrokenPipeError(errno.EPIPE, "Broken pipe"), OSError(errno.ENOSPC, "No space left on device")):
        monkeypatch.chdir(tmp_path)
        execution = flows.run.execution.Execution(Dag({"corpus": ()}, frozenset({"corpus"})), 1)

        class Gone(io.StringIO):
            def flush(self, error: OSError = error) -> None:
                raise error

        with monkeypatch.context() as patch, pytest.raises(FlowError, match="the output cannot be written"):
            patch.setattr(sys, "stdout", Gone())
            execution.announce()
        assert execution.failure is not None and execution.failure.code == 130


def test_a_stage_that_cannot_be_started_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from flows.run.dag import Dag

    monkeypatch.chdir(tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(flows.run.group.subprocess, "Popen", refuse)
    execution = flows.run.execution.Execution(Dag({"corpus": ()}, frozenset({"corpus"})), 1)
    with pytest.raises(OSError):
        execution.stage("corpus")
    assert "stage corpus could not be run to its end: " in str(execution.failure) and "ulimit -u" in str(
        execution.failure
    )


@pytest.mark.parametrize("code", [-9, 137])
def test_a_stage_that_the_system_killed_says_so(code: int) -> None:
    assert "when memory runs out" in str(StageFailed("decompose", code, "  step 3"))


@pytest.mark.parametrize("ignored", [signal.SIGHUP, signal.SIGINT])
def test_nohup_is_respected(ignored: signal.Signals) -> None:
    from flows.run.reproduce import stopping

    other = signal.SIGINT if ignored == signal.SIGHUP else signal.SIGHUP
    handlers = {
        ignored: signal.SIG_IGN,
        other: signal.SIG_DFL,
    }  # the other's, too: whoever began the tests may ignore it
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        with stopping(None):  # type: ignore[arg-type]
            assert signal.getsignal(ignored) is signal.SIG_IGN
            assert callable(signal.getsignal(other)) and signal.getsignal(other) is not signal.SIG_DFL
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_no_silence_is_long(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert flows.around.waiting.FIRST <= 10
    monkeypatch.setattr(flows.around.waiting, "FIRST", 0.05)
    with flows.around.waiting.waiting("this"):
        time.sleep(0.5)
    assert capsys.readouterr().err == "prefactor: this: 0 s\n"


def test_a_checkout_has_the_same_bytes_whatever_git_is_told(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    for name in (".gitattributes", "Makefile", "scripts/setup.sh", "data/corpus/lexicon", "docs/report.png"):
        (first / name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, first / name)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "core.autocrlf=true", "-c", "core.eol=crlf"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *words], cwd=first, check=True, capture_output=True)
    subprocess.run([*git, "clone", "-q", str(first), str(second)], check=True)
    for path in (path for path in first.rglob("*") if path.is_file() and ".git" not in path.parts):
        assert (second / path.relative_to(first)).read_bytes() == path.read_bytes(), path


def test_the_code_has_the_same_hash_however_its_lines_end(tmp_path: Path) -> None:
    for package in ("prefactor", "stages"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    script = Path("stages/report.py")  # which reads templates, too
    assert fingerprint(script, tmp_path) == fingerprint(script, ROOT)
