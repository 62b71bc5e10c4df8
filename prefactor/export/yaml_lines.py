"""One more entry in a YAML file that people write: every line of theirs stays as it is."""

import re
from typing import Any

import yaml


def with_entry(text: str, section: str, key: str, value: Any) -> str | None:
    """``text`` with ``key: value`` at the end of ``section``, a mapping at the top level that is written in blocks.

    ``None`` where it is not written so, or lines cannot say it: then the whole has to be written anew.
    """
    lines = text.splitlines(keepends=True)
    begin = next((n for n, line in enumerate(lines) if re.match(rf"{re.escape(section)}:\s*(#.*)?$", line)), None)
    if begin is None:
        return None
    end, indent = begin + 1, ""
    for number, line in enumerate(lines[begin + 1 :], begin + 1):
        if line.strip() and not line.startswith((" ", "#")):
            break
        if line.startswith(" ") and line.strip():
            end = number + 1
            indent = indent or line[: len(line) - len(line.lstrip())]
    if not indent:
        return None
    if not lines[end - 1].endswith("\n"):
        lines[end - 1] += "\n"
    entry = yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    lines[end:end] = [indent + line for line in entry.splitlines(keepends=True)]
    wanted, found = _read(text), _read("".join(lines))
    if not isinstance(wanted, dict) or not isinstance(wanted.get(section), dict):
        return None
    wanted = {**wanted, section: {**wanted[section], key: value}}
    return "".join(lines) if found == wanted and list(found[section]) == list(wanted[section]) else None


def _read(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None
