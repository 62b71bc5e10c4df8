"""Pages in a real headless Chromium: what they log, what they ask for, whether everybody can use them."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
LOCAL = {"", "127.0.0.1", "localhost", "::1"}
PATIENCE = 120_000  # milliseconds: a machine with more to do than it can fails no page

expect.set_options(timeout=PATIENCE)


@dataclass
class Watched:
    """A page, and what went wrong in it so far."""

    page: Page
    errors: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  # URLs that leave this machine

    def settled(self) -> None:
        """Nothing was logged as an error, and nothing was asked of another machine."""
        assert not self.errors, self.errors
        assert not self.asked, self.asked

    def accessible(self) -> None:
        """axe finds nothing on the page as it now is."""
        found = Axe().run(self.page)
        assert found.violations_count == 0, found.generate_report()


@pytest.fixture(scope="module")  # no longer: while it is there Prefect takes any call for one from an event loop
def chromium() -> Iterator[Browser]:
    """The machine's Chromium; without one the test is skipped and says so."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no Chromium on PATH (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def watched(browser: Browser, *, dark: bool = False, width: int = 1280, height: int = 900) -> Iterator[Watched]:
    """A new page with a profile of its own; a console error or a request to elsewhere fails the block's end."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
    )
    context.set_default_timeout(PATIENCE)
    watch = Watched(context.new_page())
    watch.page.on("console", lambda message: watch.errors.append(message.text) if message.type == "error" else None)
    watch.page.on("pageerror", lambda error: watch.errors.append(str(error)))
    watch.page.on("request", lambda asked: _note(watch, asked.url))
    try:
        yield watch
        watch.settled()
    finally:
        context.close()


def _note(watch: Watched, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in LOCAL:
        watch.asked.append(url)
