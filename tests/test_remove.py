"""``prefactor remove``: flags, lines in a log, the menu on a terminal, and Ctrl-C."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from prefactor.cli.main import app
from prefactor.config.edits import EditConfig
from prefactor.config.params import section
from prefactor.files.artifacts import write_json
from prefactor.model.unigram import Bars, write_bars
from prefactor.search.search import Search
from tests.work import ROOT, build_work

TRIALS = 7
# The command, which stops after so many trials, in a process of its own.
BRIEF = """
import sys
from prefactor.cli.main import app
from prefactor.search import fits, search
fits.STEPS, run, most = 2, search.Search.run, int(sys.argv.pop(1))
def brief(self, seconds, on_trial, stop):
    begin = len(self.trials())
    run(self, 1e5, on_trial, lambda: stop() or len(self.trials()) >= begin + most)
search.Search.run = brief
app()
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("work")
    build_work(root)
    unigram: dict[str, float] = dict.fromkeys(("en", "de", "fr"), 5.0)
    write_bars(root / "data" / "target", Bars(5.5, unigram))  # above the base model
    write_json(root / "data" / "target" / "metrics.json", {"chance": 5.5, "unigram_ce": unigram})
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["edit"] |= {"probe_tokens": 60}
    params["edits"], params["shortlists"] = {"old": params["edits"]["random"]}, {}
    (root / "params.yaml").write_text("# mine\n" + yaml.safe_dump(params))
    return root


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """With params and a store of its own."""
    root = tmp_path / "copy"
    root.mkdir()
    (root / "data").symlink_to(built / "data")
    (root / "params.yaml").write_text((built / "params.yaml").read_text())
    return root


