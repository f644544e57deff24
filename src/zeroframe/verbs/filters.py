"""Verbs of ccdproc beside calibration: a median filter, any transformation, and the noise of surroundings."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from astropy.nddata import CCDData
from astropy.utils.exceptions import AstropyDeprecationWarning

from zeroframe.errors import ArgumentError, UsageError
from zeroframe.fits.precision import float_dtype
from zeroframe.verbs.arguments import checked_names
from zeroframe.verbs.ccddata import add_keywords
from zeroframe.verbs.exceptions import VerbAssumptionWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = [
    "background_deviation_box",
    "background_deviation_filter",
    "median_filter",
    "rebin",
    "sigma_func",
    "transform_image",
]

#: Of a normal distribution, the standard deviation over the median absolute deviation.
_SIGMA_PER_MAD = 1.482602218505602
Image: TypeAlias = "CCDData | NDArray[Any]"


def transform_image(
    ccd: CCDData,
    transform_func: Callable[..., Any],
    *,
    add_keyword: object = True,
    **kwargs: Any,  # noqa: ANN401 -- the function's own
) -> CCDData:
    """Put a frame, its uncertainty and its mask through a function that moves pixels.

    Parameters
    ----------
    ccd : CCDData
        The frame.
    transform_func : callable
        Takes an array and returns another: `scipy.ndimage.shift`, say. It is called for the pixels, for the array of
        the uncertainty and for the mask; what is not zero in the latter is masked.
    add_keyword : bool, str, mapping or None
        True writes the card TRANSFRM; False or None nothing; a text or mapping is written instead.
    **kwargs
        For the function.

    Returns
    -------
    CCDData
        Of the type that the function returns. World coordinates stay as they are.

    Raises
    ------
    ArgumentError
        When ``ccd`` is no CCDData or the function none.

    Warns
    -----
    AssumptionWarning
        When there are world coordinates, which do not follow; `zeroframe.wcs_project` moves both.

    Examples
    --------
    >>> frame = CCDData(np.array([[1.0, 2.0]]), unit="adu", mask=np.array([[True, False]]))
    >>> turned = transform_image(frame, np.fliplr)
    >>> turned.data, turned.mask
    (array([[2., 1.]]), array([[False,  True]]))
    """
    if not isinstance(ccd, CCDData):
        raise ArgumentError(f"ccd must be a CCDData, not {type(ccd).__name__}")
    if not callable(transform_func):
        raise ArgumentError(f"transform_func is {transform_func!r}; it must be a function of an array")
    result = ccd.copy()
    result.data = transform_func(result.data, **kwargs)
    if result.uncertainty is not None:
        result.uncertainty.array = transform_func(result.uncertainty.array, **kwargs)
    if result.mask is not None:
        result.mask = np.asarray(transform_func(np.asarray(result.mask), **kwargs)) > 0
    if result.wcs is not None:
        warnings.warn(
            "WCS information may be incorrect: it stays as it was; wcs_project moves it and the pixels",
            VerbAssumptionWarning,
            stacklevel=2,
        )
    add_keywords(result, {"TRANSFRM": getattr(transform_func, "__name__", type(transform_func).__name__)}, add_keyword)
    return result


def median_filter(data: Image, *args: Any, **kwargs: Any) -> Image:  # noqa: ANN401 -- scipy's
    """Take the moving median, as `scipy.ndimage.median_filter` does, of an array or of the pixels of a frame.

    Parameters
    ----------
    data : CCDData or ndarray
        What is filtered; masked pixels take part like others.
    *args, **kwargs
        For `scipy.ndimage.median_filter`: ``size``, ``footprint``, ``mode`` …

    Returns
    -------
    CCDData or ndarray
        Of a frame: its unit and header are kept, its mask, uncertainty and world coordinates are not.

    Examples
    --------
    >>> median_filter(CCDData(np.array([[1.0, 9.0, 2.0]]), unit="adu"), size=(1, 3)).data
    array([[1., 2., 2.]])
    """
    from scipy import ndimage

    if not isinstance(data, CCDData):
        return np.asarray(ndimage.median_filter(data, *args, **kwargs))
    filtered = ndimage.median_filter(np.asarray(data.data), *args, **kwargs)
    return CCDData(filtered, unit=data.unit, meta=data.meta.copy())


def sigma_func(arr: Any, axis: int | tuple[int, ...] | None = None, ignore_nan: bool = False) -> Any:  # noqa: ANN401, FBT001
    """Return the standard deviation that the median absolute deviation stands for: 1.4826 of it.

    Parameters
    ----------
    arr : CCDData, ndarray or masked array
        The values; masked ones take no part.
    axis : int, tuple of int or None
        Along which; None is over all.
    ignore_nan : bool
        Whether NaN takes no part; otherwise it spreads.

    Returns
    -------
    float, ndarray or masked array

    Examples
    --------
    >>> float(sigma_func(np.array([1.0, 2.0, 3.0, 90.0])))
    1.482602218505602
    """
    from astropy.stats import median_absolute_deviation

    return median_absolute_deviation(arr, axis=axis, ignore_nan=ignore_nan) * _SIGMA_PER_MAD


@checked_names
def background_deviation_box(data: NDArray[Any], bbox: int) -> NDArray[Any]:
    """Return the noise of boxes of pixels, each pixel of a box with that of its box.

    Parameters
    ----------
    data : ndarray or masked array, shape (ny, nx)
        The pixels.
    bbox : int
        Side of a box.

    Returns
    -------
    ndarray or masked array, shape (ny, nx)
        1.4826 median absolute deviations. A box reaches half a side to either side of its middle and overlaps the one
        before it by a pixel or two, as in ccdproc; the last row and column have the standard deviation of all pixels.

    Raises
    ------
    UsageError
        When ``bbox`` is less than 1.

    Examples
    --------
    >>> noise = background_deviation_box(np.random.default_rng(1).normal(0.0, 3.0, (40, 40)), 20)
    >>> bool(abs(np.median(noise) - 3.0) < 0.5)
    True
    """
    _check_box(bbox)
    noise: NDArray[Any] = data * 0.0 + data.std()
    ny, nx = data.shape
    half = max(bbox // 2, 1)
    for row in range(bbox // 2, ny, bbox):
        for column in range(bbox // 2, nx, bbox):
            box = (
                slice(max(0, row - half), min(row + half + 1, ny - 1)),
                slice(max(0, column - half), min(column + half + 1, nx - 1)),
            )
            if data[box].size:
                noise[box] = sigma_func(data[box])
    return noise


@checked_names
def background_deviation_filter(data: NDArray[Any], bbox: int) -> NDArray[Any]:
    """Return the noise of the box around each pixel.

    Parameters
    ----------
    data : ndarray, shape (ny, nx)
        The pixels; beyond the edges they are reflected.
    bbox : int
        As for `background_deviation_box`, which raises what is raised here.

    Returns
    -------
    ndarray, shape (ny, nx)
        1.4826 median absolute deviations.

    Examples
    --------
    >>> noise = background_deviation_filter(np.random.default_rng(1).normal(0.0, 3.0, (20, 20)), 9)
    >>> bool(abs(np.median(noise) - 3.0) < 0.5)
    True
    """
    _check_box(bbox)
    data = np.asarray(data)
    # a row of boxes at a time, instead of a call of a function a pixel
    padded = np.pad(data, _reach(bbox), mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (bbox, bbox))
    out = np.empty(data.shape, float_dtype(data.dtype))
    for row, line in zip(out, windows, strict=True):
        values = line.reshape(len(row), -1).astype(np.float64)
        middle = np.median(values, axis=1, keepdims=True)
        row[...] = np.median(np.abs(values - middle), axis=1) * _SIGMA_PER_MAD
    return np.asarray(out)


def _reach(size: int) -> tuple[int, int]:
    """Return how far a box reaches before and behind its pixel, as scipy places it."""
    return size // 2, size - 1 - size // 2


def _check_box(bbox: int) -> None:
    if bbox < 1:
        raise UsageError(f"bbox is {bbox}; a box has a side of 1 at least")


def rebin(ccd: Image, newshape: Sequence[int]) -> Image:
    """Give a frame another shape by repeating or leaving out pixels. It goes with ccdproc 3.0; see `block_reduce`.

    Parameters
    ----------
    ccd : CCDData or ndarray
        The frame, which is not changed.
    newshape : sequence of int
        The new shape, of as many axes.

    Returns
    -------
    CCDData or ndarray
        Each new pixel is the old one that its near corner lies in; mask and uncertainty likewise.

    Raises
    ------
    ArgumentError
        When ``ccd`` is neither.
    UsageError
        When the number of axes differs.

    Warns
    -----
    AstropyDeprecationWarning
        Always: nothing is summed or averaged. `zeroframe.block_reduce` and `zeroframe.block_replicate` are.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     rebin(np.array([[1, 2]]), (2, 4)).tolist()
    [[1, 1, 2, 2], [1, 1, 2, 2]]
    """
    warnings.warn(
        "rebin sums and averages nothing; use block_reduce, block_average or block_replicate",
        AstropyDeprecationWarning,
        stacklevel=2,
    )
    if not isinstance(ccd, CCDData | np.ndarray):
        raise ArgumentError(f"ccd must be a CCDData or an array, not {type(ccd).__name__}")
    if len(ccd.shape) != len(newshape):
        raise UsageError(f"newshape {tuple(newshape)} has {len(newshape)} axes, and the frame {len(ccd.shape)}")
    places = np.ix_(*(np.arange(new) * old // new for old, new in zip(ccd.shape, newshape, strict=True)))
    if isinstance(ccd, np.ndarray):
        return np.asarray(ccd[places])
    result = ccd.copy()
    result.data = ccd.data[places]
    if ccd.uncertainty is not None:
        result.uncertainty.array = ccd.uncertainty.array[places]
    if ccd.mask is not None:
        result.mask = np.broadcast_to(ccd.mask, ccd.shape)[places]
    return result
