"""The amplifiers of a detector, each looked at alone: header confirmed or contradicted, gain and noise measured.

What one amplifier read is a frame like any other, so each is inspected as one. The header says where to look; where
light proves that its sections are wrong, the pixels decide, and a sentence says so.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import FrameError, NoFramesError, ZeroframeError
from zeroframe.frames.numbers import number
from zeroframe.frames.overscan import OverscanSpec
from zeroframe.headers.geometry import contradiction_of, with_data
from zeroframe.headers.kinds import Kind
from zeroframe.headers.sections import AxisRange, Section
from zeroframe.inspection.crosstalk import measure_crosstalk
from zeroframe.inspection.header_against_pixels import header_against_pixels
from zeroframe.inspection.inner_ends import inner_ends, keep_inner_ends, outside_of
from zeroframe.inspection.inspecting import judge_samples
from zeroframe.inspection.interior import FOUND_IN_PIXELS
from zeroframe.inspection.samples import choose_size, sample_frame
from zeroframe.inspection.sources import Pixels, choose_sources, source_of
from zeroframe.inspection.unknown_layouts import layout_of_sources, short_darks_as_biases
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zeroframe.headers.detectors import Amplifier
    from zeroframe.headers.geometry import FoundDetector
    from zeroframe.headers.survey import RawFrame
    from zeroframe.inspection.crosstalk import CrosstalkSeen
    from zeroframe.inspection.gain import Measured
    from zeroframe.inspection.image_layout import ImageLayout
    from zeroframe.inspection.result import OverscanInspection
    from zeroframe.inspection.samples import FrameSample
    from zeroframe.inspection.sources import Source

__all__ = ["LookedAt", "amplifier_box", "by_detector", "look_at_amplifiers", "look_at_detectors"]

#: By this fraction a stated read noise may differ from the one that is measured without being spoken of.
_NOISE_DIFFERS = 0.1
#: Gains that are measured no better than this say nothing against a header.
_GOOD_GAIN = 0.03
#: A header's gain is wrong where it differs from the flats by so many errors, and by this fraction: light that spreads
#: to neighbours ("brighter-fatter") lowers the noise of flats by as much.
_GAIN_ERRORS, _GAIN_DIFFERS = 5.0, 0.015
#: One factor for all, by so many of its errors, where gains scatter about it by no more than this times their errors.
_COMMON_ERRORS, _ALIKE = 4.0, 9.0

#: So far from where the header has it the border of two amplifiers is looked for, on so many lines, by a jump of the
#: level by so many errors, with so many columns at least on each side of it.
_REACH, _MOST_LINES, _JUMPS, _FEWEST = 12, 2000, 8.0, 3


@dataclass(frozen=True, slots=True)
class LookedAt:
    """What the pixels say of the amplifiers of a detector.

    Attributes
    ----------
    found : FoundDetector
        The detector, with sections and figures as they are used.
    inspections : tuple of OverscanInspection
        Of each amplifier, in pixels of its own box.
    boxes : tuple of Section
        What of the image each amplifier read, strips included.
    remarks : tuple of str
        Where the pixels contradict the header, each a sentence.
    crosstalk : CrosstalkSeen or None
        None where it was not looked for.
    """

    found: FoundDetector
    inspections: tuple[OverscanInspection, ...]
    boxes: tuple[Section, ...]
    remarks: tuple[str, ...]
    crosstalk: CrosstalkSeen | None = None

    @property
    def titled(self) -> tuple[tuple[str, OverscanInspection], ...]:
        """Whose inspections are drawn, and the inspections."""
        detector = f"{self.found.name} " if self.found.name else ""
        return tuple(
            (f"{detector}amplifier {each.name}, counted from 1 in {box} of the file", one)
            for each, box, one in zip(self.found.detector.amplifiers, self.boxes, self.inspections, strict=True)
        )

    @property
    def noises_adu(self) -> dict[str, float]:
        """Read noise of each amplifier whose biases tell it."""
        pairs = zip(self.found.detector.amplifiers, self.inspections, strict=True)
        return {each.name: one.read_noise_adu.value for each, one in pairs if one.read_noise_adu is not None}


def by_detector(items: Sequence[RawFrame]) -> list[list[RawFrame]]:
    """Return frames of files that several amplifiers read, those of one detector and camera together."""
    groups: dict[object, list[RawFrame]] = {}
    for item in items:
        if item.found is not None and item.problem is None and item.facts is not None and not item.facts.combined:
            groups.setdefault((item.form[:3], item.found.geometry, item.facts.instrument), []).append(item)
    return list(groups.values())


def amplifier_box(amplifier: Amplifier, others: Sequence[Amplifier], shape_yx: tuple[int, int]) -> Section:
    """Return the part of an image that an amplifier read, strips included.

    Parameters
    ----------
    amplifier : Amplifier
        With sections that are numbers.
    others : sequence of Amplifier
        All that stand in the image.
    shape_yx : tuple of int
        Of the image, or of the rows of it that hold the extension of the amplifier.

    Returns
    -------
    Section
        Up to where the sections of others begin; what belongs to nobody is shared out with the nearest.

    Examples
    --------
    >>> from zeroframe.headers.detectors import Amplifier
    >>> a = Amplifier("A", trim=Section.parse("[1:8,1:5]"), overscan=Section.parse("[9:10,1:5]"))
    >>> b = Amplifier("B", trim=Section.parse("[13:20,1:5]"), overscan=Section.parse("[11:12,1:5]"))
    >>> str(amplifier_box(a, [a, b], (5, 20))), str(amplifier_box(b, [a, b], (5, 20)))
    ('[1:10,1:5]', '[11:20,1:5]')
    """
    own = _hull(amplifier)
    ranges = []
    for axis in (0, 1):
        low, high = own[axis]
        floor, ceiling = 1, shape_yx[1 - axis]
        begin, end = _section_of(amplifier).ranges[axis].ends()
        for other in others:
            if other is amplifier or not _overlaps(own[1 - axis], _hull(other)[1 - axis]):
                continue
            first, last = _hull(other)[axis]
            its_begin, its_end = _section_of(other).ranges[axis].ends()
            if its_end < begin:  # where a header lets strips overlap, each has half of it
                floor = max(floor, (last + low - 1) // 2 + 1 if last >= low else last + 1)
            elif its_begin > end:
                ceiling = min(ceiling, (high + first - 1) // 2 if first <= high else first - 1)
        ranges.append(AxisRange(floor, ceiling))
    return Section(tuple(ranges))


def _hull(amplifier: Amplifier) -> tuple[tuple[int, int], tuple[int, int]]:
    sections = [section for section in (amplifier.trim, amplifier.overscan, amplifier.prescan) if section is not None]
    ends = [[part.ends() for part in section.ranges] for section in sections]
    x, y = ((min(each[axis][0] for each in ends), max(each[axis][1] for each in ends)) for axis in (0, 1))
    return x, y


def _overlaps(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def look_at_amplifiers(items: Sequence[RawFrame], limit_bytes: int) -> LookedAt:
    """Look at the pixels of a few frames of one detector, amplifier by amplifier.

    Parameters
    ----------
    items : sequence of RawFrame
        Frames whose ``found`` is the same but for figures.
    limit_bytes : int
        How much memory may be used.

    Returns
    -------
    LookedAt

    Raises
    ------
    NoFramesError
        When no frame is of a kind that tells something, or none can be read.
    """
    first = items[0]
    found = first.found
    if found is None or first.shape_yx is None:
        raise NoFramesError(f"{first.path}: holds no word of several amplifiers")
    shape = (first.shape_yx[0], first.shape_yx[1])
    usable = [source for source in map(source_of, items) if source is not None]
    if not usable:
        raise NoFramesError(f"{first.path}: no bias, dark, flat or science frame of its detector")
    # where a header names the amplifiers, it names their noise, too, which that of a dark would contradict
    sources = choose_sources(short_darks_as_biases(usable) if _is_of_pixels(found) else usable)
    layout = _layout_of(found, usable)
    found, contradicted = (found, []) if layout is None else header_against_pixels(found, layout, shape)
    strips_apart = _strips_apart(found)
    boxes = tuple(map(_section_of, found.detector.amplifiers)) if strips_apart else _boxes(found, shape)
    if len(found.extensions) < len(boxes) and not strips_apart and layout is None and not _is_of_pixels(found):
        boxes = _moved_to_seams(boxes, sources)
    samples: list[list[FrameSample]] = [[] for _ in boxes]
    for source in sources:
        try:
            pixels = source.read()
        except FrameError:  # it is named when it is calibrated
            continue
        if pixels.is_empty:
            continue
        for kept, box, amplifier in zip(samples, boxes, found.detector.amplifiers, strict=True):
            cut = _joined(source, pixels, amplifier, shape) if strips_apart else _cut(source, pixels, box, shape)
            size, _ = choose_size([cut] * len(sources), limit_bytes // len(boxes))
            size = size.shared_by(len(boxes))
            kept.append(replace(sample_frame(cut, size), source=replace(cut, pixels=None)))
    if not samples[0]:
        raise NoFramesError(f"{first.path}: no frame of its detector can be read")
    inspections = tuple(judge_samples(kept, None) for kept in samples)
    looked = (_measured if strips_apart else _decided)(found, boxes, inspections)
    return _checked(replace(looked, remarks=_shortened([*contradicted, *looked.remarks])), found, shape)


def _checked(looked: LookedAt, before: FoundDetector, shape_yx: tuple[int, int]) -> LookedAt:
    """Return what is used: sections as they were before, where those that pixels show contradict each other."""
    problem = contradiction_of(looked.found, shape_yx)
    if problem is None or contradiction_of(before, shape_yx) is not None:
        return looked
    said = f"what the pixels show of single amplifiers is not used, as it contradicts itself: {problem}"
    return replace(looked, found=replace(before, looked_at=True), remarks=(*looked.remarks, said))


def _layout_of(found: FoundDetector, sources: Sequence[Source]) -> ImageLayout | None:
    """Return the layout that pixels show of one image of which a header names several amplifiers."""
    several = len(found.extensions) == 1 and len(found.detector.amplifiers) > 1
    return layout_of_sources(sources) if several and not _is_of_pixels(found) else None


def look_at_detectors(
    groups: Sequence[Sequence[RawFrame]], limit_bytes: int, *, crosstalk: bool = False
) -> tuple[list[tuple[LookedAt, RawFrame]], list[ZeroframeError]]:
    """Look at the amplifiers of several detectors, each by itself.

    Parameters
    ----------
    groups : sequence of sequence of RawFrame
        As :func:`by_detector` returns them; at least one.
    limit_bytes : int
        Memory that may be used.
    crosstalk : bool
        Whether what amplifiers leave in each other is measured, too.

    Returns
    -------
    seen : list of (LookedAt, RawFrame)
        What was found, and a frame of that detector.
    refused : list of ZeroframeError
        Why others were left out: focus frames that are binned or windowed, say.

    Raises
    ------
    NoFramesError, FrameError
        When none of them can be looked at.
    """
    seen: list[tuple[LookedAt, RawFrame]] = []
    refused: list[ZeroframeError] = []
    for members in groups:
        try:
            looked = look_at_amplifiers(members, limit_bytes)
            if crosstalk:
                looked = replace(looked, crosstalk=measure_crosstalk(members, looked.found, looked.noises_adu))
            seen.append((looked, members[0]))
        except (FrameError, NoFramesError) as error:
            refused.append(error)
    if not seen:
        raise refused[0]
    return seen, refused


def _boxes(found: FoundDetector, shape_yx: tuple[int, int]) -> tuple[Section, ...]:
    amplifiers = found.detector.amplifiers
    if len(found.extensions) == 1:
        return tuple(amplifier_box(each, amplifiers, shape_yx) for each in amplifiers)
    boxes = []
    for rows in found.extension_rows():
        within = [each for each in amplifiers if rows.start < _hull(each)[1][0] <= rows.stop]
        for each in within:
            box = amplifier_box(each.shifted(0, -rows.start), [one.shifted(0, -rows.start) for one in within],
                                (rows.stop - rows.start, shape_yx[1]))  # fmt: skip
            boxes.append((each.name, box.shift(0, rows.start)))
    by_name = dict(boxes)
    return tuple(by_name[each.name] for each in amplifiers)


def _moved_to_seams(boxes: Sequence[Section], sources: Sequence[Source]) -> tuple[Section, ...]:
    """Return boxes of one image whose common borders are where the level jumps, where it does so near by."""
    biases = [source for source in sources if source.kind is Kind.BIAS] or list(sources)
    pixels = biases[0].read()
    moved = [[list(part.ends()) for part in box.ranges] for box in boxes]
    for one, other in permutations(range(len(boxes)), 2):
        for axis in (0, 1):
            (_, end), (begin, _) = moved[one][axis], moved[other][axis]
            across = _common(moved[one][1 - axis], moved[other][1 - axis])
            if not -_REACH <= begin - end - 1 <= _REACH or across is None or moved[one][axis][0] >= begin:
                continue
            low, high = max(min(end, begin - 1) - _REACH, 0), max(end, begin - 1) + _REACH
            lines = slice(across[0] - 1, across[1], max((across[1] - across[0]) // _MOST_LINES, 1))
            part = pixels.filled(lines, slice(low, high)) if axis == 0 else pixels.filled(slice(low, high), lines).T
            seam = jump_of_level(part)
            border = (end + begin - 1) // 2 if seam is None else low + seam
            if moved[one][axis][0] <= border < moved[other][axis][1]:  # both keep a line at least
                moved[one][axis][1], moved[other][axis][0] = border, border + 1
    return tuple(Section(tuple(AxisRange(a, b) for a, b in box)) for box in moved)


def _common(one: Sequence[int], other: Sequence[int]) -> tuple[int, int] | None:
    low, high = max(one[0], other[0]), min(one[1], other[1])
    return (low, high) if low <= high else None


def jump_of_level(part: NDArray[Any]) -> int | None:
    """Return before which column the level jumps once and for all; None where it does not.

    Parameters
    ----------
    part : ndarray, shape (lines, columns)
        A few columns about where a jump is expected, of a frame without light.

    Examples
    --------
    >>> random = np.random.default_rng(1)
    >>> jump_of_level(random.normal(np.where(np.arange(40) < 23, 1000, 1003), 5, (300, 40)))
    23
    >>> jump_of_level(random.normal(1000, 5, (300, 40))) is None
    True
    """
    columns = np.asarray(np.mean(part, axis=0, dtype=np.float64))
    error = float(np.median(np.asarray(np.std(part, axis=0, dtype=np.float64)))) / np.sqrt(len(part))
    best, chosen = 0.0, None
    for place in range(_FEWEST, columns.size - _FEWEST + 1):
        before, after = columns[:place], columns[place:]
        step = abs(float(after.mean() - before.mean()))
        rest = np.concatenate([before - before.mean(), after - after.mean()])
        spread = max(error, float(np.std(rest)))
        significance = step / (spread * np.sqrt(1.0 / before.size + 1.0 / after.size))
        if significance > best:
            best, chosen = significance, place
    return chosen if best > _JUMPS else None


def _cut(source: Source, pixels: Pixels, box: Section, shape_yx: tuple[int, int]) -> Source:
    """Return what one amplifier read as a frame of its own; sections of the header are not of it."""
    rows, columns = box.slices_yx(shape_yx)
    stored = pixels.stored[rows, columns]
    facts = source.facts
    if facts is not None:
        facts = replace(facts, bias_section=None, trim_section=None, data_section=None)
    ny, nx = stored.shape
    return replace(source, shape_yx=(ny, nx), facts=facts, found=None, pixels=Pixels(stored, pixels.layout))


def _strips_apart(found: FoundDetector) -> bool:
    """Whether images of other amplifiers stand between that of one and its overscan, as in Lick's spectrographs."""
    amplifiers = found.detector.amplifiers
    return any(
        all(_overlaps(ends, part.ends()) for ends, part in zip(_hull(one), _section_of(other).ranges, strict=True))
        for one, other in permutations(amplifiers, 2)
    )


