"""The median of values among which there is no NaN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["median_of_valid"]


def median_of_valid(values: ArrayLike, axis: int = -1) -> NDArray[Any]:
    """Return the median along one axis of values among which there is no NaN.

    Parameters
    ----------
    values : array-like
        With at least one value along the axis.
    axis : int
        The last one by default.

    Returns
    -------
    ndarray
        To the bit what numpy.median gives; that looks for NaN, for which it imports numpy.ma, which takes 0.02 s.

    Examples
    --------
    >>> median_of_valid([[4, 1, 3, 2], [7, 7, 9, 0]]).tolist()
    [2.5, 7.0]
    """
    given = np.asarray(values)
    count = given.shape[axis]
    half = count // 2
    low = half - 1 + count % 2
    ordered = np.partition(given, (low, half), axis=axis)
    middle: NDArray[Any] = ordered.take([low, half], axis=axis).mean(axis=axis)
    return middle
