"""Moving percentiles of an image: exact, with pixels left out, on threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import UsageError
from zeroframe.frames.numbers import is_number
from zeroframe.kernels.ranks import rank_filter
from zeroframe.workers import map_threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["box_size", "moving_percentiles"]

#: Rows of one piece of work: whole tiles of the kernel for boxes of up to 16 pixels.
_BAND = 256


def box_size(value: object, name: str, least: int = 1) -> int:
    """Return the side of a box in pixels.

    Raises
    ------
    UsageError
        When it is no whole number of at least ``least``.

    Examples
    --------
    >>> box_size(11.0, "mbox")
    11
    """
    if not is_number(value) or not float(value).is_integer() or value < least:
        raise UsageError(f"{name} is {value!r}; it must be a whole number of pixels, {least} or more")
    return int(value)


def moving_percentiles(
    pixels: NDArray[Any], box_yx: tuple[int, int], percents: Sequence[float], workers: int | None = None
) -> NDArray[Any]:
    """Return percentiles of the box around each pixel, as `scipy.ndimage.percentile_filter` finds them.

    Parameters
    ----------
    pixels : ndarray of float32 or float64, shape (ny, nx), C order
        Not finite where left out: such pixels take no part. Beyond the edges the image is mirrored.
    box_yx : tuple of int
        Rows and columns of the box.
    percents : sequence of float
        Of n values, the one with ``int(n * percent / 100)`` smaller ones is taken.
    workers : int, optional
        How many threads; by default as many as there are cores.

    Returns
    -------
    ndarray, shape (len(percents), ny, nx)
        NaN where every pixel of the box is left out.

    Examples
    --------
    >>> moving_percentiles(np.array([[1.0, 2.0, np.nan, 9.0, 3.0]]), (1, 3), [50.0])
    array([[[1., 2., 9., 9., 3.]]])
    """
    out = np.empty((len(percents), *pixels.shape), pixels.dtype)
    wanted = np.array(percents, dtype=np.float64)

    def work(first: int) -> None:
        rank_filter(pixels, box_yx[0], box_yx[1], wanted, first, out[:, first : first + _BAND])

    map_threads(work, range(0, pixels.shape[0], _BAND), workers)
    return out
