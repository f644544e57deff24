"""Pixels that are replaced from their good neighbours.

Arrays are C-contiguous and ``(ny, nx)``. The interpreter's lock is released.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.kernels._jit import kernel

if TYPE_CHECKING:
    from zeroframe.kernels._jit import Array

__all__ = ["mend_pixels"]


@kernel
def mend_pixels(
    pixels: Array, sigma: Array, mask: Array, bits: int, mended: int, reach: int, stride: int, fewest: int
) -> int:
    """Replace masked pixels by the mean of good neighbours, in place; return how many pixels that are.

    Parameters
    ----------
    pixels : float32 or float64
        The image.
    sigma : float32 or float64, of the same shape or (0, 0)
        Its standard deviations.
    mask : uint8
        Good is a neighbour that is 0.
    bits : int
        A pixel is replaced that has one of these, and none besides.
    mended : int
        What is set of one that is.
    reach, stride : int
        Neighbours lie up to ``reach`` steps of ``stride`` pixels away; the first ring that has enough ends the search.
    fewest : int
        How many good neighbours it takes.

    Notes
    -----
    Neighbours are weighted by the inverse square of their distance. The variance is that of the mean, and what they
    scatter more than by their noise: by as much the image changes there.
    """
    ny, nx = mask.shape
    count = 0
    for y in range(ny):
        for x in range(nx):
            code = mask[y, x]
            if (code & bits) == 0 or (code & (255 - bits)) != 0:
                continue
            weights = values = squares = noises = errors = 0.0
            found = 0
            for ring in range(1, reach + 1):
                for dy in range(-ring, ring + 1):
                    for dx in range(-ring, ring + 1):
                        near_y, near_x = y + stride * dy, x + stride * dx
                        inside = 0 <= near_y < ny and 0 <= near_x < nx
                        if max(abs(dy), abs(dx)) == ring and inside and mask[near_y, near_x] == 0:
                            value = np.float64(pixels[near_y, near_x])
                            weight = 1.0 / (dy * dy + dx * dx)
                            noise = np.float64(sigma[near_y, near_x]) if sigma.size > 0 else 0.0
                            found += 1
                            weights += weight
                            values += weight * value
                            squares += weight * value * value
                            noises += weight * noise * noise
                            errors += weight * weight * noise * noise
                if found >= fewest:
                    break
            if found < fewest:
                continue
            mean = values / weights
            pixels[y, x] = mean
            if sigma.size > 0:
                scatter = (squares / weights - mean * mean) * found / (found - 1.0)
                noise = noises / weights
                # the scatter of few values is uncertain by sqrt(2 / (n - 1))
                changes = scatter - noise if scatter > noise * (1.0 + 2.0 * np.sqrt(2.0 / (found - 1.0))) else 0.0
                sigma[y, x] = np.sqrt(errors / (weights * weights) + changes)
            mask[y, x] |= np.uint8(mended)
            count += 1
    return count
