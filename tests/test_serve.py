"""``make serve`` with real servers: schedules fire, cancelling ends a stage's group, nothing outlives it."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
import pytest

from flows.around.child import free_port
from tests.small import ROOT, ended, hears_interrupts, make_project, wait_for

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]
LONG = 300.0  # seconds: a loaded machine, too
HOLD = "echo $$ > pid.log; echo holding; (sleep 600 & echo $! > child.log; wait)\n"


def _environment(**more: str) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "PREFACTOR_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), env["PATH"]])
    return {**env, "PATH": path, "PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1", **more}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder of stages that copy text, with the flows and their deployments."""
    project = make_project(tmp_path / "project", "flows")
    shutil.copy(ROOT / "prefect.yaml", project / "prefect.yaml")
    return project


class Service:
    """``python -m flows.serve`` in ``folder``, and its server's API."""

    def __init__(self, folder: Path, **more: str) -> None:
        self.port = more.setdefault("PREFECT_SERVER_API_PORT", str(free_port()))
        self.url = more.get("PREFECT_API_URL", f"http://127.0.0.1:{self.port}/api")
        self.log = folder / "serve.log"
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "flows.serve"]
            self.process = subprocess.Popen(
                command, cwd=folder, env=_environment(**more), stdout=log, stderr=log, start_new_session=True,
                preexec_fn=hears_interrupts,
            )  # fmt: skip

    @property
    def said(self) -> str:
        return self.log.read_text()

    def serving(self) -> "Service":
        wait_for(lambda: "serving; Ctrl-C stops it" in self.said or self.process.poll() is not None, LONG)
        assert self.process.poll() is None, self.said
        return self

    def family(self) -> list[psutil.Process]:
        return [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]

    def ask(self, what: str, **body: Any) -> Any:
        method = "GET" if not body else "POST"
        for _ in range(20):
            answer = httpx.request(method, f"{self.url}/{what}", json=body or None, timeout=60, trust_env=False)
            if answer.status_code != 503:  # a busy SQLite
                break
            time.sleep(1)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def run(self, deployment: str = "prefactor/nightly", **parameters: Any) -> str:
        """Begin a run of a deployment; its number."""
        number = self.ask(f"deployments/name/{deployment}")["id"]
        return self.ask(f"deployments/{number}/create_flow_run", parameters=parameters, state={"type": "SCHEDULED"})[
            "id"
        ]

    def state(self, run: str) -> str:
        return self.ask(f"flow_runs/{run}")["state"]["type"]

    def reach(self, run: str, *states: str) -> str:
        wait_for(lambda: self.state(run) in states, LONG)
        return self.state(run)


FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@pytest.fixture
def serve(project: Path) -> Iterator[Callable[..., Service]]:
    """Start a service; all that were started, and what they started, are gone at the end."""
    begun: list[Service] = []

    def serve(folder: Path = project, **more: str) -> Service:
        begun.append(Service(folder, **more))
        return begun[-1]

    yield serve
    for service in reversed(begun):
        if service.process.poll() is None:
            family = service.family()
            service.process.terminate()
            service.process.wait(LONG)
            wait_for(lambda family=family: all(map(ended, family)), 60)


def _begun(project: Path) -> psutil.Process:
    """The process that a stage which holds has started."""
    child = project / "child.log"
    wait_for(lambda: child.is_file() and child.read_text().strip() != "", LONG)
    return psutil.Process(int(child.read_text()))


