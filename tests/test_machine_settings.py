"""What the machine and its environment may look like to any command: variables, devices, encodings, refusals."""

import errno
import os
import subprocess
import sys
import termios
from pathlib import Path

import pytest
import torch

from prefactor.errors import PrefactorError
from prefactor.machine.runtime import usable_device
from prefactor.machine.settings import check_settings, processes, shard, stage_seconds, threads
from prefactor.machine.trouble import REMEDIES, trouble

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("PREFACTOR_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("name", ["PREFACTOR_THREADS", "PREFACTOR_PROCESSES", "PREFACTOR_ACCELERATOR_STAGES"])
@pytest.mark.parametrize(
    "value", ["abc", "0", "-1", "1e9", "1000000000", "9" * 5000, "1.5", "0x2", "２", "1,2", "auto"]
)
def test_a_count_that_is_none_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(PrefactorError, match=f"{name}=.*whole number from 1 to 1024"):
        check_settings()


@pytest.mark.parametrize("value", ["abc", "0", "-1", "nan", "inf", "1e9", "5 min"])
def test_minutes_that_are_none_are_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFACTOR_STAGE_MINUTES", value)
    with pytest.raises(PrefactorError, match=f"PREFACTOR_STAGE_MINUTES={value}: write a number of minutes above 0"):
        check_settings()


@pytest.mark.parametrize(("value", "seconds"), [("", None), ("5", 300.0), (" 0.5 ", 30.0), ("1440", 86400.0)])
def test_minutes_are_read(value: str, seconds: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFACTOR_STAGE_MINUTES", value)
    assert stage_seconds() == seconds


@pytest.mark.parametrize(("value", "count"), [("", 1), (" ", 1), ("1", 1), (" 4 ", 4), ("007", 7), ("1024", 1024)])
def test_a_count_is_read(value: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFACTOR_THREADS", value)
    monkeypatch.setenv("PREFACTOR_PROCESSES", value)
    assert (threads(), processes()) == (count, count)


@pytest.mark.parametrize("value", ["yes", "true", "2", "-"])
def test_sharing_is_said_by_one_or_zero(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFACTOR_SHARD", value)
    with pytest.raises(PrefactorError, match=f"PREFACTOR_SHARD={value}: write 1 or 0"):
        shard()


@pytest.mark.parametrize(
    ("value", "hint"),
    [("gpu", "cuda"), ("cude", "cuda"), ("CUDA:x", "cpu, cuda"), ("cuda:", "cpu, cuda"), ("cuda:-1", "cpu, cuda"),
     ("meta", "cpu, cuda"), ("tpu", "cpu, cuda"), ("0", "cpu, cuda"), ("cuda:²", "cpu, cuda"), ("metal", "mps")],
)  # fmt: skip
def test_a_device_that_is_none_is_refused(value: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFACTOR_DEVICE", value)
    with pytest.raises(PrefactorError, match=f"PREFACTOR_DEVICE={value.lower()}: no such device: .*{hint}"):
        usable_device()


@pytest.mark.parametrize("value", ["cuda", "cuda:0", "cuda:7", "CUDA:99", "mps", "mps:3", "xpu", "cuda:99999999999"])
def test_a_device_that_is_not_here_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = value.lower().split(":")[0]
    if getattr(torch, kind).is_available():
        pytest.skip(f"this machine has {kind}")
    monkeypatch.setenv("PREFACTOR_DEVICE", value)
    with pytest.raises(PrefactorError, match=f"PREFACTOR_DEVICE={value.lower()}: this device cannot be used") as caught:
        usable_device()
    assert "\n" not in str(caught.value) and "are there (cpu" in str(caught.value)


@pytest.mark.parametrize("value", ["cpu", "CPU", " cpu ", "cpu:0"])
def test_the_processor_is_always_there(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFACTOR_DEVICE", value)
    assert usable_device().type == "cpu"


@pytest.mark.parametrize(
    ("name", "near"),
    [("PREFACTOR_DEVCE", "PREFACTOR_DEVICE"), ("PREFACTOR_THREAD", "PREFACTOR_THREADS"),
     ("prefactor_device", "PREFACTOR_DEVICE"), ("PREFACTOR_LLM_MODL", "PREFACTOR_LLM_MODEL"),
     ("PREFACTOR_PROCS", "PREFACTOR_PROCESSES"), ("PREFACTOR_ZZZZZZZZZZZZ", "there are PREFACTOR_DEVICE")],
)  # fmt: skip
def test_a_variable_that_nothing_reads_is_named(name: str, near: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    (line,) = check_settings()
    assert line.startswith(f"{name} is set, and nothing reads it") and near in line


@pytest.mark.parametrize("number", sorted(REMEDIES))
def test_what_the_system_refuses_is_one_line(number: int) -> None:
    line = trouble(OSError(number, os.strerror(number), "data/λ\n.bin"))
    assert line == f"data/λ⏎.bin: {os.strerror(number)}: {REMEDIES[number]}"


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"), errno.ENOSPC),
        (RuntimeError("database or disk is full"), errno.ENOSPC),
        (RuntimeError("can't start new thread"), errno.EAGAIN),
        (ValueError("[Errno 24] Too many open files: 'x'"), errno.EMFILE),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: not enough memory"), errno.ENOMEM),
        (MemoryError(), errno.ENOMEM),
    ],
)
def test_it_is_known_by_what_libraries_say(error: Exception, number: int) -> None:
    wrapped = KeyError("x")
    wrapped.__cause__ = error
    for each in (error, wrapped):
        assert (trouble(each) or "").endswith(REMEDIES[number])


@pytest.mark.parametrize("error", [KeyError("x"), FileNotFoundError(errno.ENOENT, "no", "x"), ValueError("28")])
def test_what_it_did_not_refuse_stays_an_error_of_ours(error: Exception) -> None:
    assert trouble(error) is None


SPEAKS = """
from stages.common import run
from rich.table import Table
from prefactor.cli.terminal import screen
def main():
    table = Table("λ", "é")
    table.add_row("日本語", "ß → α")
    screen().print(table)
    print("α ‖ ⏎ 🙂 \\udc80")
run(main)
"""


def call(folder: Path, code: str, streams: str = "", **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run ``code``; ``streams`` closes some of them, as a shell writes it."""
    (folder / "code.py").write_text(code, encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    words = ["bash", "-c", f'exec "$0" code.py {streams}', sys.executable]
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, check=False, timeout=120)


@pytest.mark.parametrize(
    ("streams", "variables"),
    [
        ("", {"PYTHONIOENCODING": "ascii"}),
        ("", {"PYTHONIOENCODING": "latin-1:strict"}),
        ("", {"PYTHONIOENCODING": "cp437", "COLUMNS": "20", "TERM": "dumb", "NO_COLOR": "1"}),
        ("", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
        ("", {"LC_ALL": "POSIX", "LANG": ""}),
        (">&-", {}),
        ("<&- >&- 2>&-", {}),
    ],
)
def test_any_terminal_is_written_to(tmp_path: Path, streams: str, variables: dict[str, str]) -> None:
    done = call(tmp_path, SPEAKS, streams, **variables)
    assert done.returncode == 0, done.stderr.decode()
    if not streams:
        assert b"\\udc80" in done.stdout and (b"\xce\xbb" in done.stdout or b"\\u03bb" in done.stdout)


NARROW = """
from flows.page.headline import headline
from prefactor.cli.terminal import screen
gap = {"mean": -0.2, "draws": 5, "low": -0.3, "high": 0.1, "text_low": -0.25, "text_high": -0.15}
edit = {"subcomponents": ["layers.0.self_attn.v_proj:96"], "target_ce_minus_chance": gap,
        "target_ce_minus_unigram": gap, "target": "de",
        "damage": {"de": gap, "en": gap}, "target_tokens": 4, "chosen_with": 2048, "tuned_with": 0}
screen().print(headline({"target": {"base_ce": {"de": 1.0, "en": 1.0}, "chance": 6.9}, "edits": {"λ-edit": edit}}))
"""


@pytest.mark.parametrize("columns", [1, 20, 79, 80, 200])
@pytest.mark.parametrize("term", ["dumb", "xterm-256color", ""])
def test_a_narrow_terminal_wraps_and_loses_nothing(columns: int, term: str) -> None:
    master, slave = os.openpty()
    termios.tcsetwinsize(slave, (25, columns))
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    env |= {"PYTHONPATH": str(ROOT), "TERM": term, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run([sys.executable, "-c", NARROW], env=env, stdout=slave, stderr=subprocess.PIPE, check=False)
    os.close(slave)
    shown = os.read(master, 100_000).decode()
    os.close(master)
    assert done.returncode == 0, done.stderr.decode()
    assert all(
        word in shown for word in ("λ-edit", "tokens", "2,048", "-0.20", "(-0.30,", "+0.10)", "±0.05", "chance")
    ), shown
    assert "…" not in shown


FULL = """
import pathlib, resource, sys
from prefactor.files.artifacts import atomic
from stages.common import run
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
def main():
    with atomic(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "data.bin")) as temporary:
        temporary.write_bytes(bytes(5000))
run(main)
"""


def test_a_stage_that_may_write_no_more_says_so(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and not list(tmp_path.iterdir())
    assert done.stderr.startswith("prefactor: error: ") and "File too large: allow larger files" in done.stderr
    assert done.stderr.count("\n") == 1
