"""Cosmic rays in cells of an image, each seen in a window that stays in the first-level cache.

All that L.A.Cosmic needs of 16 x 16 pixels lies within 32 x 32. Images of a window are one row each, so that filters
along rows and columns are the same loops, compiled to vector code; what runs over from one row into the next does not
reach the cell. Arithmetic is float32. The interpreter's lock is released.
"""

# ruff: noqa: FURB136 -- conditional expressions become vector maxima, builtin max does not

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from zeroframe.kernels._jit import kernel
from zeroframe.kernels.point_images import SKY_SHIFT
from zeroframe.kernels.rows import reflected
from zeroframe.kernels.small_medians import high, low, medians5, medians7, medians9

if TYPE_CHECKING:
    from zeroframe.kernels._jit import Array

__all__ = ["CELL", "HALO", "NEIGHBOURS", "SharpLimits", "SkyFrame", "Window", "search", "window"]

#: Side of a cell.
CELL = 16
#: How far away a pixel may matter for another: 2 for neighbours of neighbours, 3 + 3 for two medians of 7, or 2 + 4.
HALO = 8
#: How far a cosmic ray grows from where it is clear: neighbours, and neighbours of those.
NEIGHBOURS = 2
_SIDE = CELL + 2 * HALO
_SIZE = _SIDE * _SIDE
#: Where a pixel and its neighbours of neighbours stand in a window: first and last place of a row or column.
_NEAR, _NEAR_END = HALO - NEIGHBOURS, HALO + CELL + NEIGHBOURS
#: Bytes of the mask: free, masked; what pass ``k`` found is ``k + _MASKED``.
_FREE, _MASKED = 0, 1
#: A line is looked for so far in both directions.
_REACH = 15
#: Noise is not below this, so that it can be divided by.
_TINY = 1e-30
#: By so many standard errors a pixel is sharper than a point, where it is lit as the sky is, and where it is brighter
#: by so much that its noise is larger: there L.A.Cosmic's own limit is lower than it seems.
_ON_SKY_SIGMAS, _ON_LIGHT_SIGMAS, _BRIGHTER = 3.0, 5.0, 1.2
#: And so many standard deviations above it, whatever is known of points: with 4.5 of L.A.Cosmic's Laplacian, one pixel
#: of 80,000 is noise, and one donut of a hundred is touched.
_LEAST_SIGMAS = 5.0
#: Fine structure, in units of the noise, is not below this.
_LEAST_STRUCTURE = 0.01


class SharpLimits(NamedTuple):
    """What a cosmic ray is.

    Attributes
    ----------
    sigma_clip : float
        Laplacian over noise, less its median, of a pixel that is hit.
    sigma_fraction : float
        The fraction of ``sigma_clip`` that neighbours need.
    object_limit : float
        How many times the fine structure that has to be: stars, which are blurred, do not reach it.
    line_contrast : float
        The height above the median of 31 pixels of its row and of its column that a pixel needs, in units of that
        above its neighbours: a sharp line along one of them is spectrum. Not in L.A.Cosmic, which has -inf here.
    wing_fraction : float
        What has neighbours on all four sides that hold more than this fraction of its height, and more than the noise,
        is the image of a point, however sharp. Not in L.A.Cosmic, which has inf here.
    passes : int
        At most so many; what one pass finds, the next one sees as the mean of its surroundings.
    point_ratio : float
        What the two neighbours of the peak of a point hold of it in the mean, at least, in this frame. Light is made of
        points, so no pixel stands higher over its neighbours along either axis, but for its noise: what does not is
        light. NaN or 0: it is not looked at, as in L.A.Cosmic.
    """

    sigma_clip: float = 4.5
    sigma_fraction: float = 0.3
    object_limit: float = 5.0
    line_contrast: float = 0.8
    wing_fraction: float = 0.05
    passes: int = 4
    point_ratio: float = float("nan")


class SkyFrame(NamedTuple):
    """What is looked at: pixels, their noise (one for ``1 << shift`` rows and columns), and what is known of them.

    Where the noise is that of blocks, so is the level of the sky (``1 << SKY_SHIFT``); of one block it is that of all.
    """

    pixels: Array
    sigma: Array
    shift: int
    state: Array
    level: float
    sigma_level: float
    sky: Array


class Window(NamedTuple):
    """Memory for one window: images and planes of bytes as one row each, the columns of its pixels, and a line."""

    images: Array
    planes: Array
    columns: Array
    line: Array


