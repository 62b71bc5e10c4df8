"""The report of a made-up run, and its page as a reader sees it in a browser. Fixtures of several test files."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import fake_data
import pytest
from playwright.sync_api import Browser, Page

from stages import report
from tests.browser import Watched, watched

OUT = Path("data/report")
PAGE = OUT / "index.html"


class Reader:
    """The page of the working folder's report; every look opens it afresh."""

    def __init__(self, watch: Watched):
        self.watch, self.page = watch, watch.page

    def open(self, view: str = "overview") -> Page:
        """The page at ``#/<view>``, drawn."""
        self.page.goto("about:blank")
        self.page.goto(f"{PAGE.resolve().as_uri()}#/{view}")
        self.page.wait_for_selector("html[data-ready=yes]")
        self.page.wait_for_function("!document.body.innerText.includes('Opening …')")
        return self.page

    def text(self, view: str, heading: str | None = None) -> str:
        """What stands in the view, or in its section under ``heading``; folded parts too, white space made single."""
        page = self.open(view)
        page.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = true")
        sections = page.locator("main section").filter(has=page.locator("h2", has_text=heading)) if heading else None
        return " ".join((sections.first if sections else page.locator("main")).inner_text().split())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up ``data/`` tree with its params, not to be changed."""
    root = tmp_path_factory.mktemp("built")
    fake_data.build(root)
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
        yield Reader(watch)


def made(reader: Reader) -> Reader:
    """The same reader, with the report made."""
    report.main()
    return reader
