"""Labels that people correct: the file, what it does to the table of labels, and the commands around it."""

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from prefactor.cli.main import app
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import write_json, write_part, write_table
from prefactor.label.labeller import LABELS
from prefactor.label.overrides import FILE, Override, decomposition_of, read_overrides, remove_override, write_override
from prefactor.label.table import read_labels
from tests.fake_data import example_row, subcomponent_row

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("layers.0.v_proj:2", "layers.0.v_proj:28", "layers.1.up_proj:0")
LABELLED = ("German text", None, "French text")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    rows = [subcomponent_row(name, {"en": 0.1, "de": 0.6, "fr": 0.3}) for name in NAMES]
    windows = [example_row(NAMES[0], rank, "de", "Der alte Bäcker verkauft Brot") for rank in range(3)]
    write_part(
        data / "harvest",
        "subcomponents",
        pa.Table.from_pylist(rows),
        {"tokens": {"de": 1000}, "threshold": 0.1, "decomposition": "5" * 64},
    )
    write_part(data / "harvest", "examples", pa.Table.from_pylist(windows))
    write_json(data / "corpus" / "metrics.json", {"tokens": {"train": {"en": 90, "de": 30, "fr": 20}}})
    _label(data, LABELLED)
    return data


def _label(data: Path, labels: tuple[str | None, ...]) -> None:
    rows = [
        {"subcomponent": name, "label": label, "reasoning": "figures", "evidence": "{}", "score": 0.5, "labeller": "m"}
        for name, label in zip(NAMES, labels, strict=True)
    ]
    write_part(data / "label", "labels", pa.Table.from_pylist(rows, schema=LABELS))


def _entry(data: Path, label: str = "text in German", domains: tuple[str, ...] | None = ("de",)) -> Override:
    return Override(
        label=label, domains=domains, author="Ada", reason="it spares French", decomposition=decomposition_of(data)
    )


def test_a_person_has_the_last_word_and_the_labeller_is_remembered(data: Path) -> None:
    write_override(data, NAMES[0], _entry(data))
    labels = read_labels(data).set_index("subcomponent")
    mine = labels.loc[NAMES[0]]
    assert (mine["label"], mine["machine_label"]) == ("text in German", "German text")
    assert (mine["labeller"], mine["reasoning"], mine["domains"]) == ("person/Ada", "it spares French", ["de"])
    assert labels["score"].isna().tolist() == [True, False, False]
    assert labels.loc[NAMES[1], "label"] == ""  # the labeller had none
    other = labels.loc[NAMES[2]]
    assert (other["label"], other["labeller"], other["score"]) == ("French text", "m", 0.5)
    assert other["domains"] is None
    _label(data, ("another", "another", "another"))  # the file is not the stage's
    labels = read_labels(data).set_index("subcomponent")
    assert labels.loc[NAMES[0], "label"] == "text in German"
    assert labels.loc[NAMES[0], "machine_label"] == "another"


def test_without_a_file_or_an_entry_and_without_domains_the_labels_are_the_labellers(data: Path) -> None:
    table = pa.Table.from_pylist([{"subcomponent": n, "label": "x", "score": None, "labeller": "m"} for n in NAMES])
    write_part(data / "label", "labels", table)
    assert read_labels(data)["domains"].isna().all()
    for text in ("", "# nothing yet\n", (ROOT / "data" / "label" / FILE).read_text(encoding="utf-8")):
        (data / "label" / FILE).write_text(text)
        assert set(read_labels(data)["label"]) == {"x"}
    (data / "label" / "labels" / "labels.parquet").write_text("damaged")
    with pytest.raises(PrefactorError, match="damaged"):
        read_labels(data)