def test_a_cron_fires_and_a_worker_runs_the_flow(project: Path, serve: Callable[..., Service]) -> None:
    path = project / "prefect.yaml"
    path.write_text(path.read_text().replace("0 3 * * *", "* * * * *"))
    service = serve().serving()
    out = project / "data/report/out.txt"
    wait_for(out.is_file, LONG)
    assert out.read_text() == "words\nfirst\nwords\nsecond\n"

    def completed() -> list[dict[str, Any]]:
        body = {"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
        return service.ask("flow_runs/filter", **body)

    wait_for(lambda: len(completed()) >= 2, LONG)  # the second finds all up to date
    assert all(run["auto_scheduled"] for run in completed())
    assert (project / "corpus.log").read_text() == "made\n"
    lines = [entry["message"] for entry in service.ask("logs/filter", limit=200)]
    assert any("corpus done in" in line for line in lines)  # a run's page shows what it prints


def test_cancelling_a_run_ends_the_whole_group_of_its_stage(project: Path, serve: Callable[..., Service]) -> None:
    (project / "hold.sh").write_text(HOLD)
    service = serve().serving()
    run = service.run()
    child = _begun(project)
    stage = psutil.Process(int((project / "pid.log").read_text()))
    command = [sys.executable, "-m", "prefect", "flow-run", "cancel", run]
    subprocess.run(command, env=_environment(PREFECT_API_URL=service.url), check=True, capture_output=True)
    wait_for(lambda: ended(child) and ended(stage), 60)
    assert service.reach(run, *FINAL) == "CANCELLED"

    (project / "hold.sh").write_text("")
    assert service.reach(service.run(), *FINAL) == "COMPLETED"  # the pool has its place again


def test_a_killed_service_leaves_no_process_and_the_next_goes_on(project: Path, serve: Callable[..., Service]) -> None:
    (project / "hold.sh").write_text(HOLD)
    first = serve().serving()
    run = first.run()
    family = [_begun(project), *first.family()]
    assert len(family) > 6  # itself, a server, a worker, a flow, a stage, its command
    again = Service(project, PREFECT_SERVER_API_PORT=first.port)
    assert again.process.wait(LONG) == 2 and "another `make serve` works in" in again.said
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    wait_for(lambda: all(map(ended, family)), 60)

    (project / "hold.sh").write_text("")
    second = serve(PREFECT_SERVER_API_PORT=first.port).serving()
    assert "runs that were cut off: 1; they are marked as crashed" in second.said
    assert second.state(run) == "CRASHED"  # history stayed
    assert second.reach(second.run(), *FINAL) == "COMPLETED"
    second.process.send_signal(signal.SIGINT)
    assert second.process.wait(LONG) == 0


def test_make_serve_that_is_killed_leaves_no_process(project: Path) -> None:
    """``make`` itself, which cannot tell the service."""
    (project / "Makefile").write_text(f"serve:\n\t@{sys.executable} -m flows.serve --with-parent\n")
    log = project / "make.log"
    with log.open("wb") as output:
        env = _environment(PREFECT_SERVER_API_PORT=str(free_port()))
        make = subprocess.Popen(["make", "serve"], cwd=project, env=env, stdout=output, stderr=output)
    wait_for(lambda: "serving; Ctrl-C stops it" in log.read_text() or make.poll() is not None, LONG)
    family = psutil.Process(make.pid).children(recursive=True)
    assert len(family) >= 3
    make.kill()
    make.wait()
    wait_for(lambda: all(map(ended, family)), 60)


def test_an_accelerator_comes_free_when_its_holder_was_killed(project: Path, serve: Callable[..., Service]) -> None:
    """Its lease ends, also where the server was killed with it."""
    hold = (
        "import time; from flows.run.shared import held\n"
        "with held(['prefactor-x-cuda-0'], 1, lambda: False, print): print('held', flush=True); time.sleep({})"
    )

    def taken(seconds: int) -> subprocess.Popen[str]:
        env = _environment(PREFECT_API_URL=service.url)
        command = [sys.executable, "-c", hold.format(seconds)]
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)

    service = serve().serving()
    first = taken(600)
    assert first.stdout is not None and first.stdout.readline() == "held\n"
    first.kill()
    first.wait()
    service.process.kill()
    service.process.wait()
    service = serve(PREFECT_SERVER_API_PORT=service.port).serving()
    output, _ = taken(0).communicate(timeout=LONG)
    assert output.endswith("held\n")