def _joined(source: Source, pixels: Pixels, amplifier: Amplifier, shape_yx: tuple[int, int]) -> Source:
    """Return image and overscan of one amplifier side by side, as a frame of its own."""
    whole = _cut(source, pixels, _section_of(amplifier), shape_yx)
    if amplifier.overscan is None or whole.pixels is None:
        return whole
    axis = amplifier.overscan_axis
    parts = [pixels.stored[section.slices_yx(shape_yx)] for section in (_section_of(amplifier), amplifier.overscan)]
    lines = min(part.shape[1 - axis] for part in parts)
    some = [part[:lines] if axis == 1 else part[:, :lines] for part in parts]
    stored = np.concatenate(some, axis=axis)
    ny, nx = stored.shape
    return replace(whole, shape_yx=(ny, nx), pixels=Pixels(stored, pixels.layout))


def _measured(found: FoundDetector, boxes: Sequence[Section], inspections: Sequence[OverscanInspection]) -> LookedAt:
    """Take the sections of the header, and the gains and noises that the pixels have."""
    changed, remarks = _with_gains(found.detector.amplifiers, inspections)
    with_noise = [_with_noise(each, seen) for each, seen in zip(changed, inspections, strict=True)]
    remarks += [remark for _, some in with_noise for remark in some]
    detector = replace(found.detector, amplifiers=tuple(each for each, _ in with_noise))
    looked = replace(found, detector=detector, looked_at=True)
    return LookedAt(looked, tuple(inspections), tuple(boxes), _shortened(remarks))