def test_an_entry_for_another_decomposition_is_left_out_and_said(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_override(data, NAMES[0], _entry(data).model_copy(update={"decomposition": "0" * 12}))
    write_override(data, "layers.9.gone:1", _entry(data).model_copy(update={"decomposition": "1" * 12}))
    assert read_labels(data).set_index("subcomponent").loc[NAMES[0], "label"] == "German text"
    said = capsys.readouterr().err
    assert f"{NAMES[0]} is left out: it was written for the decomposition 000000000000" in said
    assert said.count("warning") == 2
    assert set(read_overrides(data, NAMES).left_out) == {NAMES[0], "layers.9.gone:1"}


def test_comments_and_order_survive_and_an_empty_file_is_one_again(data: Path) -> None:
    path = data / "label" / FILE
    path.write_text("# ours\n{}\n")
    write_override(data, NAMES[2], _entry(data, "French prose", None))
    path.write_text(path.read_text() + "# the next one is Ada's\n")
    write_override(data, NAMES[0], _entry(data))
    text = path.read_text()
    assert text.startswith(f"# ours\n{NAMES[2]}:\n  label: French prose\n  author: Ada\n")
    assert text.index("# the next one") < text.index(NAMES[0]) and "domains: [de]" in text
    write_override(data, NAMES[2], _entry(data, "French"))
    assert path.read_text().index(NAMES[2]) < path.read_text().index(NAMES[0])
    remove_override(data, NAMES[2])
    remove_override(data, NAMES[0])
    assert path.read_text().startswith("# ours\n") and read_overrides(data, NAMES).applied == {}
    with pytest.raises(PrefactorError, match=r"has no entry layers\.0\.v_proj:2: it has nothing"):
        remove_override(data, NAMES[0])


def _writes(place: int, data: Path) -> None:
    for turn in range(8):
        write_override(data, f"layers.{place}.v_proj:{turn}", _entry(data))


def test_many_processes_write_at_once_and_none_is_lost(data: Path) -> None:
    write_override(data, NAMES[2], _entry(data))
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        list(pool.map(_writes, range(3), [data] * 3))
    known = [NAMES[2], *(f"layers.{place}.v_proj:{turn}" for place in range(3) for turn in range(8))]
    assert set(read_overrides(data, known).applied) == set(known)
    assert not list((data / "label").glob("*.tmp"))


def test_where_there_are_no_locks_it_is_written_all_the_same(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefactor.label.overrides.fcntl", None)
    write_override(data, NAMES[0], _entry(data))
    remove_override(data, NAMES[0])
    assert read_overrides(data, NAMES).applied == {}


FIELDS = "label: German text\n  author: Ada\n  reason: because"
_ESCAPE = r'"\e[31m"'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"layers.0.v_proj:29:\n  {FIELDS}\n  decomposition: HERE", "layers.0.v_proj:29 is no subcomponent; the near"),
        (f"layers.0.v_proj:2:\n  {FIELDS}\n  domains: [ge]\n  decomposition: HERE", '.domains has "ge", no domain; '),
        (f"layers.0.v_proj:2:\n  {FIELDS}", "layers.0.v_proj:2.decomposition is missing; add it"),
        (f"layers.0.v_proj:2:\n  {FIELDS}\n  decomposition: 123456789012", "write the first 12 in quotes"),
        (f"layers.0.v_proj:2:\n  {FIELDS}\n  autor: Ada", "autor = \"Ada\": unknown key; did you mean `author`?"),
        ("layers.0.v_proj:2: German text", "layers.0.v_proj:2 = \"German text\": input should be an object"),
        (f"layers.0.v_proj:2:\n  {FIELDS}\n  domains: []\n  decomposition: HERE", "domains: it is empty; name a do"),
        (f'layers.0.v_proj:2:\n  {FIELDS.replace("Ada", _ESCAPE)}\n  decomposition: HERE', "author: write one line w"),
        (f'layers.0.v_proj:2:\n  {FIELDS.replace("because", _ESCAPE)}\n  decomposition: HERE', "reason: write one li"),
        (
            f"layers.0.v_proj:2:\n  {FIELDS.replace('German text', 'a b c d e f g h i')}\n  decomposition: HERE",
            "layers.0.v_proj:2.label: 'a b c d e f g h i' has 9 words; write at most 8",
        ),
        ("- layers.0.v_proj:2", "is no mapping; write an entry a subcomponent"),
        ("a: [1\nb: 2", "line 2, column 2: "),
        ("a: {}\na: {}", 'line 2, column 1: found duplicate key "a"'),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_file_is_one_line_with_the_entry(data: Path, text: str, said: str) -> None:
    (data / "label" / FILE).write_text(text.replace("HERE", f'"{decomposition_of(data)}"'))
    with pytest.raises(PrefactorError) as error:
        read_labels(data)
    message = str(error.value)
    assert message.startswith(str(data / "label" / FILE))
    assert said in message and "\n" not in message


def _prefactor(data: Path, *words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["label", *words, "-C", str(data.parent)])
    return done.exit_code, done.stdout, done.stderr


def test_the_command_line_corrects_a_label_shows_it_and_takes_it_back(data: Path) -> None:
    words = ("override", NAMES[0], "German function words", "--author", "Ada", "--reason", "see the windows")
    code, out, err = _prefactor(data, *words, "--domains", "german,fr", "--json")
    assert code == 0, err
    assert json.loads(out)["machine_label"] == "German text"
    code, out, err = _prefactor(data, "show", NAMES[0], "--json")
    assert code == 0, err
    told = json.loads(out)
    assert (told["label"], told["machine_label"], told["overridden"]) == ("German function words", "German text", True)
    assert (told["domains"], told["score"], told["tested"]) == (["de", "fr"], None, {})
    assert told["by_domain"]["de"] == {"importance": 0.6, "share": 0.6, "ablate": None, "invert": None}
    code, out, err = _prefactor(data, "show", NAMES[0], "--windows", "1")
    assert code == 0, err
    assert "by person/Ada, about de, fr" in out and "the labeller said: German text" in out
    assert out.count("«") == 1
    code, out, err = _prefactor(data, "diff", "--json")
    assert code == 0, err
    (row,) = json.loads(out)["applied"]
    assert (row["label"], row["machine_label"], row["author"]) == ("German function words", "German text", "Ada")
    assert "1 labels are people's" in _prefactor(data, "diff")[1]
    code, out, err = _prefactor(data, "override", NAMES[0], "--remove")
    assert code == 0, err
    assert read_overrides(data, NAMES).applied == {}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("layers.0.v_proj:3", "x", "--reason", "r"), "'layers.0.v_proj:3' is no subcomponent; the nearest: "),
        ((NAMES[0], "a b c d e f g h i", "--reason", "r"), "has 9 words; write at most 8"),
        ((NAMES[0], "x", "--reason", " "), "--reason is missing"),
        ((NAMES[0], "x\u202e", "--reason", "r"), "label: write one line without control characters"),
        ((NAMES[0], "x", "--reason", "r\ns"), "reason: write one line without control characters"),
        ((NAMES[0], "x"), "--reason is missing"),
        ((NAMES[0], "", "--reason", "r"), "the label is missing"),
        ((NAMES[0], "x", "--reason", "r", "--domains", "de,germn"), "no domain is called 'germn': did you mean german"),
        ((NAMES[0], "--remove"), "has no entry layers.0.v_proj:2"),
        ((NAMES[0], "x", "--remove"), "leave out the rest"),
    ],
)
def test_what_cannot_be_written_is_refused_and_nothing_is(data: Path, words: tuple[str, ...], said: str) -> None:
    author = () if "--remove" in words else ("--author", "Ada")
    code, _, err = _prefactor(data, "override", *words, *author)
    assert code == 2
    assert err.startswith("prefactor: error: ") and err.count("\n") == 1
    assert said in err
    assert not (data / "label" / FILE).exists()


