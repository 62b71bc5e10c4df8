"""What every stage script shares: its typed params, and errors as one line with exit code 2."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from prefactor.config.base import parse
from prefactor.errors import ParamsError, PrefactorError

DATA = Path("data")  # what the stages write, kept by DVC
RUNS = Path(".runs")  # checkpoints of stages that were interrupted: of this machine, known to neither git nor DVC
PARAMS = Path("params.yaml")


def read_params() -> dict[str, Any]:
    """``params.yaml`` as DVC reads it (YAML 1.2, no key twice).

    Raises:
        ParamsError: there is no such file, or it is not a YAML mapping; with the line.
    """
    try:
        value = YAML(typ="safe").load(PARAMS.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{PARAMS} is missing; run from the folder that has it (`git checkout {PARAMS}`)") from None
    except YAMLError as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        line = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "not YAML"
        problem = (error.problem if isinstance(error, MarkedYAMLError) else None) or "cannot be read"
        raise ParamsError(f"{PARAMS}: {line}: {problem.splitlines()[0]}; mend the YAML there") from None
    except UnicodeDecodeError as error:
        raise ParamsError(f"{PARAMS}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    if not isinstance(value, dict):
        raise ParamsError(f"{PARAMS} holds no sections; write one a stage (`corpus:`, `target:`, ...)")
    return value


def section(name: str, kind: Any) -> Any:
    """The typed section ``name`` of ``params.yaml``; a dotted name reaches into a mapping (``edits.scalar``)."""
    value: Any = read_params()
    for key in name.split("."):
        if not isinstance(value, dict) or key not in value:
            raise ParamsError(f"{PARAMS}: {name} is missing; add that section")
        value = value[key]
    return parse(TypeAdapter(kind), value, name)


def run(main: Callable[..., None]) -> None:
    """Call ``main`` with the command line's words; an error the user can act on is one line and exit code 2."""
    try:
        main(*sys.argv[1:])
    except PrefactorError as error:
        print(f"prefactor: error: {error}", file=sys.stderr)
        sys.exit(2)
