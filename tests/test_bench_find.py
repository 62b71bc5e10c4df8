"""The bench's search: its trials come as they are made, one search runs at a time, and a page can stop its own."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from prefactor.bench.finding import Finder
from prefactor.bench.turns import Turns
from prefactor.errors import PrefactorError
from prefactor.search.search import Search
from prefactor.workspace import Workspace
from tests.bench_work import PORT, TOKEN, bench_of, build_run


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("find")
    build_run(folder)
    return folder


@pytest.fixture(scope="module")
def client(root: Path) -> TestClient:
    _, app = bench_of(Workspace(root))
    return TestClient(app, base_url=f"http://127.0.0.1:{PORT}", headers={"authorization": f"Bearer {TOKEN}"})


def _find(client: TestClient, **body: Any) -> list[dict[str, Any]]:
    answer = client.post("/api/find", json={"page": "p", **body})
    assert answer.status_code == 200, answer.text
    return [json.loads(part.removeprefix("data: ")) for part in answer.text.split("\n\n") if part]


def test_what_is_found_is_the_front_of_the_kept_trials_and_loads_as_sliders(root: Path, client: TestClient) -> None:
    first, *_, last = _find(client, target="de", seconds=2)
    kept = Search(Workspace(root), "de")
    assert first["tried"] == 0 and last["done"] and last["tried"] == len(kept.trials()) > 0
    assert [row["number"] for row in last["front"]] == [trial.number for trial in kept.front()]
    (best,) = [row for row in last["front"] if row["best"]]
    sliders = [{"subcomponent": s["subcomponent"], "alpha": s["alpha"]} for s in best["sliders"]]
    edit = {"target": "de", "sliders": sliders, "guard": best["guard"]}
    rows = client.post("/api/measure", json={"page": "p", "edit": edit, "exact": True}).json()["rows"]
    (trial,) = [trial for trial in kept.trials() if trial.number == best["number"]]
    wanted = {row["domain"]: row["damage"] for row in kept.edited(trial).measure()}
    assert {row["domain"]: row["damage"] for row in rows} == pytest.approx(wanted, abs=1e-6)
    assert _find(client, target="de", seconds=1)[0]["tried"] == last["tried"]  # nothing is forgotten


def test_a_page_stops_its_own_search(root: Path) -> None:
    turns, seen = Turns(), []
    finder = Finder(root)
    for event in finder.find("fr", 600, turns.begin("p", "find")):
        seen.append(event)
        turns.begin("p", "find")
    assert seen[-1]["done"] and len(seen) <= 3


def test_one_search_at_a_time_and_none_for_a_reader_who_has_left(root: Path) -> None:
    turns, finder = Turns(), Finder(root)
    events: Iterator[dict[str, Any]] = finder.find("en", 600, turns.begin("p", "find"))
    next(events)
    with pytest.raises(PrefactorError, match="running here already"):
        finder.find("de", 1, turns.begin("q", "find"))
    events.close()  # type: ignore[attr-defined]
    (search,) = [thread for thread in threading.enumerate() if thread.name == "search"]
    search.join(120)
    assert not search.is_alive()
    assert list(finder.find("de", 0.01, turns.begin("q", "find")))


def test_a_domain_that_is_none_is_refused(client: TestClient) -> None:
    answer = client.post("/api/find", json={"page": "p", "target": "klingon", "seconds": 1})
    assert answer.status_code == 422 and "no domain is called 'klingon'" in answer.json()["error"]
    answer = client.post("/api/find", json={"page": "p", "target": "de", "seconds": 1e9})
    assert answer.status_code == 422 and answer.json()["error"].startswith("seconds:")
