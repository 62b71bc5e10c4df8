"""The stages that choose: what they read and write, and what a person who corrects a label changes."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from prefactor.errors import PrefactorError
from prefactor.files.artifacts import read_json, write_part
from prefactor.label.overrides import decomposition_of, make_override, write_override
from prefactor.selection.choice import FILE, read_selection
from prefactor.selection.table import read_subcomponents
from tests.test_selection import ROWS, effects, harvest


def _folder(root: Path, query: str = "german text") -> Path:
    data = root / "data"
    written = [
        {"subcomponent": name, "label": row[0], "reasoning": "", "evidence": "{}", "score": 0.5, "labeller": "t"}
        for name, row in ROWS.items()
    ]
    scores = [
        {"subcomponent": "layers.0.v_proj:2", "detection": 0.9, "fuzzing": 0.8, "intruder": 0.7, "agreement": 1.0}
    ]
    for stage, name, rows in (
        ("harvest", "subcomponents", harvest().to_dict("records")),
        ("label", "labels", written),
        ("effects", "effects", effects().to_dict("records")),
        ("score", "scores", scores),
    ):
        write_part(data / stage, name, pa.Table.from_pylist(rows), {"tokens": {"de": 1234}, "decomposition": "5" * 64})
    (root / "params.yaml").write_text(
        "candidates: {tried: 3, tokens: 64, untagged_tokens: 64}\n"
        "effects: {tokens: 77}\n"
        "selection: {runners_up: 5}\n"
        "shortlists:\n"
        "  german:\n"
        "    domains: &german {target: de, retain: [en], protect: [fr, it]}\n"
        f"    choose: {{by: label, query: '{query}'}}\n"
        "edits:\n"
        "  one: {method: scalar, domains: *german, shortlist: german}\n"
    )
    return data


def _stages() -> Callable[[str], None]:
    """The stages of an edit up to its selection."""
    from stages import candidates, selection, shortlist

    def main(edit: str) -> None:
        shortlist.main("german")
        candidates.main("german")
        selection.main(edit)

    return main


def test_the_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main = _stages()
    monkeypatch.chdir(tmp_path)
    data = _folder(tmp_path)
    main("one")
    assert read_selection(data / "selection/one").subcomponents == ("layers.0.v_proj:2",)
    value = read_json(data / "selection/one" / FILE)
    assert set(value) == {"edit", "by", "chosen_with", "subcomponents", "candidates", "near_misses"}
    assert value["chosen_with"] == {"harvest": 1234}
    keys = {"subcomponent", "label", "score", "reason", "collateral", "warning"}
    assert set(value["subcomponents"][0]) == keys and set(value["near_misses"][0]) == keys
    assert len(value["candidates"]) == 3
    assert value["subcomponents"][0]["collateral"] == {"en": 0.0, "de": 0.6, "fr": 0.3, "it": 0.2}


def test_the_stage_prints_no_character_that_acts_on_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main = _stages()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(ROWS, "layers.0.v_proj:2", ("German\x1b[2J text\u202e", *ROWS["layers.0.v_proj:2"][1:]))
    data = _folder(tmp_path, 'label ~ "text\u202e"')
    main("one")
    assert r'label "German\x1b[2J text\u202e" ~ "text\u202e"' in capsys.readouterr().out
    assert read_selection(data / "selection/one").chosen[0].label == "German\x1b[2J text\u202e"


def test_scores_are_read_only_for_a_query_that_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main = _stages()
    monkeypatch.chdir(tmp_path)
    data = _folder(tmp_path, 'label ~ "german" and detection > 0.8 and score >= 0.5')
    main("one")
    assert len(read_selection(data / "selection/one").candidates) == 0  # the others have no score
    assert "detection" in read_subcomponents(data) and "detection" not in read_subcomponents(data, also=["effects"])
    (data / "score/scores/scores.parquet").write_text("damaged")
    with pytest.raises(PrefactorError, match=r"scores\.parquet is damaged"):
        main("one")
    _folder(tmp_path / "other")
    (tmp_path / "other/data/score/scores/scores.parquet").write_text("damaged")
    monkeypatch.chdir(tmp_path / "other")
    main("one")


def test_a_label_that_a_person_corrects_changes_the_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main = _stages()
    monkeypatch.chdir(tmp_path)
    data = _folder(tmp_path)
    entry = make_override(
        "layers.0.v_proj:2", label="text of three languages", domains=["de"], author="Ada", reason="it reaches French",
        decomposition=decomposition_of(data),
    )  # fmt: skip
    write_override(data, "layers.0.v_proj:2", entry)
    main("one")
    assert read_selection(data / "selection/one").subcomponents == ("layers.0.v_proj:10",)
    write_override(data, "layers.0.v_proj:2", entry.model_copy(update={"label": "German text"}))
    main("one")
    assert read_selection(data / "selection/one").subcomponents == ("layers.0.v_proj:2",)
    warned = "warning: layers.0.v_proj:2: its label names de, but inverting it also costs fr +0.3, it +0.2 (de +0.6)"
    assert warned in capsys.readouterr().out
