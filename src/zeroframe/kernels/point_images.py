"""How sharp the images of points are in a frame: what the neighbours of a peak hold of it, on either side.

The image of a point is about as wide along rows as along columns, and falls off in between as it does along both; the
track of a cosmic ray is not, and does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.kernels._jit import kernel

if TYPE_CHECKING:
    from zeroframe.kernels._jit import Array

__all__ = ["SKY_SHIFT", "point_ratios"]

#: The level of the sky is one for each block of so many bits of row and column.
SKY_SHIFT = 6
#: And where its corners hold less of what they do if it falls off along rows as along columns.
_LEAST_CORNERS = 0.5


@kernel
def _ratio_of(pixels: Array, y: int, x: int, sky: float, least_pair: float, least_side: float) -> float:
    """Return the mean of both neighbours over the peak, along the axis where it is less; 0 of what is no point."""
    peak = np.float64(pixels[y, x]) - sky
    up, down = np.float64(pixels[y - 1, x]) - sky, np.float64(pixels[y + 1, x]) - sky
    left, right = np.float64(pixels[y, x - 1]) - sky, np.float64(pixels[y, x + 1]) - sky
    along_y, along_x = 0.5 * (up + down) / peak, 0.5 * (left + right) / peak
    corners = np.float64(pixels[y - 1, x - 1]) + np.float64(pixels[y - 1, x + 1])
    corners += np.float64(pixels[y + 1, x - 1]) + np.float64(pixels[y + 1, x + 1])
    corners = (0.25 * corners - sky) / peak
    least = min(along_y, along_x)
    side = min(up, down, left, right) / peak
    is_point = least > least_pair and side > least_side and corners > _LEAST_CORNERS * along_y * along_x
    return least if is_point else 0.0


@kernel
def point_ratios(
    pixels: Array,
    sigma: Array,
    shift: int,
    mask: Array,
    sky: Array,
    least: tuple[float, float, float],
    row_limits: Array,
    out: Array,
) -> int:
    """Find peaks that look like images of points; return how many there are.

    Parameters
    ----------
    pixels : float32 or float64, shape (ny, nx)
        The image.
    sigma : float32
        Standard deviations, one for each block of ``1 << shift`` rows and columns.
    shift : int
        0 where each pixel has its own.
    mask : uint8, shape (ny, nx)
        Not 0 where masked.
    sky : float32
        The level of the sky in each block of ``1 << SKY_SHIFT`` rows and columns.
    least : tuple of float
        How many standard deviations a peak stands above the sky, and what of its height is beside it, on both sides in
        the mean and on each: what holds less is no image of a point.
    row_limits : float32, shape (nx,)
        To work in.
    out : float64, shape (n,)
        Filled with what the neighbours of a peak hold of it, of as many peaks as there is room for.
    """
    ny, nx = pixels.shape
    heights, pair, side = least
    count = 0
    for y in range(1, ny - 1):
        row, above, below = pixels[y], pixels[y - 1], pixels[y + 1]
        for x in range(nx):
            row_limits[x] = sky[y >> SKY_SHIFT, x >> SKY_SHIFT] + heights * sigma[y >> shift, x >> shift]
        for x in range(1, nx - 1):
            own = row[x]
            if not own > row_limits[x] or own < row[x - 1] or own <= row[x + 1] or own < above[x] or own <= below[x]:
                continue
            spoilt = False
            for v in range(y - 1, y + 2):
                for u in range(x - 1, x + 2):
                    spoilt |= mask[v, u] != 0 or not np.abs(pixels[v, u]) < np.inf or pixels[v, u] > own
            level = np.float64(sky[y >> SKY_SHIFT, x >> SKY_SHIFT])
            ratio = 0.0 if spoilt else _ratio_of(pixels, y, x, level, pair, side)
            if ratio > 0.0:
                if count < out.size:
                    out[count] = ratio
                count += 1
    return count
