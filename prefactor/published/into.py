"""What a published decomposition would change in a project, and the project's params with those that made it."""

import io
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from ruamel.yaml import YAML

from prefactor.config.base import parse
from prefactor.config.params import PARAMS, read_params
from prefactor.config_check.pipeline import PipelineConfig, check
from prefactor.errors import ParamsError, PrefactorError
from prefactor.files.artifacts import MANIFEST, identities, read_json, sha256, write_json
from prefactor.files.own_file import changed
from prefactor.published.find import Published
from prefactor.published.layout import ARTIFACTS, CHECKPOINT, EMPTY, FILES, SECTIONS, inside

OWN_FILE = "data/label/overrides.yaml"  # of people: the stages go without


def check_whole(found: Published) -> None:
    """Whether a project can go on from it as if its own stages had run.

    Raises:
        PrefactorError: it lacks what one of them writes.
    """
    index = found.index
    if not index.text:
        raise PrefactorError(
            f"{index.called} was published without its text, which the stages of a project need: use it by hand "
            "(`Workspace.from_pretrained(..., corpus=...)`), or ask its publisher for one with text"
        )
    for name in (*ARTIFACTS, *FILES):
        there = name in index.files or any(inside(file, name) for file in index.files)
        if not there and name not in (OWN_FILE, CHECKPOINT):
            raise PrefactorError(
                f"{index.called} has no {name}: it was published of an unfinished run; ask for one published after "
                "`dvc repro`, or use it by hand (`Workspace.from_pretrained`)"
            )


def merged_params(root: Path, found: Published, base: str | None) -> tuple[Any, list[str]]:
    """The project's params, comments kept, with the sections that made ``found``; and which of them differ.

    Args:
        base: where the base model lies here, if that is elsewhere.

    Raises:
        PrefactorError: what else the params say contradicts it.
    """
    yaml = _yaml()
    read_params(root / PARAMS)
    whole = yaml.load((root / PARAMS).read_text(encoding="utf-8"))
    theirs = read_params(found.folder / PARAMS)
    if missing := [name for name in SECTIONS if name not in theirs]:
        raise PrefactorError(f"{found.index.called}: its params.yaml has no {missing[0]}: ask its publisher")
    if base is not None:
        for value in (theirs["target"]["model"], theirs["corpus"]["tokenizer"]):
            if value.get("name", base) != base:
                value |= {"name": base, "revision": None}
    differ = [name for name in SECTIONS if whole.get(name) != theirs.get(name)]
    for name in differ:
        _settle(whole, name, theirs[name])
    plain = YAML(typ="safe")
    try:
        config: PipelineConfig = parse(TypeAdapter(PipelineConfig), plain.load(_text(whole)), "")
        check(config)
    except ParamsError as error:
        raise PrefactorError(f"this project and {found.index.called} contradict each other: {error}") from None
    return whole, differ


def replaced(root: Path, found: Published) -> list[str]:
    """Files and artifacts of the project that are there and are others in ``found``."""
    others: list[str] = []
    for name in (*ARTIFACTS, *FILES):
        files = [file for file in found.index.files if file == name or inside(file, name)]
        if (root / name).exists() and any(_differs(root / file, found.index.files[file]) for file in files):
            others.append(name)
    return others


def place(root: Path, found: Published, checkpoint: Path | None, params: Any, write_params: bool) -> None:
    """Copy its artifacts into the project's ``data/``, and write ``params`` if they are others.

    Args:
        checkpoint: of the base model, where it was not passed on.
    """
    for name in (*ARTIFACTS, *FILES):
        if name == CHECKPOINT and checkpoint is not None:
            source = checkpoint
        elif name in FILES and name not in found.index.files:
            continue
        else:
            source = found.folder / name
        _remove(root / name)  # a link of DVC's is replaced, and its cache left alone
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, root / name)
        else:
            shutil.copyfile(source, root / name)
    for name in EMPTY:
        _remove(root / name)
        (root / name).mkdir()
    for name, origins in found.index.dropped.items():
        if CHECKPOINT in origins:
            _bind(root / name, root / CHECKPOINT)
    if write_params:
        with changed(root / PARAMS) as temporary:
            temporary.write_text(_text(params), encoding="utf-8")


def _bind(folder: Path, origin: Path) -> None:
    """Have the manifest of ``folder`` say again that it is made from ``origin``, whose weights were compared."""
    manifest = read_json(folder / MANIFEST)
    manifest["made_from"][Path(os.path.relpath(origin, folder)).as_posix()] = identities(origin)[origin]
    write_json(folder / MANIFEST, manifest)


def _settle(whole: Any, key: str, value: Any) -> None:
    """Make ``whole[key]`` equal to ``value``, and leave alone what is: comments stand by what stays."""
    old = whole.get(key)
    if isinstance(old, Mapping) and isinstance(value, Mapping):
        for name in [name for name in old if name not in value]:
            del whole[key][name]
        for name, inner in value.items():
            if name not in old or old[name] != inner:
                _settle(whole[key], name, inner)
    else:
        whole[key] = value


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _differs(path: Path, expected: str) -> bool:
    return path.name != MANIFEST and (not path.is_file() or sha256(path) != expected)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 4096
    return yaml


def _text(whole: Any) -> str:
    text = io.StringIO()
    _yaml().dump(whole, text)
    return text.getvalue()
