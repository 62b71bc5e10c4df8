"""``prefactor.json``: what a published folder is, and the sha256 of every file in it. Its own sha256 is the pin."""

import json
import os
import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from prefactor.config.base import Config
from prefactor.config.names import EntryName
from prefactor.errors import PrefactorError
from prefactor.files.artifacts import read_json, sha256, write_json
from prefactor.files.model_folder import PICKLES
from prefactor.printable import one_line
from prefactor.published.layout import INDEX, LAYOUT

AGAIN = "fetch it again from where it was published"
# What the Hub, git or a library puts beside it, and what edits by hand keep there.
HOST = (".gitattributes", ".gitignore", ".git", ".cache", ".runs")


def _inner(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or str(path) != name or not path.parts:
        raise ValueError(f"{name!r} is no path inside of the folder")
    if path.suffix in PICKLES:
        raise ValueError(f"{name!r} is a pickle, which runs code when it is read")
    return name


def _version(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z._-]{0,39}", text):
        raise ValueError("write letters, digits, dots and dashes, as 1 or 2026.11")
    return text


def _licence(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", text):
        raise ValueError("write an identifier as the Hub has them: mit, apache-2.0, cc-by-4.0, gemma, other")
    return one_line(text, most=40)


Version = Annotated[str, AfterValidator(_version)]
Licence = Annotated[str, AfterValidator(_licence)]


class Base(Config):
    """The model that was decomposed."""

    included: bool
    name: str | None  # as params have it: a folder or a name on the Hub; None where the project trained it
    revision: str | None
    weights: str  # sha256 of its tensors in float32, whatever files they lie in


class Code(Config):
    """What made it: results are data, and other code may use them."""

    prefactor: str  # version of the package
    commit: str | None  # of git, with + where files were changed
    stages: dict[str, str]  # by stage, the hash of its code (data/check)
    libraries: dict[str, str]


class Index(Config):
    layout: int
    kind: Literal["decomposition", "edit"]
    name: EntryName
    version: Version
    licence: Licence
    decomposition: str  # sha256 of the components
    base: Base
    text: bool  # whether the corpus's text is in it
    # By artifact, what its manifest named as its origin and what is not in here.
    dropped: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    code: Code
    files: dict[Annotated[str, AfterValidator(_inner)], str]

    @property
    def called(self) -> str:
        return f"{self.name} {self.version}"


def new_index(**values: Any) -> Index:
    """An index of which all but the files is said.

    Raises:
        PrefactorError: a name, a version or a licence is none.
    """
    try:
        return Index(**values, files={})
    except ValidationError as error:
        raise wrong(error) from None


def wrong(error: ValidationError) -> PrefactorError:
    """The first thing that ``error`` found in what somebody said, as one line."""
    first = error.errors()[0]
    return PrefactorError(f"{'.'.join(map(str, first['loc']))} {first['input']!r}: {first['msg']}")


def write_index(folder: Path, index: Index) -> None:
    """Write ``prefactor.json`` with the sha256 of all that lies in ``folder``."""
    files = {name: sha256(folder / name) for name in _found(folder)}
    write_json(folder / INDEX, index.model_copy(update={"files": files}).model_dump(mode="json"))


def read_index(folder: Path, only: str | None = None) -> Index:
    """What ``folder`` is; no file beside the index is looked at.

    Args:
        only: the kind that it has to be.

    Raises:
        PrefactorError: nothing was published there, or it has another layout, or is of another kind.
    """
    path = folder / INDEX
    if not path.is_file():
        raise PrefactorError(f"{folder} has no {INDEX}: name a folder that `prefactor publish` wrote")
    value = read_json(path)
    layout = value.get("layout") if isinstance(value, dict) else None
    if layout != LAYOUT:
        by = value.get("code", {}).get("prefactor", "another version") if isinstance(value, dict) else "something else"
        if isinstance(layout, int) and layout > LAYOUT:
            remedy = f"upgrade (`pip install -U 'prefactor>={by}'`), or ask for a revision of layout {LAYOUT}"
        else:
            remedy = "have it published again from its project (`prefactor publish`) with this version"
        raise PrefactorError(f"{path}: layout {layout!r}, and this version of prefactor reads {LAYOUT}: {remedy}")
    try:
        index: Index = TypeAdapter(Index).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise PrefactorError(f"{path}: {where}: {first['msg']}: {AGAIN}") from None
    if only is not None and index.kind != only:
        raise PrefactorError(f"{folder} holds the {index.kind} {index.called}, where a {only} was asked for")
    return index


def check_folder(folder: Path, index: Index) -> None:
    """Check that every file is there and is what was published, and that nothing else is.

    Raises:
        PrefactorError: one is missing, damaged, or was added.
    """
    found = _found(folder)
    for name, expected in index.files.items():
        if not (folder / name).is_file():
            raise PrefactorError(f"{folder / name} is missing though {INDEX} lists it: {AGAIN}")
        if sha256(folder / name) != expected:
            raise PrefactorError(f"{folder / name} is damaged (its sha256 differs from {INDEX}): {AGAIN}")
    if added := sorted(set(found) - set(index.files)):
        raise PrefactorError(f"{folder / added[0]} is not in {INDEX}: nobody published it; remove it, or {AGAIN}")


def _found(folder: Path) -> list[str]:
    paths = (Path(here, name) for here, _, names in os.walk(folder) for name in names)
    inner = sorted(path.relative_to(folder) for path in paths)
    return [path.as_posix() for path in inner if path.parts[0] not in HOST and path.as_posix() != INDEX]
