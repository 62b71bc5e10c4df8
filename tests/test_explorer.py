"""The explorer in a browser: views, table, cards, keys, frontier, bill, theme, phone; everybody can use it."""

import re

import fake_data
import pytest
from playwright.sync_api import Browser, Page, expect

from stages import report
from tests.browser import watched
from tests.report_pages import PAGE, Reader, drawn, until

VIEWS = ("overview", "components", f"components/{fake_data.CHOSEN}", "edits", "decomposition", "bill")
ALL = 17  # subcomponents of the made-up run
GERMAN = 1  # of these, whose label is about German


def _rows(page: Page) -> list[str]:
    return page.locator(".virtual tbody tr:not(.space) td:first-child").all_inner_texts()


def _query(page: Page, text: str) -> None:
    page.locator("#search").fill(text)


@pytest.mark.parametrize("dark", [False, pytest.param(True, marks=pytest.mark.servers)])
def test_every_view_opens_and_everybody_can_use_it(standing: Reader, chromium: Browser, dark: bool) -> None:
    with watched(chromium, dark=dark) as seen:
        reader = Reader(standing.root, seen)
        for view in VIEWS:
            page = reader.open(view)
            expect(page.locator("main h1")).to_have_count(1)
            drawn(page, page.locator(".plot").count())
            seen.accessible()


def test_a_phone_shows_every_view_without_scrolling_sideways(standing: Reader, chromium: Browser) -> None:
    with watched(chromium, width=390, height=844) as seen:
        reader = Reader(standing.root, seen)
        for view in VIEWS:
            page = reader.open(view)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, view
        seen.accessible()


def test_search_query_and_filters_change_the_rows(standing: Reader) -> None:
    page = standing.open("components")
    told = page.locator("#told")
    assert len(_rows(page)) == ALL
    _query(page, "german")
    expect(told).to_contain_text(f"{GERMAN} of {ALL} subcomponents")
    assert _rows(page) == [fake_data.CHOSEN]
    _query(page, 'label ~ "foreign-language" and domain.de < 0.5')
    expect(told).to_contain_text(f"{ALL - GERMAN} of {ALL} subcomponents")
    _query(page, "causal.de >= 0.52 or norm > 5")
    expect(told).to_contain_text(f"1 of {ALL} subcomponents")
    _query(page, "domain.dee > 0.5")
    expect(told).to_contain_text('query: at character 1: no domain is called "dee"; did you mean `de`?')
    assert _rows(page) == [] and page.locator("#search").get_attribute("aria-invalid") == "true"
    _query(page, "up_proj")  # no label's word, but in no name either
    expect(told).to_contain_text(f"0 of {ALL} subcomponents. No label has these words")
    _query(page, "v_proj")
    assert all("v_proj" in name for name in _rows(page)) and _rows(page)
    _query(page, "")
    page.get_by_label("Matrix").select_option("layers.1.mlp.down_proj")
    expect(told).to_contain_text(f"1 of {ALL} subcomponents")
    assert _rows(page) == ["layers.1.mlp.down_proj:97"]
    page.get_by_label("Matrix").select_option("")
    page.get_by_label("Fires mostly in").select_option("de")
    expect(told).to_contain_text(f"1 of {ALL} subcomponents")
    assert _rows(page) == [fake_data.CHOSEN]


def test_a_bound_is_added_to_the_query(standing: Reader) -> None:
    page = standing.open("components?q=german")
    page.get_by_text("Bounds, and the query language").click()
    page.get_by_label("Figure", exact=True).select_option("causal.de")
    page.get_by_label("Value").fill("0.5")
    page.get_by_role("button", name="Add to the query").click()
    assert page.locator("#search").input_value() == 'label ~ "german" and causal.de >= 0.5'
    assert _rows(page) == [fake_data.CHOSEN]
    assert "q=label" in page.evaluate("location.hash")


def test_the_table_is_sorted_by_what_is_clicked_and_what_is_not_known_comes_last(standing: Reader) -> None:
    page = standing.open("components")
    page.get_by_role("button", name="Inverted, German").click()
    assert _rows(page)[0] == fake_data.CHOSEN
    page.get_by_role("button", name="Inverted, German").click()
    assert _rows(page)[-1] == fake_data.CHOSEN
    page.get_by_role("button", name="Causal agreement").click()
    assert "–" in page.locator(".virtual tbody tr:not(.space)").last.inner_text()
    page.get_by_role("button", name="Causal agreement").click()
    assert "–" in page.locator(".virtual tbody tr:not(.space)").last.inner_text()
    page.get_by_label("Figures on").select_option("it")
    assert page.get_by_role("button", name="Inverted, Italian").count() == 1


