"""What tests of several files share."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import flows  # noqa: F401  (it quietens Prefect, which must not be imported before)
from tests.browser import chromium  # noqa: F401  (a fixture)
from tests.report_pages import built, reader, standing, tree  # noqa: F401  (fixtures)
from tests.small import ROOT, WAITING, hears_interrupts, make_project

SLOW = ("test_pipeline", "test_reruns")  # begun first, so that none is left to wait for


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--servers", action="store_true", help="run the tests that start real servers or take long, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files that take longest come first; within a file the order stays."""
    if not config.getoption("--servers"):
        for item in items:
            if item.get_closest_marker("servers"):
                item.add_marker(pytest.mark.skip(reason="takes long: pytest --servers"))
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


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A DVC repository whose stages copy text (``tests/small.py``)."""
    return make_project(tmp_path / "project")


@pytest.fixture
def start(project: Path, prefect_env: dict[str, str]) -> Callable[..., subprocess.Popen[str]]:
    """Start ``python -m ...`` in the project, the way a shell with the environment activated would."""
    path = os.pathsep.join([str(Path(sys.executable).parent), prefect_env["PATH"]])
    env = {**prefect_env, "PATH": path, "PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1"}

    def start(*words: str, **more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", *words]
        return subprocess.Popen(
            command, cwd=project, env=env | more, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=hears_interrupts,
        )  # fmt: skip

    return start


@pytest.fixture
def call(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., tuple[int, str]]:
    """The same to its end: exit code and output."""

    def call(*words: str, **more: str) -> tuple[int, str]:
        process = start(*words, **more)
        output, _ = process.communicate(timeout=120)
        lines = [line for line in output.splitlines(keepends=True) if not WAITING.fullmatch(line)]
        return process.returncode, "".join(lines)

    return call