def _decided(
    found: FoundDetector,
    boxes: Sequence[Section],
    inspections: Sequence[OverscanInspection],
) -> LookedAt:
    """Take the sections that light proves, and the figures that are measured well; say what the header says else."""
    remarks: list[str] = []
    data = []
    changed = []
    for amplifier, box, seen, inner in zip(
        found.detector.amplifiers, boxes, inspections, inner_ends(found), strict=True
    ):
        down = _corner(box)
        stated = _section_of(amplifier)
        moves = amplifier.overscan_reason != FOUND_IN_PIXELS
        own = _proven_data(stated.shift(-down[0], -down[1]), seen, moves=moves).shift(*down)
        proven = keep_inner_ends(stated, own, inner)
        if proven != stated and amplifier.overscan_reason != FOUND_IN_PIXELS:
            remarks.append(
                f"amplifier {amplifier.name}: header says data {stated}, the pixels show {proven}, which is used"
            )
        data.append(proven)
        changed.append(_with_overscan(_without_lit_prescan(amplifier, proven), seen, down, proven))
    changed, said = _with_gains(changed, inspections)
    with_noise = [_with_noise(each, seen) for each, seen in zip(changed, inspections, strict=True)]
    remarks += [*said, *(remark for _, some in with_noise for remark in some)]
    detector = replace(found.detector, amplifiers=tuple(each for each, _ in with_noise))
    whole = with_data(replace(found, detector=detector, looked_at=True), data)
    return LookedAt(whole, tuple(inspections), tuple(boxes), _shortened(remarks))


