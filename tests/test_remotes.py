"""Two teammates, and every kind of remote by its real server: what is fetched, made, merged, healed and refused."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.repo import Repo
from typer.testing import CliRunner, Result

import flows.supply.transfer
from flows.around.environment import _inherited
from flows.recorded.outputs import oid_of
from flows.supply.supply import plan, supply
from team.cli import app
from tests.remotes import HOST, KINDS, Missing, Remote, serve
from tests.team_project import DAG, ROOT, dvc, git, make_project

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1200)]  # each waits for dozens of processes to start
MISTAKES = [
    ("folder", "place"), ("ssh", "key"), ("s3", "key"), ("s3", "bucket"), ("webdav", "password"), ("webdav", "place"),
]  # fmt: skip
Join = Callable[[str], Path]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose params are this one's, with two edits; everything is up to date."""
    params = json.loads(json.dumps(yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))))
    params["edits"] = {name: params["edits"][name] for name in ("scalar", "guarded-importance")}
    params["report"] |= {"edit": "scalar", "controls": []}
    folder = tmp_path_factory.mktemp("remotes") / "made"
    make_project(folder, DAG.replace("${item.alpha}", "${key}"), yaml.safe_dump(params, sort_keys=False))
    return folder


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Remote]]:
    """Start a server of a kind; all end with the test."""
    running = []

    def begin(kind: str) -> Remote:
        folder = tmp_path / kind
        folder.mkdir()
        server = serve(kind, folder)
        try:
            remote = server.__enter__()
        except Missing as missing:
            pytest.skip(f"{kind}: this machine lacks {missing}")
        running.append(server)
        return remote

    yield begin
    for server in running:
        server.__exit__(None, None, None)


