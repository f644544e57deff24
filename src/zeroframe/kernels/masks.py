"""Masks of pixels: what is saturated, and what is unlike its neighbours.

Arrays are C-contiguous and ``(ny, nx)``. What is not finite never reaches a limit, has no part in a level, and is odd.
The interpreter's lock is released.
"""

# ruff: noqa: FURB136 -- conditional expressions become vector maxima, builtin max does not

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.kernels._jit import kernel
from zeroframe.kernels.sorting import sorting_pairs

if TYPE_CHECKING:
    from zeroframe.kernels._jit import Array

__all__ = ["add_found", "bin_by_two", "block_levels", "mask_high", "mask_high_swapped16", "odd_places"]

#: Pixels that are looked at together.
_EIGHT = 8


@kernel
def mask_high_swapped16(pixels: Array, zero: float, limit: float, y0: int, x0: int, bit: int, mask: Array) -> int:
    """Set a bit of ``mask`` where a raw pixel reaches a limit; return how many pixels do.

    Parameters
    ----------
    pixels : uint16, shape (ny, nx)
        The bytes of the file seen as native uint16, as in `zeroframe.kernels.raw.calibrate_swapped16`.
    zero : float
        BZERO.
    limit : float
        In units of the raw frame.
    y0, x0 : int
        Where the trimmed image starts.
    bit : int
        What is set, 1 to 128.
    mask : uint8, shape of the trimmed image
        What is set already stays.
    """
    ny, nx = mask.shape
    count = 0
    # compared as integers; a limit that int16 does not reach is reached by no pixel, or by all
    whole = np.ceil(limit - zero)
    if whole > 32767.0:
        return 0
    lowest = np.int64(whole) if whole > -32768.0 else np.int64(-32768)
    for y in range(ny):
        source, target = pixels[y0 + y], mask[y]
        here = 0
        for x in range(nx):
            raw = source[x0 + x]
            here += 1 if np.int32(np.int16((raw << 8) | (raw >> 8))) >= lowest else 0
        # counting is vector code, setting is not; few rows have anything to set
        if here > 0:
            for x in range(nx):
                raw = source[x0 + x]
                if np.int32(np.int16((raw << 8) | (raw >> 8))) >= lowest:
                    target[x] |= np.uint8(bit)
            count += here
    return count


@kernel
def mask_high(pixels: Array, limit: float, y0: int, x0: int, bit: int, mask: Array) -> int:
    """Do the same for pixels of any native type that are decoded already."""
    ny, nx = mask.shape
    count = 0
    for y in range(ny):
        source, target = pixels[y0 + y], mask[y]
        for x in range(nx):
            if source[x0 + x] >= limit:
                target[x] |= np.uint8(bit)
                count += 1
    return count


@kernel
def add_found(found: Array, bit: int, mask: Array) -> int:
    """Set a bit of ``mask`` where pixels were found that had none; return how many pixels have any.

    Parameters
    ----------
    found : bool, shape (ny, nx)
        True also where ``mask`` was not 0 before.
    bit : int
        What is set, 1 to 128.
    mask : uint8, shape (ny, nx)
        Worked on in place.
    """
    count = 0
    for y in range(mask.shape[0]):
        row, own = found[y], mask[y]
        for x in range(own.size):
            added = np.uint8(bit) if row[x] and own[x] == 0 else np.uint8(0)
            own[x] |= added
            count += 1 if own[x] != 0 else 0
    return count


