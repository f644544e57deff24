"""Which floating point type pixels are worked on in."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["float_dtype"]


def float_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type of results made from pixels of a type: float64 for float64, else float32.

    float32 holds whole numbers exactly up to 16 777 216, which is more than any detector counts. Arithmetic is done in
    float64 and rounded once, when the result is stored.

    Examples
    --------
    >>> float_dtype(np.dtype(np.uint16)), float_dtype(np.dtype(np.float64))
    (dtype('float32'), dtype('float64'))
    """
    return np.dtype(np.float64 if dtype.kind == "f" and dtype.itemsize > 4 else np.float32)
