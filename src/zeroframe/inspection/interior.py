"""The amplifiers of one image, found in the pixels alone: strips without light, and seams between amplifiers.

An overscan in mid-frame is a run of columns without any light between columns that have it, with edges of one column.
Seams are found by `zeroframe.inspection.amplifier_seams`; a strip belongs to the image with which it drifts.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product
from typing import TYPE_CHECKING

import numpy as np

from zeroframe.frames.numbers import percent
from zeroframe.headers.detectors import Amplifier, Detector
from zeroframe.headers.geometry import FoundDetector
from zeroframe.headers.sections import AxisRange, Section
from zeroframe.inspection.amplifier_seams import Seam, find_seams, seam_expected
from zeroframe.inspection.by_turns import read_by_turns
from zeroframe.inspection.even_images import of_one_width
from zeroframe.inspection.strip_owners import cut_strip, images_differ, owners_of_strips
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zeroframe.inspection.axis_profiles import AxisProfiles

__all__ = ["FOUND_IN_PIXELS", "AxisLayout", "Part", "axis_layout", "dark_runs", "detector_of_pixels"]

#: Of sections that no header says.
FOUND_IN_PIXELS = "found in the pixels"
#: Less light than this part of that beside it is none; columns with more than that part are image.
_DARK, _LIT = 0.004, 0.3
#: Strips and images are no narrower.
_NARROWEST, _LEAST_IMAGE = 4, 16
#: So many columns on each side of a cut are left out where it may be one next to it.
_UNSURE = 3
#: Light of so many errors has edges.
_LEAST_LIGHT = 100.0
_BESIDE = 3
#: An edge of light takes at least so much of itself within one column.
_SHARP_EDGE = 0.6
#: Suspected seams are those of amplifiers where they cut the image as evenly as the proven ones do, to so many columns.
_EVENLY = 1
#: So many images of one width are no chance.
_FEWEST_ALIKE = 3
#: Parts of less than so much of the widest image are narrow.
_NARROW = 0.3
#: Between two images so many columns, or such a part of all, may be lit and none of a strip: hot ones, and trails.
_ODD_COLUMNS, _ODD_SHARE = 2, 0.15
#: Levels of parts of a strip that differ by more than that are those of several amplifiers.
_STRIPS_STEP = 5.0


@dataclass(frozen=True, slots=True)
class Part:
    """What one amplifier has of the columns (rows) of an image, counted from 0.

    Attributes
    ----------
    image : slice
        What sees light.
    strips : tuple of slice
        What sees none and belongs to it, the widest first.
    """

    image: slice
    strips: tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class AxisLayout:
    """The parts of an image along one axis.

    Attributes
    ----------
    parts : tuple of Part
    reasons : tuple of str
        What told them apart.
    doubts : tuple of str
        What the pixels leave open, each a sentence.
    by_turns : str
        What shows that two amplifiers read its columns by turns; empty where none do.
    unsure : tuple of int
        Columns, counted from 0, before which another amplifier begins, or before one next to them.
    """

    parts: tuple[Part, ...]
    reasons: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    by_turns: str = ""
    unsure: tuple[int, ...] = ()


def axis_layout(profiles: AxisProfiles) -> AxisLayout:
    """Find the parts of an image along one axis.

    Parameters
    ----------
    profiles : AxisProfiles
        Of lines that see light.

    Returns
    -------
    AxisLayout
        One part where nothing tells several apart.
    """
    turns = read_by_turns(profiles)
    if turns:
        return AxisLayout((Part(slice(0, profiles.static.shape[1]), ()),), (), (), turns)
    light = np.median(profiles.light, axis=0)
    error = profiles.usual_noise / np.sqrt(profiles.lines)
    runs = dark_runs(light, error)
    lit = _between(runs, light.size)
    if not lit or _has_lines_between(lit, runs):
        return AxisLayout((Part(slice(0, light.size), ()),))
    seams: list[Seam] = []
    suspects: list[Seam] = []
    doubts: list[str] = []
    for each in lit:
        bright = _bright_part(light, each)
        proven, suspected = find_seams(profiles, bright.start, bright.stop)
        found, left, said = _evenly_cut(profiles, each, proven, suspected)
        seams += found
        suspects += left
        doubts += said
    expected, said = _as_in_parts_of_that_width(profiles, lit, seams)
    seams = sorted([*seams, *expected], key=lambda seam: seam.column)
    doubts += said
    suspects = [each for each in suspects if all(abs(each.column - own.column) > _EVENLY for own in expected)]
    seams, suspects = _as_many_as_strips(profiles, lit, runs, seams, suspects)
    doubts += [_doubt(seam) for seam in suspects]
    doubts += [_unsure(seam) for seam in seams if not seam.sure_column]
    lit, runs, more = _without_dead_columns(profiles, lit, runs, seams)
    doubts += more
    reasons = [f"columns {a.stop + 1} to {b.start} are a strip in mid-frame" for a, b in pairwise(lit)]
    reasons += [f"before column {seam.column + 1}: {seam.reason}" for seam in seams]
    images, dim = _without_dim(_cut(lit, [seam.column for seam in seams]), light)
    images, runs, narrow = of_one_width(images, runs, light.size)
    doubts += [*dim, *narrow, *_twice_as_wide(images)]
    cut = [cut_strip(profiles, run, images) for run in runs]
    pieces = [piece for some, _ in cut for piece in some]
    unsure = [column for _, some in cut for column in some]
    if len(images) < 2:
        doubts += [_several_strips(run) for run in runs if _drift_apart(profiles, run)]
        return AxisLayout((Part(slice(0, light.size), tuple(runs)),), (), tuple(doubts))
    owned, said = owners_of_strips(profiles, images, pieces)
    doubts += said
    parts = []
    for number, image in enumerate(images):
        own = [_usable(piece, light, error, unsure) for piece, owner in owned if owner == number]
        parts.append(Part(image, tuple(sorted(own, key=lambda piece: piece.start - piece.stop))))
    columns = tuple(seam.column for seam in seams if not seam.sure_column)
    return AxisLayout(tuple(parts), tuple(reasons), tuple(doubts), unsure=columns)


def _has_lines_between(lit: Sequence[slice], runs: Sequence[slice]) -> bool:
    """Whether narrow lines of light stand between the lit parts, as of fibres and orders: no strip holds such."""
    for before, after in pairwise(lit):
        gap = after.start - before.stop
        dark = sum(max(min(run.stop, after.start) - max(run.start, before.stop), 0) for run in runs)
        if gap - dark > max(_ODD_COLUMNS, _ODD_SHARE * gap):
            return True
    return False


def _doubt(seam: Seam) -> str:
    if not seam.static:
        return (
            f"before column {seam.column + 1}: {seam.reason} and nothing else does; that is the sensor, what lights "
            "it, or another amplifier of the same level and noise"
        )
    return (
        f"before column {seam.column + 1}: {seam.reason}, in all biases alike; that is fixed pattern, or another "
        "amplifier that drifts with the first"
    )


def _unsure(seam: Seam) -> str:
    return f"another amplifier begins before column {seam.column + 1} or one next to it: {seam.reason}"


def _drift_apart(profiles: AxisProfiles, run: slice) -> bool:
    """Whether parts of a run of dark columns drift apart, which columns that are only not lit do not."""
    return any(seam.drift > 0 for seam in find_seams(profiles, run.start, run.stop, lit=False)[0])


def _several_strips(run: slice) -> str:
    return f"the strip of columns {run.start + 1} to {run.stop} has parts of several amplifiers, the image shows none"


def _usable(piece: slice, light: NDArray[np.float64], error: float, unsure: Sequence[int]) -> slice:
    """Return a strip without columns at its ends that light reaches, or that may be another amplifier's."""
    low = piece.start + (_UNSURE if piece.start in unsure else 0)
    high = piece.stop - (_UNSURE if piece.stop in unsure else 0)
    piece = slice(low, high) if high - low >= _NARROWEST else piece
    limit = max(0.0005 * float(light.max()), 6.0 * error)
    own = float(np.median(light[piece]))  # the level may have drifted between biases and flats
    dark = [n for n in range(piece.start, piece.stop) if abs(light[n] - own) < limit]
    return slice(dark[0], dark[-1] + 1) if dark else piece


