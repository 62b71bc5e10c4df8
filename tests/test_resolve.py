"""Two people each add an edit: what git cannot merge, `prefactor resolve` does, and neither makes the other's again."""

import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from flows.supply.supply import plan
from prefactor.errors import PrefactorError
from team.cli import app
from team.resolve import merge_lock, merge_params
from tests.team_project import dvc, git, make_project

BASE = "edits:\n  first: {alpha: -1} # the first\n"


def lock(**stages: str) -> str:
    return yaml.safe_dump({"schema": "2.0", "stages": {name: {"cmd": cmd} for name, cmd in stages.items()}})


def test_each_stage_is_taken_from_the_side_that_changed_it() -> None:
    base = lock(corpus="one", report="one", gone="one")
    merged = merge_lock(
        base, lock(corpus="one", report="two", gone="one", mine="x"), lock(corpus="new", report="three", yours="y")
    )
    assert yaml.safe_load(merged)["schema"] == "2.0"
    stages = {name: stage["cmd"] for name, stage in yaml.safe_load(merged)["stages"].items()}
    assert stages == {"corpus": "new", "report": "two", "mine": "x", "yours": "y"}


def test_the_entries_of_both_sides_stay_with_their_comments() -> None:
    ours, theirs = BASE + "  mine: {alpha: -2} # mine\n", BASE + "  yours: {alpha: -3} # yours\n"
    merged = merge_params(BASE, ours, theirs)
    assert list(yaml.safe_load(merged)["edits"]) == ["first", "mine", "yours"]
    assert merged.startswith(BASE) and "# mine" in merged and "# yours" in merged


@pytest.mark.parametrize("behind", ["first", "second"])
def test_two_edits_copied_from_one_stay_whole(behind: str) -> None:
    """Most of their lines are equal, and line by line those would stand once."""

    def with_edits(*names: str) -> str:
        entries = "".join(f"  {name}:\n    domains:\n      target: de\n    method: scalar\n" for name in names)
        return f"edits:\n{entries}report: {{}}\n"

    place = {"first": 1, "second": 2}[behind]
    base, mine, yours = ["first", "second"], ["first", "second"], ["first", "second"]
    mine.insert(place, "mine")
    yours.insert(place, "yours")
    merged = merge_params(with_edits(*base), with_edits(*mine), with_edits(*yours))
    expected = [*mine[: place + 1], "yours", *mine[place + 1 :]]
    assert merged == with_edits(*expected)


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        (
            "edits:\n  first: {alpha: -2}\n",
            "edits:\n  first: {alpha: -3}\n",
            "edits.first.alpha is -2 here and -3 there",
        ),
        (BASE + "  mine: {alpha: -2}\n", BASE + "  mine: {alpha: -3}\n", "edits.mine.alpha is -2 here and -3 there"),
        (BASE + "  mine:\n    alpha: -2\n", BASE.replace("-1", "-5") + "  ? [\n", "no YAML"),
        (BASE + "  mine:\n    alpha: -2\n", "edits: {}\n", "line by line"),
    ],
)
def test_what_only_a_person_can_settle_is_named(ours: str, theirs: str, said: str) -> None:
    with pytest.raises(PrefactorError) as raised:
        merge_params(BASE, ours, theirs)
    assert said in str(raised.value)


def test_two_new_edits_merge_and_neither_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_project(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b", symlinks=True)
    shared = tmp_path / "cache"
    for who in ("a", "b"):
        folder = tmp_path / who
        dvc(folder, "cache", "dir", "--local", str(shared))
        params = (folder / "params.yaml").read_text() + f"  of-{who}: {{alpha: -{ord(who)}}} # {who}\n"
        (folder / "params.yaml").write_text(params)
        dvc(folder, "repro", "-f", "-s", "check", "decompose", "edit", "report")
        git(folder, "commit", "-qam", who)
    monkeypatch.chdir(tmp_path / "b")
    git(Path(), "fetch", "-q", str(tmp_path / "a"), "main")
    git(Path(), "merge", "FETCH_HEAD", check=False)
    assert "<<<<<<<" in Path("params.yaml").read_text() and "<<<<<<<" in Path("dvc.lock").read_text()
    ran = CliRunner().invoke(app, ["resolve"])
    assert ran.exit_code == 0 and ran.output.startswith("settled: params.yaml, dvc.lock\n"), ran.output
    git(Path(), "commit", "-qm", "merged")
    found = plan()
    assert found.dag.expected == ("report",)
    assert [output.path for output in found.local] == ["data/edit/of-a/out.txt"]


def test_without_a_conflict_nothing_is_touched(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "params.yaml").write_text(BASE)
    git(tmp_path, "add", "-A")
    ran = CliRunner().invoke(app, ["resolve", "-C", str(tmp_path)])
    assert ran.exit_code == 0 and ran.output == "no conflict in params.yaml or dvc.lock\n"
    assert (tmp_path / "params.yaml").read_text() == BASE


def test_a_folder_without_git_is_refused(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["resolve", "-C", str(tmp_path)])
    assert ran.exit_code == 2 and "git" in ran.stderr