def _without_lit_prescan(amplifier: Amplifier, data: Section) -> Amplifier:
    """Return an amplifier without a prescan that is no strip when the amplifier is looked at alone."""
    prescan = amplifier.prescan
    return amplifier if prescan is None or prescan.intersect(data) is None else replace(amplifier, prescan=None)


def _is_of_pixels(found: FoundDetector) -> bool:
    return all(each.overscan_reason == FOUND_IN_PIXELS for each in found.detector.amplifiers)


def _section_of(amplifier: Amplifier) -> Section:
    if amplifier.trim is None:
        raise NoFramesError(f"amplifier {amplifier.name} has no data section")
    return amplifier.trim


def _corner(box: Section) -> tuple[int, int]:
    x, y = (part.ends()[0] - 1 for part in box.ranges)
    return x, y


def _proven_data(stated: Section, seen: OverscanInspection, *, moves: bool) -> Section:
    """Return the data section with those ends as the pixels have them beside which a strip is proven.

    Where that moves one end, and no strip proves the other, a section of a header ``moves`` as a whole: headers that
    are off by some columns seldom have the size wrong.
    """
    ranges = [list(part.ends()) for part in stated.ranges]
    trim = [part.ends() for part in seen.trim.ranges]
    sides = {strip.side for strip in seen.strips}
    for axis, ends in enumerate((("left", "right"), ("bottom", "top"))):
        proven = [side in sides for side in ends]
        for end in (0, 1):
            if proven[end]:
                moved = trim[axis][end] - ranges[axis][end]
                ranges[axis][end] += moved
                if moves and not proven[1 - end]:
                    ranges[axis][1 - end] += moved
        low, high = ranges[axis]
        ranges[axis] = [max(low, 1), min(high, seen.shape_yx[1 - axis])]
    return Section(tuple(AxisRange(first, last) for first, last in ranges))