def test_a_shared_link_lands_on_its_card_and_the_list_is_shared_with_its_query(standing: Reader) -> None:
    page = standing.open(f"components/{fake_data.CHOSEN}")
    assert page.locator("main h1").inner_text() == "“German text”"
    assert (
        page.get_by_role("link", name="link to this card").get_attribute("href") == f"#/components/{fake_data.CHOSEN}"
    )
    page = standing.open("components/layers.9.mlp.up_proj:1")
    assert "no card of layers.9.mlp.up_proj:1" in page.locator("main").inner_text()
    page = standing.open("components?q=density+%3E+1&domain=de")
    expect(page.locator("#told")).to_contain_text(f"0 of {ALL}")
    assert page.locator("#search").input_value() == "density > 1" and _rows(page) == []


def test_keys_go_from_the_table_to_a_card_from_card_to_card_and_back(standing: Reader) -> None:
    page = standing.open("bill")
    page.keyboard.press("/")
    until(page, "document.activeElement.id === 'search'")
    page.keyboard.type("foreign-language")
    until(page, "decodeURIComponent(location.hash).includes('foreign-language')")
    names = _rows(page)
    page.locator(".virtual").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".beside")).to_contain_text(f"2 of {len(names)}")
    assert page.evaluate("location.hash") == f"#/components/{names[1]}"
    page.evaluate(
        """name => new MutationObserver((_, seen) => { // a key between a card's drawing and its painting
            if (document.querySelector('.card .about code').textContent !== name) return;
            seen.disconnect();
            document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true }));
        }).observe(document.body, { subtree: true, childList: true })""",
        names[2],
    )
    page.keyboard.press("ArrowRight")
    expect(page.locator(".card .about code")).to_have_text(names[3])
    page.evaluate("""for (const key of ['ArrowLeft', 'k', 'k']) // faster than cards are drawn
        document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }))""")
    expect(page.locator(".card .about code")).to_have_text(names[0])
    page.keyboard.press("Escape")
    expect(page.locator("#search")).to_have_value("foreign-language")


def test_a_window_tells_the_figures_of_the_token_under_the_pointer(standing: Reader) -> None:
    page = standing.open(f"components/{fake_data.CHOSEN}")
    window = fake_data.example_row(fake_data.CHOSEN, 0, "de", "Der alte Bäcker verkauft heute frisches Brot und die "
                                   "Kinder warten nicht gern vor der Tür.")  # fmt: skip
    assert page.locator(".examples p").count() == 12
    first = page.locator(".examples p").first
    assert "".join(window["tokens"]) in first.inner_text()
    first.locator("[data-place]").nth(window["position"]).hover()
    told = f"importance {window['importance'][window['position']]:.2f}, activation +"
    expect(page.locator(".readout")).to_contain_text(told)
    assert "fires" in (first.locator("[data-place]").nth(window["position"]).get_attribute("class") or "")


def test_a_click_on_the_frontier_shows_the_point(standing: Reader) -> None:
    page = standing.open("edits")
    drawn(page, 2)
    # The place in the window of the mark of lora-1 at 128 tokens: of each axis, where plotly says it is.
    place = page.evaluate("""() => {
        const plot = document.querySelector(".plot");
        const trace = plot.data.find((one) => one.name === "lora-1" && one.mode === "lines+markers");
        const at = trace.customdata.findIndex((data) => data[1] === 128);
        const { xaxis, yaxis } = plot._fullLayout;
        const box = plot.getBoundingClientRect();
        return [box.left + xaxis._offset + xaxis.l2p(trace.x[at]), box.top + yaxis._offset + yaxis.l2p(trace.y[at])];
    }""")
    page.mouse.move(place[0] - 2, place[1])
    page.mouse.move(*place)
    expect(page.locator(".hoverlayer").first).to_contain_text("lora-1, 128 tokens, 5 draws")
    page.mouse.click(*place)
    expect(page.locator("#point select").first).to_have_value("lora-1")
    expect(page.locator("#point select").last).to_have_value("128")
    assert page.locator("#point tbody tr").count() == len(fake_data.SEEDS)
    mean = fake_data.damage("lora-1", 128, 2, "fr")
    assert f"{mean:+.3f}" in page.locator("#point tfoot").inner_text()


def test_methods_intervals_and_draws_are_toggled(standing: Reader) -> None:
    page = standing.open("edits")
    drawn(page, 2)
    shown = (
        "() => document.querySelector('.plot').data.filter((t) => t.name === 'scalar' && t.visible).map((t) => t.mode)"
    )
    assert page.evaluate(shown) == ["lines+markers", "markers+text"]
    page.get_by_label("single draws").check()
    until(page, f"({shown})().length === 3")
    data = "document.querySelector('.plot').data.find((t) => t.name === 'scalar' && t.meta === 'draws')"
    seeds = page.evaluate(f"{data}.customdata.map((one) => one[2])")
    assert seeds == list(fake_data.SEEDS) * len(fake_data.BUDGETS)
    assert page.evaluate(f"{data}.customdata[0][4]") == "−10.84"
    page.get_by_label("95 % intervals").uncheck()
    until(page, "!document.querySelector('.plot').data.some((t) => t.error_x && t.error_x.visible)")
    page.get_by_role("button", name="scalar", exact=True).click()
    until(page, f"({shown})().length === 0")
    page.get_by_label("Damage to", exact=True).select_option("retained")
    until(page, "document.querySelector('.plot').layout.xaxis.title.text.startsWith('English')")