@pytest.fixture
def call(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    run = Search.run

    def brief(self: Search, seconds: float, on_trial: Any, stop: Any) -> None:
        begin = len(self.trials())
        run(self, 1e5, on_trial, lambda: stop() or len(self.trials()) >= begin + TRIALS)

    monkeypatch.setattr(Search, "run", brief)

    def call(*words: str, given: str | None = None) -> tuple[int, str, str]:
        done = CliRunner().invoke(app, ["remove", *words, "-C", str(folder)], input=given)
        return done.exit_code, done.stdout, done.stderr

    return call


def test_on_a_pipe_there_are_lines_and_the_edit_is_kept(
    call: Callable[..., tuple[int, str, str]], folder: Path
) -> None:
    code, out, err = call("german", "--keep", "found", "--export", str(folder / "adapter"), "--json")
    assert code == 0, err
    said = json.loads(out)
    assert said["tried"] == TRIALS and said["kept"] == "found"
    assert said["chosen"] in said["front"] and said["written"] == [str(folder / "adapter")]
    assert {row["domain"] for row in said["rows"]} == {"de", "en", "fr"}
    assert (folder / "adapter" / "adapter_config.json").is_file()
    lines = [line for line in err.splitlines() if line.startswith("  remove de: ")]
    assert "0 tried before" in lines[0] and "worst neighbour" in lines[1] and "left" in lines[1]
    assert (folder / "params.yaml").read_text().startswith("# mine\n")
    edit = section("edits.found", EditConfig, folder / "params.yaml")
    assert edit.alpha.values == tuple(said["chosen"]["prefactors"])
    assert (folder / ".runs" / "search").is_dir()

    code, out, err = call("de", "--no-menu")
    assert code == 0, err
    assert f"{TRIALS} tried before" in err and f"{2 * TRIALS} tried" in out
    assert "short of goal" in out and "on the eval split" in out and "German ends" in out


def test_prompts_are_read_from_a_pipe(call: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = call("de", "--chat", given="t1 t2 t3\nt4\n")
    assert code == 0, err
    assert len(re.findall(r"before  t1 t2 t3▸", out)) == len(re.findall(r" after  t4▸", out)) == 1


def test_bad_input_is_one_line(call: Callable[..., tuple[int, str, str]], folder: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "something").write_text("")
    for words, said in (
        (("germn",), "no domain is called 'germn': did you mean german? there are en, de, fr"),
        (("de", "--seconds", "0"), "--seconds = 0.0: give a number above 0"),
        (("de", "--seconds", "nan"), "--seconds = nan: give a number above 0"),
        (("de", "--more", "nan"), "--more = nan: give a number above 0"),
        (("de", "--more=-1"), "--more = -1.0: give a number above 0"),
        (("de", "--query", "klingon"), "query = 'klingon' matches no subcomponent that is alive; the nearest:"),
        (("de", "--goal", "uniform"), "a search is for what cross-entropy tells: chance or unigram"),
        (("de", "--retain", "de"), "cannot be both removed and retained"),
        (("de", "--keep", "old"), "has an edit 'old' already"),
        (("de", "--export", str(tmp_path / "full")), "is there already"),
        (("de", "-C", str(tmp_path / "full")), "is missing"),
    ):
        code, out, err = call(*words)
        if "-C" in words:  # the last one counts
            done = CliRunner().invoke(app, ["remove", *words])
            code, out, err = done.exit_code, done.stdout, done.stderr
        assert (code, out) == (2, ""), words
        last = err.splitlines()[-1]
        assert last.startswith("prefactor: error: ") and said in last
    shutil.rmtree(folder / ".runs")
    (folder / ".runs").write_text("")
    code, _, err = call("de")
    assert code == 2 and "cannot be written" in err and err.count("\n") == 1


class Terminal:
    """The command on a pseudo-terminal, driven as by a person."""

    def __init__(self, folder: Path, *words: str, trials: int = TRIALS):
        ours, theirs = pty.openpty()
        env = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "140", "LINES": "60"}
        command = [sys.executable, "-c", BRIEF, str(trials), "remove", *words, "-C", str(folder)]
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=env,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip
        os.close(theirs)
        self.ours, self.seen = ours, ""

    def until(self, text: str) -> str:
        """What came since the last call, up to ``text``."""
        end = time.monotonic() + 250
        while text not in self.seen:
            assert time.monotonic() < end, self.seen
            try:
                self.seen = STYLE.sub("", self.seen + os.read(self.ours, 65536).decode(errors="replace"))
            except OSError:  # it has ended
                raise AssertionError(self.seen) from None
        before, _, self.seen = self.seen.partition(text)
        return before

    def say(self, line: str) -> None:
        os.write(self.ours, f"{line}\n".encode())

    def end(self) -> int:
        try:
            return self.process.wait(timeout=60)
        finally:
            self.process.kill()
            os.close(self.ours)


STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
MENU = "quit (q)\r\n> "


@pytest.mark.servers
def test_the_menu_keeps_exports_pushes_chats_and_goes_on(folder: Path) -> None:
    screen = Terminal(folder, "german")
    shown = screen.until(MENU)
    assert "removing de" in shown and "Ctrl-C ends it" in shown and "worst neighbour" in shown
    numbers = [int(number) for number in re.findall(r"│\s+[▸ ]?\s*(\d+) │", shown)]
    screen.say("k")
    screen.until("its name in params.yaml: ")
    screen.say("By Hand")
    assert "it names a folder and a DVC stage" in screen.until(MENU)
    screen.say("k")
    screen.until("its name in params.yaml: ")
    screen.say("kept")
    assert "has it as edits.kept" in screen.until(MENU)
    screen.say("e")
    screen.until("a new folder: ")
    screen.say(str(folder / "adapter"))
    assert "written: " in screen.until(MENU)
    screen.say("p")
    screen.until("its name in params.yaml: ")
    screen.say("pushed")
    assert "prefactor publish --edit pushed --hub ORG/pushed" in screen.until(MENU)
    screen.say("c")
    screen.until("an empty line ends it\r\n> ")
    screen.say("t1 t2")
    assert re.search(r"before  t1 t2▸[^▸]*\r\n after  t1 t2▸", screen.until("\r\n> "))
    screen.say("")
    screen.until(MENU)
    screen.say(str(numbers[-1]))
    assert f"trial {numbers[-1]}" in screen.until(MENU)
    screen.say("999")
    assert "no trial of the front has number 999: take one of" in screen.until(MENU)
    screen.say("m")
    screen.until("seconds (60): ")
    screen.say("much")
    assert "seconds = much: give a number above 0" in screen.until(MENU)
    screen.say("m")
    screen.until("seconds (60): ")
    screen.say("")
    assert f"{2 * TRIALS} tried" in screen.until(MENU)
    screen.say("q")
    assert screen.end() == 0
    assert (folder / "adapter" / "adapter_config.json").is_file()
    assert {"kept", "pushed"} <= set(section("edits", dict[str, EditConfig], folder / "params.yaml"))


@pytest.mark.servers
def test_ctrl_c_keeps_what_was_tried_and_ends_well(folder: Path) -> None:
    screen = Terminal(folder, "de", trials=100_000)
    screen.until("worst neighbour")  # so there is a trial
    screen.process.send_signal(signal.SIGINT)
    shown = screen.until(MENU)
    assert "Traceback" not in shown and "German ends" in shown
    (tried,) = re.findall(r"(\d+) tried, \d+ s of it now", shown)
    screen.say("q")
    assert screen.end() == 0
    again = Terminal(folder, "de", "--no-menu", trials=1)
    again.until(f"{int(tried) + 1} tried, ")
    assert again.end() == 0