def window() -> Window:
    """Return memory for a window."""
    images, planes = np.zeros((5, _SIZE), np.float32), np.zeros((5, _SIZE), np.uint8)
    return Window(images, planes, np.zeros(_SIDE, np.int64), np.zeros(2 * _REACH + 1))


@kernel
def _mean_around(frame: SkyFrame, plane: Array, shift: int, y: int, x: int, number: int, level: float) -> float:
    """Return the mean of what is neither masked nor hit among 5 x 5 pixels; where nothing is, the usual level."""
    ny, nx = frame.state.shape
    total, count = 0.0, 0
    for v in range(max(y - 2, 0), min(y + 3, ny)):
        for u in range(max(x - 2, 0), min(x + 3, nx)):
            value = np.float64(plane[v >> shift, u >> shift])
            # what is being found in this pass is not known yet: cells may be looked at in any order
            if (frame.state[v, u] == _FREE or frame.state[v, u] == number + _MASKED) and np.abs(value) < np.inf:
                total += value
                count += 1
    return total / count if count > 0 else level


@kernel
def _load_row(frame: SkyFrame, y: int, left: int, seen: Window, place: int, number: int) -> int:
    """Copy a row into a window; return how many of its pixels have to be repaired."""
    pixels, sigma, state = frame.pixels[y], frame.sigma[y >> frame.shift], frame.state[y]
    own, noise = seen.images[0, place:], seen.images[1, place:]
    masked, columns = seen.planes[0, place:], seen.columns
    odd = 0
    if left >= 0 and left + _SIDE <= state.size and frame.shift == 0:
        near, far, known = pixels[left:], sigma[left:], state[left:]
        for x in range(_SIDE):
            own[x] = near[x]
            noise[x] = far[x]
            masked[x] = known[x]
    else:
        for x in range(_SIDE):
            own[x] = pixels[columns[x]]
            noise[x] = sigma[columns[x] >> frame.shift]
            masked[x] = state[columns[x]]
    for x in range(_SIDE):
        code = masked[x]
        is_odd = not (np.abs(own[x]) < np.inf and np.abs(noise[x]) < np.inf) or (_MASKED < code <= number)
        odd += 1 if is_odd else 0
        masked[x] = 1 if code == _MASKED else 0
    return odd


@kernel
def _repair_row(frame: SkyFrame, y: int, seen: Window, place: int, number: int) -> None:
    """Put the mean of what is around into what an earlier pass found and what is not finite, which is also masked."""
    own, noise, masked = seen.images[0, place:], seen.images[1, place:], seen.planes[0, place:]
    for x in range(_SIDE):
        column = seen.columns[x]
        lost = not (np.abs(own[x]) < np.inf and np.abs(noise[x]) < np.inf)
        if lost or _MASKED < frame.state[y, column] <= number:
            own[x] = _mean_around(frame, frame.pixels, 0, y, column, number, frame.level)
            noise[x] = _mean_around(frame, frame.sigma, frame.shift, y, column, number, frame.sigma_level)
            masked[x] = 1 if lost else masked[x]


@kernel
def _load(frame: SkyFrame, top: int, left: int, seen: Window, number: int) -> None:
    """Copy pixels, noise and mask of a window; beyond the edges the image is continued as its mirror image."""
    ny, nx = frame.state.shape
    for x in range(_SIDE):
        seen.columns[x] = reflected(left + x, nx)
    for y in range(_SIDE):
        row = reflected(top + y, ny)
        if _load_row(frame, row, left, seen, y * _SIDE, number) > 0:
            _repair_row(frame, row, seen, y * _SIDE, number)


@kernel
def _signal_to_noise(own: Array, noise: Array, out: Array) -> None:
    """Write the Laplacian of the image of half pixels, its positive part, averaged over pixels, over twice the noise.

    Of a half pixel, two neighbours are halves of the same pixel: 4 p - p - p - up - left is left of its Laplacian.
    """
    count = _SIZE - 2 * _SIDE - 2
    up, left, middle, right = own[1:], own[_SIDE:], own[_SIDE + 1 :], own[_SIDE + 2 :]
    down, sigma, target = own[2 * _SIDE + 1 :], noise[_SIDE + 1 :], out[_SIDE + 1 :]
    for i in range(count):
        twice, zero = middle[i] + middle[i], middle[i] - middle[i]  # zero in the type of the pixels: no float64
        total = high(zero, twice - up[i] - left[i]) + high(zero, twice - up[i] - right[i])
        total += high(zero, twice - down[i] - left[i]) + high(zero, twice - down[i] - right[i])
        target[i] = np.float32(0.125) * total / sigma[i]


