"""One row or column of an image: what several kernels ask of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.kernels._jit import kernel

if TYPE_CHECKING:
    from zeroframe.kernels._jit import Array

__all__ = ["count_not_finite", "reflected"]


@kernel
def count_not_finite(row: Array) -> int:
    """How many values of a row are not finite."""
    count = 0
    # one comparison finds infinite values and NaN, which compares as false; counted, not branched on: vector code
    for x in range(row.size):
        count += 0 if np.abs(row[x]) < np.inf else 1
    return count


@kernel
def reflected(index: int, size: int) -> int:
    """Index of a pixel beyond the edge, where the image is continued as its mirror image: (d c b a | a b c d)."""
    while index < 0 or index >= size:
        index = -index - 1 if index < 0 else 2 * size - 1 - index
    return index
