"""Several images of a file as one, in which they stand one above the other, and the header that is true of all.

A detector that is read through several amplifiers is often stored so, an image for each. Seen as one image it is a raw
frame like any other: each amplifier has its rows of it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from zeroframe.errors import UnsupportedError
from zeroframe.fits.astropy_headers import card_groups, cards_from, is_structural
from zeroframe.fits.layout import Hdu

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zeroframe.fits.cards import Cards

__all__ = ["stacked"]

#: World and physical coordinates: those of the first image, whose first pixel is that of the stack, are true for it.
_COORDINATES = re.compile(
    r"(?:CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CROTA|LTV|ATV|DTV|CNAME|WCSNAME|LONPOLE|LATPOLE|RADESYS|EQUINOX)\d?[A-Z]?\Z"
    r"|(?:CD|PC|PV|PS|LTM|ATM|DTM|A|B|AP|BP)_?\d+_\d+[A-Z]?\Z|[AB]P?_(?:ORDER|DMAX)\Z|WCSAXES[A-Z]?\Z|WCSDIM\Z|WAT\w+\Z"
)


def stacked(path: Path, images: Sequence[Hdu]) -> Hdu:
    """Return images of a file as one.

    Parameters
    ----------
    path : pathlib.Path
        For messages.
    images : sequence of Hdu
        At least one, in the order in which they are to stand; one alone is returned as it is.

    Returns
    -------
    Hdu
        Rows of the first image come first. Where an image is narrower than another, what is left is zero. Its header
        holds what all images say alike, and the coordinates of the first; what each says differently is in none.

    Raises
    ------
    UnsupportedError
        When they are stored in different ways, or one has not two axes.
    """
    first = images[0]
    if len(images) == 1:
        return first
    layouts = []
    for image in images:
        layout = image.layout
        if layout is None or len(layout.shape_yx) != 2:
            raise UnsupportedError(path, f"extension {image.index} is no image of two axes", "leave it out with --ext")
        layouts.append(layout)
    one = layouts[0]
    for image, layout in zip(images[1:], layouts[1:], strict=True):
        for word in ("bitpix", "bscale", "bzero", "blank", "tile_compressed"):
            if getattr(layout, word) != getattr(one, word):
                raise UnsupportedError(
                    path,
                    f"extension {image.index} has {word} {getattr(layout, word)}, and extension {first.index} "
                    f"{getattr(one, word)}: they cannot be assembled",
                    "read one of them with --ext",
                )
    ny, nx = sum(each.shape_yx[0] for each in layouts), max(each.shape_yx[1] for each in layouts)
    whole = replace(one, shape_yx=(ny, nx), images=len(images))
    cards = _common_cards([image.cards for image in images], (ny, nx))
    size = sum(image.data_bytes for image in images)
    return Hdu(first.index, "", cards, whole, first.data_offset, size, cards)


def _common_cards(headers: Sequence[Cards], shape_yx: tuple[int, int]) -> Cards:
    """Return the cards of the first header that all others have with the same value, and its coordinates."""
    others = headers[1:]
    kept = []
    for keyword, text in card_groups(headers[0].lines()):
        word = _hierarch_word(text) if keyword == "HIERARCH" else keyword
        if keyword in ("NAXIS1", "NAXIS2"):
            size = shape_yx[1] if keyword == "NAXIS1" else shape_yx[0]
            kept.append(f"{keyword:8}= {size:>20}".ljust(80))
        elif keyword in ("CHECKSUM", "DATASUM"):
            continue
        elif (
            is_structural(keyword)
            or keyword in ("COMMENT", "HISTORY", "")
            or _COORDINATES.match(keyword)
            or all(word in each and each.get(word) == headers[0].get(word) for each in others)
        ):
            kept.append(text)
    return cards_from(kept)


def _hierarch_word(text: str) -> str:
    return text[8:].partition("=")[0].strip()
