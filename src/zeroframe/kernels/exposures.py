"""Two exposures of one field, pixel by pixel: where one is brighter than the other, brought to its place, tells.

Arrays are C-contiguous and ``(ny, nx)``. The interpreter's lock is released.
"""

# ruff: noqa: FURB136 -- conditional expressions become vector maxima, builtin max does not

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from zeroframe.kernels._jit import kernel
from zeroframe.kernels.point_images import SKY_SHIFT

if TYPE_CHECKING:
    from zeroframe.kernels._jit import Array

__all__ = ["OtherFrame", "brighter_places", "light_at"]


class OtherFrame(NamedTuple):
    """Another exposure: pixels, its sky, where a pixel of ours is in it (``y + shift_y``), and our light over its."""

    pixels: Array
    sky: Array
    shift_y: float
    shift_x: float
    scale: float


@kernel
def _sky_at(sky: Array, y: int, x: int) -> float:
    rows, columns = sky.shape
    level: float = np.float64(sky[min(y >> SKY_SHIFT, rows - 1), min(x >> SKY_SHIFT, columns - 1)])
    return level


@kernel
def _expected(other: OtherFrame, y: int, x: int) -> float:
    """Return the light that a pixel of ours should hold above the sky; NaN where the other frame does not reach."""
    ny, nx = other.pixels.shape
    at_y, at_x = y + other.shift_y, x + other.shift_x
    v, u = int(np.floor(at_y)), int(np.floor(at_x))
    part_y, part_x = at_y - v, at_x - u
    if v < 0 or u < 0 or v + 1 >= ny or u + 1 >= nx:
        return np.nan
    upper = (1.0 - part_x) * np.float64(other.pixels[v, u]) + part_x * np.float64(other.pixels[v, u + 1])
    lower = (1.0 - part_x) * np.float64(other.pixels[v + 1, u]) + part_x * np.float64(other.pixels[v + 1, u + 1])
    light: float = other.scale * ((1.0 - part_y) * upper + part_y * lower - _sky_at(other.sky, v, u))
    return light


@kernel
def brighter_places(
    pixels: Array,
    sigma: Array,
    shift: int,
    sky: Array,
    other: OtherFrame,
    sigmas: float,
    row_limits: Array,
    places: Array,
) -> int:
    """Find pixels that are brighter than another exposure makes them; return how many there are.

    Parameters
    ----------
    pixels : float32 or float64, shape (ny, nx)
        The frame.
    sigma : float32
        Its standard deviations, one for each block of ``1 << shift`` rows and columns.
    shift : int
        0 where each pixel has its own.
    sky : float32
        Its sky in blocks of ``1 << SKY_SHIFT`` rows and columns.
    other : OtherFrame
        The other exposure.
    sigmas : float
        By how many standard deviations of the pixel.
    row_limits : float32, shape (nx,)
        To work in.
    places : int64, shape (n, 2)
        Filled with row and column of as many as there is room for.
    """
    ny, nx = pixels.shape
    count = 0
    factor = np.float32(sigmas)
    for y in range(ny):
        row, noise, levels = pixels[y], sigma[y >> shift], sky[min(y >> SKY_SHIFT, sky.shape[0] - 1)]
        if shift == 0:
            for x in range(nx):
                row_limits[x] = factor * noise[x]
        else:
            for x in range(nx):
                row_limits[x] = factor * noise[x >> shift]
        for j in range(levels.size):
            for x in range(j << SKY_SHIFT, min((j + 1) << SKY_SHIFT, nx)):
                row_limits[x] += levels[j]
        for x in range(nx):
            if not row[x] > row_limits[x]:
                continue
            reach = factor * noise[x >> shift]
            if not np.float64(row[x]) - _sky_at(sky, y, x) - reach > _expected(other, y, x):
                continue
            if count < places.shape[0]:
                places[count, 0] = y
                places[count, 1] = x
            count += 1
    return count


@kernel
def light_at(other: OtherFrame, places: Array, out: Array) -> None:
    """Write what another exposure says of pixels of ours, above the sky.

    Parameters
    ----------
    other : OtherFrame
        The other exposure.
    places : int64, shape (n, 2)
        Row and column.
    out : float64, shape (n, 4)
        The light that is expected there, the lowest and the highest within a pixel of it, and the mean of the four
        beside it; NaN beyond its edges.
    """
    for i in range(places.shape[0]):
        y, x = places[i, 0], places[i, 1]
        own = _expected(other, y, x)
        lowest, highest, beside = own, own, 0.0
        for dy in range(-1, 2):
            for dx in range(-1, 2):
                value = _expected(other, y + dy, x + dx)
                lowest = value if value < lowest else lowest
                highest = value if value > highest else highest
                beside += 0.25 * value if abs(dy) + abs(dx) == 1 else 0.0
        out[i, 0] = own
        out[i, 1] = lowest
        out[i, 2] = highest
        out[i, 3] = beside
