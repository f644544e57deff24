"""Which part of a frame of the sky has no light: rows or columns, or all of it.

A shutter that did not open, or opened late, a clock that stopped, a blade or a door before the light leave pixels
without a sky that others of the frame have. The same is so, and no fault, beside a slit or between fibres: whether it
is one, other exposures of the field tell.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zeroframe.frames.medians import median_of_valid
from zeroframe.frames.numbers import spread_evenly

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["measure_dark_part"]

#: A frame is looked at in so many bands of rows, and of columns, by so many of its rows and columns at most.
_BANDS, _MOST = 16, 256
#: A band of which less than this part is valid does not tell.
_VALID = 0.2
#: A band has light that is so many of its errors above zero; it has none where it is within fewer of them.
_LIT_ERRORS, _DARK_ERRORS = 20.0, 5.0
#: Nor is a band dark that has this part of the light of the others.
_DARK_PART = 0.02
#: The border of a dark part, and its inside, are looked at in so many pieces; the border in so many lines at each side,
#: but for so many next to it.
_PIECES, _AT_BORDER, _NEXT_TO_IT = 8, 4, 1
#: Where the border is in a piece, is looked for in so many rows or columns about it.
_ABOUT = 8
#: A piece is lit that has this part of the light of the lit part.
_LIT_PART = 0.5
#: Nothing is told of a part unless the sky is so many errors of a piece of the border.
_SURE_ERRORS = 20.0
#: Of frames with less sky than this, in noises of a pixel, the sources are counted.
_FAINT_NOISES = 2.0
#: They are counted in so many rows at a time, that stay in the processor's memory.
_ROWS = 32
#: A source is a square of two by two pixels, each so many noises above zero; or a pixel alone that is so many.
_SQUARE_NOISES, _ALONE_NOISES = 3.0, 5.0
#: So many squares, or such a part of all, more than there are below zero, or such a part of single pixels, are light.
_SQUARES, _SQUARES_PART, _ALONE_PART = 3, 1e-5, 1e-3
#: The error of a median, in standard deviations of the mean.
_OF_MEDIAN = 1.2533


@np.errstate(all="ignore")  # pixels may be infinite
def measure_dark_part(pixels: NDArray[Any], noise: float, mask: NDArray[np.uint8] | None = None) -> dict[str, float]:
    """Measure the sky of a frame in bands, and find those that have none.

    Parameters
    ----------
    pixels : ndarray of float, shape (ny, nx)
        A calibrated frame of the sky; not finite where masked.
    noise : float
        Noise of a pixel, in the unit of the pixels.
    mask : ndarray of uint8, shape (ny, nx), optional
        Not zero where a pixel takes no part.

    Returns
    -------
    dict of str to float
        By the names of figures: ``sky_noises``, the level of the brighter bands, in noises of a pixel,
        ``faintest_part_noises`` and ``brightest_part_noises``, those of the faintest and of the brightest; of a frame
        with little sky ``has_sources``, 1 where something shines in it; where some bands beside each other have no
        light and others have some, and the border is that of a line, ``dark_part_first`` and ``dark_part_last``, rows
        or columns counted from 1, ``dark_part_along``, 1 for columns and 2 for rows, and their level,
        ``dark_part_noises``. Nothing of a frame that is too small.

    Examples
    --------
    >>> import numpy as np
    >>> frame = np.random.default_rng(1).normal(100.0, 4.0, (320, 320))
    >>> frame[240:] -= 100.0
    >>> found = measure_dark_part(frame, 4.0)
    >>> found["dark_part_along"], found["dark_part_first"], found["dark_part_last"], round(found["sky_noises"])
    (2.0, 241.0, 320.0, 25)
    """
    ny, nx = pixels.shape
    if min(ny, nx) < 2 * _BANDS or not noise > 0.0:
        return {}
    rows, columns = spread_evenly(0, ny - 1, min(ny, _MOST)), spread_evenly(0, nx - 1, min(nx, _MOST))
    sample = np.asarray(pixels[np.ix_(rows, columns)], np.float32) / np.float32(noise)
    if mask is not None and mask.shape == pixels.shape:
        sample[mask[np.ix_(rows, columns)] != 0] = np.nan
    found: dict[str, float] = {}
    levels = {2: _levels(sample), 1: _levels(np.ascontiguousarray(sample.T))}
    both = np.concatenate([levels[2][0], levels[1][0]])
    if not np.isfinite(both).any():
        return {}
    sky = float(np.nanquantile(both, 0.75))
    found |= {
        "sky_noises": sky,
        "faintest_part_noises": float(np.nanmin(both)),
        "brightest_part_noises": float(np.nanmax(both)),
    }
    if abs(sky) < _FAINT_NOISES:
        found["has_sources"] = float(_has_sources(pixels, noise, mask))
    return found | _dark_part(pixels, noise, mask, _Sample(sample, rows, columns, levels))


class _Sample(NamedTuple):
    """Some rows and columns of a frame, in noises of a pixel, and by axis the levels of bands and their errors."""

    pixels: NDArray[np.float32]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    levels: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]]


def _dark_part(pixels: NDArray[Any], noise: float, mask: NDArray[np.uint8] | None, sample: _Sample) -> dict[str, float]:
    """Return the figures of bands without light beside others that have some; nothing where there are none."""
    levels = sample.levels
    lit = {along: _lit_level(level) for along, (level, _) in levels.items()}
    parts = [
        (along, first, last)
        for along, (level, error) in levels.items()
        for first, last in [_longest(_dark(level, error, lit[along]))]
        if last > first
    ]
    if not parts:
        return {}
    along, first, last = max(parts, key=lambda part: part[2] - part[1])
    sky = lit[along]
    lines, places = (sample.pixels, sample.rows) if along == 2 else (sample.pixels.T, sample.columns)
    lines = np.ascontiguousarray(lines)
    begin, end = _edges(lines, first, last, sky)
    if not _is_cut_off(lines, begin, end, sky):
        return {}
    whole = pixels[:, sample.columns] if along == 2 else pixels[sample.rows].T
    edges = [(int(places[at - 1]), int(places[at])) for at in (begin, end) if 0 < at < len(places)]
    if not all(_is_straight(whole, *edge, sky * noise) for edge in edges):
        return {}
    size = len(pixels) if along == 2 else pixels.shape[1]
    inside = slice(
        0 if begin == 0 else int(places[min(begin + _NEXT_TO_IT, end - 1)]),
        size if end == len(places) else int(places[max(end - 1 - _NEXT_TO_IT, begin)]) + 1,
    )
    part = (inside, slice(None)) if along == 2 else (slice(None), inside)
    if _has_sources(pixels[part], noise, mask[part] if mask is not None and mask.shape == pixels.shape else None):
        return {}
    return {
        "sky_noises": sky,
        "dark_part_along": float(along),
        "dark_part_first": 1.0 if begin == 0 else float(places[begin] + 1),
        "dark_part_last": float(size) if end == len(places) else float(places[end - 1] + 1),
        "dark_part_noises": float(np.nanmedian(levels[along][0][first:last])),
    }


def _has_sources(pixels: NDArray[Any], noise: float, mask: NDArray[np.uint8] | None) -> bool:
    """Whether more pixels stand above zero, side by side or many alone, than below."""
    known = mask if mask is not None and mask.shape == pixels.shape else None
    squares = alone = 0
    for first in range(0, len(pixels), _ROWS):
        rows = slice(first, first + _ROWS + 1)  # a square may stand across the border
        valid = None if known is None else known[rows] == 0
        for sign in (1, -1):
            high = pixels[rows] > _SQUARE_NOISES * noise if sign > 0 else pixels[rows] < -_SQUARE_NOISES * noise
            if valid is not None:
                high &= valid
            beside = high[:, 1:] & high[:, :-1]
            squares += sign * int(np.count_nonzero(beside[1:] & beside[:-1]))
            values = pixels[rows][:_ROWS][high[:_ROWS]]
            alone += sign * int(np.count_nonzero(np.abs(values) > _ALONE_NOISES * noise))
    return squares > max(_SQUARES, _SQUARES_PART * pixels.size) or alone > _ALONE_PART * pixels.size


def _is_cut_off(lines: NDArray[np.float32], begin: int, end: int, sky: float) -> bool:
    """Whether the border of a dark part runs along a line, with no light in any piece of the part, and light beyond."""
    borders = [(begin, -1)] * (begin > 0) + [(end, 1)] * (end < len(lines))
    for border, outwards in borders:
        near = border - outwards * (_NEXT_TO_IT + _AT_BORDER), border - outwards * _NEXT_TO_IT
        beyond = border + outwards * _NEXT_TO_IT, border + outwards * (_NEXT_TO_IT + _AT_BORDER)
        inner, errors = _pieces(lines[max(min(near), begin) : min(max(near), end)])
        outer, errors_beyond = _pieces(lines[max(min(beyond), 0) : max(beyond)])
        error = np.concatenate([errors, errors_beyond])
        known = error[np.isfinite(error)]
        if not (known.size and sky > _SURE_ERRORS * float(known.max())):
            return False
        if not (_all_dark(inner, errors, sky) and np.isfinite(outer).any() and np.nanmin(outer) > _LIT_PART * sky):
            return False
    inside = range(begin + _NEXT_TO_IT * (begin > 0), end - _NEXT_TO_IT * (end < len(lines)), len(lines) // _BANDS)
    last = end - _NEXT_TO_IT * (end < len(lines))
    return bool(borders) and all(
        _all_dark(*_pieces(lines[at : min(at + len(lines) // _BANDS, last)]), sky) for at in inside
    )


def _is_straight(lines: NDArray[Any], before: int, after: int, sky: float) -> bool:
    """Whether the border between two lines is at the same line, or the next, in every piece along it."""
    strip = np.asarray(lines[max(before - _ABOUT, 0) : after + _ABOUT + 1], np.float64)
    pieces = [strip[:, first:last] for first, last in pairwise(_ends(strip.shape[1], _PIECES))]
    dark = [
        int(np.count_nonzero(_medians(piece) < 0.5 * sky)) for piece in pieces if np.isfinite(piece).mean() > _LIT_PART
    ]
    return bool(dark) and max(dark) - min(dark) <= 1


def _medians(lines: NDArray[Any]) -> NDArray[Any]:
    """Return the median of each line; infinite where none of it is valid."""
    valid = np.isfinite(lines)
    known = np.where(valid, lines, np.nan)
    known[~valid.any(axis=1)] = np.inf
    return np.asarray(np.nanmedian(known, axis=1))


def _lit_level(levels: NDArray[np.float64]) -> float:
    """Return the level of the bands that have light."""
    known = levels[np.isfinite(levels)]
    return float(np.median(known[known >= _LIT_PART * known.max()])) if known.size and known.max() > 0.0 else 0.0


def _pieces(lines: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the level of each piece along some lines, and its error; NaN where too little of it is valid."""
    return _levels(np.ascontiguousarray(lines.T), _PIECES)