def dark_runs(light: NDArray[np.float64], error: float) -> list[slice]:
    """Return runs of columns without light that reach an edge of the frame, or lie between lit ones.

    Parameters
    ----------
    light : ndarray, shape (columns,)
        Level of flats less that of biases.
    error : float
        Of one column, by read noise.
    """
    bright = float(np.percentile(light, 75))
    if bright < _LEAST_LIGHT * error:
        return []
    dark = light < _LIT * bright
    edges = np.flatnonzero(np.diff(np.concatenate([[False], dark, [False]]))).reshape(-1, 2)
    runs = []
    for start, stop in edges:
        if stop - start < _NARROWEST:
            continue
        inner = light[start:stop]
        beside = [light[max(start - _BESIDE, 0) : start], light[stop : stop + _BESIDE]]
        level = min(float(np.median(each)) for each in beside if each.size)
        base = float(np.median(inner))
        # no light at all, and an edge of one column on each side that has image beside it
        sharp = [
            light[at] - light[within] > _SHARP_EDGE * (light[at] - base)
            for at, within in ((start - 1, start), (stop, stop - 1))
            if 0 <= at < light.size
        ]
        if abs(base) < max(_DARK * level, 8 * error) and all(sharp) and level > _LIT * bright:
            runs.append(slice(int(start), int(stop)))
    return runs