def block_levels(pixels: Array, size: int, out: Array) -> None:
    """Write the median of every second pixel of every second row of each square block; NaN where none is finite.

    Parameters
    ----------
    pixels : float, shape (ny, nx)
        Not finite where left out.
    size : int
        Side of a block.
    out : float64, shape (ceil(ny / size), ceil(nx / size))
        Of an even number of pixels, the upper of the two in the middle.
    """
    values = ((size + 1) // 2) ** 2
    work = np.empty((values, out.shape[1]), pixels.dtype)
    _block_levels(pixels, size, out, sorting_pairs(values), work, np.empty(values))


@kernel
def _block_levels(pixels: Array, size: int, out: Array, pairs: Array, work: Array, values: Array) -> None:
    """Do it: of whole blocks that are finite a row at once, which takes a tenth of the time."""
    ny, nx = pixels.shape
    whole = nx // size
    for i in range(out.shape[0]):
        done = 0
        if (i + 1) * size <= ny and _taken_apart(pixels[i * size : (i + 1) * size], size, whole, work):
            for k in range(pairs.shape[0]):
                _put_in_order(work[pairs[k, 0]], work[pairs[k, 1]], whole)
            middle = work[work.shape[0] // 2]
            for j in range(whole):
                out[i, j] = middle[j]
            done = whole
        for j in range(done, out.shape[1]):
            count = 0
            for y in range(i * size, min((i + 1) * size, ny), 2):
                for x in range(j * size, min((j + 1) * size, nx), 2):
                    value = np.float64(pixels[y, x])
                    if np.abs(value) < np.inf:
                        values[count] = value
                        count += 1
            out[i, j] = _upper_median(values[:count]) if count > 0 else np.nan


@kernel
def _taken_apart(rows: Array, size: int, whole: int, work: Array) -> bool:
    """Write the pixels of blocks side by side, those of one block in one column; return whether all are finite."""
    side = (size + 1) // 2
    lost = 0
    for a in range(side):
        for b in range(side):
            row, target = rows[2 * a], work[a * side + b]
            for j in range(whole):
                value = row[j * size + 2 * b]
                target[j] = value
                lost += 0 if np.abs(value) < np.inf else 1
    return lost == 0


@kernel
def _put_in_order(lower: Array, upper: Array, count: int) -> None:
    """Exchange the values of two rows where the first is higher."""
    for j in range(count):
        one, other = lower[j], upper[j]
        lower[j] = one if one < other else other
        upper[j] = other if one < other else one


@kernel
def _upper_median(values: Array) -> float:
    """Return it of a handful of values; each is compared with all others, which takes less time than to sort them."""
    half = values.size // 2
    found: float = values[0]
    for i in range(values.size):
        value = values[i]
        below, up_to = 0, 0
        for k in range(values.size):
            below += values[k] < value
            up_to += values[k] <= value
        if below <= half < up_to:
            found = value
            break
    return found


@kernel
def odd_places(pixels: Array, levels: Array, size: int, fraction: float, least: float, places: Array) -> int:
    """Find the pixels that stand off the level of their block; return how many there are.

    Parameters
    ----------
    pixels : float, shape (ny, nx)
        The image.
    levels : float64
        From `block_levels`, with the same ``size``.
    fraction, least : float
        Odd is what stands off by more than this fraction of the level and by more than ``least``, or is not finite.
    places : int64, shape (n, 2)
        Filled with row and column of as many of them as there is room for.
    """
    ny, nx = pixels.shape
    count = 0
    for y in range(ny):
        row = pixels[y]
        for j in range(levels.shape[1]):
            level = levels[y // size, j]
            reach = max(fraction * np.abs(level), least)
            first, last = j * size, min((j + 1) * size, nx)
            if last - first != _EIGHT or _any_of_eight(row[first:last], level, reach):
                for x in range(first, last):
                    if not np.abs(np.float64(row[x]) - level) <= reach:  # NaN is odd: it compares as false
                        if count < places.shape[0]:
                            places[count, 0] = y
                            places[count, 1] = x
                        count += 1
    return count


@kernel
def _any_of_eight(own: Array, level: float, reach: float) -> bool:
    """Whether any of eight pixels is odd: of a number that is known it becomes vector code, a third of the time."""
    here = 0
    for x in range(_EIGHT):
        here += not np.abs(np.float64(own[x]) - level) <= reach
    return here > 0


@kernel
def bin_by_two(image: Array, cells: Array) -> None:
    """Write the means of squares of four pixels; where some are not finite, of the others if there are two, else NaN.

    Parameters
    ----------
    image : float32 or float64, shape (ny, nx)
        An odd row or column at the end is lost.
    cells : of the same type, shape (ny // 2, nx // 2)
    """
    ny, nx = cells.shape
    for y in range(ny):
        upper, lower, target = image[2 * y], image[2 * y + 1], cells[y]
        for x in range(nx):
            target[x] = 0.25 * (upper[2 * x] + upper[2 * x + 1] + lower[2 * x] + lower[2 * x + 1])
        for x in range(nx):
            if np.abs(target[x]) < np.inf:
                continue
            total, count = 0.0, 0
            for row in (upper, lower):
                for i in range(2 * x, 2 * x + 2):
                    if np.abs(row[i]) < np.inf:
                        total += np.float64(row[i])
                        count += 1
            target[x] = total / count if count > 1 else np.nan
