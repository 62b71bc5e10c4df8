"""Who may ask the bench: its own page with this start's token, and no page of another site."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from typer.testing import CliRunner

from prefactor.bench.doors import MOST, Doors, new_token
from prefactor.bench.page import page
from prefactor.cli.main import app as commands
from tests.bench_work import PORT, TOKEN, build_run
from tests.work import ROOT, build_work

OWN = f"127.0.0.1:{PORT}"
GOOD = {"host": OWN, "authorization": f"Bearer {TOKEN}", "origin": f"http://{OWN}", "sec-fetch-site": "same-origin"}

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


async def _echo(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    message = await receive()
    await PlainTextResponse(f"in: {len(message['body'])}")(scope, receive, send)


def _client(address: str = "127.0.0.1") -> TestClient:
    return TestClient(Doors(_echo, address, PORT, TOKEN), base_url=f"http://{OWN}")


def _post(headers: dict[str, str], content: bytes = b"{}", client: TestClient | None = None) -> Any:
    sent = {"content-type": "application/json"} | headers
    return (client or _client()).post("/api/measure", content=content, headers=sent)


def test_its_own_page_gets_in_by_any_name_of_loopback() -> None:
    assert _post(GOOD).text == "in: 2"
    for host in (f"localhost:{PORT}", f"[::1]:{PORT}", f"LOCALHOST:{PORT}"):
        assert _post(GOOD | {"host": host, "origin": f"http://{host}"}).status_code == 200
    answer = _client().get("/")  # the page itself tells nothing, so that it needs no token
    assert answer.status_code == 200
    assert answer.headers["x-frame-options"] == "DENY" and answer.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("changed", "status", "said"),
    [
        ({"host": "evil.example"}, 421, "no host of the bench"),  # a name that was pointed at this machine
        ({"host": f"evil.example:{PORT}", "origin": f"http://evil.example:{PORT}"}, 421, "no host of the bench"),
        ({"host": f"127.0.0.1.evil.example:{PORT}"}, 421, "no host of the bench"),
        ({"host": f"127.0.0.1:{PORT}@evil.example"}, 421, "no host of the bench"),
        ({"host": f"user@127.0.0.1:{PORT}"}, 421, "no host of the bench"),
        ({"host": "127.0.0.1:1"}, 421, "no host of the bench"),
        ({"host": "127.0.0.1:none"}, 421, "no host of the bench"),
        ({"host": ""}, 421, "no host of the bench"),
        ({"origin": "http://evil.example"}, 403, "another page asks"),
        ({"origin": "null"}, 403, "another page asks"),
        ({"origin": f"https://{OWN}"}, 403, "another page asks"),
        ({"origin": "http://127.0.0.1:1"}, 403, "another page asks"),  # another server of this machine
        ({"origin": f"http://localhost:{PORT}"}, 403, "another page asks"),
        ({"sec-fetch-site": "cross-site"}, 403, "another page asks"),
        ({"sec-fetch-site": "same-site"}, 403, "another page asks"),
        ({"sec-fetch-site": "none"}, 403, "another page asks"),
        ({"authorization": ""}, 401, "the token is missing"),
        ({"authorization": f"Bearer {TOKEN}x"}, 401, "the token is missing or of another start"),
        ({"authorization": f"Basic {TOKEN}"}, 401, "the token is missing"),
        ({"authorization": TOKEN}, 401, "the token is missing"),
        ({"content-type": "text/plain"}, 415, "send JSON"),  # what a form of another page can send
        ({"content-type": "application/x-www-form-urlencoded"}, 415, "send JSON"),
    ],
)
def test_another_page_does_not(changed: dict[str, str], status: int, said: str) -> None:
    answer = _post(GOOD | changed)
    assert answer.status_code == status and said in answer.json()["error"]
    assert "\n" not in answer.text and TOKEN not in answer.text
    assert "access-control-allow-origin" not in answer.headers


def test_no_path_but_the_page_goes_without_the_token() -> None:
    for path in ("/api/project", "/x", "/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//evil.example/"):
        for method in ("GET", "POST", "OPTIONS", "DELETE"):
            headers = {"host": OWN, "content-type": "application/json"}
            assert _client().request(method, f"http://{OWN}{path}", headers=headers).status_code == 401
    assert _client().post("/", headers={"host": OWN}).status_code == 401


def test_a_body_too_long_is_refused_however_it_is_sent() -> None:
    assert _post(GOOD, b"x" * MOST).text == f"in: {MOST}"
    assert _post(GOOD, b"x" * (MOST + 1)).status_code == 413

    def parts() -> Any:
        yield from [b"x" * 1000] * (MOST // 1000 + 2)

    sent = {"content-type": "application/json"} | GOOD
    assert _client().post("/api/measure", content=parts(), headers=sent).status_code == 413


def test_on_all_addresses_a_name_of_another_is_refused_still() -> None:
    everywhere = _client("0.0.0.0")
    for name, status in (("192.0.2.7", 200), (socket.gethostname(), 200), ("evil.example", 421)):
        host = f"{name}:{PORT}"
        assert _post(GOOD | {"host": host, "origin": f"http://{host}"}, client=everywhere).status_code == status
    assert _post(GOOD | {"authorization": ""}, client=everywhere).status_code == 401


def test_the_page_runs_its_own_script_alone_and_has_no_data() -> None:
    (one, policy), (other, _) = page(), page()
    nonce = policy.partition("script-src 'nonce-")[2].partition("'")[0]
    assert len(nonce) >= 20 and nonce not in other and one.count(f'nonce="{nonce}"') == 2
    assert one.count("<script") == 1 and "unsafe" not in policy and "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy and "http://" not in one.replace("http://www.w3.org/", "")
    assert new_token() != new_token() and len(new_token()) >= 32


def test_what_keeps_it_from_starting_is_a_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = CliRunner().invoke(commands, ["bench", "-C", str(tmp_path), "--no-browser", "--port", port])
    assert done.exit_code == 2 and done.stderr.count("\n") == 1
    assert f"127.0.0.1, port {port} cannot be listened on" in done.stderr and "`--port 0`" in done.stderr
    done = CliRunner().invoke(commands, ["bench", "--no-browser", "--port", "0", "--address", "not an address"])
    assert done.exit_code == 2 and "cannot be listened on" in done.stderr and done.stderr.count("\n") == 1
    done = CliRunner().invoke(commands, ["bench", "-C", str(tmp_path), "--no-browser", "--port", "0"])
    assert done.exit_code == 2 and done.stderr.count("\n") == 1, done.stderr
    build_work(tmp_path)
    shutil.rmtree(tmp_path / "data" / "importance")
    done = CliRunner().invoke(commands, ["bench", "-C", str(tmp_path), "--no-browser", "--port", "0"])
    assert done.exit_code == 2 and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.servers
def test_started_it_says_the_token_once_and_answers(tmp_path: Path) -> None:
    import httpx

    build_run(tmp_path)
    command = [sys.executable, "-c", "from prefactor.cli.main import app; app()"]
    words = ["bench", "-C", str(tmp_path), "--no-browser", "--port", "0"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([*command, *words], env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout is not None
        url, _, token = process.stdout.readline().strip().removeprefix("bench: open ").partition("/#token=")
        assert url.startswith("http://127.0.0.1:")
        headers = {"authorization": f"Bearer {token}"}
        answer = httpx.post(f"{url}/api/project", json={}, headers=headers)
        assert answer.json()["removed"] == "de"
        assert httpx.post(f"{url}/api/project", json={}).status_code == 401
        assert httpx.get(f"{url}/?token={token}").text.startswith("<!doctype html>")
        assert json.loads(httpx.get(f"{url}/nothing", headers=headers).text)["error"]
    finally:
        process.terminate()
        out, err = process.communicate(timeout=30)
    assert token not in out + err
