"""Which amplifiers the headers of a file speak of, by every convention in use.

Observatories say it in different words. Each convention is a function of its own, which looks at the images of a file
and returns what it finds, or nothing; they stand in a table, and the first that finds something is taken. What they
find are sections as they stand in the file: whether they are true is a question for the pixels.

Sources: the NOAO FITS keyword dictionary and ``mscred`` (DETSEC, CCDSEC, DATASEC, BIASSEC, ATM, LTM); IRAF's
``quadformat`` (ASECnn, BSECnn, DSECnn, TSECnn); DECam's and the Lick spectrographs' words with a letter (BIASSECA); the
Data Interface Control Document of ESO (HIERARCH ESO DET OUTn).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zeroframe.errors import SectionError
from zeroframe.headers.sections import AxisRange, Section
from zeroframe.headers.set_up import binning_of
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from zeroframe.fits import FrameFile, Hdu
    from zeroframe.fits.cards import Cards

__all__ = [
    "CONVENTIONS",
    "Convention",
    "FoundAmplifier",
    "Image",
    "length_of",
    "may_say_amplifiers",
    "own_cards",
    "says_amplifiers",
]

#: Words for a chip, the first that all images have.
_CHIP_WORDS = ("CCDNAME", "CHIPID", "CCDNUM", "CCDID", "DETID", "DETECTID", "DETSER", "EXTCHIP", "ESO DET CHIP1 ID")
#: What a name of an amplifier may begin with, and which is said anyway.
_CALLED = re.compile(r"(?i)amp(?:lifier)?[ _]+(?=\S)")
_AMPLIFIER_WORDS = ("AMPNAME", "AMPID", "CHANNEL", "EXTNAME")


@dataclass(frozen=True, slots=True)
class FoundAmplifier:
    """What a header says of one amplifier.

    Attributes
    ----------
    name : str
    hdu : int
        Number of the HDU that it stands in.
    shape_yx : tuple of int
        Of that image.
    data : Section
    bias : Section or None
        In pixels of that image, in rising order.
    on_sensor : Section or None
        The place of ``data``, in unbinned pixels of detector or focal plane; reversed along an axis that is turned.
    chip : str
        Empty where nothing tells chips apart.
    gain_e_per_adu, read_noise_e, saturation_adu : float or None
    """

    name: str
    hdu: int
    shape_yx: tuple[int, int]
    data: Section
    bias: Section | None
    on_sensor: Section | None
    chip: str = ""
    gain_e_per_adu: float | None = None
    read_noise_e: float | None = None
    saturation_adu: float | None = None


#: What is looked at: an HDU, and its header completed by the primary one.
Image = tuple["Hdu", Mapping[str, Any]]


#: Words that are taken from the primary header by no image: they are an amplifier's own.
_OWN_WORDS = re.compile(
    r"(?:BIAS|TRIM|DATA|AMP|CCD|DET)SEC[A-Z0-9]?\Z|(?:GAIN|RDNOISE|SATURATE|AMPNAME|CHANNEL|CCDNAME|EXTNAME)\Z"
    r"|(?:LT|AT|DT)[MV]\d(?:_\d)?\Z"
)


class _Own(Mapping[str, Any]):
    """A header that hands down the exposure's words and none of an amplifier's."""

    def __init__(self, own: Mapping[str, Any], primary: Mapping[str, Any]) -> None:
        self._own, self._primary = own, primary

    def __getitem__(self, word: str) -> Any:  # noqa: ANN401 -- values of cards
        if word in self._own:
            return self._own[word]
        if _OWN_WORDS.match(word):
            raise KeyError(word)
        return self._primary[word]

    def __iter__(self) -> Any:  # noqa: ANN401 -- of a mapping
        yield from self._own
        yield from (word for word in self._primary if word not in self._own and not _OWN_WORDS.match(word))

    def __len__(self) -> int:
        return len(list(iter(self)))


def own_cards(frame: FrameFile, hdu: Hdu) -> Mapping[str, Any]:
    """Return the header of an image with what the primary header says of the exposure, and nothing else of it.

    A BIASSEC 'UNKNOWN' or a GAIN of 0 of the primary header is none of an amplifier.
    """
    if hdu.index == 0:
        return hdu.cards
    primary: Mapping[str, Any] = {} if hdu.cards.get("INHERIT") is False else frame.hdus[0].cards
    return _Own(hdu.cards, primary)


_LETTERED = re.compile(r"(?:DATA|TRIM)SEC([A-P1-9])\Z|[DT]SEC([A-D1-9])\Z")
_QUAD = re.compile(r"[DT]SEC(\d\d)\Z")
_ESO = re.compile(r"ESO DET OUT(\d+) NX\Z")
_SUBARU = re.compile(r"([ST])_EFMN(\d)1\Z")


_MAY_SAY = re.compile(r"(?:DATA|TRIM)SEC[B-D2-4]\Z|[DT]SEC(?:\d\d|[B-D2-4])\Z|DET OUT[2-9]\d? NX\Z|[ST]_EFMN21\Z")


def may_say_amplifiers(cards: Cards) -> bool:
    """Say whether a header can speak of several amplifiers, by its keywords, which is found once for a camera.

    Examples
    --------
    >>> from zeroframe.fits.cards import Cards
    >>> may_say_amplifiers(Cards(b"TRIMSECB= '[1:8,1:9]'".ljust(80) + b"END".ljust(80)))
    True
    """
    if cards.like(_MAY_SAY):
        return True
    cover = cards.get("COVER")
    return isinstance(cover, int | float) and cover >= 1


def says_amplifiers(cards: Mapping[str, Any]) -> bool:
    """Say whether the header of one image speaks of several amplifiers.

    Examples
    --------
    >>> says_amplifiers({"TRIMSECA": "[1:8,1:9]", "TRIMSECB": "[9:16,1:9]"}), says_amplifiers({"TRIMSEC": "[1:8,1:9]"})
    (True, False)
    >>> says_amplifiers({"DSEC1": "[1:8,1:9]", "TSEC1": "[1:8,1:9]"})  # two words of one amplifier
    False
    """
    words = [str(word) for word in cards]
    patterns = (_LETTERED, _QUAD, _ESO, _SUBARU)
    return "COVER" in words or any(
        len({tuple(filter(None, match.groups())) for word in words if (match := pattern.match(word))}) > 1
        for pattern in patterns
    )


# ---- the conventions: each returns what the images of a file are, or nothing


def _lettered(images: Sequence[Image]) -> list[FoundAmplifier]:
    """Several amplifiers in each image: DATASECA, TRIMSECA, BIASSECA, CCDSECA, GAINA, RDNOISEA (or 1, 2 …).

    MegaCam says DSECA, TSECA, BSECA and CSECA; KCWI DSEC1, BSEC1 and CSEC1, whose ends both DSEC2 and CSEC2 have in
    falling order, as an amplifier on the right reads them.
    """
    found = []
    for hdu, cards in images:
        letters = sorted({match[1] or match[2] for word in cards if (match := _LETTERED.match(str(word)))})
        for letter in letters:
            words = (f"TRIMSEC{letter}", f"DATASEC{letter}", f"TSEC{letter}", f"DSEC{letter}")
            word = next((word for word in words if _section(cards, hdu, word) is not None), "")
            data = _section(cards, hdu, word)
            if data is None:
                return []
            place = _sensor_section(cards, f"CCDSEC{letter}", f"CSEC{letter}", f"DETSEC{letter}")
            bias = _section(cards, hdu, f"BIASSEC{letter}") or _section(cards, hdu, f"BSEC{letter}")
            name = str(cards.get(f"AMPNAM{letter}", letter)).strip() or letter
            found.append(
                FoundAmplifier(
                    name, hdu.index, _shape(hdu), data, bias,
                    _as_data_run(place, cards, word), _chip_of(cards, hdu, images),
                    _number(cards, f"GAIN{letter}", f"GTGAIN{letter}"),
                    _number(cards, f"RDNOISE{letter}", f"READNOI{letter}", f"GTRON{letter}"),
                    _number(cards, f"SATURAT{letter}", f"SATURATE{letter}"),
                )
            )  # fmt: skip
    return found if len({each.name for each in found}) > 1 else []


def _as_data_run(place: Section | None, cards: Mapping[str, Any], word: str) -> Section | None:
    """Return a place for data in rising order: where place and data both fall along an axis, nothing is turned."""
    data = _sensor_section(cards, word)
    if place is None or data is None:
        return place
    ranges = []
    for own, its in zip(place.ranges, data.ranges, strict=True):
        (first, last), (begin, end) = own.ends(), its.ends()
        ranges.append(AxisRange(last, first) if first > last and begin > end else own)
    return Section(tuple(ranges))


def _quad(images: Sequence[Image]) -> list[FoundAmplifier]:
    """Several amplifiers in one image, numbered by row and column: DSEC11, TSEC11, BSEC11, CSEC11, GTGAIN11."""
    found = []
    for hdu, cards in images:
        for number in sorted({match[1] for word in cards if (match := _QUAD.match(str(word)))}):
            data = _section(cards, hdu, f"TSEC{number}") or _section(cards, hdu, f"DSEC{number}")
            if data is None:
                return []
            found.append(
                FoundAmplifier(
                    number, hdu.index, _shape(hdu), data, _section(cards, hdu, f"BSEC{number}"),
                    _sensor_section(cards, f"CSEC{number}"), _chip_of(cards, hdu, images),
                    _number(cards, f"GTGAIN{number}", f"GAIN{number}"),
                    _number(cards, f"GTRON{number}", f"RDNOIS{number}"),
                )
            )  # fmt: skip
    return found if len(found) > 1 else []


def _subaru(images: Sequence[Image]) -> list[FoundAmplifier]:
    """Channels of Subaru's mosaics in each image: S_EFMN11 to S_EFMX12, S_OSMN11 …, S_GAIN1 (HSC: T_EFMN11 …)."""
    found = []
    for hdu, cards in images:
        channels = sorted({(match[1], match[2]) for word in cards if (match := _SUBARU.match(str(word)))})
        for letter, channel in channels:
            data = _ends_section(cards, hdu, f"{letter}_EF", channel)
            if data is None:
                return []
            beside = _ends_section(cards, hdu, f"{letter}_OS", channel)
            # its second pair of ends is that of the parallel overscan: the serial one stands beside the image
            bias = None if beside is None else Section((beside.ranges[0], data.ranges[1]))
            gain = _number(cards, f"{letter}_GAIN{channel}")
            chip = _chip_of(cards, hdu, images)
            found.append(FoundAmplifier(channel, hdu.index, _shape(hdu), data, bias, None, chip, gain))
    return found if len(found) > 1 else []


