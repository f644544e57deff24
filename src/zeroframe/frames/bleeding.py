"""Bleeding of full pixels in a calibrated frame: which way it runs, and what it reaches beyond them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.colours import each_colour
from zeroframe.frames.mask_bits import MaskBit
from zeroframe.kernels.stack import MAD_TO_SIGMA
from zeroframe.kernels.trails import find_centres, follow_trails, gather_regions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zeroframe.headers.colours import ColourPattern

__all__ = ["grow_full", "mask_bleeding"]

#: Level and noise of the sky are those of about so many rows.
_SKY_ROWS = 64
_PIXEL_LIMIT = 0.05
#: A region of full pixels that is so many times as long as it is wide has bled that way.
_LONG_AND_THIN = 3.0


def mask_bleeding(
    pixels: NDArray[Any],
    mask: NDArray[np.uint8],
    full: int,
    gain_e_per_adu: float | None = None,
    colours: ColourPattern | None = None,
) -> int:
    """Mask the trails of full pixels as BLEED, in place; return how many pixels that are beside the full ones.

    Parameters
    ----------
    pixels : ndarray of float, shape (ny, nx)
        The frame, less its overscan.
    mask : ndarray of uint8, shape (ny, nx)
        With its SATURATED pixels.
    full : int
        At least how many those are. Where they are more than a twentieth of the frame, it is no frame of stars, and
        no trails are looked for.
    gain_e_per_adu : float, optional
        Tells the noise of the wings of a star; one electron is one ADU where it is not known.
    colours : ColourPattern, optional
        Of the frame: a trail is compared with what is beside it in its own colour.

    Notes
    -----
    Charge bleeds along the columns of a chip. Where the regions of a frame are longer along rows, as in a frame that
    was turned, it is looked for along rows; and so for any one region that is three times as long that way as wide.
    """
    if not 0 < full <= _PIXEL_LIMIT * mask.size:
        return 0
    bit, bleed = int(MaskBit.SATURATED), int(MaskBit.BLEED)
    if colours is not None:
        return sum(
            mask_bleeding(plane, own, int(np.count_nonzero(own & np.uint8(bit))), gain_e_per_adu)
            for own, plane in each_colour(colours, (mask,), (pixels,))
        )
    count = int(np.count_nonzero(mask & np.uint8(bit)))
    places, ends = np.empty((count, 2), np.int64), np.empty(count, np.int64)
    ends = ends[: gather_regions(mask, bit, bleed, places, ends)]
    firsts = np.concatenate([[0], ends[:-1]])
    spans = np.maximum.reduceat(places, firsts) - np.minimum.reduceat(places, firsts)
    longer = spans[:, 0] - spans[:, 1]
    axis = 0 if longer[longer > 0].sum() >= -longer[longer < 0].sum() else 1
    level, noise = _sky(pixels, mask)
    sky = (level, noise, 1.0 / (gain_e_per_adu or 1.0))
    # one that is much longer the other way has run that way, as from the register into the rows
    across = spans[:, 1 - axis] + 1 >= _LONG_AND_THIN * (spans[:, axis] + 1)
    which = np.repeat(across, ends - firsts)
    sizes = ends - firsts
    marked = 0
    for turned, way in ((False, axis), (True, 1 - axis)):
        own = places[which == turned], np.cumsum(sizes[across == turned])
        if own[1].size:
            stars = find_centres(places, ends, way, max(pixels.shape))
            marked += follow_trails(pixels, mask, *own, way, sky, (bit, bleed), stars)
    return marked


def _sky(pixels: NDArray[Any], mask: NDArray[np.uint8]) -> tuple[float, float]:
    """Return level and noise of most of the frame; neighbours along the rows are compared."""
    step = max(len(pixels) // _SKY_ROWS, 1)
    rows = np.where(mask[::step] == 0, pixels[::step], np.nan).astype(np.float64)
    differences = np.abs(rows[:, 1:] - rows[:, :-1])
    known, apart = rows[np.isfinite(rows)], differences[np.isfinite(differences)]
    if not apart.size:
        return 0.0, np.inf
    # of whole numbers of little noise the median may be zero
    noise = MAD_TO_SIGMA * float(np.median(apart)) or float(apart.std())
    return float(np.median(known)), noise / 2.0**0.5


def grow_full(mask: NDArray[np.uint8], reach: int) -> int:
    """Mask what lies within ``reach`` pixels of full pixels and their trails as BLEED, in place; return how many.

    Examples
    --------
    >>> mask = np.zeros((5, 5), np.uint8)
    >>> mask[2, 2] = MaskBit.SATURATED
    >>> grow_full(mask, 1), mask[2].tolist()
    (4, [0, 8, 4, 8, 0])
    """
    from scipy.ndimage import binary_dilation

    if reach < 1:
        return 0
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    seeds = mask & np.uint8(MaskBit.SATURATED | MaskBit.BLEED) != 0
    grown = binary_dilation(seeds, structure=y**2 + x**2 <= reach**2) & ~seeds
    mask[grown] |= np.uint8(MaskBit.BLEED)
    return int(np.count_nonzero(grown))
