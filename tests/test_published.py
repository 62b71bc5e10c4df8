"""A decomposition as a published folder: written from a project, checked, and edited with as the project's own."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from prefactor.cli.main import app
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import MANIFEST, read_json, sha256, write_json
from prefactor.model.target import TRUSTED
from prefactor.published.find import find
from prefactor.published.index import read_index, write_index
from prefactor.published.layout import HOLD_TEXT, INDEX
from prefactor.published.write import Wanted, publish
from prefactor.workspace import Workspace
from tests.work import GERMAN, build_work

CHECKPOINT = "data/target/checkpoint"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("work")
    build_work(root)
    return root


@pytest.fixture(scope="module")
def published(work: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("there") / "tiny"
    publish(work, into, Wanted("tiny", "1.2", "mit"))
    return into


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "prefactor"


@pytest.fixture
def copy(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "copy"))


@pytest.fixture
def project(work: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(work, tmp_path / "project"))


def test_an_edit_from_it_is_the_projects_own_and_leaves_nothing_in_it(work: Path, published: Path, cache: Path) -> None:
    before = {path: sha256(path) for path in published.rglob("*") if path.is_file()}
    own = Workspace(work).remove("de", tokens=12)
    found = Workspace.from_pretrained(published).remove("de", tokens=12)
    assert found.prefactors == own.prefactors
    assert found.measure() == own.measure()
    assert {path: sha256(path) for path in published.rglob("*") if path.is_file()} == before
    assert list((cache / "reference").glob("*/*.safetensors"))


def test_its_card_is_what_the_hub_reads_and_its_snippet_runs(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (published / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(text.split("---")[1])
    assert (front["library_name"], front["license"]) == ("prefactor", "mit")
    assert "base_model" not in front  # it was trained here
    assert "# tiny 1.2" in text
    monkeypatch.chdir(published)
    (snippet,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    seen: list[Any] = []
    exec(snippet, {"print": seen.append})
    assert {row["domain"] for row in seen[1]} == {"en", "de", "fr"}


def test_publishing_again_gives_the_same_bytes(work: Path, published: Path, tmp_path: Path) -> None:
    publish(work, tmp_path / "again", Wanted("tiny", "1.2", "mit"))
    assert (tmp_path / "again" / INDEX).read_bytes() == (published / INDEX).read_bytes()


@pytest.mark.parametrize(
    ("source", "found"), [("{}", True), ("file://{}", True), ("tiny", True), ("https://x/{}", False), ("none", False)]
)
def test_it_is_found_by_folder_url_or_name(
    copy: Path, monkeypatch: pytest.MonkeyPatch, source: str, found: bool
) -> None:
    monkeypatch.chdir(copy.parent)
    Path("published").mkdir()
    copy.rename("published/tiny")
    source = source.format(Path("published/tiny").absolute())
    if found:
        assert find(source).index.called == "tiny 1.2"
    else:
        with pytest.raises(PrefactorError, match=r"name a folder|there is no such folder"):
            find(source)


def _damage(folder: Path) -> None:
    path = folder / "data/decompose/components/components.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")


def _take_away(folder: Path) -> None:
    (folder / "data/label/labels/labels.parquet").unlink()


def _add(folder: Path) -> None:
    (folder / "data/corpus/more.json").write_text("{}")


def _index(**changes: Any) -> Any:
    def change(folder: Path) -> None:
        write_json(folder / INDEX, read_json(folder / INDEX) | changes)

    return change


def _file(name: str) -> Any:
    def change(folder: Path) -> None:
        index = read_json(folder / INDEX)
        index["files"][name] = "0" * 64
        write_json(folder / INDEX, index)

    return change


def _trust(folder: Path) -> None:
    path = folder / CHECKPOINT / MANIFEST
    write_json(path, read_json(path) | {"about": {TRUSTED: True}})
    write_index(folder, read_index(folder))


def _other_base(folder: Path) -> None:
    path = folder / "data/decompose/components" / MANIFEST
    write_json(path, read_json(path) | {"made_from": {"../../target/checkpoint": "0" * 64}})
    write_index(folder, read_index(folder))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_other_base, r"tiny 1\.2 does not belong together: .*checkpoint is another by now .*: ask its publisher"),
        (_damage, r"components\.safetensors is damaged .*: fetch it again"),
        (_take_away, r"labels\.parquet is missing though prefactor\.json lists it"),
        (_add, r"more\.json is not in prefactor\.json: nobody published it"),
        (_index(layout=2), r"layout 2, and this version of prefactor reads 1: upgrade \(`pip install -U"),
        (_index(layout=0), r"layout 0, .* have it published again from its project"),
        (_index(kind="edit"), r"holds the edit tiny 1\.2, where a decomposition was asked for"),
        (_index(name="../x"), r"prefactor\.json: name: "),
        (_file("../../outside"), r"is no path inside of the folder"),
        (_file("/etc/passwd"), r"is no path inside of the folder"),
        (_file("data/x.bin"), r"is a pickle, which runs code"),
        (_trust, r"its target brings code that runs when it is read"),
    ],
)
def test_what_is_not_as_published_is_refused(copy: Path, change: Any, said: str) -> None:
    change(copy)
    with pytest.raises(PrefactorError, match=said):
        Workspace.from_pretrained(copy)


def test_content_is_pinned_by_its_hash(published: Path) -> None:
    digest = sha256(published / INDEX)
    assert Workspace.from_pretrained(published, sha256=digest[:12]).domains == ["en", "de", "fr"]
    with pytest.raises(PrefactorError, match="as pinned: it was published anew under the same name"):
        Workspace.from_pretrained(published, sha256="0" * 64)
    with pytest.raises(PrefactorError, match="write 8 to 64 digits"):
        Workspace.from_pretrained(published, sha256="abc")


def test_nothing_stale_or_damaged_is_published(project: Path, tmp_path: Path) -> None:
    components = project / "data/decompose/components"
    kept = (components / "components.safetensors").read_bytes()
    _damage(project)
    with pytest.raises(PrefactorError, match="is damaged"):
        publish(project, tmp_path / "x", Wanted("x"))
    (components / "components.safetensors").write_bytes(kept)
    manifest = read_json(components / MANIFEST)
    write_json(components / MANIFEST, manifest | {"made_from": {"../../target/checkpoint": "0" * 64}})
    with pytest.raises(PrefactorError, match="is stale"):
        publish(project, tmp_path / "x", Wanted("x"))
    assert not (tmp_path / "x").exists()


def test_what_dvc_knows_to_be_another_is_not_published(project: Path, tmp_path: Path) -> None:
    stages: dict[str, Any] = {name: {"cmd": ""} for name in ("corpus", "text", "target", "locate", "decompose")}
    stages |= {name: {"cmd": ""} for name in ("importance", "harvest", "effects", "label", "score")}
    stages["decompose"]["params"] = {"params.yaml": {"decompose.logits": "corpus"}}
    (project / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    with pytest.raises(PrefactorError, match=r"decompose is stale: it was made with another decompose\.logits"):
        publish(project, tmp_path / "x", Wanted("x"))
    out = {"path": "data/target/bars.json", "hash": "md5", "md5": "0" * 32}
    stages["decompose"], stages["target"]["outs"] = {"cmd": ""}, [out]
    (project / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    with pytest.raises(PrefactorError, match=r"bars\.json is another than target wrote"):
        publish(project, tmp_path / "x", Wanted("x"))
    del stages["score"]
    (project / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {}}))
    with pytest.raises(PrefactorError, match="knows of no run of corpus"):
        publish(project, tmp_path / "x", Wanted("x"))


def test_without_text_prefactors_are_set_by_hand_or_with_text_of_ones_own(work: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    index = publish(work, bare, Wanted("bare", text=False))
    assert not any((bare / name).exists() for name in HOLD_TEXT)
    assert not [name for name in index.files if name.endswith("blocks.parquet")]
    assert "Its text is **not** in it" in (bare / "README.md").read_text(encoding="utf-8")
    given = Workspace.from_pretrained(bare)
    assert given.show(GERMAN)["examples"] == []
    made, own = given.set({GERMAN: -1.0}, target="de"), Workspace(work).set({GERMAN: -1.0}, target="de")
    made.export(tmp_path / "adapter")
    own.export(tmp_path / "own")
    name = "adapter_model.safetensors"
    assert (tmp_path / "adapter" / name).read_bytes() == (tmp_path / "own" / name).read_bytes()
    assert "Its damage was not measured" in (tmp_path / "adapter/README.md").read_text(encoding="utf-8")
    for need in (made.measure, lambda: given.remove("de", tokens=12)):
        with pytest.raises(PrefactorError, match="bare 1 was published without its text"):
            need()
    with_text = Workspace.from_pretrained(bare, corpus=work / "data/corpus")
    assert with_text.set({GERMAN: -1.0}, target="de").measure() == own.measure()
    strange = Path(shutil.copytree(work / "data/corpus", tmp_path / "corpus"))
    write_json(strange / "metrics.json", {"tokens": {"train": {"nl": 90}}})
    with pytest.raises(PrefactorError, match="knows no domain 'nl'"):
        Workspace.from_pretrained(bare, corpus=strange)


def _loaded(project: Path, model: Path) -> None:
    """Have the target be ``model``, a folder."""
    params = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    params["target"]["model"] = {"source": "load", "name": str(model)}
    (project / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    metrics = project / "data/corpus/metrics.json"
    write_json(metrics, read_json(metrics) | {"block": 12})


def test_a_base_that_was_not_passed_on_is_fetched_and_compared(project: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(project / CHECKPOINT, tmp_path / "base"))
    (base / MANIFEST).unlink()
    _loaded(project, base)
    index = publish(project, tmp_path / "bare", Wanted("bare"))  # as the default is of what was loaded
    assert not (tmp_path / "bare" / CHECKPOINT).exists()
    assert index.base.name == str(base)
    assert f"`{base}`" in (tmp_path / "bare/README.md").read_text(encoding="utf-8")
    own = Workspace(project).set({GERMAN: -1.0}, target="de").measure()
    assert Workspace.from_pretrained(tmp_path / "bare").set({GERMAN: -1.0}, target="de").measure() == own
    shutil.rmtree(tmp_path / "cache")
    moved = base.rename(tmp_path / "moved")
    with pytest.raises(PrefactorError, match=r"published without its base model, which cannot be had.*base=\.\.\."):
        Workspace.from_pretrained(tmp_path / "bare")
    given = Workspace.from_pretrained(tmp_path / "bare", base=str(moved))
    assert given.set({GERMAN: -1.0}, target="de").measure() == own
    shutil.rmtree(tmp_path / "cache")
    import torch
    from safetensors.torch import load_file, save_file

    tensors = load_file(moved / "model.safetensors")
    tensors["model.norm.weight"] = tensors["model.norm.weight"] + torch.ones(())
    save_file(tensors, moved / "model.safetensors", {"format": "pt"})
    with pytest.raises(PrefactorError, match="is another model than bare 1 was made of"):
        Workspace.from_pretrained(tmp_path / "bare", base=str(moved))


def test_a_target_trained_here_cannot_be_left_out(work: Path, tmp_path: Path) -> None:
    with pytest.raises(PrefactorError, match="--without-target: this project trained its target"):
        publish(work, tmp_path / "x", Wanted("x", target=False))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give it a name"),
        (["Bad Name"], "name 'Bad Name'"),
        (["x", "--version", "../1"], "version '../1'"),
        (["x", "--licence", "My Own"], "licence 'My Own'"),
        (["x", "--to", "y", "--hub", "a/b"], "two places"),
        (["x", "--public"], "--public is of --hub"),
        (["x", "--hub", "nobody"], "write ORG/NAME"),
        (["x", "--decomposition", "y"], "--decomposition is of --edit"),
        (["--edit", "nothing"], "has no edit 'nothing'"),
    ],
)
def test_a_slip_on_the_command_line_is_one_line(work: Path, tmp_path: Path, words: list[str], said: str) -> None:
    into = [] if "--to" in words or "--hub" in words else ["--to", str(tmp_path / "into")]
    done = CliRunner().invoke(app, ["publish", *words, *into, "-C", str(work)])
    assert done.exit_code == 2
    assert said in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_the_command_writes_to_published_and_says_the_hash(project: Path) -> None:
    done = CliRunner().invoke(app, ["publish", "tiny", "-C", str(project)])
    assert done.exit_code == 0, done.output
    assert sha256(project / "published/tiny" / INDEX) in done.stdout
    assert "no licence is stated" in done.stdout
    again = CliRunner().invoke(app, ["publish", "tiny", "-C", str(project)])
    assert again.exit_code == 2 and "is there already" in again.stderr


def test_labels_and_tables_are_plain_parquet(published: Path) -> None:
    labels = pq.read_table(published / "data/label/labels/labels.parquet").to_pylist()
    assert {"German text", "unclear"} <= {row["label"] for row in labels}
    assert json.loads((published / INDEX).read_text())["decomposition"] == sha256(
        published / "data/decompose/components/components.safetensors"
    )
