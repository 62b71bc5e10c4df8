"""What a stage's code is: the files that its script imports, at any depth, and one hash over all that they do."""

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from prefactor.files.code import code_digest, stands_alone

PACKAGES = ("prefactor", "stages")


@dataclass(frozen=True)
class Source:
    """One file: what it imports of this project, and a hash of what it does."""

    imported: tuple[str, ...]
    digest: bytes
    empty: bool = False  # of code


def fingerprint(script: Path, root: Path) -> str:
    """sha256 over the code that ``script`` (from ``root``) runs, and over the bytes of the files that it reads."""
    digest = hashlib.sha256()
    for path in sorted(imports(script, root)):
        digest.update(f"{path.as_posix()}\n".encode() + _source(root / path).digest)
    return digest.hexdigest()


def imports(source: Path, root: Path) -> set[Path]:
    """``source`` and every file of this project that it needs, as paths from ``root``.

    A module counts with each package around it whose ``__init__.py`` says more than a docstring, and with
    the files beside it that are not Python (a page's style sheet, a prompt): code reads those.
    """
    needed: set[Path] = set()
    queue = [source]
    while queue:
        path = queue.pop()
        if path in needed:
            continue
        needed.add(path)
        for name in _source(root / path).imported:
            queue.extend(_files(name, root))
    resources = {
        beside.relative_to(root)
        for folder in {path.parent for path in needed}
        for beside in (root / folder).iterdir()
        if beside.is_file() and beside.suffix not in (".py", ".pyc") and not beside.name.startswith(".")
    }
    return needed | resources


def sections(script: Path) -> set[str]:
    """The arguments of every ``section(...)`` call, as ``dvc.yaml`` writes them.

    The word that a stage of many is given becomes ``${key}``, a field of its params ``${item.field}``.

    Raises:
        ValueError: a call whose argument cannot be read off the source.
    """
    names = set()
    for node in ast.walk(ast.parse(script.read_bytes(), filename=script.name)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "section":
            argument = node.args[0]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                names.add(argument.value)
            elif isinstance(argument, ast.JoinedStr):
                names.add("".join(map(_part, argument.values)))
            else:
                raise ValueError(
                    f"{script}:{node.lineno}: write the section's name out, so that its params can be listed"
                )
    return names


def _part(value: ast.expr) -> str:
    if isinstance(value, ast.Constant):
        return str(value.value)
    inner = value.value if isinstance(value, ast.FormattedValue) else value
    return f"${{item.{inner.attr}}}" if isinstance(inner, ast.Attribute) else "${key}"


def _source(path: Path) -> Source:
    return _read(path.read_bytes(), path.suffix, path.name)


@cache
def _read(content: bytes, suffix: str, name: str) -> Source:
    """Read once, however many stages run it."""
    if suffix != ".py":  # however a checkout ends its lines
        return Source((), hashlib.sha256(content.replace(b"\r\n", b"\n")).digest())
    tree = ast.parse(content, filename=name)
    return Source(tuple(_imported(tree, name)), code_digest(content), all(map(stands_alone, tree.body)))


def _imported(tree: ast.Module, name: str) -> Iterator[str]:
    """Dotted names of the project that the file may import (a name after ``from x import`` may be a module)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{name}:{node.lineno}: write the import with its full name")
            names = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (each for each in names if each.split(".")[0] in PACKAGES)


def _files(name: str, root: Path) -> Iterator[Path]:
    """The file of module ``name`` if it is one, and the ``__init__.py`` on the way to it that hold code."""
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        init = Path(*parts[:depth], "__init__.py")
        if (root / init).is_file() and not _source(root / init).empty:
            yield init
    module = Path(*parts[:-1], f"{parts[-1]}.py")
    if (root / module).is_file():
        yield module
