"""What tests of several files share."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import flows  # noqa: F401  (it quietens Prefect, which must not be imported before)

SLOW = ("test_pipeline", "test_reruns")  # begun first, so that none is left to wait for


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--servers", action="store_true", help="run the tests that start real servers, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files that take longest come first; within a file the order stays. Servers are started only if asked for."""
    if not config.getoption("--servers"):
        skip = pytest.mark.skip(reason="starts real servers: --servers, or make test-all")
        for item in items:
            if item.get_closest_marker("servers"):
                item.add_marker(skip)
    place = {name: number for number, name in enumerate(SLOW)}
    items.sort(key=lambda item: place.get(item.path.stem, len(SLOW)))


@pytest.fixture(scope="session")
def prefect_env() -> Iterator[dict[str, str]]:
    """An environment for subprocesses in which flows find a Prefect server with an empty database.

    One server a session: it takes longer to start than all the flows take to run.
    """
    from prefect.settings import PREFECT_API_URL
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180):
        yield {**os.environ, "PREFECT_API_URL": str(PREFECT_API_URL.value())}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to run in, and an environment that is put back."""
    before, folder = dict(os.environ), tempfile.tempdir
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    os.environ["HOME"] = str(tmp_path / "home")
    yield tmp_path
    tempfile.tempdir = folder
    os.environ.clear()
    os.environ.update(before)