def test_a_stage_that_the_system_killed_is_tried_again(project: Path, serve: Callable[..., Service]) -> None:
    (project / "hold.sh").write_text("[ -e tried.log ] || { touch tried.log; kill -9 $$; }\n")
    service = serve().serving()
    run = service.run()
    assert service.reach(run, *FINAL) == "COMPLETED"
    assert (project / "corpus.log").read_text() == "made\nmade\n"
    tasks = service.ask("task_runs/filter", flow_runs={"id": {"any_": [run]}})
    assert {task["name"]: task["run_count"] for task in tasks}["corpus"] == 2


def test_a_run_that_fails_leaves_an_artifact_and_calls_the_command(
    project: Path, serve: Callable[..., Service]
) -> None:
    (project / "second.txt").unlink()
    record = "import sys; open('told', 'w').write('\\n'.join(sys.argv[1:]))"
    service = serve(PREFACTOR_ON_FAILURE=f'"{sys.executable}" -c "{record}"').serving()
    assert service.reach(service.run(), *FINAL) == "FAILED"
    assert (project / "told").read_text().startswith("prefactor\nstage edit@second failed")
    wait_for(lambda: len(service.ask("artifacts/filter", artifacts={"type": {"any_": ["markdown"]}})) == 1, 60)
    (artifact,) = service.ask("artifacts/filter", artifacts={"type": {"any_": ["markdown"]}})
    assert artifact["key"] == "prefactor-failure" and "- **stage**: edit@second\n" in artifact["data"]
    assert service.process.poll() is None  # it serves on


def test_a_server_that_is_there_is_worked_with(project: Path, serve: Callable[..., Service], tmp_path: Path) -> None:
    """A second folder at the first's server is refused; at a server of its user's the service starts none."""
    first = serve().serving()
    other = make_project(tmp_path / "other", "flows")
    shutil.copy(ROOT / "prefect.yaml", other / "prefect.yaml")
    taken = serve(other, PREFECT_SERVER_API_PORT=first.port)
    assert taken.process.wait(LONG) == 2
    assert taken.said.splitlines()[-1].startswith(
        f"prefactor: error: port {first.port} is taken by a Prefect server: work with that one "
    )
    refused = serve(other, PREFECT_API_URL=first.url)
    assert refused.process.wait(LONG) == 2
    assert f"the Prefect server runs prefactor's deployments in {project}: serve from there" in refused.said
    first.process.terminate()
    assert first.process.wait(LONG) == 0

    gone = serve(other, PREFECT_API_URL=first.url)
    assert gone.process.wait(LONG) == 2
    assert f"PREFECT_API_URL={first.url}: no Prefect server to work with (" in gone.said.splitlines()[-1]

    with _server(tmp_path) as url:
        own = serve(other, PREFECT_API_URL=url).serving()
        assert f"works with the Prefect server at {url}" in own.said
        assert not any("flows.serving.server_process" in " ".join(p.cmdline()) for p in own.family())
        assert own.reach(own.run(), *FINAL) == "COMPLETED"


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """A Prefect server as its user would start one."""
    port = str(free_port())
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", port, "--no-services"]
    env = _environment(
        PREFECT_HOME=str(folder / "home"), PREFECT_UI_ENABLED="false", PREFECT_SERVER_ANALYTICS_ENABLED="0"
    )
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    family = psutil.Process(process.pid)
    url = f"http://127.0.0.1:{port}/api"

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/health", trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    try:
        wait_for(answers, LONG)
        yield url
    finally:
        everybody = [family, *family.children(recursive=True)]
        for each in everybody:
            each.kill()
        process.wait()


def _lets_in(port: int, password: str) -> bool:
    async def connect() -> None:
        await (
            await asyncpg.connect(host="127.0.0.1", port=port, user="prefect", database="postgres", password=password)
        ).close()

    try:
        asyncio.run(connect())
    except (OSError, asyncpg.PostgresError):
        return False
    return True


