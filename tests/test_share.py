"""A shared cache: what is fetched, what is made again, and what damage does to it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo
from typer.testing import CliRunner

import flows.supply.transfer
from flows.recorded.integrity import cached, name_of
from flows.recorded.outputs import oid_of
from flows.supply.damage import CACHE, REMOTE, TREE, find, heal
from flows.supply.supply import obtain, plan, supply
from flows.supply.transfer import RemoteError
from flows.supply.transfer_process import answer
from prefactor.errors import PrefactorError
from team.cli import app
from team.share import add_remote
from tests.team_project import copied, dvc, flip, git, make_project


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("team") / "a"
    make_project(folder)
    return folder


@pytest.fixture
def shared(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The first teammate's folder, its cache at the remote ``tmp_path / "remote"``; the current one."""
    monkeypatch.setattr(flows.supply.transfer, "spoken", answer)  # in this process: the other takes a second to start
    monkeypatch.setattr(flows.supply.transfer, "TRIES", 1)
    with copied(made, tmp_path / "a", monkeypatch) as folder:
        add_remote(str(tmp_path / "remote"), (), replace=False)
        flows.supply.transfer.push([str(out) for out in _outputs()])
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "shared")
        yield folder


@pytest.fixture
def clone(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A second teammate's fresh clone; the current folder."""
    folder = tmp_path / "b"
    git(tmp_path, "clone", "-q", str(shared), str(folder))
    monkeypatch.chdir(folder)
    dvc(folder, "repro", "-s", "check")
    return folder


def _outputs() -> dict[str, str]:
    with Repo(".") as repo:
        return {str(out): oid_of(out) for stage in repo.index.stages for out in stage.outs}


def _in_cache(path: str, member: int | None = None) -> Path:
    """The cache's file of an output; of a folder, of one of the files in it."""
    with Repo(".") as repo:
        oid = _outputs()[path]
        if member is None:
            return cached(repo, oid)
        listed = yaml.safe_load(cached(repo, oid).read_text())
        return cached(repo, listed[member]["md5"])


def _at_remote(of_cache: Path, tmp_path: Path) -> Path:
    return tmp_path / "remote" / "files" / "md5" / of_cache.parent.name / of_cache.name


def test_a_fresh_clone_fetches_the_result_and_makes_nothing(clone: Path) -> None:
    found = plan()
    assert found.dag.expected == ()
    assert [output.path for output in found.remote] == ["data/report/out.txt"]
    assert found.bytes == Path("../a/data/report/out.txt").stat().st_size
    obtain(found)
    assert Path("data/report/out.txt").read_bytes() == Path("../a/data/report/out.txt").read_bytes()
    assert not Path("data/decompose").exists()


def test_an_edit_of_ones_own_fetches_what_it_reads(clone: Path) -> None:
    params = Path("params.yaml").read_text().replace("alpha: -2", "alpha: -3")
    Path("params.yaml").write_text(params)
    found = plan()
    assert found.dag.expected == ("edit@second", "report")
    assert {output.path for output in found.remote} == {"data/decompose/parts", "data/edit/first/out.txt"}
    obtain(found)
    dvc(clone, "repro", "-s", "edit@second", "report")
    assert Path("data/report/out.txt").read_text().splitlines()[-1] == "-3"
    assert not Path("decompose.log").exists() and Path("edit.log").read_text() == "second\n"
    assert plan().dag.expected == ()


def test_what_is_nowhere_is_made_again_only_where_it_is_needed(clone: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "remote" / "files")
    assert plan(["check"]).dag.expected == ()
    found = plan()
    assert [output.path for output in found.lost] == [
        "data/report/out.txt", "data/edit/first/out.txt", "data/edit/second/out.txt", "data/decompose/parts",
    ]  # fmt: skip
    assert found.dag.expected == ("decompose", "edit@first", "edit@second", "report") and not found.remote


def test_without_a_remote_all_is_made(clone: Path) -> None:
    dvc(clone, "remote", "remove", "team")
    assert len(plan().dag.expected) == 4


def test_gone_from_the_work_tree_comes_from_the_cache(shared: Path) -> None:
    shutil.rmtree("data/decompose")
    found = plan()
    assert found.dag.expected == () and not found.remote
    obtain(found)
    assert name_of(Path("data/decompose/parts")) == _outputs()["data/decompose/parts"]


@pytest.mark.parametrize("places", [(TREE,), (TREE, CACHE), (CACHE,), (REMOTE,), (CACHE, REMOTE)])
def test_damage_heals_from_the_nearest_good_copy(shared: Path, tmp_path: Path, places: tuple[str, ...]) -> None:
    held = _in_cache("data/decompose/parts", 0)
    files = {TREE: Path("data/decompose/parts/u.txt"), CACHE: held, REMOTE: _at_remote(held, tmp_path)}
    good = files[TREE].read_bytes()
    for place in places:
        flip(files[place])
    found = find(remote=True)
    assert {(each.place, each.path) for each in found} >= {(place, "data/decompose/parts") for place in places}
    assert {each.place for each in found} == set(places)
    assert all(each.source for each in heal(found))
    assert {files[place].read_bytes() for place in files} == {good}
    assert find(remote=True) == []


def test_damage_everywhere_is_named_and_made_again(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = _in_cache("data/decompose/parts", 0)
    for file in (Path("data/decompose/parts/u.txt"), held, _at_remote(held, tmp_path)):
        flip(file)
    found = find(remote=True)
    assert [each.source for each in heal(found) if each.damage.path == "data/decompose/parts"] == ["", "", ""]
    found = plan()
    assert [output.path for output in found.lost] == ["data/decompose/parts"] and "decompose" in found.dag.expected
    obtain(found)
    assert "data/decompose/parts is in no cache and at no remote: decompose makes it again" in capsys.readouterr().err


def test_a_run_heals_what_it_is_about_to_read(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("alpha: -2", "alpha: -3"))
    good = Path("data/decompose/parts/u.txt").read_bytes()
    flip(Path("data/decompose/parts/u.txt"))
    flip(_in_cache("data/decompose/parts", 0))
    found = plan()
    assert [output.path for output in found.remote] == [
        "data/decompose/parts"
    ] and "decompose" not in found.dag.expected
    obtain(found)
    assert Path("data/decompose/parts/u.txt").read_bytes() == good
    assert "data/decompose/parts is not what its stage made: taken from the remote" in capsys.readouterr().err


def test_a_truncated_object_of_the_remote_is_not_used(clone: Path, tmp_path: Path) -> None:
    for file in (tmp_path / "remote").rglob("*"):
        if file.is_file() and not file.name.endswith(".dir"):
            file.chmod(0o644)
            file.write_bytes(file.read_bytes()[:-1])
    wanted = supply()
    assert wanted is not None and not Path("data/report/out.txt").exists()
    assert wanted.dag.expected == ("decompose", "edit@first", "edit@second", "report")


def test_what_the_remote_has_damaged_is_made_again_after_saying_so(
    clone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bit flipped in a file that may only be read: DVC takes it, whatever ``verify`` says."""
    for file in (tmp_path / "remote").rglob("*"):
        if file.is_file() and not file.name.endswith(".dir"):
            flip(file)
    wanted = supply()
    assert wanted is not None and not Path("data/report/out.txt").exists()
    assert wanted.dag.expected == ("decompose", "edit@first", "edit@second", "report")
    assert "data/report/out.txt is damaged at the remote" in capsys.readouterr().err


def test_push_sends_no_damaged_object(shared: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "remote" / "files")
    flip(_in_cache("data/decompose/curve.txt"))
    ran = CliRunner().invoke(app, ["push"])
    assert ran.exit_code == 2 and "data/decompose/" in ran.stderr and "verify --heal" in ran.stderr
    ran = CliRunner().invoke(app, ["verify", "--heal"])
    assert ran.exit_code == 0, ran.output
    ran = CliRunner().invoke(app, ["push"])
    assert ran.exit_code == 0, ran.output
    assert find(remote=True) == [] and CliRunner().invoke(app, ["push"]).output.startswith("6 outputs were there")


def test_pull_and_status_say_where_things_are(clone: Path) -> None:
    ran = CliRunner().invoke(app, ["pull", "edit@first"])
    assert ran.exit_code == 0 and "1 from the remote" in ran.output
    ran = CliRunner().invoke(app, ["status", "--json"])
    rows = {row["stage"]: row for row in yaml.safe_load(ran.stdout)}
    assert (rows["edit@first"]["here"], rows["edit@first"]["cached"], rows["edit@first"]["afar"]) == (1, 1, 1)
    assert (rows["decompose"]["here"], rows["decompose"]["cached"], rows["decompose"]["afar"]) == (0, 0, 2)
    ran = CliRunner().invoke(app, ["pull", "--all"])
    assert ran.exit_code == 0 and Path("data/decompose/curve.txt").is_file()


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        ("s3://key:secret@bucket/x", (), "has a password in it"),
        ("nonsense://bucket", (), "mend the URL"),
        ("/dev/null/remote", (), "Not a directory"),
        ("http://127.0.0.1:9/x", (), "remote team"),
        ("elsewhere", (), "already"),
        ("remote", ("nonsense",), "--set nonsense"),
        ("ssh://127.0.0.1/x", ("colour=red",), "mend the URL or --set"),
    ],
)
def test_a_remote_that_cannot_be_is_refused_and_leaves_all_as_it_was(
    shared: Path, url: str, options: tuple[str, ...], said: str
) -> None:
    before = Path(".dvc/config").read_bytes()
    with pytest.raises((PrefactorError, RemoteError)) as raised:
        add_remote(url, options, replace=url != "elsewhere")
    assert said in str(raised.value) and "secret" not in str(raised.value) and "\n" not in str(raised.value)
    assert Path(".dvc/config").read_bytes() == before and not Path(".dvc/config.local").exists()


def test_secrets_are_kept_out_of_what_is_committed(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows.supply.transfer, "probe", lambda writes: None)
    add_remote("ssh://example.org/cache", ("password=hidden", "port=2222"), replace=True)
    assert "hidden" not in Path(".dvc/config").read_text() and "hidden" in Path(".dvc/config.local").read_text()


def test_a_plugin_that_is_not_installed_is_named(shared: Path) -> None:
    with pytest.raises(RemoteError, match="install what it names"):
        add_remote("gs://bucket/x", (), replace=True)


def test_provenance_tells_inputs_params_outputs_and_refuses_what_it_does_not_know(shared: Path) -> None:
    ran = CliRunner().invoke(app, ["provenance", "edit@second", "--json"])
    known = yaml.safe_load(ran.stdout)
    assert known["made from"] == {"data/decompose/parts": _outputs()["data/decompose/parts"]}
    assert known["with params"] == {"params.yaml:edits.second": {"alpha": -2}} and list(known["wrote"])
    ran = CliRunner().invoke(app, ["provenance", "nothing"])
    assert ran.exit_code == 2 and "knows no such stage" in ran.stderr


def test_a_folder_that_is_no_project_is_refused(tmp_path: Path) -> None:
    for command in (["push"], ["pull"], ["status"], ["repro"], ["verify"], ["share", "init", "x"]):
        ran = CliRunner().invoke(app, [*command, "-C", str(tmp_path)])
        assert ran.exit_code == 2 and "has no dvc.yaml" in ran.stderr
    assert os.listdir(tmp_path) == []
