"""Keep ``dvc.yaml``'s code deps true: ``python -m flows.deps`` rewrites them from what each stage script imports.

Only entries under ``stages/`` and ``prefactor/`` are touched; data deps, params and comments stay as written.
A test asserts that there is nothing to rewrite.
"""

import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from flows.closure import PACKAGES, imports

DAG = Path("dvc.yaml")


def stages(dag: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and definition of each stage; of an expanded one, what is under ``do``."""
    for name, stage in dag["stages"].items():
        yield name, stage.get("do", stage)


def script(stage: dict[str, Any]) -> Path:
    """The script a stage runs: ``python -m stages.NAME`` -> ``stages/NAME.py``."""
    match = re.match(r"python -m (stages\.\w+)( |$)", stage["cmd"])
    if match is None:
        raise ValueError(f"{DAG}: cmd: {stage['cmd']!r} does not start with `python -m stages.NAME`")
    return Path(*match[1].split(".")).with_suffix(".py")


def is_code(dep: Any) -> bool:
    return isinstance(dep, str) and dep.split("/")[0] in PACKAGES


def rewritten(text: str, root: Path) -> str:
    """``dvc.yaml``'s ``text`` with the code deps of each stage replaced by its import closure; data deps follow."""
    yaml = YAML()
    yaml.width = 120
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    dag = yaml.load(text)
    for _, stage in stages(dag):
        if (root / script(stage)).is_file():
            code = sorted(path.as_posix() for path in imports(script(stage), root))
            stage["deps"][:] = code + [dep for dep in stage["deps"] if not is_code(dep)]
    out = io.StringIO()
    yaml.dump(dag, out)
    return out.getvalue()


def main() -> None:
    before = DAG.read_text(encoding="utf-8")
    after = rewritten(before, Path())
    if after != before:
        DAG.write_text(after, encoding="utf-8")
    print(f"{DAG}: {'code deps rewritten' if after != before else 'nothing to change'}", file=sys.stderr)


if __name__ == "__main__":
    main()
