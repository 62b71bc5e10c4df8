"""Records of a JSON file in any of the forms that people have: lines, arrays, records under a key; pretty or not."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TextIO

from prefactor.corpus.opening import open_text
from prefactor.errors import PrefactorError

CHUNK = 1 << 16  # characters read at a time
BLANK = "\ufeff \t\r\n"  # a byte order mark stands at the start of each shard of what was joined
LINE = 1 << 20  # characters of a line that are looked at to tell the form
NO_RECORD = None  # in the place of what is no record
_BROKEN = object()  # in the place of what is no JSON


def records(path: Path, text: str) -> Iterator[dict[str, Any] | None]:
    """Every record, and None for what stands where a record should be.

    A list among the records (a line of JSONL is one, or holds one under a key) counts with its own records. An array is
    read piece by piece; an object over several lines is read as a whole.

    Args:
        text: the column that makes an object a record, where it might hold records instead.

    Raises:
        PrefactorError: it is no JSON in any of these forms, or holds several lists of records.
    """
    form = _form(path)
    with open_text(path) as stream:
        values = {"lines": _lines, "array": _array, "whole": _whole}[form](stream, path)
        for value in values:
            yield from _expand(value, text, path)


def _expand(value: Any, text: str, path: Path) -> Iterator[dict[str, Any] | None]:
    if isinstance(value, list) and value:
        for member in value:
            yield from _expand(member, text, path) if isinstance(member, dict) else (NO_RECORD,)
        return
    if not isinstance(value, dict):
        yield NO_RECORD
        return
    lists = {} if text in value else {key: held for key, held in value.items() if _are_records(held, text)}
    if len(lists) > 1:
        raise PrefactorError(f"{path} has several lists of records ({', '.join(lists)}); make a file of each")
    yield from next(iter(lists.values())) if lists else (value,)


def _are_records(value: Any, text: str) -> bool:
    dicts = isinstance(value, list) and all(isinstance(member, dict) for member in value)
    return dicts and any(text in member for member in value)


def _form(path: Path) -> Literal["lines", "array", "whole"]:
    """By the first two lines with anything on them."""
    with open_text(path) as stream:
        first, whole = _next_line(stream)
        second, _ = _next_line(stream)
    alone = whole and _is_json(first)
    if first.startswith("[") and not alone:
        return "array"
    if first.startswith("{") and not alone and not (second if not whole else _is_json(second)):
        return "whole"
    return "lines"


def _next_line(stream: TextIO) -> tuple[str, bool]:
    """The beginning of the next line that is not blank, without blanks around it; and whether that is all of it."""
    line = ""
    while not line.strip(BLANK):
        line = stream.readline(LINE)
        if not line:
            return "", True
    whole = len(line) < LINE or line.endswith("\n")
    rest = line
    while rest and not rest.endswith("\n"):
        rest = stream.readline(LINE)
    return line.strip(BLANK), whole


def _is_json(line: str) -> bool:
    return _parsed(line) is not _BROKEN


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return _BROKEN


def _lines(stream: TextIO, path: Path) -> Iterator[Any]:
    for line in stream:
        if line := line.strip(BLANK):
            value = _parsed(line)
            yield NO_RECORD if value is _BROKEN else value


def _whole(stream: TextIO, path: Path) -> Iterator[Any]:
    """The object that the file is, or the objects one after the other."""
    decode, whole, at = json.JSONDecoder().raw_decode, stream.read().strip(BLANK), 0
    while at < len(whole):
        try:
            value, at = decode(whole, at)
        except (ValueError, RecursionError) as error:
            raise _no_json(path, error) from None
        yield value
        at = _skip(whole, at)


def _array(stream: TextIO, path: Path) -> Iterator[Any]:
    """The members of an array, each as soon as it is there."""
    decode = json.JSONDecoder().raw_decode
    buffer, at, size = stream.read(CHUNK).lstrip(BLANK), 1, CHUNK  # after the bracket
    while True:
        at = _skip(buffer, at)
        if buffer.startswith("]", at):
            break
        try:
            value, end = decode(buffer, at)
            if end == len(buffer):  # there may be more of a number
                raise json.JSONDecodeError("Unterminated array", buffer, end)
        except (ValueError, RecursionError) as error:
            more = "" if isinstance(error, RecursionError) else stream.read(size)
            if not more:
                raise _no_json(path, error) from None
            buffer, at, size = buffer[at:] + more, 0, 2 * size
            continue
        yield value
        at, size = end, CHUNK
        if at > CHUNK:
            buffer, at = buffer[at:], 0
    if buffer[at + 1 :].strip() or any(chunk.strip() for chunk in iter(lambda: stream.read(CHUNK), "")):
        raise PrefactorError(f"{path} goes on after the bracket that closes its array; make one array of it, or lines")


def _skip(buffer: str, at: int) -> int:
    """Where the next member or the closing bracket is."""
    while at < len(buffer) and buffer[at] in " \t\r\n,":
        at += 1
    return at


def _no_json(path: Path, error: Exception) -> PrefactorError:
    what = "nested too deep" if isinstance(error, RecursionError) else str(error)
    return PrefactorError(f"{path} is no JSON ({what}); mend it or leave it out")
