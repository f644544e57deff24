"""Rectangles of pixels, as FITS writes them and as numpy cuts them.

This is the only place where FITS' 1-based, inclusive ``[x1:x2,y1:y2]`` meets numpy's 0-based, half-open ``[y, x]``.
The notation is that of IRAF image sections (``help imcopy`` in IRAF), without steps.
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING

from zeroframe.errors import SectionError
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["WHOLE", "AxisRange", "Section", "size_words"]

_BRACKETED = re.compile(r"\s*\[([^\[\]]*)\]\s*")
# Nine digits: no sensor is larger, and a number of any length must not cost time.
_RANGE = re.compile(r"\s*(?P<first>[0-9]{1,9})?\s*(?P<colon>:)?\s*(?P<last>[0-9]{1,9})?\s*")
_SHAPE_OF_IT = "write it as '[x1:x2,y1:y2]', for example '[2056:2080,1:4128]' or '[1:2048,:]'"


@dataclass(frozen=True, slots=True)
class AxisRange:
    """Pixels `first` to `last` of one axis, as written.

    Parameters
    ----------
    first, last : int or None
        1-based and inclusive; None is the end of the axis. ``first > last`` reads the pixels backwards.
    reverse : bool, optional
        The whole axis backwards (``-*``); only where both ends are open.

    Raises
    ------
    SectionError
        If an end is smaller than 1, or `reverse` is set beside an end.

    Examples
    --------
    >>> str(AxisRange(2056, 2080)), str(AxisRange(None, None)), AxisRange(9, 3).flipped
    ('2056:2080', ':', True)
    """

    first: int | None
    last: int | None
    reverse: bool = False

    def __post_init__(self) -> None:
        for end in (self.first, self.last):
            if end is not None and end < 1:
                raise SectionError(f"pixel {end} cannot be part of a section: FITS counts pixels from 1")
        if self.reverse and not (self.first is None and self.last is None):
            raise SectionError("'reverse' means the whole axis backwards; write first > last to flip a part of it")

    @property
    def resolved(self) -> bool:
        """Whether both ends are numbers."""
        return self.first is not None and self.last is not None

    @property
    def flipped(self) -> bool:
        """Whether the pixels are read backwards."""
        return self.reverse or (self.first is not None and self.last is not None and self.first > self.last)

    @classmethod
    def parse(cls, text: str) -> AxisRange:
        """Read one axis of a section; `Section.parse` explains the notation."""
        word = text.strip()
        if word in {"*", "-*"}:
            return cls(None, None, reverse=word == "-*")
        match = _RANGE.fullmatch(text)
        if match is None or not word:
            raise SectionError(f"'{word}' is not a range of pixels")
        first, last = (None if match[end] is None else int(match[end]) for end in ("first", "last"))
        if match["colon"] is None:
            if first is None or last is not None:
                raise SectionError(f"'{word}' is not a range of pixels")
            last = first
        return cls(first, last)

    def ends(self) -> tuple[int, int]:
        """Return `first` and `last` of a resolved range."""
        if self.first is None or self.last is None:
            raise SectionError(f"the range '{self}' has an open end; resolve the section with the image's shape first")
        return self.first, self.last

    def map_ends(self, convert: Callable[[int, int], tuple[int, int]]) -> AxisRange:
        """Return the range that `convert` makes of the lowest and the highest pixel; the direction is kept."""
        first, last = self.ends()
        low, high = convert(min(first, last), max(first, last))
        return AxisRange(high, low) if first > last else AxisRange(low, high)

    def __str__(self) -> str:
        if self.reverse:
            return "-*"
        return f"{'' if self.first is None else self.first}:{'' if self.last is None else self.last}"


def _whole_ends(part: AxisRange) -> tuple[float, float]:
    """Return the lowest and the highest pixel, of an open end infinity."""
    ends = (1 if part.first is None else part.first, inf if part.last is None else part.last)
    return min(ends), max(ends)


@dataclass(frozen=True, slots=True)
class Section:
    """A rectangle of pixels (or its like in one or more than two dimensions).

    Parameters
    ----------
    ranges : tuple of AxisRange
        One for each axis in FITS order: x (NAXIS1) first.

    Examples
    --------
    >>> overscan = Section.parse("[2056:2080, 1:4128]")
    >>> overscan.slices_yx((4128, 2080))
    (slice(0, 4128, None), slice(2055, 2080, None))
    >>> overscan.shape_yx((4128, 2080))
    (4128, 25)
    >>> str(overscan.bin(2, 2))
    '[1029:1040,1:2064]'
    """

    ranges: tuple[AxisRange, ...]

    def __repr__(self) -> str:
        return f"Section.parse('{self}')"

    def __post_init__(self) -> None:
        if not self.ranges:
            raise SectionError(f"a section needs at least one axis; {_SHAPE_OF_IT}")

    @classmethod
    @lru_cache(maxsize=1024)  # frames of a camera have the same few
    def parse(cls, text: str) -> Section:
        """Read a section as FITS headers and observers write it.

        Parameters
        ----------
        text : str
            ``[x1:x2,y1:y2]``, 1-based and inclusive. ``*`` or ``:`` is the whole axis, ``-*`` the whole axis backwards,
            one number that one column or row, a missing end (``[5:,:10]``) the edge of the image, ``a:b`` with
            ``a > b`` the pixels backwards. Spaces do not matter.

        Returns
        -------
        Section

        Raises
        ------
        SectionError
            If the text is not a section, or has a step.

        Examples
        --------
        >>> str(Section.parse("[   4:  13,   1: 520]"))
        '[4:13,1:520]'
        >>> Section.parse("[1:10:2,*]")
        Traceback (most recent call last):
        zeroframe.errors.SectionError: the section '[1:10:2,*]' has a step (1:10:2); every pixel of ...
        """
        bracketed = _BRACKETED.fullmatch(text)
        if bracketed is None:
            raise SectionError(f"'{text}' is not a section: it needs square brackets; {_SHAPE_OF_IT}")
        parts = bracketed[1].split(",")
        for part in parts:
            if part.count(":") > 1:
                raise SectionError(
                    f"the section '{text}' has a step ({part.strip()}); every pixel of a section is used, "
                    "so leave the step out"
                )
        try:
            return cls(tuple(AxisRange.parse(part) for part in parts))
        except SectionError as error:
            raise SectionError(f"'{text}' is not a section: {error}; {_SHAPE_OF_IT}") from None

    @classmethod
    def from_slices(cls, slices_yx: tuple[slice, ...], shape_yx: tuple[int, ...]) -> Section:
        """Return the section that numpy slices cut out of an image.

        Parameters
        ----------
        slices_yx : tuple of slice
            In numpy order, with steps of 1 or -1; axes that are left out at the end are taken whole.
        shape_yx : tuple of int
            Shape of the image.

        Returns
        -------
        Section
            Resolved.

        Raises
        ------
        SectionError
            If a slice is empty or has another step, or if there are more slices than axes.

        Examples
        --------
        >>> str(Section.from_slices((slice(None), slice(2055, None)), (4128, 2080)))
        '[2056:2080,1:4128]'
        """
        if len(slices_yx) > len(shape_yx):
            raise SectionError(f"{len(slices_yx)} slices do not fit an image of {_size(shape_yx)}")
        missing = (slice(None),) * (len(shape_yx) - len(slices_yx))
        ranges = [_range_of(part, n) for part, n in zip((*slices_yx, *missing), shape_yx, strict=True)]
        return cls(tuple(reversed(ranges)))

    @property
    def resolved(self) -> bool:
        """Whether every end is a number."""
        return all(part.resolved for part in self.ranges)

    @property
    def flipped(self) -> bool:
        """Whether any axis is read backwards."""
        return any(part.flipped for part in self.ranges)

    def forwards(self) -> Section:
        """Return the same rectangle, read forwards along each axis.

        Examples
        --------
        >>> Section.parse("[112:101,-*]").forwards()
        Section.parse('[101:112,:]')
        """
        return Section(tuple(AxisRange(part.last, part.first) if part.flipped else part for part in self.ranges))

    def resolve(self, shape_yx: tuple[int, ...]) -> Section:
        """Return the same section with every end a number, checked against the image.

        Parameters
        ----------
        shape_yx : tuple of int
            Shape of the image.

        Returns
        -------
        Section

        Raises
        ------
        SectionError
            If the section has another number of axes than the image, or lies outside it in part or whole.

        Examples
        --------
        >>> str(Section.parse("[*,5]").resolve((10, 20)))
        '[1:20,5:5]'
        """
        if len(self.ranges) != len(shape_yx):
            raise SectionError(
                f"the section {self} has {len(self.ranges)} {_plural('axis', 'axes', len(self.ranges))}, "
                f"but the image has {len(shape_yx)}: {_size(shape_yx)}"
            )
        ranges = []
        for part, n, axis in zip(self.ranges, reversed(shape_yx), _axis_names(len(shape_yx)), strict=True):
            first, last = (n, 1) if part.reverse else (part.first or 1, n if part.last is None else part.last)
            if part.last is None and not part.reverse and first > n:
                last = first
            if max(first, last) > n:
                raise SectionError(
                    f"the section {self} does not fit: {axis} = {max(first, last)} lies outside the image of "
                    f"{_size(shape_yx)}"
                )
            ranges.append(AxisRange(first, last))
        return Section(tuple(ranges))

    def slices_yx(self, shape_yx: tuple[int, ...]) -> tuple[slice, ...]:
        """Return the numpy slices that cut the section out of an image.

        Parameters
        ----------
        shape_yx : tuple of int
            Shape of the image.

        Returns
        -------
        tuple of slice
            In numpy order; an axis that is read backwards has the step -1.

        Raises
        ------
        SectionError
            As `resolve`.

        Examples
        --------
        >>> Section.parse("[3:1,:]").slices_yx((2, 5))
        (slice(0, 2, None), slice(2, None, -1))
        """
        return tuple(_slice_of(*part.ends()) for part in reversed(self.resolve(shape_yx).ranges))

    def shape_yx(self, image_shape_yx: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of what the section cuts out of an image of that shape; raises as `resolve`."""
        ends = [part.ends() for part in reversed(self.resolve(image_shape_yx).ranges)]
        return tuple(abs(last - first) + 1 for first, last in ends)

    def intersect(self, other: Section) -> Section | None:
        """Return the pixels that both sections hold.

        Parameters
        ----------
        other : Section
            With as many axes; neither section may have open ends or be read backwards.

        Returns
        -------
        Section or None
            None where they have no pixel in common.

        Raises
        ------
        SectionError
            If an end is open, a range is read backwards, or the numbers of axes differ.

        Examples
        --------
        >>> str(Section.parse("[1:10,1:5]").intersect(Section.parse("[8:20,2:9]")))
        '[8:10,2:5]'
        """
        self._check_count(len(other.ranges), f"the section {other} has")
        ranges = []
        for mine, theirs in zip(self.ranges, other.ranges, strict=True):
            if mine.flipped or theirs.flipped:
                raise SectionError(f"{self} and {other} cannot be intersected: one of them is read backwards")
            (first_a, last_a), (first_b, last_b) = mine.ends(), theirs.ends()
            first, last = max(first_a, first_b), min(last_a, last_b)
            if first > last:
                return None
            ranges.append(AxisRange(first, last))
        return Section(tuple(ranges))

    def shared_in_part(self, other: Section) -> Section | None:
        """Return the pixels that both hold, where they are some of this section and not all of it.

        Parameters
        ----------
        other : Section
            Open ends reach as far as the axis; in which direction ranges are read does not matter.

        Returns
        -------
        Section or None
            None also where the numbers of axes differ.

        Examples
        --------
        >>> overscan = Section.parse("[160:179,:]")
        >>> [str(overscan.shared_in_part(Section.parse(f"[{ends},:]"))) for ends in ("1:160", "1:159", "*", "170:150")]
        ['[160:160,:]', 'None', 'None', '[160:170,:]']
        """
        if len(self.ranges) != len(other.ranges):
            return None
        ranges, is_all = [], True
        for mine, theirs in zip(self.ranges, other.ranges, strict=True):
            (first, last), (low, high) = (_whole_ends(each) for each in (mine, theirs))
            is_all &= low <= first and last <= high
            first, last = max(first, low), min(last, high)
            if first > last:
                return None
            is_open = last == inf
            ranges.append(AxisRange(None if is_open and first == 1 else int(first), None if is_open else int(last)))
        return None if is_all else Section(tuple(ranges))

    def shift(self, *offsets_xy: int) -> Section:
        """Return the section moved by so many pixels along x, y, ...

        Raises
        ------
        SectionError
            If a range with an open end is moved, or a pixel would get a number below 1.

        Examples
        --------
        >>> str(Section.parse("[1:10,1:5]").shift(100, 0))
        '[101:110,1:5]'
        """
        self._check_count(len(offsets_xy), "the shift has")
        moved = zip(self.ranges, offsets_xy, strict=True)
        return Section(tuple(part if offset == 0 else _moved(part, offset) for part, offset in moved))

    def bin(self, *factors_xy: int) -> Section:
        """Return the binned pixels that lie wholly inside this section of the unbinned sensor.

        Binned pixel b holds the unbinned pixels (b-1) f + 1 to b f. A pixel that is only half inside is left out:
        half of an overscan pixel that saw light, or half of an image pixel that saw none, is worse than a column less.

        Parameters
        ----------
        *factors_xy : int
            Binning along x, y, ...; open ends stay open.

        Returns
        -------
        Section

        Raises
        ------
        SectionError
            If a factor is below 1, or no binned pixel lies wholly inside.

        Examples
        --------
        >>> str(Section.parse("[2056:2080,:]").bin(2, 2))
        '[1029:1040,:]'
        """
        return self._scale(factors_xy, lambda low, high, f: (-(-(low - 1) // f) + 1, high // f))

    def unbin(self, *factors_xy: int) -> Section:
        """Return the pixels of the unbinned sensor that this section of a binned image holds; raises as `bin`.

        Examples
        --------
        >>> str(Section.parse("[1029:1040,:]").unbin(2, 2))
        '[2057:2080,:]'
        """
        return self._scale(factors_xy, lambda low, high, f: ((low - 1) * f + 1, high * f))

    def flip(self, image_shape_yx: tuple[int, ...], *, x: bool = False, y: bool = False) -> Section:
        """Return where the same pixels stand after the image is flipped.

        A flip along x and then a cut of the returned section gives what a cut of this section and then a flip
        along x gives.

        Parameters
        ----------
        image_shape_yx : tuple of int
            Shape of the image, (ny, nx).
        x, y : bool, optional
            The axes along which the image is flipped.

        Returns
        -------
        Section
            Resolved.

        Raises
        ------
        SectionError
            As `resolve`.

        Examples
        --------
        >>> str(Section.parse("[1:4,1:520]").flip((520, 536), x=True))
        '[533:536,1:520]'
        """
        ranges = list(self.resolve(image_shape_yx).ranges)
        for axis, wanted in enumerate((x, y)):
            if wanted and axis >= len(ranges):
                raise SectionError(f"the section {self} has no y axis to flip")
            if wanted:
                ranges[axis] = _mirrored(ranges[axis], image_shape_yx[-1 - axis])
        return Section(tuple(ranges))

    def _scale(self, factors_xy: tuple[int, ...], convert: Callable[[int, int, int], tuple[int, int]]) -> Section:
        self._check_count(len(factors_xy), "the binning has")
        ranges = []
        for part, factor in zip(self.ranges, factors_xy, strict=True):
            if factor < 1:
                raise SectionError(f"the section {self} cannot be binned by {factor}: a factor is 1 or more")
            first, last = self._scale_ends(part, factor, convert)
            ranges.append(AxisRange(first, last, part.reverse))
        return Section(tuple(ranges))

    def _scale_ends(
        self, part: AxisRange, factor: int, convert: Callable[[int, int, int], tuple[int, int]]
    ) -> tuple[int | None, int | None]:
        if not part.resolved:
            first = None if part.first is None else convert(part.first, part.first, factor)[0]
            return first, None if part.last is None else self._not_empty(convert(1, part.last, factor), factor)[1]
        ends = part.ends()
        low, high = self._not_empty(convert(min(ends), max(ends), factor), factor)
        return (high, low) if part.flipped else (low, high)

    def _not_empty(self, ends: tuple[int, int], factor: int) -> tuple[int, int]:
        if ends[0] > ends[1]:
            raise SectionError(f"the section {self} holds no whole pixel of a frame that is binned by {factor}")
        return ends

    def _check_count(self, count: int, whose: str) -> None:
        if count != len(self.ranges):
            axes = _plural("axis", "axes", len(self.ranges))
            raise SectionError(f"the section {self} has {len(self.ranges)} {axes}, but {whose} {count}")

    def __str__(self) -> str:
        return f"[{','.join(map(str, self.ranges))}]"


#: All of an image, whatever its size.
WHOLE = Section.parse("[*,*]")


def size_words(shape_yx: tuple[int, ...] | None, binning_xy: tuple[int, int] = (1, 1)) -> str:
    """Say a size as people do, x first.

    Examples
    --------
    >>> size_words((4128, 2080)), size_words((2064, 1040), (2, 2))
    ('2080 x 4128 pixels', '1040 x 2064 pixels binned 2 x 2')
    """
    size = " x ".join(str(n) for n in reversed(shape_yx or ()))
    return f"{size} pixels" + ("" if binning_xy == (1, 1) else f" binned {binning_xy[0]} x {binning_xy[1]}")


def _moved(part: AxisRange, offset: int) -> AxisRange:
    return part.map_ends(lambda low, high: (low + offset, high + offset))


def _mirrored(part: AxisRange, n: int) -> AxisRange:
    return part.map_ends(lambda low, high: (n + 1 - high, n + 1 - low))


def _slice_of(first: int, last: int) -> slice:
    if first <= last:
        return slice(first - 1, last)
    return slice(first - 1, last - 2 if last > 1 else None, -1)


def _range_of(part: slice, n: int) -> AxisRange:
    if part.step not in {None, 1, -1}:
        raise SectionError(f"the slice {part} has a step of {part.step}; a section holds every pixel")
    start, stop, step = part.indices(n)
    if (stop - start) * step <= 0:
        raise SectionError(f"the slice {part} cuts nothing out of an axis of {n} pixels")
    return AxisRange(start + 1, stop if step == 1 else stop + 2)


def _axis_names(count: int) -> list[str]:
    return ["x", "y", *(f"axis {number}" for number in range(3, count + 1))][:count]


def _plural(one: str, many: str, count: int) -> str:
    return one if count == 1 else many


def _size(shape_yx: tuple[int, ...]) -> str:
    numbers = " x ".join(str(n) for n in reversed(shape_yx))
    return f"{numbers} pixels" + (" (x, y)" if len(shape_yx) == 2 else "")
