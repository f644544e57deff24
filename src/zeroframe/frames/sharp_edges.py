"""Light or defect: what optics have drawn has soft edges, what a pixel does has sharp ones.

Gaps between fibres, ends of slits, orders of a spectrograph and the rim of a round field stand off what is around them
as defects do, and are no defects: the flat corrects them. Their image is blurred, so that light falls off over two
pixels or more; a pixel, or a column, that does not answer is as it is up to its edge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zeroframe.kernels.ranks import box_medians
from zeroframe.kernels.small_medians import medians7

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zeroframe.frames.defects import StandOff

__all__ = ["leave_out_glow", "leave_out_light"]

#: An edge is sharp where this share of it lies between two neighbours: 0.4 to 0.5 of the image of an edge that is 2
#: pixels (FWHM) wide, 0.6 of 1.3 pixels, all of it where pixels do not answer.
_SHARP_SHARE = 0.75
#: The same of a dark: glow is wide, and hot pixels side by side are not equally hot.
_SHARP_IN_DARK = 0.3
#: Pixels of a run, from its end, that tell how deep it is there.
_END_PIXELS = 4
#: A run that is so many times as long as one across it is a line.
_MUCH_LONGER = 2
#: Medians of lines are of every third pixel, of seven.
#: Pixels of a defect that were not found, side by side, as many as do not end it.
_BRIDGED = 4
#: From this share of the pixels on, what looks like a defect and is light shows that the image is drawn in lines.
_MUCH_LIGHT = 1e-3
_LINE_STEP, _LINE_REACH = 3, 9
#: Side of the box around a pixel of a dark whose median it stands above for itself.
_BOX = 7


def leave_out_light(image: NDArray[Any], mask: NDArray[np.bool_], limits: StandOff) -> None:
    """Unmask what optics have drawn: what is in runs, along rows and columns, that have no sharp edge.

    Parameters
    ----------
    image : ndarray of float, shape (ny, nx)
        A combined flat.
    mask : ndarray of bool, shape (ny, nx)
        What stands off its surroundings; worked on in place.
    limits : StandOff
        By how much that is.

    Notes
    -----
    Where much of it is light, the image is drawn in lines. Then a defect stands off the line that it lies on, and not
    always what is around it: such are added. What is not finite stays masked.

    Examples
    --------
    >>> from zeroframe.frames.defects import StandOff
    >>> image = np.ones((40, 40), np.float32)
    >>> image[:, 10:13], image[:, 30:33] = 0.3, (0.7, 0.3, 0.7)
    >>> mask = image < 0.8
    >>> leave_out_light(image, mask, StandOff(0.2, 0.1))
    >>> np.flatnonzero(mask.any(axis=0)).tolist()
    [10, 11, 12]
    """
    places = np.flatnonzero(mask)
    places = places[np.isfinite(image.reshape(-1)[places])]
    if not places.size:
        return
    sharp, soft = _edges_around(image, places, limits, 0)
    if np.count_nonzero(soft & ~sharp) > _MUCH_LIGHT * mask.size:
        # what is sharp on one side and soft on the other is light between a defect and where the light ends
        mask.reshape(-1)[places[~sharp | soft]] = False
        mask |= _off_their_lines(image, limits)
    else:
        # of what is wide not every pixel was found: what is missing within is no edge
        sharp, _ = _edges_around(image, places, limits, _BRIDGED)
        mask.reshape(-1)[places[~sharp]] = False


def leave_out_glow(image: NDArray[Any], mask: NDArray[np.bool_], limits: StandOff) -> None:
    """Unmask what is wide and has no sharp edge: the glow of an amplifier, which the dark corrects.

    Parameters
    ----------
    image : ndarray of float32 or float64, shape (ny, nx)
        A combined dark.
    mask, limits
        As for `leave_out_light`.

    Notes
    -----
    A pixel that stands off the median of 7 x 7 pixels, or is not finite, stays masked.

    Examples
    --------
    >>> from zeroframe.frames.defects import StandOff
    >>> image = np.add.outer(np.zeros(60), 50 * np.exp(-(np.arange(60.0) ** 2) / 500)).astype(np.float32)
    >>> image[:, 40:52] += 50.0
    >>> mask = image > 20.0
    >>> leave_out_glow(image, mask, StandOff(0.0, 20.0, above_only=True))
    >>> np.flatnonzero(mask.any(axis=0)).tolist()
    [40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51]
    """
    ny, nx = image.shape
    numbers = np.flatnonzero(mask)
    y, x = np.divmod(numbers, nx)
    medians = np.empty(numbers.size)
    box_medians(image, np.stack([y, x], axis=1), _BOX, medians)
    alone = limits.beyond(image[y, x], medians)
    if alone.all():
        return
    sharp, _ = _edges_around(image, numbers, limits, _BRIDGED, _SHARP_IN_DARK)
    # glow is noisy and has hot pixels: an end of one line may look sharp, but not those of the lines beside it
    votes = np.zeros((ny + 2, nx + 2), np.int8)
    votes[y + 1, x + 1] = np.where(alone, 0, np.where(sharp, 1, -1))
    total = np.zeros(y.size, np.int8)
    for down in range(3):
        for right in range(3):
            total += votes[y + down, x + right]
    soft = ~alone & (total <= 0)
    mask[y[soft], x[soft]] = False


def _edges_around(
    image: NDArray[Any], places: NDArray[np.intp], limits: StandOff, bridged: int, share: float = _SHARP_SHARE
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return of pixels whether they have a sharp edge, and whether a soft one, on the axis along which they are few."""
    ny, nx = image.shape
    y, x = np.divmod(places, nx)
    along_x = _edges_of_runs(image, y, x, limits, bridged, share)
    turned = np.argsort(x * ny + y, kind="stable")
    along_y = _edges_of_runs(image.T, x[turned], y[turned], limits, bridged, share)
    back = np.empty_like(turned)
    back[turned] = np.arange(turned.size)
    along_y = _Edges(along_y.sharp[back], along_y.soft[back], along_y.length[back])
    # what is long is told by its edges across: a gap between fibres may end at a bad column
    counts_x = along_x.length <= _MUCH_LONGER * along_y.length
    counts_y = along_y.length <= _MUCH_LONGER * along_x.length
    sharp = (along_x.sharp & counts_x) | (along_y.sharp & counts_y)
    return sharp, (along_x.soft & counts_x) | (along_y.soft & counts_y)


