"""The report on a made-up ``data/`` tree: figures worked out by hand, what is missing named, bytes reproduced."""

import csv
import json
from pathlib import Path

import fake_data
import pytest

from prefactor.config.report import ReportConfig
from prefactor.errors import ParamsError, PrefactorError
from prefactor.evaluate.intervals import t_quantile
from prefactor.files.artifacts import verify
from prefactor.report.summary import Summary
from stages import report
from tests.report_pages import OUT


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


@pytest.mark.parametrize("bad", [{"edit": "skalar"}, {"controls": ["rnd"]}, {"edit": "scalar", "controls": ["scalar"]}])
def test_names_of_edits_are_checked(bad: dict) -> None:
    with pytest.raises(ParamsError, match=r"params\.yaml: report\."):
        ReportConfig(**bad).check(fake_data.EDITS)
