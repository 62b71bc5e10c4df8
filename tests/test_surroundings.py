"""What `make run` finds around it: it is put right, named in one line, or of no consequence, and never silent."""

import errno
import getpass
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import flows.execution
import flows.repository
import flows.waiting
from flows import surroundings
from flows.cores import _quota
from flows.errors import FlowError, StageFailed
from flows.repository import alone, check_files, free_stale_locks, settle_git
from stages.closure import fingerprint

ROOT = Path(__file__).resolve().parent.parent
REFUSED = "/dev/null/x"  # not even root makes a folder there


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to run in, and an environment that is put back."""
    before, folder = dict(os.environ), tempfile.tempdir
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    os.environ["HOME"] = str(tmp_path / "home")
    yield tmp_path
    tempfile.tempdir = folder
    os.environ.clear()
    os.environ.update(before)


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


OURS = "<<<<<<< HEAD\n"
CONFLICTS = [OURS + "a: 1\n=======\na: 2\n>>>>>>> branch\n", "a: 1\n" + OURS, OURS.replace("\n", "\r\n") + "a: 1\n",
             "<<<<<<<\na: 1\n", "a: 1\n>>>>>>> 1234567 (a commit)\n", "a: 1\n||||||| base\n"]  # fmt: skip


def test_a_folder_without_stages_is_named(here: Path) -> None:
    with pytest.raises(FlowError, match=r"^dvc.yaml is missing: run from the folder that has it"):
        check_files()


@pytest.mark.parametrize("name", ["params.yaml", "dvc.yaml", "dvc.lock", ".dvc/config"])
@pytest.mark.parametrize("content", CONFLICTS)
def test_conflict_markers_are_found(here: Path, name: str, content: str) -> None:
    (here / ".dvc").mkdir()
    (here / "dvc.yaml").touch()
    (here / name).write_bytes(content.encode())
    with pytest.raises(FlowError, match=rf"^{name}: line [12]: a merge left its conflict markers: "):
        check_files()


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"# nothing\n", b"[]\n", b"schema: '2.0'\nstages:\n  a:\n    cmd: x\n    de", b"\x00\xff",
     b"stages: {}\n",
     b"schema: '2.0'\nstages: []\n", b"schema: '2.0'\nstages:\n  a:\n", b"schema: '2.0'\nstages:\n  a: {deps: []}\n",
     b"schema: '2.0'\nstages:\n  a: {cmd: x}\n  a: {cmd: x}\n"],
)  # fmt: skip
def test_a_lock_file_that_is_not_whole_is_named(here: Path, content: bytes) -> None:
    (here / "dvc.yaml").touch()
    (here / "dvc.lock").write_bytes(content)
    with pytest.raises(FlowError, match=r"^dvc.lock is not whole: bring it back"):
        check_files()


def test_a_whole_lock_file_passes(here: Path) -> None:
    (here / "dvc.yaml").touch()
    check_files()
    (here / "dvc.lock").write_text("schema: '2.0'\nstages:\n  a: {cmd: x, outs: [{path: '======='}]}\n")
    check_files()


def rwlock(here: Path, text: str, age: float = 0.0) -> Path:
    path = here / ".dvc/tmp/rwlock"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def entry(pid: int, how: str) -> str:
    info = {"pid": pid, "cmd": "dvc repro"}
    return json.dumps({how: {"/x": info if how == "write" else [info]}})


@pytest.mark.parametrize("how", ["write", "read"])
def test_locks_of_the_living_stay(here: Path, how: str) -> None:
    path = rwlock(here, entry(os.getppid(), how))
    free_stale_locks()
    assert path.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"write": {"/x": {}}}', '{"read": {"/x": 3}}', "\x00" * 40,
                                  entry(2**22 + 5, "write"), entry(2**22 + 5, "read")])  # fmt: skip
def test_locks_that_nobody_holds_go(here: Path, text: str) -> None:
    path = rwlock(here, text)
    free_stale_locks()
    assert not path.exists()


@pytest.mark.parametrize("how", ["write", "read"])
def test_a_number_that_another_process_has_today_holds_no_lock(here: Path, how: str) -> None:
    path = rwlock(here, entry(os.getpid(), how), age=10_000_000)
    free_stale_locks()
    assert not path.exists()


HOLDS = "import time\nfrom flows.repository import alone\nwith alone():\n  print('held', flush=True)\n  time.sleep(100)"


def test_one_run_at_a_time(here: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    other = subprocess.Popen([sys.executable, "-c", HOLDS], env=env, stdout=subprocess.PIPE)
    assert other.stdout is not None
    with other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(FlowError, match=rf"another run works in {here} \(process {other.pid}\): wait"), alone():
            pass
        other.kill()
    with alone(), alone():  # the killed one's lock is gone; a flow within a run asks again
        assert Path(".runs/lock").read_text() == str(os.getpid())
    assert flows.repository._held == []


@pytest.mark.parametrize("found", ["nothing", "git", "git around", "told before"])
def test_dvc_goes_with_git_or_without(here: Path, found: str) -> None:
    project = here / "outer" / "project"
    shutil.copytree(ROOT / ".dvc", project / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache", "config.local"))
    if found.startswith("git"):
        subprocess.run(["git", "init", "-q"], cwd=project if found == "git" else here / "outer", check=True)
    if found == "told before":
        (project / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")
    os.chdir(project)
    lines = settle_git()
    assert len(lines) == (found in ("nothing",)), lines
    from dvc.repo import Repo

    with Repo(".") as repo:
        assert bool(repo.config["core"].get("no_scm")) == (found in ("nothing", "told before"))
        assert repo.scm is not None
    assert settle_git() == []


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
    from flows.dag import Dag

    for error in (BrokenPipeError(errno.EPIPE, "Broken pipe"), OSError(errno.ENOSPC, "No space left on device")):
        monkeypatch.chdir(tmp_path)
        execution = flows.execution.Execution(Dag({"corpus": ()}, frozenset({"corpus"})), 1)

        class Gone(io.StringIO):
            def flush(self, error: OSError = error) -> None:
                raise error

        with monkeypatch.context() as patch, pytest.raises(FlowError, match="the output cannot be written"):
            patch.setattr(sys, "stdout", Gone())
            execution.announce()
        assert execution.failure is not None and execution.failure.code == 130


def test_a_stage_that_cannot_be_started_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from flows.dag import Dag

    monkeypatch.chdir(tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(flows.execution.subprocess, "Popen", refuse)
    execution = flows.execution.Execution(Dag({"corpus": ()}, frozenset({"corpus"})), 1)
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
    from flows.flow import _stopping

    before = signal.signal(ignored, signal.SIG_IGN)
    try:
        with _stopping(None):  # type: ignore[arg-type]
            assert signal.getsignal(ignored) is signal.SIG_IGN
            assert callable(signal.getsignal(signal.SIGTERM))
    finally:
        signal.signal(ignored, before)


def test_no_silence_is_long(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert flows.waiting.FIRST <= 10
    monkeypatch.setattr(flows.waiting, "FIRST", 0.05)
    with flows.waiting.waiting("this"):
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


PYTHONS = ("python3.13", "python3.12", "python3.11", "python3", "python")


def set_up(folder: Path, scripts: dict[str, str]) -> tuple[int, str]:
    """``scripts/setup.sh`` in ``folder``, on a PATH with plain tools and ``scripts`` alone."""
    path = folder.parent / "bin"
    path.mkdir()
    for tool in ("sh", "awk", "df", "id", "rm", "ls", "touch", "mkdir"):
        (path / tool).symlink_to(str(shutil.which(tool)))
    for name, text in scripts.items():
        (path / name).write_text(f"#!/bin/sh\n{text}\n")
        (path / name).chmod(0o755)
    done = subprocess.run(
        ["sh", str(ROOT / "scripts/setup.sh"), ".venv/.installed"], cwd=folder, env={"PATH": str(path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


OLD = "case $1 in -V) echo Python 3.10.12;; *) exit 1;; esac"
MAKES = """case $1-$2 in -m-venv)
    mkdir -p .venv/bin
    printf "#!/bin/sh\\n%s\\n" "{inner}" > .venv/bin/python
    /bin/chmod +x .venv/bin/python;;
esac"""


@pytest.mark.parametrize(
    ("name", "scripts", "said"),
    [
        ("x", {}, "Python 3.11 or newer is needed and PATH has"),
        ("x", {"python3": OLD}, "Python 3.11 or newer is needed and PATH has Python 3.10.12"),
        ("x", {"python3": "exit 127"}, "Python 3.11 or newer is needed and PATH has no python3"),
        ("a:b", {"python3": "exit 0"}, "has a colon"),
        ("x", {"python3": "exit 1", "python": 'test "$2" != venv'}, "cannot make a virtual environment"),
        ("x y", {"python3.12": MAKES.format(inner='test \\$2 != pip')}, ".venv has no pip"),
        ("é #", {"python3": MAKES.format(inner='test \\$3 != install')}, "the installation failed as said above"),
    ],
)  # fmt: skip
def test_setting_up_refuses_in_one_line(tmp_path: Path, name: str, scripts: dict[str, str], said: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    code, text = set_up(folder, scripts)
    last = text.splitlines()[-1]
    assert code == 1 and last.startswith("prefactor: error: ") and said in last, text
    assert not (folder / ".venv/.installed").exists()
