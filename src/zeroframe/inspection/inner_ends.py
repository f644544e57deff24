"""Ends of an amplifier's image at which that of another one goes on: unlit columns there are no strip.

Where two halves of a chip meet, a shadow or a worn seam may leave columns without light. Nothing in the pixels tells
them from an overscan beside them. But the halves belong together, so that what is cut off there moves them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroframe.headers.sections import AxisRange, Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroframe.headers.geometry import FoundDetector

__all__ = ["Ends", "inner_ends", "keep_inner_ends", "outside_of"]

#: Of x and of y: whether the low and the high end are inner ones.
Ends = tuple[tuple[bool, bool], tuple[bool, bool]]


def inner_ends(found: FoundDetector) -> list[Ends]:
    """Say of each amplifier of a detector at which ends of its data another one's go on.

    Parameters
    ----------
    found : FoundDetector
        Whose amplifiers have data; by their places where they have some, else by how they stand in the one image.

    Examples
    --------
    >>> from zeroframe.headers.detectors import Amplifier, Detector
    >>> from zeroframe.headers.geometry import FoundDetector
    >>> a = Amplifier("A", trim=Section.parse("[5:12,1:9]"), place=Section.parse("[1:8,1:9]"))
    >>> b = Amplifier("B", trim=Section.parse("[25:32,1:9]"), place=Section.parse("[16:9,1:9]"))
    >>> inner_ends(FoundDetector(Detector("", (a, b)), (0,), ""))
    [((False, True), (False, False)), ((False, True), (False, False))]
    """
    amplifiers = found.detector.amplifiers
    places = [each.place for each in amplifiers]
    if any(place is None for place in places):
        if len(found.extensions) > 1:  # nothing says how they stand
            return [((False, False), (False, False))] * len(amplifiers)
        places = [each.trim for each in amplifiers]
    known = [place for place in places if place is not None]
    return [(_along(place, known, 0), _along(place, known, 1)) for place in known]


def _along(place: Section, places: Sequence[Section], axis: int) -> tuple[bool, bool]:
    """Whether others lie before and beyond a place along an axis, beside it; as its data are read."""
    low, high = sorted(place.ranges[axis].ends())
    before = beyond = False
    for other in places:
        if not _overlap(place.ranges[1 - axis], other.ranges[1 - axis]):
            continue
        first, last = sorted(other.ranges[axis].ends())
        before |= last < low
        beyond |= first > high
    turned = place.ranges[axis].ends()[0] > place.ranges[axis].ends()[1]
    return (beyond, before) if turned else (before, beyond)


def _overlap(one: AxisRange, other: AxisRange) -> bool:
    (a, b), (c, d) = sorted(one.ends()), sorted(other.ends())
    return a <= d and c <= b


def keep_inner_ends(stated: Section, proven: Section, inner: Ends) -> Section:
    """Return a section that pixels prove with those inner ends that are stated, where pixels cut some columns off.

    A section that has moved as a whole has lost nothing; at an outer end the pixels decide.

    Parameters
    ----------
    stated, proven : Section
        By the header (or as they were), and with the ends that pixels have.
    inner : Ends
        Of `inner_ends`.

    Examples
    --------
    >>> stated, inner = Section.parse("[21:148,1:9]"), ((False, True), (False, False))
    >>> for proven in ("[21:136,1:9]", "[18:145,1:9]", "[24:148,1:9]"):
    ...     print(keep_inner_ends(stated, Section.parse(proven), inner))
    [21:148,1:9]
    [18:145,1:9]
    [24:148,1:9]
    """
    ranges = []
    for said, seen, (low_is_inner, high_is_inner) in zip(stated.ranges, proven.ranges, inner, strict=True):
        (first, last), (low, high) = said.ends(), seen.ends()
        if low - first != high - last:
            low = min(low, first) if low_is_inner else low
            high = max(high, last) if high_is_inner else high
        ranges.append(AxisRange(low, high))
    return Section(tuple(ranges))


def outside_of(strip: Section, data: Section, axis: int) -> Section | None:
    """Return the part of a strip that lies outside data; None where there is none.

    Parameters
    ----------
    strip, data : Section
    axis : {0, 1}
        1 for a strip of columns.

    Examples
    --------
    >>> print(outside_of(Section.parse("[137:180,1:9]"), Section.parse("[21:148,1:9]"), 1))
    [149:180,1:9]
    """
    if strip.intersect(data) is None:
        return strip
    ranges = list(strip.ranges)
    (low, high), (first, last) = (each.ranges[1 - axis].ends() for each in (strip, data))
    parts = [(low, min(high, first - 1)), (max(low, last + 1), high)]
    low, high = max(parts, key=lambda ends: ends[1] - ends[0])
    if high < low:
        return None
    ranges[1 - axis] = AxisRange(low, high)
    return Section(tuple(ranges))
