"""The lowest and the highest value of each stretch of a row, and how often the highest values occur.

Both answer in one pass over a raw frame, before anything is done to it, what its pixels cannot be: never read, where a
stretch is constant; full, where values pile up at the top. Arrays are C-contiguous and ``(ny, nx)``. What is not
finite is neither lowest nor highest, and is not counted. The interpreter's lock is released.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.kernels._jit import kernel

if TYPE_CHECKING:
    from zeroframe.kernels._jit import Array

__all__ = ["STRETCH", "count_tops", "count_tops_swapped16", "stretch_extremes", "stretch_extremes_swapped16"]

#: Pixels of a row that are looked at together; the last stretch of a row may be shorter.
STRETCH = 64


@kernel
def stretch_extremes_swapped16(pixels: Array, stretch: int, low: Array, high: Array) -> None:
    """Write the extremes of big-endian 16-bit integers as they stand in the file.

    Parameters
    ----------
    pixels : uint16, shape (ny, nx)
        The bytes of the file seen as native uint16, as in `zeroframe.kernels.raw.calibrate_swapped16`.
    stretch : int
        `STRETCH`.
    low, high : int16, shape (ny, ceil(nx / stretch))
        Of the stored numbers, BZERO not added.
    """
    ny, nx = pixels.shape
    for y in range(ny):
        source = pixels[y]
        for part in range(low.shape[1]):
            own = source[part * stretch : min((part + 1) * stretch, nx)]
            if own.size == STRETCH:
                low[y, part], high[y, part] = _extremes_of_stretch(own)
            else:
                lowest, highest = np.int16(32767), np.int16(-32768)
                for x in range(own.size):
                    raw = own[x]
                    value = np.int16((raw << 8) | (raw >> 8))
                    lowest = min(lowest, value)
                    highest = max(highest, value)
                low[y, part] = lowest
                high[y, part] = highest


@kernel
def _extremes_of_stretch(own: Array) -> tuple[np.int16, np.int16]:
    """Return the extremes of a whole stretch: of a length that is known it becomes vector code, a ninth of the time."""
    lowest, highest = np.int16(32767), np.int16(-32768)
    for x in range(STRETCH):
        raw = own[x]
        value = np.int16((raw << 8) | (raw >> 8))
        lowest = min(lowest, value)
        highest = max(highest, value)
    return lowest, highest


@kernel
def stretch_extremes(pixels: Array, stretch: int, low: Array, high: Array) -> None:
    """Do the same for pixels of any native type that are decoded already; ``low`` and ``high`` are of float64.

    Where nothing is finite, the lowest is above the highest.
    """
    ny, nx = pixels.shape
    for y in range(ny):
        source = pixels[y]
        for part in range(low.shape[1]):
            lowest, highest = np.inf, -np.inf
            for x in range(part * stretch, min((part + 1) * stretch, nx)):
                value = np.float64(source[x])
                if np.abs(value) < np.inf:
                    lowest = min(lowest, value)
                    highest = max(highest, value)
            low[y, part] = lowest
            high[y, part] = highest


@kernel
def count_tops_swapped16(pixels: Array, stretch: int, high: Array, least: int, every: int, counts: Array) -> None:
    """Count the values from ``least`` on in the stretches that reach it.

    Parameters
    ----------
    pixels, stretch, high
        As of `stretch_extremes_swapped16`. A stretch whose ``high`` is lowered is left out.
    least : int
        The lowest that counts, as it is stored.
    every : int
        Only each such row is looked at.
    counts : int64, shape (n,)
        Of ``least``, of ``least + 1``, and so on; what lies beyond the last is not counted. Added to.
    """
    ny, nx = pixels.shape
    for y in range(0, ny, every):
        source = pixels[y]
        for part in range(high.shape[1]):
            if high[y, part] >= least:
                for x in range(part * stretch, min((part + 1) * stretch, nx)):
                    raw = source[x]
                    place = np.int64(np.int16((raw << 8) | (raw >> 8))) - least
                    if 0 <= place < counts.size:
                        counts[place] += 1


@kernel
def count_tops(pixels: Array, stretch: int, high: Array, least: float, width: float, every: int, counts: Array) -> None:
    """Do the same for decoded pixels, in bins of ``width``."""
    ny, nx = pixels.shape
    for y in range(0, ny, every):
        source = pixels[y]
        for part in range(high.shape[1]):
            if high[y, part] >= least:
                for x in range(part * stretch, min((part + 1) * stretch, nx)):
                    value = np.float64(source[x])
                    if least <= value < np.inf:
                        place = np.int64((value - least) / width)
                        if place < counts.size:
                            counts[place] += 1
