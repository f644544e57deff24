"""The header of one colour of a frame: every second row and column, with coordinates true for the larger steps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from zeroframe.errors import SectionError
from zeroframe.headers.colours import state_pattern
from zeroframe.headers.result_cards import IMAGE_SECTIONS, SENSOR_SECTIONS, set_card
from zeroframe.headers.sections import AxisRange, Section

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from zeroframe.headers.colours import ColourPattern

__all__ = ["PICTURE", "PLANE_CARD", "plane_cards", "plane_pixel", "sip_factor"]

#: Names the colour of an image that holds one of them: ``'R'``, ``'G1'``.
PLANE_CARD = "COLOUR"
#: What it says of a picture of three planes.
PICTURE = "RGB"
#: Sizes of a pixel on the chip and on the sky, by which programs know the scale; each along one axis, or both.
_SCALES = ("XPIXSZ", "XPIXELSZ", "PIXSIZE1", "SECPIX1"), ("YPIXSZ", "YPIXELSZ", "PIXSIZE2", "SECPIX2")
_SCALES_OF_BOTH = ("SCALE", "PIXSCALE", "SECPIX", "PIXSIZE")
_SIP = re.compile(r"(?:A|B|AP|BP)_(\d)_(\d)")


def plane_pixel(pixel: float, first: int) -> float:
    """Return where a pixel of the frame stands in the plane that begins with pixel ``first``, both counted from 1.

    Examples
    --------
    >>> plane_pixel(1, 0), plane_pixel(2, 1), plane_pixel(5, 0), plane_pixel(4, 0)
    (1.0, 1.0, 3.0, 2.5)
    """
    return (pixel - first + 1.0) / 2.0


def sip_factor(p: int, q: int) -> float:
    """Return by what a coefficient of a SIP distortion changes when a step is two pixels.

    Examples
    --------
    >>> sip_factor(2, 0), sip_factor(1, 2)
    (2.0, 4.0)
    """
    return float(2 ** (p + q - 1))


def plane_cards(
    header: MutableMapping[str, Any], pattern: ColourPattern, place: int, shape_yx: tuple[int, ...]
) -> None:
    """Make the cards of a header true for one colour of its image; the header is changed in place.

    Parameters
    ----------
    header : astropy.io.fits.Header or mapping
        Of the frame.
    pattern : ColourPattern
        Of its pixels as they are stored.
    place : int
        Which pixel of the cell of 2 x 2 is kept, from 0.
    shape_yx : tuple of int
        Shape of the frame.

    Notes
    -----
    CRPIX, CD or CDELT, SIP distortions, LTV and LTM are those of the pixels that are left; binning is as it was, for no
    light was added up. The pattern is gone, and COLOUR says which of it this is.

    Examples
    --------
    >>> from zeroframe.headers.colours import ColourPattern
    >>> header = {"BAYERPAT": "RGGB", "CRPIX1": 11.0, "CDELT1": -0.5, "XBINNING": 1}
    >>> plane_cards(header, ColourPattern("RGGB"), 1, (20, 20))
    >>> header
    {'CRPIX1': 5.5, 'CDELT1': -1.0, 'XBINNING': 1, 'COLOUR': 'G1'}
    """
    firsts = place % 2, place // 2  # along x and y
    state_pattern(header, None, shape_yx[0])
    # no section of a sensor says that every second pixel is left out
    for word in ("XBAYROFF", "YBAYROFF", "BAYOFFX", "BAYOFFY", *SENSOR_SECTIONS):
        header.pop(word, None)
    for axis, first in enumerate(firsts, start=1):
        _rescale_axis(header, axis, first)
        if f"NAXIS{axis}" in header:
            set_card(header, f"NAXIS{axis}", (shape_yx[-axis] - first + 1) // 2)
        for word in _SCALES[axis - 1]:
            _multiply(header, word, 2.0)
    for word in _SCALES_OF_BOTH:
        _multiply(header, word, 2.0)
    for word in [str(word) for word in header]:
        found = _SIP.fullmatch(word)
        if found is not None:
            _multiply(header, word, sip_factor(int(found[1]), int(found[2])))
    for word in IMAGE_SECTIONS:
        _halve_section(header, word, firsts, shape_yx)
    set_card(header, PLANE_CARD, pattern.names[place], f"one of the four colours of {pattern.letters}")


def _multiply(header: MutableMapping[str, Any], word: str, factor: float) -> None:
    value = header.get(word)
    if isinstance(value, int | float) and not isinstance(value, bool):
        set_card(header, word, value * factor)


def _rescale_axis(header: MutableMapping[str, Any], axis: int, first: int) -> None:
    """Do it for world coordinates and LTV along one axis of pixels."""
    for word in [str(word) for word in header]:
        value = header[word]
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        if re.fullmatch(rf"CRPIX{axis}[A-Z]?|LTV{axis}", word):
            set_card(header, word, plane_pixel(value, first))
        elif re.fullmatch(rf"(CD|PC)\d_{axis}[A-Z]?", word) or _is_scale(header, word, axis):
            set_card(header, word, value * 2.0)
        elif re.fullmatch(rf"LTM{axis}_\d", word):
            set_card(header, word, value / 2.0)


def _is_scale(header: MutableMapping[str, Any], word: str, axis: int) -> bool:
    """Whether a card is the scale of an axis, and no matrix holds it."""
    found = re.fullmatch(rf"CDELT{axis}([A-Z]?)", word)
    return found is not None and not any(re.fullmatch(rf"(CD|PC)\d_\d{found[1]}", str(other)) for other in header)


def _halve_section(
    header: MutableMapping[str, Any], word: str, firsts: tuple[int, int], shape_yx: tuple[int, ...]
) -> None:
    value = header.get(word)
    if not isinstance(value, str):
        return
    try:
        parts = Section.parse(value).resolve(shape_yx).ranges
    except SectionError:  # it was none
        del header[word]
        return
    ranges = []
    for part, first in zip(parts, firsts, strict=False):
        low, high = sorted(part.ends())
        low, high = (low - first) // 2 + 1, (high - first + 1) // 2
        if low > high:  # nothing of it is left
            del header[word]
            return
        ranges.append(AxisRange(high, low) if part.flipped else AxisRange(low, high))
    set_card(header, word, str(Section(tuple(ranges))))
