"""What the property tests share: odd values, and what a refusal must be."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from prefactor.errors import PrefactorError
from prefactor.printable import hidden

# The same examples on every run and machine, and none blamed for a busy one.
BUSY = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large, HealthCheck.large_base_example]
SAME = settings(derandomize=True, deadline=None, max_examples=200, suppress_health_check=BUSY)

ODD = st.one_of(
    st.sampled_from(
        [None, True, False, 0, -1, 2**31, 2**63, 10**30, 0.5, -0.0, 1e308, float("nan"), float("inf"), float("-inf"),
         "", " ", "x", "0", "null", "a\nb", "\x1b[31m", "\0", "\ud800", "é", "(", "*" * 300, b"bytes", [], {},
         date(2024, 1, 1), [[]], [None], {"": 0}, {1: 2}, {None: 1}, {True: 1}, {"a\nb": {}}, {date(2024, 1, 1): 0},
         {1, 2}, (1, 2)]
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    ),
)  # fmt: skip


@contextmanager
def accepted_or_refused() -> Iterator[list[str]]:
    """The block may end, or in a refusal of one line; what it was is put into the list. Anything else is a failure."""
    said: list[str] = []
    try:
        yield said
    except PrefactorError as error:
        message = str(error)
        assert message.strip() and not any(map(hidden, message)), message
        said.append(message)
