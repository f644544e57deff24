"""One row of an image: what several kernels ask of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.kernels._compile import kernel

if TYPE_CHECKING:
    from zeroframe.kernels._compile import Array

__all__ = ["count_not_finite"]


@kernel
def count_not_finite(row: Array) -> int:
    """How many values of a row are not finite."""
    count = 0
    for x in range(row.size):
        count += 0 if np.abs(row[x]) < np.inf else 1
    return count