@kernel
def _grow(source: Array, out: Array, work: Array) -> None:
    """Set what is set within one pixel."""
    count = _SIZE - 2
    left, middle, right, target = source[:count], source[1:], source[2:], work[1:]
    for i in range(count):
        target[i] = left[i] | middle[i] | right[i]
    count = _SIZE - 2 * _SIDE
    up, own, down, grown = work[:count], work[_SIDE:], work[2 * _SIDE :], out[_SIDE:]
    for i in range(count):
        grown[i] = up[i] | own[i] | down[i]


@kernel
def _any_above(values: Array, limit: float) -> bool:
    """Whether a value within reach of the cell is above a limit."""
    count = 0
    for y in range(_NEAR, _NEAR_END):
        for x in range(_NEAR, _NEAR_END):
            count += 1 if values[y * _SIDE + x] > limit else 0
    return count > 0


@kernel
def _sharpness(seen: Window, sigma_clip: float) -> bool:
    """Put noise into image 1 and Laplacian over noise, less its median, into image 4; return whether any is high."""
    images = seen.images
    own, noise, work, smooth, sharp = images[0], images[1], images[2], images[3], images[4]
    medians7(noise, 1, work)
    medians7(work, _SIDE, noise)
    least = np.float32(_TINY)
    for i in range(_SIZE):
        noise[i] = noise[i] if noise[i] > least else least
    _signal_to_noise(own, noise, sharp)
    # less its median, which is not below zero as nothing of it is, it only becomes lower: most cells end here
    if not _any_above(sharp, sigma_clip):
        return False
    medians7(sharp, 1, work)
    medians7(work, _SIDE, smooth)
    for i in range(_SIZE):
        sharp[i] -= smooth[i]
    return _any_above(sharp, sigma_clip)


@kernel
def _structure(seen: Window) -> None:
    """Put the fine structure over the noise into image 0: what is left of a median of 5 without one of 9."""
    own, noise, work, smooth = seen.images[0], seen.images[1], seen.images[2], seen.images[3]
    medians5(own, 1, work)
    medians5(work, _SIDE, own)
    medians9(own, 1, work)
    medians9(work, _SIDE, smooth)
    least = np.float32(_LEAST_STRUCTURE)
    for i in range(_SIZE):
        structure = (own[i] - smooth[i]) / noise[i]
        own[i] = structure if structure > least else least


@kernel
def _find_cores(seen: Window, limits: SharpLimits) -> None:
    """Write into plane 4 what is sharp, into plane 3 what may be believed, and into 0 what is sharp and no star."""
    sharp, structure = seen.images[4], seen.images[0]
    hit, work, free, clear = seen.planes[0], seen.planes[2], seen.planes[3], seen.planes[4]
    _grow(hit, free, work)  # the pixels beside a masked one are not believed
    clip, times = np.float32(limits.sigma_clip), np.float32(limits.object_limit)
    for i in range(_SIZE):
        free[i] = 1 - free[i]
        clear[i] = (1 if sharp[i] > clip else 0) & free[i]
        hit[i] = (1 if sharp[i] > times * structure[i] else 0) & clear[i]


@kernel
def _insert(values: Array, count: int, value: float) -> int:
    """Put one more value among so many in order; return how many there are then."""
    place = count
    while place > 0 and values[place - 1] > value:
        values[place] = values[place - 1]
        place -= 1
    values[place] = value
    return count + 1


