"""Whatever text a run has in it is only text on its page: scripts and quotes in corpus, labels and names."""

from pathlib import Path

import fake_data
import pyarrow.parquet as pq
import yaml
from playwright.sync_api import expect

from prefactor.files.artifacts import read_json, write_json, write_manifest
from stages import report
from tests.report_pages import Reader, drawn

EVIL = "</script><script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\">'\""


def _plant() -> None:
    """The same text wherever a run has text of its own or of others."""
    row = fake_data.subcomponent_row(fake_data.CHOSEN, dict.fromkeys(fake_data.BASE_CE, 0.1))
    row["input_recall"] = [{"token": EVIL, "value": 1.0, "count": 3}]
    row["together"][0]["subcomponent"] = EVIL
    rows = pq.read_table("data/harvest/subcomponents/subcomponents.parquet").to_pylist()
    other = rows[-1] | {"subcomponent": f"{EVIL}:1", "module": EVIL}
    fake_data.replace(Path("data/harvest"), "subcomponents.parquet", [row, other])
    window = fake_data.example_row(fake_data.CHOSEN, 0, EVIL, "ein zwei drei")
    window["tokens"][1] = EVIL
    fake_data.replace(Path("data/harvest"), "examples.parquet", [window])
    labels = [
        fake_data.label_row(name, EVIL) | {"reasoning": EVIL, "labeller": EVIL}
        for name in (fake_data.CHOSEN, f"{EVIL}:1")
    ]
    fake_data.replace(Path("data/label"), "labels.parquet", labels)
    score = fake_data.score_row(fake_data.CHOSEN, 0.2) | {"predicted": [EVIL], "rising": [EVIL], "surprising": [EVIL]}
    fake_data.replace(Path("data/score"), "scores.parquet", [score])
    fake_data.replace_json(Path("data/score/metrics.json"), {"judge": EVIL})
    choice = {
        "subcomponent": fake_data.CHOSEN, "label": EVIL, "score": None, "reason": EVIL, "collateral": {"de": 1.0},
        "warning": EVIL,
    }  # fmt: skip
    selection = {"subcomponents": [choice], "candidates": [choice], "near_misses": [choice]}
    fake_data.replace_json(Path("data/selection/scalar/selection/selection.json"), selection)
    rollout = {"edit": "scalar", "domain": "de", "prompt": EVIL, "before": EVIL, "after": f"{EVIL} {EVIL}"}
    fake_data.replace(Path("data/evaluate/scalar"), "rollouts.parquet", [rollout])
    fake_data.replace(
        Path("data/evaluate/scalar"), "tokens.parquet", fake_data.token_rows("de", f"a {EVIL.replace(' ', '-')}")
    )
    fake_data.replace_json(
        Path("data/edit/scalar/cost.json"), {"with": {"system": EVIL, "device": EVIL, "python": EVIL}}
    )


def _rename(edit: str, name: str) -> None:
    """The edit called ``name`` in the params and in ``data/``."""
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["baselines"] = {name if key == edit else key: value for key, value in params["baselines"].items()}
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    for stage in ("edit", "evaluate"):
        (Path("data") / stage / edit).rename(Path("data") / stage / name)
    path = Path("data/edit") / name / "fits" / "edit.json"
    write_json(path, read_json(path) | {"edit": name})
    write_manifest(path.parent, ["edit.json", "fits.parquet"])


def test_planted_scripts_and_quotes_are_only_text(reader: Reader) -> None:
    _plant()
    report.main()
    shown = [
        reader.text(view)
        for view in ("overview", "components", f"components/{fake_data.CHOSEN}", "edits/scalar", "bill")
    ]
    plain = " ".join(EVIL.split())
    assert all(plain in text for text in shown[:4])
    overview, components, card, edit, _ = (text.count(plain) for text in shown)
    # The headline's label, and three words of the machine. The judge, and of the surprise its label and three lists; in
    # the table two labels and a name. The card's label, labeller, reasoning, window and its domain, what fires with it,
    # three lists, reason, warning; not in its table of tokens, where spaces are shown.
    assert (overview, card) == (4, 11)
    assert components >= 8 and edit >= 8
    page = reader.open("components")
    assert page.locator("img").count() == 0 and "broken" not in page.title().replace(EVIL, "")
    assert page.evaluate("[...document.scripts].filter((one) => one.textContent.includes('broken')).length") == 0
    page.locator("#search").fill(f'module ~ "{EVIL[:9]}"')
    expect(page.locator("#told")).to_contain_text("1 of 2 subcomponents")
    page.locator(".virtual tbody a").click()
    expect(page.locator(".card .about")).to_contain_text(f"{EVIL}:1")  # a link with all of it in it lands
    page.keyboard.press("Escape")
    page.locator("#search").fill('density > "<img src=x>"')  # an error tells it as text
    expect(page.locator("#told")).to_contain_text('needs a number, found "<img src=x>"')


def test_an_edit_and_a_domain_with_quotes_in_their_names(reader: Reader) -> None:
    name = "x'\"<b>&amp;<img src=x onerror=alert(1)>"
    _rename("lora-1", name)
    rows = [row | {"edit": name} for row in fake_data.table_rows("lora-1")]
    rows += [row | {"domain": name} for row in rows if row["domain"] == "it"]
    fake_data.replace(Path("data/evaluate") / name, "table.parquet", rows)
    report.main()
    text = reader.text("edits", "Damage by domain")
    assert name in text
    page = reader.page
    page.locator("section", has_text="Damage by domain").get_by_role("link", name=name, exact=True).first.click()
    expect(page.locator("#one-edit select")).to_have_value(name)
    assert (
        "prefactor export 'x'\"'\"'\"<b>&amp;<img src=x onerror=alert(1)>' my-adapter"
        in page.locator("#one-edit").inner_text()
    )
    page.locator("#point select").first.select_option(name)
    drawn(page, 2)
    assert page.locator("img, main b img").count() == 0
