"""Is what the pipeline wrote what ``docs/contracts.md`` says it writes? :func:`check` compares the two, both ways.

The page has a heading ``## `data/PATTERN` `` a file (several where files are alike; a folder, with a slash at its end,
stands for all that is in it) and under it a table of names, types and meanings. Without a table only the file itself is
promised. ``(optional)`` after a pattern or a name says that it may be missing. In a name ``<domain>``, ``<split>`` and
``<edit>`` stand for those of the tree, and a placeholder that a line under the table spells out (``<x>`` "is one of")
for what is listed there: all of them must be there. Any other ``<word>``, and each of them in a path, stands for any
text.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml
from safetensors import safe_open

EVERYWHERE = ("manifest.json", "cost.json")  # described at the top of the page. Hidden files are DVC's, or locks
TENSORS = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
NOTHING = {"null", "empty object", "empty list"}

Seen = dict[str, dict[str, str]]  # by name the kinds of value that it has, and where each was first found


@dataclass(frozen=True)
class Row:
    """What the page says of one column, key or tensor."""

    type: str
    optional: bool


@dataclass(frozen=True)
class Promise:
    """What the page says of one file."""

    rows: Mapping[str, Row]
    values: Mapping[str, list[str]]  # of the placeholders that it spells out
    optional: bool


def read_page(text: str) -> dict[str, Promise]:
    """By pattern of a path what is promised of such files."""
    promises = {}
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        rows = {
            name: Row(said.strip().strip("`"), "(optional)" in names)
            for names, said in re.findall(r"^\| (`[^|]*)\|([^|]*)\|", body, flags=re.MULTILINE)
            for name in _quoted(names)
        }
        spelt = re.findall(r"^`<(\w+)>` is one of (.*)$", body, flags=re.MULTILINE)
        values = {placeholder: _quoted(listed) for placeholder, listed in spelt}
        for pattern in _quoted(heading):
            promises[pattern] = Promise(rows, values, "(optional)" in heading)
    return promises


def check(root: Path, page: Path) -> list[str]:
    """Where ``root/data`` and the page differ, a line each; nothing if they agree."""
    promises = read_page(page.read_text(encoding="utf-8"))
    found: dict[str, list[Path]] = {pattern: [] for pattern in promises}
    complaints = []
    for path in sorted(path for path in (root / "data").rglob("*") if path.is_file()):
        name = path.relative_to(root).as_posix()
        if path.name in EVERYWHERE or path.name.startswith("."):
            continue
        patterns = [pattern for pattern in promises if _of_path(pattern).fullmatch(name)]
        if len(patterns) != 1:
            complaints.append(f"{name}: the page has {' and '.join(patterns) or 'nothing'} for it")
        for pattern in patterns:
            found[pattern].append(path)
    known = _known(root / "data")
    for pattern, promise in promises.items():
        paths = found[pattern]
        if not paths and not promise.optional:
            complaints.append(f"{pattern}: the page has it, and nothing wrote it")
        rows = {one: row for name, row in promise.rows.items() for one in _expanded(name, {**known, **promise.values})}
        # A JSON file may leave a key out where another one has it; a table has all of its columns.
        groups = [paths] if pattern.endswith(".json") else [[path] for path in paths]
        for group in groups if rows else []:
            seen: Seen = {}
            for path in group:
                for name, kind in _contents(path):
                    seen.setdefault(name, {}).setdefault(kind, path.relative_to(root).as_posix())
            where = group[0].relative_to(root).as_posix() if len(group) == 1 else pattern
            complaints += _compare(where, rows, seen) if group else []
    return complaints


def _compare(where: str, rows: Mapping[str, Row], seen: Seen) -> Iterator[str]:
    """What is in a file and not on the page, is of another type, or is on the page alone."""
    types = [(_regex(name), row.type) for name, row in rows.items()]
    above = [_regex(part) for name in rows for part in _containers(name)]
    for name, kinds in seen.items():
        said = sorted({one for form, one in types if form.fullmatch(name)})
        for kind, path in kinds.items():
            if not said:
                holds = kind in ("object", "list")  # what is in it is looked at by itself
                if not holds and not (kind.startswith("empty") and any(form.fullmatch(name) for form in above)):
                    yield f"{path}: it has {name}, which the page lacks"
            elif not any(_is(kind, one) for one in said):
                yield f"{path}: {name} is {kind}, the page says {', '.join(said)}"
    for name, row in rows.items():
        if not (row.optional or _kinds(name, seen) or _in_nothing(name, seen)):
            yield f"{where}: it lacks {name}, which the page has"


def _in_nothing(name: str, seen: Seen) -> bool:
    """Whether what should hold ``name`` is there and empty wherever it is: then there is nothing to ask for."""
    return any((kinds := _kinds(part, seen)) and kinds <= NOTHING for part in _containers(name))


def _kinds(name: str, seen: Seen) -> set[str]:
    form = _regex(name)
    return {kind for other, kinds in seen.items() if form.fullmatch(other) for kind in kinds}


def _containers(name: str) -> list[str]:
    """``a[].b.c`` lies in the whole file, in ``a``, in ``a[]`` and in ``a[].b``."""
    return ["", *(name[: cut.start()] for cut in re.finditer(r"\.|\[\]", name))]


def _is(kind: str, said: str) -> bool:
    """Whether a value of ``kind`` is what the page says, alternatives joined by "or"."""
    wider = {"integer": "number", "empty object": "object", "empty list": "list"}
    each = {_axes(kind), wider.get(kind, kind)}
    return any(_regex(_axes(one)).fullmatch(other) for one in said.split(" or ") for other in each)


def _axes(text: str) -> str:
    """A tensor's shape as the number of its axes: ``(C, d_out)`` stands for any two lengths."""
    return re.sub(r"\(([^)]*)\)", lambda shape: f"of {len(re.findall('[^,]+', shape[1]))} axes", text)


