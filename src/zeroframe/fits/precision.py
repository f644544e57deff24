"""Which floating point type pixels are worked on in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["float_dtype", "single_if_it_holds"]


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


def single_if_it_holds(values: NDArray[Any]) -> NDArray[Any]:
    """Return values as float32, or as they are where one of them is too large for it: it would become infinite.

    What is float32 already, of either byte order, is not copied.

    Examples
    --------
    >>> single_if_it_holds(np.array([1.5])).dtype, single_if_it_holds(np.array([1e42])).dtype
    (dtype('float32'), dtype('float64'))
    """
    if values.dtype.kind == "f" and values.dtype.itemsize == 4:
        return values
    try:
        with np.errstate(over="raise"):
            return values.astype(np.float32)
    except FloatingPointError:
        return values
