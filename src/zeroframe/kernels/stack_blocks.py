"""Many pixels of a stack side by side, a block at a time: loops over the rows of a block become vector code.

A block has shape (frames, width), in the type of the stack. Masked values are +inf and sort behind all others.
"""

# ruff: noqa: FURB136 -- conditional expressions become vector minima and maxima, builtin min and max do not

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.kernels._jit import kernel
from zeroframe.kernels.stack_limits import PAIR_REACH, spread_with_floor

if TYPE_CHECKING:
    from zeroframe.kernels._jit import Array
    from zeroframe.kernels.stack_limits import Limits

__all__ = [
    "clip_limits",
    "clipped_mean_std_block",
    "clipped_medians",
    "load_block",
    "mad_block",
    "mean_std_block",
    "median_block",
    "sort_block",
]


@kernel
def load_block(stack: Array, factors: Array, start: int, block: Array, valid: Array) -> None:
    """Copy one block, scaled, with +inf in place of what is masked, and count what is valid in each column.

    Loops with one purpose each compile to vector code; one loop for all of it took four times as long.
    """
    frames, width = block.shape
    size = min(width, stack.shape[1] - start)
    masked = 0
    for i in range(frames):
        source = stack[i, start : start + size]
        row = block[i]
        if factors[i] == 1.0:
            for p in range(size):
                row[p] = source[p]
        else:
            for p in range(size):
                row[p] = block.dtype.type(source[p] * factors[i])
        # the last block of an image is filled up with its last pixel: all loops run over whole blocks
        for p in range(size, width):
            row[p] = row[size - 1]
        for p in range(width):
            # NaN compares as false
            masked += not np.abs(row[p]) < np.inf
    if masked == 0:
        valid[:] = frames
        return
    valid[:] = 0
    for i in range(frames):
        row = block[i]
        for p in range(width):
            finite = np.abs(row[p]) < np.inf
            row[p] = row[p] if finite else np.inf
            valid[p] += finite


@kernel
def sort_block(block: Array, pairs: Array) -> None:
    """Sort every column of the block."""
    width = block.shape[1]
    for c in range(pairs.shape[0]):
        low = block[pairs[c, 0]]
        high = block[pairs[c, 1]]
        for p in range(width):
            a = low[p]
            b = high[p]
            low[p] = a if a < b else b
            high[p] = b if a < b else a


