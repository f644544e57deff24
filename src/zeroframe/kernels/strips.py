"""Means along and across an overscan strip, of what is near the middle of each line.

``stack`` is the strip turned: float32 or float64, shape (width, lines), C order; what is not finite takes no part.
``centre`` is float64, shape (lines,), and ``limit`` how far from it a pixel may stand. Sums are those of differences
from the centre, so that no digits cancel. The interpreter's lock is released.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.kernels._jit import kernel

if TYPE_CHECKING:
    from zeroframe.kernels._jit import Array

__all__ = ["column_sums", "line_sums"]


@kernel
def column_sums(stack: Array, centre: Array, limit: float, sums: Array, counts: Array) -> None:
    """Sum each column of a strip (a row of ``stack``) into ``sums``, float64, and count into ``counts``, int64."""
    for column in range(stack.shape[0]):
        values = stack[column]
        total = 0.0
        count = 0
        for i in range(values.size):
            d = np.float64(values[i]) - centre[i]
            inside = np.abs(d) <= limit
            total += d if inside else 0.0
            count += 1 if inside else 0
        sums[column] = total
        counts[column] = count


@kernel
def line_sums(
    stack: Array, centre: Array, limit: float, used: Array, sums: Array, squares: Array, counts: Array
) -> None:
    """Sum each line over the columns that are ``used`` (bool) into ``sums`` and ``squares``, and count; all float64."""
    for i in range(centre.size):
        sums[i] = 0.0
        squares[i] = 0.0
        counts[i] = 0.0
    for column in range(stack.shape[0]):
        if not used[column]:
            continue
        values = stack[column]
        for i in range(values.size):
            d = np.float64(values[i]) - centre[i]
            inside = np.abs(d) <= limit
            d = d if inside else 0.0
            sums[i] += d
            squares[i] += d * d
            counts[i] += 1.0 if inside else 0.0
