"""The regions of a frame: one for each amplifier that read it, and how they become one image of the detector.

Above this room everybody sees one assembled array a detector. A frame that was read by one amplifier is the simplest
case: its region is the whole frame, and the image that is made is what is kept of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zeroframe.errors import SectionError
from zeroframe.frames.overscan import collapse_axis, frame_levels
from zeroframe.headers.sections import AxisRange, Section
from zeroframe.kernels.raw import Part

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from zeroframe.frames.overscan import OverscanSpec

__all__ = ["Levels", "Region", "assembled_shape", "region_levels"]

_WHOLE = Section.parse("[*,*]")


@dataclass(frozen=True, slots=True)
class Region:
    """What one amplifier read of a frame, and what becomes of it.

    Parameters
    ----------
    overscan : OverscanSpec, optional
        How its overscan is subtracted; None: it is not.
    trim : Section, optional
        The pixels that saw light, which are kept; None: the whole frame. An axis that is read backwards is turned.
    parallel : OverscanSpec, optional
        A second overscan, across the first: its levels are taken when those of the first have been subtracted.
    place : Section, optional
        Where they stand in the assembled image; None: they are that image. An axis that is read backwards is turned.
    name : str
        Of the amplifier; empty where there is only one.
    gain_e_per_adu, read_noise_e, saturation_adu : float, optional
        Its own, where the frame has several regions; else they are those of the frame.
    """

    overscan: OverscanSpec | None = None
    trim: Section | None = None
    parallel: OverscanSpec | None = None
    place: Section | None = None
    name: str = ""
    gain_e_per_adu: float | None = None
    read_noise_e: float | None = None
    saturation_adu: float | None = None

    @property
    def overscans(self) -> tuple[OverscanSpec, ...]:
        """Those that are subtracted, in order."""
        return tuple(spec for spec in (self.overscan, self.parallel) if spec is not None)

    def part(self, shape_yx: tuple[int, ...]) -> Part:
        """Return which pixels of a raw frame are kept, and where they go, as kernels take it.

        Parameters
        ----------
        shape_yx : tuple of int
            Of the raw frame.

        Raises
        ------
        SectionError
            When a section lies outside the frame, or the place has another size.

        Examples
        --------
        >>> Region(trim=Section.parse("[3:8,*]"), place=Section.parse("[12:7,1:5]")).part((5, 20))
        Part(y0=0, x0=2, ny=5, nx=6, to_y=0, to_x=6, flip_y=False, flip_x=True)
        """
        rows, columns = self.kept(shape_yx)
        part = Part(
            min(rows[0], rows[-1]), min(columns[0], columns[-1]), len(rows), len(columns),
            flip_y=rows.step < 0, flip_x=columns.step < 0,
        )  # fmt: skip
        if self.place is None:
            return part
        (left, right), (low, high) = (each.ends() for each in self.place.ranges)
        if (abs(high - low) + 1, abs(right - left) + 1) != (part.ny, part.nx):
            raise SectionError(f"the section {self.trim} cannot be put at {self.place}, which has another size")
        return part._replace(
            to_y=min(low, high) - 1,
            to_x=min(left, right) - 1,
            flip_y=part.flip_y != (low > high),
            flip_x=part.flip_x != (left > right),
        )

    def kept(self, shape_yx: tuple[int, ...]) -> tuple[range, range]:
        """Return the rows and columns of a raw frame that are kept, in the order in which they are read.

        Examples
        --------
        >>> Region(trim=Section.parse("[3:1,*]")).kept((2, 4))
        (range(0, 2), range(2, -1, -1))
        """
        rows, columns = (_WHOLE if self.trim is None else self.trim).slices_yx(shape_yx)
        return range(shape_yx[0])[rows], range(shape_yx[1])[columns]

    def place_yx(self, shape_yx: tuple[int, ...]) -> tuple[slice, slice]:
        """Return where the assembled image holds it, as slices."""
        part = self.part(shape_yx)
        return slice(part.to_y, part.to_y + part.ny), slice(part.to_x, part.to_x + part.nx)


@lru_cache(maxsize=256)  # asked for each of thousands of frames while a night is planned: 1 instead of 60 us
def assembled_shape(regions: tuple[Region, ...], shape_yx: tuple[int, ...]) -> tuple[int, int]:
    """Return the shape of the image that regions of a raw frame become.

    Examples
    --------
    >>> halves = tuple(Region(trim=Section.parse(f"[{a}:{a + 9},*]"), place=Section.parse(f"[{b}:{b + 9},1:4]"))
    ...                for a, b in ((1, 1), (15, 11)))
    >>> assembled_shape(halves, (4, 24)), assembled_shape((Region(),), (4, 24))
    ((4, 20), (4, 24))
    """
    ends = [(rows.stop, columns.stop) for rows, columns in (region.place_yx(shape_yx) for region in regions)]
    return max(y for y, _ in ends), max(x for _, x in ends)


@dataclass(frozen=True, eq=False)
class Levels:
    """What is subtracted from a region of a raw frame.

    Attributes
    ----------
    rows, columns : ndarray of float64, shapes (ny,) and (nx,)
        From each row and each column of the raw frame; zero where the region has none.
    mean : float
        Their mean level.
    """

    rows: NDArray[np.float64]
    columns: NDArray[np.float64]
    mean: float


def region_levels(
    strip_of: Callable[[tuple[slice, ...]], NDArray[Any]], region: Region, shape_yx: tuple[int, int]
) -> Levels:
    """Return the levels of a region, each amplifier's from its own overscan.

    Parameters
    ----------
    strip_of : callable
        Returns the decoded pixels of a part of the raw frame.
    region : Region
        What the amplifier read.
    shape_yx : tuple of int
        Of the raw frame.

    Raises
    ------
    SectionError
        When an overscan covers less than nine tenths of the lines that it is to give a level.
    UsageError
        When no pixel of an overscan is valid.

    Notes
    -----
    The lines that need a level are those that are kept; of the first overscan also those of the second one. Where the
    frame has one region, the first overscan gives every line of the frame a level.
    """
    levels = Levels(np.zeros(shape_yx[0]), np.zeros(shape_yx[1]), 0.0)
    for spec in region.overscans:
        axis = collapse_axis(spec, shape_yx)
        lines = _lines(region, spec, axis, shape_yx)
        section = _between(spec.section, 1 - axis, lines, shape_yx)
        slices = section.slices_yx(shape_yx)
        strip = strip_of(slices)
        if spec is region.parallel:
            strip = strip - (levels.rows[slices[0], np.newaxis] + levels.columns[np.newaxis, slices[1]])
        here = [(0, n) for n in shape_yx]
        here[1 - axis] = (lines.start, lines.stop)
        (y0, y1), (x0, x1) = here
        moved = replace(spec, section=section.shift(-x0, -y0), axis=axis)
        rows, columns = frame_levels(strip, moved, (y1 - y0, x1 - x0))
        levels.rows[y0:y1] += rows
        levels.columns[x0:x1] += columns
        levels = replace(levels, mean=levels.mean + float(rows.mean() + columns.mean()))
    return levels


def _lines(region: Region, spec: OverscanSpec, axis: Literal[0, 1], shape_yx: tuple[int, int]) -> range:
    """Return the rows (or columns, of ``axis`` 0) that are given a level."""
    if spec is region.overscan and region.place is None:
        return range(shape_yx[1 - axis])
    found = [region.kept(shape_yx)[1 - axis]]
    if spec is region.overscan and region.parallel is not None:
        found.append(range(shape_yx[1 - axis])[region.parallel.section.slices_yx(shape_yx)[1 - axis]])
    return range(min(min(each) for each in found), max(max(each) for each in found) + 1)


def _between(section: Section, axis: int, lines: range, shape_yx: tuple[int, int]) -> Section:
    """Return what a section has in common with some rows (``axis`` 0) or columns."""
    ranges = list(section.resolve(shape_yx).ranges)
    first, last = ranges[1 - axis].ends()
    low, high = max(min(first, last), lines.start + 1), min(max(first, last), lines.stop)
    if low > high:
        raise SectionError(f"the overscan {section} does not stand beside the pixels that it is to give a level")
    ranges[1 - axis] = AxisRange(high, low) if first > last else AxisRange(low, high)
    return Section(tuple(ranges))