def _ends_section(cards: Mapping[str, Any], hdu: Hdu, begins: str, channel: str) -> Section | None:
    """Return a section whose ends stand in four cards, as S_EFMN11, S_EFMX11, S_EFMN12 and S_EFMX12."""
    ends = [[_number(cards, f"{begins}{end}{channel}{axis}") for end in ("MN", "MX")] for axis in (1, 2)]
    ranges = [AxisRange(int(low), int(high)) for low, high in ends if low is not None and high is not None]
    if len(ranges) < 2:
        return None
    try:
        return Section(tuple(ranges)).resolve(_shape(hdu))
    except SectionError:
        return None


def _cover(images: Sequence[Image]) -> list[FoundAmplifier]:
    """Amplifiers side by side, their overscans of COVER columns each behind all images: DATASEC and COVER of Lick."""
    found = []
    for hdu, cards in images:
        data, columns = _section(cards, hdu, "DATASEC"), int(_number(cards, "COVER") or 0)
        if data is None or not columns:
            return []
        first, last = data.ranges[0].ends()
        number, rest = divmod(_shape(hdu)[1] - last, columns)
        if rest or number < 2 or first != 1 or last % number:
            return []
        width = last // number
        for place in range(number):
            image = Section((AxisRange(place * width + 1, (place + 1) * width), data.ranges[1]))
            begin = last + place * columns
            bias = Section((AxisRange(begin + 1, begin + columns), data.ranges[1]))
            name = chr(ord("A") + place)
            found.append(
                FoundAmplifier(
                    name, hdu.index, _shape(hdu), image, bias, None, _chip_of(cards, hdu, images),
                    _number(cards, f"GAIN{name}"), _number(cards, f"RDNOISE{name}"),
                )
            )  # fmt: skip
    return found