def _with_overscan(amplifier: Amplifier, seen: OverscanInspection, down: tuple[int, int], data: Section) -> Amplifier:
    """Return an amplifier with the overscan that its pixels recommend; where they show none, that of the header."""
    stated = amplifier.overscan
    spec = seen.recommended
    if spec is not None and stated is not None and stated.intersect(spec.section.shift(*down)) is None:
        spec = _on_the_side_of(stated.shift(-down[0], -down[1]), seen)
    overscan = (
        None if spec is None else outside_of(spec.section.shift(*down), data, 1 if spec.axis is None else spec.axis)
    )
    if spec is not None and overscan is not None:
        parallel = None if seen.parallel is None else seen.parallel.section.shift(*down)
        of_header = amplifier.overscan_reason != FOUND_IN_PIXELS
        contradicted = f" (header: {stated})" if of_header and stated not in {None, overscan} else ""
        # light proves where an overscan is, and not where the header puts the image
        reason = f"overscan proven by the pixels{contradicted}{', place by the header' if of_header else ''}"
        return replace(
            amplifier,
            trim=data,
            overscan=overscan,
            overscan_axis=1 if spec.axis is None else spec.axis,
            overscan_method=spec.method,
            overscan_reason=reason,
            parallel_overscan=None if parallel is None or parallel.intersect(overscan) is not None else parallel,
        )
    if seen.decision == "do not use" and seen.recommended is None:
        return replace(amplifier, trim=data, overscan=None, overscan_reason=seen.verdict)
    if stated is not None and stated.intersect(data) is not None:
        stated = None
    if amplifier.overscan_reason == FOUND_IN_PIXELS:
        return replace(amplifier, trim=data, overscan=stated)
    return replace(amplifier, trim=data, overscan=stated, overscan_reason=f"header; pixels: {seen.decision}")


