"""A made-up report of 10,000 subcomponents: within its size, and a table of which only what is in sight is there."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from stages import report
from tests.browser import watched
from tests.many import make_many
from tests.report_pages import PAGE, Reader

MANY = 10_000
MOST = 15_000_000  # bytes


@pytest.mark.servers
def test_ten_thousand_subcomponents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chromium: Browser) -> None:
    make_many(tmp_path, MANY)
    monkeypatch.chdir(tmp_path)
    report.main()
    assert PAGE.stat().st_size < MOST
    with watched(chromium) as seen:
        page = Reader(tmp_path, seen).open("components")
        rows = page.locator(".virtual tbody tr")
        expect(page.locator("#told")).to_contain_text("10,000 of 10,000 subcomponents")
        assert rows.count() < 60
        page.locator(".virtual").focus()
        page.keyboard.press("End")
        expect(page.locator(".virtual tr.active")).to_have_attribute("aria-rowindex", str(MANY + 1))
        assert rows.count() < 60
        page.locator("#search").fill("label ~ german and domain.de > 0.9")
        expect(page.locator("#told")).not_to_contain_text("10,000 of")
        page.get_by_role("button", name="Density").click()
        page.locator(".virtual tbody a").first.click()
        expect(page.locator(".examples p")).to_have_count(2)
        expect(page.locator(".card")).to_contain_text("With 10,000 subcomponents a card has 2 windows")
