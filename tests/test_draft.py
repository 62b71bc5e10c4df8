"""``prefactor init``: what it writes passes every check, and asks for text that is there."""

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter
from typer.testing import CliRunner

from prefactor.cli.main import app
from prefactor.config.base import parse
from prefactor.config.params import read_params
from prefactor.config_check.pipeline import PipelineConfig, check
from prefactor.draft import params as presets
from prefactor.draft.sizes import fitting_sizes
from prefactor.draft.texts import texts_in
from stages import corpus, text
from tests.foreign import leave
from tests.gguf_files import write_gguf

ROOT = Path(__file__).parents[1]
WORDS = {
    "en": "the house is old and green",
    "de": "das Haus ist alt und grün",
    "code review": "this line is fine by me",
}


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a tiny model, and with paragraphs of three domains, each in another form."""
    monkeypatch.chdir(tmp_path)
    leave(tmp_path / "model")
    rng = random.Random(0)

    def paragraphs(domain: str, number: int) -> list[str]:
        return [" ".join(rng.choices(WORDS[domain].split(), k=30)) for _ in range(number)]

    (tmp_path / "texts" / "code review").mkdir(parents=True)
    (tmp_path / "texts" / "notes.pdf").write_bytes(b"%PDF")
    (tmp_path / "texts" / "de.txt").write_text("\n\n".join(paragraphs("de", 1500)))
    pq.write_table(pa.table({"text": [*paragraphs("en", 3000), None]}), tmp_path / "texts" / "en.parquet")
    pq.write_table(pa.table({"text": paragraphs("code review", 700)}), tmp_path / "texts" / "code review" / "a.parquet")
    return tmp_path


def _init(*words: str) -> str:
    done = CliRunner().invoke(app, ["init", *words])
    assert done.exit_code == (2 if "error" in done.output else 0), done.output
    return " ".join(done.output.split())


USUAL = ("model", "texts", "--target", "code review", "--retain", "en")


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize("unseen", [(), ("--unseen", "de")])
def test_what_it_writes_passes_the_checks_and_the_gate(
    work: Path, monkeypatch: pytest.MonkeyPatch, small: bool, unseen: tuple[str, ...]
) -> None:
    monkeypatch.setattr(presets, "SMALL", 10**9 if small else 0)
    said = _init(*USUAL, *unseen)
    written = read_params()
    config = parse(TypeAdapter(PipelineConfig), written, "")
    check(config)
    domains = config.edits["reach"].domains
    assert domains.target == "code review" and domains.retain == ("en",)
    assert domains.roles["de"] == "protected" and (domains.unseen == ("de",)) is bool(unseen)
    assert (config.decompose.objective == "full") is small
    assert config.shortlists["target"].choose.query == 'domain."code review" > 0.5'
    assert ("unseen" if unseen else "protected") in said and "for so little text lowered: " in said
    corpus.main()
    text.main()  # the gate: no stage asks for more than the corpus has


def test_a_gguf_file_is_named_as_params_want_it(work: Path) -> None:
    write_gguf(work / "some.gguf")
    _init("some.gguf", *USUAL[1:])
    assert read_params()["target"]["model"] == {"source": "load", "name": ".", "file": "some.gguf"}
    assert read_params()["corpus"]["tokenizer"] == {"source": "target", "name": ".", "file": "some.gguf"}


def test_one_table_with_a_column_of_domains(work: Path) -> None:
    rows = [(domain, f"{words} {number}" * 30) for domain, words in WORDS.items() for number in range(400)]
    pq.write_table(pa.table({"body": [row[1] for row in rows], "tag": [row[0] for row in rows]}), work / "all.parquet")
    words = ("model", "all.parquet", *USUAL[2:], "--text-column", "body", "--domain-column", "tag")
    _init(*words)
    source = read_params()["corpus"]["text"]
    assert source["files"] == [{"path": "all.parquet", "text": "body", "domain_column": "tag"}]
    assert "unseen text needs files of its own" in _init(*words, "--unseen", "de")


def test_what_was_there_is_kept_each_time(work: Path) -> None:
    (work / "params.yaml").write_text("mine: 1")
    assert "params.yaml.1 is what was there before" in _init(*USUAL)
    assert "params.yaml.2 is what was there before" in _init(*USUAL)
    assert (work / "params.yaml.1").read_text() == "mine: 1"
    assert (work / "params.yaml.2").read_text() == (work / "params.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"texts": "nowhere"}, "nowhere is no folder with a file or a folder a domain; mend the path"),
        ({"texts": "texts/de.txt"}, "name its column of domains (--domain-column)"),
        ({"texts": "model"}, "model/config.json has no column 'text'"),
        ({"model": "none.gguf"}, "none.gguf: there is no such file; mend the path"),
        ({"model": "texts"}, "there is no config.json in it"),
        ({"code review": "german"}, "'german': there is no text of it; use one of"),
        ({"en": "code review"}, "name each domain once"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_nothing_is_written(work: Path, words: dict[str, str], said: str) -> None:
    found = _init(*(words.get(word, word) for word in USUAL))
    assert "prefactor: error:" in found and said in found
    assert not (work / "params.yaml").exists()


def test_too_little_text_says_how_much_would_do(work: Path) -> None:
    (work / "texts" / "de.txt").write_text("ein Satz\n\nund noch einer")
    assert "de: there are too few characters of it for " in _init(*USUAL)
    (work / "texts" / "de.txt").write_text("\n\n")
    assert "texts/de.txt" in _init(*USUAL)


def test_sizes_are_lowered_only_as_far_as_the_text_asks(work: Path) -> None:
    _init(*USUAL)
    written: dict[str, Any] = read_params()
    counted = texts_in(work / "texts").characters
    assert not fitting_sizes(written, counted, {})
    ample = dict.fromkeys(counted, 1e9)
    assert not fitting_sizes(written | {"harvest": written["harvest"] | {"tokens": 10**6}}, ample, {})


def test_the_preset_for_small_models_is_the_default_where_it_can_be() -> None:
    default, small = read_params(ROOT / "params.yaml"), read_params(ROOT / "prefactor" / "draft" / "small.yaml")
    own = {"corpus", "target", "shortlists", "edits", "baselines", "report"}
    assert set(small) == set(default)
    assert small["locate"] == default["locate"] | {"target": ""}
    assert small["edit"] == default["edit"] | {"budgets": small["edit"]["budgets"]}
    for section in set(default) - own - {"locate", "edit"}:
        assert small[section] == default[section], section


def test_the_preset_for_pretrained_models_decomposes_as_the_benchmark_does() -> None:
    gemma, preset = read_params(ROOT / "benchmarks" / "gemma.yaml"), read_params(
        ROOT / "prefactor" / "draft" / "pretrained.yaml"
    )  # fmt: skip
    for section in ("importance", "harvest", "effects", "label", "score", "candidates", "selection", "edit"):
        assert preset[section] == gemma[section], section
    named = {"objective", "modules"}
    assert {k: v for k, v in preset["decompose"].items() if k not in named} == {
        k: v for k, v in gemma["decompose"].items() if k not in named
    }
