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

__all__ = ["LEVELS", "scale_factors", "zero_offsets"]

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
    """Call a function with an array, masked where pixels are.

    Under the mask stands the median of the frame: numpy's own median does not look at masks, and copies of the median
    do not move it. Its remark that it does not look is silenced for that reason.
    """
    pixels = np.empty(stack.shape_yx, stack.dtype)
    stack.read_rows(index, slice(0, stack.shape_yx[0]), pixels)
    mask = ~np.isfinite(pixels)
    if not mask.any():
        return float(function(pixels))
    pixels[mask] = np.median(pixels[~mask]) if not mask.all() else np.nan
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Warning: 'partition' will ignore the 'mask'", UserWarning)
        return float(function(np.ma.MaskedArray(pixels, mask)))
