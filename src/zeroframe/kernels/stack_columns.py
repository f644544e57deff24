"""One pixel of a stack, its values sorted: what is rejected, and what comes out of the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.kernels._jit import kernel
from zeroframe.kernels.stack_limits import MAD_TO_SIGMA, MEDIAN, PAIR_REACH, SUM, spread_with_floor

if TYPE_CHECKING:
    from zeroframe.kernels._jit import Array
    from zeroframe.kernels.stack_limits import Limits

__all__ = ["keep_run", "reduce_sorted", "survivors"]


@kernel
def _median_sorted(values: Array, first: int, end: int) -> float:
    """Median of values[first:end], which are sorted."""
    n = end - first
    return 0.5 * (np.float64(values[first + (n - 1) // 2]) + np.float64(values[first + n // 2]))


@kernel
def _mad_sorted(values: Array, first: int, end: int, median: float) -> float:
    """Median absolute deviation of values[first:end], which are sorted."""
    n = end - first
    total = 0.0
    # the two deviations in the middle, which are one and the same of an odd number; as `mad_block` finds them
    for k in ((n + 1) // 2, n // 2 + 1):
        smallest = np.inf
        for i in range(first, end - k + 1):
            below = median - np.float64(values[i])
            above = np.float64(values[i + k - 1]) - median
            smallest = min(smallest, max(below, above))
        total += smallest
    return 0.5 * total


@kernel
def _mean_std_sorted(values: Array, first: int, end: int, origin: float) -> tuple[float, float]:
    """Mean and standard deviation (divided by n) of values[first:end]."""
    n = end - first
    total = 0.0
    squares = 0.0
    for i in range(first, end):
        d = np.float64(values[i]) - origin  # from a value near the mean, so that no digits cancel in the squares
        total += d
        squares += d * d
    shift = total / n
    return origin + shift, np.sqrt(max(squares / n - shift * shift, 0.0))


@kernel
def _center_spread_sorted(values: Array, first: int, end: int, limits: Limits) -> tuple[float, float]:
    """Center and spread that decide the clipping of values[first:end]."""
    median = _median_sorted(values, first, end)
    mean = median
    std = 0.0
    if limits.center_is_mean or limits.spread_is_std:
        mean, std = _mean_std_sorted(values, first, end, median)
    center = mean if limits.center_is_mean else median
    # absolute deviations are taken from the median whatever the center is, as astropy's mad_std does
    spread = std if limits.spread_is_std else MAD_TO_SIGMA * _mad_sorted(values, first, end, median)
    return center, spread_with_floor(spread, center, limits)


@kernel
def _lowest_together(values: Array, first: int, end: int, limits: Limits) -> int:
    """Return where those of values[first:end], which are sorted, end that lie within reach of the lowest.

    Their noise is that of the lowest: the photon noise of their mean would be that of the hit, too, and of hits of 8 to
    16 sigma in two darks all would stay.
    """
    reach = PAIR_REACH * spread_with_floor(0.0, np.float64(values[first]), limits) * limits.sigma_high
    last = first + 1
    while last < end and np.float64(values[last]) - np.float64(values[first]) <= reach:
        last += 1
    return last


@kernel
def survivors(values: Array, n: int, frames: int, limits: Limits) -> tuple[int, int]:
    """Return (first, end): what is left of values[:n], which are sorted, after every kind of rejection.

    Each kind takes from the two ends of the sorted values, so what is left is always one run. Where the noise is known,
    and all values lie too far from their median, the lowest stay: hits only add.
    """
    first = 0
    end = n
    while first < end and values[first] < limits.value_low:
        first += 1
    while end > first and values[end - 1] > limits.value_high:
        end -= 1
    n = end - first
    # IRAF's minmax: where values are missing, the same fraction is dropped, cut to a whole number
    first += limits.drop_low * n // frames
    end -= limits.drop_high * n // frames
    if limits.sigma_low == np.inf and limits.sigma_high == np.inf:
        return first, end
    for _ in range(limits.iterations):
        if end <= first:
            break
        center, spread = _center_spread_sorted(values, first, end, limits)
        if limits.floor_only and end - first == 2:
            end = _lowest_together(values, first, end, limits)
            break
        low = center - spread * limits.sigma_low if limits.sigma_low < np.inf else -np.inf
        high = center + spread * limits.sigma_high if limits.sigma_high < np.inf else np.inf
        before = end - first
        start, stop = first, end
        while first < end and values[first] < low:
            first += 1
        while end > first and values[end - 1] > high:
            end -= 1
        if limits.floor_only and end <= first:
            # half of the values are hits, and the median lies between
            first, end = start, _lowest_together(values, start, stop, limits)
            break
        if end - first == before:
            break
    return first, end


@kernel
def reduce_sorted(values: Array, first: int, end: int, statistic: int) -> tuple[float, float]:
    """Return the result and its uncertainty from values[first:end]."""
    n = end - first
    if n <= 0:
        return np.nan, np.nan
    median = _median_sorted(values, first, end)
    if statistic == MEDIAN:
        return median, MAD_TO_SIGMA * _mad_sorted(values, first, end, median) / np.sqrt(n)
    mean, std = _mean_std_sorted(values, first, end, median)
    if statistic == SUM:
        return mean * n, std * np.sqrt(n)
    return mean, std / np.sqrt(n)


@kernel
def keep_run(stack: Array, pixel: int, values: Array, first: int, end: int, n: int) -> None:
    """Put NaN into one column of the stack for all but values[first:end] of its n sorted values."""
    low = values[first] if end > first else np.inf
    high = values[end - 1] if end > first else np.inf
    # values equal to the lowest or the highest that is kept may have been dropped: as many are dropped here, those of
    # the first frames
    ties_low = 0
    while first - ties_low > 0 and values[first - ties_low - 1] == low:
        ties_low += 1
    ties_high = 0
    while end + ties_high < n and values[end + ties_high] == high:
        ties_high += 1
    for i in range(stack.shape[0]):
        x = stack[i, pixel]
        drop = end <= first or x < low or x > high
        if not drop and x == low and ties_low > 0:
            ties_low -= 1
            drop = True
        elif not drop and x == high and ties_high > 0:
            ties_high -= 1
            drop = True
        if drop:
            stack[i, pixel] = np.nan
