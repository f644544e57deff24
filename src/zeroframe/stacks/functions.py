"""Combining with weights and with functions of the caller's own: in numpy, on one tile at a time.

Tiles hold NaN where a value is masked or rejected. Functions are called as ``function(tile, axis=0)`` with a tile of
shape (frames, rows, nx); those that numpy and astropy have too are known by name and leave NaN out.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from zeroframe.errors import ArgumentError
from zeroframe.kernels.stack import MAD_TO_SIGMA

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Statistic",
    "apply_statistic",
    "error_by_weights",
    "quiet_about_empty_pixels",
    "reject_beyond",
    "statistic_name",
    "weighted",
]

Statistic: TypeAlias = str | Callable[..., Any]

_NAMES = {
    "median": "median",
    "nanmedian": "median",
    "mean": "mean",
    "average": "mean",
    "nanmean": "mean",
    "std": "std",
    "nanstd": "std",
    "mad_std": "mad_std",
}
_LIBRARIES = frozenset(("astropy", "bottleneck", "numpy"))


def statistic_name(function: Statistic, known: Container[str] = frozenset(_NAMES.values())) -> Statistic:
    """Return the name of a well-known statistic, for which there is a kernel; other functions as they are.

    Parameters
    ----------
    function : str or callable
        A name, or a function of numpy (masked or not), bottleneck or astropy.
    known : container of str
        The names that are wanted; a function that has another one stays a function.

    Returns
    -------
    str or callable

    Examples
    --------
    >>> statistic_name(np.ma.median), statistic_name(np.nanstd), statistic_name(max) is max
    ('median', 'std', True)
    """
    if isinstance(function, str):
        return function
    library = (getattr(function, "__module__", None) or "").partition(".")[0]
    name = _NAMES.get(getattr(function, "__name__", ""))
    return name if name is not None and name in known and library in _LIBRARIES else function


def _mad_std(tile: NDArray[Any], axis: int) -> Any:  # noqa: ANN401 -- as numpy's own statistics
    deviation = np.abs(tile - np.nanmedian(tile, axis=axis, keepdims=True))
    return MAD_TO_SIGMA * np.nanmedian(deviation, axis=axis)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "median": np.nanmedian,
    "mean": np.nanmean,
    "std": np.nanstd,
    "mad_std": _mad_std,
}


def apply_statistic(statistic: Statistic, tile: NDArray[Any]) -> NDArray[np.float64]:
    """Return a statistic of each pixel of a tile.

    Parameters
    ----------
    statistic : str or callable
        ``'median'``, ``'mean'``, ``'std'``, ``'mad_std'``, or a function.
    tile : ndarray, shape (frames, rows, nx)
        NaN where masked.

    Returns
    -------
    ndarray of float64, shape (rows, nx)

    Raises
    ------
    ArgumentError
        When the function gives an array of another shape.
    """
    function = _FUNCTIONS[statistic] if isinstance(statistic, str) else statistic
    # a median of an even number of float32 would be rounded before deviations from it are taken
    values = tile.astype(np.float64) if isinstance(statistic, str) else tile
    with np.errstate(invalid="ignore", divide="ignore"):
        found = function(values, axis=0)
    if isinstance(found, np.ma.MaskedArray):
        found = np.ma.filled(found.astype(np.float64), np.nan)
    result = np.asarray(found, dtype=np.float64)
    if result.shape != tile.shape[1:]:
        name = getattr(function, "__name__", repr(function))
        raise ArgumentError(
            f"{name}(stack, axis=0) gives an array of shape {result.shape} for a stack of shape {tile.shape}; "
            f"it must give {tile.shape[1:]}"
        )
    return result


@contextmanager
def quiet_about_empty_pixels() -> Iterator[None]:
    """Silence numpy's remarks on pixels where everything is masked; those pixels are masked in the result.

    Warning filters belong to the whole process, so this stands around the threads and not inside of them.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", r"All-NaN (slice|axis)|Mean of empty slice|Degrees of freedom <= 0", RuntimeWarning
        )
        yield


def reject_beyond(tile: NDArray[Any], low: NDArray[np.float64] | float, high: NDArray[np.float64] | float) -> bool:
    """Put NaN in place where values are below ``low`` or above ``high``; return whether there were any."""
    with np.errstate(invalid="ignore"):
        rejected = (tile < low) | (tile > high)
    tile[rejected] = np.nan
    return bool(rejected.any())


def weighted(tile: NDArray[Any], weights: NDArray[Any], *, total: bool) -> NDArray[np.float64]:
    """Return Σ w x / Σ w, or Σ w x, over the values of each pixel that are left.

    Parameters
    ----------
    tile : ndarray, shape (frames, rows, nx)
        NaN where masked.
    weights : ndarray, shape (frames,) or (frames, rows, nx)
        Not negative.
    total : bool
        Whether the sum is wanted and not the mean.

    Returns
    -------
    ndarray of float64, shape (rows, nx)
        NaN where nothing is left.
    """
    values = np.zeros(tile.shape[1:])
    shares = np.zeros(tile.shape[1:])
    # frame after frame, so that the rounding does not depend on the shape of the tile
    for frame, weight in zip(tile, weights, strict=True):
        left = np.isfinite(frame)
        share = np.asarray(weight, dtype=np.float64) * left
        values += np.where(left, frame, 0.0) * share
        shares += share
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(shares > 0.0, values, np.nan) if total else values / shares


def error_by_weights(
    tile: NDArray[Any], weights: NDArray[Any], variances: Sequence[float], *, total: bool
) -> NDArray[np.float64]:
    """Return the error of Σ w x / Σ w, or of Σ w x, over that of the plain mean, or sum, of the values that are left.

    Parameters
    ----------
    tile : ndarray, shape (frames, rows, nx)
        NaN where masked.
    weights : ndarray, shape (frames,) or (frames, rows, nx)
        Not negative.
    variances : sequence of float
        Of the noise of each frame, over that by which the error of the plain mean was told.
    total : bool
        Whether the sum is meant.

    Returns
    -------
    ndarray of float64, shape (rows, nx)
        NaN where nothing is left.

    Examples
    --------
    >>> tile = np.ones((2, 1, 1))
    >>> error = error_by_weights(tile, np.array([1.0, 3.0]), [1.0, 1.0], total=False)
    >>> round(error.item() ** 2, 9)  # (1 + 9) / 16 over 1 / 2
    1.25
    """
    shape = tile.shape[1:]
    squares, shares, counts = (np.zeros(shape) for _ in range(3))
    for frame, weight, variance in zip(tile, weights, variances, strict=True):
        left = np.isfinite(frame)
        share = np.asarray(weight, dtype=np.float64) * left
        squares += np.square(share) * variance
        shares += share
        counts += left
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt(squares / counts) * (1.0 if total else counts / shares)
