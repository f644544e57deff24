"""Ghosts that bright stars of one frame leave in other amplifiers, told from stars that stand there by chance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.inspection.crosstalk import (
    FEWEST_BRIGHT,
    CellLevels,
    MeasuredCrosstalk,
    bright_places,
    cells_of,
    ghost_slope,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["ghosts_of_frame"]

#: No more bright pixels of an amplifier than about so many.
_MOST = 2_000
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
        rows, columns = bright_places(view, tops_adu[source], _MOST)
        if rows.size < FEWEST_BRIGHT:
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
