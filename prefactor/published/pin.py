"""``decomposition.yaml``: which published decomposition a project edits. Tracked by git, and written by no stage."""

from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from prefactor.config.base import Config
from prefactor.errors import ParamsError, PrefactorError
from prefactor.files.own_file import changed
from prefactor.published.find import Published

PIN = Path("decomposition.yaml")
HEADER = (
    "# The published decomposition that this project edits; `prefactor use` wrote it, and `prefactor use` alone\n"
    "# fetches it again. Nothing but content of this sha256 is taken.\n"
)


class Pin(Config):
    name: str
    version: str
    source: str  # a folder, or ORG/NAME on the Hub
    revision: str | None  # the Hub's commit
    sha256: str  # of its prefactor.json


def read_pin(root: Path) -> Pin | None:
    """What is pinned; None where nothing is.

    Raises:
        PrefactorError: the file is not one of ours.
    """
    path = root / PIN
    if not path.is_file():
        return None
    try:
        return Pin.model_validate(YAML(typ="safe").load(path.read_text(encoding="utf-8")))
    except (YAMLError, ValueError, ParamsError):
        raise PrefactorError(f"{path} cannot be read: bring it back (`git checkout {PIN}`), or remove it") from None


def pin_of(found: Published) -> Pin:
    index = found.index
    return Pin(
        name=index.name, version=index.version, source=found.source, revision=found.revision, sha256=found.sha256
    )  # fmt: skip


def write_pin(root: Path, pin: Pin) -> None:
    with changed(root / PIN) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(HEADER)
        yaml = YAML()
        yaml.width = 4096
        yaml.dump(pin.model_dump(), file)


def check_pin(pinned: Pin | None, found: Published) -> None:
    """Whether ``found`` may take the place of what is pinned: the same, or openly another.

    Raises:
        PrefactorError: it has the pinned name and version, and other content.
    """
    index = found.index
    if pinned is None or pinned.sha256 == found.sha256 or (pinned.name, pinned.version) != (index.name, index.version):
        return
    raise PrefactorError(
        f"{index.called} is pinned in {PIN} with sha256 {pinned.sha256[:16]}, and {found.source} has other content "
        f"({found.sha256[:16]}): get the pinned one (revision {pinned.revision or 'unknown'}); or, if you trust this "
        f"one, remove {PIN} and say this again"
    )