def _between(runs: Sequence[slice], size: int) -> list[slice]:
    ends = [0, *(end for run in runs for end in (run.start, run.stop)), size]
    return [slice(a, b) for a, b in zip(ends[::2], ends[1::2], strict=True) if b - a >= _LEAST_IMAGE]


def _bright_part(light: NDArray[np.float64], part: slice) -> slice:
    """Return columns without dim ones at their ends: those of a strip that light reaches, or that a lamp does not."""
    bright = np.flatnonzero(light[part] > _LIT * float(np.percentile(light, 75)))
    if not bright.size:
        return part
    return slice(part.start + int(bright[0]), part.start + int(bright[-1]) + 1)


def _without_dim(images: list[slice], light: NDArray[np.float64]) -> tuple[list[slice], list[str]]:
    """Return images without narrow parts in mid-frame that hold some light, and less than images do; and a doubt."""
    widest = max(each.stop - each.start for each in images)
    bright = float(np.percentile(light, 75))
    dim = [
        each for each in images if each.stop - each.start < _NARROW * widest and np.median(light[each]) < _LIT * bright
    ]
    doubts = [
        f"columns {each.start + 1} to {each.stop} hold {percent(float(np.median(light[each])) / bright)} of the "
        "light of the image, and are taken for a strip that light reaches, which is not used"
        for each in dim
    ]
    return [each for each in images if each not in dim], doubts


def _twice_as_wide(images: Sequence[slice]) -> list[str]:
    """Return doubts of images that are as wide as two of the others, which are all alike."""
    widths = [each.stop - each.start for each in images]
    usual = min(widths, key=lambda width: (-widths.count(width), width)) if widths else 0
    if widths.count(usual) < _FEWEST_ALIKE:
        return []
    return [
        f"the image of columns {each.start + 1} to {each.stop} is as wide as two of the others, and no seam is seen "
        "in it"
        for each, width in zip(images, widths, strict=True)
        if abs(width - 2 * usual) <= 2 * _EVENLY
    ]


