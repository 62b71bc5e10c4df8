"""`prefactor doctor` finds what was planted, and names the remedy."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from team.checkup import BAD, GOOD, NOTE, Finding, examine
from team.cli import app
from tests.team_project import DAG, ROOT, dvc, flip, make_project


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("doctor") / "a"
    make_project(folder)
    shutil.copy(ROOT / "params.yaml", folder)
    (folder / "dvc.yaml").write_text(DAG.replace("${item.alpha}", "${key}"), encoding="utf-8")
    dvc(folder, "repro")
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "a"
    shutil.copytree(made, folder, symlinks=True)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    return folder


def of(about: str, integrity: bool = False) -> list[Finding]:
    return [finding for finding in examine(integrity) if finding.about == about]


def test_a_sound_project_has_only_notes(project: Path) -> None:
    findings = examine(integrity=True)
    assert [finding for finding in findings if finding.state == BAD] == []
    assert {finding.about for finding in findings} == {
        "versions", "git", "files", "params", "variables", "locks", "disk", "device", "remote", "Prefect", "cache",
    }  # fmt: skip
    assert of("remote")[0] == Finding(NOTE, "remote", "none: what is made here stays here", "prefactor share init URL")


def test_what_was_planted_is_found(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flip(project / "data" / "decompose" / "parts" / "u.txt")
    (project / ".dvc" / "tmp").mkdir(exist_ok=True)
    (project / ".dvc" / "tmp" / "rwlock").write_text('{"write": {"x": {"pid": 999999999, "cmd": "gone"}}}')
    dvc(project, "remote", "add", "-d", "team", str(project.parent / "nowhere"))
    monkeypatch.setenv("PREFACTOR_TREADS", "2")
    (cache,) = of("cache", integrity=True)
    assert (cache.state, cache.remedy) == (BAD, "prefactor verify --heal") and "data/decompose/parts" in cache.said
    assert of("locks")[0].state == NOTE and "999999999" in of("locks")[0].said
    assert of("remote")[0] == Finding(
        BAD, "remote", "team is not verified: DVC takes a truncated object", "dvc remote modify team verify true"
    )
    assert "PREFACTOR_THREADS" in of("variables")[0].said


def test_what_cannot_be_read_is_a_finding_and_ends_no_other(project: Path) -> None:
    (project / "dvc.lock").write_text("<<<<<<< HEAD\n")
    (project / "params.yaml").write_text("corpus: 3\n")
    assert of("files")[0].state == BAD and "merge" in of("files")[0].said
    assert of("params")[0].state == BAD and "corpus" in of("params")[0].said
    assert of("versions")[0].state == GOOD


def test_the_command_tells_machines_by_its_exit_code(project: Path) -> None:
    ran = CliRunner().invoke(app, ["doctor", "--json", "--no-integrity"])
    assert ran.exit_code == 0 and {"state", "about", "said", "remedy"} == set(json.loads(ran.stdout)[0])
    (project / "params.yaml").unlink()
    assert CliRunner().invoke(app, ["doctor", "--no-integrity"]).exit_code == 1
