"""A mean and its 95 % intervals, over a handful of draws and over many pieces of text.

The two say different things, and neither stands for the other: how far other target tokens would have led elsewhere,
and how far other text to measure on would have said something else.
"""

from collections.abc import Sequence
from math import isfinite
from statistics import NormalDist, fmean, stdev
from typing import Any

import numpy as np

from prefactor.errors import PrefactorError

# 97.5 % quantiles of Student's t for 1 to 9 degrees of freedom, where the expansion below is too coarse.
_T_SMALL = (12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157)


def t_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's t with ``freedom`` >= 1 degrees of freedom, good to 1e-4."""
    if freedom <= len(_T_SMALL):
        return _T_SMALL[freedom - 1]
    # Cornish-Fisher expansion around the normal quantile (Abramowitz and Stegun 26.7.5).
    z, n = NormalDist().inv_cdf(0.975), float(freedom)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    fourth = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160
    return z + first / n + second / n**2 + third / n**3 + fourth / n**4


Figure = dict[str, Any]  # mean, draws, low and high over draws, text_low and text_high over blocks of text


def interval(values: Sequence[float]) -> Figure:
    """``{"mean", "draws", "low", "high"}`` of ``values``: the 95 % Student t interval of their mean, in their unit.

    A single value has no spread to estimate: low and high are then None.

    Raises:
        PrefactorError: there is no value, or one is not finite.
    """
    if not values:
        raise PrefactorError(
            "an interval needs at least one value, got 0: check that the edit was fitted and evaluated"
        )
    if not all(map(isfinite, values)):
        raise PrefactorError(
            "a value is infinite or no number: the edit has broken the model; lower its learning rate or its prefactor"
        )
    mean, draws = fmean(values), len(values)
    if draws == 1:
        return {"mean": mean, "draws": 1, "low": None, "high": None}
    half = t_quantile(draws - 1) * stdev(values) / draws**0.5
    return {"mean": mean, "draws": draws, "low": mean - half, "high": mean + half}


def figure(values: Sequence[float], errors: Sequence[float], blocks: int) -> Figure:
    """:func:`interval` of ``values``, one a draw, and with ``text_low`` and ``text_high`` what other text leaves open.

    The latter is the 95 % interval over blocks of the evaluated text, the draws as they are. All draws are measured on
    the same blocks, so that the error of their mean is at most the mean of their errors, which is taken.

    Args:
        errors: the standard error over blocks of each of ``values``.
        blocks: of the text.

    Raises:
        PrefactorError: there is no value, or one is not finite.
    """
    over_draws = interval(values)
    if blocks < 2:
        return over_draws | {"text_low": None, "text_high": None}
    mean, half = over_draws["mean"], t_quantile(blocks - 1) * fmean(errors)
    return over_draws | {"text_low": mean - half, "text_high": mean + half}


def bootstrap(values: Sequence[float], seed: int, draws: int = 2000) -> dict[str, float]:
    """``{"mean", "low", "high"}`` of ``values``: the 95 % percentile bootstrap interval of their mean.

    For values from many blocks of text, whose damage is far from normal: a few carry most of it.

    Raises:
        PrefactorError: there is no value.
    """
    if not len(values):
        raise PrefactorError("a bootstrap needs at least one value, got 0: raise the tokens that are evaluated")
    array = np.asarray(values, dtype=np.float64)
    rows = np.random.default_rng(seed).integers(0, len(array), (draws, len(array)))
    low, high = np.quantile(array[rows].mean(1), (0.025, 0.975))
    return {"mean": float(array.mean()), "low": float(low), "high": float(high)}
