"""Level and noise of one frame, and of the difference of two: robust, from samples of pixels."""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.medians import (
    distinct_of_valid,
    median_of_valid,
    quantiles_of_valid,
    quarter_and_median,
)
from zeroframe.kernels import moments
from zeroframe.kernels.stack import MAD_TO_SIGMA

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


__all__ = [
    "OUTLIER_SIGMAS",
    "clipped_mean_std",
    "clipped_std",
    "pair_noise",
    "pair_noises",
    "quantisation_step",
    "sampled_level",
]


_LEVEL_PIXELS = 100_000


OUTLIER_SIGMAS = 5.0


_GUESS_PIXELS = 4096
#: Fewer values beside the one that most have are outliers; of more, five standard deviations do not cut them.
_FEWEST_OFF, _MOST_OFF = 2e-3, 0.2
#: Ten bits that were shifted into sixteen.
_LARGEST_STEP = 64.0
#: Of a normal distribution nothing lies five sigma off; of one in steps that are wider than its noise so much at least.
_HEAPED = 0.02
#: A quarter of a normal distribution lies within so many sigma.
_QUARTER = 0.3186
#: A step is one where nearly all neighbours differ by multiples of it.
_MULTIPLES = 0.9
#: Five times this is a step and a half, so that values next to a mean between two steps are within the cut.
_LEAST_STEPS = 0.3
#: What is left of steps in numbers of float32 after a level was subtracted.
_ROUNDED_AWAY = 3
_SAME_STEP = 0.02


