"""Headers of results: what was done in IRAF's words, and sections and coordinates made true for the trimmed image.

Words follow IRAF's ccdred (OVERSCAN, TRIM, ZEROCOR, NCOMBINE, IMCMBnnn; ccdproc and imcombine help pages), coordinates
the FITS standard (4.0, section 8) and the LTV/LTM convention of IRAF's physical coordinates.
"""

from __future__ import annotations

import re
import sys
from collections.abc import MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from zeroframe.errors import SectionError
from zeroframe.fits.header import HeaderDraft
from zeroframe.headers.colours import cut_pattern
from zeroframe.headers.dialects import unit_word
from zeroframe.headers.sections import AxisRange, Section
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from zeroframe.headers.detectors import Detector

__all__ = [
    "ERROR_CARD",
    "IMAGE_SECTIONS",
    "LEVELLED_CARD",
    "LEVEL_ERROR_CARD",
    "OWN_LEVEL_ERROR_CARD",
    "SENSOR_SECTIONS",
    "Piece",
    "assembled_cards",
    "combined_cards",
    "say_amplifiers",
    "set_card",
    "trim_cards",
]

#: An astropy Header, or any other mapping that a CCDData has as its metadata.
Metadata: TypeAlias = MutableMapping[str, Any]

#: Sections that tell where something stands in this image; CCDSEC and DETSEC tell where its data stand on the sensor.
IMAGE_SECTIONS = ("BIASSEC", "TRIMSEC", "DATASEC", "AMPSEC")
SENSOR_SECTIONS = ("CCDSEC", "DETSEC")
#: The same, of each of several amplifiers: BIASSECA, TRIMSEC1, and BSEC11, ASEC11, TSEC11, DSEC11, CSEC11 of IRAF's
#: quad cameras (``help quadformat``).
_ALL_SECTIONS = re.compile(r"(BIAS|TRIM|DATA|AMP|CCD|DET)SEC[A-Z0-9]?|[ABCDT]SEC(\d\d|[A-D])")
_MOST_NAMES = 999


def set_card(header: Metadata, word: str, value: object, comment: str = "") -> None:
    """Set a card; the comment is kept where the metadata are a FITS header.

    Examples
    --------
    >>> plain = {}
    >>> set_card(plain, "NCOMBINE", 3, "number of frames combined")
    >>> plain
    {'NCOMBINE': 3}
    """
    header[word] = (value, comment) if comment and _takes_comments(header) else value


def _takes_comments(header: Metadata) -> bool:
    """Whether it is a FITS header: ours, or astropy's, which is not there before astropy has been imported."""
    fits = sys.modules.get("astropy.io.fits")
    return isinstance(header, HeaderDraft if fits is None else (HeaderDraft, fits.Header))


