"""An entry more in params: what people wrote stays, line by line, and what is read is what was meant."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from prefactor.export.yaml_lines import with_entry

ROOT = Path(__file__).resolve().parent.parent
TEXT = """# of two
first: {a: 1}
edits: # by name
  one: # the first
    {method: scalar, top: &top 8}
  two: {method: scalar, top: *top}

  # the last of them
  three:
    method: guarded
# what comes next
rewrite: null
"""
NAMES = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def test_it_comes_last_in_its_section_and_no_line_is_touched() -> None:
    text = with_entry(TEXT, "edits", "found", {"method": "guarded", "alpha": {"by": "hand", "values": [-1.5, 2.0]}})
    assert text is not None
    new = """  found:
    method: guarded
    alpha:
      by: hand
      values: [-1.5, 2.0]
"""
    assert text == TEXT.replace("    method: guarded\n", "    method: guarded\n" + new)


@pytest.mark.parametrize(
    "text",
    ["edits: {one: 1}\n", "other:\n  one: 1\n", "edits:\n", "a: 1\n", "edits: &x\n  one: 1\n", "edits:\n- one\n"],
)
def test_a_section_that_is_written_otherwise_is_left_to_others(text: str) -> None:
    assert with_entry(text, "edits", "found", 1) is None


@given(NAMES, VALUES)
def test_what_is_read_back_is_what_was_meant(name: str, value: object) -> None:
    text = with_entry(TEXT, "edits", name, value)
    if text is not None:
        wanted = yaml.safe_load(TEXT)
        wanted["edits"][name] = value
        assert yaml.safe_load(text) == wanted
        kept = iter(text.splitlines())
        assert all(line in kept for line in TEXT.splitlines()), "every line, in its order"


def test_the_defaults_params_take_one(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    assert with_entry(text, "edits", "found", {"method": "scalar"}) and with_entry(
        text, "shortlists", "found", {"a": 1}
    )
    assert with_entry(text.rstrip(), "edits", "found", {"method": "scalar"})