def _eso(images: Sequence[Image]) -> list[FoundAmplifier]:
    """ESO's outputs in one image or several: OUTn NX, NY, PRSCX, OVSCX, PRSCY, OVSCY, X, Y, CONAD, RON."""
    found = []
    for hdu, cards in images:
        numbers = sorted({int(match[1]) for word in cards if (match := _ESO.match(str(word)))})
        if not numbers:
            return []
        made = [_eso_output(hdu, cards, number, images) for number in numbers]
        found += [each for each in made if each is not None]
        if len(numbers) > 1:
            found = _eso_beside(found[: -len(numbers)], found[-len(numbers) :], cards)
    return found if len(found) > 1 else []


def _eso_output(hdu: Hdu, cards: Mapping[str, Any], number: int, images: Sequence[Image]) -> FoundAmplifier | None:
    def value(word: str) -> int:
        return int(_number(cards, f"ESO DET OUT{number} {word}") or 0)

    nx, ny, before, below = value("NX"), value("NY"), value("PRSCX"), value("PRSCY")
    if not nx or not ny:
        return None
    data = Section((AxisRange(before + 1, before + nx), AxisRange(below + 1, below + ny)))
    columns = _eso_strip(before, nx, value("OVSCX"))
    rows = _eso_strip(below, ny, value("OVSCY"))
    bias = None
    if columns is not None:
        bias = Section((columns, data.ranges[1]))
    elif rows is not None:
        bias = Section((data.ranges[0], rows))
    noise = _number(cards, f"ESO DET OUT{number} RON")
    gain = _number(cards, f"ESO DET OUT{number} CONAD")
    chip = _chip_of(cards, hdu, images)
    return FoundAmplifier(f"OUT{number}", hdu.index, _shape(hdu), data, bias, None, chip, gain, noise)


