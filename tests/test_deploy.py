"""What ``make serve`` tells a Prefect server, and what it makes of its surroundings: ports, databases, runs cut off."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelling, Pending, Running, Scheduled

from flows.around.errors import FlowError
from flows.around.secret import without_secrets
from flows.serving import deploy
from flows.serving.database import check_database, without_database
from flows.serving.lasting_server import _port
from flows.serving.leftovers import settle_runs
from tests.small import ROOT

SECRET = "hunter2"
GOALS = ["chance", "unigram", "uniform"]


@pytest.fixture
def client(prefect_env: dict[str, str]) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


def test_the_deployments_are_those_of_prefect_yaml(
    client: SyncPrefectClient, prefect_env: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)
    deploy.make_pool(client)
    deploy.make_pool(client)  # which is there by now
    deploy.deploy(prefect_env | {"PYTHONPATH": str(ROOT)})
    made = {deployment.name: deployment for deployment in deploy.deployments(client)}
    assert set(made) == {"nightly", "edit", "sweep"}
    for deployment in made.values():
        assert deployment.work_pool_name == deploy.POOL and deployment.pull_steps in (None, [])
        assert deployment.job_variables == {"command": "python -m prefect.engine", "working_dir": str(ROOT)}
    (schedule,) = made["nightly"].schedules
    assert schedule.active and getattr(schedule.schedule, "cron", "") == "0 3 * * *"
    assert not made["edit"].schedules
    schema = made["edit"].parameter_openapi_schema
    assert schema is not None and schema["required"] == ["name", "remove"]
    assert schema["properties"]["goal"]["enum"] == GOALS
    assert all(field["description"] for field in schema["properties"].values())
    schema = made["sweep"].parameter_openapi_schema
    assert schema is not None and schema["properties"]["runner"]["enum"] == ["threads", "dask"]
    assert all(field["description"] for field in schema["properties"].values())
    pool = client.read_work_pool(deploy.POOL)
    assert (pool.type, pool.concurrency_limit) == ("process", 1)

    deploy.check_owner(client)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FlowError, match=f"runs prefactor's deployments in {ROOT}: serve from there, or take a server"):
        deploy.check_owner(client)


def test_a_deployment_that_cannot_be_made_is_told_in_a_line(
    prefect_env: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prefect.yaml").write_text("deployments: [{name: nightly, entrypoint: nothing.py:flow}]\n")
    with pytest.raises(FlowError, match=r"^prefect.yaml: `prefect deploy --all` refuses: ") as caught:
        deploy.deploy(prefect_env)
    assert "\n" not in str(caught.value)


def test_runs_that_were_cut_off_get_an_end(client: SyncPrefectClient) -> None:
    from prefect import flow

    @flow
    def cut() -> None: ...

    deploy.make_pool(client)
    states = (Running(), Pending(), Cancelling())
    runs = [client.create_flow_run(cut, state=state, work_pool_name=deploy.POOL) for state in states]
    ahead = client.create_flow_run(cut, state=Scheduled(), work_pool_name=deploy.POOL)
    other = client.create_flow_run(cut, state=Running())  # of no pool: begun by hand
    assert settle_runs(client, deploy.POOL) == 3
    ends = [client.read_flow_run(run.id).state_type for run in (*runs, ahead, other)]
    crashed = StateType.CRASHED
    assert ends == [crashed, crashed, StateType.CANCELLED, StateType.SCHEDULED, StateType.RUNNING]
    assert settle_runs(client, deploy.POOL) == 0


@pytest.mark.parametrize("value", ["banana", "0", "-1", "65536", "4200.0", "9" * 50])
def test_a_port_that_is_none_is_told(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_SERVER_API_PORT", value)
    with pytest.raises(FlowError, match=f"^PREFECT_SERVER_API_PORT={value}: write a port from 1 to 65535"):
        _port()


def test_a_port_that_is_taken_is_told(prefect_env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        port = deaf.getsockname()[1]
        monkeypatch.setenv("PREFECT_SERVER_API_PORT", str(port))
        with pytest.raises(FlowError, match=f"^port {port} is taken by another program: take another"):
            _port()
    assert _port() == port  # free again
    url = prefect_env["PREFECT_API_URL"]
    monkeypatch.setenv("PREFECT_SERVER_API_PORT", url.split(":")[2].split("/")[0])
    with pytest.raises(FlowError, match=rf"is taken by a Prefect server: work with that one \(`PREFECT_API_URL={url} "):
        _port()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"postgres {SECRET}", "is no address of a database: write postgresql+asyncpg://"),
        (f"postgresql://me:{SECRET}@db/prefect", "is of postgresql: Prefect works with sqlite+aiosqlite or postgresql"),
        (f"mysql+pymysql://me:{SECRET}@db/prefect", "is of mysql+pymysql: Prefect works with"),
    ],
)
def test_a_database_that_is_none_is_told_without_its_password(url: str, said: str) -> None:
    with pytest.raises(FlowError) as caught:
        check_database({"PREFECT_API_DATABASE_CONNECTION_URL": url})
    assert said in str(caught.value) and SECRET not in str(caught.value)


def test_a_database_is_told_without_its_password() -> None:
    url = f"postgresql+asyncpg://me:{SECRET}@db.example:5432/prefect"
    for name in ("PREFECT_API_DATABASE_CONNECTION_URL", "PREFECT_SERVER_DATABASE_CONNECTION_URL"):
        env = {name: url, "PATH": os.defpath}
        assert check_database(env) == "PostgreSQL, prefect at db.example"
        assert without_database(env) == {"PATH": os.defpath}
    assert check_database({}) == "SQLite"


@pytest.mark.parametrize("password", [SECRET, f"{SECRET}:x", f"x@{SECRET}", ""])
def test_addresses_lose_their_users(password: str) -> None:
    said = without_secrets(f"no answer from postgresql+asyncpg://me:{password}@db:5432/x, or http://a/b")
    assert said == "no answer from postgresql+asyncpg://db:5432/x, or http://a/b"
