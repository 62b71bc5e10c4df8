"""The bench's page in a real Chromium: what is dragged is measured, kept apart from others', and saved."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks import bench_latency
from prefactor.bench.live import Live
from prefactor.config.edits import EditConfig, GuardedEdit
from prefactor.config.params import section
from tests.bench_work import OTHER, build_run
from tests.browser import watched
from tests.work import GERMAN

LABEL = '</script><img src=x onerror="document.title=1"> & \'Deutsch\' "text"'


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a bench with this start's token, and its folder; one label is written to break out of its page."""
    root = tmp_path_factory.mktemp("served")
    work = build_run(root)
    rows = work.table["subcomponent"] == OTHER
    work.table.loc[rows, "label"] = LABEL
    with bench_latency.served(Live.open(work)) as url:
        yield url, root


def _open(page: Page, url: str) -> None:
    page.goto(url)
    expect(page.locator(".rows li .about").first).to_be_visible()


def _add(page: Page, query: str = "german -french") -> None:
    page.locator("#query").fill(query)
    expect(page.locator(".find [role=status]")).to_contain_text("1 of")
    page.get_by_role("button", name=f"Add {GERMAN}").click()
    expect(page.locator(".sliders li")).to_have_count(1)


def _changes(page: Page) -> list[str]:
    """The damage of each domain, once nothing is being measured."""
    expect(page.locator(".damage")).to_have_attribute("aria-busy", "false")
    expect(page.locator(".damage tbody tr")).to_have_count(3)
    return page.locator(".damage td.change").all_inner_texts()


def test_a_query_finds_a_slider_moves_numbers_and_all_can_be_undone(
    served: tuple[str, Path], chromium: Browser
) -> None:
    with watched(chromium) as seen:
        page = seen.page
        _open(page, served[0])
        assert "token" not in page.url and "served" in page.title()
        every = page.locator(".rows .about").count()
        nothing = _changes(page)
        assert all(text.startswith("+0.000") for text in nothing)
        _add(page)
        assert page.locator(".rows .about").count() == 1 < every
        ablated = _changes(page)
        assert ablated != nothing
        slider = page.get_by_role("slider", name=GERMAN)
        slider.focus()
        page.keyboard.press("PageDown")
        page.keyboard.press("ArrowLeft")
        moved = _changes(page)
        assert moved not in (ablated, nothing)
        page.get_by_label(f"Prefactor of {GERMAN}, as a number").fill("-7.5")
        page.keyboard.press("Enter")
        far = _changes(page)
        assert slider.get_attribute("min") == "-8" and far not in (moved, ablated)
        page.get_by_role("button", name=f"leave as it is: {GERMAN}").click()
        assert _changes(page) == nothing
        page.locator("body").press("Control+z")
        assert _changes(page) == far
        page.locator("body").press("Control+z")
        assert _changes(page) == moved
        page.get_by_role("button", name="redo").click()
        assert _changes(page) == far
        undo = page.get_by_role("button", name="undo")
        for _ in range(20):
            if undo.is_enabled():
                undo.click()
        assert _changes(page) == nothing and page.locator(".sliders li").count() == 0
        page.locator("#query").fill("density >")
        expect(page.locator(".find .trouble")).to_contain_text("query: at character")
        seen.errors.clear()  # Chromium notes every answer that is a refusal
        page.locator("body").press("/")
        page.locator("#query").fill("german -french")
        expect(page.locator(".find .trouble")).to_be_hidden()


def test_guard_comparison_and_exact_measurement(served: tuple[str, Path], chromium: Browser) -> None:
    with watched(chromium) as seen:
        page = seen.page
        _open(page, served[0])
        _add(page)
        bare = _changes(page)
        page.get_by_label("guard").select_option("context")
        guarded = _changes(page)
        assert guarded != bare
        page.get_by_label("ridge").fill("5")
        page.keyboard.press("Enter")
        assert _changes(page) not in (guarded, bare)
        page.get_by_label("compare with").select_option("lora-1")
        expect(page.locator(".damage td.other").first).not_to_be_empty()
        assert page.locator(".damage thead").inner_text().strip().endswith("lora-1")
        page.get_by_role("button", name="measure exactly").click()
        expect(page.locator(".damage .status")).to_contain_text("All that the evaluate stage measures: 60")
        page.get_by_label("guard").select_option("")
        expect(page.locator(".damage .status")).to_contain_text("A sample: 120")
        assert _changes(page) == bare
        page.get_by_label("recorded").select_option("scalar")
        page.get_by_role("button", name="load as sliders").click()
        expect(page.locator(".sliders li")).to_have_count(2)
        loaded = _changes(page)
        page.get_by_label("recorded").select_option("lora-1")
        expect(page.get_by_role("button", name="load as sliders")).to_be_disabled()
        page.get_by_role("button", name="put on top").click()
        composed = _changes(page)
        assert composed != loaded
        page.get_by_role("button", name="Take lora-1 off").click()
        assert _changes(page) == loaded


