"""What frames are multiplied by and what is added to them before they are combined, from lists, functions or words."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import UsageError, nearest_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from zeroframe.stacks.stack import Stack

__all__ = ["LEVELS", "level_by", "scale_factors", "zero_offsets"]

#: By their names, as IRAF has them: then the first frame keeps its level, and the others get it.
LEVELS: dict[str, Callable[..., Any]] = {"mean": np.ma.mean, "median": np.ma.median}


def scale_factors(scale: object, stack: Stack) -> NDArray[np.float64] | None:
    """Return one factor for each frame, from a list, a function of the frame's pixels, ``'mean'`` or ``'median'``."""
    if scale is None:
        return None
    if isinstance(scale, str):
        levels = _levels(scale, "scale", stack)
        if not (levels > 0).all():
            raise UsageError(f"scale={scale!r} needs frames with levels above zero; they are {_few(levels)}")
        return np.asarray(levels[0] / levels)
    return _one_for_each(scale, "scale", stack)


def zero_offsets(zero: object, stack: Stack) -> NDArray[np.float64] | None:
    """Return what is added to each frame, from a list, a function of its pixels, ``'mean'`` or ``'median'``."""
    if zero is None:
        return None
    if isinstance(zero, str):
        levels = _levels(zero, "zero", stack)
        return np.asarray(levels[0] - levels)
    return _one_for_each(zero, "zero", stack)


def _levels(name: str, argument: str, stack: Stack) -> NDArray[np.float64]:
    if name not in LEVELS:
        raise UsageError(f"{argument} is {name!r}, not one of {', '.join(LEVELS)}{nearest_name(name, LEVELS)}")
    return _one_for_each(LEVELS[name], argument, stack)


def _few(levels: NDArray[np.float64]) -> str:
    return ", ".join(f"{level:g}" for level in levels[:5]) + (" …" if levels.size > 5 else "")


def _one_for_each(given: object, argument: str, stack: Stack) -> NDArray[np.float64]:
    frames = len(stack.names)
    if callable(given):
        values = np.array([_number_of_frame(given, stack, index) for index in range(frames)])
    else:
        values = np.atleast_1d(np.asarray(given, dtype=np.float64))
    if values.shape != (frames,):
        raise UsageError(f"{argument} has {values.size} values for {frames} frames; give one for each, or a function")
    for name, value in zip(stack.names, values, strict=True):
        if not np.isfinite(value):
            what = "scale factor" if argument == "scale" else "zero offset"
            raise UsageError(f"the {what} of {name} is {value}; every frame needs a finite number")
    return values


def _number_of_frame(function: Callable[..., Any], stack: Stack, index: int) -> float:
    pixels = np.empty(stack.shape_yx, stack.dtype)
    stack.read_rows(index, slice(0, stack.shape_yx[0]), pixels)
    mask = ~np.isfinite(pixels)
    return level_by(function, np.ma.MaskedArray(pixels, mask) if mask.any() else pixels)


def level_by(function: Callable[..., Any], pixels: NDArray[Any]) -> float:
    """Return what a function says of a frame; it is given an array, masked where pixels are.

    Parameters
    ----------
    function : callable
        Of one array.
    pixels : ndarray or MaskedArray
        Of which masked values may be overwritten.

    Examples
    --------
    >>> frame = np.ma.MaskedArray([[1.0, 2.0], [3.0, 9e9]], [[False, False], [False, True]])
    >>> [level_by(each, frame) for each in (np.median, np.mean, np.ma.median, lambda pixels: np.percentile(pixels, 50))]
    [2.0, 2.0, 2.0, 2.0]
    """
    if not np.ma.is_masked(pixels):
        return float(function(np.asarray(pixels)))
    frame = np.ma.asarray(pixels)
    good = frame.compressed()
    # for functions that look below masks, as those of scipy do
    frame.data[np.ma.getmaskarray(frame)] = np.median(good) if good.size else np.nan
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "converting a masked element to nan", UserWarning)
        if not good.size:  # there is no number, which is said
            warnings.simplefilter("ignore", RuntimeWarning)
        return float(function(frame.view(_GoodPixels)))


#: Functions of numpy that do not look at masks, and say so at most; and where their axis stands.
_BLIND = {np.median: 1, np.nanmedian: 1, np.percentile: 2, np.nanpercentile: 2, np.quantile: 2, np.nanquantile: 2}


class _GoodPixels(np.ma.MaskedArray):
    """A masked array of which numpy's own median and quantiles are those of what is not masked."""

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:  # noqa: ANN401 -- as numpy has it
        if func in _BLIND and args and isinstance(args[0], _GoodPixels):
            place = _BLIND[func]
            if kwargs.get("axis", args[place] if len(args) > place else None) is None:
                args = (args[0].compressed(), *args[1:])
            elif place == 1:
                func = np.ma.median
        return super().__array_function__(func, types, args, kwargs)
