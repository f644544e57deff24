"""Ghosts that bright stars leave in other amplifiers: how large they are, and whether they may be stars by chance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.crosstalk import in_read_order
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zeroframe.fits import HeaderDraft
    from zeroframe.frames.regions import Region

__all__ = [
    "GHOST_CARDS",
    "TOP_ADU",
    "CellLevels",
    "MeasuredCrosstalk",
    "bright_places",
    "cells_of",
    "ghost_slope",
    "ghosts_in",
    "ghosts_of_frame",
    "least_crosstalk_adu",
    "say_ghosts",
]

#: A pixel is bright from this part on of the largest number that two bytes hold; fewer in all frames say nothing.
_BRIGHT, _FEWEST, TOP_ADU = 0.15, 30, 65535.0
#: No more of them than so many are taken of a frame; to look for ghosts in each frame of a night fewer do.
_MOST, _ENOUGH = 20_000, 2_000
#: They are looked for in so many rows at a time.
_ROWS = 256
#: The background of a victim is the median of cells of so many pixels.
_CELL = 32
#: What deviates by so many sigmas is a star of the victim itself.
_CLIP, _ROUNDS = 4.0, 10
#: Crosstalk matters where it is so many of its errors, and leaves of a full pixel this part of the read noise.
_SURE, _OF_NOISE = 5.0, 0.5
#: So many rows and columns away there is no ghost in the victim: what is found there is chance.
_AWAY = tuple(
    (up * rows, along * columns)
    for rows, columns in ((11, 14), (17, 23), (29, 31), (41, 13))
    for up in (1, -1)
    for along in (1, -1)
)
#: A ghost is so many times what is found there, in at least so many places.
_ABOVE_CHANCE, _FEWEST_AWAY = 5.0, 8
#: Without the brightest star the others leave the same, within this factor, and by so many errors.
_ALIKE, _OTHERS_SURE = 2.0, 4.0
#: Of the worst pair: its part, the error, what a full pixel leaves, and who; and how many pairs there are.
GHOST_CARDS = ("XTALK", "XTALKERR", "XTALKADU", "XTALKWHO", "NXTALK")


@dataclass(frozen=True, slots=True)
class MeasuredCrosstalk:
    """What one amplifier leaves in another one.

    Attributes
    ----------
    source, victim : str
        Names of the amplifiers.
    part, error : float
        ADU of the victim for each ADU of the source, and its standard error.
    top_adu : float
        What a full pixel of the source reads.
    noise_adu : float or None
        Read noise of the victim; None where it is not known.
    """

    source: str
    victim: str
    part: float
    error: float
    top_adu: float
    noise_adu: float | None

    @property
    def full_adu(self) -> float:
        """What a full pixel of the source leaves."""
        return self.part * self.top_adu

    @property
    def matters(self) -> bool:
        """Whether it is proven, and of a full pixel more than half the read noise (or half an ADU)."""
        return abs(self.part) > _SURE * self.error and abs(self.full_adu) > least_crosstalk_adu(self.noise_adu)

    @property
    def limit(self) -> float:
        """What it is no more than, by three of its errors."""
        return abs(self.part) + 3.0 * self.error


def least_crosstalk_adu(noise_adu: float | None) -> float:
    """Return what a full pixel may leave without that it matters: half the read noise, or half an ADU.

    Examples
    --------
    >>> least_crosstalk_adu(4.0)
    2.0
    """
    return _OF_NOISE * (1.0 if noise_adu is None else noise_adu)


class CellLevels:
    """The level about each pixel of an image: medians of cells, of which those are taken that are asked for.

    Parameters
    ----------
    view : ndarray, shape (ny, nx)
        The image. Cells at the upper edges are as large as what is left.
    """

    def __init__(self, view: NDArray[Any]) -> None:
        self._view = view
        self._known = np.full([-(-size // _CELL) for size in view.shape], np.nan, view.dtype)
        self._asked = np.zeros(self._known.shape, np.bool_)

    def above(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return by how much pixels stand above the level about them."""
        y, x = rows // _CELL, columns // _CELL
        new = np.zeros_like(self._asked)
        new[y, x] = True
        for cell in np.argwhere(new & ~self._asked):
            part = tuple(slice(int(first) * _CELL, (int(first) + 1) * _CELL) for first in cell)
            self._known[tuple(cell)] = np.median(self._view[part])
        self._asked |= new
        return (self._view[rows, columns] - self._known[y, x]).astype(np.float64)


