"""``params.yaml``: read as DVC reads it, and its typed sections."""

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from prefactor.config.base import parse
from prefactor.errors import ParamsError

PARAMS = Path("params.yaml")


def read_params(path: Path = PARAMS) -> dict[str, Any]:
    """``params.yaml`` as DVC reads it (YAML 1.2, no key twice).

    Raises:
        ParamsError: there is no such file, or it is not a YAML mapping; with the line.
    """
    try:
        value = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{path} is missing; run from the folder that has it (`git checkout {path.name}`)") from None
    except YAMLError as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        line = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "not YAML"
        problem = (error.problem if isinstance(error, MarkedYAMLError) else None) or "cannot be read"
        raise ParamsError(f"{path}: {line}: {problem.splitlines()[0]}; mend the YAML there") from None
    except UnicodeDecodeError as error:
        raise ParamsError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    except OSError as error:
        raise ParamsError(f"{path} cannot be read ({error.strerror}); mend that") from None
    except RecursionError:
        raise ParamsError(f"{path}: it is nested too deep to be read; mend the YAML") from None
    except (ValueError, TypeError) as error:  # a date with a 13th month, a tag that does not fit its value
        raise ParamsError(f"{path}: a value is not what it looks like ({error}); write it in quotes") from None
    if not isinstance(value, dict):
        raise ParamsError(f"{path} holds no sections; write one a stage (`corpus:`, `target:`, ...)")
    return value


def section(name: str, kind: Any, path: Path = PARAMS) -> Any:
    """The typed section ``name`` of ``params.yaml``; a dotted name reaches into a mapping (``edits.scalar``)."""
    value: Any = read_params(path)
    for key in name.split("."):
        if not isinstance(value, dict) or key not in value:
            raise ParamsError(f"{path}: {name} is missing; add that section")
        value = value[key]
    return parse(TypeAdapter(kind), value, name)