def _on_the_side_of(stated: Section, seen: OverscanInspection) -> OverscanSpec | None:
    """Return the strip where the header has the overscan, where its pixels allow it; None: they are silent."""
    for strip in seen.strips:
        if strip.usable is not None and not strip.objections and strip.usable.intersect(stated) is not None:
            return OverscanSpec(strip.usable, strip.axis, "constant" if strip.one_level else "auto")
    return None


def _with_noise(amplifier: Amplifier, seen: OverscanInspection) -> tuple[Amplifier, list[str]]:
    """Return an amplifier with the read noise of its biases; say so where the header says another one."""
    gain, stated = amplifier.gain_e_per_adu, amplifier.read_noise_e
    if seen.read_noise_adu is None or gain is None or not seen.read_noise_adu.value > 0:  # one value is no noise
        return amplifier, []
    own = seen.read_noise_adu.value * gain
    said: list[str] = []
    if stated is not None and abs(stated - own) > _NOISE_DIFFERS * own:
        both = f"header says a read noise of {number(stated, 3)} e-, its biases have {number(own, 3)}"
        said.append(f"amplifier {amplifier.name}: {both}, which is used")
    return replace(amplifier, read_noise_e=round(own, 5)), said


def _with_gains(
    amplifiers: Sequence[Amplifier], inspections: Sequence[OverscanInspection]
) -> tuple[list[Amplifier], list[str]]:
    """Return amplifiers with the gains of their flats where the header has none, or another one.

    Headers that are wrong are often so by one factor for all amplifiers, which is known better than the gain of each.
    """
    off: list[float] = []
    weights: list[float] = []
    for amplifier, seen in zip(amplifiers, inspections, strict=True):
        measured, stated = seen.gain_e_per_adu, amplifier.gain_e_per_adu
        if stated is not None and measured is not None and 0 < measured.counting_error < _GOOD_GAIN * measured.value:
            off.append(stated / measured.value - 1.0)
            weights.append((measured.value / measured.counting_error) ** 2)
    if len(off) > 1:
        common = float(np.average(off, weights=weights))
        error = float(1.0 / np.sqrt(np.sum(weights)))
        scatter = float(np.sum(np.square(np.array(off) - common) * weights)) / (len(off) - 1)
        if abs(common) > max(_COMMON_ERRORS * error, _GAIN_DIFFERS) and scatter < _ALIKE:
            said = (
                f"the header's gains are {100 * abs(common):.1f} ± {100 * error:.1f} % too "
                f"{'high' if common > 0 else 'low'}, by the flats of {len(off)} amplifiers; they are used without that"
            )
            return [_with_gain(each, None, 1.0 + common) for each in amplifiers], [said]
    changed, remarks = [], []
    for amplifier, seen in zip(amplifiers, inspections, strict=True):
        measured, stated = seen.gain_e_per_adu, amplifier.gain_e_per_adu
        if measured is None or measured.value <= 0:
            changed.append(amplifier)
            continue
        if stated is not None and not _differs(stated, measured):
            changed.append(amplifier)
            continue
        if stated is not None:
            remarks.append(
                f"amplifier {amplifier.name}: header says a gain of {number(stated, 4)} e-/ADU, its flats have "
                f"{number(measured.value, 4)} ± {number(measured.counting_error, 2)}, which is used"
            )
        changed.append(_with_gain(amplifier, measured.value))
    return changed, remarks


def _differs(stated: float, measured: Measured) -> bool:
    off = abs(stated - measured.value)
    good = 0 < measured.counting_error < _GOOD_GAIN * measured.value
    return good and off > max(_GAIN_ERRORS * measured.counting_error, _GAIN_DIFFERS * measured.value)


def _with_gain(amplifier: Amplifier, gain: float | None, divided_by: float = 1.0) -> Amplifier:
    value = amplifier.gain_e_per_adu if gain is None else gain
    return replace(amplifier, gain_e_per_adu=None if value is None else round(value / divided_by, 5))


def _shortened(remarks: Sequence[str]) -> tuple[str, ...]:
    """Return remarks without those that say the same twice."""
    return tuple(Counter(remarks))
