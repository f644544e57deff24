"""Cosmic rays in a science frame of a night: found and masked; pixels stay as they were measured."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.kernels.laplacian import SharpLimits, mark_cosmic_rays
from zeroframe.kernels.ranks import block_half_widths

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["mask_far_from_median", "mask_sharp", "scatter_noise"]

_MEDIAN_SIGMAS = 5.0
#: Noise is measured in blocks of ``1 << 6`` rows and columns, on every eighth row.
_BLOCK_SHIFT = 6
_EVERY = 8
#: Between these percentiles lie two sigmas of a normal distribution.
_LOW_PERCENT, _HIGH_PERCENT = 15.8655, 84.1345


def mask_sharp(pixels: NDArray[Any], sigma: NDArray[Any], mask: NDArray[np.bool_]) -> int:
    """Mask what is too sharp for a star (L.A.Cosmic), in place; return how many pixels that are.

    Parameters
    ----------
    pixels : ndarray of float, shape (ny, nx)
        The frame.
    sigma : ndarray of float, shape (ny, nx) or (0, 0)
        Standard deviations. Where there are none, the noise is that of pixels against their neighbours.
    mask : ndarray of bool, shape (ny, nx)
        What is masked is not looked at, and its neighbours neither.

    Notes
    -----
    See `zeroframe.kernels.laplacian.mark_cosmic_rays`.
    """
    noise, shift = (sigma, 0) if sigma.size else (scatter_noise(pixels, mask), _BLOCK_SHIFT)
    if not noise.size:
        return 0
    return mark_cosmic_rays(pixels, noise, shift, mask.view(np.uint8), SharpLimits())


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
    blocks[~known] = np.median(blocks[known])
    return blocks.astype(np.float32)


def mask_far_from_median(pixels: NDArray[Any], sigma: NDArray[Any], mask: NDArray[np.bool_]) -> int:
    """Mask what lies far above the median of 11 x 11 pixels, in place; return how many pixels that are.

    Parameters
    ----------
    pixels, sigma, mask
        As of `mask_sharp`; where there is no ``sigma``, the standard deviation of all pixels counts.
    """
    from zeroframe.cosmic_rays import cosmicray_median

    seen: NDArray[Any] = np.ma.MaskedArray(pixels, mask)
    _, found = cosmicray_median(seen, sigma if sigma.size else None, _MEDIAN_SIGMAS)
    more = np.asarray(found, dtype=bool) & ~mask
    mask |= more
    return int(np.count_nonzero(more))
