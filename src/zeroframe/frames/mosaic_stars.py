"""Sharp stars of a colour sensor: what looks like a cosmic ray within a colour, and is light among all pixels.

In the plane of one colour the image of a star is half as wide as it is: one of two pixels (FWHM) has its light in one
pixel of a plane, as a hit has. The pixels beside it, of the other colours, tell the two apart: a star lights those on
all four sides, and a hit does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.colours import each_colour
from zeroframe.frames.cosmic_rays import mask_lacosmic, scatter_noise, sky_levels
from zeroframe.kernels.lacosmic import SharpLimits
from zeroframe.kernels.point_images import SKY_SHIFT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zeroframe.headers.colours import ColourPattern

__all__ = ["free_stars", "mask_in_colours"]

#: Each of the four neighbours holds this share of what a pixel has above the sky, and this many sigma: of a star of 1.5
#: pixels (FWHM) in the middle of its pixel they hold 0.3; through a filter that lets a third of its light pass, 0.1.
_SHARE, _SIGMAS = 0.08, 3.0
#: The corners hold less than this share of it in the mean; of a hit that covers 3 x 3 pixels they hold all.
_CORNERS = 0.75
#: What was found so near such a pixel is the same star.
_REACH = 2


def mask_in_colours(
    colours: ColourPattern | None,
    pixels: NDArray[Any],
    sigma: NDArray[Any],
    before: NDArray[Any],
    found: NDArray[np.bool_],
    limits: SharpLimits = SharpLimits(),  # noqa: B008 -- a tuple, which nobody can change
    others: Sequence[NDArray[Any]] = (),
) -> int:
    """Mask cosmic rays, in place, within each colour where there are some, but no stars; return how many pixels.

    Parameters
    ----------
    colours : ColourPattern or None
        Of the frame.
    pixels, sigma
        As of `zeroframe.frames.cosmic_rays.mask_lacosmic`.
    before : ndarray of bool or uint8, shape (ny, nx)
        Not 0 what is masked; another array than ``found``.
    found : ndarray of bool, shape (ny, nx)
        True where that is; worked on in place.
    limits, others
        As of `mask_lacosmic`.

    Examples
    --------
    >>> frame = np.random.default_rng(0).normal(100.0, 10.0, (80, 80)).astype(np.float32)
    >>> frame[20, 21] += 4000.0
    >>> before, found = np.zeros(frame.shape, bool), np.zeros(frame.shape, bool)
    >>> mask_in_colours(None, frame, np.full(frame.shape, 10.0, np.float32), before, found), bool(found[20, 21])
    (1, True)
    """
    count = sum(
        mask_lacosmic(plane, own_sigma, own, limits, seen, in_colour=colours is not None)
        for own, plane, own_sigma, *seen in each_colour(colours, (found,), (pixels, sigma, *others))
    )
    return count if colours is None else count - free_stars(pixels, sigma, before, found)


def free_stars(pixels: NDArray[Any], sigma: NDArray[Any], before: NDArray[Any], found: NDArray[np.bool_]) -> int:
    """Unmask pixels of a colour sensor that were taken for cosmic rays and are light, in place; return how many.

    Parameters
    ----------
    pixels : ndarray of float, shape (ny, nx)
        The frame.
    sigma : ndarray of float, shape (ny, nx) or (0, 0)
        Its standard deviations; where there are none, they are those of pixels against their neighbours.
    before : ndarray of bool or uint8, shape (ny, nx)
        Not 0 what was masked before cosmic rays were looked for within the colours.
    found : ndarray of bool, shape (ny, nx)
        And after; worked on in place.

    Examples
    --------
    >>> y, x = np.mgrid[:80, :80]
    >>> frame = 100.0 + 5000.0 * np.exp(-((y - 40) ** 2 + (x - 30) ** 2) / 1.44)
    >>> frame[20, 21] = 4000.0
    >>> before, found = np.zeros(frame.shape, bool), np.zeros(frame.shape, bool)
    >>> found[40, 30] = found[20, 21] = True
    >>> free_stars(frame, np.full(frame.shape, 10.0), before, found), np.argwhere(found).tolist()
    (1, [[20, 21]])
    """
    masked = before != 0
    places = np.argwhere(found & ~masked)
    ny, nx = pixels.shape
    places = places[((places > 0) & (places < (ny - 1, nx - 1))).all(axis=1)]
    if not len(places):
        return 0
    skies = {
        (dy, dx): sky_levels(np.ascontiguousarray(pixels[dy::2, dx::2]), np.ascontiguousarray(masked[dy::2, dx::2]))
        for dy in (0, 1)
        for dx in (0, 1)
    }
    if not sigma.size:
        noise_of_blocks = scatter_noise(np.ascontiguousarray(pixels[::2, ::2]), np.ascontiguousarray(masked[::2, ::2]))
        sigma = np.broadcast_to(np.median(noise_of_blocks) if noise_of_blocks.size else np.float32(0.0), pixels.shape)
    own = _above(pixels, skies, places)
    is_light = np.ones(len(places), bool)
    for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        beside = places + np.array([dy, dx])
        noise = sigma[beside[:, 0], beside[:, 1]].astype(np.float64)
        with np.errstate(invalid="ignore"):
            is_light &= _above(pixels, skies, beside) > np.maximum(_SHARE * own, _SIGMAS * noise)
    corners = [_above(pixels, skies, places + np.array([dy, dx])) for dy in (-1, 1) for dx in (-1, 1)]
    with np.errstate(invalid="ignore"):
        is_light &= np.mean(corners, axis=0) < _CORNERS * own
    # the star goes on about its middle
    cores = np.zeros(found.shape, bool)
    cores[tuple(places[is_light].T)] = True
    padded = np.pad(cores, _REACH)
    y, x = places.T
    near = np.zeros(len(places), bool)
    for dy in range(2 * _REACH + 1):
        for dx in range(2 * _REACH + 1):
            near |= padded[y + dy, x + dx]
    light = places[near]
    found[light[:, 0], light[:, 1]] = False
    return len(light)


def _above(
    pixels: NDArray[Any], skies: dict[tuple[int, int], NDArray[np.float32]], places: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return what pixels have above the sky of their own colour."""
    y, x = places.T
    found: NDArray[np.float64] = pixels[y, x].astype(np.float64)
    for (dy, dx), sky in skies.items():
        here = (y % 2 == dy) & (x % 2 == dx)
        rows, columns = sky.shape
        v, u = np.minimum(y[here] // 2 >> SKY_SHIFT, rows - 1), np.minimum(x[here] // 2 >> SKY_SHIFT, columns - 1)
        found[here] -= sky[v, u]
    return found
