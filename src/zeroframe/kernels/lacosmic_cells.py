"""Which cells of an image a sharp edge may lie in: those that are worth the medians of a search for cosmic rays.

A cell is a square of pixels. The Laplacian is cheap; the noise that it is compared with, a median of what is around, is
not, but it is never below the smallest standard deviation there. The interpreter's lock is released.

Bytes of a mask are 0 where a pixel is free, 1 where it is masked, and ``k + 1`` where pass ``k`` found it.
"""

# ruff: noqa: FURB136 -- conditional expressions become vector maxima, builtin max does not

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.kernels._jit import kernel

if TYPE_CHECKING:
    from zeroframe.kernels._jit import Array

__all__ = ["follow", "least_noise", "mark_sharp_cells", "settle"]

#: Noise is not below this, so that it can be divided by.
_TINY = 1e-30
#: By this fraction the limit is lowered, so that rounding loses nothing.
_ROUNDING = 1e-3


@kernel
def least_noise(sigma: Array, shift: int, ny: int, nx: int, size: int, level: float, least: Array) -> None:
    """Write the smallest noise of each cell.

    Parameters
    ----------
    sigma : float32
        Standard deviations, one for ``1 << shift`` rows and columns.
    shift, ny, nx : int
        Of an image of ``ny`` rows of ``nx`` pixels.
    size : int
        Side of a cell.
    level : float
        What may stand in for standard deviations that are not finite.
    least : float64, shape (ceil(ny / size), ceil(nx / size))
        The result.
    """
    least[:] = np.inf
    for y in range(ny):
        row, cells = sigma[y >> shift], least[y // size]
        for j in range(cells.size):
            first, end = (j * size) >> shift, (min((j + 1) * size, nx) - 1) >> shift
            lowest, lost = np.float32(np.inf), 0
            for x in range(first, end + 1):
                lowest = row[x] if row[x] < lowest else lowest
                lost += 0 if np.abs(row[x]) < np.inf else 1
            here = min(np.float64(lowest), level) if lost > 0 else np.float64(lowest)
            cells[j] = min(cells[j], here)


@kernel
def _least_around(least: Array, i: int, j: int) -> float:
    """Return the smallest noise of a cell and those around it."""
    found = np.inf
    for y in range(max(i - 1, 0), min(i + 2, least.shape[0])):
        for x in range(max(j - 1, 0), min(j + 2, least.shape[1])):
            found = min(found, least[y, x])
    return max(found, _TINY)


@kernel
def _mark_around(active: Array, y: int, x: int, reach: int, shape: tuple[int, int], size: int) -> None:
    """Mark the cells that lie within reach of a pixel."""
    ny, nx = shape
    for i in range(max(y - reach, 0) // size, min(y + reach, ny - 1) // size + 1):
        for j in range(max(x - reach, 0) // size, min(x + reach, nx - 1) // size + 1):
            active[i, j] = 1


@kernel
def _rise(value: float) -> float:
    """Return what is above zero; NaN stays."""
    return value if value > 0 else value - value  # 0 of what is below zero; NaN of NaN and of -infinity


@kernel
def _is_sharp(own: float, up: float, down: float, left: float, right: float, limit: float) -> bool:
    """Whether four times the Laplacian is above a limit, or cannot be told."""
    twice = own + own
    total = _rise(twice - up - left) + _rise(twice - up - right)
    total += _rise(twice - down - left) + _rise(twice - down - right)
    everything = own + up + down + left + right
    # what cannot be told is looked at: the screen may let too much through, never too little
    return not (total <= limit and abs(everything) < np.inf)


@kernel
def mark_sharp_cells(
    pixels: Array, least: Array, sigma_clip: float, reach: int, size: int, row_limits: Array, active: Array
) -> None:
    """Mark the cells within reach of a pixel where the Laplacian may be so many times the noise.

    Parameters
    ----------
    pixels : float, shape (ny, nx)
        The image; at its edges, it has itself as a neighbour.
    least : float64
        From `least_noise`.
    sigma_clip : float
        Laplacian of the image of half pixels, averaged over a pixel, over twice the noise.
    reach, size : int
        In pixels; side of a cell.
    row_limits : float32, shape (nx,)
        To work in.
    active : uint8, shape of ``least``
        Set to 1 where marked.
    """
    ny, nx = pixels.shape
    limit = 0.0
    for y in range(ny):
        if y % size == 0:
            for x in range(nx):
                if x % size == 0:
                    # `_signal_to_noise` divides an eighth of the sum that `_is_sharp` takes by the noise
                    limit = 8.0 * sigma_clip * _least_around(least, y // size, x // size) * (1.0 - _ROUNDING)
                row_limits[x] = limit
        own, up, down = pixels[y], pixels[max(y - 1, 0)], pixels[min(y + 1, ny - 1)]
        if _count_sharp(own, up, down, row_limits) > 0:
            for x in range(nx):
                if _is_sharp(own[x], up[x], down[x], own[max(x - 1, 0)], own[min(x + 1, nx - 1)], row_limits[x]):
                    _mark_around(active, y, x, reach, (ny, nx), size)


@kernel
def _count_sharp(own: Array, up: Array, down: Array, limits: Array) -> int:
    """How many pixels of a row are above their limit."""
    nx = own.size
    count = 0
    for x in (0, nx - 1):
        count += 1 if _is_sharp(own[x], up[x], down[x], own[max(x - 1, 0)], own[min(x + 1, nx - 1)], limits[x]) else 0
    left, middle, right, above, below, limit = own, own[1:], own[2:], up[1:], down[1:], limits[1:]
    for x in range(nx - 2):
        count += 1 if _is_sharp(middle[x], above[x], below[x], left[x], right[x], limit[x]) else 0
    return count


@kernel
def follow(mask: Array, number: int, reach: int, size: int, active: Array, following: Array) -> int:
    """Mark the cells within reach of what a pass has just found; return how many pixels that is.

    Parameters
    ----------
    mask : uint8, shape (ny, nx)
        As told above.
    number : int
        Of the pass.
    reach, size : int
        As of `mark_sharp_cells`.
    active, following : uint8
        Cells that were searched; those to search in the next pass.
    """
    ny, nx = mask.shape
    following[:] = 0
    count = 0
    for i in range(active.shape[0]):
        for j in range(active.shape[1]):
            if active[i, j] == 0:
                continue
            for y in range(i * size, min((i + 1) * size, ny)):
                for x in range(j * size, min((j + 1) * size, nx)):
                    if mask[y, x] == number + 1:
                        _mark_around(following, y, x, reach, (ny, nx), size)
                        count += 1
    return count


@kernel
def settle(mask: Array) -> int:
    """Set every byte of the mask to 0 or 1; return how many cosmic rays there were."""
    count = 0
    for y in range(mask.shape[0]):
        row = mask[y]
        for x in range(row.size):
            count += 1 if row[x] > 1 else 0
            row[x] = 1 if row[x] != 0 else 0
    return count
