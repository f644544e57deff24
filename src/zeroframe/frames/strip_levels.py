"""The level of each line of an overscan strip, from the pixels across it, and what is known of its error."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from zeroframe.errors import UsageError
from zeroframe.frames.medians import median_of_valid
from zeroframe.frames.statistics import clipped_mean_std, quantisation_step
from zeroframe.headers.detectors import OverscanMethod
from zeroframe.kernels.sorting import sorting_pairs
from zeroframe.kernels.stack import AVERAGE, MAD_TO_SIGMA, MEDIAN, NO_LIMITS, stack_ordered
from zeroframe.kernels.strips import column_sums, line_sums
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from zeroframe.kernels.stack import Limits

__all__ = ["LEVEL_METHODS", "LevelMethod", "LineLevels", "line_levels", "pixel_noise"]

#: Those that the profile of a camera may name stand there; one that none needs to: ``Literal[OverscanMethod, "…"]``.
LevelMethod = OverscanMethod
LEVEL_METHODS: tuple[LevelMethod, ...] = get_args(LevelMethod)

_CLIP_AT_3 = NO_LIMITS._replace(sigma_low=3.0, sigma_high=3.0, iterations=3)
#: So many pixels tell the noise of a strip to 1.6 per cent; all of a hundred thousand take 0.4 ms of 4 ms for a frame.
_NOISE_PIXELS = 2_000
#: Less noise than this may be what is left of pixels that pile up on one step, so that the step has to be known.
_COARSE_ADU = 2.0
#: Five sigma of the noise of the whole strip cut 6e-7 of a normal distribution, so that the mean stays the mean.
_OUTLIER = 5.0
#: A pixel of little noise stands one step off the median of its line, where that is half-way between two.
_OUTLIER_STEPS = 1.5
#: A column that stands off by a sigma moves a mean of n of them by a sigma over n: less than the noise of the mean.
_ODD_COLUMN = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class LineLevels:
    """Levels of the lines of a strip.

    Attributes
    ----------
    level_adu : ndarray of float64, shape (lines,)
        NaN for a line that has no valid pixel.
    noise_adu : float
        Noise of one pixel of the strip, beside what is common to its line; NaN where one column cannot tell.
    error_adu : float
        Noise of the level of a line, which all of its pixels share once it is subtracted.
    """

    level_adu: NDArray[np.float64]
    noise_adu: float
    error_adu: float


def line_levels(strip: NDArray[Any], method: LevelMethod) -> LineLevels:
    """Return the level of each line of a strip.

    Parameters
    ----------
    strip : ndarray, shape (lines, width)
        Native pixels; not finite where masked.
    method : {'auto', 'median', 'mean', 'clipped', 'constant'}
        See `zeroframe.frames.overscan.OverscanSpec`.

    Returns
    -------
    LineLevels

    Raises
    ------
    UsageError
        When no pixel of the strip is valid.
    """
    if method in {"auto", "constant"}:
        found = _automatic(strip)
    else:
        levels = _LEVELS[method](strip)
        noise = pixel_noise(strip, levels)
        width = strip.shape[1]
        # the median of few values is nearly their mean: 1.09 and 1.16 sigma / sqrt(n) for 3 and 5, 1.25 for many
        worse = sqrt(np.pi / 2.0) if method == "median" and width > 2 else 1.0
        found = LineLevels(levels, noise, worse * noise / sqrt(width))
    if not np.isfinite(found.level_adu).any():
        raise UsageError("no pixel of the overscan section is valid; choose another section")
    return found


def pixel_noise(strip: NDArray[Any], levels: NDArray[np.float64]) -> float:
    """Return the noise of single pixels of a strip about the levels of their lines; NaN for a single column."""
    width = strip.shape[1]
    if width < 2:
        return float("nan")
    some = slice(None, None, max(strip.size // _NOISE_PIXELS, 1))
    sample = strip[some]
    residual = sample - levels[some, None]
    noise = clipped_mean_std(residual)[2]
    if not noise > _COARSE_ADU:
        noise = clipped_mean_std(residual, quantisation_step(sample))[2]
    return noise * sqrt(width / (width - 1.0))


def _automatic(strip: NDArray[Any]) -> LineLevels:
    """Means without what the noise of the whole strip excludes, and without columns that stand off.

    The scatter of the few pixels of one line is a poor judge of them; that of all lines is known to a per cent. The
    median is never better: where the noise is of the order of the step between values, it is 1.3 to 3 times noisier
    than the mean and off by up to a third of a step.
    """
    step = quantisation_step(strip)
    stack = _turned(strip)
    width, lines = stack.shape
    centre = _ordered(stack, NO_LIMITS, MEDIAN)
    some = slice(None, None, max(strip.size // _NOISE_PIXELS, 1))
    noise = max(clipped_mean_std(stack[:, some] - centre[some], step)[2], step / sqrt(12.0))
    limit = max(_OUTLIER * noise, _OUTLIER_STEPS * step)
    sums, numbers = np.empty(width), np.empty(width, np.int64)
    column_sums(stack, centre, limit, sums, numbers)
    used = ~_odd_columns(sums, numbers, noise)
    sums, squares, counts = np.empty(lines), np.empty(lines), np.empty(lines)
    line_sums(stack, centre, limit, used, sums, squares, counts)
    some_left = counts > 0.0
    above = np.divide(sums, counts, out=np.full(lines, np.nan), where=some_left)
    freedom = float(np.maximum(counts - 1.0, 0.0).sum())
    scatter = float(np.sum((squares - above * sums)[some_left]))
    measured = sqrt(max(scatter, 0.0) / freedom) if freedom else float("nan")
    typical = float(median_of_valid(counts[some_left])) if some_left.any() else float("nan")
    return LineLevels(centre + above, measured, measured / sqrt(typical))


def _odd_columns(sums: NDArray[np.float64], counts: NDArray[np.int64], noise: float) -> NDArray[np.bool_]:
    """Return which columns stand off from the others: hot ones, or those that light reaches; never half of them."""
    numbers = np.maximum(counts, 1)
    means = sums / numbers
    # a column whose pixels are mostly cut as outliers has no mean to go by
    odd: NDArray[np.bool_] = counts < 0.5 * counts.max()
    odd |= np.abs(means - median_of_valid(means)) > np.maximum(_ODD_COLUMN, _OUTLIER / np.sqrt(numbers)) * noise
    return odd if 2 * odd.sum() < odd.size else np.zeros(odd.size, dtype=np.bool_)


def _turned(strip: NDArray[Any]) -> NDArray[Any]:
    """Return a strip as (width, lines), contiguous; in float32 where that holds its values, and float64 else."""
    exact = strip.dtype.kind in "iu" and strip.dtype.itemsize <= 2
    return np.ascontiguousarray(strip.T, dtype=np.float32 if exact else np.float64)


def _ordered(stack: NDArray[Any], limits: Limits, statistic: int) -> NDArray[np.float64]:
    """Levels by the kernel that combines stacks: the pixels across the strip are its frames."""
    width, lines = stack.shape
    levels, spread, counts = np.empty(lines, stack.dtype), np.empty(lines, stack.dtype), np.empty(lines, np.uint16)
    stack_ordered(stack, np.ones(width), sorting_pairs(width), limits, statistic, levels, spread, counts)
    return levels.astype(np.float64)


def _clipped(strip: NDArray[Any]) -> NDArray[np.float64]:
    """Means after clipping by the scatter of each line."""
    # the MAD of pixels in steps is known to half a step; without this, a strip of low noise has a MAD of zero
    floor = 0.5 * MAD_TO_SIGMA * quantisation_step(strip)
    return _ordered(np.ascontiguousarray(strip.T, np.float64), _CLIP_AT_3._replace(floor_adu=floor), AVERAGE)


def _mean_levels(strip: NDArray[Any]) -> NDArray[np.float64]:
    """Means of the valid pixels; NaN for lines that have none."""
    valid = np.isfinite(strip)
    total = np.where(valid, strip, 0).sum(axis=1, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / valid.sum(axis=1))


#: How the levels of a method are taken; where the others need the noise of the strip, too, they work it out first.
_LEVELS: Mapping[str, Callable[[NDArray[Any]], NDArray[np.float64]]] = {
    "median": lambda strip: _ordered(_turned(strip), NO_LIMITS, MEDIAN),
    "mean": _mean_levels,
    "clipped": _clipped,
}
