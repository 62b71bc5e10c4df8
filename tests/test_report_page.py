"""What the report's page tells of a made-up run: the figures and words that a reader sees in a browser."""

import json
import re
from pathlib import Path
from typing import Any

import fake_data
import pyarrow.parquet as pq
import pytest
import yaml

from flows.page.headline import told
from prefactor.export.card import card
from prefactor.files.artifacts import write_manifest
from prefactor.report.summary import Summary
from stages import report
from tests.report_pages import OUT, Reader, drawn, made

CARD = f"components/{fake_data.CHOSEN}"


def _figure(reader: Reader, label: str) -> list[dict[str, Any]]:
    """The traces of the figure that a reader of the screen hears as ``label``."""
    reader.page.wait_for_selector(f'.plot[aria-label="{label}"][data-drawn=yes]')
    return reader.page.locator(f'.plot[aria-label="{label}"]').evaluate("element => element.data")


def test_the_unigram_bar_stands_beside_chance(standing: Reader) -> None:
    standing.open("edits")
    drawn(standing.page, 2)
    for name, level in (("chance", fake_data.CHANCE), ("unigram", 4.7), ("before", 1.25)):
        for plot in standing.page.locator(".plot").all():
            notes = plot.evaluate("element => element.layout.annotations.map((note) => note.text)")
            assert f"{name}<br>{level:.2f}" in notes
    over = 1.25 + 1.01 * (fake_data.CHANCE - 1.25) * 4 / 4.02 - 4.7
    assert f"+{over:.2f}" in standing.text("overview", "Methods side by side")


def test_the_opening_names_the_subcomponent_and_what_it_cost(standing: Reader) -> None:
    text = standing.text("overview")
    assert f"One prefactor on {fake_data.CHOSEN}, labelled “German text”, takes German from 1.25 to" in text
    assert "German is removed with one number; French pays 0.90 nats" in standing.page.locator("h1").inner_text()
    assert "English, nats" not in text and "German, nats 1.25 → " in text


def test_labels_are_shown_with_the_figures_of_their_tables(standing: Reader) -> None:
    text = standing.text("components", "Labels, and how far to trust them")
    assert "203 of 411 alive subcomponents have a clear label" in text
    assert "No label was written by a person. The tests put each clear label to" in text
    assert "The judge is deterministic-v1, a program that" in text
    for test, figures in {
        "detection": "0.77 0.75 to 0.79 198 0.50 0.51", "fuzzing": "0.61 0.60 to 0.63 190 0.50 0.49",
        "intruder": "0.55 0.53 to 0.58 186 0.20 –", "causal agreement": "0.69 0.66 to 0.73 87 0.50 0.48",
    }.items():  # fmt: skip
        assert re.search(rf"\b{test} [A-Z][^–\d]*\. {figures}", re.sub(r"\?", ".", text)), test
    assert "inverting the subcomponent harms: 1. Those" in text
    assert text.endswith("layers.0.self_attn.v_proj:5 German text German German, Italian Italian 0.31")


def test_the_labels_that_would_surprise_most_come_first(reader: Reader) -> None:
    nats = [0.02 * rank for rank in range(1, 15)]
    rows = [fake_data.score_row(f"layers.0.mlp.up_proj:{i}", value) for i, value in enumerate((0.0, *nats))]
    fake_data.replace(Path("data/score"), "scores.parquet", rows)
    fake_data.replace_json(Path("data/score/metrics.json"), {"surprising": 14, "judged": 120})
    text = made(reader).text("components", "Labels, and how far to trust them")
    assert "inverting the subcomponent harms: 14. Those" in text and "120 of the clear labels" in text
    names = [int(name) for name in re.findall(r"up_proj:(\d+) no label German", text)]
    assert names == list(range(14, 2, -1))


def test_labels_by_people_are_counted(reader: Reader) -> None:
    rows = [fake_data.label_row(name, "German text") for name in fake_data.chosen("contrast-16")]
    for row in rows[:3]:
        row["labeller"] = "person/Ada"
    fake_data.replace(Path("data/label"), "labels.parquet", rows)
    assert "People wrote 3 labels," in made(reader).text("components", "Labels, and how far to trust them")


