"""Cosmic rays by other exposures of the same field: what is not there in them is no light, and what is there is.

One frame tells a hit from light by its sharpness alone. On the light of a spectrum or of a star a faint hit is lost,
and where noise is high light may seem sharp. Another exposure of the field, shifted or not, shows the light: a pixel
that is brighter than that, and sharper than the image of a point, was hit; one that is as bright was not.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zeroframe.kernels.exposures import OtherFrame, brighter_places, light_at
from zeroframe.kernels.point_images import SKY_SHIFT
from zeroframe.kernels.stack_limits import MAD_TO_SIGMA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Exposure", "Noise", "agreeing", "judge_by_exposures"]

#: The shift is found on means of so many pixels squared, and then on tiles of so many pixels about what is bright.
_BIN, _TILE, _MOST_TILES, _FEWEST_TILES = 4, 25, 64, 4
#: What is bright stands so many times the noise of a binned pixel above its median; more than that counts as this.
_BRIGHT, _MOST_BRIGHT = 10.0, 100.0
#: The shift is looked for so many pixels about that of the binned images.
_NEAR, _AS_GOOD = 5, 0.99
#: Tiles agree where this much of them is the same light, and frames where this share of the tiles does.
_SAME_LIGHT, _SAME_TILES = 0.7, 0.6
#: By this share of what light changes within a pixel, at least, one exposure may differ from another; where by more
#: than that, it says nothing.
_LEAST_TOLERANCE, _MOST_TOLERANCE = 0.1, 0.6
#: Exposures that are moved by whole pixels and differ by no more than this need no look at how sharp a pixel is.
_WHOLE, _LIKE = 0.1, 0.12
#: Told where light changes by so many sigma of both exposures.
_STEEP = 5.0
_TOLERANCE_PERCENT = 98.0
#: A pixel is looked at that is brighter by so many sigma of its own, which hold its charge, and was hit if it is by so
#: many of both exposures, and sharper than a point by so many.
_LOOKED_AT, _HIT, _SHARP = 3.0, 4.5, 2.0
#: What was found is light where the other exposure holds it but for so many sigma, and is no less than so many; of what
#: light changes within a pixel it may lack no more than this.
_AS_BRIGHT, _IS_LIGHT, _MOST_FREED = 2.0, 4.0, 0.2
#: Frames that were not moved share their hot pixels: light has neighbours that hold this much of it.
_MOVED, _BESIDE = 0.5, 0.15
_PASSES = 3
#: The noise of both exposures, brought to one scale: of one exposure time, they have the same.
_BOTH = sqrt(2.0)


class Exposure(NamedTuple):
    """Pixels of an exposure, and the level of its sky in blocks (`zeroframe.frames.cosmic_rays.sky_levels`)."""

    pixels: NDArray[Any]
    sky: NDArray[np.float32]


class Noise(NamedTuple):
    """Standard deviations, one for each block of ``1 << shift`` rows and columns."""

    sigma: NDArray[Any]
    shift: int

    def beside(self, places: NDArray[np.int64], shape_yx: tuple[int, ...]) -> NDArray[np.float64]:
        """Return the median of what is around each place: that of a pixel that was hit holds its charge."""
        if self.shift:
            sigma = self.sigma[places[:, 0] >> self.shift, places[:, 1] >> self.shift]
            return np.asarray(sigma, dtype=np.float64)
        around = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]
        values = [
            self.sigma[(places[:, 0] + dy).clip(0, shape_yx[0] - 1), (places[:, 1] + dx).clip(0, shape_yx[1] - 1)]
            for dy, dx in around
        ]
        return np.asarray(np.median(np.array(values, dtype=np.float64), axis=0))


def agreeing(own: Exposure, other: Exposure, noise: Noise) -> tuple[OtherFrame, float] | None:
    """Find where another exposure shows the same field.

    Parameters
    ----------
    own, other : Exposure
        Of one shape.
    noise : Noise
        Of our exposure.

    Returns
    -------
    (OtherFrame, float) or None
        Shift and scale of the light, and by which share of what light changes within a pixel they differ. None where
        they show nothing bright, or not the same.

    Examples
    --------
    >>> from zeroframe.frames.cosmic_rays import sky_levels
    >>> y, x = np.mgrid[:160, :200]
    >>> def field(dy, dx):
    ...     light = sum(900.0 * np.exp(-((y - v - dy) ** 2 + (x - u - dx) ** 2) / 5.0)
    ...                 for v, u in ((30, 50), (90, 140), (120, 60), (60, 100), (130, 170)))
    ...     light = light + np.random.default_rng(1).normal(100.0, 3.0, light.shape)
    ...     return Exposure(light, sky_levels(light, np.zeros(light.shape, bool)))
    >>> found, _ = agreeing(field(0, 0), field(7, -3), Noise(np.full((160, 200), 3.0, np.float32), 0))
    >>> round(found.shift_y), round(found.shift_x), round(found.scale, 1)
    (7, -3, 1.0)
    """
    if own.pixels.shape != other.pixels.shape or min(own.pixels.shape) < 2 * (_TILE + _NEAR):
        return None
    ours, theirs = _binned(own.pixels), _binned(other.pixels)
    if not (ours.any() and theirs.any()):
        return None
    coarse = _shift_of(ours, theirs)
    centres = _bright_places(ours, own.pixels.shape, coarse)
    if len(centres) < _FEWEST_TILES:
        return None
    tiles = np.stack([_tile(own.pixels, y, x, _TILE // 2) for y, x in centres])
    wide = np.stack([_tile(other.pixels, y + coarse[0], x + coarse[1], _TILE // 2 + _NEAR) for y, x in centres])
    known = np.isfinite(tiles).all(axis=(1, 2)) & np.isfinite(wide).all(axis=(1, 2))
    if np.count_nonzero(known) < _FEWEST_TILES:
        return None
    tiles, wide, centres = tiles[known], wide[known], centres[known]
    alike = _likeness(tiles, wide)
    total = np.median(alike, axis=0)
    highest = int(np.argmax(total))
    # along a trace any place is as good
    best = (_NEAR, _NEAR) if total[_NEAR, _NEAR] > _AS_GOOD * total.flat[highest] else divmod(highest, 2 * _NEAR + 1)
    same = alike[:, best[0], best[1]] > _SAME_LIGHT
    if np.mean(same) < _SAME_TILES or np.count_nonzero(same) < _FEWEST_TILES:
        return None
    shift = [
        float(c + b - _NEAR + _top(total, best, axis)) for axis, (c, b) in enumerate(zip(coarse, best, strict=True))
    ]
    chosen = wide[same][:, best[0] : best[0] + _TILE, best[1] : best[1] + _TILE]
    light = [
        np.maximum(each - np.percentile(each, 20, axis=(1, 2), keepdims=True), 0.0).sum(axis=(1, 2))
        for each in (tiles[same], chosen)
    ]
    scale = float(np.median(light[0] / np.maximum(light[1], 1e-9)))
    if not 1e-3 < scale < 1e3:
        return None
    found = OtherFrame(other.pixels, other.sky, shift[0], shift[1], scale)
    tolerance = _tolerance(own, found, centres[same], noise)
    return None if tolerance > _MOST_TOLERANCE else (found, tolerance)


def _binned(pixels: NDArray[Any]) -> NDArray[np.float64]:
    """Return how bright means of 4 x 4 pixels are, in square roots of what is clearly above the sky, in their noise."""
    ny, nx = (size // _BIN * _BIN for size in pixels.shape)
    cells = pixels[:ny, :nx].reshape(ny // _BIN, _BIN, nx // _BIN, _BIN).mean(axis=(1, 3), dtype=np.float64)
    cells[~np.isfinite(cells)] = np.nan
    steps = np.abs(np.diff(cells, axis=1))
    known = np.isfinite(steps)
    noise = MAD_TO_SIGMA * float(np.median(steps[known])) / sqrt(2.0) if known.any() else 0.0
    if not noise > 0.0:
        return np.zeros_like(cells)
    height = (cells - np.nanmedian(cells)) / noise
    bright: NDArray[np.float64] = np.sqrt(np.clip(np.nan_to_num(height) - _BRIGHT, 0.0, _MOST_BRIGHT))
    return bright


def _shift_of(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> tuple[int, int]:
    """Return by how many pixels the other image is shifted, by the correlation of binned ones."""
    parts = [np.fft.rfft2(each - each.mean()) for each in (ours, theirs)]
    found = np.fft.irfft2(np.conj(parts[0]) * parts[1], s=ours.shape)
    place = np.unravel_index(int(np.argmax(found)), found.shape)
    dy, dx = (int(at) - size if at > size // 2 else int(at) for at, size in zip(place, ours.shape, strict=True))
    return dy * _BIN, dx * _BIN


def _bright_places(cells: NDArray[np.float64], shape_yx: tuple[int, ...], shift: tuple[int, int]) -> NDArray[np.int64]:
    """Return what is brightest in the image and lies, with what is around it, in both frames; no two close together."""
    margin = _TILE // 2 + _NEAR + 1
    order = np.argsort(-cells, axis=None)[: 40 * _MOST_TILES]
    order = order[cells.reshape(-1)[order] > 0.0]
    chosen: list[tuple[int, int]] = []
    for y, x in np.stack(np.unravel_index(order, cells.shape), axis=1) * _BIN + _BIN // 2:
        inside = all(
            margin <= at < size - margin and margin <= at + by < size - margin
            for at, by, size in zip((y, x), shift, shape_yx, strict=True)
        )
        if inside and all(abs(y - v) + abs(x - u) >= _TILE for v, u in chosen):
            chosen.append((int(y), int(x)))
            if len(chosen) == _MOST_TILES:
                break
    return np.array(chosen, np.int64).reshape(-1, 2)


def _tile(pixels: NDArray[Any], y: int, x: int, reach: int) -> NDArray[np.float64]:
    return pixels[y - reach : y + reach + 1, x - reach : x + reach + 1].astype(np.float64)


def _likeness(tiles: NDArray[np.float64], wide: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much of each tile is the same light, for each shift within reach: their correlation."""
    own = tiles - tiles.mean(axis=(1, 2), keepdims=True)
    own /= np.sqrt(np.square(own).sum(axis=(1, 2), keepdims=True))
    found = np.empty((len(tiles), 2 * _NEAR + 1, 2 * _NEAR + 1))
    for dy in range(2 * _NEAR + 1):
        for dx in range(2 * _NEAR + 1):
            part = wide[:, dy : dy + _TILE, dx : dx + _TILE]
            part = part - part.mean(axis=(1, 2), keepdims=True)
            found[:, dy, dx] = (own * part).sum(axis=(1, 2)) / np.sqrt(np.square(part).sum(axis=(1, 2)))
    return found


