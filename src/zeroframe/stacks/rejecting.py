"""Rejection from a tile of a stack: by kernels, and beside them by functions and schemes that work in numpy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.kernels.sorting import sorting_pairs
from zeroframe.kernels.stack import stack_reject
from zeroframe.stacks.functions import apply_statistic, quiet_about_empty_pixels, reject_beyond

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zeroframe.stacks.combine import Rejection

__all__ = ["reject_in_tile", "share_lost_by_growing"]

#: A share is told by so many values; no limit of memory counts them.
_VALUES = 1 << 20


def reject_in_tile(
    tile: NDArray[Any], rejection: Rejection, factors: NDArray[np.float64], pairs: NDArray[np.int32]
) -> None:
    """Scale a tile in place, and put NaN where anything is rejected, by kernels and beside them.

    Parameters
    ----------
    tile : ndarray, shape (frames, rows, nx)
        In C order; NaN where masked.
    rejection : Rejection
        What is rejected.
    factors : ndarray of float64, shape (frames,)
        What each frame is multiplied by before.
    pairs : ndarray of int32
        `sorting_pairs` of the number of frames.
    """
    before = np.isfinite(tile) if rejection.grow else None
    stack_reject(tile.reshape(len(tile), -1), factors, pairs, rejection.limits())
    if rejection.by_callable:
        _clip_by_callables(tile, rejection)
    if rejection.scheme is not None:
        rejection.scheme.reject(tile)
    if before is not None:
        from zeroframe.stacks.rejections import grow_rejected

        grow_rejected(before, tile, rejection.grow)


def share_lost_by_growing(frames: Sequence[NDArray[Any]], rejection: Rejection) -> float:
    """Return which share of the values that no rejection meets is lost because it stands beside one that it does.

    Parameters
    ----------
    frames : sequence of ndarray, shape (rows, nx)
        Rows of all frames, scaled; the first of them are looked at.
    rejection : Rejection
        What is rejected.
    """
    if not rejection.grow:
        return 0.0
    from zeroframe.stacks.rejections import share_grown_away

    rows = max(_VALUES // (len(frames) * frames[0].shape[1]), 1)
    tile = np.stack([frame[:rows] for frame in frames])
    before = np.isfinite(tile)
    with quiet_about_empty_pixels():
        reject_in_tile(tile, replace(rejection, grow=0.0), np.ones(len(tile)), sorting_pairs(len(tile)))
    return share_grown_away(before, tile, rejection.grow)


def _clip_by_callables(tile: NDArray[Any], rejection: Rejection) -> None:
    """Clip in place where the center or the spread is a function of the caller's own.

    Parameters
    ----------
    tile : ndarray, shape (frames, rows, nx)
        NaN where masked; what is rejected becomes NaN.
    rejection : Rejection
        Its limits of value and number are not looked at: `stack_reject` has applied them.
    """
    for _ in range(rejection.iterations):
        center = apply_statistic(rejection.center, tile)
        spread = 0.0 if rejection.spread == "floor" else apply_statistic(rejection.spread, tile)
        photons = np.fmax(center, 0.0) * rejection.photon_adu
        spread = np.fmax(spread, np.sqrt(rejection.floor_adu**2 + photons))
        low = -np.inf if rejection.sigma_low is None else center - abs(rejection.sigma_low) * spread
        high = np.inf if rejection.sigma_high is None else center + abs(rejection.sigma_high) * spread
        if not reject_beyond(tile, low, high):
            return
