"""Numbers as the page has them, and the scale of its plots."""

import pytest

from prefactor.report import words
from prefactor.report.plots import symlog


@pytest.mark.parametrize(("value", "text"), [(0.001234, "0.00123"), (-9.84, "−9.84"), (1234.5, "1,234"), (0.0, "0")])
def test_significant(value: float, text: str) -> None:
    assert words.significant(value) == text


def test_signed_has_no_negative_zero() -> None:
    assert [words.signed(x) for x in (-0.001, 0.034, -0.5)] == ["+0.00", "+0.03", "−0.50"]


def test_durations_and_magnitudes() -> None:
    assert [words.duration(x) for x in (1.25, 59.7, 75.2, 3725)] == ["1.2 s", "1 min 0 s", "1 min 15 s", "1 h 2 min"]
    assert [words.magnitude(x) for x in (0, 512, 20480, 1.2e13)] == ["–", "512", "20.5 k", "12.0 T"]


def test_symlog_is_odd_and_keeps_order() -> None:
    places = [symlog(x) for x in (-1, -0.01, 0, 0.001, 0.01, 0.1, 5)]
    assert places == sorted(places)
    assert symlog(0) == 0
    assert symlog(-0.3) == -symlog(0.3)