def _contents(path: Path) -> Iterable[tuple[str, str]]:
    """Names in a file and the kind of each: columns, keys (``a.b``, of things in a list ``a[].b``) or tensors."""
    match path.suffix:
        case ".parquet":
            return [(field.name, str(field.type)) for field in pq.read_schema(path)]
        case ".safetensors":
            with safe_open(path, "np") as file:
                slices = {name: file.get_slice(name) for name in list(file.keys())}
            return [
                (name, f"{TENSORS.get(one.get_dtype(), one.get_dtype())} {tuple(one.get_shape())}")
                for name, one in slices.items()
            ]
        case ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                rows = [{name: _cell(text) for name, text in row.items()} for row in csv.DictReader(file)]
            return [node for row in rows for node in _nodes(row)]
        case ".json":
            return _nodes(json.loads(path.read_text(encoding="utf-8")))
        case ".yaml":
            return _nodes(yaml.safe_load(path.read_text(encoding="utf-8")))
    return []


def _nodes(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every value in ``value`` and that itself, depth first."""
    names = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", list: "list"}
    kind = names.get(type(value), "null")
    yield name, f"empty {kind}" if value in ({}, []) else kind
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _nodes(inner, f"{name}.{key}" if name else str(key))
    if isinstance(value, list):
        for inner in value:
            yield from _nodes(inner, f"{name}[]")


def _cell(text: str) -> Any:
    """What a cell of a CSV file holds."""
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def _known(data: Path) -> dict[str, list[str]]:
    """The placeholders that a tree spells out."""
    metrics = data / "corpus" / "metrics.json"
    return {
        "domain": json.loads(metrics.read_text(encoding="utf-8"))["domains"] if metrics.is_file() else [],
        "split": sorted(path.parent.name for path in data.glob("corpus/*/blocks.parquet")),
        "edit": sorted(path.name for path in data.glob("edit/*") if path.is_dir()),
    }


def _expanded(name: str, values: Mapping[str, list[str]]) -> list[str]:
    """``importance_<domain>`` as ``importance_de``, ``importance_en``; itself where there is nothing to put in."""
    found = [name]
    for placeholder, each in values.items():
        if f"<{placeholder}>" in name:
            found = [one.replace(f"<{placeholder}>", value) for one in found for value in each]
    return found


@cache
def _regex(name: str, anything: str = ".+") -> re.Pattern[str]:
    """``name`` with ``anything`` for each ``<word>``. In pyarrow's ``list<element: string>`` there is none."""
    parts = re.split(r"<\w+>", name)
    return re.compile(anything.join(map(re.escape, parts)))


def _of_path(pattern: str) -> re.Pattern[str]:
    return re.compile(_regex(pattern, "[^/]+").pattern + (".+" if pattern.endswith("/") else ""))


def _quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)
