"""Crosstalk: what one amplifier reads appears, much weaker, in others that read at the same moment.

Amplifiers of a detector are clocked together, so a pixel talks to that of each other one which is as far from the
corner that is read first (e.g. Freyhammer et al. 2001, Exp. Astron. 12, 147). A bright star so leaves ghosts mirrored
at the seams. They are taken out of the raw signal, before anything is divided or masked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zeroframe.frames.regions import Region
    from zeroframe.headers.detectors import Crosstalk

__all__ = ["in_read_order", "read_backwards", "take_out_crosstalk"]

#: So many rows are worked on at a time.
_ROWS = 64


def read_backwards(
    region: Region, others: Sequence[Region], raw_shape_yx: tuple[int, ...], shape_yx: tuple[int, ...]
) -> tuple[bool, bool]:
    """Say along which axes of the assembled image, (y, x), an amplifier has read from the last pixel to the first.

    Parameters
    ----------
    region : Region
        What it read. An overscan is read after the image, so that beyond which it stands is the end; where there is
        none, images that are turned around when they are put in their place were read backwards, and of two above each
        other the upper one.
    others : sequence of Region
        All regions of the frame.
    raw_shape_yx, shape_yx : tuple of int
        Of the raw frame, and of the assembled image.

    Examples
    --------
    >>> from zeroframe.frames.overscan import OverscanSpec
    >>> from zeroframe.frames.regions import Region
    >>> from zeroframe.headers.sections import Section
    >>> strip = OverscanSpec(Section.parse("[1:4,1:9]"), 1)
    >>> left = Region(strip, Section.parse("[5:20,1:9]"), place=Section.parse("[1:16,1:9]"))
    >>> read_backwards(left, [left], (9, 20), (9, 16))
    (False, True)
    """
    part = region.part(raw_shape_yx)
    kept = [(part.y0, part.y0 + part.ny), (part.x0, part.x0 + part.nx)]
    strips = [spec.section.slices_yx(raw_shape_yx) for spec in region.overscans]
    found = []
    for axis, flipped in ((0, part.flip_y), (1, part.flip_x)):
        first, stop = kept[axis]
        beyond = [strip[axis] for strip in strips if strip[axis].start >= stop or strip[axis].stop <= first]
        if beyond:
            # in the raw frame it ends where the strip is; turned around, it ends at the other side
            found.append((beyond[0].stop <= first) != flipped)
        elif flipped:
            found.append(True)
        else:
            found.append(axis == 0 and _is_above_another(region, others, raw_shape_yx, shape_yx))
    return found[0], found[1]


def _is_above_another(
    region: Region, others: Sequence[Region], raw_shape_yx: tuple[int, ...], shape_yx: tuple[int, ...]
) -> bool:
    rows, columns = region.place_yx(raw_shape_yx)
    if 2 * rows.start < shape_yx[0] - 1:
        return False
    places = [other.place_yx(raw_shape_yx) for other in others]
    return any(own[0].stop <= rows.start and own[1] == columns for own in places)


def in_read_order(
    pixels: NDArray[Any], regions: Sequence[Region], raw_shape_yx: tuple[int, ...]
) -> dict[str, NDArray[Any]]:
    """Return views of what each amplifier read, by name, in the order in which it did: one index is one moment.

    Parameters
    ----------
    pixels : ndarray, shape (ny, nx)
        The assembled image, or its mask.
    regions : sequence of Region
        What the amplifiers read.
    raw_shape_yx : tuple of int
        Of the raw frame.
    """
    views = {}
    for region in regions:
        steps = [-1 if back else 1 for back in read_backwards(region, regions, raw_shape_yx, pixels.shape)]
        views[region.name] = pixels[region.place_yx(raw_shape_yx)][:: steps[0], :: steps[1]]
    return views


def take_out_crosstalk(
    pixels: NDArray[Any],
    regions: Sequence[Region],
    crosstalk: Sequence[Crosstalk],
    raw_shape_yx: tuple[int, ...],
) -> None:
    """Take out of each amplifier what others have left in it, in place.

    Parameters
    ----------
    pixels : ndarray of float, shape (ny, nx)
        The assembled image, less the level of each amplifier.
    regions : sequence of Region
        What the amplifiers read.
    crosstalk : sequence of Crosstalk
        Which part of which other one each of them holds; names that no region has count for nothing.
    raw_shape_yx : tuple of int
        Of the raw frame.

    Notes
    -----
    What is taken out is a part of the source as it was read, its own ghosts included; these are of the order of the
    part squared. What is not finite leaves no ghost.
    """
    read = in_read_order(pixels, regions, raw_shape_yx)
    pairs = [each for each in crosstalk if each.source in read and each.victim in read]
    for first in range(0, max((view.shape[0] for view in read.values()), default=0), _ROWS):
        rows = slice(first, first + _ROWS)
        ghosts: dict[str, NDArray[Any]] = {}
        for each in pairs:
            source, victim = read[each.source][rows], read[each.victim][rows]
            ny, nx = (min(sizes) for sizes in zip(source.shape, victim.shape, strict=True))
            ghost = ghosts.setdefault(each.victim, np.zeros(victim.shape, pixels.dtype))
            ghost[:ny, :nx] += pixels.dtype.type(each.part) * np.nan_to_num(source[:ny, :nx], posinf=0.0, neginf=0.0)
        for name, ghost in ghosts.items():  # when all are known: no source has lost its own before
            read[name][rows] -= ghost
