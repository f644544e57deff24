"""Masks of a night: hot pixels of a combined dark, bad pixels of a combined flat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.quality import measure_frame
from zeroframe.kernels.masks import block_levels, odd_places
from zeroframe.kernels.ranks import box_medians
from zeroframe.kernels.stack import MAD_TO_SIGMA

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FoundMask", "bad_pixels", "hot_pixels"]

#: The median of so many pixels, spread over the dark, is that of all.
_SAMPLE_PIXELS = 1_000_000
_BLOCK = 8
#: Side of the box around a pixel that its median is taken in.
_BOX = 7
#: Pixels this far on the way to being bad, by the level of their block, are looked at.
_ON_THE_WAY = 0.5


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
        hot: what lies above is hot. bad: how far a pixel of level 1 may stand off.
    """

    mask: NDArray[np.bool_]
    level: float
    noise: float
    limit: float

    @property
    def count(self) -> int:
        """How many pixels are masked."""
        return int(np.count_nonzero(self.mask))


def hot_pixels(dark: NDArray[Any], sigmas: float) -> FoundMask:
    """Find the pixels that stand above the median of a dark.

    Parameters
    ----------
    dark : ndarray of float, shape (ny, nx)
        A combined dark. What is not finite counts as hot: it was saturated in every frame.
    sigmas : float
        By how many standard deviations, 1.4826 MAD of all pixels.

    Returns
    -------
    FoundMask

    Examples
    --------
    >>> dark = np.random.default_rng(1).normal(2.0, 1.0, (60, 60)).astype(np.float32)
    >>> dark[10, 20] = 50.0
    >>> np.argwhere(hot_pixels(dark, 20.0).mask).tolist()
    [[10, 20]]
    """
    step = max(int((dark.size / _SAMPLE_PIXELS) ** 0.5), 1)
    sample = dark[::step, ::step].ravel()
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return FoundMask(np.ones(dark.shape, bool), np.nan, np.nan, np.nan)
    level = float(np.median(sample))
    # the MAD of whole numbers may be zero, and their noise is not
    noise = MAD_TO_SIGMA * float(np.median(np.abs(sample - level))) or float(sample.std(dtype=np.float64))
    limit = level + sigmas * noise
    with np.errstate(invalid="ignore"):
        return FoundMask(~(dark <= dark.dtype.type(limit)), level, noise, limit)


def bad_pixels(flat: NDArray[Any], sigmas: float, fraction: float) -> FoundMask:
    """Find the pixels of a flat that answer to light as none of their neighbours.

    Parameters
    ----------
    flat : ndarray of float, shape (ny, nx)
        A combined flat of level 1. What is not finite is bad.
    sigmas : float
        Bad is what stands off the median of its surroundings, 7 x 7 pixels, by more than so many standard deviations
        of a pixel against its neighbours,
    fraction : float
        and by more than this fraction of that median.

    Returns
    -------
    FoundMask

    Notes
    -----
    Medians are taken only around pixels that stand off the level of their block of 8 x 8 pixels by half as much: 0.05
    instead of 0.8 s for 4128 x 2048 pixels. It misses what stands on a slope of half the limit within a block.

    Examples
    --------
    >>> flat = np.random.default_rng(1).normal(1.0, 0.01, (60, 60)).astype(np.float32)
    >>> flat[10, 20], flat[30, 40] = 0.5, 0.9
    >>> np.argwhere(bad_pixels(flat, 5.0, 0.2).mask).tolist()
    [[10, 20]]
    """
    quality = measure_frame(flat)
    least = sigmas * quality.noise_adu if np.isfinite(quality.noise_adu) else 0.0
    levels = np.empty((-(-flat.shape[0] // _BLOCK), -(-flat.shape[1] // _BLOCK)))
    block_levels(flat, _BLOCK, levels)
    reach = _ON_THE_WAY * fraction, _ON_THE_WAY * least
    places = np.empty((flat.size // 64 + 16, 2), np.int64)
    found = odd_places(flat, levels, _BLOCK, *reach, places)
    if found > len(places):
        places = np.empty((found, 2), np.int64)
        odd_places(flat, levels, _BLOCK, *reach, places)
    places = places[:found]
    medians = np.empty(found)
    box_medians(flat, places, _BOX, medians)
    values = flat[places[:, 0], places[:, 1]].astype(np.float64)
    with np.errstate(invalid="ignore"):
        good = np.abs(values - medians) <= np.maximum(fraction * np.abs(medians), least)
    mask = np.zeros(flat.shape, bool)
    mask[tuple(places[~good].T)] = True
    return FoundMask(mask, quality.level_adu, quality.noise_adu, max(fraction, least))