def _eso_strip(before: int, image: int, after: int) -> AxisRange | None:
    """Return the overscan of so many pixels after the image, or else the prescan before it."""
    if after:
        return AxisRange(before + image + 1, before + image + after)
    return AxisRange(1, before) if before else None


def _eso_beside(
    others: list[FoundAmplifier], own: list[FoundAmplifier], cards: Mapping[str, Any]
) -> list[FoundAmplifier]:
    """Put outputs of one image beside each other, each with its strips on the side of its corner of the chip."""
    corners = []
    for each in own:
        number = each.name.removeprefix("OUT")
        corners.append(
            (_number(cards, f"ESO DET OUT{number} X") or 1.0, _number(cards, f"ESO DET OUT{number} Y") or 1.0)
        )
    middle_x, middle_y = ((min(part) + max(part)) / 2 for part in zip(*corners, strict=True))
    placed = []
    for each, (x, y) in zip(own, corners, strict=True):
        turns = (x > middle_x, y > middle_y)
        bias = None if each.bias is None else _from_the_other_end(each.bias, each.shape_yx, turns)
        placed.append(replace(each, data=_from_the_other_end(each.data, each.shape_yx, turns), bias=bias))
    return [*others, *placed]


def _from_the_other_end(section: Section, shape_yx: tuple[int, int], turns_xy: tuple[bool, bool]) -> Section:
    """Return a section counted from the other end of an image, along the axes that are turned."""
    ranges = []
    for part, size, turn in zip(section.ranges, shape_yx[::-1], turns_xy, strict=True):
        first, last = part.ends()
        ranges.append(AxisRange(size + 1 - last, size + 1 - first) if turn else part)
    return Section(tuple(ranges))


def _by_extension(images: Sequence[Image]) -> list[FoundAmplifier]:
    """One amplifier an extension: DETSEC or CCDSEC, DATASEC or TRIMSEC, BIASSEC."""
    found = []
    for hdu, cards in images:
        place = _sensor_section(cards, "DETSEC", "CCDSEC")
        data = _section(cards, hdu, "DATASEC") or _section(cards, hdu, "TRIMSEC") or _whole_of(place, hdu, cards)
        if place is None or data is None:
            return []
        name = next((str(cards[word]).strip() for word in _AMPLIFIER_WORDS if word in cards), str(hdu.index))
        name = _CALLED.sub("", name) or name
        found.append(
            FoundAmplifier(
                name, hdu.index, _shape(hdu), data, _section(cards, hdu, "BIASSEC"),
                _turned_by_matrix(place, cards),
                _chip_of(cards, hdu, images), _number(cards, "GAIN", "EGAIN"), _number(cards, "RDNOISE", "READNOIS"),
                _number(cards, "SATURATE", "SATURAT"),
            )
        )  # fmt: skip
    return _with_own_names(found)


def _a_chip_each(images: Sequence[Image]) -> list[FoundAmplifier]:
    """One chip an extension, told apart by its name, of which nothing says where it stands: DATASEC, BIASSEC."""
    if len(images) < 2 or any(word in cards for _, cards in images for word in ("DETSEC", "CCDSEC")):
        return []
    chips = [_chip_of(cards, hdu, images) for hdu, cards in images]
    if "" in chips or len(set(chips)) < len(chips):
        return []
    found = []
    for (hdu, cards), chip in zip(images, chips, strict=True):
        data = _section(cards, hdu, "DATASEC") or _section(cards, hdu, "TRIMSEC")
        if data is None:
            return []
        found.append(
            FoundAmplifier(
                chip, hdu.index, _shape(hdu), data, _section(cards, hdu, "BIASSEC"), None,
                chip, _number(cards, "GAIN", "EGAIN"), _number(cards, "RDNOISE", "READNOIS"),
                _number(cards, "SATURATE", "SATURAT"),
            )
        )  # fmt: skip
    return found


