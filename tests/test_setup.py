"""`make setup` refuses in one line what it cannot do."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


PYTHONS = ("python3.13", "python3.12", "python3.11", "python3", "python")


def set_up(folder: Path, scripts: dict[str, str]) -> tuple[int, str]:
    """``scripts/setup.sh`` in ``folder``, on a PATH with plain tools and ``scripts`` alone."""
    path = folder.parent / "bin"
    path.mkdir()
    for tool in ("sh", "awk", "df", "id", "rm", "ls", "touch", "mkdir"):
        (path / tool).symlink_to(str(shutil.which(tool)))
    for name, text in scripts.items():
        (path / name).write_text(f"#!/bin/sh\n{text}\n")
        (path / name).chmod(0o755)
    done = subprocess.run(
        ["sh", str(ROOT / "scripts/setup.sh"), ".venv/.installed"], cwd=folder, env={"PATH": str(path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


OLD = "case $1 in -V) echo Python 3.10.12;; *) exit 1;; esac"
MAKES = """case $1-$2 in -m-venv)
    mkdir -p .venv/bin
    printf "#!/bin/sh\\n%s\\n" "{inner}" > .venv/bin/python
    /bin/chmod +x .venv/bin/python;;
esac"""


@pytest.mark.parametrize(
    ("name", "scripts", "said"),
    [
        ("x", {}, "Python 3.11 or newer is needed and PATH has"),
        ("x", {"python3": OLD}, "Python 3.11 or newer is needed and PATH has Python 3.10.12"),
        ("x", {"python3": "exit 127"}, "Python 3.11 or newer is needed and PATH has no python3"),
        ("a:b", {"python3": "exit 0"}, "has a colon"),
        ("x", {"python3": "exit 1", "python": 'test "$2" != venv'}, "cannot make a virtual environment"),
        ("x y", {"python3.12": MAKES.format(inner='test \\$2 != pip')}, ".venv has no pip"),
        ("é #", {"python3": MAKES.format(inner='test \\$3 != install')}, "the installation failed as said above"),
    ],
)  # fmt: skip
def test_setting_up_refuses_in_one_line(tmp_path: Path, name: str, scripts: dict[str, str], said: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    code, text = set_up(folder, scripts)
    last = text.splitlines()[-1]
    assert code == 1 and last.startswith("prefactor: error: ") and said in last, text
    assert not (folder / ".venv/.installed").exists()


def test_extras_are_installed_beside_what_development_needs(tmp_path: Path) -> None:
    folder, path = tmp_path / "x", tmp_path / "bin"
    (folder / ".venv/bin").mkdir(parents=True)
    path.mkdir()
    for name, text in ((path / "uv", 'echo "$@"'), (folder / ".venv/bin/python", "exit 0")):
        name.write_text(f"#!/bin/sh\n{text}\n")
        name.chmod(0o755)
    words = ["sh", str(ROOT / "scripts/setup.sh"), ".venv/.extras", "remotes,dask"]
    env = {"PATH": f"{path}:/usr/bin:/bin"}
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("-c constraints.txt -e .[dev,remotes,dask]\n") and ".[dev,remotes,dask]" in done.stderr
    assert (folder / ".venv/.extras").exists()
