"""What a header says of the amplifiers of one image, held against the layout that its pixels show."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zeroframe.headers.geometry import with_data
from zeroframe.headers.sections import AxisRange, Section
from zeroframe.inspection.inner_ends import inner_ends, keep_inner_ends
from zeroframe.inspection.interior import in_rows

if TYPE_CHECKING:
    from zeroframe.headers.detectors import Amplifier
    from zeroframe.headers.geometry import FoundDetector
    from zeroframe.inspection.image_layout import ImageLayout
    from zeroframe.inspection.interior import AxisLayout, Part

__all__ = ["header_against_pixels"]

#: A section of the header is off by no more columns than that, or it is another one that is meant.
_REACH = 16


def header_against_pixels(
    found: FoundDetector, layout: ImageLayout, shape_yx: tuple[int, int]
) -> tuple[FoundDetector, list[str]]:
    """Return the amplifiers of a header with those ends of their sections that the pixels prove.

    Parameters
    ----------
    found : FoundDetector
        Of one image.
    layout : ImageLayout
        Of its pixels.
    shape_yx : tuple of int

    Returns
    -------
    found : FoundDetector
        As it was, where the pixels show fewer amplifiers: what they do not show may be there all the same.
    remarks : list of str
        Where the header is contradicted, each a sentence.
    """
    amplifiers = found.detector.amplifiers
    owners = [_parts_of(each, layout) for each in amplifiers]
    if layout.amplifiers > len(amplifiers):
        why = [*layout.along_x.reasons, *map(in_rows, layout.along_y.reasons)]
        said = (
            f"the header names {len(amplifiers)} amplifiers, and the pixels show {layout.amplifiers}: {'; '.join(why)}"
        )
        return found, [f"{said}; say in a camera file how they stand"]
    changed, data, remarks = [], [], []
    for each, (column, row), inner in zip(amplifiers, owners, inner_ends(found), strict=True):
        stated = _trim_of(each)
        ranges = [
            _proven(stated.ranges[0], column, layout.along_x, shape_yx[1]),
            _proven(stated.ranges[1], row, layout.along_y, shape_yx[0]),
        ]
        own = keep_inner_ends(stated, Section((ranges[0], ranges[1])), inner)
        overscan = _overscan(each, own, column)
        pairs = [("data", stated, own), ("overscan", each.overscan, overscan)]
        wrong = [(word, said, seen) for word, said, seen in pairs if said is not None and said != seen]
        if wrong:
            said = " and ".join(f"{word} {section}" for word, section, _ in wrong)
            seen = " and ".join(str(section) for *_, section in wrong)
            remarks.append(f"amplifier {each.name}: header says {said}, the pixels show {seen}, which is used")
        changed.append(replace(each, overscan=overscan))
        data.append(own)
    if not remarks:
        return found, []
    detector = replace(found.detector, amplifiers=tuple(changed))
    return with_data(replace(found, detector=detector), data), remarks


def _trim_of(amplifier: Amplifier) -> Section:
    if amplifier.trim is None:
        raise ValueError(f"amplifier {amplifier.name} has no data section")
    return amplifier.trim


def _parts_of(amplifier: Amplifier, layout: ImageLayout) -> tuple[Part, Part]:
    """Return the parts, in columns and in rows, that have most of an amplifier's data."""
    best = []
    for part_range, axis in zip(_trim_of(amplifier).ranges, (layout.along_x, layout.along_y), strict=True):
        low, high = part_range.ends()
        best.append(max(axis.parts, key=lambda part: min(high, part.image.stop) - max(low - 1, part.image.start)))
    return best[0], best[1]


def _proven(stated: AxisRange, part: Part, axis: AxisLayout, size: int) -> AxisRange:
    """Return a range with the ends that a seam or a strip proves.

    Where that moves one end and nothing proves the other, it moves, too, unless it is at the edge of the image: headers
    that are off by some columns seldom have the size wrong.
    """
    low, high = stated.ends()
    ends = [low, high]
    true = [part.image.start + 1, part.image.stop]
    edges = {edge for each in axis.parts for edge in (each.image.start, each.image.stop)} - {0, size, *axis.unsure}
    if len(axis.parts) == 1:
        edges = {edge for strip in part.strips for edge in (strip.start, strip.stop)} - {0, size}
        inner = _image_of(part)
        true = [inner.start + 1, inner.stop]
    proven = [true[0] - 1 in edges, true[1] in edges]
    moved = [true[n] - ends[n] if proven[n] and abs(true[n] - ends[n]) <= _REACH else 0 for n in (0, 1)]
    for one, other in ((0, 1), (1, 0)):
        if moved[one] and not proven[other] and ends[other] not in {1, size}:
            moved[other] = moved[one]
    low, high = max(ends[0] + moved[0], 1), min(ends[1] + moved[1], size)
    return AxisRange(low, high) if low < high else stated


def _image_of(part: Part) -> slice:
    low, high = part.image.start, part.image.stop
    for strip in part.strips:
        low, high = (max(low, strip.stop), high) if strip.start == part.image.start else (low, min(high, strip.start))
    return slice(low, high)


def _overscan(amplifier: Amplifier, data: Section, column: Part) -> Section | None:
    """Return the overscan of a header where no pixel contradicts it, else the strip that the pixels show."""
    stated = amplifier.overscan
    if stated is None or amplifier.overscan_axis != 1 or not column.strips:
        return stated
    low, high = stated.ranges[0].ends()
    own = [_within(low, high, strip) for strip in column.strips]
    widest = max(own, key=lambda ends: ends[1] - ends[0])
    if widest[1] >= widest[0]:
        return Section((AxisRange(*widest), stated.ranges[1])) if widest != (low, high) else stated
    strip = column.strips[0]
    return Section((AxisRange(strip.start + 1, strip.stop), data.ranges[1]))


def _within(low: int, high: int, strip: slice) -> tuple[int, int]:
    return max(low, strip.start + 1), min(high, strip.stop)
