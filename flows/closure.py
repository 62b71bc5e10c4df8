"""What a stage script depends on, read off its source: the files it imports, at any depth, and the params it reads."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("prefactor", "stages")


def imports(source: Path, root: Path) -> set[Path]:
    """``source`` and every file of this project that it needs, as paths from ``root``.

    A module counts with each package around it whose ``__init__.py`` says more than a docstring, and with
    the files beside it that are not Python (a page's style sheet, a word list): code reads those.
    """
    found: set[Path] = set()
    queue = [source]
    while queue:
        path = queue.pop()
        if path in found:
            continue
        found.add(path)
        for name in _imported(root / path):
            queue.extend(_files(name, root))
    resources = {
        beside.relative_to(root)
        for folder in {path.parent for path in found}
        for beside in (root / folder).iterdir()
        if beside.is_file() and beside.suffix not in (".py", ".pyc") and not beside.name.startswith(".")
    }
    return found | resources


def sections(script: Path) -> set[str]:
    """The arguments of every ``section(...)`` call; the word that an edit's stage is given becomes ``${key}``.

    Raises:
        ValueError: a call whose argument cannot be read off the source.
    """
    found = set()
    for node in ast.walk(_parse(script)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "section":
            argument = node.args[0]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                found.add(argument.value)
            elif isinstance(argument, ast.JoinedStr):
                found.add("".join(str(v.value) if isinstance(v, ast.Constant) else "${key}" for v in argument.values))
            else:
                raise ValueError(
                    f"{script}:{node.lineno}: write the section's name out, so that its params can be listed"
                )
    return found


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _imported(path: Path) -> Iterator[str]:
    """Dotted names of the project that the file may import (a name after ``from x import`` may be a module)."""
    if path.suffix != ".py":
        return
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{path}:{node.lineno}: write the import with its full name")
            names = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] in PACKAGES)


def _files(name: str, root: Path) -> Iterator[Path]:
    """The file of module ``name`` if it is one, and the ``__init__.py`` on the way to it that hold code."""
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        init = Path(*parts[:depth], "__init__.py")
        if (root / init).is_file() and _has_code(root / init):
            yield init
    module = Path(*parts[:-1], f"{parts[-1]}.py")
    if (root / module).is_file():
        yield module


def _has_code(path: Path) -> bool:
    body = _parse(path).body
    return any(not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in body)
