"""Labels that people wrote, in ``data/label/overrides.yaml``: tracked by git, and never written by a stage.

So a correction is reviewed like code and survives a relabel. It is about a subcomponent of one decomposition; of
another the same index is something else, so every entry says for which it was written, and is applied to no other.
"""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, StringConstraints, TypeAdapter, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from prefactor.config.base import Config, parse
from prefactor.config.explain import nearest
from prefactor.errors import ParamsError, PrefactorError
from prefactor.files.artifacts import MANIFEST, read_entry
from prefactor.files.own_file import changed, check_own
from prefactor.label.labeller import MOST_WORDS
from prefactor.printable import one_line

try:
    import fcntl
except ModuleNotFoundError:  # not on Windows
    fcntl = None

FILE = "overrides.yaml"
DIGITS = 12  # of the components' sha256 that an entry carries
NEAREST = 3  # names suggested for one that is unknown
PERSON = "person/"  # what the provenance of a person's label starts with
HEADER = "# Labels that people wrote; `prefactor label override` adds one. docs/contracts.md has the form.\n"

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(one_line)]


class Override(Config):
    label: Text
    domains: tuple[Text, ...] | None = None  # that it is about; None makes no claim
    author: Text
    reason: Text
    decomposition: str  # the first digits of the components' sha256

    @field_validator("label")
    @classmethod
    def _short(cls, label: str) -> str:
        words = len(label.split())
        if words > MOST_WORDS:
            raise ValueError(f"{label!r} has {words} words; write at most {MOST_WORDS}")
        return label

    @field_validator("domains")
    @classmethod
    def _some(cls, domains: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if domains == ():
            raise ValueError("it is empty; name a domain, or leave the key out, which makes no claim")
        return domains

    @field_validator("decomposition", mode="before")
    @classmethod
    def _digits(cls, digits: Any) -> Any:
        # YAML makes a number of 123456789012 and of 1e2345678901, which quotes prevent.
        if not isinstance(digits, str) or not re.fullmatch(rf"[0-9a-f]{{{DIGITS}}}", digits):
            raise ValueError(f"{digits!r} is not {DIGITS} digits of a sha256; write the first {DIGITS} in quotes")
        return digits


@dataclass(frozen=True)
class Overrides:
    """By subcomponent: those of the present decomposition, and those that were written for another."""

    applied: Mapping[str, Override]
    left_out: Mapping[str, Override]


def read_overrides(data: Path, names: Collection[str], domains: Collection[str] = ()) -> Overrides:
    """The overrides of ``data/label/overrides.yaml``; none where there is no such file.

    Args:
        names: every subcomponent.
        domains: every domain; empty where they are not known.

    Raises:
        PrefactorError: an entry is not of the form, names a subcomponent or a domain that there is not, or the file is
            no YAML mapping.
    """
    path = data / "label" / FILE
    entries = {str(name): _entry(path, str(name), value) for name, value in _load(path, YAML(typ="safe")).items()}
    if not entries:
        return Overrides({}, {})
    present = decomposition_of(data)
    applied = {name: entry for name, entry in entries.items() if entry.decomposition == present}
    known = set(names)
    for name, entry in applied.items():
        if name not in known:
            near = ", ".join(difflib.get_close_matches(name, known, n=NEAREST, cutoff=0.0))
            raise PrefactorError(
                f"{path}: {name} is no subcomponent; the nearest: {near}: mend its name, or take the entry out"
            )
        for domain in entry.domains or ():
            if domains and domain not in domains:
                raise PrefactorError(f'{path}: {name}.domains has "{domain}", no domain; {nearest(domain, domains)}')
    return Overrides(applied, {name: entry for name, entry in entries.items() if name not in applied})


def decomposition_of(data: Path) -> str:
    """What an override says of the decomposition that it was written for.

    Raises:
        PrefactorError: there is no decomposition in ``data``.
    """
    path = data / "harvest" / "subcomponents" / MANIFEST  # the components themselves need not be here
    if not path.is_file():
        raise PrefactorError(f"{path} is missing, and labels are of a decomposition: run the stage (`dvc repro`)")
    known = read_entry(path, "about").get("decomposition")
    if known is None:
        raise PrefactorError(f"{path} names no decomposition: harvest again (`dvc repro --force -s harvest`)")
    return known[:DIGITS]


def write_override(data: Path, name: str, override: Override) -> None:
    """Add the entry ``name``, or replace it; everything else in the file stays as it is, also what others add now.

    Raises:
        PrefactorError: the file is no YAML mapping.
    """
    entry = CommentedMap(override.model_dump(mode="json", exclude_none=True))
    if override.domains is not None:
        entry["domains"] = CommentedSeq(override.domains)
        entry["domains"].fa.set_flow_style()
    path = data / "label" / FILE
    with _alone(path):
        whole = _load(path, _round_trip())
        whole.fa.set_block_style()
        whole[name] = entry
        _dump(path, whole)


def remove_override(data: Path, name: str) -> None:
    """Take the entry ``name`` out.

    Raises:
        PrefactorError: there is none.
    """
    path = data / "label" / FILE
    if not path.is_file():
        raise PrefactorError(f"{path} has no entry {name}: the file is not there")
    with _alone(path):
        whole = _load(path, _round_trip())
        if name not in whole:
            known = ", ".join(map(str, whole)) or "nothing"
            raise PrefactorError(f"{path} has no entry {name}: it has {known}")
        del whole[name]
        _dump(path, whole)


def make_override(name: str, **fields: Any) -> Override:
    """An override from what a person gave, checked.

    Raises:
        PrefactorError: a field is not of the form.
    """
    return _entry(Path(FILE), name, {key: value for key, value in fields.items() if value is not None})


def _entry(path: Path, name: str, value: Any) -> Override:
    try:
        return parse(TypeAdapter(Override), value, name)
    except ParamsError as error:
        raise PrefactorError(f"{path}: {str(error).removeprefix('params.yaml: ')}") from None


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """No other process changes ``path`` in the block. The lock is a file beside it, since ``path`` is replaced."""
    check_own(path)
    path = path.resolve()  # who comes through a link waits for who comes without one
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _load(path: Path, yaml: YAML) -> Any:
    if not path.is_file():
        return CommentedMap()
    try:
        value = yaml.load(path.read_text(encoding="utf-8"))
    except YAMLError as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        line = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "not YAML"
        problem = (error.problem if isinstance(error, MarkedYAMLError) else None) or "cannot be read"
        raise PrefactorError(f"{path}: {line}: {problem.splitlines()[0]}; mend the YAML there") from None
    except UnicodeDecodeError as error:
        raise PrefactorError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    if value is None:
        return CommentedMap()
    if not isinstance(value, dict):
        raise PrefactorError(f"{path} is no mapping; write an entry a subcomponent, or {{}} for none")
    return value


def _round_trip() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 4096
    return yaml


def _dump(path: Path, whole: Any) -> None:
    with changed(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        if not path.is_file():
            file.write(HEADER)
        _round_trip().dump(whole, file)