@contextmanager
def _postgres(folder: Path) -> Iterator[tuple[str, str]]:
    """A PostgreSQL with a password on loopback; its address without, and the password."""
    tools = next((path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")), None)
    found = shutil.which("initdb")
    tools = Path(found).parent if found else tools
    if tools is None:
        pytest.skip("no PostgreSQL here (initdb)")
    password, port, data = "correct horse/battery@staple", free_port(), folder / "postgres"
    folder.chmod(0o755)
    data.mkdir()
    secret = folder / "secret"
    secret.write_text(password)
    user: dict[str, Any] = {}
    if os.getuid() == 0:  # which PostgreSQL refuses
        for path in (data, secret):
            shutil.chown(path, "nobody")
        for parent in data.parents:
            if parent.is_relative_to("/tmp") and parent != Path("/tmp"):
                parent.chmod(parent.stat().st_mode | 0o055)
        user = {"user": "nobody", "extra_groups": []}
    quiet: dict[str, Any] = {"check": True, "capture_output": True, "cwd": data, **user}
    subprocess.run(
        [tools / "initdb", "-D", data, "-A", "scram-sha-256", "-U", "prefect", f"--pwfile={secret}"], **quiet
    )
    process = subprocess.Popen(
        [tools / "postgres", "-D", data, "-p", str(port), "-k", data, "-h", "127.0.0.1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=data, **user,
    )  # fmt: skip
    try:
        wait_for(lambda: _lets_in(port, password), 60)
        yield f"127.0.0.1:{port}/postgres", password
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(LONG)


def test_postgresql_keeps_the_history_and_no_output_its_password(
    project: Path, serve: Callable[..., Service], tmp_path: Path
) -> None:
    from urllib.parse import quote

    with _postgres(tmp_path) as (place, password):
        url = f"postgresql+asyncpg://prefect:{quote(password, safe='')}@{place}"
        (project / "hold.sh").write_text("env > env.log\n")
        service = serve(PREFECT_API_DATABASE_CONNECTION_URL=url).serving()
        assert "history: PostgreSQL, postgres at 127.0.0.1" in service.said
        run = service.run()
        assert service.reach(run, *FINAL) == "COMPLETED"
        assert not (project / ".runs/server/prefect.db").exists()
        assert "PREFECT_API_DATABASE" not in (project / "env.log").read_text()  # a stage needs no password
        service.process.terminate()
        assert service.process.wait(LONG) == 0
        again = serve(PREFECT_API_DATABASE_CONNECTION_URL=url).serving()
        assert again.state(run) == "COMPLETED"
        again.process.terminate()
        assert again.process.wait(LONG) == 0

        wrong = serve(PREFECT_API_DATABASE_CONNECTION_URL=url.replace("correct", "incorrect"))
        assert wrong.process.wait(LONG) == 2
        last = wrong.said.splitlines()[-1]
        assert last.startswith("prefactor: error: Prefect's server does not start: ") and "password auth" in last
        for path in (*project.glob("*.log"), *(project / ".runs").rglob("*")):
            if path.is_file():
                content = path.read_bytes()
                for secret in (password, quote(password, safe="")):
                    assert secret.encode() not in content, path


def test_it_serves_through_poor_surroundings(project: Path, serve: Callable[..., Service]) -> None:
    """No home, no shell, a proxy to nowhere, a home of Prefect's that cannot be written."""
    nowhere = "http://127.0.0.1:1"
    service = serve(
        HOME="/dev/null", PREFECT_HOME="/dev/null/x", TMPDIR="/dev/null/x", XDG_CACHE_HOME="/proc/x",
        SHELL="/bin/false", HTTP_PROXY=nowhere, http_proxy=nowhere, ALL_PROXY="socks5://127.0.0.1:1", LC_ALL="C",
        PYTHONIOENCODING="ascii",
    ).serving()  # fmt: skip
    assert service.reach(service.run(), *FINAL) == "COMPLETED"
    assert "Traceback" not in service.said


def test_a_server_that_dies_ends_the_service(project: Path, serve: Callable[..., Service]) -> None:
    service = serve().serving()
    family = service.family()
    (server,) = [each for each in family if "flows.serving.server_process" in " ".join(each.cmdline())]
    server.kill()
    assert service.process.wait(LONG) == 2
    assert service.said.splitlines()[-1] == (
        "prefactor: error: Prefect's server has ended (exit code -9): start again (`make serve`)"
    )
    time.sleep(0.1)
    wait_for(lambda: all(map(ended, family)), 60)
