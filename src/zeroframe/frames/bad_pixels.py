"""Masks of a night: hot pixels of a combined dark, bad pixels of a combined flat."""

from __future__ import annotations

from functools import cached_property
from math import pi, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.colours import each_colour
from zeroframe.frames.defects import StandOff, standing_off, without_pattern
from zeroframe.frames.medians import median_of_valid
from zeroframe.frames.quality import measure_frame
from zeroframe.frames.sharp_edges import leave_out_glow, leave_out_light
from zeroframe.frames.statistics import sampled_level
from zeroframe.kernels.stack import MAD_TO_SIGMA
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zeroframe.headers.colours import ColourPattern
    from zeroframe.kernels.calibrate import Window

__all__ = ["FoundMask", "bad_pixels", "even_amplifiers", "hot_pixels", "noisy_pixels"]

#: A pixel is noisy that scatters by so many times what the others do, in so many frames at least.
_NOISY, _FEWEST_FOR_NOISE = 3.0, 10

#: The median of so many pixels, spread over the dark, is that of all.
_SAMPLE_PIXELS = 1_000_000
#: Noise in blocks of so many rows and columns, on every fourth row, is known to 3 %: it counts where it is more than so
#: many times that of all.
_NOISE_SIDE, _NOISE_STEP, _NOISIER = 64, 4, 1.3
#: Noise is measured at so many levels of a flat.
_LEVELS = 16
_FIGURES = ("level", "noise", "limit")


@dataclass(frozen=True, eq=False)
class FoundMask:
    """A mask, and what it rests on.

    Attributes
    ----------
    mask : ndarray of bool, shape (ny, nx)
        True where hot, or bad.
    level, noise : float
        Of the combined frame, in its unit.
    limit : float
        hot: what lies above is hot, where the dark has its usual level and noise. bad: how far a pixel of level 1 may
        stand off.
    """

    mask: NDArray[np.bool_]
    level: float
    noise: float
    limit: float

    @cached_property
    def count(self) -> int:
        """How many pixels are masked."""
        return int(np.count_nonzero(self.mask))


def hot_pixels(dark: NDArray[Any], sigmas: float) -> FoundMask:
    """Find the pixels of a dark that stand above their surroundings, alone or side by side.

    Parameters
    ----------
    dark : ndarray of float, shape (ny, nx)
        A combined dark. What is not finite counts as hot: it was saturated in every frame.
    sigmas : float
        By how many standard deviations: 1.4826 MAD of all pixels, or where the dark is noisier, as in the glow of an
        amplifier, what its neighbours scatter by.

    Returns
    -------
    FoundMask

    Notes
    -----
    The surroundings are the median of 7 x 7 pixels; see `zeroframe.frames.defects`. What glows, the dark corrects: what
    is wider and has no sharp edge is not hot (`zeroframe.frames.sharp_edges`).

    Examples
    --------
    >>> dark = np.random.default_rng(1).normal(2.0, 1.0, (60, 60)).astype(np.float32)
    >>> dark[10, 20] = 50.0
    >>> np.argwhere(hot_pixels(dark, 20.0).mask).tolist()
    [[10, 20]]
    """
    level, noise = _level_and_noise(dark)
    if not np.isfinite(level):
        return FoundMask(np.ones(dark.shape, bool), np.nan, np.nan, np.nan)
    # a pattern is part of the MAD of all pixels, and not of that of neighbours
    fine = min(noise, measure_frame(dark).noise_adu)
    plain = without_pattern(dark, StandOff(0.0, sigmas * fine), as_ratio=False)
    if plain is not dark:
        level, noise = _level_and_noise(plain)
    limits = StandOff(0.0, sigmas * noise, above_only=True)
    mask, even = _least(dark, plain, limits)
    leave_out_glow(even, mask, limits)
    _settle_noisy_blocks(plain, mask, sigmas, noise)
    return FoundMask(mask, level, noise, level + sigmas * noise)


