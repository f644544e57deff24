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

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.kernels._jit import kernel
from zeroframe.kernels.stack_blocks import (
    clip_limits,
    clipped_mean_std_block,
    clipped_medians,
    load_block,
    mad_block,
    mean_std_block,
    median_block,
    sort_block,
)
from zeroframe.kernels.stack_columns import keep_run, reduce_sorted, survivors
from zeroframe.kernels.stack_limits import AVERAGE, MAD_TO_SIGMA, MEDIAN, NO_LIMITS, SUM, Limits

if TYPE_CHECKING:
    from zeroframe.kernels._jit import Array

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

#: Bytes of one block: two thirds of a first-level cache of 48 kB.
_BLOCK_BYTES = 32768
#: Pixels of the widest and the narrowest block. A narrower one would stay in the cache for hundreds of frames, but
#: reads two cache lines of each: 400 frames took 4.3 s to load in blocks of 32 pixels, 1.0 s in blocks of 128.
_WIDEST = 512
_NARROWEST = 128

#: Where more than one pixel of so many has a value rejected, as 5 MAD of three frames does with a fifth of them, all of
#: the block are averaged again at once: 180 becomes 100 ms for 8.5 million pixels.
_FEW_TOUCHED = 8


def _block_for(stack: Array) -> tuple[Array, Array, Array]:
    """Return memory for a block that stays in the first-level cache, for its counts, and for one of its columns."""
    frames, pixels = stack.shape
    # whole cache lines: 32 pixels of float32 are two
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
    clips_once = clips and limits.iterations == 1 and frames > 2 and not drops and not bounds and statistic != MEDIAN
    needs_mean = statistic != MEDIAN or (clips and (limits.center_is_mean or limits.spread_is_std))
    needs_mad = statistic == MEDIAN or (clips and not limits.spread_is_std)
    # what the mean and the spread of all frames are multiplied by
    to_result = np.float64(frames) if statistic == SUM else 1.0
    to_error = np.sqrt(np.float64(frames)) if statistic == SUM else 1.0 / np.sqrt(np.float64(frames))
    for start in range(0, pixels, width):
        load_block(stack, factors, start, block, valid)
        sort_block(block, pairs)
        median_block(block, median)
        if needs_mad:
            mad_block(block, median, mad, std)
        if needs_mean:
            mean_std_block(block, median, mean, std)
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
            lowest, highest = block[0], block[frames - 1]
            unit = 1.0 if limits.spread_is_std else MAD_TO_SIGMA
            clip_limits(frames, center, lowest, spread, unit, limits, low, high)
            for p in range(size):
                rejects[p] |= (np.float64(lowest[p]) < low[p]) | (np.float64(highest[p]) > high[p])
        # counted, not looked for: the loop becomes vector code
        touched = 0
        for p in range(size):
            touched += rejects[p]
        if clips_once and touched * _FEW_TOUCHED > size:
            clipped_medians(block, low, high, rows[:2], origin, kept)
            clipped_mean_std_block(block, low, high, origin, kept, mean, std)
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
                first, end = survivors(values, n, frames, limits)
                result, error = reduce_sorted(values, first, end, statistic)
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
            origin = x if n == 0 else origin  # differences from the first value, so that no digits cancel
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
            # one after the other, as the loop below adds them: the same bits for any number of frames
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
            variance = sums[2 * _WIDEST + p] / frames - shift * shift  # rounding may leave less than zero
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
        load_block(stack, factors, start, block, valid)
        size = min(width, pixels - start)
        for i in range(frames):
            for p in range(size):
                x = block[i, p]
                stack[i, start + p] = x if x < np.inf else np.nan  # inf stands for what is masked
        sort_block(block, pairs)
        for p in range(size):
            n = valid[p]
            for i in range(n):
                values[i] = block[i, p]
            first, end = survivors(values, n, frames, limits)
            if end - first < n:
                keep_run(stack, start + p, values, first, end, n)
