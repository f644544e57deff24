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
#: Pixels that are worked on at once.
_PART = 128


def scatter_of_place(place: Array) -> Array:
    """Return the scatter that stands at a place of a table.

    Examples
    --------
    >>> scatter_of_place(np.array([0.0, 256.0, 480.0]))
    array([  0.,   8., 120.])
    """
    return np.asarray(_HALF * place / (_WIDE - place))


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
    _pool_uncertainty(data, uncertainty, counts, of_count, law, tables, row_of_count, np.empty((5, _PART)))


@kernel
def _pool_uncertainty(
    data: Array,
    uncertainty: Array,
    counts: Array,
    of_count: Array,
    law: Array,
    tables: Array,
    row_of_count: Array,
    work: Array,
) -> None:
    """Do it, in parts, so that all but the look-up becomes vector code, whatever the counts."""
    is_one = law[1] == 0.0 and law[0] <= law[3]  # without light all pixels have one variance, the least
    for start in range(0, data.size, _PART):
        own = slice(start, min(start + _PART, data.size))
        level, scatter, many = data[own], uncertainty[own], counts[own]
        part = work[:, : many.size]
        for p in range(many.size):
            part[4, p] = of_count[1, many[p]]
        if is_one:
            _place_of_one(scatter, part[4], law[3], law[4], part[0], part[1], part[2])
        else:
            for p in range(many.size):
                part[3, p] = of_count[0, many[p]]
            _place_of(level, scatter, part[3], part[4], law, part[0], part[1], part[2])
        for p in range(many.size):
            n = many[p]
            if n > 0:
                row = tables[row_of_count[n]]
                scatter[p] = part[2, p] * _ratio_of(row, part[1, p], part[0, p]) * of_count[2, n]


@kernel
def _place_of(
    data: Array,
    uncertainty: Array,
    to_level: Array,
    to_scatter: Array,
    law: Array,
    relatives: Array,
    places: Array,
    roots: Array,
) -> None:
    """Write the scatter of pixels over what the law says, where that stands in a table, and what the law says."""
    for p in range(data.size):
        level = np.float64(data[p]) * to_level[p]
        level = level if level > law[2] else law[2]
        variance = law[0] + law[1] * level
        variance = variance if variance > law[3] else law[3]
        scatter = np.float64(uncertainty[p]) * to_scatter[p]
        own = scatter * scatter - law[4]
        relative = np.sqrt(own / variance if own > 0.0 else 0.0)
        relatives[p] = relative
        places[p] = _WIDE * relative / (relative + _HALF)
        roots[p] = np.sqrt(variance)


@kernel
def _place_of_one(
    uncertainty: Array,
    to_scatter: Array,
    variance: float,
    of_levels: float,
    relatives: Array,
    places: Array,
    roots: Array,
) -> None:
    """Do the same where the law says one variance of all pixels, whatever their level."""
    root = np.sqrt(variance)
    for p in range(uncertainty.size):
        scatter = np.float64(uncertainty[p]) * to_scatter[p]
        own = scatter * scatter - of_levels
        relative = np.sqrt(own / variance if own > 0.0 else 0.0)
        relatives[p] = relative
        places[p] = _WIDE * relative / (relative + _HALF)
        roots[p] = root


@kernel
def _ratio_of(row: Array, place: float, relative: float) -> float:
    """Look up the noise of a pixel over what the law says."""
    last = np.float64(BINS)
    if place < last:
        k = np.int64(place)
        here = np.uint64(k)  # a number without sign is not asked whether it counts from the end: a quarter of the time
        return float(row[here] + (place - k) * (row[here + np.uint64(1)] - row[here]))
    # NaN comes here, too, and stays
    return float(row[BINS] * (relative * (_WIDE - last) / (_HALF * last)))