def quantisation_step(values: NDArray[Any]) -> float:
    """Return the step between values: 1 for most cameras, 4 or 16 where 14 or 12 bits were shifted into 16.

    Parameters
    ----------
    values : ndarray
        Raw pixels, not finite where masked. Some thousand of them are looked at.

    Returns
    -------
    float
        The smallest distance between values that occur more than once; where there is one value only, or they are
        farther apart than any converter's, 1 for whole numbers and 0 for others.

    Examples
    --------
    >>> import numpy as np
    >>> random = np.random.default_rng(1)
    >>> [quantisation_step((random.normal(100, 2, 500).round() * step).astype("u2")) for step in (1, 4, 16)]
    [1.0, 4.0, 16.0]
    """
    stride = max(values.size // _GUESS_PIXELS, 1)
    while gcd(stride, values.shape[-1]) > 1:  # or it would be the same column again and again
        stride += 1
    sample = values.ravel()[::stride].astype(np.float64)
    distinct, counts = distinct_of_valid(sample[np.isfinite(sample)])
    steps = np.diff(distinct[counts > 1])
    if steps.size and steps.min() <= _LARGEST_STEP:
        return float(steps.min())
    return 1.0 if values.dtype.kind in "iu" and distinct.size < sample.size else 0.0


def clipped_std(values: NDArray[Any], step: float = 0.0) -> float:
    """Return the standard deviation of what lies within five sigma of the mean.

    Parameters
    ----------
    values : ndarray
        Not finite where masked.
    step : float
        As for `clipped_mean_std`.

    Returns
    -------
    float
        NaN where fewer than two values are valid.

    Notes
    -----
    The median absolute deviation of whole numbers is a whole number, and so off by up to 10 % for a noise of 4; here it
    only decides where to cut. Five sigma cut 6e-7 of a normal distribution, which changes its sigma by 1e-5.

    Examples
    --------
    >>> import numpy as np
    >>> round(clipped_std(np.array([1.0, 2.0, 3.0] * 5 + [1000.0])), 3)
    0.816
    """
    count, _, std = clipped_mean_std(values, step)
    return std if count > 1 else float("nan")


def clipped_mean_std(values: NDArray[Any], step: float = 0.0) -> tuple[int, float, float]:
    """Return count, mean and standard deviation of the valid values within five sigma of their mean.

    Parameters
    ----------
    values : ndarray
        Not finite where masked. A few thousand of them say where the first cut is.
    step : float
        Step between values, from `quantisation_step`, where they have some: values that are one step from the mean are
        never cut, however many are alike.

    Returns
    -------
    count : int
    mean, std : float
        The standard deviation is divided by n. NaN where no value is valid.

    Examples
    --------
    >>> import numpy as np
    >>> count, mean, _ = clipped_mean_std(np.array([1.0, 2.0, 3.0] * 5 + [1000.0]))
    >>> count, mean
    (15, 2.0)
    """
    own = values.dtype if values.dtype in (np.float32, np.float64) else np.dtype(np.float64)
    flat = np.ascontiguousarray(values, dtype=own).ravel()
    guess = flat[:: max(flat.size // _GUESS_PIXELS, 1)].astype(np.float64)
    guess = guess[np.isfinite(guess)]
    if not guess.size:
        guess = flat[np.isfinite(flat)].astype(np.float64)
    if not guess.size:
        return 0, float("nan"), float("nan")
    center = float(median_of_valid(guess))
    apart = np.abs(guess - center)
    quarter, median = quarter_and_median(apart)
    spread = MAD_TO_SIGMA * median
    if not step and values.ndim == 2 and _is_heaped(apart, quarter):
        step = _step_beside_levels(values)
    # where more than half of the values are the same, the standard deviation is all there is to cut by
    least = max(_LEAST_STEPS * step, _least_spread(apart))
    return moments.clipped_mean_std(flat, center, spread or float(guess.std()), OUTLIER_SIGMAS, least)


def _is_heaped(apart: NDArray[np.float64], quarter: float) -> bool:
    """Return whether many values lie far off a narrow heap: two levels, or one in steps less the levels of its rows.

    Those make of the values of one step many that differ by a little, and the MAD is that little. ``apart`` is how far
    values are from their median, and ``quarter`` the lower quartile of that.
    """
    core = quarter / _QUARTER
    return core > 0.0 and bool(np.count_nonzero(apart > OUTLIER_SIGMAS * core) > _HEAPED * apart.size)


def _least_spread(apart: NDArray[np.float64]) -> float:
    """Return how small a spread may be cut by: not less than reaches the steps beside the one where most values are.

    Of a noise of a quarter of a step 1 in 25 values is one step off, which five standard deviations would cut; then
    nothing would be left of the noise.

    Examples
    --------
    >>> _least_spread(np.array([0.0] * 98 + [4.0, 4.0])), _least_spread(np.abs(np.arange(9.0) - 4.0))
    (1.2, 0.0)
    """
    off = apart[apart > 0]
    if not _FEWEST_OFF * apart.size <= off.size < _MOST_OFF * apart.size:
        return 0.0
    return _LEAST_STEPS * float(quantiles_of_valid(off, 0.1))


def sampled_level(pixels: NDArray[Any], mask: NDArray[Any] | None = None) -> float:
    """Return the mean of about 100 000 pixels that are spread over an image, outliers left out.

    Parameters
    ----------
    pixels : ndarray, shape (ny, nx)
        Not finite where masked.
    mask : ndarray of bool or of bits, shape (ny, nx), optional
        Not 0 where a pixel takes no part, whatever it holds.

    Returns
    -------
    float
        NaN where no pixel is valid. For a noise of 4 it is good to 0.013; the median of whole numbers is good to 0.5.
    """
    step = max(int((pixels.size / _LEVEL_PIXELS) ** 0.5), 1)
    some = pixels[::step, ::step]
    return clipped_mean_std(some if mask is None else np.where(mask[::step, ::step] != 0, np.nan, some))[1]


def pair_noise(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Return the noise of one frame from the difference of two, with what is common to a row taken out.

    Parameters
    ----------
    first, second : ndarray, shape (ny, nx)
        Two frames of the same scene (biases, for the read noise).

    Returns
    -------
    float
        Standard deviation of the difference, clipped, over sqrt(2).

    Notes
    -----
    A row drift, or the noise that the subtraction of a row level adds, is not read noise of the pixels; the mean of
    each row of the difference is removed, which takes 1 / nx of the variance with it and is corrected for.
    """
    return pair_noises(first, second)[0]


def pair_noises(
    first: NDArray[Any], second: NDArray[Any], empty: Callable[..., NDArray[Any]] = np.empty
) -> tuple[float, float, float]:
    """Return the noise of one frame without what is common to a row, its variance with that, and their step."""
    difference = empty(first.shape, np.float64)
    with np.errstate(invalid="ignore"):  # the same infinity in both
        np.subtract(first, second, out=difference, dtype=np.float64)
    step = _step_beside_levels(difference)
    width = difference.shape[1]
    count, center, spread = clipped_mean_std(difference, step)
    variance = spread**2 / 2.0 if count > 1 else float("nan")
    if width == 1:
        return spread / float(np.sqrt(2.0)), variance, step
    guess = difference.reshape(-1)[:: max(difference.size // _GUESS_PIXELS, 1)]
    guess = guess[np.isfinite(guess)]
    least = max(
        _LEAST_STEPS * step, _least_spread(np.abs(guess - float(median_of_valid(guess)))) if guess.size else 0.0
    )
    moments.level_rows(difference, center, spread, OUTLIER_SIGMAS, least)
    # less the levels of rows, whole numbers are none any more, and their MAD may be next to nothing
    _, _, noise = moments.clipped_mean_std(difference.reshape(-1), 0.0, spread, OUTLIER_SIGMAS, least)
    return noise * float(np.sqrt(width / (width - 1) / 2.0)), variance, step


def _step_beside_levels(difference: NDArray[Any]) -> float:
    """Return the step between the pixels of a row, which the level that was subtracted from it does not change."""
    rows = difference[:: max(difference.size // _GUESS_PIXELS // 8, 1)]
    if rows.shape[1] < 2:
        return 0.0
    with np.errstate(invalid="ignore"):
        apart = np.round(np.diff(rows, axis=1), _ROUNDED_AWAY)
    step = quantisation_step(apart)
    if not step:
        return 0.0
    # values that are the same by chance have distances, too
    steps = apart[np.isfinite(apart)] / step
    return step if np.mean(np.abs(steps - np.rint(steps)) < _SAME_STEP) > _MULTIPLES else 0.0
