"""From frames to what inspection needs of them: edge zones, profiles, a sample of the image."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import FrameError, MemoryLimitError
from zeroframe.fits.failures import attempt
from zeroframe.frames.statistics import quantisation_step
from zeroframe.headers.kinds import Kind
from zeroframe.inspection.gain import BAND_HEIGHT, band_starts
from zeroframe.inspection.profiles import SIDES, Side, clipped_block_means, column_medians, side_view
from zeroframe.records import dataclass
from zeroframe.workers import map_threads, worker_count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zeroframe.inspection.sources import Pixels, Source

__all__ = [
    "LIT",
    "FrameSample",
    "SampleSize",
    "bins_of",
    "cells_of",
    "choose_size",
    "sample_frame",
    "take_samples",
]

#: Kinds of frames that see light. Arcs do, too, but the lines of their spectra have edges of their own.
LIT = (Kind.FLAT, Kind.SCIENCE)
_WIDEST_ZONE = 256
_BANDS = 8
_BINS, _LINES_PER_BIN = 48, 6
_CELLS = 16
#: So many parts of a frame are looked at as whole frames are.
_WHOLE_PARTS = 4
#: So many pixels of a line enter its level at most.
MOST_SAMPLED, _FEWEST_SAMPLED = 256, 96
_FEWEST_LINES_PER_BIN, _FEWEST_BANDS = 8, 2
#: Bytes of working memory, measured: of judging for each pixel of a zone and of a band, of reading for each line.
_JUDGED_ZONE, _JUDGED_BAND, _READ_LINE = 56, 72, 2048


@dataclass(frozen=True, slots=True)
class SampleSize:
    """How much of a frame is kept.

    Attributes
    ----------
    shape_yx : tuple of int
        Shape of the frame.
    lines_per_bin : int
        Of each group of neighbouring lines of a zone the first so many; all lines where a group has no more.
    bands : int
        How many bands of rows at most.
    most_sampled : int
        So many pixels of a line enter its level at most.
    least_depth : int
        Columns (rows) that each zone holds at least, as a strip that a header states may be wider than zones are.
    """

    shape_yx: tuple[int, int]
    lines_per_bin: int
    bands: int
    most_sampled: int = MOST_SAMPLED
    least_depth: int = 0

    @classmethod
    def full(cls, shape_yx: tuple[int, int]) -> SampleSize:
        """Return the size of which nothing is left out."""
        return cls(shape_yx, max(shape_yx), _BANDS)

    def shared_by(self, parts: int) -> SampleSize:
        """Return the size of each of many parts of a frame: fewer pixels of a line, as there are more lines."""
        most = max(self.most_sampled * _WHOLE_PARTS // max(parts, _WHOLE_PARTS), _FEWEST_SAMPLED)
        return replace(self, most_sampled=min(most, self.most_sampled))

    def length(self, side: Side) -> int:
        """Lines of the frame along a side."""
        return self.shape_yx[0] if side in {"left", "right"} else self.shape_yx[1]

    def depth(self, side: Side) -> int:
        """Columns (rows) of the zone of a side."""
        across = self.length("bottom" if side in {"left", "right"} else "left")
        return max(min(_WIDEST_ZONE, across // 3), min(self.least_depth, across // 2), 1)

    def place(self, side: Side, line: int) -> int:
        """Return how many lines of a zone are kept of the first ``line`` ones of the frame."""
        height, bins = _bin_height(self.length(side)), bins_of(self.length(side))
        if self.lines_per_bin >= height:
            return line
        whole, rest = divmod(min(line, bins * height), height)
        return whole * self.lines_per_bin + min(rest, self.lines_per_bin)

    def thinned(self, side: Side, zone: NDArray[Any]) -> NDArray[Any]:
        """Return the lines of a zone that are kept; bins of it are those of the whole zone."""
        height, bins = _bin_height(self.length(side)), bins_of(self.length(side))
        if self.lines_per_bin >= height:
            return np.ascontiguousarray(zone)
        return np.ascontiguousarray(zone[np.flatnonzero(np.arange(bins * height) % height < self.lines_per_bin)])

    def band_starts(self) -> tuple[int, ...]:
        """Return the first row of each band, spread over the frame."""
        return band_starts(self.shape_yx[0], self.bands)

    @property
    def zone_pixels(self) -> dict[Side, int]:
        """Pixels that are kept of each zone."""
        return {side: self.place(side, self.length(side)) * self.depth(side) for side in SIDES}

    @property
    def band_pixels(self) -> int:
        """Pixels of all bands together."""
        return len(self.band_starts()) * min(BAND_HEIGHT, self.shape_yx[0]) * self.shape_yx[1]

    @property
    def is_full(self) -> bool:
        """Whether nothing is left out."""
        return self.bands == _BANDS and all(self.lines_per_bin >= _bin_height(n) for n in self.shape_yx)


def choose_size(
    sources: Sequence[Source], limit_bytes: int, workers: int | None = None, *, least_depth: int = 0
) -> tuple[SampleSize, int]:
    """Choose how much is kept of each frame, and how many are read at once, so that a memory limit holds.

    Parameters
    ----------
    sources : sequence of Source
        At least one; all of one shape.
    limit_bytes : int
        The limit.
    workers : int, optional
        How many threads at most.
    least_depth : int, optional
        Columns (rows) that each zone holds at least.

    Returns
    -------
    size : SampleSize
        Nothing is left out where the limit allows it.
    at_once : int
        How many threads.

    Raises
    ------
    MemoryLimitError
        When even a small sample does not fit.
    """
    value_bytes = max(source.value_bytes for source in sources)
    size = replace(SampleSize.full(sources[0].shape_yx), least_depth=least_depth)
    height = max(map(_bin_height, size.shape_yx))
    whole = [source for source in sources if source.is_whole] or sources
    reading = max(source.read_bytes for source in whole) + _READ_LINE * max(size.shape_yx)
    reading += 2 * value_bytes * max(size.zone_pixels.values())
    while True:
        kept = len(sources) * value_bytes * (sum(size.zone_pixels.values()) + size.band_pixels)
        copies = _JUDGED_BAND + len(sources) * value_bytes
        judging = max(_JUDGED_ZONE * max(size.zone_pixels.values()), copies * size.band_pixels)
        if kept + max(reading, judging) <= limit_bytes:
            return size, min(worker_count(workers), (limit_bytes - kept) // reading)
        height //= 2
        kept_lines, bands = max(height, _FEWEST_LINES_PER_BIN), max(size.bands // 2, _FEWEST_BANDS)
        fewer = replace(size, lines_per_bin=kept_lines, bands=bands)
        if height < 1 or fewer == size:
            ny, nx = size.shape_yx
            # with less no frame can be calibrated, so that less would only be refused later
            needed = max(kept + max(reading, judging), max(source.read_bytes for source in whole) + 8 * ny * nx)
            raise MemoryLimitError(
                f"the memory limit of {limit_bytes / 1e6:.1f} MB does not hold what is looked at to find the overscan; "
                f"raise it to {needed / 1e6 + 1:.0f} MB or more"
            )
        size = fewer


@dataclass(frozen=True, slots=True, eq=False)
class FrameSample:
    """What is kept of one frame.

    Attributes
    ----------
    source : Source
        The frame; its pixels are not held here.
    size : SampleSize
        How much of it is kept.
    zones : mapping of side to ndarray, shape (lines, depth)
        The outer part of each side, column 0 at the edge of the frame.
    medians : mapping of side to ndarray, shape (depth,)
        Median of each column of a zone.
    bands : ndarray, shape (bands, height, nx)
        Some rows, spread over the frame.
    band_rows : tuple of int
        First row of each band, from 0.
    step_adu : float
        Step between its pixels.
    along : mapping of axis to ndarray
        Biases only, shape (bins, cells): level of groups of neighbouring rows in parts of them (axis 1), or of columns
        (axis 0).
    """

    source: Source
    size: SampleSize
    zones: Mapping[Side, NDArray[Any]]
    medians: Mapping[Side, NDArray[np.float64]]
    bands: NDArray[Any]
    band_rows: tuple[int, ...]
    step_adu: float
    along: Mapping[int, NDArray[np.float64]]

    @property
    def kind(self) -> Kind:
        """What the frame is for."""
        return self.source.kind


def sample_frame(source: Source, size: SampleSize) -> FrameSample:
    """Read a frame and keep what is needed of it.

    Parameters
    ----------
    source : Source
        The frame.
    size : SampleSize
        How much.

    Returns
    -------
    FrameSample
        For a frame of 17 MB 8 MB at most.
    """
    pixels = source.read()
    zones: dict[Side, NDArray[Any]] = {}
    medians: dict[Side, NDArray[np.float64]] = {}
    for side in SIDES:
        zone = _zone(pixels, size, side)
        medians[side] = column_medians(zone)
        zones[side] = size.thinned(side, zone)
    starts = size.band_starts()
    height = min(BAND_HEIGHT, size.shape_yx[0])
    bands = np.stack([pixels.part(rows=slice(start, start + height)) for start in starts])
    along = {axis: _levels_along(pixels, size, axis) for axis in (1, 0)} if source.kind is Kind.BIAS else {}
    return FrameSample(source, size, zones, medians, bands, starts, quantisation_step(bands), along)


def _zone(pixels: Pixels, size: SampleSize, side: Side) -> NDArray[Any]:
    """One side of a frame as (along the side, inwards)."""
    depth = size.depth(side)
    outer = slice(depth) if side in {"left", "bottom"} else slice(-depth, None)
    part = pixels.part(columns=outer) if side in {"left", "right"} else pixels.part(rows=outer)
    return side_view(part, side, depth)


def _levels_along(pixels: Pixels, size: SampleSize, axis: int) -> NDArray[np.float64]:
    """Levels of the frame in bins along its rows (axis 1) or columns (axis 0), and in cells along the other axis."""
    lines, columns = size.shape_yx[1 - axis], size.shape_yx[axis]
    step = max(columns // size.most_sampled, 1)
    levels = []
    for cell in cells_of(columns):
        places = slice(cell.start + step // 2, cell.stop, step)
        block = pixels.part(columns=places) if axis == 1 else pixels.part(rows=places).T
        levels.append(clipped_block_means(block, bins_of(lines)))
    return np.stack(levels, axis=1)


def cells_of(columns: int) -> list[slice]:
    """Return the parts of a line whose levels are kept apart, so that those in the image can be chosen later."""
    ends = np.linspace(0, columns, min(_CELLS, columns) + 1).astype(int).tolist()
    return [slice(first, last) for first, last in pairwise(ends)]


def bins_of(lines: int) -> int:
    """Return in how many groups lines are taken together."""
    return max(min(_BINS, lines // _LINES_PER_BIN), 1)


def _bin_height(lines: int) -> int:
    return lines // bins_of(lines)


def take_samples(
    sources: Sequence[Source], size: SampleSize, workers: int | None = None
) -> tuple[list[FrameSample], list[FrameError]]:
    """Read frames on threads.

    Parameters
    ----------
    sources : sequence of Source
        At least one.
    size : SampleSize
        How much of each is kept.
    workers : int, optional
        How many threads.

    Returns
    -------
    samples : list of FrameSample
        In the order of ``sources``.
    problems : list of FrameError
        Why frames are missing among them.

    Raises
    ------
    FrameError
        When no frame can be read.
    """
    taken = map_threads(lambda source: attempt(source.whose, _with_values, source, size), sources, workers)
    samples = [one for one in taken if isinstance(one, FrameSample)]
    problems = [one for one in taken if isinstance(one, FrameError)]
    if not samples:
        raise problems[0]
    return samples, problems


def _with_values(source: Source, size: SampleSize) -> FrameSample:
    pixels = source.read()
    if pixels.is_empty:
        raise FrameError(source.whose, "none of its pixels has a value", "move it away, or take it again")
    return replace(sample_frame(replace(source, pixels=pixels), size), source=source)
