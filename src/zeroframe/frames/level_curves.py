"""Levels along an overscan strip: lines that stand off, fits that reject, and smoothing where lines are all alike."""

from __future__ import annotations

from math import log, sqrt
from typing import TYPE_CHECKING

import numpy as np

from zeroframe.errors import UsageError
from zeroframe.frames.level_fits import FITS
from zeroframe.frames.medians import median_of_valid
from zeroframe.frames.statistics import clipped_std
from zeroframe.kernels.stack import MAD_TO_SIGMA
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from zeroframe.frames.level_fits import Fit

__all__ = [
    "REJECT_AT_5",
    "FitRejection",
    "filled",
    "fit_rejecting",
    "fitted_curve",
    "smooth_curve",
    "standing_off",
]

#: The course of the levels is that of medians of so many lines, or of a twentieth of them: a trail is narrower.
_BLOCK, _BLOCKS = 51, 20
#: A line stands off by so many of the scatters of levels about their course, and of the noises of a pixel.
_OFF_IN_SCATTER, _OFF_IN_NOISE = 10.0, 5.0
#: Fewer lines have no course that one of them could stand off from.
_FEWEST_LINES = 16
#: Smoothing windows that are tried, in lines; the widest comes first.
_WINDOWS = (255, 127, 63, 31, 15)
#: Residuals are noise when their variance is within so many standard errors, and this share, of what is expected.
_VARIANCE_ERRORS, _VARIANCE_SHARE = 3.0, 0.03
#: By chance a sum of neighbouring residuals is taken for structure in one frame of so many.
_FALSE_ALARMS = 1000.0


@dataclass(frozen=True, slots=True)
class FitRejection:
    """What a fit along the strip does not follow.

    Parameters
    ----------
    low, high : float
        A line so many sigmas below or above the curve is rejected. Sigma is the scatter of the levels about the curve,
        those beyond five sigma left out, and no less than the noise of a level. IRAF's low_reject and high_reject.
    iterations : int
        How often the fit is repeated with what it has rejected left out, at most; 0 rejects nothing. IRAF's niterate.
    """

    low: float = 5.0
    high: float = 5.0
    iterations: int = 10

    def __post_init__(self) -> None:
        if not (self.low > 0 and self.high > 0 and self.iterations >= 0):
            raise UsageError(
                f"a fit cannot reject at {self.low} sigma below and {self.high} above in {self.iterations} iterations; "
                "the first two must be above zero, the third zero or more"
            )


#: What a fit does not follow where nothing else is asked for: of 4000 lines of normal noise two in a thousand frames.
REJECT_AT_5 = FitRejection()


