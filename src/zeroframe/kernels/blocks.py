"""Sums over blocks of pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.kernels._jit import kernel

if TYPE_CHECKING:
    from zeroframe.kernels._jit import Array

__all__ = ["block_sums"]


@kernel
def block_sums(
    pixels: Array, sigma: Array, mask: Array, by: int, bx: int, totals: Array, variances: Array, counts: Array
) -> None:
    """Sum the valid pixels of each block, and their variances.

    Parameters
    ----------
    pixels : any native type, shape (ny, nx)
        Not finite where masked.
    sigma : float32 or float64, shape (ny, nx) or (0, 0)
        Standard deviations.
    mask : bool, shape (ny, nx) or (0, 0)
        True where a pixel is left out.
    by, bx : int
        Rows and columns of a block. What is left over at the far edges is left out.
    totals, variances : float64, shape (ny // by, nx // bx)
        Zero where nothing is valid.
    counts : int64, of the same shape
        How many pixels were valid.
    """
    totals[:] = 0.0
    variances[:] = 0.0
    counts[:] = 0
    # row by row, as pixels stand in memory: the sums of a row of blocks are few, and stay in the cache
    for i in range(totals.shape[0]):
        total, variance, count = totals[i], variances[i], counts[i]
        for y in range(i * by, (i + 1) * by):
            row = pixels[y]
            for j in range(totals.shape[1]):
                for x in range(j * bx, (j + 1) * bx):
                    value = np.float64(row[x])
                    # NaN compares as false
                    if not np.abs(value) < np.inf or (mask.size > 0 and mask[y, x]):
                        continue
                    total[j] += value
                    count[j] += 1
                    if sigma.size > 0:
                        variance[j] += np.float64(sigma[y, x]) * np.float64(sigma[y, x])
