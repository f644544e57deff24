"""Find bad pixels and bad columns in the ratio of two flats: IRAF's and ccdproc's ``ccdmask``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.nddata import CCDData

from zeroframe.errors import UsageError
from zeroframe.frames.colours import PHASES, plane_of
from zeroframe.frames.rank_filters import box_size, moving_percentiles
from zeroframe.kernels.columns import fill_gaps, find_columns
from zeroframe.kernels.ranks import block_half_widths
from zeroframe.verbs.arguments import checked_names
from zeroframe.verbs.ccddata import masked_values, require_ccd
from zeroframe.verbs.colours import colours_of, split_colours

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ccdmask"]

#: Percentiles that are one sigma apart, of a normal distribution.
_LOW_PERCENT, _HIGH_PERCENT = 30.9, 69.1


@checked_names
def ccdmask(
    ratio: CCDData,
    findbadcolumns: bool = False,  # noqa: FBT001 -- ccdproc's arguments
    byblocks: bool = False,  # noqa: FBT001
    ncmed: int = 7,
    nlmed: int = 7,
    ncsig: int = 15,
    nlsig: int = 15,
    lsigma: float = 9,
    hsigma: float = 9,
    ngood: int = 5,
) -> NDArray[np.bool_]:
    """Find pixels that differ from their surroundings, in the ratio of two flats of different exposure.

    Parameters
    ----------
    ratio : CCDData
        The ratio, which is not changed. Masked pixels and those that are not finite take no part, and are bad.
    findbadcolumns : bool
        Also look for columns that are too low or too high as a whole, and fill short gaps in bad columns.
    byblocks : bool
        Take the noise in fixed blocks, and not in a box around each pixel.
    ncmed, nlmed : int
        Columns and lines (rows) of the box whose median is the level of a pixel.
    ncsig, nlsig : int
        Columns and lines of the box or block that the noise is taken in.
    lsigma, hsigma : float
        How many standard deviations below and above its level a bad pixel is.
    ngood : int
        Fewer good pixels than this between two bad ones of a column are bad, too.

    Returns
    -------
    ndarray of bool, shape (ny, nx)
        True where bad.

    Raises
    ------
    ArgumentError
        When an argument is not known.
    UsageError
        When ``ratio`` is no CCDData, a size is no whole number, or a threshold not above zero.

    Notes
    -----
    After the help page of IRAF's ``ccdmask``: the level is a moving median; the noise half the distance between the
    percentiles 30.9 and 69.1 of what is left. That is half the sigma of a normal distribution, so 9 means 4.5 sigma.
    Columns: the residuals of the pixels not found yet are summed over runs of 2, 4, 8 … rows; a sum beyond the
    thresholds times the noise of so many pixels makes all of them bad.

    Examples
    --------
    >>> from astropy.nddata import CCDData
    >>> pixels = np.random.default_rng(0).normal(1.0, 0.01, (40, 40))
    >>> pixels[10, 20] = 0.5
    >>> np.argwhere(ccdmask(CCDData(pixels, unit=""))).tolist()
    [[10, 20]]
    """
    if not isinstance(ratio, CCDData):
        raise UsageError(f"ratio must be a CCDData, not {type(ratio).__name__}")
    values = masked_values(require_ccd(ratio, "ratio"))
    sizes = {"ncmed": ncmed, "nlmed": nlmed, "ncsig": ncsig, "nlsig": nlsig}
    columns, lines, noise_columns, noise_lines = (box_size(value, name) for name, value in sizes.items())
    gap = box_size(ngood, "ngood", 0)
    for name, value in (("lsigma", lsigma), ("hsigma", hsigma)):
        if not value > 0:
            raise UsageError(f"{name} is {value!r}; it must be above zero")
    pattern = colours_of(ratio)
    if pattern is not None:
        whole = np.zeros(values.shape, bool)
        options = (findbadcolumns, byblocks, ncmed, nlmed, ncsig, nlsig, lsigma, hsigma, ngood)
        for own, plane in zip(PHASES, split_colours(ratio).values(), strict=True):
            plane_of(whole, own)[...] = ccdmask(plane, *options)
        return whole
    values[~np.isfinite(values)] = np.nan
    (level,) = moving_percentiles(values, (lines, columns), [50.0])
    residual = values - level
    sigma = _noise(residual, (noise_lines, noise_columns), byblocks=byblocks)
    mask: NDArray[np.bool_] = ~np.isfinite(residual) | (residual < -lsigma * sigma) | (residual > hsigma * sigma)
    if findbadcolumns:
        on_side = np.ascontiguousarray(mask.T)
        turned = np.ascontiguousarray(residual.T), np.ascontiguousarray(sigma.T)
        find_columns(*turned, float(lsigma), float(hsigma), on_side)
        fill_gaps(on_side, gap)
        mask = np.ascontiguousarray(on_side.T)
    return mask


def _noise(residual: NDArray[Any], box_yx: tuple[int, int], *, byblocks: bool) -> NDArray[Any]:
    """Return the noise of each pixel."""
    if not byblocks:
        high, low = moving_percentiles(residual, box_yx, [_HIGH_PERCENT, _LOW_PERCENT])
        high -= low
        high *= 0.5
        return np.asarray(high)
    ny, nx = residual.shape
    blocks = np.empty((-(-ny // box_yx[0]), -(-nx // box_yx[1])))
    block_half_widths(residual, box_yx[0], box_yx[1], _LOW_PERCENT, _HIGH_PERCENT, blocks)
    return np.asarray(blocks.repeat(box_yx[0], axis=0)[:ny].repeat(box_yx[1], axis=1)[:, :nx])
