"""Imports run down the tower of docs/architecture.md, by the rules of ``[tool.importlinter]`` in pyproject.toml."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True, no_logo=True))"


def _lint(root: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(root)}
    words = [sys.executable, "-c", LINT]
    return subprocess.run(words, cwd=root, env=env, text=True, capture_output=True, check=False)


def test_imports_run_down() -> None:
    done = _lint(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line", "rule"),
    [
        ("prefactor/model/bad.py", "from prefactor.edits import fit", "the floors of the library"),
        ("prefactor/errors.py", "from prefactor.machine import flops", "the floors of the library"),
        ("prefactor/query/bad.py", "import stages.common", "a team's commands over flows over stages over the library"),
        ("prefactor/files/bad.py", "import dvc.repo", "the library knows neither DVC nor Prefect"),
        ("stages/bad.py", "import prefect", "stages know no Prefect"),
    ],
)
def test_an_import_that_runs_up_is_found(tmp_path: Path, file: str, line: str, rule: str) -> None:
    for package in ("prefactor", "stages", "flows", "team"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / file).open("a", encoding="utf-8") as source:
        source.write(f"{line}\n")
    done = _lint(tmp_path)
    assert done.returncode == 1
    assert any(rule in said and "BROKEN" in said for said in done.stdout.splitlines()), done.stdout


def test_no_module_lies_loose_in_the_library() -> None:
    loose = {path.name for path in (ROOT / "prefactor").glob("*.py")}
    assert loose == {"__init__.py", "errors.py", "printable.py", "workspace.py"}


def test_every_floor_says_what_it_is_for() -> None:
    for folder in (path for path in (ROOT / "prefactor").iterdir() if path.is_dir() and path.name != "__pycache__"):
        first = (folder / "__init__.py").read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith('"""') and len(first) > 20, folder
        assert f"`{folder.name}`" in (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"), folder
