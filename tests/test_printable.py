"""Nothing that a model, a corpus or a person wrote acts on a terminal, wherever it is printed."""

import unicodedata
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from prefactor.cli.main import app
from prefactor.cli.terminal import screen
from prefactor.files.artifacts import write_json, write_part, write_table
from prefactor.label.labeller import LABELS
from prefactor.label.score import SCORES
from prefactor.printable import hidden, one_line, visible
from tests.fake_data import example_row, score_row, subcomponent_row

# Markup that rich would raise on, swallow or draw; ESC, a C1 control, a bidi override, a line separator.
NASTY = "x [/INST] [link=y]z[/] :smile: \x1b[31m \x9b2J \u202e \u2028 \ue000 \r"
SHOWN = r"x [/INST] [link=y]z[/] :smile: \x1b[31m \x9b2J \u202e \u2028 \ue000 \r"
NAME = "layers.0.v_proj:2"


def test_only_what_cannot_be_seen_is_replaced() -> None:
    assert visible(NASTY) == SHOWN
    assert visible(" Bäcker\n\t東 🙂 \ud800\x7f\u00ad\U000e0001") == " Bäcker⏎\\t東 🙂 \\ud800\\x7f\\xad\\U000e0001"
    shown = visible("".join(map(chr, range(0x110000))))
    assert not any(unicodedata.category(one)[0] == "C" or hidden(one) for one in shown)
    shown.encode()


def test_one_line_refuses_what_is_hidden_or_long() -> None:
    assert one_line("Ada Ünal", most=8) == "Ada Ünal"
    for text in ("a\nb", "a\tb", "\x1b[1m", "\u202e", "\u2028", "\ud800"):
        with pytest.raises(ValueError, match="write one line without control characters"):
            one_line(text)
    with pytest.raises(ValueError, match="write at most 3 characters"):
        one_line("four", most=3)


def _folder(root: Path) -> Path:
    data = root / "data"
    row = subcomponent_row(NAME, {"en": 0.1, "de": 0.6})
    row["input_pmi"] = [{"token": NASTY, "value": 1.0, "count": 3}]
    window = example_row(NAME, 0, "de", "Der Hund")
    window["tokens"][0] = NASTY
    label = {
        "subcomponent": NAME, "label": NASTY, "reasoning": NASTY, "evidence": "{}", "score": 0.5, "labeller": NASTY,
    }  # fmt: skip
    for stage, name, table in (
        ("harvest", "subcomponents", pa.Table.from_pylist([row])),
        ("harvest", "examples", pa.Table.from_pylist([window])),
        ("label", "labels", pa.Table.from_pylist([label], schema=LABELS)),
        ("score", "scores", pa.Table.from_pylist([score_row(NAME, 0.3)], schema=SCORES)),
    ):
        write_part(data / stage, name, table, {"tokens": {"de": 1000}, "threshold": 0.1})
    write_json(data / "corpus" / "metrics.json", {"tokens": {"train": {"en": 90, "de": 30}}})
    write_table(root / "other.parquet", pa.Table.from_pylist([label | {"label": f"{NASTY} too"}], schema=LABELS))
    return root


@pytest.mark.parametrize(
    "words",
    [
        ("components",),
        ("show", NAME),
        ("label", "show", NAME),
        ("label", "surprises"),
        ("label", "diff", "other.parquet"),
    ],
)
def test_every_command_prints_data_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(_folder(tmp_path))
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output
    squeezed = "".join(one for one in done.stdout if not one.isspace() and not 0x2500 <= ord(one) < 0x2600)
    assert not any(hidden(one) for one in done.stdout.replace("\n", ""))
    for part in ("[/INST]", "[link=y]z[/]", ":smile:"):
        assert part in squeezed
    assert r"\x1b[31m" in done.stdout


def test_no_text_is_markup_on_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    screen().print("[b]x[/] [/INST] :smile:")
    assert capsys.readouterr().out == "[b]x[/] [/INST] :smile:\n"