def cells_of(rows: NDArray[np.intp], columns: NDArray[np.intp], width: int) -> NDArray[np.float64]:
    """Return a number for each pixel that those of one cell have in common.

    Examples
    --------
    >>> cells_of(np.array([3, 31, 32]), np.array([0, 5, 5]), 64).tolist()
    [0.0, 0.0, 64.0]
    """
    return (rows // _CELL * width + columns // _CELL).astype(np.float64)


def bright_places(view: NDArray[Any], top_adu: float, most: int = _MOST) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of bright pixels, not many more than ``most`` of them, spread over all.

    Parameters
    ----------
    view : ndarray, shape (ny, nx)
        What an amplifier read, less its level.
    top_adu : float
        Where it is full.
    most : int, optional
        How many are wanted.
    """
    limit = _BRIGHT * top_adu
    found = []
    for first in range(0, len(view), _ROWS):
        bright = view[first : first + _ROWS] > limit
        if not first or bright.any():  # of most rows no pixel, and any() looks at eight bytes at once
            rows, columns = np.nonzero(bright)
            found.append((rows + first, columns))
    rows, columns = (np.concatenate(each) for each in zip(*found, strict=True))
    some = slice(None, None, max(rows.size // most, 1))
    return rows[some], columns[some]


def ghost_slope(
    signal: NDArray[np.float64], ghost: NDArray[np.float64], cells: NDArray[np.float64]
) -> tuple[float, float] | None:
    """Return slope and error of a line through the origin, stars of the victim left out; None of too few pixels.

    Parameters
    ----------
    signal, ghost : ndarray, shape (n,)
        What bright pixels of the source hold above their level, and what the victim has there.
    cells : ndarray, shape (n,)
        In which cell each of them lies.

    Notes
    -----
    What lies in one cell has one error in common, that of the light which the victim itself sees there: the error of
    the slope is that of the mean over cells, which are weighted as their pixels are.
    """
    if signal.size < _FEWEST:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):  # a cell that is bright all over stands above nothing
        ratios = ghost / signal
    kept = np.isfinite(ratios)
    if not kept.any():
        return None
    slope = float(np.median(ratios[kept]))
    for _ in range(_ROUNDS):
        rest = ghost - slope * signal
        spread = 1.4826 * float(np.median(np.abs(rest[kept] - np.median(rest[kept])))) if kept.any() else 0.0
        now = np.isfinite(ratios) & (np.abs(rest) <= _CLIP * max(spread, 0.3))
        if np.count_nonzero(now) < _FEWEST:
            return None
        slope = float((signal[now] * ghost[now]).sum() / (signal[now] ** 2).sum())
        if np.array_equal(now, kept):
            break
        kept = now
    weights = signal[kept] ** 2
    off = signal[kept] * (ghost[kept] - slope * signal[kept])
    _, which = np.unique(cells[kept], return_inverse=True)
    by_cell, number = np.bincount(which, off), int(which.max()) + 1
    error = float(np.sqrt((by_cell**2).sum() * number / max(number - 1, 1)))
    return slope, max(error, float(np.sqrt((off**2).sum()))) / float(weights.sum())


def ghosts_of_frame(read: Mapping[str, NDArray[Any]], tops_adu: Mapping[str, float]) -> tuple[MeasuredCrosstalk, ...]:
    """Return what bright stars of a frame leave in other amplifiers, where that cannot be chance; the largest first.

    Parameters
    ----------
    read : mapping of str to ndarray
        What each amplifier read in the order in which it did, less its level.
    tops_adu : mapping of str to float
        Where each amplifier is full.

    Returns
    -------
    tuple of MeasuredCrosstalk
        Empty where no star is bright: that costs a comparison of each pixel.

    Notes
    -----
    A star of the victim may stand where the ghost of another one would. So the same is measured at other places of the
    victim, and a ghost has to stand above what is found there. Besides, either the other stars of the amplifier have to
    leave the same as its brightest, or that one a ghost in another amplifier, too. In 200 simulated frames of four
    amplifiers without crosstalk, of 50 to 20,000 stars a million pixels, nothing was told; slopes and errors alone
    told of something in one of ten.

    Examples
    --------
    >>> random = np.random.default_rng(1)
    >>> a, b = random.normal(0.0, 4.0, (2, 300, 320))
    >>> for y, x in ((40, 60), (150, 90), (220, 250)):
    ...     a[y : y + 6, x : x + 6] += 50000.0
    >>> tops = {"A": 65535.0, "B": 65535.0}
    >>> ghosts_of_frame({"A": a, "B": b}, tops)
    ()
    >>> told = ghosts_of_frame({"A": a, "B": b + 0.001 * a}, tops)
    >>> [(each.source, each.victim, round(each.part, 4)) for each in told]
    [('A', 'B', 0.001)]
    """
    levels = {name: CellLevels(view) for name, view in read.items()}
    told: list[MeasuredCrosstalk] = []
    for source, view in read.items():
        rows, columns = bright_places(view, tops_adu[source], _ENOUGH)
        if rows.size < _FEWEST:
            continue
        found = []
        for victim, values in read.items():
            inside = (rows < values.shape[0]) & (columns < values.shape[1])
            ghost = _Ghost(levels[source], levels[victim], rows[inside], columns[inside], values.shape)
            line = None if victim == source else ghost.slope()
            pair = None if line is None else MeasuredCrosstalk(source, victim, *line, tops_adu[source], None)
            if pair is not None and pair.matters and ghost.is_above_chance(pair.part):
                found.append((pair, ghost))
        told += [pair for pair, ghost in found if len(found) > 1 or ghost.is_left_by_others(pair.part)]
    return tuple(sorted(told, key=lambda each: -abs(each.full_adu)))


class _Ghost:
    """What the victim has where bright pixels of the source were read."""

    def __init__(
        self,
        source: CellLevels,
        victim: CellLevels,
        rows: NDArray[np.intp],
        columns: NDArray[np.intp],
        shape_yx: tuple[int, ...],
    ) -> None:
        self._victim, self._rows, self._columns, self._shape_yx = victim, rows, columns, shape_yx
        self._signal = source.above(rows, columns)
        self._cells = cells_of(rows, columns, shape_yx[1])

    def slope(self, down: int = 0, along: int = 0) -> tuple[float, float] | None:
        """Return part and error, of what stands so many rows and columns away."""
        y, x = self._rows + down, self._columns + along
        inside = (y >= 0) & (y < self._shape_yx[0]) & (x >= 0) & (x < self._shape_yx[1])
        values = self._victim.above(y[inside], x[inside])
        return ghost_slope(self._signal[inside], values, self._cells[inside])

    def is_above_chance(self, part: float) -> bool:
        """Whether there is so much more than elsewhere in the victim."""
        found = [line[0] for away in _AWAY if (line := self.slope(*away)) is not None]
        return len(found) >= _FEWEST_AWAY and abs(part) > _ABOVE_CHANCE * math.sqrt(np.mean(np.square(found)))

    def is_left_by_others(self, part: float) -> bool:
        """Whether the stars leave the same without the brightest of them."""
        numbers = _stars(self._cells, self._shape_yx[1])
        others = numbers != np.bincount(numbers, self._signal**2).argmax()
        values = self._victim.above(self._rows[others], self._columns[others])
        line = ghost_slope(self._signal[others], values, self._cells[others])
        if line is None:
            return False
        return 1.0 / _ALIKE < line[0] / part < _ALIKE and abs(line[0]) > _OTHERS_SURE * line[1]


def _stars(cells: NDArray[np.float64], width: int) -> NDArray[np.intp]:
    """Return a number for each bright pixel that those in cells beside each other have in common."""
    there = np.unique(cells)
    numbers = {float(cell): place for place, cell in enumerate(there)}
    beside = [up * width + along for up in (-1, 0, 1) for along in (-1, 0, 1)]
    changed = True
    while changed:  # the lowest number of a group spreads over it
        before = dict(numbers)
        for cell, own in before.items():
            numbers[cell] = min(numbers.get(cell + step, own) for step in beside)
        changed = numbers != before
    return np.array([numbers[float(cell)] for cell in cells], np.intp)


def ghosts_in(
    pixels: NDArray[Any], regions: Sequence[Region], raw_shape_yx: tuple[int, ...], header: HeaderDraft
) -> tuple[MeasuredCrosstalk, ...]:
    """Return what bright stars of a frame leave in other amplifiers, before anything is divided.

    Parameters
    ----------
    pixels : ndarray, shape (ny, nx)
        The image of a science frame, less the level of each amplifier.
    regions : sequence of Region
        What its amplifiers read.
    raw_shape_yx : tuple of int
        Of the raw frame.
    header : HeaderDraft
        Says where it is saturated.
    """
    read = in_read_order(pixels, regions, raw_shape_yx)
    full = float(header.get("SATADU", TOP_ADU))
    return ghosts_of_frame(read, {each.name: each.saturation_adu or full for each in regions})


def say_ghosts(header: HeaderDraft, ghosts: Sequence[MeasuredCrosstalk]) -> None:
    """Tell the header of the worst of them, where it matters beside the read noise."""
    least = least_crosstalk_adu(header.get("RNOISADU"))
    worth = [each for each in ghosts if abs(each.full_adu) > least]
    for worst in worth[:1]:
        header["XTALK"] = (worst.part, "crosstalk that is left: ADU for each ADU of a bright star")
        header["XTALKERR"] = (worst.error, "its standard error")
        header["XTALKADU"] = (worst.full_adu, "what a full pixel leaves")
        header["XTALKWHO"] = (f"{worst.victim} shows {worst.source}", "amplifiers")
        header["NXTALK"] = (len(worth), "pairs of amplifiers with crosstalk")
