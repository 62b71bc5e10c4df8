"""Selection by label, contrast, chance and name: what is ranked first, what is left out, what is said."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from prefactor.artifacts import read_json, write_manifest, write_table
from prefactor.config.edits import ByContrast, ByLabel, ByName, ByRandom, BySingular, Choose, Domains, Nothing
from prefactor.config.selection import SelectionConfig
from prefactor.errors import PrefactorError
from prefactor.selection import Effect, Selection, matches_query, read_selection, select, write_selection

# subcomponent: label, alive, mean importance on en, de, fr, it
ROWS = {
    "layers.0.v_proj:2": ("German text", True, 0.00, 0.60, 0.30, 0.20),
    "layers.0.v_proj:10": ("German text", True, 0.00, 0.60, 0.00, 0.00),
    "layers.1.up_proj:0": ("German text", True, 0.40, 0.90, 0.00, 0.00),
    "layers.1.up_proj:1": ('German text: "der"', True, 0.00, 0.05, 0.00, 0.00),
    "layers.1.up_proj:2": ("foreign text (de fr it)", True, 0.00, 0.80, 0.80, 0.80),
    "layers.1.up_proj:3": ("English text", True, 0.70, 0.00, 0.00, 0.00),
    "layers.1.up_proj:4": ("French and Italian text", True, 0.00, 0.00, 0.40, 0.50),
    "layers.1.up_proj:5": ("dead", False, 0.00, 0.00, 0.00, 0.00),
}
DOMAINS = Domains(target="de", retain=("en",), protect=("fr", "it"))
CONFIG = SelectionConfig(runners_up=2, tried=3, tokens=64, untagged_tokens=64)


def harvest(rows: dict[str, tuple] = ROWS) -> pd.DataFrame:
    table = [
        {
            "subcomponent": name, "module": name.split(":")[0], "index": int(name.split(":")[1]), "alive": alive,
            "importance_en": en, "importance_de": de, "importance_fr": fr, "importance_it": it,
        }
        for name, (_, alive, en, de, fr, it) in rows.items()
    ]  # fmt: skip
    return pd.DataFrame(table)


def labels(rows: dict[str, tuple] = ROWS) -> pd.DataFrame:
    return pd.DataFrame([{"subcomponent": name, "label": row[0]} for name, row in rows.items()])


def chosen(choose: Choose, domains: Domains = DOMAINS) -> Selection:
    return select(choose, "scalar", domains, harvest(), labels(), CONFIG)


def by_label(query: str, top: int = 1) -> ByLabel:
    return ByLabel(by="label", query=query, top=top)


@pytest.mark.parametrize(
    ("query", "label", "matches"),
    [
        ("german text", "German text", True),
        ("TEXT German", "German text", True),
        ("german", "foreign text (de fr es it)", False),
        ("german -und", 'German text: "der"', True),
        ("german -der", 'German text: "der"', False),
        ("text -and", "French and Italian text", False),
        ('"der"', 'German text: "der"', True),
        ("de", "foreign text (de fr es it)", True),
        ("germ", "German text", False),
        ("-", 'the token "-"', True),
    ],
)
def test_a_query_is_words_in_any_order(query: str, label: str, matches: bool) -> None:
    assert matches_query(query, label) is matches


def test_by_label_takes_the_widest_margin_and_not_the_highest_importance() -> None:
    found = chosen(by_label("german text"))
    assert found.subcomponents == ("layers.0.v_proj:2",)  # 0.60 - 0.00 beats 0.90 - 0.40
    assert found.chosen[0].score == pytest.approx(0.6)
    assert [one.subcomponent for one in found.candidates] == ["layers.0.v_proj:10", "layers.1.up_proj:0"]
    reason = "label matches 'german text', 1 of 4: mean importance 0.600 on de against 0.000 on en."
    assert found.chosen[0].reason == reason


def test_protected_domains_change_nothing() -> None:
    blind = harvest()
    blind[["importance_fr", "importance_it"]] = 0.123
    for choose in (by_label("german"), ByContrast(by="contrast", top=3), ByRandom(by="random", top=3)):
        assert select(choose, "scalar", DOMAINS, blind, labels(), CONFIG) == chosen(choose)


def test_every_retained_domain_counts() -> None:
    assert chosen(by_label("german"), Domains(target="de", retain=("en", "fr"))).subcomponents == (
        "layers.0.v_proj:10",
    )
    contrast = chosen(ByContrast(by="contrast"), Domains(target="de", retain=("en", "fr")))
    assert contrast.subcomponents == ("layers.1.up_proj:0",)
    assert contrast.chosen[0].score == pytest.approx(0.9 - 0.4 / 2)


def test_by_contrast_looks_at_no_label() -> None:
    found = chosen(ByContrast(by="contrast", top=2))
    assert found.subcomponents == ("layers.1.up_proj:2", "layers.0.v_proj:2")
    assert [one.score for one in found.chosen] == pytest.approx([0.8, 0.6])


def test_by_effect_the_widest_margins_are_tried_and_the_least_damage_at_chance_wins() -> None:
    asked: list[str] = []

    class Measure:
        def effects(self, names: Sequence[str]) -> list[Effect]:
            asked.extend(names)
            return [Effect(-24.0, 0.5, None), Effect(-4.0, 0.0, 0.3, 0.1), Effect(-6.125, 0.0, 0.0825, 0.2)][
                : len(names)
            ]

        def directions(self, module: str) -> int:
            assert module == "layers.1.up_proj"
            return 2

    choose = by_label("german").model_copy(update={"rank": "spill"})
    spared = select(choose, "scalar", DOMAINS, harvest(), labels(), CONFIG, Measure())
    assert [one.score for one in (*spared.chosen, *spared.candidates)] == [-0.1, -0.2, None]
    singular = BySingular(by="singular", query="german", rank="effect")
    control = select(singular, "control", DOMAINS, harvest(), labels(), CONFIG, Measure())
    assert asked[-2:] == ["layers.1.up_proj:sv0", "layers.1.up_proj:sv1"]
    assert control.subcomponents == ("layers.1.up_proj:sv1",)  # the first never reaches chance

    asked.clear()
    choose = by_label("german").model_copy(update={"rank": "effect"})
    found = select(choose, "scalar", DOMAINS, harvest(), labels(), CONFIG, Measure())
    assert asked == ["layers.0.v_proj:2", "layers.0.v_proj:10", "layers.1.up_proj:0"]
    assert [one.subcomponent for one in (*found.chosen, *found.candidates)] == [asked[2], asked[1], asked[0]]
    assert [one.score for one in (*found.chosen, *found.candidates)] == [-0.0825, -0.3, None]
    assert found.chosen[0].reason == (
        "label matches 'german' (4), 1 of 3 tried: de at chance for +0.083 nats on en "
        "(worst of other text 0.200) at prefactor -6.12: "
        "mean importance 0.900 on de against 0.400 on en."
    )
    assert "at best 0.50 nats short of chance" in found.candidates[-1].reason


def test_the_order_of_rows_changes_nothing() -> None:
    choose = ByContrast(by="contrast", top=5)
    upside_down = select(choose, "scalar", DOMAINS, harvest()[::-1], labels()[::-1], CONFIG)
    assert upside_down == chosen(choose)
    drawn = ByRandom(by="random", top=3, seed=4)
    assert select(drawn, "scalar", DOMAINS, harvest()[::-1], labels(), CONFIG) == chosen(drawn)


def test_at_random_only_alive_ones_by_seed() -> None:
    draws = {chosen(ByRandom(by="random", top=7, seed=seed)).subcomponents for seed in range(5)}
    assert len(draws) > 1
    assert {name for draw in draws for name in draw} == set(ROWS) - {"layers.1.up_proj:5"}
    assert chosen(ByRandom(by="random")).chosen[0].score is None


def test_by_name_keeps_the_order_given() -> None:
    names = ("layers.1.up_proj:5", "layers.0.v_proj:2")
    found = chosen(ByName(by="name", subcomponents=names))
    assert found.subcomponents == names
    assert found.candidates == ()
    assert found.chosen[0].reason.startswith("named though dead")


def test_nothing_needs_no_tables() -> None:
    found = select(Nothing(by="nothing"), "lora", DOMAINS, pd.DataFrame(), pd.DataFrame(), CONFIG)
    assert found == Selection("lora", "nothing", (), ())


@pytest.mark.parametrize(
    ("choose", "words"),
    [
        (by_label("Germn text"), ["choose.query", "'Germn text'", "layers.0.v_proj:2 'German text' (margin 0.60)"]),
        (by_label("german -text"), ["choose.query", "layers.0.v_proj:2"]),
        (by_label("dead"), ["no label matches"]),
        (by_label("-german"), ["no word to look for"]),
        (by_label("german", top=9), ["choose.top = 9", "only 4 qualify", "widen the query"]),
        (ByContrast(by="contrast", top=9), ["choose.top = 9", "only 7 qualify"]),
        (ByName(by="name", subcomponents=("layers.1.up_proj:6",)), ["'layers.1.up_proj:6'", "layers.1.up_proj:5"]),
        (ByName(by="name", subcomponents=("layers.1.up_proj:3",) * 2), ["named twice"]),
    ],
)
def test_what_cannot_be_chosen_is_one_line_with_a_remedy(choose: Choose, words: list[str]) -> None:
    with pytest.raises(PrefactorError) as error:
        chosen(choose)
    message = str(error.value)
    assert message.startswith("edits.scalar.choose.") and "\n" not in message
    assert all(word in message for word in words), message


def test_the_nearest_are_five_by_likeness_then_margin() -> None:
    with pytest.raises(PrefactorError) as error:
        chosen(by_label("germann"))
    message = str(error.value)
    order = ["v_proj:2 ", "v_proj:10 ", "up_proj:0 ", "up_proj:1 "]
    assert [message.index(name) for name in order] == sorted(message.index(name) for name in order)
    assert message.count("margin") == 5


def test_unknown_domains_and_mixed_up_tables_are_refused() -> None:
    with pytest.raises(PrefactorError, match=r"edits\.scalar\.domains\.retain: 'pt' .* en, de, fr, it"):
        chosen(by_label("german"), Domains(target="de", retain=("pt",)))
    with pytest.raises(PrefactorError, match="labels"):
        select(by_label("german"), "scalar", DOMAINS, harvest(), labels()[1:], CONFIG)


def test_a_selection_survives_the_file_and_a_damaged_file_is_refused(tmp_path: Path) -> None:
    written = replace(chosen(by_label("german", top=2)), edit="é")
    write_selection(tmp_path, written)
    write_manifest(tmp_path, ["selection.json"])
    assert read_selection(tmp_path) == written
    (tmp_path / "selection.json").write_text("{}")
    with pytest.raises(PrefactorError, match="damaged"):
        read_selection(tmp_path)


def test_the_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stages.selection import main

    monkeypatch.chdir(tmp_path)
    data = Path("data")
    write_table(data / "harvest/subcomponents.parquet", pa.Table.from_pandas(harvest(), preserve_index=False))
    write_table(data / "label/labels.parquet", pa.Table.from_pandas(labels(), preserve_index=False))
    write_manifest(data / "harvest", ["subcomponents.parquet"])
    write_manifest(data / "label", ["labels.parquet"])
    Path("params.yaml").write_text(
        "selection: {runners_up: 5, tried: 3, tokens: 64, untagged_tokens: 64}\n"
        "edits:\n"
        "  one:\n"
        "    method: scalar\n"
        "    domains: {target: de, retain: [en], protect: [fr, it]}\n"
        "    choose: {by: label, query: german text, top: 1}\n"
    )
    main("one")
    assert read_selection(data / "selection/one").subcomponents == ("layers.0.v_proj:2",)
    value = read_json(data / "selection/one/selection.json")
    assert set(value) == {"edit", "by", "subcomponents", "candidates"}
    assert set(value["subcomponents"][0]) == {"subcomponent", "label", "score", "reason"}
    assert len(value["candidates"]) == 3
