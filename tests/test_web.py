"""Bundles and data of pages: in one file, and safe whatever text is in them."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from prefactor.web.assets import LIBRARY, as_json, bundle, packed, style
from tests.browser import watched

BAD = "</script><script>document.title='broken'</script>\u2028\u2029 & \" '"
SHOW = """
const { html, render } = htmPreact;
const shown = (text) => html`<main><h1>Page</h1><p id="out">${text}</p></main>`;
render(shown(JSON.parse(document.getElementById("data").textContent)), document.body);
"""


def _page(tmp_path: Path, script: str, data: str) -> str:
    (tmp_path / "own.js").write_text(script)
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>fine</title>'
        f"<style>{style([])}</style></head><body>"
        f'<script type="application/json" id="data">{data}</script>'
        f"<script>{bundle([tmp_path / 'own.js'])}</script></body></html>"
    )
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    return (tmp_path / "page.html").as_uri()


def test_text_that_would_end_its_element_is_only_text(tmp_path: Path, chromium: Browser) -> None:
    with watched(chromium) as seen:
        seen.page.goto(_page(tmp_path, SHOW, as_json(BAD)))
        assert seen.page.locator("#out").text_content() == BAD
        assert seen.page.title() == "fine"
        seen.accessible()


def test_a_page_that_logs_an_error_or_asks_elsewhere_is_found_out(tmp_path: Path, chromium: Browser) -> None:
    with pytest.raises(AssertionError, match="planted"), watched(chromium) as seen:
        seen.page.goto(_page(tmp_path, "console.error('planted');", "1"))
    with pytest.raises(AssertionError, match="example"), watched(chromium) as seen:
        seen.page.goto(_page(tmp_path, "new Image().src = 'http://example.invalid/x.png';", "1"))
        seen.errors.clear()


def test_what_is_packed_a_browser_unpacks(tmp_path: Path, chromium: Browser) -> None:
    value = {"text": BAD, "numbers": [1, 2.5, None]}
    assert packed(value) == packed(json.loads(json.dumps(value)))
    unpack = """
    const text = JSON.parse(document.getElementById("data").textContent);
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    new Response(stream).json().then((value) => { document.body.dataset.out = JSON.stringify(value); });
    """
    with watched(chromium) as seen:
        seen.page.goto(_page(tmp_path, unpack, as_json(packed(value))))
        seen.page.wait_for_function("document.body.dataset.out")
        assert json.loads(seen.page.evaluate("document.body.dataset.out")) == value


def test_a_script_that_would_end_its_element_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.js").write_text("const a = '</SCRIPT>';")
    with pytest.raises(ValueError, match="script"):
        bundle([tmp_path / "bad.js"])


def test_no_number_that_json_lacks() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        as_json(float("nan"))


def test_the_library_is_the_published_one() -> None:
    import hashlib

    said = (LIBRARY.parent / "NOTICE.md").read_text()
    assert hashlib.sha256(LIBRARY.read_bytes()).hexdigest() in said