def test_no_surprise_and_tests_that_no_label_was_put_to(reader: Reader) -> None:
    fake_data.replace(Path("data/score"), "scores.parquet", [fake_data.score_row(fake_data.CHOSEN, 0.0)])
    empty = {"n": 0, "chance": 0.5, "shuffled": None}
    null = {"n": 1, "chance": 0.5, "shuffled": None, "mean": 0.75, "low": None, "high": None}
    fake_data.replace_json(Path("data/score/metrics.json"), {"surprising": 0, "detection": empty, "agreement": null})
    text = made(reader).text("components", "Labels, and how far to trust them")
    assert "right text? – – 0 0.50 –" in text
    assert "not judged. 0.75 – 1 0.50 –" in text
    assert "Labels that would surprise most None: by no label" in text
    summary = Summary.model_validate_json((OUT / "summary.json").read_text(encoding="utf-8"))
    assert (summary.labels.detection, summary.labels.agreement) == (None, 0.75)
    assert "labels_detection" not in json.loads((OUT / "metrics.json").read_text(encoding="utf-8"))


def test_the_card_has_the_scores_and_what_fires_together(standing: Reader) -> None:
    text = standing.text(CARD)
    assert "detection 0.85 chance 0.50 intruder 0.75 chance 0.20 causal agreement 0.88 chance 0.50" in text
    assert "harms, by its label German harms, if inverted German, Italian surprising Italian" in text
    assert "layers.1.mlp.down_proj:97 foreign-language articles 0.63 ×871" in text
    assert "layers.0.mlp.gate_proj:60 no label 0.41 ×340" in text
    assert "Warning. its label names de, but inverting it also costs it +0.31 (de +0.52)." in text
    assert "96 % of its firings lie in German text" in text and "label by evidence, score 0.94" in text
    assert "tokens that need it (importance above 0.1) 13.1 %" in text
    assert "␣und 0.97 ×970" in text  # the first of a token table


def test_the_card_has_what_was_measured_of_rescaling_it(standing: Reader) -> None:
    text = standing.text(CARD)
    # English, French, Spanish, Italian, German: the retained, the protected, the target.
    assert "measured by forward passes" in text
    assert "ablated, α = 0 +0.0005 ± 0.0000 +0.0050 ± 0.0003 +0.0050 ± 0.0003 +0.1550 ± 0.0077 +0.2600 ± 0.0130" in text
    assert "inverted, α = −1 +0.0010 ± 0.0001" in text and "+0.5200 ± 0.0260" in text
    other = standing.text("components/layers.1.mlp.down_proj:97")
    assert "to first order in the prefactor" in other and "It fires nowhere in the harvest text." in other


def test_the_card_of_one_that_is_dead_or_of_an_older_harvest(reader: Reader) -> None:
    row = fake_data.subcomponent_row(fake_data.CHOSEN, dict.fromkeys(fake_data.BASE_CE, 0.1))
    del row["together"]
    row["alive"] = False
    fake_data.replace(Path("data/harvest"), "subcomponents.parquet", [row])
    fake_data.replace(Path("data/score"), "scores.parquet", [fake_data.score_row("layers.0.mlp.up_proj:1", 0.1)])
    fake_data.replace(Path("data/effects"), "effects.parquet", [fake_data.effects_row("layers.0.mlp.up_proj:1", {})])
    text = made(reader).text(CARD)
    assert "German text" in text
    for absent in ("How far its label holds", "Fires together with", "What rescaling it does"):
        assert absent not in text


