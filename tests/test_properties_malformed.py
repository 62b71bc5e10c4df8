"""Params that are malformed as files are: the wrong shape at depth, aliases that run in circles, other encodings."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefactor.config.params import read_params
from prefactor.printable import visible
from tests.malformed import SAME, accepted_or_refused
from tests.test_properties_params import GOOD, LINES, MAPPINGS, NUMBERS, TEXT, Place, at, read, with_value

FEWER = settings(SAME, max_examples=80)
SHAPES: list[Any] = [[], [1], ["a", "b"], [{}], "text", 7, True, 1e400, "\x1b[31m", [[[]]]]
OPENED = [n for n, line in enumerate(LINES) if line.rstrip().endswith(":")]  # a mapping begins in the next line


def last_name(place: Place) -> str:
    return str(next(key for key in reversed(place) if isinstance(key, str)))


@FEWER
@given(st.sampled_from(MAPPINGS[1:]), st.sampled_from(SHAPES))
def test_a_list_or_a_scalar_where_a_mapping_belongs_is_refused_by_its_key(place: Place, value: Any) -> None:
    with accepted_or_refused() as said:
        read(with_value(place, value))
    assert said and last_name(place) in said[0]


@FEWER
@given(st.sampled_from(NUMBERS), st.sampled_from([10**400, -(10**400), 1e400, {"a": 1}, [[1]], "1e3", "\0", "NaN"]))
def test_no_huge_number_and_no_text_for_one(place: Place, value: Any) -> None:
    with accepted_or_refused() as said:
        read(with_value(place, value))
    assert said and last_name(place) in said[0] and len(said[0]) < 1000


@FEWER
@given(st.sampled_from(MAPPINGS), st.text(min_size=1, max_size=12))
def test_an_unknown_key_is_named_at_every_level(place: Place, key: str) -> None:
    params = copy.deepcopy(GOOD)
    if key in at(params, place):
        return
    at(params, place)[key] = "nothing"
    with accepted_or_refused() as said:
        read(params)
    assert said and any(visible(word) in said[0] for word in (key, json.dumps(key), *map(str, place[-1:])))


@FEWER
@given(st.sampled_from(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "cp037"]), st.booleans())
def test_another_encoding_is_refused_or_reads_the_same(tmp_path_factory: Any, encoding: str, crlf: bool) -> None:
    path = tmp_path_factory.getbasetemp() / "params.yaml"
    path.write_bytes((TEXT.replace("\n", "\r\n") if crlf else TEXT).encode(encoding))
    with accepted_or_refused() as said:
        assert read_params(path) == GOOD
    assert not said or "params.yaml" in said[0]


@FEWER
@given(st.sampled_from(OPENED), st.sampled_from([b"\xe9", b"\xff", b"\xc3(", b"\xed\xa0\x80", b"\x80", b"\xf8\x88"]))
def test_a_byte_of_latin_1_is_refused_by_its_place(tmp_path_factory: Any, line: int, byte: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "params.yaml"
    head, tail = "".join(LINES[:line]).encode(), "".join(LINES[line:]).encode()
    path.write_bytes(head + b"# caf" + byte + b"\n" + tail)
    with accepted_or_refused() as said:
        read_params(path)
    assert said and f"byte {len(head) + 5} is not UTF-8" in said[0]


CIRCLES = [
    "&x [*x]",
    "&x {a: *x}",
    "&x {<<: *x}",
    "&x [[*x], *x]",
    "*nowhere",
    "{<<: [1]}",
    "{<<: 7}",
    "{? [a] : b}",
]


@FEWER
@given(st.sampled_from(MAPPINGS[1:]), st.sampled_from(CIRCLES))
def test_aliases_in_circles_are_refused(tmp_path_factory: Any, place: Place, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "params.yaml"
    written = json.dumps(with_value(place, "PUT HERE"))  # which is YAML, too
    path.write_text(written.replace('"PUT HERE"', text), encoding="utf-8")
    with accepted_or_refused() as said:
        read(read_params(path))
    assert said and (last_name(place) in said[0] or "params.yaml: line 1" in said[0])


@pytest.mark.timeout(60)
@pytest.mark.parametrize("place", [place for place in MAPPINGS[1:] if len(place) == 1], ids=str)
def test_aliases_that_multiply_do_not_fill_the_memory(tmp_path: Path, place: Place) -> None:
    laughs = ["x0: &x0 [lol, lol]", *(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]" for n in range(1, 30))]
    rest = "".join(f"{key}: {json.dumps(value)}\n" for key, value in GOOD.items() if key != place[0])
    path = tmp_path / "params.yaml"
    path.write_text("\n".join([*laughs, f"{place[0]}: *x29", rest]), encoding="utf-8")
    with accepted_or_refused() as said:
        read(read_params(path))
    assert said and len(said[0]) < 1000