def _top(total: NDArray[np.float64], best: tuple[int, int], axis: int) -> float:
    """Return where a parabola through the best place and those beside it is highest, along an axis."""
    line = np.take(total, best[1 - axis], axis=1 - axis)
    place = best[axis]
    if not 0 < place < line.size - 1:
        return 0.0
    below, own, above = line[place - 1 : place + 2]
    bend = below - 2.0 * own + above
    # where likeness hardly changes, as along a trace, the top is anywhere
    return float(np.clip(0.5 * (below - above) / bend, -0.5, 0.5)) if bend < -1e-3 else 0.0


def _tolerance(own: Exposure, other: OtherFrame, centres: NDArray[np.int64], noise: Noise) -> float:
    """Return by which share of what light changes within a pixel two exposures differ where they are bright."""
    reach = np.arange(-(_TILE // 2), _TILE // 2 + 1)
    y = (centres[:, 0, None, None] + reach[:, None] + 0 * reach).ravel()
    x = (centres[:, 1, None, None] + reach + 0 * reach[:, None]).ravel()
    places = np.ascontiguousarray(np.stack([y, x], axis=1))
    light = np.empty((len(places), 4))
    light_at(other, places, light)
    change = light[:, 2] - light[:, 1]
    sigma = noise.beside(places, own.pixels.shape) * _BOTH
    steep = change > _STEEP * sigma
    if not steep.any():
        return _LEAST_TOLERANCE
    above = own.pixels[y, x].astype(np.float64) - _sky_of(own, y, x)
    with np.errstate(invalid="ignore"):
        off = np.maximum(np.abs(above - light[:, 0]) - _AS_BRIGHT * sigma, 0.0)[steep] / change[steep]
    return max(float(np.nanpercentile(off, _TOLERANCE_PERCENT)), _LEAST_TOLERANCE)


def _sky_of(own: Exposure, y: NDArray[Any], x: NDArray[Any]) -> NDArray[np.float64]:
    """Return the level of the sky at pixels."""
    rows, columns = own.sky.shape
    level = own.sky[np.minimum(y >> SKY_SHIFT, rows - 1), np.minimum(x >> SKY_SHIFT, columns - 1)]
    return np.asarray(level, dtype=np.float64)


def judge_by_exposures(
    own: Exposure,
    noise: Noise,
    before: NDArray[np.bool_],
    found: NDArray[np.bool_],
    others: Sequence[tuple[OtherFrame, float]],
    point_ratio: float,
) -> tuple[int, int]:
    """Correct a mask of cosmic rays by other exposures, in place; return how many pixels are added and freed.

    Parameters
    ----------
    own : Exposure
        The frame.
    noise : Noise
        Its standard deviations.
    before : ndarray of bool, shape (ny, nx)
        What was masked before cosmic rays were looked for.
    found : ndarray of bool, shape (ny, nx)
        And after; worked on in place.
    others : sequence of (OtherFrame, float)
        From `agreeing`.
    point_ratio : float
        As of `zeroframe.kernels.lacosmic.SharpLimits`.
    """
    light = _freed(own, noise, np.argwhere(found & ~before), others)
    found[light[:, 0], light[:, 1]] = False
    added = sum(_add_hits(own, noise, found, other, point_ratio) for other in others)
    return added, len(light)


def _freed(
    own: Exposure, noise: Noise, places: NDArray[np.int64], others: Sequence[tuple[OtherFrame, float]]
) -> NDArray[np.int64]:
    """Return which of the pixels that were found are light: another exposure holds it, too."""
    is_light = np.zeros(len(places), bool)
    if not len(places):
        return places
    y, x = places.T
    above = own.pixels[y, x].astype(np.float64) - _sky_of(own, y, x)
    sigma = noise.beside(places, own.pixels.shape)
    for other, tolerance in others:
        light = np.empty((len(places), 4))
        light_at(other, places, light)
        both = sigma * _BOTH
        with np.errstate(invalid="ignore"):
            allowed = min(tolerance, _MOST_FREED) * (light[:, 2] - light[:, 1])
            held = above <= light[:, 0] + _AS_BRIGHT * both + allowed
            real = light[:, 0] > _IS_LIGHT * both
            if max(abs(other.shift_y), abs(other.shift_x)) < _MOVED:
                real &= light[:, 3] > _BESIDE * light[:, 0] + both
            is_light |= held & real
    return places[is_light]


def _add_hits(
    own: Exposure, noise: Noise, found: NDArray[np.bool_], by: tuple[OtherFrame, float], point_ratio: float
) -> int:
    """Mask what is brighter than another exposure makes it, and sharper than a point; return how many pixels."""
    other, tolerance = by
    limits, room = np.empty(own.pixels.shape[1], np.float32), own.pixels.size // 64 + 64
    while True:
        places = np.empty((room, 2), np.int64)
        count = brighter_places(own.pixels, noise.sigma, noise.shift, own.sky, other, _LOOKED_AT, limits, places)
        if count <= room:
            break
        room = count
    places = places[:count]
    places = places[~found[places[:, 0], places[:, 1]]]
    if not len(places):
        return 0
    light = np.empty((len(places), 4))
    light_at(other, places, light)
    y, x = places.T
    sky = _sky_of(own, y, x)
    sigma = noise.beside(places, own.pixels.shape)
    above = own.pixels[y, x].astype(np.float64) - sky
    excess = above - light[:, 0] - tolerance * (light[:, 2] - light[:, 1])
    with np.errstate(invalid="ignore"):
        brighter = excess > _HIT * sigma * _BOTH
    added = 0
    whole = max(abs(each - round(each)) for each in (other.shift_y, other.shift_x)) < _WHOLE
    need_no_shape = whole and tolerance <= _LIKE
    for _ in range(_PASSES):
        beside = np.maximum(_beside(own.pixels, found, places) - sky, 0.0) / point_ratio
        sharp = need_no_shape | (above - np.nan_to_num(beside) > _SHARP * sigma * np.sqrt(1.0 + 0.5 / point_ratio**2))
        hits = brighter & sharp & ~found[y, x]
        if not hits.any():
            break
        found[y[hits], x[hits]] = True
        added += int(np.count_nonzero(hits))
    return added


def _beside(pixels: NDArray[Any], found: NDArray[np.bool_], places: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean of both neighbours along the axis where it is less; where one is masked, the other counts."""
    ny, nx = pixels.shape
    sides = []
    for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        y, x = places[:, 0] + dy, places[:, 1] + dx
        inside = (y >= 0) & (y < ny) & (x >= 0) & (x < nx)
        y, x = y.clip(0, ny - 1), x.clip(0, nx - 1)
        value = pixels[y, x].astype(np.float64)
        sides.append(np.where(inside & ~found[y, x] & np.isfinite(value), value, np.nan))
    up, down, left, right = sides
    pairs = [np.where(np.isnan(a), b, np.where(np.isnan(b), a, 0.5 * (a + b))) for a, b in ((up, down), (left, right))]
    return np.fmin(*pairs)
