"""Which images of a file are what amplifiers of a detector read, and where they belong, as its headers say it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zeroframe.errors import CameraError, UnsupportedError
from zeroframe.fits import Hdu, ImageLayout
from zeroframe.fits.cards import Cards
from zeroframe.headers.amplifier_words import (
    CONVENTIONS,
    FoundAmplifier,
    Image,
    length_of,
    own_cards,
    says_amplifiers,
)
from zeroframe.headers.detectors import Amplifier, Detector
from zeroframe.headers.extensions import as_extension
from zeroframe.headers.sections import AxisRange, Section
from zeroframe.headers.set_up import binning_of
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from zeroframe.fits import FrameFile
    from zeroframe.headers.cameras import Camera

__all__ = [
    "FoundDetector",
    "contradiction_of",
    "detector_of_image",
    "detectors_in",
    "detectors_of_camera",
    "images_without_places",
    "places_of",
    "with_data",
]

#: A binned section of the sensor may lack the last part of a pixel, at either end.
_ROUNDING = 1
#: By so many columns data may be cut shorter than their section of the sensor.
_ROUGH = 3
_FEWEST_OVERSCAN = 2
_MOST_LISTED = 3
#: More images, or of fewer pixels, are no amplifiers.
_MOST_AMPLIFIERS, _STAMP = 32, 128 * 128
#: What to do where only the places of the images are missing.
_DRAFT = (
    "write a camera file with an [[amplifier]] for each: its ext, trim and overscan, and the place where its pixels "
    'belong, as place = "[1:1024,1:1024]" ("zeroframe inspect RAW --write my.toml" makes one in which only the '
    "places are to be filled in); or read one of them with --ext"
)
#: Words that say where an amplifier stands, and which of its own pixels do.
_ON_SENSOR, _WITHIN = ("DETSEC", "CCDSEC"), ("DATASEC", "BIASSEC")
_ADVICE = "read one of them with --ext, or say in a camera file where they belong"


@dataclass(frozen=True, slots=True)
class FoundDetector:
    """One detector of a file.

    Attributes
    ----------
    detector : Detector
        Its amplifiers, in pixels of the image in which those of its extensions stand one above the other
        (`zeroframe.fits.stacked`); placed.
    extensions : tuple of int
        Numbers of the HDUs, rising.
    convention : str
        By which words this was found.
    origin_xy : tuple of int
        The lowest pixel of its sections of the focal plane, unbinned.
    heights : tuple of int
        Rows of each of the extensions.
    sensor : tuple of (Section or None)
        Where the data of each amplifier stand on the detector, unbinned, as the header says it.
    looked_at : bool
        Whether the pixels were asked (`zeroframe.inspection.amplifiers`).
    """

    detector: Detector
    extensions: tuple[int, ...]
    convention: str
    origin_xy: tuple[int, int] = (1, 1)
    heights: tuple[int, ...] = ()
    sensor: tuple[Section | None, ...] = ()
    looked_at: bool = False

    @property
    def name(self) -> str:
        """Empty where the file holds only one."""
        return self.detector.name

    def extension_rows(self) -> tuple[slice, ...]:
        """Return the rows of the stacked image that hold each of the extensions."""
        starts = [sum(self.heights[:number]) for number in range(len(self.heights))]
        return tuple(slice(start, start + rows) for start, rows in zip(starts, self.heights, strict=True))

    @property
    def geometry(self) -> FoundDetector:
        """The same without figures and names of amplifiers: what frames of one detector have in common."""
        bare = tuple(
            replace(each, gain_e_per_adu=None, read_noise_e=None, saturation_adu=None)
            for each in self.detector.amplifiers
        )
        return replace(self, detector=replace(self.detector, amplifiers=bare))


def detectors_in(frame: FrameFile) -> tuple[FoundDetector, ...]:
    """Return the detectors of a file, where its headers speak of several images or amplifiers.

    Parameters
    ----------
    frame : FrameFile
        A file, as scanned.

    Returns
    -------
    tuple of FoundDetector
        Nothing where it holds one image, and no word of several amplifiers.

    Raises
    ------
    UnsupportedError
        When it holds several images that are not those of amplifiers, or whose headers contradict each other; it says
        what they are.
    """
    images = [(hdu, own_cards(frame, hdu)) for hdu in frame.images]
    if len(images) == 1 and not says_amplifiers(images[0][1]):
        return ()
    plain = all(hdu.layout is not None and len(hdu.layout.shape_yx) == 2 for hdu, _ in images)
    for convention in CONVENTIONS if plain else ():
        found = convention.find(images)
        if found:
            return _detectors(frame, found, convention.words)
    if len(images) <= 1:
        return ()
    raise UnsupportedError(frame.path, _what_they_are(images), _ADVICE if not _may_be_amplifiers(images) else _DRAFT)


# ---- from amplifiers to detectors


def _detectors(frame: FrameFile, found: Sequence[FoundAmplifier], words: str) -> tuple[FoundDetector, ...]:
    """Part amplifiers by chip, and put each into its place."""
    chips: dict[str, list[FoundAmplifier]] = {}
    for each in found:
        chips.setdefault(each.chip, []).append(each)
    if len(chips) == 1:
        chips = _apart(next(iter(chips.values())))
    made = []
    for number, (chip, members) in enumerate(chips.items(), start=1):
        name = "" if len(chips) == 1 else chip or f"chip{number}"
        binning = binning_of(own_cards(frame, next(hdu for hdu in frame.hdus if hdu.index == members[0].hdu)))
        made.append(_detector(frame, members, name, words, binning))
    return tuple(made)


def _apart(found: list[FoundAmplifier]) -> dict[str, list[FoundAmplifier]]:
    """Return amplifiers by chip where no word tells chips: those whose sections of the focal plane touch are one."""
    if any(each.on_sensor is None for each in found):
        return {"": found}
    groups: list[list[FoundAmplifier]] = []
    for each in found:
        touching = [group for group in groups if any(_touch(each, other) for other in group)]
        groups = [group for group in groups if group not in touching]
        groups.append([*(one for group in touching for one in group), each])
    if len(groups) == 1:
        return {"": found}
    order = {id(each): number for number, each in enumerate(found)}
    groups = sorted((sorted(group, key=lambda one: order[id(one)]) for group in groups), key=lambda g: order[id(g[0])])
    return {f"chip{number}": group for number, group in enumerate(groups, start=1)}


def _touch(one: FoundAmplifier, other: FoundAmplifier) -> bool:
    """Whether two sections of the focal plane overlap, or lie side by side without a gap."""
    if one.on_sensor is None or other.on_sensor is None:
        return True
    gaps = []
    for own, its in zip(one.on_sensor.ranges, other.on_sensor.ranges, strict=True):
        (a, b), (c, d) = sorted(own.ends()), sorted(its.ends())
        gaps.append(max(c - b, a - d))
    return (gaps[0] <= 1 and gaps[1] <= 0) or (gaps[0] <= 0 and gaps[1] <= 1)


def _detector(
    frame: FrameFile, members: Sequence[FoundAmplifier], name: str, words: str, binning_xy: tuple[int, int]
) -> FoundDetector:
    extensions = tuple(sorted({each.hdu for each in members}))
    heights = tuple(next(each.shape_yx[0] for each in members if each.hdu == number) for number in extensions)
    offsets = {number: sum(heights[:place]) for place, number in enumerate(extensions)}
    sensor = [each.on_sensor for each in members if each.on_sensor is not None]
    origin = (1, 1)
    if len(sensor) == len(members):
        _check_sizes(frame, members, sensor, binning_xy)
        x, y = (min(min(section.ranges[axis].ends()) for section in sensor) for axis in (0, 1))
        origin = (x, y)
    places = places_of([each.data for each in members], [each.on_sensor for each in members])
    amplifiers = _amplifiers(members, places, offsets, name, words)
    on_sensor = tuple(each.on_sensor for each in members)
    return FoundDetector(Detector(name, amplifiers), extensions, words, origin, heights, on_sensor)


def _amplifiers(
    members: Sequence[FoundAmplifier],
    places: Sequence[Section | None],
    offsets: Mapping[int, int],
    name: str,
    words: str,
) -> tuple[Amplifier, ...]:
    """Return amplifiers in pixels of the image in which their extensions stand one above the other."""
    amplifiers = []
    for each, place in zip(members, places, strict=True):
        bias, down = _useful_bias(each, members), offsets[each.hdu]
        amplifiers.append(
            Amplifier(
                name=each.name,
                overscan=None if bias is None else bias.shift(0, down),
                overscan_axis=1 if bias is None or _is_beside(bias, each.data) else 0,
                overscan_reason=f"header ({words})",
                trim=each.data.shift(0, down),
                place=place,
                gain_e_per_adu=each.gain_e_per_adu,
                read_noise_e=each.read_noise_e,
                saturation_adu=each.saturation_adu,
                detector=name,
            )
        )
    return tuple(amplifiers)


def detector_of_image(cards: Mapping[str, Any], shape_yx: tuple[int, int]) -> Detector | None:
    """Return the amplifiers of one image by its header, each in its place; None where it speaks of no several ones.

    Parameters
    ----------
    cards : mapping
        Of any kind, as the metadata of an image in memory.
    shape_yx : tuple of int
        Of the image.

    Raises
    ------
    CameraError
        When the sections contradict each other.

    Examples
    --------
    >>> cards = {"TRIMSECA": "[1:8,1:5]", "BIASSECA": "[9:10,1:5]"}
    >>> cards |= {"TRIMSECB": "[13:20,1:5]", "BIASSECB": "[11:12,1:5]"}
    >>> [(each.name, str(each.place)) for each in detector_of_image(cards, (5, 20)).amplifiers]
    [('A', '[1:8,1:5]'), ('B', '[9:16,1:5]')]
    """
    if not says_amplifiers(cards):
        return None
    nothing = Cards(b"END".ljust(80))
    hdu = Hdu(0, "", nothing, ImageLayout(16, shape_yx, 1.0, 0.0, None, 0, tile_compressed=False), 0, 0, nothing)
    for convention in CONVENTIONS:
        members = convention.find([(hdu, cards)])
        if members:
            places = places_of([each.data for each in members], [each.on_sensor for each in members])
            amplifiers = _amplifiers(members, places, {0: 0}, "", convention.words)
            return Detector("", amplifiers).placed(shape_yx)
    return None


def detectors_of_camera(frame: FrameFile, camera: Camera) -> tuple[FoundDetector, ...]:
    """Return the detectors of a file as a camera file describes them, whose amplifiers stand in extensions.

    Parameters
    ----------
    frame : FrameFile
    camera : Camera
        Unbinned; each of its amplifiers names its extension.

    Raises
    ------
    FrameError
        When the file lacks one of the extensions.
    CameraError
        When a section lies outside its image.
    """
    primary = frame.hdus[0].cards
    made = []
    for detector in camera.for_binning(
        binning_of(own_cards(frame, frame.images[0]) if frame.images else primary)
    ).detectors:
        hdus = [frame.image(as_extension(each.ext)) for each in detector.amplifiers]
        shapes = {hdu.index: hdu.layout.shape_yx for hdu in hdus if hdu.layout is not None}
        extensions = tuple(sorted(shapes))
        heights = tuple(shapes[number][0] for number in extensions)
        offsets = {number: sum(heights[:place]) for place, number in enumerate(extensions)}
        amplifiers = tuple(
            each.resolved(shapes[hdu.index]).shifted(0, offsets[hdu.index])
            for each, hdu in zip(detector.amplifiers, hdus, strict=True)
        )
        placed = replace(detector, amplifiers=amplifiers)
        made.append(FoundDetector(placed, extensions, f"camera {camera.name}", heights=heights))
    return tuple(made)


def contradiction_of(found: FoundDetector, shape_yx: tuple[int, int]) -> str | None:
    """Return in what the sections of a detector contradict each other, or its image; None where they do not.

    Parameters
    ----------
    found : FoundDetector
    shape_yx : tuple of int
        Of the stacked image.
    """
    try:
        found.detector.placed(shape_yx)
    except CameraError as error:
        return str(error)
    return None


def with_data(found: FoundDetector, data: Sequence[Section]) -> FoundDetector:
    """Return a detector whose amplifiers have other data sections, and places that follow from their sizes.

    Parameters
    ----------
    found : FoundDetector
    data : sequence of Section
        One for each amplifier, in pixels of the stacked image.
    """
    places = places_of(data, found.sensor)
    amplifiers = tuple(
        replace(each, trim=section, place=place)
        for each, section, place in zip(found.detector.amplifiers, data, places, strict=True)
    )
    return replace(found, detector=replace(found.detector, amplifiers=amplifiers))


def _useful_bias(each: FoundAmplifier, members: Sequence[FoundAmplifier]) -> Section | None:
    """Return the overscan: as it is said, where it lies outside the data; else what is left beside them."""
    data, bias = each.data, each.bias
    if bias is not None and bias.intersect(data) is None:
        return bias
    if sum(other.hdu == each.hdu for other in members) > 1:  # what is left may be of another one
        return None
    (x1, x2), rows = data.ranges[0].ends(), data.ranges[1]
    nx = each.shape_yx[1]
    if nx - x2 >= max(x1 - 1, _FEWEST_OVERSCAN):
        return Section((AxisRange(x2 + 1, nx), rows))
    if x1 - 1 >= _FEWEST_OVERSCAN:
        return Section((AxisRange(1, x1 - 1), rows))
    return None


def _is_beside(bias: Section, data: Section) -> bool:
    """Whether a strip has the rows of the data, and not their columns."""
    (a, b), (c, d) = bias.ranges[0].ends(), data.ranges[0].ends()
    return b < c or a > d


def places_of(data: Sequence[Section], on_sensor: Sequence[Section | None]) -> Sequence[Section | None]:
    """Return where data go in the image of the detector, in its own pixels, so that no gap is left by rounding.

    Parameters
    ----------
    data : sequence of Section
        What each amplifier read.
    on_sensor : sequence of (Section or None)
        Where that stands on the sensor, which gives the order in rows and columns, and the direction; sizes are those
        of the data.

    Returns
    -------
    sequence of (Section or None)
        None for all where one has no place on the sensor.

    Examples
    --------
    >>> data = [Section.parse("[1:10,1:5]"), Section.parse("[1:10,1:5]")]
    >>> sensor = [Section.parse("[40:21,1:10]"), Section.parse("[1:20,1:10]")]
    >>> [str(each) for each in places_of(data, sensor)]
    ['[20:11,1:5]', '[1:10,1:5]']
    """
    known = [section for section in on_sensor if section is not None]
    if len(known) < len(data):
        return [None] * len(data)
    drawn: list[list[AxisRange]] = [[] for _ in data]
    for axis in (0, 1):
        lows = [min(section.ranges[axis].ends()) for section in known]
        lengths = [length_of(each.ranges[axis]) for each in data]
        begins, at = {}, 1
        for low in sorted(set(lows)):
            begins[low] = at
            at += max(length for own, length in zip(lows, lengths, strict=True) if own == low)
        for ranges, section, low, length in zip(drawn, known, lows, lengths, strict=True):
            first, last = section.ranges[axis].ends()
            begin, end = begins[low], begins[low] + length - 1
            ranges.append(AxisRange(end, begin) if first > last else AxisRange(begin, end))
    return [Section(tuple(ranges)) for ranges in drawn]


def _check_sizes(
    frame: FrameFile, members: Sequence[FoundAmplifier], sensor: Sequence[Section], binning_xy: tuple[int, int]
) -> None:
    for each, section in zip(members, sensor, strict=True):
        for part, own, factor in zip(section.ranges, each.data.ranges, binning_xy, strict=True):
            whole, pixels = length_of(part), length_of(own)
            if abs(whole - pixels * factor) > _ROUNDING * factor + _ROUGH:
                raise UnsupportedError(
                    frame.path,
                    f"amplifier {each.name} (extension {each.hdu}): its data {each.data} have {pixels} pixels along an "
                    f"axis on which its section of the detector {section} has {whole}, binned {factor}",
                    "say in a camera file where its amplifiers stand",
                )


# ---- what several images are that are no amplifiers


def images_without_places(frame: FrameFile) -> tuple[int, ...]:
    """Return the numbers of the HDUs whose images may be those of amplifiers, where no header says where they belong.

    Parameters
    ----------
    frame
        As for `detectors_in`.

    Returns
    -------
    tuple of int
        Nothing where its headers say it, or the images are something else.
    """
    images = [(hdu, own_cards(frame, hdu)) for hdu in frame.images]
    if not _may_be_amplifiers(images) or any(convention.find(images) for convention in CONVENTIONS):
        return ()
    return tuple(hdu.index for hdu, _ in images)


def _may_be_amplifiers(images: Sequence[Image]) -> bool:
    """Whether there are several images of two axes and one size, not too many, and larger than stamps."""
    shapes = {hdu.layout.shape_yx if hdu.layout is not None else () for hdu, _ in images}
    if len(shapes) != 1 or not 1 < len(images) <= _MOST_AMPLIFIERS:
        return False
    (shape,) = shapes
    return len(shape) == 2 and shape[0] * shape[1] >= _STAMP


def _what_they_are(images: Sequence[Image]) -> str:
    """Say what the images of a file are, as far as their number and sizes tell."""
    shapes = [hdu.layout.shape_yx for hdu, _ in images if hdu.layout is not None]
    listed = ", ".join(f"{hdu.index} {hdu.name!r}" if hdu.name else str(hdu.index) for hdu, _ in images[:_MOST_LISTED])
    more = f" and {len(images) - _MOST_LISTED} more" if len(images) > _MOST_LISTED else ""
    which = f"{len(images)} images (extensions {listed}{more})"
    if any(len(shape) > 2 for shape in shapes):
        return f"holds {which}, of which at least one is a cube: {_size(max(shapes, key=len))} pixels"
    counts = [ny * nx for ny, nx in shapes]
    if len(set(shapes)) > 1 and max(counts) >= 4 * sorted(counts)[-2]:
        large = images[counts.index(max(counts))][0]
        return (
            f"holds an image of {_size(shapes[counts.index(max(counts))])} pixels (extension {large.index}) and "
            f"{len(images) - 1} smaller beside it, as previews are"
        )
    sizes = f"of {_size(shapes[0])} pixels" if len(set(shapes)) == 1 else "of several sizes"
    if len(images) > _MOST_AMPLIFIERS or max(counts) < _STAMP:
        return f"holds {which} {sizes}, as stamps of a guider or single exposures are, and no word of amplifiers"
    said = next(((word, cards[word]) for word in _ON_SENSOR for _, cards in images if cards.get(word)), None)
    if said is None:
        return f"holds {which} {sizes}, and its headers do not say where they belong (no DETSEC, no CCDSEC)"
    missing = ", ".join(f"no {word}" for word in _WITHIN if not any(cards.get(word) for _, cards in images))
    words = f" ({missing})" if missing else ""
    return (
        f"holds {which} {sizes}, and its headers say where they belong ({said[0]} = {said[1]!r}), but not which of "
        f"their pixels those are and which the overscan is{words}"
    )


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(str(n) for n in reversed(shape))
