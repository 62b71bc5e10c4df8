"""Published to the Hub and taken from it, by ``huggingface_hub`` itself, through a stub of its protocol."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants
from typer.testing import CliRunner

from prefactor.cli.main import app
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import sha256
from prefactor.published.find import find
from prefactor.published.index import check_folder, read_index, write_index
from prefactor.published.layout import INDEX
from prefactor.published.write import Wanted, publish
from prefactor.workspace import Workspace
from tests.hub import TOKEN, Hub, hub, is_lfs
from tests.work import GERMAN, build_work


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("work")
    build_work(root)
    return root


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub, and a token for it; what is downloaded is kept in this test's own folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with hub() as server:
        _at(monkeypatch, server.url)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        yield server


def _at(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """``HF_ENDPOINT``, which the library reads when it is imported."""
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")


def _publish(work: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["publish", "tiny", "-C", str(work), "--hub", "lab/tiny", *words])
    return done.exit_code, done.output


def test_up_and_down_again(work: Path, there: Hub, tmp_path: Path) -> None:
    code, said = _publish(work, "--version", "1.2", "--licence", "mit")
    assert code == 0, said
    repository = there.repositories["lab/tiny"]
    assert repository.private
    assert [name for name in there.requests if name.startswith("PUT /lfs/")]  # tensors and tables
    commit = repository.refs["1.2"]
    assert commit in said and TOKEN not in said
    assert {path for path in repository.commits[commit] if is_lfs(path)} > {"data/label/labels/labels.parquet"}
    for revision in (None, "1.2", commit):
        found = find("lab/tiny", revision)
        assert (found.revision, found.index.called) == (commit, "tiny 1.2")
        assert found.sha256 in said
    given = Workspace.from_pretrained("lab/tiny", revision="1.2").set({GERMAN: -1.0}, target="de")
    assert given.measure() == Workspace(work).set({GERMAN: -1.0}, target="de").measure()
    assert 'Workspace.from_pretrained("lab/tiny")' in (found.folder / "README.md").read_text(encoding="utf-8")


def test_what_comes_down_otherwise_than_it_went_up_is_refused(work: Path, there: Hub) -> None:
    _publish(work)
    repository = there.repositories["lab/tiny"]
    files = dict(repository.commits[repository.refs["main"]])
    files["data/target/bars.json"] += b" "
    repository.commit(files)
    with pytest.raises(PrefactorError, match=r"bars\.json is damaged"):
        find("lab/tiny")
    assert find("lab/tiny", "1").index.called == "tiny 1"


def test_a_version_is_published_once_and_the_next_takes_its_place(work: Path, there: Hub, tmp_path: Path) -> None:
    _publish(work)
    commits = len(there.repositories["lab/tiny"].commits)
    code, _ = _publish(work)  # the same again
    assert code == 0 and len(there.repositories["lab/tiny"].commits) == commits
    code, said = _publish(work, "--licence", "mit")
    assert code == 2 and "it has a version 1 with other content" in said
    code, said = _publish(work, "--version", "2", "--without-text")
    assert code == 0, said
    repository = there.repositories["lab/tiny"]
    assert "data/corpus/fit/blocks.parquet" in repository.commits[repository.refs["1"]]
    assert "data/corpus/fit/blocks.parquet" not in repository.commits[repository.refs["2"]]
    pinned = find("lab/tiny", "1").sha256
    with pytest.raises(PrefactorError, match="as pinned: it was published anew"):
        find("lab/tiny", "main", pinned)


def test_it_is_private_unless_said_to_be_public(work: Path, there: Hub) -> None:
    code, _ = _publish(work, "--public")
    assert code == 0 and not there.repositories["lab/tiny"].private
    code, said = _publish(work, "--version", "2")
    assert code == 2 and "it is public already: say --public" in said
    assert "2" not in there.repositories["lab/tiny"].refs


def test_who_may_not_hears_it_in_one_line_without_the_token(
    work: Path, there: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 1)

    def refused(*words: str) -> str:
        code, said = _publish(work, *words)
        assert code == 2 and len(said.strip().splitlines()) == 1, said
        assert TOKEN not in said and "hf_" not in said.replace("HF_", "")
        return said

    monkeypatch.setenv("HF_TOKEN", "")
    assert "HF_TOKEN is not set" in refused()
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    assert "its HF_TOKEN may not do that" in refused()
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    there.forbidden = True
    assert "its HF_TOKEN may not do that" in refused()
    there.forbidden = False
    assert _publish(work)[0] == 0
    monkeypatch.setenv("HF_TOKEN", "")
    with pytest.raises(PrefactorError, match=r"^lab/tiny at revision main: .*a private one needs an HF_TOKEN"):
        find("lab/tiny")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(PrefactorError, match="name a tag, a branch or a commit that it has"):
        find("lab/tiny", "none")
    _at(monkeypatch, "http://127.0.0.1:9")  # where nobody listens
    assert "the Hub cannot be reached" in refused()
    with pytest.raises(PrefactorError, match="the Hub cannot be reached"):
        find("lab/other")


def test_a_folder_in_the_form_of_the_hub_needs_no_hub(work: Path, there: Hub, tmp_path: Path) -> None:
    publish(work, tmp_path / "folder", Wanted("tiny"))
    (tmp_path / "folder/.gitattributes").write_text("*.safetensors filter=lfs\n")  # of a clone
    (tmp_path / "folder/.git").mkdir()
    (tmp_path / "folder/.git/config").write_text("")
    copy = Path(shutil.copytree(tmp_path / "folder", tmp_path / "copy"))
    index = read_index(copy)
    check_folder(copy, index)
    assert there.requests == []
    write_index(copy, index)
    assert sha256(copy / INDEX) == sha256(tmp_path / "folder" / INDEX)
