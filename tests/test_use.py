"""A published decomposition in a project of another: DVC takes it as made, and runs no stage that made it."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from flows.around.errors import FlowError
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import MANIFEST, identities, read_json, sha256, verify, write_json, write_manifest
from prefactor.published.base import cached_base
from prefactor.published.find import Published, find
from prefactor.published.index import read_index, write_index
from prefactor.published.into import merged_params, place
from prefactor.published.layout import ARTIFACTS, FILES, INDEX, STAGES
from prefactor.published.pin import PIN
from prefactor.published.write import Wanted, publish
from team.use import Used, use
from tests.work import ROOT, build_work

EDITS = {"shortlist", "candidates", "selection", "edit", "evaluate", "baseline", "evaluate-baseline", "report"}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stages leave that the tiny decomposition lacks is stood in for by empty files."""
    root = tmp_path_factory.mktemp("theirs")
    build_work(root)
    for name in ARTIFACTS:
        if not (root / name).is_dir():
            write_json(root / name / "empty.json", {})
            write_manifest(root / name, ["empty.json"])
    for name in FILES:
        if not (root / name).exists():
            write_json(root / name, {})
    publish(root, root / "tiny", Wanted("tiny"))
    return root / "tiny"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh clone in which nothing was run."""
    monkeypatch.chdir(tmp_path)
    for name in ("prefactor", "stages", ".dvc", ".dvcignore", "data/corpus/lexicon", "dvc.yaml", "params.yaml"):
        source, goal = ROOT / name, tmp_path / name
        if source.is_dir():
            shutil.copytree(source, goal, ignore=shutil.ignore_patterns("__pycache__", "tmp", "cache"))
        else:
            shutil.copy(source, goal)
    (tmp_path / ".gitignore").write_text("/data/\n/.runs/\n")
    subprocess.run(["git", "init", "-q"], check=True)
    return tmp_path


def _use(source: Path | str | None, agree: bool = True, **more: Any) -> tuple[Used, list[str]]:
    told: list[str] = []

    def answer(found: Published, others: list[str]) -> bool:
        told.extend(others)
        return agree

    return use(None if source is None else str(source), agree=answer, **more), told


def _to_run() -> set[str]:
    """The stages that ``dvc repro`` would run, by name without entry."""
    with Repo(".") as repo:
        return {name.partition("@")[0] for name in repo.status()}


def _set(**sections: Any) -> None:
    yaml = YAML()
    yaml.width = 4096
    params = yaml.load(Path("params.yaml").read_text(encoding="utf-8"))
    for name, change in sections.items():
        change(params[name])
    with Path("params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(params, file)


@pytest.mark.servers  # no server, but DVC six times
def test_only_edits_are_left_to_run_and_another_content_is_refused(
    project: Path, published: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One story, since every chapter of it needs DVC."""
    _set(decompose=lambda section: section["training"].update(steps=7))
    text = Path("params.yaml").read_text(encoding="utf-8")
    with pytest.raises(FlowError, match="nothing was changed: say --yes"):
        _use(published, agree=False)
    assert Path("params.yaml").read_text(encoding="utf-8") == text and not PIN.exists()

    done, told = _use(published)
    assert told == ["params.yaml: decompose"]
    assert _to_run() == EDITS
    assert Path("params.yaml").read_text(encoding="utf-8") == text.replace("steps: 7", "steps: 4000")  # comments too
    assert YAML(typ="safe").load(PIN.read_text())["sha256"] == done.found.sha256 == sha256(published / INDEX)
    assert done.other_code == list(STAGES)  # the tiny one says of none which code made it
    lock = Path("dvc.lock").read_bytes()

    _, told = _use(None)  # what is pinned
    assert told == [] and Path("dvc.lock").read_bytes() == lock
    _set(edits=lambda section: section["scalar"].update(top=2))
    assert _to_run() == EDITS | {"check", "text"}  # the gates, which take seconds

    other = Path(shutil.copytree(published, tmp_path_factory.mktemp("other") / "tiny"))
    (other / "data/label/metrics.json").write_text('{"other": 1}')
    write_index(other, read_index(other))
    with pytest.raises(PrefactorError, match=r"tiny 1 is pinned in decomposition\.yaml .* has other content"):
        _use(other)
    write_index(other, read_index(other).model_copy(update={"version": "2"}))
    told = []
    with pytest.raises(FlowError, match="nothing was changed"):
        use(str(other), agree=lambda _, others: bool(told.extend(others)))
    assert told == ["data/label/metrics.json", f"{PIN}: tiny 1"]