def filled(levels: NDArray[np.float64], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return levels in which lines that are not good have that of their neighbours, in proportion to the distance."""
    if good.all():
        return levels
    lines = np.arange(levels.size)
    return np.interp(lines, lines[good], levels[good])


def standing_off(levels: NDArray[np.float64], noise_adu: float) -> NDArray[np.bool_]:
    """Return which lines stand off from the course of the levels along the strip.

    Parameters
    ----------
    levels : ndarray of float64, shape (lines,)
        All finite.
    noise_adu : float
        Noise of one pixel; NaN where it is not known.

    Returns
    -------
    ndarray of bool, shape (lines,)
        True where a level is more than ten times the usual scatter of levels away from their course, and five times
        the noise of a pixel.

    Examples
    --------
    >>> import numpy as np
    >>> levels = np.linspace(1000, 1010, 300) + np.tile([0.5, -0.5], 150)
    >>> levels[[0, 150, 151]] = 65535, 40000, 900
    >>> np.flatnonzero(standing_off(levels, 4.0)).tolist()
    [0, 150, 151]
    """
    least = _OFF_IN_NOISE * noise_adu if np.isfinite(noise_adu) else 0.0
    if levels.size < _FEWEST_LINES or levels.max() - levels.min() <= least:
        return np.zeros(levels.size, dtype=np.bool_)
    away = np.abs(levels - _course(levels))
    return away > max(_OFF_IN_SCATTER * MAD_TO_SIGMA * float(median_of_valid(away)), least)


def _course(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return medians of neighbouring lines, and between them a straight line; one odd block does not change it."""
    size = max(_BLOCK, levels.size // _BLOCKS)
    blocks = levels.size // size
    if blocks < 2:
        return np.full(levels.size, float(median_of_valid(levels)))
    rest = (levels.size - blocks * size) // 2
    medians = median_of_valid(levels[rest : rest + blocks * size].reshape(blocks, size))
    medians = _running_median_of_three(medians)
    centres = rest + (np.arange(blocks) + 0.5) * size - 0.5
    return np.interp(np.arange(levels.size), centres, medians)


def _running_median_of_three(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return running medians of three, with the end rule of J. W. Tukey, *Exploratory Data Analysis* (1977), 7B."""
    if values.size < 3:
        return values
    smooth = values.copy()
    smooth[1:-1] = median_of_valid(np.stack([values[:-2], values[1:-1], values[2:]]), axis=0)
    smooth[0] = median_of_valid([values[0], smooth[1], 3.0 * smooth[1] - 2.0 * smooth[2]])
    smooth[-1] = median_of_valid([values[-1], smooth[-2], 3.0 * smooth[-2] - 2.0 * smooth[-3]])
    return smooth


def fit_rejecting(
    levels: NDArray[np.float64],
    good: NDArray[np.bool_],
    error_adu: float,
    reject: FitRejection,
    fit: Callable[[NDArray[np.bool_]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Fit a curve to levels, and again without the lines that stand off from it.

    Parameters
    ----------
    levels : ndarray of float64, shape (lines,)
        All finite.
    good : ndarray of bool
        Lines that may take part.
    error_adu : float
        Noise of a level; NaN where it is not known.
    reject : FitRejection
        What is rejected.
    fit : callable
        Takes which lines take part, and returns the curve at all lines.

    Returns
    -------
    ndarray of float64, shape (lines,)
        The curve. Each decision is made anew for all good lines, so that one that the first fit has missed comes back.
    """
    taken = good
    curve = fit(taken)
    for _ in range(reject.iterations):
        away = levels - curve
        scatter = clipped_std(away[taken])
        sigma = max(scatter if np.isfinite(scatter) else 0.0, error_adu if np.isfinite(error_adu) else 0.0)
        # rounding alone is no reason
        sigma = max(sigma, 1e-9 * float(np.abs(curve).max()))
        kept = good & (away >= -reject.low * sigma) & (away <= reject.high * sigma)
        if (kept == taken).all() or not kept.any():
            break
        taken = kept
        curve = fit(taken)
    return curve


def fitted_curve(levels: NDArray[np.float64], good: NDArray[np.bool_], fit: Fit, order: int) -> NDArray[np.float64]:
    """Return a function that is fitted to the good levels, at all lines; the coordinate runs from -1 to 1."""
    needed = order + FITS[fit].more_lines
    if good.sum() < needed:
        raise UsageError(f"a {fit} fit of order {order} needs {needed} lines, and the overscan has {good.sum()}")
    x = np.linspace(-1.0, 1.0, levels.size)
    return np.asarray(FITS[fit].curve(x[good], levels[good], order, x))


def smooth_curve(
    levels: NDArray[np.float64], good: NDArray[np.bool_], error_adu: float
) -> tuple[NDArray[np.float64], int]:
    """Return the levels without what is nothing but their noise, where the strip itself proves that it is nothing else.

    Parameters
    ----------
    levels : ndarray of float64, shape (lines,)
        All finite.
    good : ndarray of bool
        Lines that take part; the others are to have the levels of their neighbours.
    error_adu : float
        Noise of a level, by the scatter of the pixels of a line.

    Returns
    -------
    curve : ndarray of float64, shape (lines,)
        Means of neighbouring lines, in the widest window for which the residuals cannot be told from such noise; at
        the ends the straight line through the window. The levels themselves where there is none.
    window : int
        Lines of the window; 1 where nothing was smoothed.

    Notes
    -----
    Residuals are noise when their variance is the expected one, and none of their sums over 1, 2, 4 ... neighbouring
    lines is larger than ``error * sqrt(2 m ln(1000 n))`` (the criterion of P. L. Davies and A. Kovac, 2001, Annals of
    Statistics 29, 1; their bound is chance in some per cent of frames of a few hundred lines, this one in one of a
    thousand: a night has many frames). Row structure of half the noise is found in 300 lines and of a quarter in 4000;
    what is not found is less than what smoothing saves.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(1).normal(0.0, 0.8, 2000)
    >>> drift, rows = 1000 + np.linspace(0.0, 5.0, 2000), np.tile([0.0, 1.5], 1000)
    >>> everything = np.ones(2000, dtype=bool)
    >>> [smooth_curve(truth + noise, everything, 0.8)[1] for truth in (drift, drift + rows)]
    [255, 1]
    """
    if not error_adu > 0.0:
        return levels, 1
    for window in _WINDOWS:
        if 4 * window > levels.size:
            continue
        curve = _running_line(levels, window)
        if _is_noise(np.where(good, levels - curve, 0.0), int(good.sum()), error_adu, window):
            return curve, window
    return levels, 1


def _running_line(levels: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Return running means, and the straight lines of least squares through the first and the last window."""
    half = window // 2
    origin = levels[0]
    sums = np.concatenate([[0.0], np.cumsum(levels - origin)])
    curve = np.empty(levels.size)
    curve[half : levels.size - half] = origin + (sums[window:] - sums[:-window]) / window
    x = np.arange(window) - half
    for part, places in ((slice(window), slice(half)), (slice(-window, None), slice(half + 1, None))):
        values = levels[part]
        line = values.mean() + float(x @ values) / float(x @ x) * x
        curve[slice(half) if part.start is None else slice(levels.size - half, None)] = line[places]
    return curve


def _is_noise(residual: NDArray[np.float64], count: int, error_adu: float, window: int) -> bool:
    """Whether residuals cannot be told from white noise, alone or summed over up to a window."""
    variance = float(residual @ residual) / (count * (1.0 - 1.0 / window))
    if variance > error_adu**2 * (1.0 + _VARIANCE_ERRORS * sqrt(2.0 / count) + _VARIANCE_SHARE):
        return False
    sums = np.concatenate([[0.0], np.cumsum(residual)])
    together = 1
    while together <= window:
        if np.abs(sums[together:] - sums[:-together]).max() > error_adu * sqrt(
            2.0 * together * log(_FALSE_ALARMS * residual.size)
        ):
            return False
        together *= 2
    return True
