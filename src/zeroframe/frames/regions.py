"""The regions of a frame: one for each amplifier that read it, and how they become one image of the detector.

Above this room everybody sees one assembled array a detector. A frame that was read by one amplifier is the simplest
case: its region is the whole frame, and the image that is made is what is kept of it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zeroframe.errors import SectionError
from zeroframe.frames.overscan import FrameLevels, OverscanSpec, collapse_axis, frame_levels
from zeroframe.headers.sections import WHOLE, AxisRange, Section
from zeroframe.kernels.raw import Part
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from zeroframe.headers.colours import ColourPattern
    from zeroframe.headers.detectors import Amplifier

    PartOf = Callable[[Any, Any], NDArray[Any]]

__all__ = ["Region", "Subtracted", "assembled_shape", "overlap_words", "region_levels", "region_of", "require_apart"]


def _count(places: range) -> int:
    """Return how many places there are: len() takes no more than a header of 63 bits may ask for."""
    return max((places.stop - places.start) // places.step, 0) if abs(places.step) == 1 else len(places)


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
            min(rows[0], rows[-1]), min(columns[0], columns[-1]), _count(rows), _count(columns),
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
        rows, columns = (WHOLE if self.trim is None else self.trim).slices_yx(shape_yx)
        return range(shape_yx[0])[rows], range(shape_yx[1])[columns]

    def colours_of(self, raw: ColourPattern, shape_yx: tuple[int, ...]) -> ColourPattern:
        """Return the colour pattern of the assembled image, by this part of it.

        Parameters
        ----------
        raw : ColourPattern
            Of the raw frame.
        shape_yx : tuple of int
            Its shape.
        """
        part = self.part(shape_yx)
        y0 = part.y0 + part.ny - 1 if part.flip_y else part.y0
        x0 = part.x0 + part.nx - 1 if part.flip_x else part.x0
        return raw.moved(y0 + part.to_y, x0 + part.to_x)

    def place_yx(self, shape_yx: tuple[int, ...]) -> tuple[slice, slice]:
        """Return where the assembled image holds it, as slices."""
        part = self.part(shape_yx)
        return slice(part.to_y, part.to_y + part.ny), slice(part.to_x, part.to_x + part.nx)


def region_of(amplifier: Amplifier) -> Region:
    """Return what is done to the pixels of an amplifier, as it is known.

    Parameters
    ----------
    amplifier : Amplifier
        Whose sections are numbers.
    """
    overscan = parallel = None
    if amplifier.overscan is not None:
        overscan = OverscanSpec(amplifier.overscan, amplifier.overscan_axis, amplifier.overscan_method)
    if amplifier.parallel_overscan is not None:
        across: Literal[0, 1] = 0 if amplifier.overscan_axis == 1 else 1
        parallel = OverscanSpec(amplifier.parallel_overscan, across, amplifier.overscan_method)
    return Region(
        overscan, amplifier.trim, parallel, amplifier.place, amplifier.name,
        amplifier.gain_e_per_adu, amplifier.read_noise_e, amplifier.saturation_adu,
    )  # fmt: skip


def overlap_words(overscan: Section, trim: Section) -> str:
    """Say that a part of an overscan is kept as image, too: light is in it, and falsifies the level.

    Parameters
    ----------
    overscan, trim : Section
        A trim that holds all of the overscan cuts nothing of it away, and tells nothing.

    Returns
    -------
    str
        Empty where they have nothing in common.

    Examples
    --------
    >>> overlap_words(Section.parse("[160:179,:]"), Section.parse("[1:160,:]"))
    'overscan [160:179,:] and trim [1:160,:] have [160:160,:] in common: a pixel is either image or overscan'
    """
    common = overscan.shared_in_part(trim)
    if common is None:
        return ""
    return f"overscan {overscan} and trim {trim} have {common} in common: a pixel is either image or overscan"


def require_apart(overscan: Section, trim: Section) -> None:
    """Raise `SectionError` where a part of an overscan is kept as image, as `overlap_words` tells."""
    said = overlap_words(overscan, trim)
    if said:
        raise SectionError(f"{said}; change one of them")


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


@dataclass(frozen=True, slots=True)
class Subtracted:
    """What of its overscans was subtracted from a frame, all its regions together.

    Attributes
    ----------
    mean_adu : float
        Mean level, of several regions by the pixels that they keep.
    error_adu : float
        The largest noise of a level that all pixels of a row (or column) share; NaN where it cannot be told.
    smoothed_lines : int
        Over at least so many rows (columns) levels were averaged; 1: they were not.
    remarks : tuple of str
        What was odd about a strip.
    pixels : int
        How many are kept.
    levels_adu : tuple of float
        Mean level of each region, in their order; NaN of one that was not read.
    constant : tuple of str
        Names of those of which all pixels have one value: they were not read, and their pixels have none.
    """

    mean_adu: float = 0.0
    error_adu: float = 0.0
    smoothed_lines: int = 1
    remarks: tuple[str, ...] = ()
    pixels: int = 0
    levels_adu: tuple[float, ...] = ()
    constant: tuple[str, ...] = ()

    def and_of(self, levels: FrameLevels, pixels: int, name: str) -> Subtracted:
        """Return the same with those of one more region; ``pixels`` are kept of it."""
        whole = self.pixels + pixels
        remarks = tuple(f"amplifier {name}: {remark}" if name else remark for remark in levels.remarks)
        return Subtracted(
            # a running mean: of one region, its level to the bit
            self.mean_adu + (levels.mean_adu - self.mean_adu) * (pixels / whole),
            float(np.maximum(self.error_adu, levels.error_adu)),
            min(self.smoothed_lines, levels.smoothed_lines) if self.pixels else levels.smoothed_lines,
            (*self.remarks, *remarks),
            whole,
            (*self.levels_adu, levels.mean_adu),
            self.constant,
        )

    def and_constant(self, name: str, value: float) -> Subtracted:
        """Return the same with one more region, of which all pixels have a value."""
        remark = f"amplifier {name}: all of its pixels are {value:.10g}: it was not read, and is masked"
        return replace(
            self,
            remarks=(*self.remarks, remark),
            levels_adu=(*self.levels_adu, float("nan")),
            constant=(*self.constant, name),
        )


def region_levels(part_of: PartOf, region: Region, shape_yx: tuple[int, int]) -> FrameLevels:
    """Return the levels of a region, each amplifier's from its own overscan.

    Parameters
    ----------
    part_of : callable
        Returns the decoded pixels of some rows and columns of the raw frame: slices, or the numbers of one of them.
    region : Region
        What the amplifier read.
    shape_yx : tuple of int
        Of the raw frame.

    Returns
    -------
    FrameLevels
        For each row and each column of the raw frame; zero where the region has none.

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
    levels = FrameLevels(np.zeros(shape_yx[0]), np.zeros(shape_yx[1]))
    mean = 0.0
    for spec in region.overscans:
        axis = collapse_axis(spec, shape_yx)
        lines = _lines(region, spec, axis, shape_yx)
        section = _between(spec.section, 1 - axis, lines, shape_yx)
        slices = section.slices_yx(shape_yx)
        strip = part_of(*slices)
        if spec is region.parallel:
            strip = strip - (levels.row_adu[slices[0], np.newaxis] + levels.column_adu[np.newaxis, slices[1]])
        here = [(0, n) for n in shape_yx]
        here[1 - axis] = (lines.start, lines.stop)
        (y0, y1), (x0, x1) = here
        moved = replace(spec, section=section.shift(-x0, -y0), axis=axis)
        image_lines = _image_lines(part_of, region, axis, lines.start, shape_yx)
        found = frame_levels(strip, moved, (y1 - y0, x1 - x0), image_lines, first_line=lines.start)
        levels.row_adu[y0:y1] += found.row_adu
        levels.column_adu[x0:x1] += found.column_adu
        mean += found.mean_adu
        levels = replace(
            levels,
            error_adu=float(np.hypot(levels.error_adu, found.error_adu)),
            smoothed_lines=max(levels.smoothed_lines, found.smoothed_lines),
            remarks=(*levels.remarks, *found.remarks),
        )
    return replace(levels, mean_adu=mean)


def _image_lines(
    part_of: PartOf, region: Region, axis: Literal[0, 1], first: int, shape_yx: tuple[int, int]
) -> Callable[[NDArray[np.int_]], NDArray[Any]]:
    """Return what hands out the pixels of a region's image in some rows (or columns, of ``axis`` 0)."""
    kept = region.kept(shape_yx)[axis]
    across = slice(min(kept[0], kept[-1]), max(kept[0], kept[-1]) + 1)

    def image_lines(numbers: NDArray[np.int_]) -> NDArray[Any]:
        if axis == 1:
            return part_of(numbers + first, across)
        return part_of(across, numbers + first).T

    return image_lines


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