def test_each_edit_shows_what_was_foreseen_beside_what_was_measured(standing: Reader) -> None:
    text = standing.text("edits/scalar", "One edit")
    # English, French, Spanish, Italian, German: the retained, the protected, the target.
    foreseen = "+0.001 +0.010 +0.010 +0.310 +0.520"
    measured = [f"{fake_data.damage('scalar', 4, 2, domain):+.3f}" for domain in ("en", "fr", "es", "it", "de")]
    assert f"(de +0.52). {foreseen} the edit as fitted, measured α −9.84 {' '.join(measured)}" in text
    assert "Near misses" in text and "layers.1.mlp.up_proj:7 German names 0.70" in text
    assert "The runners-up" in text and "layers.1.mlp.up_proj:31 German nouns with capitals 0.71" in text
    assert "Why this one. its label “German text” matches the query" in text
    told_of = {}
    for name in fake_data.EDITS:
        text = standing.text(f"edits/{name}", "One edit")
        told_of[name] = (text.count("the edit as fitted, measured"), text.count(foreseen), text.count("Near misses"))
    chosen = {name: (1, len(fake_data.chosen(name)), int(name == "scalar")) for name in fake_data.EDITS}
    assert told_of == {name: chosen[name] if name not in fake_data.BASELINES else (0, 0, 0) for name in chosen}


def test_edits_of_which_nothing_was_known_are_left_out(reader: Reader) -> None:
    for name in set(fake_data.EDITS) - set(fake_data.BASELINES):
        path = Path("data/selection") / name / "selection" / "selection.json"
        old = [
            {key: one[key] for key in ("subcomponent", "label", "score", "reason")}
            for one in json.loads(path.read_text(encoding="utf-8"))["subcomponents"]
        ]
        fake_data.replace_json(path, {"subcomponents": old, "near_misses": []})
    text = made(reader).text("edits/scalar", "One edit") + reader.text(CARD)
    assert "What was known of the choice" not in text and "Warning" not in text


def test_the_map_of_the_matrices_has_what_was_verified(standing: Reader) -> None:
    text = standing.text("decomposition", "Where to decompose")
    assert "3 of 4, those with the best forecast, were tried" in text and "loses 0.05 nats a token" in text
    assert "matrix amount French Spanish" not in text  # columns stand in the table's order, English first
    assert "layers.1.mlp.up_proj 1 +0.010 +4.000 +0.020 +0.000 −0.010" in text
    data = _figure(standing, "what German loses by layer and matrix")[0]
    assert (data["x"], data["y"]) == (["0", "1"], ["mlp.up_proj", "self_attn.o_proj"])
    assert (data["z"], data["text"]) == ([[3.0, 6.0], [None, 2.0]], [["3.0", "6.0"], ["·", "2.0"]])


def test_the_decomposition_has_its_battery_its_spectrum_and_l0_by_depth(standing: Reader) -> None:
    text = standing.text("decomposition")
    assert "61.3" not in text and "66.4 % of the model’s weights are decomposed: 131,072 in 14 of its matrices" in text
    assert "411 of 1,792 subcomponents are alive" in text
    assert "stochastic random masks between importance and 1, Δ too 0.02130 1.291" in text
    assert "PGD 40 the worst masks 40 steps of PGD find, Δ too 0.34200" in text
    assert "0 102.4 5.7 %" in text
    depth = _figure(standing, "L0 by layer and position")[0]
    assert (depth["x"], depth["y"]) == (list(range(8)), ["layers.0", "layers.1"])
    assert depth["z"] == [[10.0 + position for position in range(8)], [20.0 + position for position in range(8)]]
    spectrum = _figure(standing, "mean importance by rank")[0]
    largest = sum((0.002, 0.63, 0.08, 0.09, 0.08)) / 5
    assert (spectrum["x"][0], spectrum["y"][0]) == (1, pytest.approx(largest))
    assert spectrum["x"][-1] == len({name for edit in fake_data.EDITS for name in fake_data.chosen(edit)})
    assert {"adversarial by training step", "delta by training step"} <= set(
        standing.page.locator(".plot").evaluate_all("plots => plots.map((plot) => plot.getAttribute('aria-label'))")
    )


def test_a_run_of_before_there_were_depth_and_tokens(reader: Reader) -> None:
    Path("data/importance/depth.parquet").unlink()
    for name in fake_data.EDITS:
        for file in (Path("data/evaluate") / name / "tokens").iterdir():
            file.unlink()
        (Path("data/evaluate") / name / "tokens").rmdir()
    assert "did not keep L0 by layer and position" in made(reader).text("decomposition")
    assert "did not keep figures by token" in reader.text("edits/scalar", "One edit")