def _contradict(project: Path) -> None:
    _set(edits=lambda section: section["scalar"]["domains"].update(target="nl"))


@pytest.mark.parametrize(
    ("change", "how", "said"),
    [
        (_contradict, {}, "this project and tiny 1 contradict each other: .*nl"),
        (None, {"text": False}, "tiny 1 was published without its text, which the stages of a project need"),
        (None, {"files": "data/score/scores/empty.json"}, "tiny 1 has no data/score/scores: it was published of an"),
        (None, {"source": None}, r"there is no decomposition\.yaml: name what to use"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_changes(
    project: Path,
    published: Path,
    tmp_path_factory: pytest.TempPathFactory,
    change: Any,
    how: Any,
    said: str,
) -> None:
    other = Path(shutil.copytree(published, tmp_path_factory.mktemp("other") / "tiny"))
    if "files" in how:
        shutil.rmtree((other / how["files"]).parent)
        write_index(other, read_index(other))
    if "text" in how:
        write_index(other, read_index(other).model_copy(update={"text": False}))
    if change is not None:
        change(project)
    text = Path("params.yaml").read_text(encoding="utf-8")
    with pytest.raises((PrefactorError, FlowError), match=said):
        _use(None if "source" in how else other)
    assert Path("params.yaml").read_text(encoding="utf-8") == text
    assert not (project / "data/target").exists() and not PIN.exists()


def test_a_base_model_is_fetched_and_bound_to_its_decomposition(
    project: Path, published: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Published of a target that was loaded, it comes without; what was made from it says so again here."""
    folder = tmp_path_factory.mktemp("bare")
    theirs = folder / "theirs"
    theirs.mkdir()
    shutil.copytree(published / "data", theirs / "data")
    base = Path(shutil.copytree(published / "data/target/checkpoint", folder / "base"))
    (base / MANIFEST).unlink()
    yaml = YAML(typ="safe")
    params = yaml.load((published / "params.yaml").read_text(encoding="utf-8"))
    params["target"]["model"] = {"source": "load", "name": str(base)}
    params["corpus"]["tokenizer"] = {"source": "target", "name": str(base)}
    write_json(theirs / "params.yaml", params)
    components = theirs / "data/decompose/components" / MANIFEST
    checkpoint = theirs / "data/target/checkpoint"
    made_from = {"../../target/checkpoint": identities(checkpoint)[checkpoint]}
    write_json(components, read_json(components) | {"made_from": made_from})
    metrics = theirs / "data/corpus/metrics.json"
    write_json(metrics, read_json(metrics) | {"block": 12})
    publish(theirs, folder / "bare", Wanted("bare"))
    assert "made_from" in read_json(folder / "bare/data/decompose/components" / MANIFEST)
    assert read_json(folder / "bare/data/decompose/components" / MANIFEST)["made_from"] == {}

    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    found = find(str(folder / "bare"))
    moved = base.rename(folder / "moved")
    merged, differ = merged_params(project, found, str(moved))
    assert differ == ["corpus", "target"]
    assert merged["target"]["model"]["name"] == merged["corpus"]["tokenizer"]["name"] == str(moved)
    place(project, found, cached_base(found.folder, found.index, str(moved)), merged, True)
    assert read_json(project / "data/decompose/components" / MANIFEST)["made_from"].keys() == made_from.keys()
    verify(project / "data/decompose/components")