def _whole_of(place: Section | None, hdu: Hdu, cards: Mapping[str, Any]) -> Section | None:
    """Return the whole image, where its size is that of its place on the sensor: no strip was read."""
    if place is None:
        return None
    ny, nx = _shape(hdu)
    whole = Section((AxisRange(1, nx), AxisRange(1, ny)))
    factors = binning_of(cards)
    fits = all(
        abs(n * factor - length_of(part)) < factor
        for n, factor, part in zip((nx, ny), factors, place.ranges, strict=True)
    )
    return whole if fits else None


def _turned_by_matrix(place: Section, cards: Mapping[str, Any]) -> Section:
    """Return a place turned along an axis on which LTM or DTM is negative and the section itself says nothing."""
    ranges = []
    for axis, part in enumerate(place.ranges, start=1):
        first, last = part.ends()
        scale = next((_number(cards, f"{word}{axis}_{axis}", signed=True) for word in ("LTM", "DTM")
                      if f"{word}{axis}_{axis}" in cards), None)  # fmt: skip
        turned = scale is not None and scale < 0 and first < last
        ranges.append(AxisRange(last, first) if turned else part)
    return Section(tuple(ranges))


def _with_own_names(found: list[FoundAmplifier]) -> list[FoundAmplifier]:
    """Return amplifiers that have one name each: where words repeat, the number of the extension is added."""
    names = [(each.chip, each.name) for each in found]
    return [
        each if names.count((each.chip, each.name)) == 1 else replace(each, name=f"{each.name} ({each.hdu})")
        for each in found
    ]


@dataclass(frozen=True, slots=True)
class Convention:
    """How some observatories say where amplifiers stand: in which words, and what finds them."""

    words: str
    find: Callable[[Sequence[Image]], list[FoundAmplifier]]


#: In the order in which they are asked.
CONVENTIONS: tuple[Convention, ...] = (
    Convention("DATASECA, BIASSECA and the like", _lettered),
    Convention("DSEC11, BSEC11 and the like", _quad),
    Convention("ESO DET OUTn", _eso),
    Convention("S_EFMN11, S_OSMN11 and the like", _subaru),
    Convention("DATASEC and COVER", _cover),
    Convention("DETSEC of each extension", _by_extension),
    Convention("DATASEC of each chip", _a_chip_each),
)


def _chip_of(cards: Mapping[str, Any], hdu: Hdu, images: Sequence[Image]) -> str:
    """Return what tells the chip of an image: the first word that all images have."""
    del hdu
    for word in _CHIP_WORDS:
        if all(word in each for _, each in images):
            text = str(cards[word]).strip()
            return text.rpartition(" ")[2] if text.count(" ") else text
    return ""


def _section(cards: Mapping[str, Any], hdu: Hdu, word: str) -> Section | None:
    """Read a section of an image, in rising order; None where there is none that can be read and lies inside."""
    value = cards.get(word)
    if not isinstance(value, str):
        return None
    try:
        section = Section.parse(value).resolve(_shape(hdu))
    except SectionError:
        return None
    return Section(tuple(AxisRange(min(part.ends()), max(part.ends())) for part in section.ranges))


def _sensor_section(cards: Mapping[str, Any], *words: str) -> Section | None:
    """Read a section of the sensor, whose ends must be numbers."""
    for word in words:
        value = cards.get(word)
        if not isinstance(value, str):
            continue
        try:
            section = Section.parse(value)
        except SectionError:
            continue
        if section.resolved and len(section.ranges) == 2:
            return section
    return None


def _shape(hdu: Hdu) -> tuple[int, int]:
    if hdu.layout is None:
        raise ValueError(f"extension {hdu.index} holds no image")
    ny, nx = hdu.layout.shape_yx
    return ny, nx


def _number(cards: Mapping[str, Any], *words: str, signed: bool = False) -> float | None:
    """Return the first positive number (or any, where ``signed``) that one of some words has."""
    for word in words:
        value = cards.get(word)
        if isinstance(value, int | float) and not isinstance(value, bool) and (signed or value > 0):
            return float(value)
    return None


def length_of(part: AxisRange) -> int:
    """Return how many pixels a range has."""
    first, last = part.ends()
    return abs(last - first) + 1
