"""What params are made of: mappings with text keys, lists, texts, numbers, true, false and null; as JSON has them.

YAML has more (dates, sets, keys that are numbers, a value inside itself), and people meet it by accident: an edit
called ``2024`` is a number, and DVC makes no stage of it.
"""

import json
from typing import Any

from prefactor.errors import ParamsError

DEEPEST = 50  # mappings and lists inside one another
MOST = 100_000  # values; an alias of an alias of an alias makes more of them than a machine has memory for
LARGEST = 2**63  # of whole numbers


def check_plain(value: Any, where: str) -> None:
    """Check that ``value`` is made of nothing else, and is not too large or deep; ``where`` is its path in params.

    Raises:
        ParamsError: something in it is not so, with its path, what YAML made of it, and the remedy.
    """
    count = 0
    todo: list[tuple[str, int, Any]] = [(where, 0, value)]  # no recursion: the depth is what is checked
    while todo:
        path, depth, value = todo.pop()
        count += 1
        if depth > DEEPEST:
            _refuse(path, f"lies more than {DEEPEST} levels deep, or inside itself", "take it out")
        if count > MOST:
            _refuse(path, f"holds more than {MOST} values, aliases included", "take some out")
        if isinstance(value, dict):
            for key in value:
                if not isinstance(key, str):
                    _refuse(path, f"has the key {key!r}, which YAML reads as {_kind(key)}", "write it in quotes")
                _check_text(path, key)
            todo += [(f"{path}.{key}" if path else key, depth + 1, member) for key, member in reversed(value.items())]
        elif isinstance(value, list | tuple):
            todo += [(f"{path}.{place}", depth + 1, member) for place, member in reversed(list(enumerate(value)))]
        elif isinstance(value, str):
            _check_text(path, value)
        elif isinstance(value, int) and not -LARGEST < value < LARGEST:
            _refuse(path, "is a whole number of more than 63 bits", "write a smaller one")
        elif value is not None and not isinstance(value, bool | int | float):
            _refuse(path, f"is {value!r}, which YAML reads as {_kind(value)}", "write it in quotes, or as a list")


def short(value: Any) -> str:
    """``value`` as JSON, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _check_text(path: str, text: str) -> None:
    if any("\ud800" <= character <= "\udfff" or character == "\0" for character in text):
        _refuse(path, f"has the text {short(text)} with a character that is none", "take the escape out")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    kinds = {int: "a number", float: "a number", type(None): "nothing", bytes: "bytes", tuple: "a list"}
    return next((word for kind, word in kinds.items() if isinstance(value, kind)), f"a {type(value).__name__}")


def _refuse(path: str, what: str, remedy: str) -> None:
    shown = path if len(path) <= 120 else f"{path[:117]}..."
    raise ParamsError(f"params.yaml: {shown or 'the whole'} {what[:200]}; {remedy}")