def test_a_direction_is_shown_with_the_tokens_behind_it(standing: Reader) -> None:
    text = standing.text("overview", "Methods side by side")
    row = text.partition("direction 1.25 times the closed-form change of layers.1.mlp")[2]
    assert row.startswith(
        ".up_proj, around English, French, Spanish, Italian 4 German; chosen with 3,072 direction + 5,120 "
    )
    summary = Summary.model_validate_json((standing.root / OUT / "summary.json").read_text(encoding="utf-8"))
    assert summary.edits["direction"].chosen_with == 5120 + 3072


def test_the_pipeline_and_the_bill_have_every_stage(standing: Reader) -> None:
    pipeline = standing.text("overview", "The pipeline")
    assert re.search(r"decompose splits .* 6 min 12 s 1\.49 TFLOP", pipeline)
    text = standing.text("bill", "What it cost")
    assert re.search(r"effects 48 s .* score 2\.0 s", text)
    assert re.search(r"total [^B]*1\.60 k 0\.12", text)
    assert "9 edits took" in text and "edit scalar 9.5 s" in text


def test_a_run_says_whether_it_holds_and_by_what_it_does_not(reader: Reader) -> None:
    def run(bars: str, edit: str = "scalar") -> tuple[dict[str, Any], str]:
        params = yaml.safe_load(Path("params.yaml").read_text())
        params["report"] |= {"edit": edit, "bars": yaml.safe_load(bars)}
        Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        report.main()
        assert json.loads((OUT / "metrics.json").read_text())["holds"] == float(summary()["holds"]["holds"])
        return summary()["holds"], reader.text("overview")

    def summary() -> dict[str, Any]:
        return json.loads((OUT / "summary.json").read_text())

    holds, page = run("{retained: 1.0, protected: 2.0}")
    own = summary()["edits"]["scalar"]["damage_own"]
    assert holds["holds"] and holds["missed"] == [] and "It holds" in page
    assert (
        holds["retained"]
        == own["en"]["mean"]
        == pytest.approx(summary()["edits"]["scalar"]["damage"]["en"]["mean"] - fake_data.QUOTED["en"])
    )
    assert holds["protected"] == max(own[domain]["mean"] for domain in ("fr", "es", "it"))
    assert "English pays" in page and "160 tokens" in page  # what quotes carry of it
    holds, page = run("{retained: 0.001, protected: 2.0}")
    assert not holds["holds"] and holds["missed"] == [f"English pays {own['en']['mean']:.3f} nats, more than 0.001"]
    assert f"It does not hold: {holds['missed'][0]}" in page
    assert told(holds) == f"scalar does not hold: {holds['missed'][0]}"
    rows = [
        row | {"edited_ce": row["base_ce"] + 2.0, "damage": 2.0} if row["domain"] == "de" else row
        for row in fake_data.table_rows("scalar")
    ]
    fake_data.replace(Path("data/evaluate/scalar"), "table.parquet", rows)
    holds, _ = run("{retained: 1.0, protected: 2.0}")
    assert holds["missed"] == [f"German is {fake_data.CHANCE - 3.25:.2f} nats short of chance"]


def test_headline_admits_what_was_not_reached(reader: Reader) -> None:
    rows = [
        row | {"edited_ce": row["base_ce"] + 2.0, "damage": 2.0} if row["domain"] == "de" else row
        for row in fake_data.table_rows("scalar")
    ]
    fake_data.replace(Path("data/evaluate/scalar"), "table.parquet", rows)
    gap = fake_data.CHANCE - 3.25
    assert _title(reader) == f"German is not removed: {gap:.2f} nats short of chance"


@pytest.mark.parametrize(
    ("ce", "title"),
    [(4.0, "German is not removed: 0.70 nats short of what token frequencies tell"),
     (4.8, "German is removed but for token frequencies with one number; French pays 0.90 nats"),
     (fake_data.CHANCE + 0.1, "German is removed with one number; French pays 0.90 nats")],
)  # fmt: skip
def test_headline_goes_by_the_goal(reader: Reader, ce: float, title: str) -> None:
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("    method: scalar\n", "    method: scalar\n    goal: unigram\n", 1))
    rows = [
        row | {"edited_ce": ce, "damage": ce - row["base_ce"]} if row["domain"] == "de" else row
        for row in fake_data.table_rows("scalar")
    ]
    fake_data.replace(Path("data/evaluate/scalar"), "table.parquet", rows)
    assert _title(reader) == title