def trim_cards(header: Metadata, section: Section, shape_yx: tuple[int, ...]) -> None:
    """Make the cards of a header true for an image that was cut out of a larger one; the header is changed in place.

    Parameters
    ----------
    header : astropy.io.fits.Header or mapping
        Of the larger image.
    section : Section
        What was cut out, in coordinates of the larger image; an axis that is read backwards was flipped.
    shape_yx : tuple of int
        Shape of the larger image.

    Notes
    -----
    BIASSEC, TRIMSEC, DATASEC are cut and shifted, and removed where nothing of them is left. CCDSEC and DETSEC follow
    the data that they describe: DATASEC, else TRIMSEC, else the whole image, else the corner of their size, whichever
    fits their size in whole (binned) pixels; where none does, they are removed. CRPIX moves with the pixels; LTV
    records the shift. NAXIS1 and NAXIS2 are set where they are there. The pattern of a colour sensor is that of the
    first pixel that is kept.

    Examples
    --------
    >>> from astropy.io.fits import Header
    >>> header = Header({"BIASSEC": "[2049:2080,1:4127]", "CCDSEC": "[1:2048,1:4128]", "DATASEC": "[1:2048,1:4128]"})
    >>> trim_cards(header, Section.parse("[101:2048,*]"), (4128, 2080))
    >>> header["DATASEC"], header["CCDSEC"], header["LTV1"], "BIASSEC" in header
    ('[1:1948,1:4128]', '[101:2048,1:4128]', -100.0, False)
    """
    cut = section.resolve(shape_yx)
    cut_pattern(header, cut, shape_yx)
    stands = {word: _image_section(header, word, shape_yx) for word in IMAGE_SECTIONS}
    for word in SENSOR_SECTIONS:
        _trim_sensor_section(header, word, stands, cut, shape_yx)
    for word, where in stands.items():
        left = None if where is None else _moved(where, cut, shape_yx)
        if left is not None:
            set_card(header, word, str(left))
        elif word in header:
            del header[word]
    for word in [str(word) for word in header if _ALL_SECTIONS.fullmatch(str(word))]:
        if word not in (*IMAGE_SECTIONS, *SENSOR_SECTIONS):  # of one of several amplifiers, in the larger image
            del header[word]
    new_shape = cut.shape_yx(shape_yx)
    for axis, part in enumerate(cut.ranges, start=1):
        first, last = part.ends()
        _shift_axis(header, axis, min(first, last) - 1, new_shape[-axis], flipped=part.flipped)
        if f"NAXIS{axis}" in header:
            set_card(header, f"NAXIS{axis}", new_shape[-axis])


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a larger image, and where it stands in the image that is assembled of such.

    Attributes
    ----------
    cut : Section
        What was cut out, in coordinates of the larger image, in rising order.
    to_xy : tuple of int
        The pixel, counted from 0, at which it begins in the assembled image.
    flips_xy : tuple of bool
        Along which axes it was turned around.
    """

    cut: Section
    to_xy: tuple[int, int]
    flips_xy: tuple[bool, bool]

    def shift(self, axis: int) -> tuple[int, int, bool]:
        """Return offset, size and flip along an axis, counted from 0, as a plain cut would have them."""
        first, last = self.cut.ranges[axis].ends()
        to, flipped = self.to_xy[axis], self.flips_xy[axis]
        # turned around, pixel p becomes to + last + 1 - p, which is size + 1 - (p - offset)
        return (first - 1 + to if flipped else first - 1 - to), last - first + 1, flipped

    def distance(self, pixel_xy: Sequence[float]) -> float:
        """Return how far a pixel of the larger image, counted from 1, lies outside; 0 within."""
        return max(
            max(first - 0.5 - at, at - last - 0.5, 0.0)
            for at, (first, last) in zip(pixel_xy, (part.ends() for part in self.cut.ranges), strict=True)
        )


def assembled_cards(
    header: Metadata, pieces: Sequence[Piece], shape_yx: tuple[int, int], of: int | None = None
) -> int | None:
    """Make the cards of a header true for an image that was assembled of pieces of a larger one, in place.

    Parameters
    ----------
    header : astropy.io.fits.Header or mapping
        Of the larger image.
    pieces : sequence of Piece
        What it is assembled of.
    shape_yx : tuple of int
        Of the assembled image.
    of : int, optional
        The piece for which coordinates of the header are true; by default that in which the reference pixel stands, or
        to which it is nearest.

    Returns
    -------
    int or None
        The piece whose world coordinates the header has now. None where all pieces have moved alike: they are true for
        all.

    Notes
    -----
    DATASEC is the whole image; all other sections were those of the larger image, or of one amplifier, and are removed.
    LTV and LTM, which say where pixels stood in the larger image, are kept only where all pieces have moved alike.

    Examples
    --------
    >>> from astropy.io.fits import Header
    >>> header = Header({"BIASSEC": "[11:14,1:5]", "CRPIX1": 17.0, "CRPIX2": 3.0})
    >>> pieces = [Piece(Section.parse(f"[{x}:{x + 9},1:5]"), (to, 0), (False, False)) for x, to in ((1, 0), (15, 10))]
    >>> assembled_cards(header, pieces, (5, 20)), header["CRPIX1"], header["DATASEC"], "BIASSEC" in header
    (1, 13.0, '[1:20,1:5]', False)
    """
    for word in [str(word) for word in header if _ALL_SECTIONS.fullmatch(str(word))]:
        del header[word]
    ny, nx = shape_yx
    set_card(header, "DATASEC", f"[1:{nx},1:{ny}]")
    reference = [_number(header.get(f"CRPIX{axis}"), None) for axis in (1, 2)]
    number = of or 0
    if of is None and None not in reference:
        far = [piece.distance([at for at in reference if at is not None]) for piece in pieces]
        number = far.index(min(far))
    moves = {tuple(piece.shift(axis)[::2] for axis in (0, 1)) for piece in pieces}
    alike = len(moves) == 1 and not any(pieces[0].flips_xy)
    for axis, size in ((1, nx), (2, ny)):
        offset, length, flipped = pieces[number].shift(axis - 1)
        _shift_axis(header, axis, offset, length, flipped=flipped)
        for word in () if alike else (f"LTV{axis}", f"LTM{axis}_{axis}"):
            if word in header:
                del header[word]
        if f"NAXIS{axis}" in header:
            set_card(header, f"NAXIS{axis}", size)
    return None if alike else number


def _rising(section: Section) -> Section:
    """Return the same pixels in rising order."""
    return Section(tuple(AxisRange(min(part.ends()), max(part.ends())) for part in section.ranges))


def _moved(where: Section, cut: Section, shape_yx: tuple[int, ...]) -> Section | None:
    """Where pixels of the larger image stand in the one that was cut out of it; None where they do not."""
    plain = _rising(cut)
    left = where.intersect(plain)
    if left is None:
        return None
    left = left.shift(*(1 - part.ends()[0] for part in plain.ranges))
    flips = [part.flipped for part in cut.ranges] + [False]
    return left.flip(cut.shape_yx(shape_yx), x=flips[0], y=flips[1])


def _image_section(header: Metadata, word: str, shape_yx: tuple[int, ...]) -> Section | None:
    """Read a section of this image, in rising order; None where there is none that can be read and fits."""
    value = header.get(word)
    if not isinstance(value, str):
        return None
    try:
        return _rising(Section.parse(value).resolve(shape_yx))
    except SectionError:
        return None


def _trim_sensor_section(
    header: Metadata, word: str, stands: dict[str, Section | None], cut: Section, shape_yx: tuple[int, ...]
) -> None:
    """Cut a section in sensor coordinates by as much as was cut from the data it describes."""
    value = header.get(word)
    if value is None:
        return
    try:
        sensor = Section.parse(str(value))
        data = _described_data(sensor, stands, shape_yx) if sensor.resolved else None
    except SectionError:
        data = None
    kept = None if data is None else data.intersect(_rising(cut))
    if data is None or kept is None:
        del header[word]
        return
    parts = []
    for drawn, before, after, taken in zip(sensor.ranges, data.ranges, kept.ranges, cut.ranges, strict=True):
        (first, last), scale = drawn.ends(), _binning(drawn, before)
        sign = 1 if last >= first else -1
        first += sign * scale * (after.ends()[0] - before.ends()[0])
        last -= sign * scale * (before.ends()[1] - after.ends()[1])
        parts.append(AxisRange(last, first) if taken.flipped else AxisRange(first, last))
    set_card(header, word, str(Section(tuple(parts))))


def _described_data(sensor: Section, stands: dict[str, Section | None], shape_yx: tuple[int, ...]) -> Section | None:
    """Where in the image the data stand that a section of the sensor describes."""
    if len(sensor.ranges) != len(shape_yx):
        return None
    whole = Section.parse(f"[{','.join('*' * len(shape_yx))}]").resolve(shape_yx)
    corner = Section(tuple(AxisRange(1, abs(b - a) + 1) for a, b in (part.ends() for part in sensor.ranges)))
    bias = stands["BIASSEC"]
    candidates = [stands["DATASEC"], stands["TRIMSEC"], whole]
    if corner.intersect(whole) == corner and (bias is None or bias.intersect(corner) is None):
        candidates.append(corner)
    for data in candidates:
        if data is not None and all(_binning(a, b) for a, b in zip(sensor.ranges, data.ranges, strict=True)):
            return data
    return None


def _binning(sensor: AxisRange, data: AxisRange) -> int:
    """How many pixels of the sensor are one of the image; 0 where it is no whole number."""
    (a, b), (first, last) = sensor.ends(), data.ends()
    factor, rest = divmod(abs(b - a) + 1, last - first + 1)
    return 0 if rest else factor


def _shift_axis(header: Metadata, axis: int, offset: int, size: int, *, flipped: bool) -> None:
    """Move reference pixels along one axis, and record the shift as IRAF does."""
    for word in [str(word) for word in header if re.fullmatch(rf"CRPIX{axis}[A-Z]?", str(word))]:
        moved = _number(header[word], None)
        if moved is not None:
            moved -= offset
            set_card(header, word, size + 1 - moved if flipped else moved)
        if flipped:
            _negate_axis(header, axis, word[len(f"CRPIX{axis}") :])
    ltv = (_number(header.get(f"LTV{axis}"), 0.0) or 0.0) - offset
    if flipped:
        ltv = size + 1 - ltv
        scale = _number(header.get(f"LTM{axis}_{axis}"), 1.0) or 1.0
        set_card(header, f"LTM{axis}_{axis}", -scale)
    if ltv != 0.0 or f"LTV{axis}" in header:
        set_card(header, f"LTV{axis}", ltv)


def _number(value: object, default: float | None) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else default


def _negate_axis(header: Metadata, axis: int, version: str) -> None:
    """Turn around one pixel axis of a world coordinate system."""
    matrix = [str(word) for word in header if re.fullmatch(rf"(CD|PC)\d_{axis}{version}", str(word))]
    for word in matrix or [f"CDELT{axis}{version}"]:
        value = _number(header.get(word), None)
        if value is not None:
            set_card(header, word, -value)


#: What a combined frame says whose standard deviations are those of the error of each pixel.
ERROR_CARD = "UNCERTOF"
#: By how much the level may be off, in all pixels alike; and what of it is not the error of what was subtracted, too.
LEVEL_ERROR_CARD, OWN_LEVEL_ERROR_CARD = "LEVELERR", "LEVELOWN"
#: Says that frames of several levels were brought to one before they were combined.
LEVELLED_CARD = "LEVELOFF"
#: What is said of one combination, and not true of the next.
_OF_ONE_COMBINATION = (
    ERROR_CARD,
    LEVEL_ERROR_CARD,
    OWN_LEVEL_ERROR_CARD,
    LEVELLED_CARD,
    "QSTEP",
    "QLEVEL",
    "QNOISE",
    "QGROWTH",
)


def combined_cards(header: Metadata, names: Sequence[str], *, method: str, rejection: str) -> None:
    """Say in a header that the frame was combined, from what and how; the header is changed in place.

    Parameters
    ----------
    header : astropy.io.fits.Header or mapping
        Of the combined frame. Where cameras call a unit of counts otherwise, BUNIT gets the name that astropy reads.
    names : sequence of str
        What was combined; up to 999 stand in IMCMB001 …. What is not ASCII is written as an escape.
    method, rejection : str
        How, in words.

    Examples
    --------
    >>> header = {}
    >>> combined_cards(header, ["b1.fits", "b2.fits"], method="average", rejection="none")
    >>> header["NCOMBINE"], header["IMCMB002"]
    (2, 'b2.fits')
    """
    for word in [word for word in header if re.fullmatch(r"IMCMB\d{3}", str(word)) or word in _OF_ONE_COMBINATION]:
        del header[word]
    said = str(header.get("BUNIT") or "").strip()
    unit = unit_word(said)
    if unit and unit != said:
        set_card(header, "BUNIT", unit, f"the frames say {said}")
    set_card(header, "COMBINED", True, "combined from several frames")
    set_card(header, "NCOMBINE", len(names), "number of frames combined")
    set_card(header, "COMBMETH", method, "how values were combined")
    set_card(header, "COMBREJ", rejection)
    for number, name in enumerate(names[:_MOST_NAMES], start=1):
        set_card(header, f"IMCMB{number:03d}", name.encode("unicode_escape").decode())


#: By what letters cards of an assembled image tell its amplifiers.
_LETTERS = "ABCDEFGHIJKLMNOP"


def say_amplifiers(header: Metadata, detector: Detector) -> None:
    """Say in the header of an assembled image in memory which of it each amplifier read, in place; of up to sixteen.

    Parameters
    ----------
    header : astropy.io.fits.Header or mapping
        Gets DATASECA, AMPNAMA, GAINA, RDNOISEA, and the same of B, C and so on.
    detector : Detector
        Its amplifiers in their places.
    """
    if not 1 < len(detector.amplifiers) <= len(_LETTERS):
        return
    for letter, each in zip(_LETTERS, detector.amplifiers, strict=False):
        if each.place is None:
            return
        ranges = tuple(AxisRange(min(part.ends()), max(part.ends())) for part in each.place.ranges)
        set_card(header, f"DATASEC{letter}", str(Section(ranges)), f"pixels of amplifier {each.name}")
        set_card(header, f"AMPNAM{letter}", each.name)
        if each.gain_e_per_adu is not None:
            set_card(header, f"GAIN{letter}", each.gain_e_per_adu, "electrons per ADU")
        if each.read_noise_e is not None:
            set_card(header, f"RDNOISE{letter}", each.read_noise_e, "electrons")
