"""Files that people keep (params.yaml, overrides.yaml): links stay links, what is read-only is not written over."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from prefactor.config.domains import Domains
from prefactor.config.edits import ScalarEdit
from prefactor.errors import PrefactorError
from prefactor.export.to_params import check_name, save_edit
from prefactor.label.overrides import make_override, write_override

EDIT = ScalarEdit(method="scalar", domains=Domains(target="de", retain=("en",), protect=()), shortlist="mine")


def _saves(path: Path) -> None:
    check_name(path, "mine")
    save_edit(path, "mine", EDIT, ["layers.0.x:1"])


def _overrides(path: Path) -> None:
    entry = make_override("layers.0.x:1", label="German", author="Ada", reason="seen", decomposition="5" * 12)
    write_override(path.parent.parent, "layers.0.x:1", entry)


DOORS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "params.yaml": ("# mine\nedits: {}\n", _saves),
    "data/label/overrides.yaml": (
        "# mine\nlayers.0.x:0: {label: a, author: b, reason: c, decomposition: d}\n",
        _overrides,
    ),
}


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str, Callable[[Path], None]]:
    path = tmp_path / "work" / request.param
    path.parent.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    return path, *DOORS[request.param]


def test_what_a_link_points_to_is_changed_and_the_link_stays(
    door: tuple[Path, str, Callable[[Path], None]], tmp_path: Path
) -> None:
    path, text, write = door
    real = tmp_path / "elsewhere" / "real.yaml"
    real.write_text(text)
    real.chmod(0o640)
    path.symlink_to(real)
    write(path)
    assert path.is_symlink() and "layers.0.x:1" in real.read_text() and real.read_text().startswith("# mine\n")
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("kind", ["file", "symbolic link", "hard link"])
def test_what_is_read_only_is_left_alone(
    door: tuple[Path, str, Callable[[Path], None]], tmp_path: Path, kind: str
) -> None:
    path, text, write = door
    real = tmp_path / "elsewhere" / "cached.yaml"
    real.write_text(text)
    real.chmod(0o444)
    match kind:
        case "file":
            path.write_text(text)
            path.chmod(0o444)
        case "symbolic link":
            path.symlink_to(real)
        case _:
            path.hardlink_to(real)
    with pytest.raises(PrefactorError, match=rf"{path.name} is read-only: make it a writable file of your own"):
        write(path)
    assert path.read_text() == real.read_text() == text


def test_a_link_to_nothing_is_named(door: tuple[Path, str, Callable[[Path], None]], tmp_path: Path) -> None:
    path, _, write = door
    path.symlink_to(tmp_path / "elsewhere" / "gone")
    with pytest.raises(PrefactorError, match=rf"{path.name} is a link to nothing"):
        write(path)
    assert path.is_symlink() and not path.exists()