def test_what_is_set_on_held_out_text_is_told(reader: Reader) -> None:
    params = Path("params.yaml")
    alpha = "    method: scalar\n    alpha: {by: reach, kl: 0.1}\n"
    params.write_text(params.read_text().replace("    method: scalar\n", alpha, 1))
    rows = [row | {"budget": 0} for row in fake_data.table_rows("scalar") if (row["budget"], row["seed"]) == (4, 0)]
    fake_data.replace(Path("data/evaluate/scalar"), "table.parquet", rows)
    path = Path("data/edit/scalar/fits/edit.json")
    facts = json.loads(path.read_text()) | {"report_budget": 0, "tuned_with": 512}
    path.write_text(json.dumps(facts))
    write_manifest(path.parent, ["edit.json", "fits.parquet"])
    text = made(reader).text("overview")
    assert "fitted on no German token and set on 512." in text and "set on held-out text of the target" in text
    assert "set by what it does to 512 tokens of the target" in card(facts | {"decomposition": None})


def test_a_domain_that_only_an_evaluation_sees_has_no_importance(reader: Reader) -> None:
    rows = pq.read_table("data/harvest/subcomponents/subcomponents.parquet")
    fewer = rows.drop_columns(["importance_it", "share_it", "density_it"])
    fake_data.replace(Path("data/harvest"), "subcomponents.parquet", fewer.to_pylist())
    assert re.search(r"Mean importance by domain English 0\.002 French .* German 0\.630", made(reader).text(CARD))
    assert "Italian" not in reader.text(CARD).partition("Mean importance by domain")[2].partition("Figures")[0]
    fake_data.replace(Path("data/harvest"), "subcomponents.parquet", rows.drop_columns(["importance_de"]).to_pylist())
    with pytest.raises(Exception, match="no column 'importance_de'"):
        report.main()


@pytest.mark.parametrize("name", ["lora-4", "lora-1-same", "contrast-16"])
def test_any_edit_can_be_the_headline(reader: Reader, name: str) -> None:
    """Whether it has no subcomponent, one without prefactors, or many of them."""
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("  edit: scalar", f"  edit: {name}").replace("- contrast-16", ""))
    text = made(reader).text("edits", "One edit")
    assert reader.page.locator("#one-edit select").input_value() == name
    assert text.count("Why this one.") == len(fake_data.chosen(name))
    assert ("Prefactor found" in text) == (name == "contrast-16")


def test_an_edit_with_another_target_is_listed_but_not_drawn(reader: Reader) -> None:
    path = Path("data/edit/lora-1/fits/edit.json")
    path.write_text(path.read_text().replace('"target": "de"', '"target": "fr"').replace('"fr",', '"de",'))
    write_manifest(path.parent, ["edit.json", "fits.parquet"])
    assert "Edits with another target are not drawn: lora-1." in made(reader).text("edits")
    traces = {trace["name"] for trace in _figure(reader, "German cross-entropy by number of target tokens")}
    assert traces == set(fake_data.EDITS) - {"lora-1"}
    summary = Summary.model_validate_json((OUT / "summary.json").read_text(encoding="utf-8"))
    assert summary.edits["lora-1"].target == "fr"


def test_recipes_settings_and_commands_stand_with_their_edit(standing: Reader) -> None:
    text = standing.text("edits/lora-1", "One edit")
    assert "lora-1 0.01 for 60 steps at 4 tokens (of 3 each)." in text
    assert '"rank": 1' in text
    assert "prefactor export lora-1 my-adapter" in text and "prefactor apply lora-1 my-checkpoint" in text


def _title(reader: Reader) -> str:
    made(reader).open()
    return reader.page.locator("h1").inner_text()
