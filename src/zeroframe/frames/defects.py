"""Pixels, columns, rows and clusters that stand off their surroundings, of any width up to some ninety pixels.

A pixel is compared with the median of 7 x 7 pixels around it. Of what is four pixels wide that median is spoilt; so the
same is done on the image binned by 2, 4, 8, 16 and 32, and what is found there is looked for in the pixels themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.medians import median_of_valid
from zeroframe.kernels.masks import bin_by_two, block_levels, odd_places
from zeroframe.kernels.ranks import box_medians
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["StandOff", "standing_off", "without_pattern"]

_BLOCK = 8
#: Side of the box around a pixel that its median is taken in.
_BOX = 7
#: Pixels this far on the way to standing off, by the level of their block, are looked at. A binned pixel may be covered
#: in part.
_ON_THE_WAY = 0.5
_COARSEST = 32
#: An image is binned as long as it has so many pixels along each axis,
_FEWEST_CELLS = 2 * _BOX
#: and where it has fewer than this, vignetting is a slope from one to the next, which has to go on beyond the edges; so
#: has glow. A wide defect that touches the edge is not found then.
_STEEP_CELLS = 7 * _BOX
#: Glow and vignetting bend; a defect differs from what is three cells away on both sides by most of what it stands off.
_SHARP = 0.5
#: Cells that are beyond an edge, in the box around one at it.
_BEYOND = _BOX // 2
#: and where more of them stand off than this fraction, beside those of so many rows and columns, that is the image:
#: orders of a spectrograph, not defects.
_MOST_CELLS, _MOST_LINES = 0.02, 3
#: Rows or columns of which more than this fraction stand off the mean of so many, in turn, are a pattern.
_PATTERN_SHARE, _PATTERN_PERIOD = 0.05, 8
_PATTERN_SAMPLE = 64
#: Cells whose pixels are looked at at once.
_CELLS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True, eq=False)
class StandOff:
    """By how much a pixel may differ from its surroundings.

    Attributes
    ----------
    fraction : float
        Of the median around it,
    least : float
        and no less than this, in the unit of the image.
    above_only : bool
        Whether what is lower than its surroundings may be as low as it likes.
    least_by_level : ndarray, shape (2, n), optional
        Levels, rising, and the least of each, where bright pixels have more noise: more than ``least`` counts.
    """

    fraction: float
    least: float
    above_only: bool = False
    least_by_level: NDArray[np.float64] | None = None

    def least_of(self, levels: NDArray[Any]) -> NDArray[Any]:
        """Return the least of pixels whose surroundings have these levels."""
        if self.least_by_level is None:
            return np.full(np.shape(levels), self.least)
        found: NDArray[Any] = np.maximum(np.interp(levels, *self.least_by_level), self.least)
        return found

    def beyond(self, values: NDArray[Any], medians: NDArray[Any]) -> NDArray[Any]:
        """Return which values stand off; what cannot be told does."""
        reach = np.maximum(self.fraction * np.abs(medians), self.least_of(medians))
        with np.errstate(invalid="ignore"):
            off = values.astype(np.float64) - medians
            found: NDArray[Any] = ~((off if self.above_only else np.abs(off)) <= reach)
        return found


def standing_off(image: NDArray[Any], limits: StandOff) -> NDArray[np.bool_]:
    """Return where pixels stand off their surroundings, alone or many side by side; what is not finite does.

    Parameters
    ----------
    image : ndarray of float32 or float64, shape (ny, nx)
        Smooth, but for its noise and its defects.
    limits : StandOff
        By how much.

    Notes
    -----
    Medians are taken only around pixels that stand off the level of their block of 8 x 8 pixels by half as much: 0.05
    instead of 0.8 s for 4128 x 2048 pixels. It misses what stands on a slope of half the limit within a block.

    Examples
    --------
    >>> image = np.random.default_rng(1).normal(1.0, 0.01, (200, 200)).astype(np.float32)
    >>> image[10, 20], image[:, 60:72] = 0.5, 0.7
    >>> found = standing_off(image, StandOff(0.2, 0.1))
    >>> int(found.sum()), bool(found[10, 20]), bool(found[:, 60:72].all())
    (2401, True, True)
    """
    places, medians = _odd(image, limits)
    mask = np.zeros(image.shape, bool)
    y, x = places.T
    beyond = limits.beyond(image[y, x], medians)
    mask[y[beyond], x[beyond]] = True
    work, scale = image, 1
    spoilt = places[beyond]
    while scale < _COARSEST and min(image.shape) // (2 * scale) >= _FEWEST_CELLS:
        work, scale = _binned(work, spoilt), 2 * scale
        found = _coarse_defects(image, work, scale, limits, mask)
        if found is None:
            break  # what is structured by squares of this size is so by larger ones
        spoilt = found
    return mask


def _odd(image: NDArray[Any], limits: StandOff) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the places that may stand off, and the medians of their surroundings."""
    levels = np.empty((-(-image.shape[0] // _BLOCK), -(-image.shape[1] // _BLOCK)))
    block_levels(image, _BLOCK, levels)
    reach = _ON_THE_WAY * limits.fraction, _ON_THE_WAY * limits.least
    places = np.empty((image.size // 64 + 16, 2), np.int64)
    found = odd_places(image, levels, _BLOCK, *reach, places)
    if found > len(places):
        places = np.empty((found, 2), np.int64)
        odd_places(image, levels, _BLOCK, *reach, places)
    places = places[:found]
    medians = np.empty(found)
    box_medians(image, places, _BOX, medians)
    return places, medians


def _binned(image: NDArray[Any], spoilt: NDArray[np.int64]) -> NDArray[Any]:
    """Return means of squares of four pixels without those that are spoilt; of which fewer than two are left, NaN."""
    cells = np.empty((image.shape[0] // 2, image.shape[1] // 2), image.dtype)
    bin_by_two(image, cells)
    inside = spoilt[(spoilt < 2 * np.array(cells.shape)).all(axis=1)]
    if len(inside):
        # those cells again, from a small image of them: the large one is not to be changed, nor to be copied
        places, which = np.unique(inside // 2, axis=0, return_inverse=True)
        y, x = places.T
        few = np.empty((2 * len(places), 2), image.dtype)
        for part in (0, 1):
            few[part::2] = np.stack([image[2 * y + part, 2 * x], image[2 * y + part, 2 * x + 1]], axis=1)
        few[2 * which.reshape(-1) + inside[:, 0] % 2, inside[:, 1] % 2] = np.nan
        again = np.empty((len(places), 1), image.dtype)
        bin_by_two(few, again)
        cells[y, x] = again[:, 0]
    return cells


def _coarse_defects(
    image: NDArray[Any], cells: NDArray[Any], scale: int, limits: StandOff, mask: NDArray[np.bool_]
) -> NDArray[np.int64] | None:
    """Mask the pixels in and around the cells of a binned image that stand off; return which cells those are.

    None where they are the image.
    """
    goes_on = limits.above_only or min(cells.shape) < _STEEP_CELLS
    beyond_edges: dict[str, Any] = {"mode": "reflect", "reflect_type": "odd"} if goes_on else {"mode": "symmetric"}
    padded = np.pad(cells, _BEYOND, **beyond_edges)
    places, medians = _odd(padded, limits)
    places -= _BEYOND
    inside = ((places >= 0) & (places < cells.shape)).all(axis=1)
    places, medians = places[inside], medians[inside]
    values = cells[tuple(places.T)]
    with np.errstate(invalid="ignore"):
        off = values - medians
        reach = _ON_THE_WAY * np.maximum(limits.fraction * np.abs(medians), limits.least)
        sharp = _sharpness(padded, places) * np.sign(off)
        # what is not finite stood off before it was binned; what is no sharper than a slope is the image
        odd = np.isfinite(off) & ((off if limits.above_only else np.abs(off)) > reach) & (sharp > _SHARP * np.abs(off))
    places, medians, off = places[odd], medians[odd], off[odd]
    if _without_lines(places, cells.shape) > _MOST_CELLS * cells.size:
        return None
    reach_yx = np.arange(-scale, 2 * scale)
    ny, nx = image.shape
    for start in range(0, len(places), max(_CELLS_AT_ONCE // scale**2, 1)):
        some = slice(start, start + max(_CELLS_AT_ONCE // scale**2, 1))
        y = (places[some, 0, None] * scale + reach_yx).clip(0, ny - 1)[:, :, None]
        x = (places[some, 1, None] * scale + reach_yx).clip(0, nx - 1)[:, None, :]
        around = medians[some, None, None]
        # to the side of the cell: next to it, what is good may stand off a median that is spoilt in part
        same_side = (image[y, x] < around) == (off[some, None, None] < 0)
        which = np.nonzero(same_side & limits.beyond(image[y, x], around))
        mask[y[which[0], which[1], 0], x[which[0], 0, which[2]]] = True
    found: NDArray[np.int64] = places
    return found


def _without_lines(places: NDArray[np.int64], shape_yx: tuple[int, ...]) -> int:
    """Return how many places there are beside the few rows and columns that hold most."""
    total = len(places)
    for axis in (0, 1):
        total -= int(np.sort(np.bincount(places[:, axis], minlength=shape_yx[axis]))[-_MOST_LINES:].sum())
    return total


def _sharpness(padded: NDArray[Any], places: NDArray[np.int64]) -> NDArray[Any]:
    """Return by how much cells differ from those three before and behind, along the axis where it is more."""
    y, x = (places + _BEYOND).T
    far = _BEYOND
    own = padded[y, x]
    along_y = own - 0.5 * (padded[y - far, x] + padded[y + far, x])
    along_x = own - 0.5 * (padded[y, x - far] + padded[y, x + far])
    found: NDArray[Any] = np.where(~(np.abs(along_x) > np.abs(along_y)), along_y, along_x)
    return found


def without_pattern(image: NDArray[Any], limits: StandOff, *, as_ratio: bool) -> NDArray[Any]:
    """Return an image without what differs from row to row, or column to column, all over it.

    The rows of some infrared arrays differ alternately. A single bad column is no pattern, and stays.

    Parameters
    ----------
    image : ndarray of float, shape (ny, nx)
        Left as it is.
    limits : StandOff
        By how much a row that belongs to a pattern stands off the mean of its neighbours: half of that.
    as_ratio : bool
        Whether rows differ by factors, or by what is added to them.
    """
    given = image
    for axis in (0, 1):
        lines = image if axis == 0 else image.T
        for half in (slice(0, lines.shape[1] // 2), slice(lines.shape[1] // 2, None)):
            part = lines[:, half]
            levels, usual, smooth = _line_levels(part)
            reach = _ON_THE_WAY * np.maximum(limits.fraction * np.abs(smooth), limits.least)
            differ = np.mean(np.abs(usual - smooth) > reach)
            unexplained = np.mean(np.abs(levels - usual) > reach)
            if not (differ > _PATTERN_SHARE and unexplained < _PATTERN_SHARE):
                continue
            if image is given:
                image = image.copy()
                lines = image if axis == 0 else image.T
            corrected = lines[:, half]
            if as_ratio:
                with np.errstate(invalid="ignore", divide="ignore"):
                    factor = np.where((usual > 0) & (smooth > 0), smooth / usual, 1.0)
                corrected *= factor[:, None].astype(image.dtype)
            else:
                corrected -= (usual - smooth)[:, None].astype(image.dtype)
    return image


def _line_levels(part: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the levels of rows of a part of an image, those by their places in a pattern, and those of all places.

    Patterns repeat after two, four or eight rows. The level of a place is the median of five rows of that place, so
    that a bad row, or eight of them, are none of it.
    """
    step = max(part.shape[1] // _PATTERN_SAMPLE, 1)
    some = np.asarray(part[:, ::step], dtype=np.float64)
    period, count = _PATTERN_PERIOD, len(part)
    if not some.size or count < 2 * period:
        return np.zeros(count), np.zeros(count), np.zeros(count)
    lost = ~np.isfinite(some)
    if lost.any():
        known = some[~lost]
        some = np.where(lost, float(median_of_valid(known)) if known.size else 0.0, some)
    lines = np.asarray(median_of_valid(some), dtype=np.float64)
    reach = 2 * period
    padded = np.pad(lines, reach, mode="reflect", reflect_type="odd") if count > reach else np.pad(lines, reach, "wrap")
    same = np.stack([padded[start : start + count] for start in range(0, 2 * reach + 1, period)], axis=1)
    usual = np.asarray(median_of_valid(same), dtype=np.float64)
    ends = np.pad(usual, period // 2, mode="reflect")
    sums = np.concatenate([[0.0], np.cumsum(ends)])
    smooth = (sums[period:] - sums[:-period]) / period
    return lines, usual, 0.5 * (smooth[:-1] + smooth[1:])[:count]