@kernel
def median_block(block: Array, median: Array) -> None:
    """Medians of sorted columns, exact in float64."""
    frames, width = block.shape
    # of an odd number both are the same; where a value is masked, and inf stands here, the pixel is worked out again
    upper = block[frames // 2]
    lower = block[(frames - 1) // 2]
    for p in range(width):
        median[p] = 0.5 * (np.float64(lower[p]) + np.float64(upper[p]))


@kernel
def _kth_deviation_block(block: Array, median: Array, k: int, deviation: Array) -> None:
    """Find the k-th smallest distance from the median of sorted columns.

    The k values nearest to the median stand side by side in sorted order, so the distance sought is the smallest
    over all runs of k neighbours of the larger of the distances at its two ends.
    """
    frames, width = block.shape
    deviation[:] = np.inf
    for i in range(frames - k + 1):
        first = block[i]
        last = block[i + k - 1]
        for p in range(width):
            below = median[p] - np.float64(first[p])
            above = np.float64(last[p]) - median[p]
            reach = below if below > above else above
            deviation[p] = reach if reach < deviation[p] else deviation[p]


@kernel
def mad_block(block: Array, median: Array, mad: Array, work: Array) -> None:
    """Median absolute deviations of sorted columns."""
    frames = block.shape[0]
    _kth_deviation_block(block, median, (frames + 1) // 2, mad)
    if frames % 2 == 0:  # the mean of the two in the middle, as of any median
        _kth_deviation_block(block, median, frames // 2 + 1, work)
        for p in range(block.shape[1]):
            mad[p] = 0.5 * (mad[p] + work[p])


@kernel
def _mean_std_of_sums(origin: float, total: float, squares: float, n: float) -> tuple[float, float]:
    """Mean and standard deviation (divided by n), from sums of differences from a value near the mean."""
    shift = total / n
    variance = squares / n - shift * shift
    # rounding may leave a little less than zero where all values are the same
    return origin + shift, np.sqrt(variance if variance > 0.0 else 0.0)


@kernel
def mean_std_block(block: Array, origin: Array, mean: Array, std: Array) -> None:
    """Mean and standard deviation (divided by n) of columns, by sums of differences from a value near the mean."""
    frames, width = block.shape
    mean[:] = 0.0
    std[:] = 0.0
    for i in range(frames):
        row = block[i]
        for p in range(width):
            d = np.float64(row[p]) - origin[p]
            mean[p] += d
            std[p] += d * d
    for p in range(width):
        mean[p], std[p] = _mean_std_of_sums(origin[p], mean[p], std[p], frames)


@kernel
def clip_limits(
    frames: int, center: Array, lowest: Array, spread: Array, unit: float, limits: Limits, low: Array, high: Array
) -> None:
    """Write between which values nothing is rejected; of two values the lower one says what their noise is."""
    # two values of known noise may lie this far from each other, and half as far from their median
    times = 0.5 * PAIR_REACH if frames == 2 and limits.floor_only else 1.0
    by_lowest = frames == 2 and limits.floor_only
    for p in range(center.size):
        level = np.float64(lowest[p]) if by_lowest else center[p]
        reach = spread_with_floor(spread[p] * unit, level, limits) * times
        low[p] = center[p] - reach * limits.sigma_low
        high[p] = center[p] + reach * limits.sigma_high


@kernel
def clipped_medians(block: Array, low: Array, high: Array, work: Array, median: Array, kept: Array) -> None:
    """Median and number, in float64, of what lies within limits in sorted columns.

    The two values in the middle are picked out of all rows: as vectors that is faster than going to them.
    """
    frames, width = block.shape
    lower, upper = work[0], work[1]
    lower[:] = 0.0
    kept[:] = 0.0
    for i in range(frames):
        row = block[i]
        for p in range(width):
            lower[p] += 1.0 if np.float64(row[p]) < low[p] else 0.0
        for p in range(width):
            # "&", as "and" would be a branch
            kept[p] += 1.0 if (np.float64(row[p]) >= low[p]) & (np.float64(row[p]) <= high[p]) else 0.0
    for p in range(width):
        first, n = lower[p], kept[p]
        lower[p] = first + np.floor(0.5 * (n - 1.0))
        upper[p] = first + np.floor(0.5 * n)
    median[:] = 0.0
    for i in range(frames):
        row = block[i]
        for p in range(width):
            median[p] += np.float64(row[p]) if lower[p] == i else 0.0
        for p in range(width):
            median[p] += np.float64(row[p]) if upper[p] == i else 0.0
    for p in range(width):
        median[p] *= 0.5


@kernel
def clipped_mean_std_block(
    block: Array, low: Array, high: Array, origin: Array, kept: Array, mean: Array, std: Array
) -> None:
    """Mean, standard deviation (divided by n) and number of what lies within limits in sorted columns.

    To the same bits as `mean_std_sorted`: differences are taken from the median of what is left, and added in the
    same order.
    """
    frames, width = block.shape
    mean[:] = 0.0
    std[:] = 0.0
    for i in range(frames):
        row = block[i]
        for p in range(width):
            x = np.float64(row[p])
            d = x - origin[p] if (x >= low[p]) & (x <= high[p]) else 0.0
            mean[p] += d
            std[p] += d * d
    for p in range(width):
        mean[p], std[p] = _mean_std_of_sums(origin[p], mean[p], std[p], kept[p])
