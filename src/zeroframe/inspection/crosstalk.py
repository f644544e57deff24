"""How much of each amplifier's bright stars appears in the others that read at the same moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zeroframe.errors import FrameError
from zeroframe.fits import read_raw
from zeroframe.frames.crosstalk import in_read_order
from zeroframe.frames.ghosts import (
    TOP_ADU,
    CellLevels,
    MeasuredCrosstalk,
    bright_places,
    cells_of,
    ghost_slope,
    least_crosstalk_adu,
)
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

__all__ = ["CrosstalkSeen", "crosstalk_between", "measure_crosstalk"]

#: So many science frames are looked at, spread over those that there are.
_FRAMES = 6


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
        if all(each.limit * each.top_adu <= least_crosstalk_adu(each.noise_adu) for each in self.pairs):
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
    tops = {each.name: each.saturation_adu or TOP_ADU for each in found.detector.amplifiers}
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
