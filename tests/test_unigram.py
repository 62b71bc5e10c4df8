"""The floor that a target must beat: token frequencies, by hand."""

import math

import numpy as np
import pytest

from prefactor.errors import PrefactorError
from prefactor.model.unigram import check_better_than_unigram, unigram_ce


def test_frequencies_are_add_one_and_of_the_tokens_that_are_predicted() -> None:
    fit = np.array([[0, 0, 1], [0, 2, 2]])  # 3, 1, 2 and none of a fourth: 4, 2, 3 and 1 of 10
    assert unigram_ce(fit, np.array([[3, 0, 2]]), 4) == pytest.approx(-(math.log(0.4) + math.log(0.3)) / 2)
    assert unigram_ce(fit, np.array([[0, 3], [0, 1]]), 4) == pytest.approx(-(math.log(0.1) + math.log(0.2)) / 2)
    assert unigram_ce(fit, np.array([[3, 0, 2]]), 5) == pytest.approx(-(math.log(4 / 11) + math.log(3 / 11)) / 2)


@pytest.mark.parametrize("ce", [4.6, 5.0, math.nan, math.inf])
def test_a_target_that_knows_no_more_is_refused_by_domain(ce: float) -> None:
    check_better_than_unigram({"en": 4.59, "de": 1.0}, {"en": 4.6, "de": 4.6})
    with pytest.raises(PrefactorError, match=r"no better than unigram on domain 'de' .*: train it longer"):
        check_better_than_unigram({"en": 1.0, "de": ce}, {"en": 4.6, "de": 4.6})
