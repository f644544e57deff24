"""Order statistics and clipping over a stack of frames, pixel by pixel.

All kernels of this module share one form:

``stack``
    float32 or float64, shape (frames, pixels), C order. A pixel that is not finite is masked: it takes no part.
``factors``
    float64, shape (frames,): each frame is multiplied by its factor before anything else.
``out``, ``uncertainty``
    dtype of ``stack``, shape (pixels,): the result, NaN where nothing was left.
``counts``
    uint16, shape (pixels,): how many frames the result of that pixel used; so 65535 frames at most.
``limits``
    `Limits`: what is rejected.

The interpreter's lock is released. Every pixel is worked out by itself in a fixed order, so the result does not
depend on how the image was cut into tiles or spread over threads.

The fast way works on blocks of pixels that stay in the first-level cache: a sorting network runs over the rows of
a block, which compiles to vector minima and maxima (25 frames of 8.5 million pixels: 0.3 s on one thread). Pixels
with a masked value, and pixels from which something is rejected, are worked out again one by one.
"""

# ruff: noqa: FURB136 -- conditional expressions become vector minima and maxima, builtin min and max do not

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from zeroframe.kernels._compile import kernel

if TYPE_CHECKING:
    from zeroframe.kernels._compile import Array

__all__ = [
    "AVERAGE",
    "MAD_TO_SIGMA",
    "MEDIAN",
    "NO_LIMITS",
    "SUM",
    "Limits",
    "stack_average",
    "stack_ordered",
    "stack_reject",
]

#: What is computed from the values that are left.
AVERAGE, MEDIAN, SUM = 0, 1, 2

#: 1 / Φ⁻¹(3/4), where Φ is the normal distribution: a median absolute deviation times this estimates sigma.
MAD_TO_SIGMA = 1.482602218505602

#: Bytes of one block: two thirds of a first-level cache of 48 kB.
_BLOCK_BYTES = 32768
#: Pixels of the widest and the narrowest block. A narrower one would stay in the cache for hundreds of frames, but
#: reads two cache lines of each: 400 frames took 4.3 s to load in blocks of 32 pixels, 1.0 s in blocks of 128.
_WIDEST = 512
_NARROWEST = 128

#: Where more than one pixel of so many has a value rejected, as 5 MAD of three frames does with a fifth of them, all of
#: the block are averaged again at once: 180 becomes 100 ms for 8.5 million pixels.
_FEW_TOUCHED = 8


class Limits(NamedTuple):
    """What is rejected from the values of one pixel, in this order; see `zeroframe.combining.Rejection`."""

    value_low: float
    value_high: float
    drop_low: int
    drop_high: int
    sigma_low: float
    sigma_high: float
    center_is_mean: bool
    spread_is_std: bool
    iterations: int
    floor_adu: float
    photon_adu: float
    floor_only: bool = False


#: Nothing is rejected.
NO_LIMITS = Limits(-np.inf, np.inf, 0, 0, np.inf, np.inf, False, False, 1, 0.0, 0.0)