def _least(image: NDArray[Any], plain: NDArray[Any], limits: StandOff) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Return what stands off in an image without its pattern, and that image; where that is more, it had none."""
    mask = standing_off(plain, limits)
    if plain is not image:
        as_it_is = standing_off(image, limits)
        if np.count_nonzero(mask) >= np.count_nonzero(as_it_is):
            return as_it_is, image
    return mask, plain


def _settle_noisy_blocks(dark: NDArray[Any], mask: NDArray[np.bool_], sigmas: float, noise: float) -> None:
    """Unmask what does not stand out from the noise of its block, where that is more than the usual noise."""
    side = _NOISE_SIDE
    y, x = np.divmod(np.flatnonzero(mask), mask.shape[1])  # an eighth of the time of numpy.nonzero
    blocks = np.unique(np.stack([y // side, x // side], axis=1), axis=0)
    for i, j in blocks:
        place = np.s_[i * side : (i + 1) * side, j * side : (j + 1) * side]
        block, hot = dark[place], mask[place]
        # neighbours along rows, so that a slope does not count; their mean difference, which a warm pixel hardly raises
        some, spoilt = block[::_NOISE_STEP], hot[::_NOISE_STEP]
        steps = np.abs(some[:, 1:] - some[:, :-1])[~(spoilt[:, 1:] | spoilt[:, :-1])]
        local = float(steps.mean(dtype=np.float64)) * sqrt(pi) / 2.0 if steps.size else 0.0
        if local > _NOISIER * noise:
            with np.errstate(invalid="ignore"):
                hot &= ~(block <= float(np.median(block[~hot])) + sigmas * local)


def _noise_by_level(flat: NDArray[Any], sigmas: float) -> NDArray[np.float64] | None:
    """Return levels of a flat and so many standard deviations of its pixels there; None where it is too small to tell.

    Where light is uneven, as behind a slit, the noise of most pixels is not that of the bright ones. It is measured on
    how pixels bend along rows and along columns; lines of the image bend along one of them, and the lower one counts.
    """
    if min(flat.shape) < 3 or flat.size < 8 * _LEVELS**2:
        return None
    level, bends = _level_and_bends(flat)
    if level.size < 8 * _LEVELS**2:
        return None
    parts = np.array_split(np.argsort(level), _LEVELS)
    noise = [MAD_TO_SIGMA * min(float(median_of_valid(bend[part])) for bend in bends) for part in parts]
    return np.array([[float(median_of_valid(level[part])) for part in parts], sigmas * np.array(noise)])


def _level_and_bends(flat: NDArray[Any]) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """Return of pixels of some rows the level around them, and how they bend along the row and along the column."""
    rows = np.linspace(1, len(flat) - 2, min(len(flat) - 2, max(_SAMPLE_PIXELS // 4 // flat.shape[1], 1)), dtype=int)
    own = flat[rows, 1:-1].astype(np.float64)
    before = flat[rows, :-2], flat[rows - 1, 1:-1]
    behind = flat[rows, 2:], flat[rows + 1, 1:-1]
    with np.errstate(invalid="ignore"):
        means = [0.5 * (a.astype(np.float64) + b) for a, b in zip(before, behind, strict=True)]
        bends = [np.abs(own - mean).ravel() / sqrt(1.5) for mean in means]
        level = (0.5 * (means[0] + means[1])).ravel()
        known = np.isfinite(level) & np.isfinite(bends[0]) & np.isfinite(bends[1])
    if known.all():  # as a rule; copies would be a third more memory
        return level, bends
    return level[known], [bend[known] for bend in bends]


def _level_and_noise(dark: NDArray[Any]) -> tuple[float, float]:
    """Return median and 1.4826 MAD of some pixels of a dark; NaN where none is finite."""
    step = max(int((dark.size / _SAMPLE_PIXELS) ** 0.5), 1)
    seen = dark[::step, ::step]
    sample = seen[np.isfinite(seen)]
    if not sample.size:
        return float("nan"), float("nan")
    level = float(median_of_valid(sample))
    np.abs(np.subtract(sample, level, out=sample), out=sample)
    noise = MAD_TO_SIGMA * float(median_of_valid(sample))
    # the MAD of whole numbers may be zero, and their noise is not
    return level, noise or float(seen[np.isfinite(seen)].std(dtype=np.float64))


def even_amplifiers(flat: NDArray[Any], windows: Sequence[Window]) -> NDArray[Any]:
    """Return a flat in which all amplifiers have one level: a step at a seam is that of two gains, and no defect.

    Parameters
    ----------
    flat : ndarray of float, shape (ny, nx)
        A combined flat; it is not changed.
    windows : sequence of Window
        The pixels of each of several amplifiers; without them the flat itself comes back.

    Examples
    --------
    >>> from zeroframe.kernels.calibrate import Window
    >>> flat = np.ones((4, 8))
    >>> flat[:, 4:] = 1.5
    >>> even = even_amplifiers(flat, [Window(0, 4, 0, 4), Window(0, 4, 4, 8)])
    >>> bool(np.ptp(even) == 0.0), even_amplifiers(flat, ()) is flat
    (True, True)
    """
    if len(windows) < 2:
        return flat
    even = flat.copy()
    places = [np.s_[window.y0 : window.y1, window.x0 : window.x1] for window in windows]
    levels = [sampled_level(even[place]) for place in places]
    known = [level for level in levels if np.isfinite(level) and level > 0]
    common = float(np.mean(known)) if known else 1.0
    for place, level in zip(places, levels, strict=True):
        if np.isfinite(level) and level > 0:  # an amplifier without light is bad as a whole
            even[place] *= even.dtype.type(common / level)
    return even


def bad_pixels(flat: NDArray[Any], sigmas: float, fraction: float, colours: ColourPattern | None = None) -> FoundMask:
    """Find the pixels of a flat that answer to light as none of their neighbours: single ones, columns, clusters.

    Parameters
    ----------
    flat : ndarray of float, shape (ny, nx)
        A combined flat of level 1. What is not finite is bad.
    sigmas : float
        Bad is what stands off the median of its surroundings by more than so many standard deviations of a pixel
        against its neighbours,
    fraction : float
        and by more than this fraction of that median.
    colours : ColourPattern, optional
        Of the flat: the surroundings of a pixel are those of its own colour.

    Returns
    -------
    FoundMask

    Notes
    -----
    The surroundings are 7 x 7 pixels, and of what is wider 7 x 7 squares of 2 to 32 pixels; see
    `zeroframe.frames.defects`. Rows or columns that differ in turn all over the flat are no defects, nor
    is what has soft edges (`zeroframe.frames.sharp_edges`): that is light, which the flat corrects.

    Examples
    --------
    >>> flat = np.random.default_rng(1).normal(1.0, 0.01, (60, 60)).astype(np.float32)
    >>> flat[10, 20], flat[30, 40] = 0.5, 0.9
    >>> np.argwhere(bad_pixels(flat, 5.0, 0.2).mask).tolist()
    [[10, 20]]
    """
    if colours is not None:
        whole = np.zeros(flat.shape, bool)
        parts = []
        for mask, plane in each_colour(colours, (whole,), (flat,)):
            found = bad_pixels(plane, sigmas, fraction)
            mask[:] = found.mask
            parts.append(found)
        level, noise, limit = (float(np.mean([getattr(each, name) for each in parts])) for name in _FIGURES)
        return FoundMask(whole, level, noise, limit)
    quality = measure_frame(flat)
    least = sigmas * quality.noise_adu if np.isfinite(quality.noise_adu) else 0.0
    limits = StandOff(fraction, least, least_by_level=_noise_by_level(flat, sigmas))
    mask, plain = _least(flat, without_pattern(flat, limits, as_ratio=True), limits)
    leave_out_light(plain, mask, limits)
    return FoundMask(mask, quality.level_adu, quality.noise_adu, max(fraction, least))


def noisy_pixels(uncertainty: NDArray[Any], frames: int) -> NDArray[np.bool_]:
    """Tell the pixels that scatter far more than the others in many frames without light.

    The noise that a science frame is said to have is that of all pixels; of a sCMOS sensor some percent flicker between
    two levels by ten times that. Of ten frames no pixel scatters by three times what it should in 10^12.

    Parameters
    ----------
    uncertainty : ndarray of float, shape (ny, nx)
        That of a combined bias, from the scatter of its frames, of pixels that one amplifier read.
    frames : int
        Of how many.

    Returns
    -------
    ndarray of bool, shape (ny, nx)
        None of them of fewer than ten frames.

    Examples
    --------
    >>> uncertainty = np.full((50, 50), 1.5)
    >>> uncertainty[7, 9] = 20.0
    >>> np.argwhere(noisy_pixels(uncertainty, 12)).tolist(), int(noisy_pixels(uncertainty, 9).sum())
    ([[7, 9]], 0)
    """
    usual = sampled_level(uncertainty)
    if frames < _FEWEST_FOR_NOISE or not usual > 0:
        return np.zeros(uncertainty.shape, np.bool_)
    with np.errstate(invalid="ignore"):
        return np.asarray(uncertainty > _NOISY * usual)