@kernel
def _height(frame: SkyFrame, y: int, x: int, along_y: int, values: Array) -> float:
    """Return by how much a pixel stands above the median of those before and behind it, in a column or in a row."""
    ny, nx = frame.state.shape
    own = np.float64(frame.pixels[y, x])
    count = 0
    for k in range(-_REACH, _REACH + 1):
        v, u = (y + k, x) if along_y else (y, x + k)
        if v < 0 or v >= ny or u < 0 or u >= nx or frame.state[v, u] == _MASKED:
            continue
        value = np.float64(frame.pixels[v, u])
        if np.abs(value) < np.inf:
            count = _insert(values, count, value)
    return own - values[count // 2] if count > 0 else np.inf


@kernel
def _wings(frame: SkyFrame, y: int, x: int, step_y: int, step_x: int) -> float:
    """Return by how much both neighbours of a pixel stand above the lower of those behind them."""
    pixels = frame.pixels
    near = low(pixels[y - step_y, x - step_x], pixels[y + step_y, x + step_x])
    far = low(pixels[y - 2 * step_y, x - 2 * step_x], pixels[y + 2 * step_y, x + 2 * step_x])
    return np.float64(near) - np.float64(far)


@kernel
def _has_wings(frame: SkyFrame, y: int, x: int, noise: float, wing_fraction: float) -> bool:
    """Whether the brightest pixel about a place falls off on all four sides, as the image of a point does."""
    ny, nx = frame.state.shape
    top, left = y, x
    for v in range(max(y - 1, 0), min(y + 2, ny)):
        for u in range(max(x - 1, 0), min(x + 2, nx)):
            if frame.pixels[v, u] > frame.pixels[top, left]:
                top, left = v, u
    if top < 2 or top >= ny - 2 or left < 2 or left >= nx - 2:
        return False
    peak, lowest = np.float64(frame.pixels[top, left]), np.inf
    for v in range(top - 2, top + 3, 2):
        for u in range(left - 2, left + 3, 2):
            lowest = min(lowest, np.float64(frame.pixels[v, u]))
    needed = wing_fraction * (peak - lowest) + noise
    return bool(_wings(frame, top, left, 1, 0) > needed and _wings(frame, top, left, 0, 1) > needed)


@kernel
def _side(frame: SkyFrame, y: int, x: int, number: int) -> float:
    """Return the value of a neighbour; NaN where it is beyond the edge, masked, or found by an earlier pass."""
    ny, nx = frame.state.shape
    if y < 0 or y >= ny or x < 0 or x >= nx or (_FREE < frame.state[y, x] <= number):
        return np.nan
    value = np.float64(frame.pixels[y, x])
    return value if np.abs(value) < np.inf else np.nan


@kernel
def _beside(frame: SkyFrame, y: int, x: int, number: int) -> tuple[float, bool]:
    """Return the mean of the two neighbours along the axis where it is less, of those where both are known.

    One of two says nothing: on a slope it may be anything. Where neither axis has both it is the highest neighbour that
    is known; NaN where there is none. It is said whether both axes have both.
    """
    up, down = _side(frame, y - 1, x, number), _side(frame, y + 1, x, number)
    left, right = _side(frame, y, x - 1, number), _side(frame, y, x + 1, number)
    along_y, along_x = 0.5 * (up + down), 0.5 * (left + right)
    if along_y == along_y and along_x == along_x:
        return min(along_y, along_x), True
    if along_y == along_y or along_x == along_x:
        return (along_y if along_y == along_y else along_x), False
    highest = np.nan
    for value in (up, down, left, right):
        highest = value if not value <= highest and value == value else highest
    return highest, False


@kernel
def _noise_beside(frame: SkyFrame, y: int, x: int, noise: float, light: float, values: Array) -> float:
    """Return the noise of a pixel that is lit as its neighbours are: the median of theirs, and no less than ``noise``.

    That of 7 x 7 pixels, which L.A.Cosmic takes, is too low in the image of a star. Where the noise is that of blocks,
    photons are counted from the sky, as if all of its noise was theirs.
    """
    ny, nx = frame.state.shape
    if frame.shift > 0:
        sky = max(_sky_at(frame, y, x), noise * noise)
        return float(noise * np.sqrt(1.0 + light / sky))
    count = 0
    for v in range(max(y - 1, 0), min(y + 2, ny)):
        for u in range(max(x - 1, 0), min(x + 2, nx)):
            value = np.float64(frame.sigma[v, u])
            if (v == y and u == x) or not np.abs(value) < np.inf:
                continue
            count = _insert(values, count, value)
    return max(noise, values[count // 2]) if count > 0 else noise


@kernel
def _sky_at(frame: SkyFrame, y: int, x: int) -> float:
    """Return the level of the sky."""
    rows, columns = frame.sky.shape
    level: float = np.float64(frame.sky[min(y >> SKY_SHIFT, rows - 1), min(x >> SKY_SHIFT, columns - 1)])
    return level


@kernel
def _is_blunt(frame: SkyFrame, y: int, x: int, noise: float, limits: SharpLimits, number: int, values: Array) -> bool:
    """Whether a pixel stands no higher over its neighbours, along both axes, than the image of a point does."""
    sky = _sky_at(frame, y, x)
    level, is_whole = _beside(frame, y, x, number)
    near = level - sky
    light = near / limits.point_ratio if near > 0.0 else 0.0  # nor of NaN
    beside = _noise_beside(frame, y, x, noise, light, values)
    # a pair has half the variance of a pixel
    error = beside * np.sqrt(1.0 + 0.5 / limits.point_ratio**2)
    is_on_light = beside > _BRIGHTER * noise
    if is_on_light and not is_whole:
        return True  # from a hit on the rim of a bright image, pass after pass would find more of the rim
    needed = _ON_LIGHT_SIGMAS * error if is_on_light else max(_ON_SKY_SIGMAS * error, _LEAST_SIGMAS * beside)
    return not np.float64(frame.pixels[y, x]) - sky - light > needed


@kernel
def _drop_sharp_light(frame: SkyFrame, top: int, left: int, seen: Window, limits: SharpLimits, number: int) -> None:
    """Drop from plane 0 lines along rows or columns, as sky and arc lines and ends of a slit are, and sharp stars."""
    hit, noise, sharp = seen.planes[0], seen.images[1], seen.images[4]
    ny, nx = frame.state.shape
    for y in range(_NEAR, _NEAR_END):
        for x in range(_NEAR, _NEAR_END):
            place = y * _SIDE + x
            if hit[place] == 0:
                continue
            row, column, sigma = reflected(top + y, ny), reflected(left + x, nx), np.float64(noise[place])
            needed = limits.line_contrast * np.float64(sharp[place]) * sigma
            if (
                not _height(frame, row, column, 0, seen.line) > needed
                or not _height(frame, row, column, 1, seen.line) > needed
                or _has_wings(frame, row, column, sigma, limits.wing_fraction)
                or (limits.point_ratio > 0.0 and _is_blunt(frame, row, column, sigma, limits, number, seen.line))
            ):
                hit[place] = 0


@kernel
def _add_neighbours(seen: Window, limits: SharpLimits) -> None:
    """Add to plane 0 what is sharp beside such a pixel, and then what is less sharp beside those."""
    sharp = seen.images[4]
    planes = seen.planes
    hit, near, work, free, clear = planes[0], planes[1], planes[2], planes[3], planes[4]
    least = np.float32(limits.sigma_clip * limits.sigma_fraction)
    _grow(hit, near, work)
    for i in range(_SIZE):
        hit[i] = near[i] & clear[i]
    _grow(hit, near, work)
    for i in range(_SIZE):
        hit[i] = near[i] & free[i] & (1 if sharp[i] > least else 0)


@kernel
def _any_free(state: Array) -> bool:
    """Whether anything may be found at all: gaps between detectors are large, and would have to be repaired."""
    for y in range(state.shape[0]):
        for x in range(state.shape[1]):
            if state[y, x] == _FREE:
                return True
    return False


@kernel
def _search_cell(frame: SkyFrame, i: int, j: int, limits: SharpLimits, number: int, seen: Window) -> None:
    """Look for cosmic rays in one cell."""
    ny, nx = frame.state.shape
    top, left = i * CELL, j * CELL
    if not _any_free(frame.state[top : min(top + CELL, ny), left : min(left + CELL, nx)]):
        return
    _load(frame, top - HALO, left - HALO, seen, number)
    if not _sharpness(seen, limits.sigma_clip):
        return
    _structure(seen)
    _find_cores(seen, limits)
    _drop_sharp_light(frame, top - HALO, left - HALO, seen, limits, number)
    _add_neighbours(seen, limits)
    for y in range(min(CELL, ny - top)):
        hit, state = seen.planes[0, (HALO + y) * _SIDE + HALO :], frame.state[top + y, left:]
        for x in range(min(CELL, nx - left)):
            if hit[x] != 0 and state[x] == _FREE:
                state[x] = number + _MASKED


@kernel
def search(frame: SkyFrame, limits: SharpLimits, number: int, active: Array, seen: Window) -> None:
    """Look for cosmic rays in the cells that are marked, and set their pixels to ``number + 1`` in ``frame.state``.

    ``number`` counts passes from 1. It does not matter in which order cells are searched.
    """
    for i in range(active.shape[0]):
        for j in range(active.shape[1]):
            if active[i, j] != 0:
                _search_cell(frame, i, j, limits, number, seen)