@kernel
def _load_block(stack: Array, factors: Array, start: int, block: Array, valid: Array) -> None:
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
def _sort_block(block: Array, pairs: Array) -> None:
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
def _median_block(block: Array, median: Array) -> None:
    """Medians of sorted columns, exact in float64."""
    frames, width = block.shape
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
def _mad_block(block: Array, median: Array, mad: Array, work: Array) -> None:
    """Median absolute deviations of sorted columns."""
    frames = block.shape[0]
    _kth_deviation_block(block, median, (frames + 1) // 2, mad)
    if frames % 2 == 0:
        _kth_deviation_block(block, median, frames // 2 + 1, work)
        for p in range(block.shape[1]):
            mad[p] = 0.5 * (mad[p] + work[p])


@kernel
def _mean_std_block(block: Array, origin: Array, mean: Array, std: Array) -> None:
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
        shift = mean[p] / frames
        variance = std[p] / frames - shift * shift
        mean[p] = origin[p] + shift
        std[p] = np.sqrt(variance if variance > 0.0 else 0.0)


@kernel
def _clip_limits(center: Array, spread: Array, unit: float, limits: Limits, low: Array, high: Array) -> None:
    """Write between which values nothing is rejected."""
    for p in range(center.size):
        reach = _spread_with_floor(spread[p] * unit, center[p], limits)
        low[p] = center[p] - reach * limits.sigma_low
        high[p] = center[p] + reach * limits.sigma_high


@kernel
def _clipped_medians(block: Array, low: Array, high: Array, work: Array, median: Array, kept: Array) -> None:
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
def _clipped_mean_std_block(
    block: Array, low: Array, high: Array, origin: Array, kept: Array, mean: Array, std: Array
) -> None:
    """Mean, standard deviation (divided by n) and number of what lies within limits in sorted columns.

    To the same bits as `_mean_std_sorted`: differences are taken from the median of what is left, and added in the
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
        shift = mean[p] / kept[p]
        variance = std[p] / kept[p] - shift * shift
        mean[p] = origin[p] + shift
        std[p] = np.sqrt(variance if variance > 0.0 else 0.0)


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
        d = np.float64(values[i]) - origin
        total += d
        squares += d * d
    shift = total / n
    return origin + shift, np.sqrt(max(squares / n - shift * shift, 0.0))


@kernel
def _spread_with_floor(spread: float, center: float, limits: Limits) -> float:
    """Return the spread, no smaller than read noise and photon noise of the center allow, or exactly that."""
    photons = center * limits.photon_adu
    floor = np.sqrt(limits.floor_adu * limits.floor_adu + (photons if photons > 0.0 else 0.0))
    return spread if spread > floor and not limits.floor_only else floor


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
    return center, _spread_with_floor(spread, center, limits)


@kernel
def _survivors(values: Array, n: int, frames: int, limits: Limits) -> tuple[int, int]:
    """Return (first, end): what is left of values[:n], which are sorted, after every kind of rejection.

    Each kind takes from the two ends of the sorted values, so what is left is always one run.
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
        low = center - spread * limits.sigma_low if limits.sigma_low < np.inf else -np.inf
        high = center + spread * limits.sigma_high if limits.sigma_high < np.inf else np.inf
        before = end - first
        while first < end and values[first] < low:
            first += 1
        while end > first and values[end - 1] > high:
            end -= 1
        if end - first == before:
            break
    return first, end


@kernel
def _reduce_sorted(values: Array, first: int, end: int, statistic: int) -> tuple[float, float]:
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


def _block_for(stack: Array) -> tuple[Array, Array, Array]:
    """Return memory for a block that stays in the first-level cache, for its counts, and for one of its columns."""
    frames, pixels = stack.shape
    width = min(max(_BLOCK_BYTES // (frames * stack.itemsize) // 32 * 32, _NARROWEST), _WIDEST, pixels)
    return np.empty((frames, width), stack.dtype), np.empty(width, np.int32), np.empty(frames, stack.dtype)


def stack_ordered(
    stack: Array,
    factors: Array,
    pairs: Array,
    limits: Limits,
    statistic: int,
    out: Array,
    uncertainty: Array,
    counts: Array,
) -> None:
    """Reject and combine.

    Parameters are those of the module; ``pairs`` is `sorting_pairs` of the number of frames, int32; ``statistic``
    chooses what is computed:

    ======== ============== =========================
    AVERAGE  mean           std / sqrt(n)
    MEDIAN   median         1.4826 MAD / sqrt(n)
    SUM      sum            std sqrt(n)
    ======== ============== =========================
    """
    block, valid, values = _block_for(stack)
    width = block.shape[1]
    rows, rejects = np.empty((8, width)), np.empty(width, np.bool_)
    _stack_ordered(
        stack, factors, pairs, limits, statistic, out, uncertainty, counts, block, valid, values, rows, rejects
    )


@kernel
def _stack_ordered(
    stack: Array,
    factors: Array,
    pairs: Array,
    limits: Limits,
    statistic: int,
    out: Array,
    uncertainty: Array,
    counts: Array,
    block: Array,
    valid: Array,
    values: Array,
    rows: Array,
    rejects: Array,
) -> None:
    """Do it, block by block, in memory for one block."""
    frames, pixels = stack.shape
    width = valid.size
    median, mad, mean, std = rows[0], rows[1], rows[2], rows[3]
    low, high, origin, kept = rows[4], rows[5], rows[6], rows[7]
    clips = limits.sigma_low < np.inf or limits.sigma_high < np.inf
    drops = limits.drop_low + limits.drop_high > 0
    bounds = limits.value_low > -np.inf or limits.value_high < np.inf
    clips_once = clips and limits.iterations == 1 and not drops and not bounds and statistic != MEDIAN
    needs_mean = statistic != MEDIAN or (clips and (limits.center_is_mean or limits.spread_is_std))
    needs_mad = statistic == MEDIAN or (clips and not limits.spread_is_std)
    # what the mean and the spread of all frames are multiplied by
    to_result = np.float64(frames) if statistic == SUM else 1.0
    to_error = np.sqrt(np.float64(frames)) if statistic == SUM else 1.0 / np.sqrt(np.float64(frames))
    for start in range(0, pixels, width):
        _load_block(stack, factors, start, block, valid)
        _sort_block(block, pairs)
        _median_block(block, median)
        if needs_mad:
            _mad_block(block, median, mad, std)
        if needs_mean:
            _mean_std_block(block, median, mean, std)
        size = min(width, pixels - start)
        if statistic == MEDIAN:
            for p in range(size):
                out[start + p] = median[p]
                uncertainty[start + p] = MAD_TO_SIGMA * mad[p] * to_error
        else:
            for p in range(size):
                out[start + p] = mean[p] * to_result
                uncertainty[start + p] = std[p] * to_error
        counts[start : start + size] = frames
        center = mean if limits.center_is_mean else median
        spread = std if limits.spread_is_std else mad
        for p in range(size):
            rejects[p] = drops or valid[p] < frames
        if bounds:
            for p in range(size):
                rejects[p] |= (block[0, p] < limits.value_low) | (block[frames - 1, p] > limits.value_high)
        if clips:
            _clip_limits(center, spread, 1.0 if limits.spread_is_std else MAD_TO_SIGMA, limits, low, high)
            lowest, highest = block[0], block[frames - 1]
            for p in range(size):
                rejects[p] |= (np.float64(lowest[p]) < low[p]) | (np.float64(highest[p]) > high[p])
        touched = 0
        for p in range(size):
            touched += rejects[p]
        if clips_once and touched * _FEW_TOUCHED > size:
            _clipped_medians(block, low, high, rows[:2], origin, kept)
            _clipped_mean_std_block(block, low, high, origin, kept, mean, std)
            if statistic == SUM:
                for p in range(size):
                    mean[p] *= kept[p]
                    std[p] *= np.sqrt(kept[p])
            else:
                for p in range(size):
                    std[p] /= np.sqrt(kept[p])
            for p in range(size):
                if rejects[p] and valid[p] == frames and kept[p] > 0.0:
                    out[start + p] = mean[p]
                    uncertainty[start + p] = std[p]
                    counts[start + p] = int(kept[p])
                    rejects[p] = False
        for p in range(size):
            if rejects[p]:
                n = valid[p]
                for i in range(n):
                    values[i] = block[i, p]
                first, end = _survivors(values, n, frames, limits)
                result, error = _reduce_sorted(values, first, end, statistic)
                out[start + p] = result
                uncertainty[start + p] = error
                counts[start + p] = end - first


@kernel
def _average_column(stack: Array, factors: Array, pixel: int) -> tuple[int, float, float]:
    """Count, mean and standard deviation (divided by n) of the finite values of one pixel."""
    n = 0
    origin = 0.0
    total = 0.0
    squares = 0.0
    for i in range(stack.shape[0]):
        x = np.float64(stack[i, pixel]) * factors[i]
        if np.abs(x) < np.inf:
            origin = x if n == 0 else origin
            d = x - origin
            n += 1
            total += d
            squares += d * d
    if n == 0:
        return 0, np.nan, np.nan
    shift = total / n
    return n, origin + shift, np.sqrt(max(squares / n - shift * shift, 0.0))


@kernel
def _sum_rows(stack: Array, factors: Array, start: int, size: int, sums: Array) -> None:
    """Sum differences from the first frame, and their squares; what is not finite makes its sum so.

    ``sums`` holds the first frame, the sums and the squares one after the other: as one array at fixed distances, so
    that the compiler sees that they do not overlap and vectorises. Four frames at once need a quarter of the loads
    and stores of sums, which halves the time.
    """
    frames = stack.shape[0]
    row = stack[0, start : start + size]
    factor = factors[0]
    for p in range(size):
        sums[p] = np.float64(row[p]) * factor
        sums[_WIDEST + p] = sums[p] - sums[p]  # zero, or NaN where the first frame is not finite
        sums[2 * _WIDEST + p] = 0.0
    fours = frames - (frames - 1) % 4
    for i in range(1, fours, 4):
        row_a = stack[i, start : start + size]
        row_b = stack[i + 1, start : start + size]
        row_c = stack[i + 2, start : start + size]
        row_d = stack[i + 3, start : start + size]
        for p in range(size):
            origin = sums[p]
            a = np.float64(row_a[p]) * factors[i] - origin
            b = np.float64(row_b[p]) * factors[i + 1] - origin
            c = np.float64(row_c[p]) * factors[i + 2] - origin
            d = np.float64(row_d[p]) * factors[i + 3] - origin
            sums[_WIDEST + p] = sums[_WIDEST + p] + a + b + c + d
            sums[2 * _WIDEST + p] = sums[2 * _WIDEST + p] + a * a + b * b + c * c + d * d
    for i in range(fours, frames):
        row = stack[i, start : start + size]
        factor = factors[i]
        for p in range(size):
            a = np.float64(row[p]) * factor - sums[p]
            sums[_WIDEST + p] += a
            sums[2 * _WIDEST + p] += a * a


def stack_average(stack: Array, factors: Array, statistic: int, out: Array, uncertainty: Array, counts: Array) -> None:
    """Average or sum without rejection, which needs no sorting; otherwise as `stack_ordered`."""
    _stack_average(stack, factors, statistic, out, uncertainty, counts, np.empty(3 * _WIDEST))


@kernel
def _stack_average(
    stack: Array, factors: Array, statistic: int, out: Array, uncertainty: Array, counts: Array, sums: Array
) -> None:
    """Do it; ``sums`` is three blocks of float64 to work in."""
    frames, pixels = stack.shape
    to_result = np.float64(frames) if statistic == SUM else 1.0
    to_error = np.sqrt(np.float64(frames)) if statistic == SUM else 1.0 / np.sqrt(np.float64(frames))
    for start in range(0, pixels, _WIDEST):
        size = min(_WIDEST, pixels - start)
        _sum_rows(stack, factors, start, size, sums)
        masked = 0
        for p in range(size):
            total = sums[_WIDEST + p]
            shift = total / frames
            variance = sums[2 * _WIDEST + p] / frames - shift * shift
            out[start + p] = (sums[p] + shift) * to_result
            uncertainty[start + p] = np.sqrt(variance if variance > 0.0 else 0.0) * to_error
            counts[start + p] = frames
            masked += not np.abs(total) < np.inf
        if masked == 0:
            continue
        for p in range(size):
            if not np.abs(sums[_WIDEST + p]) < np.inf:
                n, mean, std = _average_column(stack, factors, start + p)
                root = np.sqrt(np.float64(n))
                out[start + p] = mean * n if statistic == SUM else mean
                uncertainty[start + p] = std * root if statistic == SUM else std / root
                counts[start + p] = n


def stack_reject(stack: Array, factors: Array, pairs: Array, limits: Limits) -> None:
    """Scale the stack in place and put NaN where a value is masked or rejected.

    For combinations that are written in Python: weights, and functions of the caller's own. Where equal values stand
    on both sides of the edge of what is dropped, those of the first frames are dropped.
    """
    _stack_reject(stack, factors, pairs, limits, *_block_for(stack))


@kernel
def _stack_reject(
    stack: Array, factors: Array, pairs: Array, limits: Limits, block: Array, valid: Array, values: Array
) -> None:
    """Do it, block by block, in memory for one block."""
    frames, pixels = stack.shape
    width = valid.size
    for start in range(0, pixels, width):
        _load_block(stack, factors, start, block, valid)
        size = min(width, pixels - start)
        for i in range(frames):
            for p in range(size):
                x = block[i, p]
                stack[i, start + p] = x if x < np.inf else np.nan
        _sort_block(block, pairs)
        for p in range(size):
            n = valid[p]
            for i in range(n):
                values[i] = block[i, p]
            first, end = _survivors(values, n, frames, limits)
            if end - first < n:
                _keep_run(stack, start + p, values, first, end, n)


@kernel
def _keep_run(stack: Array, pixel: int, values: Array, first: int, end: int, n: int) -> None:
    """Put NaN into one column of the stack for all but values[first:end] of its n sorted values."""
    low = values[first] if end > first else np.inf
    high = values[end - 1] if end > first else np.inf
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
