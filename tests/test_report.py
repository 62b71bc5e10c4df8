"""The report on a made-up ``data/`` tree: figures worked out by hand, a page that is closed, escaped, reproducible."""

import csv
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import fake_data
import pyarrow.parquet as pq
import pytest
import yaml
from plotly.offline import get_plotlyjs

from flows.headline import told
from prefactor.config.report import ReportConfig
from prefactor.errors import ParamsError, PrefactorError
from prefactor.evaluate.intervals import t_quantile
from prefactor.export.card import card
from prefactor.files.artifacts import verify, write_manifest
from prefactor.report.summary import Summary
from stages import report

OUT = Path("data/report")
EVIL = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("built")
    fake_data.build(root)
    return root


@pytest.fixture
def tree(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the fake tree of its own, as the working folder."""
    shutil.copytree(built, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def page_without_plotly() -> str:
    page = (OUT / "index.html").read_text(encoding="utf-8")
    assert page.count(get_plotlyjs()) == 1
    return page.replace(get_plotlyjs(), "")


def shown(heading: str) -> str:
    """The text of the page's section under ``heading``, white space made single."""
    page = page_without_plotly()
    start = page.index(f"<h2>{heading}")
    parser = Loads()
    parser.feed(page[start : page.index("</section>", start)])
    return " ".join(parser.text.split())


class Loads(HTMLParser):
    """Collects the attributes of a page through which a browser would fetch something, and its visible text."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.scripts = 0
        self.text = ""
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self._inside = tag
        self.text += " " * (tag in ("td", "th", "small", "p", "tr", "code"))
        loading = {"src", "srcset", "href", "data", "action", "poster"}
        self.found += [value or "" for name, value in attrs if name in loading]

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.text += data


def test_summary_against_figures_worked_out_by_hand(tree: Path) -> None:
    report.main()
    summary = Summary.model_validate_json((OUT / "summary.json").read_text(encoding="utf-8"))
    assert list(summary.edits) == list(fake_data.EDITS)
    assert summary.target.base_ce == fake_data.BASE_CE
    assert summary.target.chance == fake_data.CHANCE
    assert summary.decomposition.l0 == 102.4
    assert summary.decomposition.kl.pgd20 == 0.311
    assert summary.decomposition.seconds == 372.25
    assert (OUT / "frontier.csv").samefile(summary.frontier)
    # Nine edits of 9.5 s each.
    assert summary.cost["edit"].model_dump() == {
        "seconds": 85.5, "tokens": 9 * 20480, "flops": 9 * 2.5e10, "usd": 0.0, "requests": 0, "memory": 0,
    }  # fmt: skip
    assert summary.cost["label"].seconds == 1.5
    assert summary.cost["effects"].seconds == 48.0
    assert (summary.cost["score"].usd, summary.cost["score"].requests) == (0.12, 1600)
    assert summary.labels.model_dump() == {
        "alive": 411, "clear": 203, "detection": 0.772, "fuzzing": 0.614, "intruder": 0.553, "agreement": 0.694,
        "surprising": 1,
    }  # fmt: skip

    scalar = summary.edits["scalar"]
    assert (scalar.subcomponents, scalar.target, scalar.target_tokens) == ([fake_data.CHOSEN], "de", 4)
    # The fake damage at 4 tokens is full * 4 / 4.02, times 1 + 0.02 (seed - 2): five values a step of 2 % apart,
    # whose standard deviation is 0.02 * sqrt(2.5) of their mean.
    english = 0.03 * 4 / 4.02
    half = t_quantile(4) * 0.02 * 2.5**0.5 / 5**0.5 * english
    text = t_quantile(255) * 0.003  # 256 blocks; errors of 0.001 to 0.005
    expected = {
        "mean": english, "draws": 5, "low": english - half, "high": english + half, "text_low": english - text,
        "text_high": english + text,
    }  # fmt: skip
    assert scalar.damage["en"].model_dump() == pytest.approx(expected)
    german = 1.01 * (fake_data.CHANCE - 1.25) * 4 / 4.02
    assert scalar.target_ce_minus_chance.mean == pytest.approx(1.25 + german - fake_data.CHANCE)
    unigram = scalar.target_ce_minus_unigram
    assert unigram.mean == pytest.approx(1.25 + german - fake_data.UNIGRAM_CE["de"])
    assert unigram.text_high == pytest.approx(unigram.mean + t_quantile(255) * 0.02)
    assert scalar.damage["de"].mean == pytest.approx(german)


def test_frontier_has_a_row_an_edit_and_budget(tree: Path) -> None:
    report.main()
    rows = list(csv.DictReader((OUT / "frontier.csv").open(encoding="utf-8")))
    assert len(rows) == len(fake_data.EDITS) * len(fake_data.BUDGETS)
    row = next(row for row in rows if row["edit"] == "lora-1" and row["budget"] == "2")
    # Half strength at 6 tokens: a quarter of it at 2. French is the worst protected domain by construction.
    assert float(row["damage_fr"]) == pytest.approx(1.30 / 4, abs=1e-6)
    assert row["worst_protected"] == row["damage_fr"]
    assert row["worst_retained"] == row["damage_en"]
    assert float(row["target_ce"]) == pytest.approx(1.25 + 1.05 * (fake_data.CHANCE - 1.25) / 4, abs=1e-6)
    assert float(row["target_ce_minus_unigram"]) == pytest.approx(float(row["target_ce"]) - 4.7, abs=2e-6)


def test_the_unigram_bar_stands_beside_chance(tree: Path) -> None:
    report.main()
    page = page_without_plotly()
    for name, level in (("chance", fake_data.CHANCE), ("unigram", 4.7), ("before", 1.25)):  # three figures have them
        assert page.count(f'"text": "{name}\\u003cbr>{level:.2f}"') == 3
    over = 1.25 + 1.01 * (fake_data.CHANCE - 1.25) * 4 / 4.02 - 4.7
    assert f"+{over:.2f}" in shown("Methods side by side")


def test_metrics_are_flat_and_an_edit_has_its_own(tree: Path) -> None:
    report.main()
    metrics = json.loads((OUT / "metrics.json").read_text(encoding="utf-8"))
    assert all(isinstance(value, int | float) for value in metrics.values())
    assert (metrics["kl_stochastic_nats"], metrics["clear_labels"]) == (0.0213, 203)
    assert metrics["label_agreement_accuracy"] == 0.694
    (OUT / "edits" / "gone.json").write_text("{}")
    report.main()
    assert {path.stem for path in (OUT / "edits").iterdir()} == set(fake_data.EDITS)
    scalar = json.loads((OUT / "edits" / "scalar.json").read_text(encoding="utf-8"))
    assert scalar["worst_retained_nats"] == pytest.approx(0.03 * 4 / 4.02)
    german = 1.25 + 1.01 * (fake_data.CHANCE - 1.25) * 4 / 4.02
    assert scalar["target_minus_chance_nats"] == pytest.approx(german - fake_data.CHANCE)
    assert set(scalar) == {"target_tokens", "target_minus_chance_nats", "worst_retained_nats", "worst_protected_nats"}


def test_what_dvc_plots_has_a_row_an_edit_and_domain_and_a_row_a_mask(tree: Path) -> None:
    report.main()
    damage = list(csv.DictReader((OUT / "damage.csv").open(encoding="utf-8")))
    found = {(row["edit"], row["domain"]): row for row in damage}
    assert len(damage) == len(found) and {edit for edit, _ in found} == set(fake_data.EDITS)
    assert float(found["scalar", "en"]["damage"]) == pytest.approx(0.03 * 4 / 4.02, abs=1e-6)
    assert (found["scalar", "en"]["role"], found["scalar", "fr"]["role"]) == ("retained", "protected")
    assert ("scalar", "de") not in found  # the target's would dwarf them
    quality = list(csv.DictReader((OUT / "quality.csv").open(encoding="utf-8")))
    assert {row["mask"]: float(row["kl"]) for row in quality}["stochastic"] == 0.0213


def test_page_fetches_nothing_and_bundles_plotly_once(tree: Path) -> None:
    report.main()
    page = page_without_plotly()
    parser = Loads()
    parser.feed(page)
    assert [value for value in parser.found if not value.startswith(("data:", "#"))] == []
    assert not re.search(r"@import|url\(|https?://|fetch\(|XMLHttpRequest|import\(", page)
    assert "One prefactor on layers.0.self_attn.v_proj:5, labelled “German text”" in " ".join(parser.text.split())


def test_text_from_corpus_and_labels_is_escaped(tree: Path) -> None:
    report.main()
    clean = Loads()
    clean.feed(page_without_plotly())
    evil_row = fake_data.subcomponent_row(fake_data.CHOSEN, dict.fromkeys(fake_data.BASE_CE, 0.1))
    evil_row["input_recall"] = [{"token": EVIL, "value": 1.0, "count": 3}]
    window = fake_data.example_row(fake_data.CHOSEN, 0, "de", "ein zwei drei")
    window["tokens"][1] = EVIL
    fake_data.replace(Path("data/harvest"), "subcomponents.parquet", [evil_row])
    fake_data.replace(Path("data/harvest"), "examples.parquet", [window])
    together = evil_row["together"][0]["subcomponent"]
    evil_labels = [fake_data.label_row(name, EVIL) for name in (fake_data.CHOSEN, together)]
    fake_data.replace(Path("data/label"), "labels.parquet", evil_labels)
    evil_score = fake_data.score_row(fake_data.CHOSEN, 0.2)
    evil_score |= {"predicted": [EVIL], "rising": [EVIL], "surprising": [EVIL]}
    fake_data.replace(Path("data/score"), "scores.parquet", [evil_score])
    fake_data.replace_json(Path("data/score/metrics.json"), {"judge": EVIL})
    evil_choice = {
        "subcomponent": fake_data.CHOSEN, "label": EVIL, "score": None, "reason": EVIL, "collateral": {"de": 1.0},
        "warning": EVIL,
    }  # fmt: skip
    evil_selection = {"subcomponents": [evil_choice], "candidates": [evil_choice], "near_misses": [evil_choice]}
    fake_data.replace_json(Path("data/selection/scalar/selection/selection.json"), evil_selection)
    evil_rollout = {"edit": "scalar", "domain": "de", "prompt": EVIL, "before": EVIL, "after": EVIL}
    fake_data.replace(Path("data/evaluate/scalar"), "rollouts.parquet", [evil_rollout])
    report.main()
    page = page_without_plotly()
    parser = Loads()
    parser.feed(page)
    assert EVIL not in page
    assert parser.scripts == clean.scripts
    # Headline; card: label, reason, warning, token table, what fires together, example; runner-up: label, reason;
    # rollout: three, the prompt twice; judge; surprise: label and three lists; edit: label, warning, near miss: two.
    assert parser.text.count(EVIL) == 1 + 6 + 2 + 4 + 1 + 4 + 4


def test_labels_are_shown_with_the_figures_of_their_tables(tree: Path) -> None:
    report.main()
    text = shown("Labels, and how far to trust them")
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


def test_the_labels_that_would_surprise_most_come_first(tree: Path) -> None:
    nats = [0.02 * rank for rank in range(1, 15)]
    rows = [fake_data.score_row(f"layers.0.mlp.up_proj:{i}", value) for i, value in enumerate((0.0, *nats))]
    fake_data.replace(Path("data/score"), "scores.parquet", rows)
    fake_data.replace_json(Path("data/score/metrics.json"), {"surprising": 14, "judged": 120})
    report.main()
    text = shown("Labels, and how far to trust them")
    assert "inverting the subcomponent harms: 14. Those" in text and "120 of the clear labels" in text
    names = [int(name) for name in re.findall(r"up_proj:(\d+) no label German", text)]
    assert names == list(range(14, 2, -1))


def test_labels_by_people_are_counted(tree: Path) -> None:
    rows = [fake_data.label_row(name, "German text") for name in fake_data.chosen("contrast-16")]
    for row in rows[:3]:
        row["labeller"] = "person/Ada"
    fake_data.replace(Path("data/label"), "labels.parquet", rows)
    report.main()
    assert "People wrote 3 labels," in shown("Labels, and how far to trust them")


def test_no_surprise_and_tests_that_no_label_was_put_to(tree: Path) -> None:
    fake_data.replace(Path("data/score"), "scores.parquet", [fake_data.score_row(fake_data.CHOSEN, 0.0)])
    empty = {"n": 0, "chance": 0.5, "shuffled": None}
    null = {"n": 1, "chance": 0.5, "shuffled": None, "mean": 0.75, "low": None, "high": None}
    fake_data.replace_json(Path("data/score/metrics.json"), {"surprising": 0, "detection": empty, "agreement": null})
    report.main()
    text = shown("Labels, and how far to trust them")
    assert "right text? – – 0 0.50 –" in text
    assert "not judged. 0.75 – 1 0.50 –" in text
    assert "Labels that would surprise most None: by no label" in text
    summary = Summary.model_validate_json((OUT / "summary.json").read_text(encoding="utf-8"))
    assert (summary.labels.detection, summary.labels.agreement) == (None, 0.75)
    assert "label_detection_accuracy" not in json.loads((OUT / "metrics.json").read_text(encoding="utf-8"))


def test_the_card_has_the_scores_and_what_fires_together(tree: Path) -> None:
    report.main()
    text = shown("The subcomponent")
    assert "detection 0.85 chance 0.50 intruder 0.75 chance 0.20 causal agreement 0.88 chance 0.50" in text
    assert "layers.1.mlp.down_proj:97 foreign-language articles 0.63 ×871" in text
    assert "layers.0.mlp.gate_proj:60 no label 0.41 ×340" in text
    assert "Warning. its label names de, but inverting it also costs it +0.31 (de +0.52)." in text


def test_the_card_of_one_that_is_dead_or_of_an_older_harvest(tree: Path) -> None:
    row = fake_data.subcomponent_row(fake_data.CHOSEN, dict.fromkeys(fake_data.BASE_CE, 0.1))
    del row["together"]
    fake_data.replace(Path("data/harvest"), "subcomponents.parquet", [row])
    fake_data.replace(Path("data/score"), "scores.parquet", [fake_data.score_row("layers.0.mlp.up_proj:1", 0.1)])
    report.main()
    text = shown("The subcomponent")
    assert "How far its label holds" not in text and "Fires together with" not in text


def test_each_edit_shows_what_was_foreseen_beside_what_was_measured(tree: Path) -> None:
    report.main()
    text = shown("What each edit chose")
    # English, French, Spanish, Italian, German: the retained, the protected, the target.
    foreseen = "+0.001 +0.010 +0.010 +0.310 +0.520"
    measured = [f"{fake_data.damage('scalar', 4, 2, domain):+.3f}" for domain in ("en", "fr", "es", "it", "de")]
    assert f"(de +0.52). {foreseen} the edit as fitted, measured α −9.84 {' '.join(measured)}" in text
    assert text.count("Near misses") == 1 and "layers.1.mlp.up_proj:7 German names 0.70" in text
    assert text.count("the edit as fitted, measured") == 6  # all but the two that choose nothing
    assert text.count(foreseen) == 5 + 16


def test_edits_of_which_nothing_was_known_are_left_out(tree: Path) -> None:
    for name in set(fake_data.EDITS) - set(fake_data.BASELINES):
        path = Path("data/selection") / name / "selection" / "selection.json"
        old = [
            {key: one[key] for key in ("subcomponent", "label", "score", "reason")}
            for one in json.loads(path.read_text(encoding="utf-8"))["subcomponents"]
        ]
        fake_data.replace_json(path, {"subcomponents": old, "near_misses": []})
    report.main()
    page = page_without_plotly()
    assert "What each edit chose" not in page and "Warning" not in page


def test_the_map_of_the_matrices_has_what_was_verified(tree: Path) -> None:
    report.main()
    page = page_without_plotly()
    shown_ = shown("Where to decompose")
    assert "3 of 4, those with the best forecast, were tried" in shown_ and "loses 0.05 nats a token" in shown_
    assert "matrix amount French Spanish" not in shown_  # columns stand in the table's order, English first
    assert "layers.1.mlp.up_proj 1 +0.010 +4.000 +0.020 +0.000 −0.010" in shown_
    data = json.loads(re.search(r'id="data-located">(.*?)</script>', page)[1])["data"][0]  # type: ignore[index]
    assert (data["x"], data["y"]) == (["0", "1"], ["mlp.up_proj", "self_attn.o_proj"])
    assert (data["z"], data["text"]) == ([[3.0, 6.0], [None, 2.0]], [["3.0", "6.0"], ["·", "2.0"]])


def test_a_direction_is_shown_with_the_tokens_behind_it(tree: Path) -> None:
    report.main()
    row = shown("Methods side by side").partition("direction 1.25 times the closed-form change of layers.1.mlp")[2]
    assert row.startswith(
        ".up_proj, around English, French, Spanish, Italian 4 German; chosen with 3,072 direction + 5,120 "
    )
    summary = Summary.model_validate_json((OUT / "summary.json").read_text(encoding="utf-8"))
    assert summary.edits["direction"].chosen_with == 5120 + 3072


def test_an_endpoint_is_in_the_cost(tree: Path) -> None:
    report.main()
    text = shown("What it cost")
    assert re.search(r"effects 48 s .* score 2\.0 s", text)
    assert text.endswith("1.60 k 0.12")


def test_equal_inputs_give_equal_bytes(tree: Path) -> None:
    report.main()
    first = {path: path.read_bytes() for path in OUT.rglob("*") if path.is_file() and path.name != "cost.json"}
    assert {path.relative_to(OUT).parts[0] for path in first} == {*report.OUTPUTS, "manifest.json"}
    report.main()
    assert {path: path.read_bytes() for path in first} == first
    verify(OUT)


def test_a_missing_table_is_named(tree: Path) -> None:
    Path("data/evaluate/lora-4/table/table.parquet").unlink()
    with pytest.raises(PrefactorError, match=r"data/evaluate/lora-4/table/table\.parquet is missing"):
        report.main()


def test_a_damaged_table_is_named(tree: Path) -> None:
    path = Path("data/evaluate/scalar/table/table.parquet")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(PrefactorError, match=r"scalar/table/table\.parquet is damaged"):
        report.main()


def test_a_table_without_the_reports_budget_is_an_error(tree: Path) -> None:
    folder = Path("data/evaluate/guarded-domain")
    rows = [row for row in fake_data.table_rows("guarded-domain") if row["budget"] != fake_data.REPORT_BUDGET]
    fake_data.replace(folder, "table.parquet", rows)
    with pytest.raises(PrefactorError, match=r"guarded-domain.* report's budget 4"):
        report.main()


def test_a_missing_cost_and_a_missing_figure_are_named(tree: Path) -> None:
    path = Path("data/edit/random/cost.json")
    kept = path.read_text()
    path.unlink()
    with pytest.raises(PrefactorError, match=r"data/edit/random/cost\.json is missing"):
        report.main()
    path.write_text('{"seconds": 1.0}')
    with pytest.raises(PrefactorError, match=r"cost\.json: tokens"):
        report.main()
    path.write_text(kept)
    report.main()


def test_a_run_says_whether_it_holds_and_by_what_it_does_not(tree: Path) -> None:
    def run(bars: str, edit: str = "scalar") -> tuple[dict[str, Any], str]:
        params = yaml.safe_load(Path("params.yaml").read_text())
        params["report"] |= {"edit": edit, "bars": yaml.safe_load(bars)}
        Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        report.main()
        assert json.loads((OUT / "metrics.json").read_text())["holds"] == float(summary()["holds"]["holds"])
        return summary()["holds"], page_without_plotly()

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


def test_headline_admits_what_was_not_reached(tree: Path) -> None:
    rows = [
        row | {"edited_ce": row["base_ce"] + 2.0, "damage": 2.0} if row["domain"] == "de" else row
        for row in fake_data.table_rows("scalar")
    ]
    fake_data.replace(Path("data/evaluate/scalar"), "table.parquet", rows)
    report.main()
    gap = fake_data.CHANCE - 3.25
    assert f"<h1>German is not removed: {gap:.2f} nats short of chance</h1>" in page_without_plotly()


@pytest.mark.parametrize(
    ("ce", "title"),
    [(4.0, "German is not removed: 0.70 nats short of what token frequencies tell"),
     (4.8, "German is removed but for token frequencies with one number; French pays 0.90 nats"),
     (fake_data.CHANCE + 0.1, "German is removed with one number; French pays 0.90 nats")],
)  # fmt: skip
def test_headline_goes_by_the_goal(tree: Path, ce: float, title: str) -> None:
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("    method: scalar\n", "    method: scalar\n    goal: unigram\n", 1))
    rows = [
        row | {"edited_ce": ce, "damage": ce - row["base_ce"]} if row["domain"] == "de" else row
        for row in fake_data.table_rows("scalar")
    ]
    fake_data.replace(Path("data/evaluate/scalar"), "table.parquet", rows)
    report.main()
    assert f"<h1>{title}</h1>" in page_without_plotly()


def test_what_is_set_on_held_out_text_is_told(tree: Path) -> None:
    params = Path("params.yaml")
    alpha = "    method: scalar\n    alpha: {by: reach, kl: 0.1}\n"
    params.write_text(params.read_text().replace("    method: scalar\n", alpha, 1))
    rows = [row | {"budget": 0} for row in fake_data.table_rows("scalar") if (row["budget"], row["seed"]) == (4, 0)]
    fake_data.replace(Path("data/evaluate/scalar"), "table.parquet", rows)
    path = Path("data/edit/scalar/fits/edit.json")
    facts = json.loads(path.read_text()) | {"report_budget": 0, "tuned_with": 512}
    path.write_text(json.dumps(facts))
    write_manifest(path.parent, ["edit.json", "fits.parquet"])
    report.main()
    page = " ".join(page_without_plotly().split())
    assert "fitted on no German token and set on 512." in page and "set on held-out text of the target" in page
    assert "set by what it does to 512 tokens of the target" in card(facts | {"decomposition": None})


def test_a_domain_that_only_an_evaluation_sees_has_no_importance(tree: Path) -> None:
    rows = pq.read_table("data/harvest/subcomponents/subcomponents.parquet")
    fake_data.replace(Path("data/harvest"), "subcomponents.parquet", rows.drop_columns(["importance_it"]).to_pylist())
    report.main()
    assert "Mean importance by domain" in page_without_plotly()
    fake_data.replace(Path("data/harvest"), "subcomponents.parquet", rows.drop_columns(["importance_de"]).to_pylist())
    with pytest.raises(PrefactorError, match="no column 'importance_de'"):
        report.main()


def test_headline_names_the_price(tree: Path) -> None:
    report.main()
    assert "<h1>German is removed with one number; French pays 0.90 nats</h1>" in page_without_plotly()


@pytest.mark.parametrize("bad", [{"edit": "skalar"}, {"controls": ["rnd"]}, {"edit": "scalar", "controls": ["scalar"]}])
def test_names_of_edits_are_checked(bad: dict) -> None:
    with pytest.raises(ParamsError, match=r"params\.yaml: report\."):
        ReportConfig(**bad).check(fake_data.EDITS)


@pytest.mark.parametrize("name", ["lora-4", "lora-1-same", "contrast-16"])
def test_any_edit_can_be_the_headline(tree: Path, name: str) -> None:
    """Whether it has no subcomponent, one without prefactors, or many of them."""
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("  edit: scalar", f"  edit: {name}").replace("- contrast-16", ""))
    report.main()
    page = page_without_plotly()
    assert page.count('<article class="card">') == len(fake_data.chosen(name))
    assert ("Prefactor found" in page) == (name == "contrast-16")


def test_an_edit_with_another_target_is_listed_but_not_drawn(tree: Path) -> None:
    path = Path("data/edit/lora-1/fits/edit.json")
    path.write_text(path.read_text().replace('"target": "de"', '"target": "fr"').replace('"fr",', '"de",'))
    write_manifest(path.parent, ["edit.json", "fits.parquet"])
    report.main()
    assert "Edits with another target are not drawn: lora-1." in " ".join(page_without_plotly().split())
    summary = Summary.model_validate_json((OUT / "summary.json").read_text(encoding="utf-8"))
    assert summary.edits["lora-1"].target == "fr"
