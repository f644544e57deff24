"""Frames of unequal noise, pixel by pixel: what their noise does not explain is rejected, the rest weighs by it.

Of one form with the kernels of `zeroframe.kernels.stack`, and one array more:

``variances``
    float64, shape (frames,): variance of a scaled value of each frame, over that which ``limits`` say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.kernels._jit import kernel
from zeroframe.kernels.stack_blocks import load_block, median_block, sort_block
from zeroframe.kernels.stack_limits import spread_with_floor

if TYPE_CHECKING:
    from zeroframe.kernels._jit import Array
    from zeroframe.kernels.stack_limits import Limits

__all__ = ["stack_weighted"]

_WIDTH = 128


def stack_weighted(
    stack: Array,
    factors: Array,
    variances: Array,
    pairs: Array,
    limits: Limits,
    out: Array,
    uncertainty: Array,
    counts: Array,
) -> None:
    """Reject, and average with inverse variances as weights.

    Parameters are those of the module; ``pairs`` is `sorting_pairs` of the number of frames. Rejected is what lies
    further from the median than so many standard deviations of its own, once; of two values that lie further from each
    other than their noise allows, the higher one: charge of a cosmic ray, or a star; where all values are rejected, the
    lowest one stays. Of ``limits`` counts the noise
    only, not the spread of the values.

    The standard deviation of the mean is that of the weighted values over sqrt(n), as `stack_ordered` has it for equal
    weights: ``sum(w (x - mean)^2) / sum(w) / n``, whose expectation is ``(n - 1) / n`` of ``1 / sum(w)``.
    """
    frames, pixels = stack.shape
    width = min(_WIDTH, pixels)
    block, valid = np.empty((frames, width), stack.dtype), np.empty(width, np.int32)
    _stack_weighted(
        stack, factors, variances, pairs, limits, out, uncertainty, counts, block, valid, np.empty((8, width))
    )


@kernel
def _median_of_valid(block: Array, pixel: int, n: int) -> float:
    """Median of the first n values of a sorted column."""
    return 0.5 * (np.float64(block[(n - 1) // 2, pixel]) + np.float64(block[n // 2, pixel]))


@kernel
def _add_row(row: Array, factor: float, weight: float, low: Array, high: Array, sums: Array) -> None:
    """Add what lies within limits to counts, weights, and weighted differences from the median and their squares."""
    center, count, total, first, second = sums[0], sums[1], sums[2], sums[3], sums[4]
    for p in range(row.size):
        d = np.float64(row[p]) * factor - center[p]
        kept = (d >= low[p]) & (d <= high[p])  # NaN is not
        w = weight if kept else 0.0
        step = d if kept else 0.0
        count[p] += 1.0 if kept else 0.0
        total[p] += w
        first[p] += w * step
        second[p] += w * step * step


@kernel
def _stack_weighted(
    stack: Array,
    factors: Array,
    variances: Array,
    pairs: Array,
    limits: Limits,
    out: Array,
    uncertainty: Array,
    counts: Array,
    block: Array,
    valid: Array,
    sums: Array,
) -> None:
    """Do it, block by block, in memory for one block."""
    frames, pixels = stack.shape
    center, sigma, low, high = sums[0], sums[5], sums[6], sums[7]
    for start in range(0, pixels, valid.size):
        size = min(valid.size, pixels - start)
        load_block(stack, factors, start, block, valid)
        sort_block(block, pairs)
        median_block(block, center)
        for p in range(size):
            n = valid[p]
            if n < frames:
                center[p] = _median_of_valid(block, p, n) if n > 0 else 0.0
        for p in range(size):
            # the photon noise of the mean of two would be that of the hit, too
            sigma[p] = spread_with_floor(0.0, np.float64(block[0, p]) if valid[p] == 2 else center[p], limits)
        sums[1:5] = 0.0
        for i in range(frames):
            times = np.sqrt(variances[i])
            for p in range(size):
                low[p] = -limits.sigma_low * times * sigma[p]
                high[p] = limits.sigma_high * times * sigma[p]
            _settle_pairs(stack, factors, variances, limits, i, start, valid[:size], sigma, low, high)
            _add_row(stack[i, start : start + size], factors[i], 1.0 / variances[i], low[:size], high[:size], sums)
        for p in range(size):
            if sums[1, p] == 0.0 and valid[p] > 0:  # half of the values are hits, and the median lies between
                center[p], sums[1, p], sums[2, p] = np.float64(block[0, p]), 1.0, 1.0
        _write(sums, start, size, out, uncertainty, counts)


@kernel
def _settle_pairs(
    stack: Array,
    factors: Array,
    variances: Array,
    limits: Limits,
    i: int,
    start: int,
    valid: Array,
    sigma: Array,
    low: Array,
    high: Array,
) -> None:
    """Where only two values are valid, which lie equally far from their median: keep both, or the lower one."""
    for p in range(valid.size):
        if valid[p] != 2:
            continue
        own = np.float64(stack[i, start + p]) * factors[i]
        for j in range(stack.shape[0]):
            other = np.float64(stack[j, start + p]) * factors[j]
            if j != i and np.abs(other) < np.inf:
                allowed = limits.sigma_high * sigma[p] * np.sqrt(variances[i] + variances[j])
                low[p] = -np.inf
                high[p] = -np.inf if own - other > allowed else np.inf


@kernel
def _write(sums: Array, start: int, size: int, out: Array, uncertainty: Array, counts: Array) -> None:
    """Write means, their standard deviations and how many values they are of."""
    for p in range(size):
        n, total = sums[1, p], sums[2, p]
        counts[start + p] = int(n)
        if n > 0.0:
            shift = sums[3, p] / total
            variance = sums[4, p] / total - shift * shift
            out[start + p] = sums[0, p] + shift
            uncertainty[start + p] = np.sqrt(max(variance, 0.0) / n)
        else:
            out[start + p] = np.nan
            uncertainty[start + p] = np.nan
