"""Cosmic rays in one frame, on arrays: found by their sharp edges, or as what stands far above its surroundings.

The night masks what is found; the verbs on CCDData replace it, too.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.fits.timeline import spanned
from zeroframe.frames.medians import median_of_valid
from zeroframe.frames.other_exposures import Exposure, Noise, agreeing, judge_by_exposures
from zeroframe.kernels.lacosmic import SharpLimits, mark_cosmic_rays
from zeroframe.kernels.point_images import point_ratios
from zeroframe.kernels.ranks import block_half_widths, box_medians
from zeroframe.kernels.stack_limits import MAD_TO_SIGMA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "far_above_median",
    "mask_lacosmic",
    "mask_median",
    "mean_around",
    "median_around",
    "scatter_noise",
    "sharpest_point",
    "sky_levels",
]

#: Peaks that stand so many standard deviations above the sky tell how sharp points are; so many are enough, and fewer
#: say little.
_MOST_POINTS, _FEWEST_POINTS = 20_000, 5
#: And hold so much of their height beside them, on both sides in the mean and on each.
_POINTS = 20.0, 0.15, 0.05
#: On the light of a galaxy or a comet each peak of the noise stands as far above the sky, and is as blunt as that
#: light: where points seem blunter than this, those that stand far above the sky tell.
_AS_LIGHT, _BRIGHT_POINTS = 0.6, ((200.0, 0.15, 0.05), (100.0, 0.15, 0.05))
#: The sharpest of them: so many robust spreads below the median, for points may lie anywhere on their pixel.
_POINT_SPREADS = 3.0
#: Of a point 1.4 pixels wide, of one of 2 pixels, and of one of 9.
_SHARPEST, _USUAL_RATIO, _BLUNTEST = 0.25, 0.5, 0.97
#: Where points are sharper than that, the middle of what they hold says little, since it depends on where they lie on
#: their pixel. Then it is a little less than what the sharpest twentieth of the brighter ones holds, and no less than a
#: point one pixel wide does.
_SHARP_POINTS, _SHARP_SHARE, _SHARP_MARGIN, _SHARPEST_OF_ALL = (60.0, 0.1, 0.03), 0.05, 0.9, 0.1
#: So bright is any peak. Where fewer of them than this share are points, it is hits that look so by chance: of hits it
#: is 2 %, of stars 1 pixel wide with five times as many hits 19 %.
_ANY_PEAKS, _POINTS_OF_PEAKS = (60.0, 0.0, -np.inf), 0.06
#: Of one of 2.3 pixels.
_BLUNT = 0.6
#: How many times the fine structure a hit has to be, where light is told by the image of a point: with 5, as in
#: L.A.Cosmic, 10 % of the hits in spectra are not found, with 1 it is 7 %.
_OBJECTS_BESIDE_POINTS = 1.0
_MEDIAN_SIGMAS = 5.0
_MEDIAN_BOX = 11
#: Noise is measured in blocks of ``1 << 6`` rows and columns, on every eighth row.
_BLOCK_SHIFT = 6
_EVERY = 8
#: Between these percentiles lie two sigmas of a normal distribution.
_LOW_PERCENT, _HIGH_PERCENT = 15.8655, 84.1345


@spanned("cosmic rays")
def mask_lacosmic(
    pixels: NDArray[Any],
    sigma: NDArray[Any],
    mask: NDArray[np.bool_],
    limits: SharpLimits = SharpLimits(),  # noqa: B008 -- a tuple, which nobody can change
    others: Sequence[NDArray[Any]] = (),
    *,
    in_colour: bool = False,
) -> int:
    """Mask what is too sharp for a star (L.A.Cosmic), in place; return how many pixels that are.

    Parameters
    ----------
    pixels : ndarray of float, shape (ny, nx)
        The frame.
    sigma : ndarray of float, shape (ny, nx) or (0, 0)
        Standard deviations. Where there are none, the noise is that of pixels against their neighbours.
    mask : ndarray of bool, shape (ny, nx)
        What is masked is not looked at, and its neighbours neither.
    limits : SharpLimits
        What a cosmic ray is.
    others : sequence of ndarray of float, shape (ny, nx)
        Other exposures of the same field, moved or not, with or without their bias and flat. Those that show the same
        light correct what was found: see `zeroframe.frames.other_exposures`.
    in_colour : bool
        Whether these are the pixels of one colour of several, in which a star is half as wide as it is, and as sharp as
        a hit. They are told apart by the other colours: see `zeroframe.frames.mosaic_stars`.

    Notes
    -----
    See `zeroframe.kernels.lacosmic.mark_cosmic_rays`.
    """
    noise, shift = (sigma, 0) if sigma.size else (scatter_noise(pixels, mask), _BLOCK_SHIFT)
    if not noise.size:
        return 0
    sky = sky_levels(pixels, mask)
    state = mask.view(np.uint8)
    if np.isnan(limits.point_ratio):
        ratio = sharpest_point(pixels, noise, shift, state, sky, in_colour=in_colour)
        # where points are that blunt nothing else is needed to tell them, and the other test keeps 1 % of the hits
        wings = limits.wing_fraction if ratio < _BLUNT else np.inf
        # stars are told by how sharp they are; the fine structure of a spectrum hides hits, of sharp stars it is little
        objects = min(limits.object_limit, _OBJECTS_BESIDE_POINTS)
        limits = limits._replace(point_ratio=ratio, wing_fraction=wings, object_limit=objects)
    before = mask.copy() if others else mask
    count = mark_cosmic_rays(pixels, noise, shift, state, limits, sky)
    if not others:
        return count
    return count + _by_others(Exposure(pixels, sky), Noise(noise, shift), before, mask, others, in_colour=in_colour)


def _by_others(
    own: Exposure,
    noise: Noise,
    before: NDArray[np.bool_],
    mask: NDArray[np.bool_],
    others: Sequence[NDArray[Any]],
    *,
    in_colour: bool,
) -> int:
    """Correct a mask by other exposures, in place; return how many pixels more that are."""
    agree = []
    for pixels in others:
        found = agreeing(own, Exposure(pixels, sky_levels(pixels, ~np.isfinite(pixels))), noise)
        if found is not None:
            agree.append(found)
    if not agree:
        return 0
    state = before.view(np.uint8)
    ratio = sharpest_point(own.pixels, noise.sigma, noise.shift, state, own.sky, in_colour=in_colour)
    added, freed = judge_by_exposures(own, noise, before, mask, agree, ratio)
    return added - freed


def sky_levels(pixels: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the level of the sky in blocks of 64 x 64 pixels: the lowest quartile of a block and those around it.

    What is lower than the sky makes light seem blunter than it is, and so more of it stays; what is higher, sharper.

    Examples
    --------
    >>> sky_levels(np.full((100, 130), 7.0), np.zeros((100, 130), bool)).tolist()
    [[7.0, 7.0, 7.0], [7.0, 7.0, 7.0]]
    """
    side = 1 << _BLOCK_SHIFT
    ny, nx = pixels.shape
    rows, columns = -(-ny // side), -(-nx // side)
    some = np.full((rows * side // _EVERY, columns * side // _EVERY), np.inf, np.float32)
    thin = pixels[::_EVERY, ::_EVERY]
    good = np.isfinite(thin) & ~mask[::_EVERY, ::_EVERY]
    some[: thin.shape[0], : thin.shape[1]] = np.where(good, thin, np.inf)
    per = side // _EVERY
    blocks = some.reshape(rows, per, columns, per).transpose(0, 2, 1, 3).reshape(rows, columns, -1)
    count = np.isfinite(blocks).sum(axis=2)
    levels = np.take_along_axis(np.sort(blocks, axis=2), np.maximum(count // 4, 0)[..., None], axis=2)[..., 0]
    padded = np.pad(levels, 1, constant_values=np.inf)
    around = [padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
    lowest = np.minimum.reduce(around)
    known = np.isfinite(lowest)
    lowest[~known] = lowest[known].min() if known.any() else 0.0
    return np.ascontiguousarray(lowest, dtype=np.float32)


def sharpest_point(
    pixels: NDArray[Any],
    noise: NDArray[Any],
    shift: int,
    state: NDArray[np.uint8],
    sky: NDArray[np.float32],
    *,
    in_colour: bool = False,
) -> float:
    """Measure how sharp the images of points are in a frame.

    Parameters
    ----------
    pixels, noise, shift, state, sky
        As of `zeroframe.kernels.lacosmic.mark_cosmic_rays`.
    in_colour : bool
        As of `mask_lacosmic`: no sharper than a point 1.4 pixels wide.

    Returns
    -------
    float
        What the two neighbours of a peak hold of it in the mean, as little as there is of it: of a Gaussian in the
        middle of a pixel 2 ** (-4 / FWHM ** 2). Where there are too few peaks to tell, that of one two pixels wide.
    """

    def ratios_of(least: tuple[float, float, float]) -> NDArray[np.float64]:
        ratios, limits = np.empty(_MOST_POINTS), np.empty(pixels.shape[1], np.float32)
        found = point_ratios(pixels, noise, shift, state, sky, least, limits, ratios)
        return ratios[: min(found, _MOST_POINTS)]

    usual = _usual_point(ratios_of(_POINTS))
    if usual is not None and usual > _AS_LIGHT:
        bright = (_usual_point(ratios_of(least)) for least in _BRIGHT_POINTS)
        usual = min(usual, next((ratio for ratio in bright if ratio is not None), usual))
    if usual is not None and usual > _SHARPEST:
        return usual
    usual = usual or _USUAL_RATIO
    if in_colour:
        return usual
    known = ratios_of(_SHARP_POINTS)
    if known.size < _FEWEST_POINTS or known.size < _POINTS_OF_PEAKS * ratios_of(_ANY_PEAKS).size:
        return usual
    sharpest = _SHARP_MARGIN * float(np.quantile(known, _SHARP_SHARE))
    return min(max(sharpest, _SHARPEST_OF_ALL), usual)


def _usual_point(known: NDArray[np.float64]) -> float | None:
    """Return how sharp the sharpest of most points are; None of too few."""
    if known.size < _FEWEST_POINTS:
        return None
    middle = float(median_of_valid(known))
    spread = MAD_TO_SIGMA * float(median_of_valid(np.abs(known - middle)))
    return min(max(middle - _POINT_SPREADS * spread, _SHARPEST), _BLUNTEST)


def scatter_noise(pixels: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Measure the noise of each block of 64 x 64 pixels on how they bend along rows; of shape (0, 0) where none can be.

    The sigma of ``a - 2 b + c`` of neighbours is sqrt(6) times that of a pixel. Where an image is sharp, it bends more
    than its noise does: the result is too large there, and never too small.

    Examples
    --------
    >>> sky = np.random.default_rng(0).normal(100.0, 3.0, (128, 128)).astype(np.float32)
    >>> noise = scatter_noise(sky, np.zeros(sky.shape, bool))
    >>> noise.shape, bool(np.allclose(noise, 3.0, rtol=0.15))
    ((2, 2), True)
    """
    ny, nx = pixels.shape
    some = np.where(mask[::_EVERY], np.nan, pixels[::_EVERY]).astype(np.float32)
    if nx < 3:  # neighbours on both sides
        return np.empty((0, 0), np.float32)
    with np.errstate(invalid="ignore"):
        bend = some[:, 1:-1] * np.float32(-2.0)
        bend += some[:, :-2]
        bend += some[:, 2:]
        bend /= np.float32(sqrt(6.0))
    side = 1 << _BLOCK_SHIFT
    blocks = np.full((-(-ny // side), -(-nx // side)), np.nan)
    measured = blocks[:, : -(-bend.shape[1] // side)]
    found = np.empty(measured.shape)
    block_half_widths(bend, side // _EVERY, side, _LOW_PERCENT, _HIGH_PERCENT, found)
    measured[:] = found
    known = blocks > 0.0  # not where nothing is valid, nor where all pixels are the same
    if not known.any():
        return np.empty((0, 0), np.float32)
    blocks[~known] = median_of_valid(blocks[known])
    return blocks.astype(np.float32)


def mask_median(pixels: NDArray[Any], sigma: NDArray[Any], mask: NDArray[np.bool_]) -> int:
    """Mask what lies far above the median of 11 x 11 pixels, in place; return how many pixels that are.

    Parameters
    ----------
    pixels, sigma, mask
        As of `mask_lacosmic`; where there is no ``sigma``, the standard deviation of all pixels counts.
    """
    values = np.where(mask | ~np.isfinite(pixels), pixels.dtype.type(np.nan), pixels)
    more = far_above_median(values, sigma if sigma.size else None, _MEDIAN_SIGMAS, _MEDIAN_BOX) & ~mask
    mask |= more
    return int(np.count_nonzero(more))


def far_above_median(
    values: NDArray[Any], sigma: NDArray[Any] | float | None, sigmas: float, box: int
) -> NDArray[np.bool_]:
    """Return where pixels stand more than so many standard deviations above the median of their surroundings.

    Parameters
    ----------
    values : ndarray of float, shape (ny, nx)
        NaN where left out.
    sigma : ndarray of float, float, or None
        Standard deviations; None takes that of all pixels.
    sigmas : float
        How many of them.
    box : int
        Side of the box that the median is taken in.

    Examples
    --------
    >>> sky = np.full((15, 15), 100.0)
    >>> sky[7, 7] = 900.0
    >>> np.argwhere(far_above_median(sky, 10.0, 5.0, 5)).tolist()
    [[7, 7]]
    """
    from zeroframe.frames.rank_filters import moving_percentiles  # which needs astropy's units, as few nights do

    error = float(np.nanstd(values, dtype=np.float64)) if sigma is None else sigma
    (level,) = moving_percentiles(values, (box, box), [50.0])
    with np.errstate(invalid="ignore", divide="ignore"):
        found: NDArray[np.bool_] = (values - level) / error > sigmas
    return found


def median_around(values: NDArray[Any], places: NDArray[np.int64], box: int) -> NDArray[np.float64]:
    """Return the median of the box around each of some pixels; of an even number, the upper of the two in the middle.

    Parameters
    ----------
    values : ndarray of float, shape (ny, nx)
        NaN where left out. Beyond the edges the image is mirrored.
    places : ndarray of int64, shape (n, 2)
        Row and column of each.
    box : int
        Side of the box.

    Returns
    -------
    ndarray of float64, shape (n,)
        NaN where all of the box is left out.
    """
    medians = np.empty(len(places))
    box_medians(values, places, box, medians)
    return medians


def mean_around(values: NDArray[Any], places: NDArray[np.int64], box: int) -> NDArray[np.float64]:
    """Return the mean of the box around each of some pixels, in float64; otherwise as `median_around`.

    Examples
    --------
    >>> mean_around(np.array([[1.0, np.nan, 4.0]]), np.array([[0, 1]]), 3)
    array([2.5])
    """
    ny, nx = values.shape
    reach = np.arange(box) - box // 2
    rows = _mirrored(places[:, 0, None] + reach, ny)
    columns = _mirrored(places[:, 1, None] + reach, nx)
    around = values[rows[:, :, None], columns[:, None, :]].astype(np.float64)
    valid = np.isfinite(around)
    total = np.where(valid, around, 0.0).sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        return np.asarray(total / valid.sum(axis=(1, 2)))


def _mirrored(index: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return the places of pixels beyond the edge in the image that is mirrored there: (c b a | a b c | c b a)."""
    folded = index % (2 * size)
    return np.minimum(folded, 2 * size - 1 - folded)
