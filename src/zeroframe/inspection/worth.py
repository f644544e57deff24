"""What subtracting a strip costs and saves in science frames: its level is drift and a leak of light."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.overscan import strip_curve
from zeroframe.frames.statistics import quantisation_step
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zeroframe.inspection.tracking import Tracking

__all__ = ["CommonNoise", "FrameLevel", "StripWorth", "common_noise", "weigh_strip"]

#: Where no science frame was looked at, one is thought of with this share of the light of the brightest frame.
_FAINT_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class FrameLevel:
    """The level of a strip in one frame that sees light, and the light beside it; both in ADU."""

    level_adu: float
    light_adu: float
    is_science: bool


@dataclass(frozen=True, slots=True)
class StripWorth:
    """The error of the bias level of science frames, with the strip subtracted and without.

    Attributes
    ----------
    leak : float
        ADU by which the strip rises for one ADU of light; zero where it does not rise.
    light_adu : float
        Light of the science frames that it is worked out for.
    has_science : bool
        Whether there were some; else it is a hundredth of the light of the brightest frame.
    with_adu : float
        What subtracting the strip does wrong: the leak of that light, and the drift of the image that it does not
        follow.
    without_adu : float
        What is wrong without it, a combined bias subtracted: the drift since the biases, and among them.
    """

    leak: float
    light_adu: float
    has_science: bool
    with_adu: float
    without_adu: float


@dataclass(frozen=True, slots=True)
class CommonNoise:
    """Noise that subtracting a strip adds to each row, which all its pixels share.

    Attributes
    ----------
    row_adu : float
        Of levels that are taken row by row.
    added_adu : float
        Of what is subtracted, which is the same or smoothed.
    smoothed_lines : int
        Over so many rows; 1: rows have structure of their own, and are not smoothed.
    """

    row_adu: float
    added_adu: float
    smoothed_lines: int


def weigh_strip(
    lit: Sequence[FrameLevel], biases: Sequence[float], tracking: Tracking | None, *, one_level: bool
) -> StripWorth | None:
    """Work out what a strip costs and saves.

    Parameters
    ----------
    lit : sequence of FrameLevel
        Frames that see light; at least one.
    biases : sequence of float
        Level of the strip in each bias.
    tracking : Tracking or None
        How the strip follows the image, where two biases or more tell.
    one_level : bool
        Whether it is subtracted as one level a frame.

    Returns
    -------
    StripWorth or None
        None without a bias: there is no level to compare with.

    Notes
    -----
    The level of the strip in a frame is that in the biases, a drift of the frame, and ``leak * light``. The leak is
    the slope of least squares through the biases, ``sum(light * rise) / sum(light**2)``: the brightest frames decide
    on it, and a rise that does not grow with the light is drift. As far as brightest frames have drifted, too, it is
    an upper limit of the leak; in science frames, which have far less light, it is small all the same.
    """
    if not biases:
        return None
    zero = float(np.mean(biases))
    light = np.array([max(each.light_adu, 0.0) for each in lit])
    rise = np.array([each.level_adu - zero for each in lit])
    weight = float(light @ light)
    leak = max(float(light @ rise) / weight, 0.0) if weight > 0.0 else 0.0
    science = np.array([each.is_science for each in lit])
    has_science = bool(science.any())
    faint = float(light[science].max()) if has_science else _FAINT_SHARE * float(light.max())
    before, after = _drifts(tracking, one_level=one_level)
    drifts = (rise - leak * light)[science]
    # a strip that goes its own way says nothing of the drift of the image
    since = float(np.sqrt(np.mean(drifts**2))) if has_science and after <= before else 0.0
    return StripWorth(leak, faint, has_science, float(np.hypot(leak * faint, after)), float(np.hypot(since, before)))


def _drifts(tracking: Tracking | None, *, one_level: bool) -> tuple[float, float]:
    """Return the drift of the image among biases, and what subtracting the strip leaves of it."""
    if tracking is None or tracking.follows is None:
        return 0.0, 0.0
    if one_level:
        return tracking.frames_before_adu, tracking.frames_after_adu
    return tracking.drift_before_adu, tracking.drift_after_adu


def common_noise(strips: Sequence[NDArray[Any]]) -> CommonNoise | None:
    """Return the noise that subtracting a strip adds to rows, from its usable columns in several frames.

    Parameters
    ----------
    strips : sequence of ndarray, shape (lines, columns)
        At least one. Smoothed only counts where it is in all of them.

    Returns
    -------
    CommonNoise or None
        None where one column cannot tell.
    """
    curves = [strip_curve(strip, method="auto") for strip in strips]
    plain = [curve.error_adu * float(np.sqrt(curve.smoothed_lines)) for curve in curves]
    if not np.isfinite(plain).all():
        return None
    # pixels that are all alike are still rounded to the step between values
    rounding = [quantisation_step(strip) / float(np.sqrt(12.0 * strip.shape[1])) for strip in strips]
    row = float(np.sqrt(np.mean(np.square(np.maximum(plain, rounding)))))
    smoothed = min(curve.smoothed_lines for curve in curves)
    return CommonNoise(row, row / float(np.sqrt(smoothed)), smoothed)
