"""How long the bench takes: from the release of a slider to new numbers on the page, to a text read, to a continuation.

``python -m benchmarks.bench_latency [--folder .] [--rounds 20]`` needs a finished run in the folder, and a Chromium. It
writes nothing there but what the bench keeps of the base model, and prints medians and the slowest, in seconds.
"""

import argparse
import os
import re
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from playwright.sync_api import Page, sync_playwright

from prefactor.bench.app import bench_app
from prefactor.bench.doors import Doors, new_token
from prefactor.bench.live import Live
from prefactor.bench.serve import listening
from prefactor.workspace import Workspace

# Drops a slider at a place, and waits for the first number of the table to be another.
RELEASE = """async ([place, value]) => {
  const slider = document.querySelectorAll(".sliders input[type=range]")[place];
  const cell = () => document.querySelector(".damage tbody td.now").textContent
    + document.querySelector(".damage tbody td.change").textContent;
  const before = cell();
  slider.value = value;
  const start = performance.now();
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  slider.dispatchEvent(new Event("change", { bubbles: true }));
  while (cell() === before) await new Promise((done) => setTimeout(done, 2));
  return (performance.now() - start) / 1000;
}"""


@contextmanager
def served(live: Live) -> Iterator[str]:
    """The address of a bench over ``live``, its token in it."""
    token = new_token()
    with listening("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        app = Doors(bench_app(live), "127.0.0.1", port, token)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        yield f"http://127.0.0.1:{port}/#token={token}"
        server.should_exit = True
        thread.join()


def released(page: Page, rounds: int) -> list[float]:
    """Seconds from the release of the first slider to its numbers, at places that differ."""
    found = []
    for number in range(rounds):
        page.locator(".damage[aria-busy=false]").wait_for()
        found.append(page.evaluate(RELEASE, [0, -0.4 - 0.1 * (number % 7) - (number % 2)]))
    return found


def timed(act: Callable[[], Any]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def say(what: str, seconds: list[float]) -> None:
    print(f"| {what} | {statistics.median(seconds):.2f} | {max(seconds):.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("."))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--edit", default="reach-8", help="of params, loaded as sliders")
    given = parser.parse_args()
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with served(Live.open(Workspace(given.folder))) as url, sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"]).new_page()
        page.goto(url)
        idle = page.locator(".damage[aria-busy=false]")
        idle.wait_for()
        page.locator("#text").fill("")  # the numbers alone
        print(
            f"load {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores\n\n| what | median s | slowest s |\n|---|---|---|"
        )
        page.locator(".rows .add").first.click()
        idle.wait_for()
        say("one slider released, no guard", released(page, given.rounds))
        page.get_by_label("recorded").select_option(given.edit)
        page.get_by_role("button", name="load as sliders").click()
        page.locator(".sliders li").nth(1).wait_for()
        say(f"{given.edit} loaded, its guard built", [timed(lambda: idle.wait_for(timeout=300_000))])
        say(f"one of the sliders of {given.edit} released, guarded", released(page, given.rounds))
        page.locator(".samples button").nth(1).click()
        page.locator(".token").first.wait_for()
        say("... while a text of 40 tokens is read, too", released(page, given.rounds))
        page.get_by_role("button", name="measure exactly").click()
        whole = page.get_by_text("All that the evaluate stage")
        say("measured exactly", [timed(lambda: whole.wait_for(timeout=300_000))])
        page.get_by_role("button", name="continue the text").click()
        words = page.locator("[data-side=edited] p").filter(has_text=re.compile(r"\S"))
        first = timed(words.wait_for)
        say("first words of a continuation", [first])
        done = page.locator(".write[aria-busy=false]")
        say("40 tokens of each of two models", [first + timed(done.wait_for)])


if __name__ == "__main__":
    main()
