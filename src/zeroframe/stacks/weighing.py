"""Which frames of a stack are noisier than others: what weights of the caller's own make of an error rests on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.frames.medians import median_of_valid
from zeroframe.stacks.noise import read_bands, sample_bands
from zeroframe.workers import map_threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zeroframe.stacks.stack import Stack

__all__ = ["frame_variances"]

_PIXELS = 20_000
_MAD_TO_SIGMA = 1.4826
#: Of three frames the one that is best may come out with nothing at all, by chance.
_LEAST = 1e-3


def frame_variances(
    stack: Stack, factors: Sequence[float] | NDArray[np.float64] | None = None, *, workers: int | None = None
) -> tuple[tuple[float, ...], float] | None:
    """Return the variance of the noise of each frame, as differences of frames show it, and the level of their mean.

    Parameters
    ----------
    stack : Stack
        Frames of one scene; always the same rows of each are looked at.
    factors : sequence of float, optional
        What each frame is multiplied by.
    workers : int, optional
        How many threads.

    Returns
    -------
    tuple of (tuple of float, float) or None
        None of fewer than three frames, whose difference does not tell which is noisier, and where that is not to be
        seen.

    Examples
    --------
    >>> from zeroframe.stacks.stack import ArrayStack
    >>> random = np.random.default_rng(1)
    >>> frames = [random.normal(1000.0, sigma, (100, 100)) for sigma in (4.0, 4.0, 4.0, 8.0)]
    >>> variances, level = frame_variances(ArrayStack(frames, [None] * 4, tuple("abcd")))
    >>> np.round(np.sqrt(variances)).tolist(), round(level)
    ([4.0, 4.0, 4.0, 8.0], 1000)
    """
    frames = len(stack.names)
    if frames < 3:
        return None
    bands = sample_bands(*stack.shape_yx, _PIXELS)
    scale = np.ones(frames) if factors is None else np.asarray(factors, dtype=np.float64)
    rows = np.array(
        map_threads(lambda index: read_bands(stack, index, bands) * scale[index], range(frames), workers), np.float64
    ).reshape(frames, -1)
    rows = rows[:, np.isfinite(rows).all(axis=0)]
    if rows.shape[1] < frames:
        return None
    total = rows.sum(axis=0)
    # each frame against the mean of the others, whose noise is that of all less its own
    apart = np.array([_variance(row - (total - row) / (frames - 1)) for row in rows])
    everything = apart.sum() * (frames - 1) / frames
    others = 1.0 / (frames - 1) ** 2
    found = (apart - everything * others) / (1.0 - others)
    if not found.sum() > 0:
        return None
    return tuple(np.maximum(found, _LEAST * found.mean()).tolist()), float(median_of_valid(total / frames))


def _variance(difference: NDArray[np.float64]) -> float:
    middle = float(median_of_valid(difference))
    return (_MAD_TO_SIGMA * float(median_of_valid(np.abs(difference - middle)))) ** 2
