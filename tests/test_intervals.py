"""Intervals against the printed t-table."""

import pytest

from prefactor.errors import PrefactorError
from prefactor.evaluate.intervals import interval, t_quantile


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.7062), (4, 2.7764), (9, 2.2622), (10, 2.2281), (20, 2.0860), (100, 1.9840)]
)
def test_quantiles_are_those_of_the_printed_table(freedom: int, quantile: float) -> None:
    assert t_quantile(freedom) == pytest.approx(quantile, abs=1e-4)


def test_interval_of_five_values() -> None:
    # mean 3, standard deviation sqrt(2.5), standard error sqrt(0.5)
    half = 2.776445 * 0.5**0.5
    assert interval([1, 2, 3, 4, 5]) == pytest.approx({"mean": 3, "low": 3 - half, "high": 3 + half})


def test_one_value_has_no_spread() -> None:
    assert interval([0.25]) == {"mean": 0.25, "low": 0.25, "high": 0.25}


def test_no_value_is_an_error() -> None:
    with pytest.raises(PrefactorError, match="at least one value"):
        interval([])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_an_error_with_a_remedy(value: float) -> None:
    with pytest.raises(PrefactorError, match="the edit has broken the model; lower its learning rate"):
        interval([1.0, value])
