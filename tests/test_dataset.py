"""The tables of subcomponents as a data set that stock ``datasets`` opens, from a folder and from the Hub."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import config, get_dataset_config_names, load_dataset
from huggingface_hub import DatasetCard, constants
from typer.testing import CliRunner

from prefactor.cli.main import app
from prefactor.files.artifacts import part, verify, write_json, write_part
from prefactor.label.overrides import FILE
from tests.hub import TOKEN, Hub, hub
from tests.work import GERMAN, build_work

TABLES = ["subcomponents", "labels", "tokens", "neighbours", "examples"]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("work")
    build_work(root)
    return root


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "HF_DATASETS_OFFLINE", True)
    monkeypatch.setattr(config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with hub() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        yield server


def _open(folder: str, *table: str) -> Any:
    return load_dataset(folder, *table, split="train")


def _export(work: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["export-components", *words, "-C", str(work)])
    return done.exit_code, done.output


def test_each_table_is_opened_by_its_name(work: Path, tmp_path: Path, offline: None) -> None:
    into = tmp_path / "set"
    code, said = _export(work, str(into), "--name", "tiny", "--licence", "mit")
    assert code == 0, said
    assert get_dataset_config_names(str(into)) == TABLES
    opened = {name: _open(str(into), name) for name in TABLES}
    harvest = pq.read_table(part(work / "data/harvest", "subcomponents"))
    assert _open(str(into)).column_names == opened["subcomponents"].column_names
    assert opened["subcomponents"]["density"][:] == harvest["density"].to_pylist()
    assert opened["examples"][:] == pq.read_table(part(work / "data/harvest", "examples")).to_pydict()
    (german,) = [row for row in opened["labels"] if row["subcomponent"] == GERMAN]
    assert (german["label"], german["labeller"], german["score"]) == ("German text", "t", 0.5)
    (row,) = [row for row in harvest.to_pylist() if row["subcomponent"] == GERMAN]
    for side in ("input", "output"):
        for measure in ("recall", "pmi"):
            found = [
                {key: entry[key] for key in ("token", "value", "count")}
                for entry in opened["tokens"]
                if (entry["subcomponent"], entry["side"], entry["measure"]) == (GERMAN, side, measure)
            ]
            assert found == row[f"{side}_{measure}"]
    near = [entry for entry in opened["neighbours"] if entry["subcomponent"] == GERMAN]
    assert [(entry["neighbour"], entry["similarity"], entry["together"]) for entry in near] == [
        (entry["subcomponent"], entry["value"], entry["count"]) for entry in row["together"]
    ]


def test_the_card_says_what_it_is_and_where_it_comes_from(work: Path, tmp_path: Path) -> None:
    _export(work, str(tmp_path / "set"), "--name", "tiny", "--version", "2", "--licence", "cc-by-4.0")
    card = DatasetCard.load(tmp_path / "set" / "README.md")
    assert card.data.to_dict()["license"] == "cc-by-4.0"
    assert [one["config_name"] for one in card.data.to_dict()["configs"]] == TABLES
    assert "# tiny 2" in card.text and "5" * 64 in card.text and "Tokens read: de 120, en 120, fr 120." in card.text
    about = verify(tmp_path / "set")
    assert (about["name"], about["version"], about["decomposition"]) == ("tiny", "2", "5" * 64)


def test_a_person_s_label_effects_and_scores_go_along_and_text_only_if_it_may(
    work: Path, tmp_path: Path, offline: None
) -> None:
    root = tmp_path / "work"
    shutil.copytree(work, root)
    by_hand = {"label": "<b>Deutsch</b>", "author": "anna", "reason": "seen", "decomposition": "5" * 12}
    write_json(root / "data" / "label" / FILE, {GERMAN: by_hand})
    effects = pa.table({"subcomponent": [GERMAN], "ablate_de": [0.5]})
    write_part(root / "data/effects", "effects", effects)
    scores = pa.table({"subcomponent": [GERMAN], "detection": [0.75]})
    write_part(root / "data/score", "scores", scores)
    code, said = _export(root, str(tmp_path / "set"), "--without-text")
    assert code == 0 and "no licence is stated" in said
    assert get_dataset_config_names(str(tmp_path / "set")) == [
        "subcomponents", "labels", "effects", "tokens", "neighbours",
    ]  # fmt: skip
    labels = _open(str(tmp_path / "set"), "labels")
    by_name = {row["subcomponent"]: row for row in labels}
    assert (by_name[GERMAN]["label"], by_name[GERMAN]["machine_label"]) == ("<b>Deutsch</b>", "German text")
    assert (by_name[GERMAN]["labeller"], by_name[GERMAN]["detection"]) == ("person/anna", 0.75)
    assert [row["detection"] for name, row in by_name.items() if name != GERMAN] == [None] * (len(by_name) - 1)
    shutil.rmtree(root / "data/harvest/examples")
    code, said = _export(root, str(tmp_path / "other"))
    assert code == 2 and "say --without-text" in said and not (tmp_path / "other").exists()


def test_it_goes_to_the_hub_as_a_data_set_once_a_version(work: Path, there: Hub) -> None:
    code, said = _export(work, "--hub", "lab/tiny", "--name", "tiny", "--licence", "mit")
    assert code == 0, said
    repository = there.repositories["lab/tiny"]
    assert repository.private and repository.refs["1"] in said and TOKEN not in said
    assert any(request.startswith("POST /api/datasets/lab/tiny/commit/") for request in there.requests)
    assert not any("/api/models/" in request for request in there.requests)
    assert "examples/train.parquet" in repository.commits[repository.refs["1"]]
    assert b'load_dataset("lab/tiny", "labels"' in repository.commits[repository.refs["1"]]["README.md"]
    commits = len(repository.commits)
    assert _export(work, "--hub", "lab/tiny", "--name", "tiny", "--licence", "mit")[0] == 0
    assert len(repository.commits) == commits
    code, said = _export(work, "--hub", "lab/tiny", "--name", "tiny", "--licence", "cc0-1.0")
    assert code == 2 and "it has a version 1 with other content" in said


def test_what_cannot_be_is_one_line(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "")
    for words, reason in (
        ([], "name one place"),
        ([str(tmp_path / "x"), "--hub", "a/b"], "name one place"),
        (["--hub", "a/b"], "HF_TOKEN is not set"),
        (["--hub", "no-name"], "is no name on the Hub"),
        ([str(tmp_path / "x"), "--public"], "--public is of --hub"),
        ([str(tmp_path / "x"), "--licence", "MIT License"], "licence 'MIT License'"),
        ([str(tmp_path / "x"), "--values", "importance"], "are of --to neuronpedia"),
    ):
        code, said = _export(work, "--name", "tiny", *words)
        assert code == 2 and reason in said and len(said.strip().splitlines()) == 1, said
    assert not (tmp_path / "x").exists()