def _all_dark(levels: NDArray[np.float64], errors: NDArray[np.float64], sky: float) -> bool:
    known = np.isfinite(levels)
    dark = np.abs(levels[known]) <= np.maximum(_DARK_ERRORS * errors[known], _DARK_PART * sky)
    return bool(known.any() and dark.all())


def _ends(count: int, bands: int = _BANDS) -> NDArray[np.int_]:
    return np.linspace(0, count, bands + 1).astype(int)


def _levels(lines: NDArray[np.float32], bands: int = _BANDS) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the level of each band of lines, and its error; NaN where too little of it is valid."""
    levels, errors = np.full(bands, np.nan), np.full(bands, np.nan)
    ends = _ends(len(lines), bands)
    for band in range(bands):
        values = lines[ends[band] : ends[band + 1]].ravel()
        valid = values[np.isfinite(values)]
        if valid.size > _VALID * values.size:
            levels[band] = float(median_of_valid(valid))
            errors[band] = _OF_MEDIAN / np.sqrt(valid.size)
    return levels, errors


def _dark(levels: NDArray[np.float64], errors: NDArray[np.float64], sky: float) -> NDArray[np.bool_]:
    known = errors[np.isfinite(errors)]
    if not (known.size and sky > _LIT_ERRORS * float(known.max())):
        return np.zeros(levels.size, np.bool_)
    return np.asarray(np.abs(levels) <= np.maximum(_DARK_ERRORS * errors, _DARK_PART * sky))


def _longest(dark: NDArray[np.bool_]) -> tuple[int, int]:
    """Return where the longest run begins and ends."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], dark, [False]]))).reshape(-1, 2)
    return max(((int(a), int(b)) for a, b in edges), key=lambda run: run[1] - run[0], default=(0, 0))


def _edges(lines: NDArray[np.float32], first: int, last: int, sky: float) -> tuple[int, int]:
    """Return from which line to which there is no light, where lines tell: half of the sky is the limit."""
    ends = _ends(len(lines))
    begin, end = int(ends[first]), int(ends[last])
    dark = _medians(lines) < 0.5 * sky
    while begin < end - 1 and not dark[begin]:
        begin += 1
    while end > begin + 1 and not dark[end - 1]:
        end -= 1
    while begin > 0 and dark[begin - 1]:
        begin -= 1
    while end < len(lines) and dark[end]:
        end += 1
    return begin, end
