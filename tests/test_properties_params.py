"""Hundreds of malformed params: each is refused in one line, or is not malformed after all."""

import copy
import json
import math
import re
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from ruamel.yaml import YAML

from prefactor.config.base import parse
from prefactor.config.params import read_params
from prefactor.config_check.pipeline import PipelineConfig, check
from tests.malformed import ODD, SAME, accepted_or_refused

TEXT = (Path(__file__).resolve().parent.parent / "params.yaml").read_text(encoding="utf-8")
LINES = TEXT.splitlines(keepends=True)
GOOD = json.loads(json.dumps(YAML(typ="safe").load(TEXT)))
KIND: TypeAdapter[Any] = TypeAdapter(PipelineConfig)
Place = tuple[str | int, ...]


def places(value: Any, here: Place = ()) -> list[Place]:
    """Where every value inside ``value`` is, itself included."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(place for key, member in members for place in places(member, (*here, key)))]


def at(value: Any, place: Place) -> Any:
    for key in place:
        value = value[key]
    return value


PLACES = places(GOOD)[1:]
NUMBERS = [place for place in PLACES if type(at(GOOD, place)) in (int, float)]
MAPPINGS = [(), *(place for place in PLACES if isinstance(at(GOOD, place), dict))]
REPEATABLE = [n for n, line in enumerate(LINES) if re.match(r"\s*[\w-]+: [^\s&]", line)]


def with_value(place: Place, value: Any) -> Any:
    params = copy.deepcopy(GOOD)
    at(params, place[:-1])[place[-1]] = value
    return params


def read(params: Any) -> None:
    check(parse(KIND, params, ""))


def test_the_unchanged_ones_are_accepted() -> None:
    with accepted_or_refused() as said:
        read(GOOD)
    assert not said


@SAME
@given(st.sampled_from(PLACES), ODD)
def test_any_value_anywhere(place: Place, value: Any) -> None:
    with accepted_or_refused():
        read(with_value(place, value))


@SAME
@given(st.sampled_from(PLACES))
def test_anything_left_out(place: Place) -> None:
    params = copy.deepcopy(GOOD)
    del at(params, place[:-1])[place[-1]]
    with accepted_or_refused():
        read(params)


@SAME
@given(st.sampled_from(NUMBERS), st.sampled_from(["1", "x", True, math.nan, -math.inf, [], {}, [1], 10**40]))
def test_what_is_no_number_is_refused_where_one_should_be(place: Place, value: Any) -> None:
    with accepted_or_refused() as said:
        read(with_value(place, value))
    assert said and str(place[0]) in said[0]


@SAME
@given(st.sampled_from(MAPPINGS), st.sampled_from([7, None, True, "tokns", "a\nb", "", 1.5, "\ud83d"]), ODD)
def test_no_key_is_added_without_a_word(place: Place, key: Any, value: Any) -> None:
    params = copy.deepcopy(GOOD)
    at(params, place)[key] = value
    with accepted_or_refused() as said:
        read(params)
    assert said


@SAME
@given(st.sampled_from(REPEATABLE))
def test_no_key_stands_twice(tmp_path_factory: Any, line: int) -> None:
    path = tmp_path_factory.getbasetemp() / "params.yaml"
    path.write_text("".join([*LINES[: line + 1], *LINES[line:]]), encoding="utf-8")
    with accepted_or_refused() as said:
        read(read_params(path))
    assert said and "duplicate key" in said[0] and f"line {line + 2}," in said[0]


SLIPS = st.sampled_from(
    ["", "\n", "  ", "\t", "&a ", "*a", "*german", "<<: ", "!!set ", "- ", "{", "]", '"', "#", "|\n", "\0", "%", "? ",
     "2024-13-45", "<<<<<<< HEAD\n", "\ud800", ": ", ".nan", "[" * 3000, "---\n", "\ufeff", "\x85"]
)  # fmt: skip


@SAME
@given(st.integers(0, len(TEXT)), st.integers(0, 40), SLIPS)
def test_a_slip_of_the_pen(tmp_path_factory: Any, start: int, length: int, put: str) -> None:
    path = tmp_path_factory.getbasetemp() / "params.yaml"
    path.write_bytes((TEXT[:start] + put + TEXT[start + length :]).encode("utf-8", "surrogatepass"))
    with accepted_or_refused():
        read(read_params(path))