def test_rollouts_mark_what_differs_and_the_map_tells_of_tokens(standing: Reader) -> None:
    page = standing.open("edits/scalar")
    german = page.locator(".rollout", has_text="Der alte Bäcker")
    assert german.locator("ins").all_inner_texts() == ["7 qz ñe ü baker 3. le wo ,, of à"]
    assert page.locator(".rollout", has_text="The old baker").locator("ins, del").count() == 0
    page.wait_for_selector(".map p")
    block = page.locator(".map p").first  # the target's
    block.locator("[data-place='3']").hover()
    expect(page.locator(".readout")).to_contain_text("“␣verkauft”: KL 3.000 nats; cross-entropy 1.50 → 4.50 nats")
    block.locator("[data-place='0']").hover()
    expect(page.locator(".readout")).to_contain_text("nothing before it")
    heat = block.locator("[data-place='3']").evaluate("token => Number(token.style.getPropertyValue('--heat'))")
    assert heat > block.locator("[data-place='1']").evaluate("token => Number(token.style.getPropertyValue('--heat'))")


def test_the_bill_follows_its_slider(standing: Reader) -> None:
    page = standing.open("bill")
    slider, edits = page.locator("#edits-slider"), page.locator("#edits")
    assert edits.inner_text() == "100"
    slider.evaluate("input => { input.value = 0; input.dispatchEvent(new Event('input', { bubbles: true })); }")
    expect(edits).to_have_text("1")
    # Once: decompose 372.25, importance 95.5, harvest 24, effects 48, label 1.5, score 2 s. An edit of scalar: of 40
    # fits in 9.5 s one, its selection 0.25 s, and 0.5 and 21 s for candidates of its own.
    once, each = 543.25, 9.5 / 40 + 0.25 + 21.5
    row = page.locator(".totals tr", has=page.get_by_role("rowheader", name="scalar", exact=True))
    minutes = f"{int((once + each) // 60)} min {round((once + each) % 60)} s"
    assert row.inner_text().split("\t")[-2:] == [minutes, minutes]
    assert row.inner_text().split("\t")[1] == "9 min 3 s"
    slider.focus()
    page.keyboard.press("End")
    expect(edits).to_have_text("10,000")
    hours = (once + 10_000 * each) / 3600
    expect(row).to_contain_text(f"{int(hours)} h {int(hours % 1 * 60)} min")
    assert "never" in page.locator(".even").inner_text()  # one such edit costs no less than a LoRA's
    page.get_by_label("Candidates").select_option("measured")
    expect(row).to_contain_text("0.5 s")


def test_the_theme_is_switched_and_kept(standing: Reader) -> None:
    page = standing.open("overview")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.locator("#theme").select_option("dark")
    assert page.evaluate(paper) != light
    page.reload()
    page.wait_for_selector("html[data-ready=yes]")
    assert page.locator("#theme").input_value() == "dark" and page.evaluate(paper) != light


def test_the_file_fetches_nothing_and_has_plotly_once(standing: Reader) -> None:
    text = (standing.root / PAGE).read_text(encoding="utf-8")
    assert text.count('id="pack-plotly"') == 1
    assert "default-src 'none'" in text
    shell = re.sub(r'<script type="text/plain"[^>]*>[^<]*</script>', "", text)
    assert not re.search(r"@import|url\(|\bsrc=|fetch\(|XMLHttpRequest|import\(|https?://(?!www\.w3\.org)", shell)


def test_a_card_has_fewer_windows_where_there_are_many(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prefactor.report.inputs.ALTOGETHER", 3 * ALL)
    names = [name for name in fake_data.chosen("contrast-16") if name != fake_data.CHOSEN]
    text = "Der alte Bäcker verkauft Brot"
    rows = [
        fake_data.example_row(name, rank, "de", text) for name in [fake_data.CHOSEN, names[0]] for rank in range(30)
    ]
    fake_data.replace(reader.root / "data/harvest", "examples.parquet", rows)
    report.main()
    page = reader.open(f"components/{names[0]}")
    assert page.locator(".examples p").count() == 3
    assert f"With {ALL} subcomponents a card has 3 windows and 6 tokens a table" in page.locator(".card").inner_text()
    page = reader.open(f"components/{fake_data.CHOSEN}")
    assert page.locator(".examples p").count() == 12  # of the headline's edit
