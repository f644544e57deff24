"""Standard deviations of a combined frame, from the scatter of its pixels and what is known of all of them."""

# ruff: noqa: FURB136 -- conditional expressions become vector maxima, builtin max does not

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.kernels._jit import kernel

if TYPE_CHECKING:
    from zeroframe.kernels._jit import Array

__all__ = ["BINS", "pool_uncertainty", "scatter_of_place"]

#: A scatter x, in noises of all pixels, stands at the place ``_WIDE x / (x + _HALF)``: near 0 each is 1/64 apart, at 8
#: 1/16. The last place is that of 120; beyond, a pixel has the noise that it shows.
_HALF, _WIDE = 8.0, 512.0
BINS = 480


def scatter_of_place(place: Array) -> Array:
    """Return the scatter that stands at a place of a table.

    Examples
    --------
    >>> scatter_of_place(np.array([0.0, 256.0, 480.0]))
    array([  0.,   8., 120.])
    """
    return np.asarray(_HALF * place / (_WIDE - place))


@kernel
def pool_uncertainty(
    data: Array, uncertainty: Array, counts: Array, of_count: Array, law: Array, tables: Array, row_of_count: Array
) -> None:
    """Replace ``uncertainty``, the scatter of each pixel, in place by what the pixel's error is.

    Parameters
    ----------
    data, uncertainty : float32 or float64, shape (pixels,)
        The combined values, and what `zeroframe.kernels.stack` gives as their uncertainty.
    counts : uint16, shape (pixels,)
        How many values each is made of.
    of_count : float64, shape (3, most + 1)
        For each count what ``data`` is multiplied by to be a level, ``uncertainty`` to be the scatter of one value,
        and the standard deviation of one value to be that of the result.
    law : float64, shape (5,)
        Variance of one value at a level of zero, what one unit of level adds, the lowest level that counts, the least
        variance, and the variance of the frames' levels, which every scatter contains and no error of a pixel.
    tables : float64, shape (rows, BINS + 1)
        By the scatter of a pixel, over what the law says, at `scatter_of_place`: the root of its variance over that of
        the law.
    row_of_count : int32, shape (most + 1,)
        Which row is for which count.
    """
    last = np.float64(BINS)
    for p in range(data.size):
        n = counts[p]
        if n == 0:
            continue
        level = np.float64(data[p]) * of_count[0, n]
        level = level if level > law[2] else law[2]
        variance = law[0] + law[1] * level
        variance = variance if variance > law[3] else law[3]
        scatter = np.float64(uncertainty[p]) * of_count[1, n]
        own = scatter * scatter - law[4]
        relative = np.sqrt(own / variance) if own > 0.0 else 0.0
        place = _WIDE * relative / (relative + _HALF)
        row = tables[row_of_count[n]]
        if place < last:
            k = int(place)
            ratio = row[k] + (place - k) * (row[k + 1] - row[k])
        else:  # NaN comes here, too, and stays
            ratio = row[BINS] * (relative * (_WIDE - last) / (_HALF * last))
        uncertainty[p] = np.sqrt(variance) * ratio * of_count[2, n]
