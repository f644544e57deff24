"""Bad columns: runs of pixels that are too low or too high together, and short gaps between bad pixels.

Images stand on their side, shape (nx, ny), C order: what is read next stands next in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.kernels._jit import kernel

if TYPE_CHECKING:
    from zeroframe.kernels._jit import Array

__all__ = ["fill_gaps", "find_columns"]


def find_columns(residual: Array, sigma: Array, low: float, high: float, mask: Array) -> None:
    """Mask runs of a column whose sum is beyond the thresholds.

    Parameters
    ----------
    residual, sigma : float32 or float64, shape (nx, ny)
        Difference of each pixel from its level, and its noise.
    low, high : float
        Thresholds below and above zero, in units of the noise of the sum.
    mask : bool, shape (nx, ny)
        Masked pixels take no part; those of the runs found are added.

    Notes
    -----
    Runs are 2, 4, 8 … rows long, and ny. Short ones come first, and what they find takes no part in longer ones.
    """
    _find_columns(residual, sigma, low, high, mask, np.zeros((2, residual.shape[1] + 1)))


@kernel
def _find_columns(residual: Array, sigma: Array, low: float, high: float, mask: Array, work: Array) -> None:
    """Do it; the first column of ``work``, float64 of shape (2, ny + 1), holds zeros."""
    nx, ny = residual.shape
    sums, variances = work[0], work[1]
    for x in range(nx):
        values, noises, masked = residual[x], sigma[x], mask[x]
        length = 2
        while length < 2 * ny:
            run = min(length, ny)
            # sums from the top, so that the sum of any run is one difference; in float64 those of 10,000 rows are right
            # to 1e-12
            for y in range(ny):
                good = not masked[y]
                width = np.float64(noises[y])
                sums[y + 1] = sums[y] + (np.float64(values[y]) if good else 0.0)
                variances[y + 1] = variances[y] + (width * width if good else 0.0)
            for y in range(ny - run + 1):
                total = sums[y + run] - sums[y]
                noise = np.sqrt(variances[y + run] - variances[y])
                # a run without a good pixel has no noise and no sum, and is not beyond the thresholds
                if total < -low * noise or total > high * noise:
                    # the sums of this length stay as they are: it does not matter which run is looked at first
                    for i in range(y, y + run):
                        masked[i] = True
            length *= 2


@kernel
def fill_gaps(mask: Array, ngood: int) -> None:
    """Mask gaps of fewer than ``ngood`` rows between masked pixels of one column."""
    nx, ny = mask.shape
    for x in range(nx):
        masked = mask[x]
        last = -1
        for y in range(ny):
            if masked[y]:
                if last >= 0 and 1 < y - last <= ngood:
                    for i in range(last + 1, y):
                        masked[i] = True
                last = y
