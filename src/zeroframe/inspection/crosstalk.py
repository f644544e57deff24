"""How much of each amplifier's bright stars appears in the others that read at the same moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zeroframe.errors import FrameError
from zeroframe.fits import read_raw
from zeroframe.frames.crosstalk import in_read_order
from zeroframe.frames.numbers import number
from zeroframe.frames.raw import calibrate_pixels
from zeroframe.frames.regions import region_of
from zeroframe.frames.steps import FrameRecipe
from zeroframe.headers.detectors import Crosstalk
from zeroframe.headers.kinds import Kind
from zeroframe.inspection.sources import source_of
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from zeroframe.headers.geometry import FoundDetector
    from zeroframe.headers.survey import RawFrame

__all__ = [
    "FEWEST_BRIGHT",
    "CellLevels",
    "CrosstalkSeen",
    "MeasuredCrosstalk",
    "bright_places",
    "cells_of",
    "crosstalk_between",
    "ghost_slope",
    "measure_crosstalk",
]

#: So many science frames are looked at, spread over those that there are.
_FRAMES = 6
#: A pixel is bright from this part on of the largest number that two bytes hold; fewer in all frames say nothing.
_BRIGHT, FEWEST_BRIGHT, _TOP_ADU = 0.15, 30, 65535.0
#: No more of them than so many are taken of a frame.
_MOST = 20_000
#: They are looked for in so many rows at a time.
_ROWS = 256
#: The background of a victim is the median of cells of so many pixels.
_CELL = 32
#: What deviates by so many sigmas is a star of the victim itself.
_CLIP, _ROUNDS = 4.0, 10
#: Crosstalk matters where it is so many of its errors, and leaves of a full pixel this part of the read noise.
_SURE, _OF_NOISE = 5.0, 0.5


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
        return abs(self.part) > _SURE * self.error and abs(self.full_adu) > _least_adu(self.noise_adu)

    @property
    def limit(self) -> float:
        """What it is no more than, by three of its errors."""
        return abs(self.part) + 3.0 * self.error


@dataclass(frozen=True, slots=True)
class CrosstalkSeen:
    """What the bright stars of a detector tell.

    Attributes
    ----------
    pairs : tuple of MeasuredCrosstalk
        Of each source bright enough to tell something, and each other amplifier.
    frames : int
        How many science frames were looked at.
    """

    pairs: tuple[MeasuredCrosstalk, ...]
    frames: int

    @property
    def to_take_out(self) -> tuple[Crosstalk, ...]:
        """Return what matters, as a camera file has it."""
        return tuple(
            Crosstalk(each.source, each.victim, float(f"{each.part:.4g}")) for each in self.pairs if each.matters
        )

    def _no_more_than(self) -> str:
        most = max(self.pairs, key=lambda each: each.limit)
        told = f"crosstalk: no more than {most.limit:.1e} in any of the {len(self.pairs)} pairs that bright stars tell"
        if all(each.limit * each.top_adu <= _least_adu(each.noise_adu) for each in self.pairs):
            return f"{told}; it does not matter"
        left = number(most.limit * most.top_adu, 2)
        return f"{told}; a full pixel would leave {left} ADU: brighter stars would tell more"

    @property
    def sentences(self) -> tuple[str, ...]:
        """Say what was found, the worst first, and whether it matters."""
        if not self.pairs:
            return (f"crosstalk: no star is bright enough to tell, in {self.frames} science frames",)
        worst = sorted((each for each in self.pairs if each.matters), key=lambda each: -abs(each.full_adu))
        if not worst:
            return (self._no_more_than(),)
        told = [
            f"crosstalk: amplifier {each.victim} shows {number(each.part, 3)} ± {number(each.error, 1)} of "
            f"{each.source}; a full pixel leaves {number(each.full_adu, 3)} ADU{_noises(each)}"
            for each in worst
        ]
        return (*told, "crosstalk matters: --write puts it into a camera file, by which it is taken out")


def _least_adu(noise_adu: float | None) -> float:
    """Return what a full pixel may leave without that it matters."""
    return _OF_NOISE * (1.0 if noise_adu is None else noise_adu)


def _noises(each: MeasuredCrosstalk) -> str:
    return "" if each.noise_adu is None else f", {number(abs(each.full_adu) / each.noise_adu, 2)} times the read noise"


def measure_crosstalk(
    items: Sequence[RawFrame], found: FoundDetector, noises_adu: Mapping[str, float]
) -> CrosstalkSeen:
    """Measure it on science frames of one detector.

    Parameters
    ----------
    items : sequence of RawFrame
        Frames of that detector, of any kind.
    found : FoundDetector
        With the sections that the pixels have.
    noises_adu : mapping of str to float
        Read noise of each amplifier that is known.

    Returns
    -------
    CrosstalkSeen

    Notes
    -----
    A frame at a time is held in memory. One that cannot be read is passed over; it is named when it is calibrated.
    """
    sources = [source for source in map(source_of, items) if source is not None and source.kind is Kind.SCIENCE]
    chosen = sources[:: max(len(sources) // _FRAMES, 1)][:_FRAMES]
    shape = items[0].shape_yx or (0, 0)
    regions = tuple(region_of(each) for each in found.detector.placed(shape).amplifiers)
    recipe = FrameRecipe(regions)
    tops = {each.name: each.saturation_adu or _TOP_ADU for each in found.detector.amplifiers}
    looked: list[Path | str] = []

    def read() -> Iterator[Mapping[str, NDArray[Any]]]:
        for source in chosen:
            try:
                pixels = _assembled(source.whose, recipe)
            except FrameError:
                continue
            looked.append(source.whose)
            yield in_read_order(pixels, regions, shape)

    return CrosstalkSeen(crosstalk_between(read(), tops, noises_adu), len(looked))


def _assembled(path: str | Path, recipe: FrameRecipe) -> NDArray[Any]:
    raw = read_raw(path)
    pixels: NDArray[Any] = np.empty(recipe.shape_yx(raw.layout.shape_yx), np.float32)
    calibrate_pixels(raw, recipe, pixels)
    return pixels


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


#: Of one pair of amplifiers: what bright pixels of the source hold, what the victim has there, and in which cells.
_Points = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def _bright_points(read: Mapping[str, NDArray[Any]], tops_adu: Mapping[str, float]) -> dict[tuple[str, str], _Points]:
    """Return what the bright pixels of each amplifier stand against in the others, by source and victim."""
    levels = {name: CellLevels(view) for name, view in read.items()}
    found = {}
    for source, view in read.items():
        rows, columns = bright_places(view, tops_adu[source])
        for victim, values in read.items():
            if victim == source or not rows.size:
                continue
            inside = (rows < values.shape[0]) & (columns < values.shape[1])
            y, x = rows[inside], columns[inside]
            # less their backgrounds both: what the sky leaves is background, too
            cells = cells_of(y, x, values.shape[1])
            found[source, victim] = levels[source].above(y, x), levels[victim].above(y, x), cells
    return found


def crosstalk_between(
    frames: Iterable[Mapping[str, NDArray[Any]]], tops_adu: Mapping[str, float], noises_adu: Mapping[str, float]
) -> tuple[MeasuredCrosstalk, ...]:
    """Return what the bright pixels of each amplifier leave in the others: the slope of a line through the origin.

    Parameters
    ----------
    frames : iterable of mapping of str to ndarray
        Of each frame, what each amplifier read in the order in which it did, less its level.
    tops_adu, noises_adu : mapping of str to float
        Where each amplifier is full, and its read noise where that is known.

    Examples
    --------
    >>> random = np.random.default_rng(1)
    >>> a, b = random.normal(0.0, 4.0, (2, 100, 120))
    >>> a[20:30, 40:50] += 50000.0
    >>> b += 0.001 * a
    >>> found = crosstalk_between([{"A": a, "B": b}], {"A": 65535.0, "B": 65535.0}, {})
    >>> [(each.source, each.victim, round(each.part, 4), each.matters) for each in found]
    [('A', 'B', 0.001, True)]
    """
    points: dict[tuple[str, str], list[_Points]] = {}
    for read in frames:
        for pair, some in _bright_points(read, tops_adu).items():
            points.setdefault(pair, []).append(some)
    found = []
    for (source, victim), parts in points.items():
        line = ghost_slope(*(np.concatenate(each) for each in zip(*parts, strict=True)))
        if line is not None:
            found.append(MeasuredCrosstalk(source, victim, *line, tops_adu[source], noises_adu.get(victim)))
    return tuple(found)


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
    if signal.size < FEWEST_BRIGHT:
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
        if np.count_nonzero(now) < FEWEST_BRIGHT:
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
