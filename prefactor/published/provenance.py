"""Which code, libraries and machine made something."""

import importlib.metadata
import subprocess
from pathlib import Path

from prefactor.machine.surroundings import computed_with
from prefactor.published.index import Code


def code_of(root: Path) -> Code:
    """The code in the project ``root``, as far as it says so."""
    checks = root / "data" / "check"
    stages = {path.stem: path.read_text(encoding="utf-8").strip() for path in sorted(checks.glob("*.txt"))}
    return Code(
        prefactor=version_of("prefactor"), commit=_commit(root), stages=stages, libraries=computed_with()["libraries"]
    )


def version_of(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _commit(root: Path) -> str | None:
    """The commit of git, with + where tracked files were changed; None where there is no repository."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None