def test_text_is_read_and_continued(served: tuple[str, Path], chromium: Browser) -> None:
    with watched(chromium) as seen:
        page = seen.page
        _open(page, served[0])
        page.locator("#text").fill("t1 t2 t3 t4 t5")
        expect(page.locator(".token")).to_have_count(5)
        expect(page.locator(".means")).to_contain_text("KL 0.000")
        page.get_by_role("button", name="continue the text").click()
        base = page.locator("[data-side=base] p")
        expect(base).not_to_be_empty()
        expect(page.locator(".write")).to_have_attribute("aria-busy", "false")
        assert base.inner_text() == page.locator("[data-side=edited] p").inner_text() != ""
        _add(page)
        page.get_by_label(f"Prefactor of {GERMAN}, as a number").fill("-40")
        page.keyboard.press("Enter")
        expect(page.locator(".means")).not_to_contain_text("KL 0.000")
        expect(page.locator("[data-side=edited] mark")).not_to_be_empty()  # written again by itself
        page.locator(".token.at").focus()
        page.keyboard.press("Home")
        expect(page.locator(".nexts h3")).to_contain_text("t1")
        page.keyboard.press("ArrowRight")
        expect(page.locator(".nexts h3")).to_contain_text("t2")
        expect(page.locator(".next.now li")).to_have_count(5)
        page.locator("#text").fill("t1 " * 80)
        expect(page.locator(".read .trouble")).to_contain_text("shorten it to at most 64")
        expect(page.locator(".write .trouble")).to_contain_text("shorten it")
        seen.errors.clear()
        page.locator("#text").fill("")
        expect(page.locator(".read")).to_contain_text("Write some text")


def test_it_is_saved_into_params_and_written_as_an_adapter(served: tuple[str, Path], chromium: Browser) -> None:
    url, root = served
    with watched(chromium) as seen:
        page = seen.page
        _open(page, url)
        _add(page)
        page.get_by_label("guard").select_option("importance")
        page.get_by_label("name").fill("Not This")
        page.get_by_role("button", name="save into params.yaml").click()
        expect(page.locator(".keep .trouble")).to_contain_text("write it with a-z, 0-9 and -")
        seen.errors.clear()
        page.get_by_label("name").fill("from-the-page")
        page.get_by_role("button", name="save into params.yaml").click()
        expect(page.locator(".keep .status")).to_contain_text("params.yaml has it as edits.from-the-page")
        page.get_by_role("button", name="write adapter into the project").click()
        expect(page.locator(".keep .status")).to_contain_text("written: adapters/from-the-page", timeout=20_000)
        with page.expect_download(timeout=20_000) as download:
            page.get_by_role("button", name="download adapter").click()
        assert download.value.suggested_filename == "from-the-page.zip"
    saved = section("edits.from-the-page", EditConfig, root / "params.yaml")
    assert isinstance(saved, GuardedEdit) and saved.alpha.by == "hand" and saved.alpha.values == (0.0,)
    assert (root / "adapters" / "from-the-page" / "adapter_model.safetensors").is_file()


def test_two_people_see_their_own_edit_alone(served: tuple[str, Path], chromium: Browser) -> None:
    with watched(chromium) as one, watched(chromium) as other:
        for seen in (one, other):
            _open(seen.page, served[0])
            _add(seen.page)
        one.page.get_by_label(f"Prefactor of {GERMAN}, as a number").fill("-3")
        one.page.keyboard.press("Enter")
        mine = _changes(one.page)
        other.page.get_by_role("button", name=f"leave as it is: {GERMAN}").click()
        theirs = _changes(other.page)
        assert all(text.startswith("+0.000") for text in theirs)
        assert _changes(one.page) == mine != theirs


@pytest.mark.parametrize("dark", [False, True])
def test_everybody_can_use_it(served: tuple[str, Path], chromium: Browser, dark: bool) -> None:
    for width in (1280, 390):
        with watched(chromium, dark=dark, width=width) as seen:
            page = seen.page
            _open(page, served[0])
            _add(page)
            page.locator(".rows .about").first.click()
            page.get_by_label("compare with").select_option("lora-1")
            page.get_by_label("recorded").select_option("lora-1")
            page.get_by_role("button", name="put on top").click()
            page.locator("#text").fill("t1 t2 t3")
            page.get_by_role("button", name="continue the text").click()
            expect(page.locator("[data-side=beside] p")).not_to_be_empty()
            _changes(page)
            seen.accessible()
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_label_is_only_text(served: tuple[str, Path], chromium: Browser) -> None:
    with watched(chromium) as seen:
        page = seen.page
        _open(page, served[0])
        page.locator("#query").fill("deutsch")
        page.get_by_role("button", name=f"Add {OTHER}").click()
        assert page.locator(".sliders b").inner_text() == LABEL
        assert page.locator("img").count() == 0 and page.title() != "1"


def test_without_the_token_the_page_tells_what_to_open(served: tuple[str, Path], chromium: Browser) -> None:
    with watched(chromium) as seen:
        seen.page.goto(served[0].partition("#")[0])
        expect(seen.page.get_by_role("alert")).to_contain_text("open the address that `prefactor bench` printed")
        assert len(seen.errors) == 1 and "401" in seen.errors[0]
        seen.errors.clear()
        seen.accessible()


def test_a_page_of_another_site_cannot_drive_it(served: tuple[str, Path], chromium: Browser, tmp_path: Path) -> None:
    url, root = served
    before = (root / "params.yaml").read_text()
    place, _, token = url.partition("#token=")
    (tmp_path / "evil.html").write_text(
        f"""<!doctype html><title>evil</title><script>
        const body = JSON.stringify({{edit: {{sliders: [{{subcomponent: "{GERMAN}", alpha: 0}}]}}, name: "evil"}});
        const as = (type) => ({{"content-type": type, authorization: "Bearer {token}"}});
        const tries = ["text/plain", "application/json"].map((type) =>
          fetch("{place}api/save", {{method: "POST", body, headers: as(type)}})
            .then((answer) => `read ${{answer.status}}`, () => "refused"));
        tries.push(fetch("{place}").then((answer) => "read", () => "refused"));
        Promise.all(tries).then((found) => {{ document.title = found.join(); }});
        </script><iframe src="{place}"></iframe>"""
    )
    with watched(chromium) as seen:
        seen.page.goto((tmp_path / "evil.html").as_uri())
        expect(seen.page).to_have_title("refused,refused,refused")
        assert seen.errors  # Chromium says why
        seen.errors.clear()
    assert (root / "params.yaml").read_text() == before