class _Edges(NamedTuple):
    """Of pixels: whether their run has a sharp edge, whether it has a soft one, and how long it is."""

    sharp: NDArray[np.bool_]
    soft: NDArray[np.bool_]
    length: NDArray[np.intp]


def _edges_of_runs(
    image: NDArray[Any],
    y: NDArray[np.intp],
    x: NDArray[np.intp],
    limits: StandOff,
    bridged: int,
    share: float = _SHARP_SHARE,
) -> _Edges:
    """Return of pixels, row by row, what the ends of their runs along the row are."""
    starts = np.flatnonzero(np.concatenate([[True], (np.diff(x) > 1 + bridged) | (np.diff(y) != 0)]))
    ends = np.append(starts[1:], x.size) - 1
    values = image[y, x].astype(np.float64)
    lowest, highest = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    sharp, soft = np.zeros(starts.size, bool), np.zeros(starts.size, bool)
    for last, inward in ((starts, 1), (ends, -1)):
        row = y[last]
        near = _value(image, row, x[last] - inward)
        outer = _value(image, row, x[last] - 2 * inward)
        outer = np.where(np.isfinite(outer), outer, near)
        reach = np.maximum(limits.fraction * np.abs(outer), limits.least_of(outer))
        inner = values[np.clip(np.arange(_END_PIXELS)[:, None] * inward + last, starts, ends)]
        with np.errstate(invalid="ignore"):
            depth = np.abs(inner - outer).max(axis=0)
            # what is good beside a defect may have been found with it: the edge may lie within
            looked_at = inner[: 1 + min(bridged, _END_PIXELS)]
            step = np.abs(np.diff(np.concatenate([near[None], looked_at]), axis=0)).max(axis=0)
            is_sharp = step > np.maximum(share * depth, _SHARP_SHARE * reach)
            sharp |= is_sharp
            soft |= ~is_sharp & (np.maximum(np.abs(lowest - outer), np.abs(highest - outer)) > reach)
    which = np.repeat(np.arange(starts.size), ends - starts + 1)
    length = x[ends] - x[starts] + 1
    return _Edges(sharp[which], soft[which], length[which])


def _value(image: NDArray[Any], y: NDArray[np.intp], x: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return pixels; NaN beyond the edges."""
    nx = image.shape[1]
    found = image[y, np.clip(x, 0, nx - 1)].astype(np.float64)
    return np.where((x >= 0) & (x < nx) & np.isfinite(found), found, np.nan)


def _off_their_lines(image: NDArray[Any], limits: StandOff) -> NDArray[np.bool_]:
    """Return which pixels stand off the row or the column that they are in, with sharp edges.

    On an image that is drawn in lines a defect stands off the line that it lies on, and not always what is around it.
    The level of the line is the median of every third of 19 pixels: of a line that is tilted by less than one in ten,
    and of what is narrower than ten pixels.
    """
    found = np.zeros(image.shape, bool)
    for turned, target in ((image, found), (image.T, found.T)):
        own = np.ascontiguousarray(turned)
        known = np.where(np.isfinite(own), own, own.dtype.type(0.0)) if not np.isfinite(own).all() else own
        padded = np.pad(known, ((0, 0), (_LINE_REACH, _LINE_REACH)), mode="symmetric")
        medians = np.empty_like(padded)
        medians7(padded.reshape(-1), _LINE_STEP, medians.reshape(-1))
        off = limits.beyond(own, medians[:, _LINE_REACH:-_LINE_REACH])
        y, x = np.nonzero(off & np.isfinite(own))
        if y.size:
            edges = _edges_of_runs(own, y, x, limits, 0)
            defects = edges.sharp & ~edges.soft
            target[y[defects], x[defects]] = True
    return found
