"""Mean and standard deviation of many values, outliers left out; and how many values are not finite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.kernels._jit import kernel

if TYPE_CHECKING:
    from zeroframe.kernels._jit import Array

__all__ = ["clipped_mean_std", "count_not_finite32", "level_rows"]

#: A cut need not settle: each pass looks at all values, so that what one has cut may come back in the next.
_MOST_PASSES = 50


@kernel
def clipped_mean_std(values: Array, center: float, spread: float, cut: float, least: float) -> tuple[int, float, float]:
    """Return (count, mean, standard deviation) of the values within ``cut`` standard deviations of their mean.

    Parameters
    ----------
    values : float32 or float64, one-dimensional
        Not finite where masked; such values take no part.
    center, spread : float
        A first guess, which only decides where the first cut is.
    cut : float
        The cut is repeated until it changes nothing: 5 cuts 6e-7 of a normal distribution, which changes its sigma by
        1e-5.
    least : float
        No smaller standard deviation is cut by. Values in steps may all but pile up on one of them: without this, each
        cut would leave less, and in the end nothing but that one.

    Returns
    -------
    count : int
    mean, std : float
        The standard deviation is divided by n. NaN where no value is left.
    """
    low = center - cut * max(spread, least)
    high = center + cut * max(spread, least)
    before = -1
    count = 0
    mean = np.nan
    std = np.nan
    for _ in range(_MOST_PASSES):
        count = 0
        total = 0.0
        squares = 0.0
        for i in range(values.size):
            x = np.float64(values[i])
            inside = low <= x <= high
            # differences from the first guess, so that no digits cancel
            d = x - center if inside else 0.0
            count += 1 if inside else 0
            total += d
            squares += d * d
        if count == 0:
            return 0, np.nan, np.nan
        shift = total / count
        mean = center + shift
        std = np.sqrt(max(squares / count - shift * shift, 0.0))  # rounding may leave a little less than zero
        if count == before:
            break
        before = count
        last_low, last_high = low, high
        low = mean - cut * max(std, least)
        high = mean + cut * max(std, least)
        # the very same values have the same sums: to compare is vector code, four times as fast as to add in order
        if _count_between(values, last_low, last_high, low, high) == 0:
            break
    return count, mean, std


@kernel
def _count_between(values: Array, low: float, high: float, other_low: float, other_high: float) -> int:
    """Return how many values lie within one range and not within the other."""
    count = 0
    for i in range(values.size):
        x = np.float64(values[i])
        one = (x >= low) & (x <= high)
        other = (x >= other_low) & (x <= other_high)
        count += 1 if one != other else 0
    return count


@kernel
def level_rows(values: Array, center: float, spread: float, cut: float, least: float) -> None:
    """Subtract from each row, in place, its mean, outliers left out; parameters as in `clipped_mean_std`.

    ``values`` is two-dimensional, C order. A row without a valid value becomes NaN.
    """
    for y in range(values.shape[0]):
        row = values[y]
        _, mean, _ = clipped_mean_std(row, center, spread, cut, least)
        for x in range(row.size):
            row[x] -= mean


@kernel
def count_not_finite32(words: Array) -> int:
    """Return how many of some float32, seen as uint32 and flattened, are infinite or NaN."""
    count = 0
    for i in range(words.size):
        # all bits of the exponent set: infinity, or NaN
        count += 1 if (words[i] & np.uint32(0x7F800000)) == np.uint32(0x7F800000) else 0
    return count
