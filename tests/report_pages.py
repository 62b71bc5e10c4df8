"""The report of a made-up run, and its page as a reader sees it in a browser. Fixtures of several test files."""

import shutil
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import fake_data
import pytest
from playwright.sync_api import Browser, Page, expect

from stages import report
from tests.browser import PATIENCE, Watched, watched

OUT = Path("data/report")
PAGE = OUT / "index.html"


class Reader:
    """The page of the report under ``root``; a look opens it afresh where it has been made anew."""

    def __init__(self, root: Path, watch: Watched):
        self.root, self.watch, self.page = root, watch, watch.page
        self._seen = 0

    def open(self, view: str = "overview") -> Page:
        """The page at ``#/<view>``, drawn."""
        path = self.root / PAGE
        if self._seen == path.stat().st_mtime_ns:
            self.page.evaluate(
                "hash => { location.hash = hash; return new Promise((f) => setTimeout(f, 60)); }", f"#/{view}"
            )
        else:
            self.page.goto("about:blank")
            self.page.goto(f"{path.as_uri()}#/{view}")
            self._seen = path.stat().st_mtime_ns
        self.page.wait_for_selector("html[data-ready=yes]")
        expect(self.page.locator("#app")).not_to_contain_text("Opening …")
        return self.page

    def text(self, view: str, heading: str | None = None) -> str:
        """What stands in the view, or in its section under ``heading``; folded parts too, white space made single."""
        page = self.open(view)
        page.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = true")
        sections = page.locator("main section").filter(has=page.locator("h2", has_text=heading)) if heading else None
        return " ".join((sections.first if sections else page.locator("main")).inner_text().split())


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up ``data/`` tree with its params and its report, not to be changed."""
    root = tmp_path_factory.mktemp("built")
    fake_data.build(root)
    with chdir(root):
        report.main()
    return root


@pytest.fixture
def tree(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it of its own, as the working folder."""
    shutil.copytree(built, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def reader(tree: Path, chromium: Browser) -> Iterator[Reader]:
    """Reads the page of ``tree``, once ``report.main`` has made it."""
    with watched(chromium) as watch:
        yield Reader(tree, watch)


@pytest.fixture
def standing(built: Path, chromium: Browser) -> Iterator[Reader]:
    """Reads the page of ``built``, for what needs no change of it."""
    with watched(chromium) as watch:
        yield Reader(built, watch)


def until(page: Page, expression: str) -> None:
    """Wait for it to be true; a page of ours lets no text be run, so that Playwright's own waiting cannot ask it."""
    for _ in range(PATIENCE // 50):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {expression}")


def drawn(page: Page, figures: int) -> None:
    """Wait for so many figures of the view to be drawn."""
    expect(page.locator(".plot[data-drawn=yes]")).to_have_count(figures)


def made(reader: Reader) -> Reader:
    """The same reader, with the report made."""
    report.main()
    return reader