def _evenly_cut(
    profiles: AxisProfiles, lit: slice, proven: list[Seam], suspected: list[Seam]
) -> tuple[list[Seam], list[Seam], list[str]]:
    """Return seams that are proven or expected, as the proven ones cut the image evenly; suspected ones; and doubts."""
    if not proven:
        return proven, suspected, []
    size = lit.stop - lit.start
    places = np.array([seam.column - lit.start for seam in proven])
    for number in range(len(proven) + 1, min(2 * len(proven) + 3, 33)):
        grid = np.arange(1, number) * size / number
        missing = [place for place in grid if np.abs(places - place).min() > _EVENLY]
        if number - 1 - len(missing) < len(proven):  # a proven one is none of these
            continue
        if len(proven) == 1 and number > 2 and not suspected:  # a single seam may be anywhere
            continue
        found, doubts = list(proven), []
        for place in missing:
            column = lit.start + round(float(place))
            others = sorted([lit.start, lit.stop, *(seam.column for seam in found)])
            between = max(each for each in others if each < column), min(each for each in others if each > column)
            seam = seam_expected(profiles, lit.start, lit.stop, column, between)
            if seam is None:
                doubts.append(
                    f"other seams cut the image in {number} even parts, and at column {column + 1} none is seen: "
                    "either one amplifier reads two of these parts, or two are alike"
                )
            else:
                found.append(seam)
        if size % number == 0:  # a seam whose column is not sure is where the others let expect it
            near = [lit.start + size // number * round((each.column - lit.start) * number / size) for each in found]
            found = [each if each.sure_column else replace(each, column=column, sure_column=True)
                     for each, column in zip(found, near, strict=True)]  # fmt: skip
        taken = [each.column for each in found]
        left = [each for each in suspected if min(abs(each.column - own) for own in taken) > _EVENLY]
        return sorted(found, key=lambda seam: seam.column), left, doubts
    return proven, suspected, []


def _as_in_parts_of_that_width(
    profiles: AxisProfiles, lit: Sequence[slice], seams: Sequence[Seam]
) -> tuple[list[Seam], list[str]]:
    """Return the seams of lit parts without any, where other parts of their width have some, and what is in doubt."""
    found: list[Seam] = []
    doubts: list[str] = []
    within = [[seam.column - part.start for seam in seams if part.start < seam.column < part.stop] for part in lit]
    for part, own in zip(lit, within, strict=True):
        size = part.stop - part.start
        others = [its for one, its in zip(lit, within, strict=True) if one.stop - one.start == size and its]
        if own or not others:
            continue
        for offset in others[0]:
            seam = seam_expected(profiles, part.start, part.stop, part.start + offset, (part.start, part.stop))
            if seam is not None:
                found.append(seam)
            else:
                doubts.append(
                    f"the image of columns {part.start + 1} to {part.stop} is as wide as one that two amplifiers read, "
                    "and no seam is seen in it"
                )
    return found, doubts


def _as_many_as_strips(
    profiles: AxisProfiles, lit: Sequence[slice], runs: Sequence[slice], seams: list[Seam], suspects: list[Seam]
) -> tuple[list[Seam], list[Seam]]:
    """Return seams with the suspected ones where strips at the edges prove that there are as many amplifiers."""
    if len(lit) > 1 or not suspects:
        return seams, suspects
    strips = [
        1
        + sum(
            seam.drift > 0 or abs(seam.step_adu) > _STRIPS_STEP
            for part in find_seams(profiles, run.start, run.stop, lit=False)
            for seam in part
        )
        for run in runs
    ]
    two_ends = len(runs) == 2 and strips == [1, 1] and images_differ(profiles, runs[0], runs[1])
    needed = 1 if two_ends else max(strips, default=1) - 1
    if len(seams) + len(suspects) == needed:
        return sorted([*seams, *suspects], key=lambda seam: seam.column), []
    return seams, suspects


def _without_dead_columns(
    profiles: AxisProfiles, lit: list[slice], runs: list[slice], seams: Sequence[Seam]
) -> tuple[list[slice], list[slice], list[str]]:
    """Return lit parts and strips without dark runs in mid-frame whose two sides are alike: dead columns, a shadow."""
    doubts = []
    for run in [each for each in runs if each.start > 0 and each.stop < profiles.static.shape[1]]:
        before = next((part for part in lit if part.stop == run.start), None)
        after = next((part for part in lit if part.start == run.stop), None)
        if before is None or after is None:
            continue
        near = slice(max([before.start, *(s.column for s in seams if s.column < before.stop)]), before.stop)
        far = slice(after.start, min([after.stop, *(s.column for s in seams if s.column > after.start)]))
        pieces, _ = cut_strip(profiles, run, (near, far))
        if len(pieces) > 1 or images_differ(profiles, near, far):
            continue
        if any(s.column < profiles.static.shape[1] for s in seams) or len(runs) > _MANY_RUNS:
            continue  # of a frame that several amplifiers read, anyway
        lit = [part for part in lit if part not in (before, after)] + [slice(before.start, after.stop)]
        lit.sort(key=lambda part: part.start)
        runs = [each for each in runs if each is not run]
        doubts.append(
            f"columns {run.start + 1} to {run.stop} see no light, and what is on both sides is read alike: dead "
            "columns, a shadow, or strips of two amplifiers that drift together"
        )
    return lit, runs, doubts


#: With more strips than those of the two edges and one, they are strips.
_MANY_RUNS = 3


def _cut(lit: Sequence[slice], seams: Sequence[int]) -> list[slice]:
    images = []
    for each in lit:
        ends = [each.start, *sorted(seam for seam in seams if each.start < seam < each.stop), each.stop]
        images += [slice(a, b) for a, b in pairwise(ends)]
    return images


def detector_of_pixels(along_x: AxisLayout, along_y: AxisLayout, shape_yx: tuple[int, int]) -> FoundDetector | None:
    """Return the amplifiers that layouts along both axes make; None where there is only one.

    Parameters
    ----------
    along_x, along_y : AxisLayout
        Of columns and of rows.
    shape_yx : tuple of int
        Of the image.
    """
    if len(along_x.parts) * len(along_y.parts) < 2:
        return None
    xs, ys = (_images_only(each) for each in (along_x, along_y))
    amplifiers = []
    for number, (row, column) in enumerate(product(ys, xs)):
        rows, columns = row.image, column.image
        serial = _section(column.strips[0], rows) if column.strips else None
        parallel = _section(columns, row.strips[0]) if row.strips else None
        amplifiers.append(
            Amplifier(
                chr(ord("A") + number) if number < 26 else str(number + 1),
                overscan=serial or parallel,
                overscan_axis=1 if serial is not None or parallel is None else 0,
                overscan_reason=FOUND_IN_PIXELS,
                parallel_overscan=parallel if serial is not None else None,
                prescan=_section(column.strips[1], rows) if len(column.strips) > 1 else None,
                trim=_section(columns, rows),
            )
        )
    why = "; ".join([*along_x.reasons, *(in_rows(reason) for reason in along_y.reasons)])
    nowhere = (None,) * len(amplifiers)
    detector = Detector("", tuple(amplifiers))
    return FoundDetector(detector, (0,), f"pixels: {why}", heights=(shape_yx[0],), sensor=nowhere)


def in_rows(said: str) -> str:
    """Return what was said of columns as it is said of rows."""
    return said.replace("columns", "rows").replace("column", "row")


def _images_only(layout: AxisLayout) -> list[Part]:
    """Return parts whose images end where strips begin, of one part, too."""
    if len(layout.parts) > 1:
        return list(layout.parts)
    (only,) = layout.parts
    low, high = only.image.start, only.image.stop
    for strip in only.strips:
        low, high = (max(low, strip.stop), high) if strip.start == only.image.start else (low, min(high, strip.start))
    return [replace(only, image=slice(low, high), strips=tuple(sorted(only.strips, key=lambda s: s.start - s.stop)))]


def _section(columns: slice, rows: slice) -> Section:
    return Section((AxisRange(columns.start + 1, columns.stop), AxisRange(rows.start + 1, rows.stop)))