def test_the_price_of_a_models_labels_is_known_before_it_is_asked(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = "label: {labeller: {kind: llm, endpoint: {output_tokens: 100, price: {input: 1.0, output: 10000.0}}}}"
    (data.parent / "params.yaml").write_text(params)
    for name in ("URL", "MODEL", "KEY"):
        monkeypatch.delenv(f"PREFACTOR_LLM_{name}", raising=False)
    code, _, err = _prefactor(data, "price")
    assert code == 2 and "PREFACTOR_LLM_URL is not set" in err
    monkeypatch.setenv("PREFACTOR_LLM_URL", "http://127.0.0.1:9/v1")  # nobody answers there
    monkeypatch.setenv("PREFACTOR_LLM_MODEL", "small")
    code, out, err = _prefactor(data, "price", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert (told["requests"], told["cached"], told["output_tokens"]) == (3, 0, 300)
    assert told["usd"] == pytest.approx(3.0, abs=0.1)
    assert "at most 3 requests" in _prefactor(data, "price")[1]
    (data.parent / "params.yaml").write_text("label: {labeller: {kind: deterministic, clear: 0.4}}")
    assert "params.yaml has kind deterministic" in _prefactor(data, "price")[1].replace("\n", " ")


def test_two_tables_of_labels_are_compared(data: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.parquet"
    rows = [
        {"subcomponent": NAMES[0], "label": "German text", "labeller": "llm"},
        {"subcomponent": NAMES[2], "label": "Spanish text", "labeller": "llm"},
        {"subcomponent": "layers.5.up_proj:0", "label": "x", "labeller": "llm"},
    ]
    write_table(other, pa.Table.from_pylist(rows))
    code, out, err = _prefactor(data, "diff", str(other), "--json")
    assert code == 0, err
    told = json.loads(out)
    assert {key: told[key] for key in ("same", "differ", "only_here", "only_there")} == {
        "same": 1, "differ": 1, "only_here": 1, "only_there": 1,
    }  # fmt: skip
    (row,) = told["rows"]
    assert (row["label"], row["other"], row["other_labeller"]) == ("French text", "Spanish text", "llm")
    assert "1 differ, 1 are the same" in _prefactor(data, "diff", str(other))[1]
    for path, said in ((data / "label" / "manifest.json", "is no parquet file"), (tmp_path / "no", "is no parquet")):
        code, _, err = _prefactor(data, "diff", str(path))
        assert code == 2 and said in err
    code, _, err = _prefactor(data, "diff", str(data / "harvest" / "subcomponents" / "subcomponents.parquet"))
    assert code == 2 and "has no column 'label'" in err
