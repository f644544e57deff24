"""Trails of full pixels: the charge that ran along a column (or row), beyond what is full itself.

Arrays are C-contiguous and ``(ny, nx)``. The interpreter's lock is released.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.kernels._jit import kernel

if TYPE_CHECKING:
    from zeroframe.kernels._jit import Array

__all__ = ["find_centres", "follow_trails", "gather_regions"]

#: Directions, from the axis of a trail, in which light as far from the star as a place on the trail is looked up: these
#: sines and cosines are of 60, 90 and 120 degrees.
_SINES, _COSINES = (0.8660254037844386, 1.0, 0.8660254037844386), (0.5, 0.0, -0.5)
_SIGMAS, _OF_HALO = 5.0, 0.3
#: So many places below the limit in a row end a trail.
_MISSES = 2
_NEARER = 1.5
#: In half-widths of what is full, and pixels: within these a trail may be lost in wings; beyond those is no core.
_WINGS, _CORES, _CORE = 2.5, 1.5, 2.0
#: A trail of a core that is round reaches so many half-widths and pixels from its centre; nearer are the wings.
_LONE, _LONGER = 3.0, 6.0
#: Wings of other full stars are looked at so many half-widths and more from them.
_REACH = 20.0
#: So many pixels beside the columns of what is full light is no part of a trail; it has less than this part of it.
_BESIDE, _SPILLS = 2, 0.5
#: The peak of a star that is not full is looked for from pixel to pixel, to the brightest within so many, so often.
_CLIMB, _STEPS = 2, 8
#: Within so many pixels across it has fallen to half, and along, on both sides, to that part, as no trail does on the
#: side that it comes from; beside its peak there is so much of it, as beside a trail of one column there is not.
_HALF_WIDTH = 5
_HALF, _FALLEN, _ROUND = 0.5, 0.7, 0.1
#: Nearer to its peak the light to its sides tells nothing.
_PEAK = 2.5


@kernel
def gather_regions(mask: Array, bit: int, seen: int, places: Array, ends: Array) -> int:
    """Find pixels with a bit that adjoin each other; return how many such regions there are.

    Parameters
    ----------
    mask : uint8, shape (ny, nx)
        As it was when this returns.
    bit : int
        Whose pixels are gathered.
    seen : int
        A bit that no pixel of them has.
    places : int64, shape (n, 2)
        Filled with row and column of the pixels, region after region; ``n`` is how many there are.
    ends : int64, shape (n,)
        Filled with where each region ends among them.
    """
    ny, nx = mask.shape
    filled = regions = 0
    for y in range(ny):
        row = mask[y]
        for x in range(nx):
            if (row[x] & bit) != 0 and (row[x] & seen) == 0:
                here = filled
                places[filled, 0], places[filled, 1] = y, x
                filled += 1
                mask[y, x] |= np.uint8(seen)
                while here < filled:
                    own_y, own_x = places[here, 0], places[here, 1]
                    here += 1
                    for near_y in range(max(own_y - 1, 0), min(own_y + 2, ny)):
                        for near_x in range(max(own_x - 1, 0), min(own_x + 2, nx)):
                            code = mask[near_y, near_x]
                            if (code & bit) != 0 and (code & seen) == 0:
                                places[filled, 0], places[filled, 1] = near_y, near_x
                                filled += 1
                                mask[near_y, near_x] |= np.uint8(seen)
                ends[regions] = filled
                regions += 1
    for here in range(filled):
        mask[places[here, 0], places[here, 1]] &= np.uint8(255 - seen)
    return regions


@kernel
def _reference(pixels: Array, axis: int, centre: Array, distance: float, level: float, found: Array) -> float:
    """Return the median of the light at a distance from a star, to the sides of its trail; the level where none is."""
    count = 0
    for place in range(len(_SINES)):
        sine, cosine = _SINES[place], _COSINES[place]
        for side in (-1.0, 1.0):
            along = int(np.rint(centre[0] + distance * cosine))
            across = int(np.rint(centre[1] + side * distance * sine))
            y, x = (along, across) if axis == 0 else (across, along)
            if 1 <= y < pixels.shape[0] - 1 and 1 <= x < pixels.shape[1] - 1:
                total = 0.0
                for near_y in range(y - 1, y + 2):
                    for near_x in range(x - 1, x + 2):
                        total += np.float64(pixels[near_y, near_x])
                if np.abs(total) < np.inf:
                    at = count
                    while at > 0 and found[at - 1] > total / 9.0:
                        found[at] = found[at - 1]
                        at -= 1
                    found[at] = total / 9.0
                    count += 1
    middle: float = 0.5 * (found[(count - 1) // 2] + found[count // 2]) if count > 0 else level
    return middle


def find_centres(places: Array, ends: Array, axis: int, length: int) -> Array:
    """Return where full regions are widest, along their trails and across, and half of how wide they are there.

    Parameters
    ----------
    places, ends : int64
        From `gather_regions`.
    axis : int
        0: trails run along columns; 1: along rows.
    length : int
        Of the longer side of the image.

    Returns
    -------
    ndarray of float64, shape (regions, 3)
    """
    counts, centres, first = np.empty(length, np.int64), np.empty((ends.size, 3)), 0
    for region, last in enumerate(ends.tolist()):
        _centre(places[first:last], axis, counts, centres[region])
        first = last
    return centres


def follow_trails(
    pixels: Array,
    mask: Array,
    places: Array,
    ends: Array,
    axis: int,
    sky: tuple[float, float, float],
    bits: tuple[int, int],
    stars: Array,
) -> int:
    """Mask the trails of full regions, in place; return how many pixels they have that are not full.

    Parameters
    ----------
    pixels : float32 or float64, shape (ny, nx)
        The image, less its bias level.
    mask : uint8, shape (ny, nx)
        Worked on in place.
    places, ends : int64
        From `gather_regions`.
    axis : int
        0: trails run along columns; 1: along rows.
    sky : tuple of float
        Level, noise, and variance that one unit of light adds.
    bits : tuple of int
        Of what is full, and what is set.
    stars : float64, shape (n, 3)
        From `find_centres`, of all full regions of the image: the wings of one are no trail of another.

    Notes
    -----
    A place on the trail is held against the light around the star at the same distance from it, to the sides of the
    trail: the wings of a star are round, and trails are not.
    """
    length = max(pixels.shape)
    extents = np.empty((3, length), np.int64)
    work, centre, peak = np.empty(2 * len(_SINES)), np.empty(3), np.empty(3)
    return int(_follow_trails(pixels, mask, places, ends, axis, sky, bits, stars, extents, work, centre, peak))


@kernel
def _follow_trails(
    pixels: Array,
    mask: Array,
    places: Array,
    ends: Array,
    axis: int,
    sky: tuple[float, float, float],
    bits: tuple[int, int],
    stars: Array,
    extents: Array,
    work: Array,
    centre: Array,
    peak: Array,
) -> int:
    """Do it; ``extents`` holds, of each line along the trail, its first and last pixel, and of each across how many."""
    other = 1 - axis
    marked = first = 0
    for region in range(ends.size):
        last = ends[region]
        _centre(places[first:last], axis, extents[2], centre)
        low, high = places[first, other], places[first, other]
        for here in range(first, last):
            low, high = min(low, places[here, other]), max(high, places[here, other])
        extents[0, low : high + 1] = extents.shape[1]
        extents[1, low : high + 1] = -1
        for here in range(first, last):
            line, at = places[here, other], places[here, axis]
            extents[0, line] = min(extents[0, line], at)
            extents[1, line] = max(extents[1, line], at)
        for line in range(low, high + 1):
            if extents[1, line] >= 0:
                marked += _follow(
                    pixels, mask, axis, line, (low, high), extents[0, line], -1, centre, sky, bits, stars, work, peak
                )
                marked += _follow(
                    pixels, mask, axis, line, (low, high), extents[1, line], 1, centre, sky, bits, stars, work, peak
                )
        first = last
    return marked


@kernel
def _centre(places: Array, axis: int, counts: Array, centre: Array) -> None:
    """Write where a region is widest, along the trail and across it, and half of how wide it is there."""
    low, high = places[0, axis], places[0, axis]
    for here in range(len(places)):
        low, high = min(low, places[here, axis]), max(high, places[here, axis])
    counts[low : high + 1] = 0
    for here in range(len(places)):
        counts[places[here, axis]] += 1
    widest, along, ties = 0, 0.0, 0
    for at in range(low, high + 1):
        if counts[at] > widest:
            widest, along, ties = counts[at], 0.0, 0
        if counts[at] == widest:
            along += at
            ties += 1
    across, members = 0.0, 0
    for here in range(len(places)):
        if counts[places[here, axis]] == widest:
            across += places[here, 1 - axis]
            members += 1
    centre[0], centre[1], centre[2] = along / ties, across / members, 0.5 * widest


@kernel
def _above(value: float, halo: float, sky: tuple[float, float, float]) -> bool:
    """Whether a pixel stands above the light of a star."""
    level, noise, per_unit = sky
    light = max(halo - level, 0.0)
    return bool(np.float64(value) - halo > _SIGMAS * np.sqrt(noise * noise + per_unit * light) + _OF_HALO * light)


@kernel
def _spills(pixels: Array, axis: int, at: int, within: tuple[int, int], value: float, halo: float) -> bool:
    """Whether light beside the columns of a trail is as bright as that in them: it is of a star that stands there."""
    for place in (within[0] - _BESIDE, within[1] + _BESIDE):
        y, x = (at, place) if axis == 0 else (place, at)
        is_inside = 0 <= y < pixels.shape[0] and 0 <= x < pixels.shape[1]
        if is_inside and np.float64(pixels[y, x]) - halo > _SPILLS * (np.float64(value) - halo):
            return True
    return False


@kernel
def _find_star(pixels: Array, mask: Array, axis: int, at: int, line: int, halo: float, full: int, peak: Array) -> bool:
    """Find a star that is not full on a trail, near a place; write where its peak is, along the trail and across."""
    length, width = pixels.shape[axis], pixels.shape[1 - axis]
    most, along, across = halo, at, line
    for _ in range(_STEPS):
        from_along, from_across = along, across
        for place in range(max(from_along - _CLIMB, 0), min(from_along + _CLIMB + 1, length)):
            for beside in range(max(from_across - _CLIMB, 0), min(from_across + _CLIMB + 1, width)):
                y, x = (place, beside) if axis == 0 else (beside, place)
                if (mask[y, x] & full) == 0 and np.float64(pixels[y, x]) > most:
                    most, along, across = np.float64(pixels[y, x]), place, beside
        if along == from_along and across == from_across:
            break
    for place in range(max(along - _CLIMB, 0), min(along + _CLIMB + 1, length)):
        for beside in range(max(across - _CLIMB, 0), min(across + _CLIMB + 1, width)):
            y, x = (place, beside) if axis == 0 else (beside, place)
            if (mask[y, x] & full) != 0:  # it is the shoulder of what is full
                return False
    if along < _HALF_WIDTH or along >= length - _HALF_WIDTH or across < _HALF_WIDTH or across >= width - _HALF_WIDTH:
        return False
    height = most - halo
    for away in range(1, _HALF_WIDTH + 1):
        lowest, beside_it, before_it = np.inf, -np.inf, -np.inf
        for side in (-away, away):
            y, x = (along, across + side) if axis == 0 else (across + side, along)
            lowest, beside_it = min(lowest, np.float64(pixels[y, x])), max(beside_it, np.float64(pixels[y, x]))
            y, x = (along + side, across) if axis == 0 else (across, along + side)
            before_it = max(before_it, np.float64(pixels[y, x]))
        if away == 1 and not lowest - halo > _ROUND * height:
            return False
        if beside_it - halo < _HALF * height:
            peak[0], peak[1] = along, across
            return bool(before_it - halo < _FALLEN * height)
    return False


@kernel
def _is_of_star(
    pixels: Array,
    mask: Array,
    axis: int,
    place: tuple[int, int],
    value: float,
    halo: float,
    sky: tuple[float, float, float],
    full: int,
    peak: Array,
    work: Array,
) -> bool:
    """Whether the light at a place along a trail and across is that of a star that is not full, and stands there."""
    at, line = place
    if not _find_star(pixels, mask, axis, at, line, halo, full, peak):
        return False
    distance = np.sqrt((at - peak[0]) ** 2 + (line - peak[1]) ** 2)
    if distance <= _PEAK:
        return True
    return not _above(value, max(halo, _reference(pixels, axis, peak, distance - _NEARER, sky[0], work)), sky)


@kernel
def _light_of_others(
    pixels: Array, axis: int, centre: Array, stars: Array, at: int, line: int, level: float, work: Array
) -> float:
    """Return the most light that another full star has as far from it as a place is; the level where there is none."""
    most = level
    for star in range(len(stars)):
        other = stars[star]
        distance = np.sqrt((at - other[0]) ** 2 + (line - other[1]) ** 2)
        if (other[0] != centre[0] or other[1] != centre[1]) and distance < _REACH * (other[2] + 1.0):
            most = max(most, _reference(pixels, axis, other, max(distance - _NEARER, 0.0), level, work))
    return most


@kernel
def _follow(
    pixels: Array,
    mask: Array,
    axis: int,
    line: int,
    within: tuple[int, int],
    end: int,
    step: int,
    centre: Array,
    sky: tuple[float, float, float],
    bits: tuple[int, int],
    stars: Array,
    work: Array,
    peak: Array,
) -> int:
    """Follow one line of a trail from where its full pixels end; return how many pixels are marked."""
    level = sky[0]
    full, bleed = bits
    size = pixels.shape[axis]
    at, reached, misses = end + step, end, 0
    far = end
    while 0 <= at < size and (misses < _MISSES or abs(at - centre[0]) < _WINGS * centre[2] + _CORE):
        y, x = (at, line) if axis == 0 else (line, at)
        if (mask[y, x] & full) != 0:
            far = at if misses == 0 else reached  # it runs into what is full
            break
        # a little nearer than it is: wings are steep, and the centre is known to a pixel or so
        distance = max(np.sqrt((at - centre[0]) ** 2 + (line - centre[1]) ** 2) - _NEARER, 0.0)
        halo = _reference(pixels, axis, centre, distance, level, work)
        if _above(pixels[y, x], halo, sky):
            halo = max(halo, _light_of_others(pixels, axis, centre, stars, at, line, level, work))
        if not _above(pixels[y, x], halo, sky) or _spills(pixels, axis, at, within, pixels[y, x], halo):
            misses += 1
        # light of a star on the trail says neither that it goes on nor that it ends
        elif not _is_of_star(pixels, mask, axis, (at, line), pixels[y, x], halo, sky, full, peak, work):
            reached, misses, far = at, 0, at
        at += step
    # what is full well outside the core of a star ends in a trail, be it of one pixel; else it has to be a long one
    if abs(end - centre[0]) < _CORES * centre[2] + _CORE and abs(far - centre[0]) < _LONE * centre[2] + _LONGER:
        return 0
    added = 0
    for place in range(end + step, reached + step, step):
        y, x = (place, line) if axis == 0 else (line, place)
        added += 0 if (mask[y, x] & bleed) != 0 else 1
        mask[y, x] |= np.uint8(bleed)
    return added
