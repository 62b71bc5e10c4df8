"""How large the report's page is and how fast it opens: ``python -m benchmarks.page [--subcomponents N] [--page FILE]``

Without a page, one is made of a made-up run of N alive subcomponents (10,000 if left out). Times are from asking for
the file to its table of subcomponents, and to a card, in a fresh Chromium; the middle of several.
"""

import argparse
import sys
import tempfile
import time
from contextlib import chdir
from pathlib import Path
from statistics import median

from playwright.sync_api import Page, sync_playwright

from tests.many import make_many

RUNS = 5


def opened(page: Page, file: Path, view: str, sign: str) -> float:
    """Seconds until ``sign`` is there."""
    page.goto("about:blank")
    started = time.monotonic()
    page.goto(f"{file.resolve().as_uri()}#/{view}")
    page.wait_for_selector(sign)
    return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subcomponents", type=int, default=10_000)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = args.page
        if file is None:
            from stages import report

            make_many(Path(folder), args.subcomponents)
            started = time.monotonic()
            with chdir(folder):
                report.main()
            print(f"made in {time.monotonic() - started:.1f} s", file=sys.stderr)
            file = Path(folder) / "data/report/index.html"
        print(f"{file.stat().st_size / 1e6:.1f} MB")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=args.chromium, args=["--no-sandbox"])
            for what, view, sign in (
                ("overview", "overview", "main h1 + p"),
                ("table", "components", ".virtual tbody td"),
                ("figures", "edits", ".plot[data-drawn=yes]"),
            ):
                times = [opened(browser.new_page(), file, view, sign) for _ in range(RUNS)]
                print(f"{what}: {median(times):.2f} s (of {RUNS}: {min(times):.2f} to {max(times):.2f})")
            browser.close()


if __name__ == "__main__":
    main()