@pytest.fixture(autouse=True)
def surroundings(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of this user's own: no keys, no AWS settings."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "SSH_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    _inherited.cache_clear()
    yield
    _inherited.cache_clear()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every request to a remote, as it is made."""
    requests: list[str] = []
    spoken = flows.supply.transfer.spoken

    def counted(verb: str, request: Any) -> dict[str, Any]:
        requests.append(verb)
        return spoken(verb, request)

    monkeypatch.setattr(flows.supply.transfer, "spoken", counted)
    return requests


def prefactor(*words: str, code: int = 0) -> Result:
    ran = CliRunner().invoke(app, list(words))
    assert ran.exit_code == code, ran.output
    return ran


def sets(options: tuple[str, ...]) -> list[str]:
    return [word for option in options for word in ("--set", option)]


def who(remote: Remote) -> tuple[str, ...]:
    """Of the options, those that are each person's own: a clone has the others."""
    return tuple(option for option in remote.options if not option.startswith(("endpointurl", "region")))


@pytest.fixture
def join(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Join:
    """The folder of a teammate, which becomes the current one: ada's is where all was made, others clone hers."""

    def enter(name: str) -> Path:
        folder = tmp_path / name
        if not folder.exists() and name == "ada":
            shutil.copytree(made, folder, symlinks=True)
        elif not folder.exists():
            git(tmp_path, "clone", "-q", str(tmp_path / "ada"), str(folder))
        monkeypatch.chdir(folder)
        return folder

    return enter


def share(remote: Remote) -> list[Result]:
    """In the current folder: set the remote, push, commit."""
    ran = [prefactor("share", "init", remote.url, *sets(remote.options)), prefactor("push")]
    git(Path.cwd(), "add", "-A")
    git(Path.cwd(), "commit", "-qm", "shared")
    return ran


def add_edit(name: str) -> None:
    """A line of its own, as people write edits."""
    text = Path("params.yaml").read_text(encoding="utf-8")
    line = f"  {name}: {json.dumps(yaml.safe_load(text)['edits']['scalar'])}\n"
    Path("params.yaml").write_text(text.replace("\nbaselines:", f"\n{line}baselines:"), encoding="utf-8")


def bring_up_to_date() -> tuple[str, ...]:
    """As ``prefactor repro`` does, and the stages that it made, by their commands' own logs."""
    wanted = supply()
    assert wanted is not None and not wanted.lost
    for stage in wanted.dag.expected:
        dvc(Path.cwd(), "repro", "-s", stage)
    assert not plan().dag.expected
    return wanted.dag.expected


def oids() -> dict[str, str]:
    with Repo(".") as repo:
        return {str(out): oid_of(out) for stage in repo.index.stages for out in stage.outs}


def in_cache() -> set[str]:
    return {path.parent.name + path.name for path in Path(".dvc/cache/files/md5").rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_teammate_fetches_what_is_needed_and_makes_nothing_dear(
    kind: str, start: Callable[[str], Remote], join: Join
) -> None:
    remote = start(kind)
    ada = join("ada")
    printed = share(remote)
    grace = join("grace")
    assert not (grace / ".dvc/config.local").exists()
    if who(remote):
        printed.append(prefactor("share", "init", remote.url, *sets(who(remote))))
    dvc(grace, "repro", "-s", "check")
    printed.append(prefactor("repro", "--dry"))
    assert "to download: 1 outputs" in printed[-1].stdout and "all 5 stages are up to date" in printed[-1].stdout
    assert bring_up_to_date() == ()
    assert in_cache() == {oids()["data/report/out.txt"], oids()["data/check"]} | set(_members(ada, "data/check"))
    assert not list(grace.glob("*.log")) and not (grace / "data/decompose").exists()

    add_edit("graces")
    found = plan()
    assert found.dag.expected == ("edit@graces", "report")
    assert {output.path for output in found.remote} == {
        "data/decompose/parts", "data/edit/scalar/out.txt", "data/edit/guarded-importance/out.txt",
    }  # fmt: skip
    assert bring_up_to_date() == ("edit@graces", "report")
    assert "sent 2 files" in prefactor("push").stdout
    git(grace, "commit", "-qam", "grace's")

    join("ada")
    add_edit("adas")
    assert bring_up_to_date() == ("edit@adas", "report")
    prefactor("push")
    git(ada, "commit", "-qam", "ada's")

    join("grace")
    git(grace, "pull", "-q", "--no-rebase", "origin", "main", check=False)
    assert "params.yaml, dvc.lock" in prefactor("resolve").stdout
    git(grace, "commit", "-qam", "merged")
    assert list(yaml.safe_load(Path("params.yaml").read_text())["edits"])[2:] == ["graces", "adas"]
    assert bring_up_to_date() == ("report",)
    prefactor("push")
    git(grace, "commit", "-qam", "report of both")

    join("ada")
    git(ada, "pull", "-q", str(grace), "main")
    assert bring_up_to_date() == ()
    assert (ada / "data/report/out.txt").read_bytes() == (grace / "data/report/out.txt").read_bytes()
    assert (grace / "edit.log").read_text() == "graces\n" and not (grace / "decompose.log").exists()
    assert (ada / "edit.log").read_text().splitlines()[2:] == ["adas"]
    assert (ada / "decompose.log").read_text() == "made\n"

    committed = git(ada, "grep", "-I", "", "--", ".", ".dvc")
    for secret in remote.secrets:
        assert (
            not any(secret in text for ran in printed for text in (ran.stdout, ran.stderr)) and secret not in committed
        )
        assert (ada / ".dvc/config.local").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", [False, True])
def test_a_damaged_object_is_named_not_used_and_healed(
    kind: str, cut: bool, start: Callable[[str], Remote], join: Join, capsys: pytest.CaptureFixture[str]
) -> None:
    remote = start(kind)
    ada = join("ada")
    share(remote)
    file, part = oids()["data/report/out.txt"], _members(ada, "data/decompose/parts")[0]
    good = {oid: remote.objects.read(oid) for oid in (file, part)}
    for oid, content in good.items():
        flipped = bytes([content[0] ^ 1]) + content[1:]
        remote.objects.write(oid, content[:-1] if cut else flipped)

    grace = join("grace")
    if who(remote):
        prefactor("share", "init", remote.url, *sets(who(remote)))
    dvc(grace, "repro", "-s", "check")
    wanted = supply()
    assert wanted is not None and wanted.dag.expected == ("report",)  # whose edits are whole
    assert not (grace / "data/report/out.txt").exists() and not (grace / "data/decompose").exists()
    assert "data/report/out.txt is damaged at the remote" in capsys.readouterr().err
    assert "data/decompose/parts" in prefactor("pull", "decompose", code=2).stderr.splitlines()[-1]
    assert {file, part}.isdisjoint(in_cache())

    join("ada")
    seen = {
        (row["place"], row["output"]) for row in json.loads(prefactor("verify", "--remote", "--json", code=1).stdout)
    }
    named = {("remote", "data/report/out.txt"), ("remote", "data/decompose/parts")}
    # DVC takes what it finds damaged away where it may.
    assert seen <= named
    rows = json.loads(prefactor("verify", "--remote", "--heal", "--json").stdout)
    assert {(row["place"], row["output"]) for row in rows} == seen and all(row["from"] == "cache" for row in rows)
    prefactor("push")
    assert {oid: remote.objects.read(oid) for oid in good} == good
    assert prefactor("verify", "--remote").stdout == "everything recorded is as it was made\n"


@pytest.mark.parametrize(("kind", "mistake"), MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(
    kind: str, mistake: str, start: Callable[[str], Remote], join: Join, asked: list[str]
) -> None:
    remote = start(kind)
    ada = join("ada")
    before = (ada / ".dvc/config").read_bytes()
    url, options = remote.mistakes[mistake]
    ran = prefactor("share", "init", url, *sets(options), code=2)
    assert ran.stderr.startswith("prefactor: error: remote team (") and ran.stderr.count("\n") == 1 and not ran.stdout
    assert asked == ["probe"]  # and not again
    assert (ada / ".dvc/config").read_bytes() == before and not (ada / ".dvc/config.local").exists()
    assert not remote.objects.names()
    for secret in (*remote.secrets, "hunter-2", "AKIAWRONG"):
        assert secret not in ran.stderr


@pytest.mark.parametrize("kind", ["ssh", "s3", "webdav"])
def test_a_teammate_who_does_not_say_who_that_is_reads_how_to(
    kind: str, start: Callable[[str], Remote], join: Join, asked: list[str]
) -> None:
    remote = start(kind)
    join("ada")
    share(remote)
    join("grace")
    asked.clear()
    for command in (("pull", "report"), ("status",)):
        ran = prefactor(*command, code=2)
        assert ran.stderr.count("\n") == 1 and "say who you are (`prefactor share init`" in ran.stderr
    assert len(asked) == 2


def test_a_secret_is_read_from_standard_input(start: Callable[[str], Remote], join: Join) -> None:
    remote = start("webdav")
    ada = join("ada")
    words = ["share", "init", remote.url, "--set", "user=ada", "--set", "password"]
    assert CliRunner().invoke(app, words, input=f"{remote.secrets[0]}\n").exit_code == 0
    assert remote.secrets[0] in (ada / ".dvc/config.local").read_text()


def test_what_http_serves_is_fetched_and_cannot_be_pushed(
    start: Callable[[str], Remote], join: Join, tmp_path: Path, asked: list[str]
) -> None:
    join("ada")
    share(start("folder"))
    (tmp_path / "http").symlink_to(tmp_path / "folder" / "shared")
    with serve("http", tmp_path / "http") as remote:
        grace = join("grace")
        assert "next: prefactor repro\n" in prefactor("share", "init", remote.url, "--replace").stdout
        dvc(grace, "repro", "-s", "check")
        assert bring_up_to_date() == () and (grace / "data/report/out.txt").is_file()
        add_edit("graces")
        assert bring_up_to_date() == ("edit@graces", "report") and not (grace / "decompose.log").exists()
        asked.clear()
        ran = prefactor("push", code=2)
        assert "can be fetched, not changed" in ran.stderr and ran.stderr.count("\n") == 1
        assert asked == ["has", "push"]
        part = _members(grace, "data/decompose/parts")[0]
        remote.objects.write(part, b"other")
        rows = json.loads(prefactor("verify", "--remote", "--json", code=1).stdout)
        assert [row["output"] for row in rows] == ["data/decompose/parts"]
        ran = prefactor("verify", "--remote", "--heal", code=2)
        assert "can be fetched, not changed" in ran.stderr


def test_the_whole_command_makes_a_teammates_edit(
    start: Callable[[str], Remote], join: Join, prefect_env: dict[str, str]
) -> None:
    """``prefactor repro`` as it is typed, by S3."""
    remote = start("s3")
    join("ada")
    share(remote)
    grace = join("grace")
    prefactor("share", "init", remote.url, *sets(who(remote)))
    add_edit("graces")
    env = {**os.environ, "PREFECT_API_URL": prefect_env["PREFECT_API_URL"]}
    words = [sys.executable, "-c", "from team.cli import main; main()", "repro", "--yes"]
    done = subprocess.run(words, env=env, capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stderr
    assert "to download: 3 outputs" in done.stdout and "2 of 6 stages to run" in done.stdout
    assert not any(secret in done.stdout + done.stderr for secret in remote.secrets)
    assert (grace / "edit.log").read_text() == "graces\n" and not (grace / "decompose.log").exists()


def test_a_server_ends_with_whoever_started_it(tmp_path: Path) -> None:
    """The SSH daemon is a process of its own."""
    (tmp_path / "ssh").mkdir()
    code = (
        "import sys, time; from pathlib import Path; from tests.remotes import Missing, serve\n"
        "try:\n"
        "    with serve('ssh', Path(sys.argv[1])) as remote:\n"
        "        print(remote.url, flush=True); time.sleep(60)\n"
        "except Missing as missing:\n"
        "    print(f'lacks {missing}', flush=True)\n"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "ssh")]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8") as starter:
        assert starter.stdout is not None
        url = starter.stdout.readline().strip()
        starter.send_signal(signal.SIGKILL)
    if url.startswith("lacks"):
        pytest.skip(url)
    port = int(url.rpartition("@")[2].split("/")[0].split(":")[1])
    for _ in range(100):
        with socket.socket() as knock:
            if knock.connect_ex((HOST, port)):
                return
            knock.close()
        signal.sigtimedwait((), 0.1)
    pytest.fail(f"{url} still answers")


def _members(folder: Path, path: str) -> list[str]:
    """The objects of the files of a folder that the cache of ``folder`` has."""
    oid = oids()[path]
    listed = json.loads((folder / ".dvc/cache/files/md5" / oid[:2] / oid[2:]).read_text())
    return [entry["md5"] for entry in listed]
