"""Masks as planes of bits: each bit of a pixel says one reason why it is not to be believed.

A plane is uint8 and ``(ny, nx)``; 0 is a good pixel, so that a mask is true where any bit is set, whoever reads it:
``CCDData.read`` of astropy and ccdproc makes a boolean mask of it. Masks of 0 and 1, as other programs and earlier
versions write them, are such planes, too: 1 is `MaskBit.BAD`.
"""

from __future__ import annotations

from enum import IntFlag
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.fits import HeaderDraft

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["MEANINGS", "MaskBit", "bits_of_header", "bits_where", "mask_header"]


class MaskBit(IntFlag):
    """Why a pixel is not to be believed; several may hold of one pixel.

    Examples
    --------
    >>> mask = np.array([[0, 4, 12]], np.uint8)
    >>> (mask & MaskBit.BLEED != 0).tolist(), MaskBit(12)
    ([[False, False, True]], <MaskBit.SATURATED|BLEED: 12>)
    """

    BAD = 1
    HOT = 2
    SATURATED = 4
    BLEED = 8
    COSMIC = 16
    NODATA = 32
    NONLINEAR = 64
    INTERPOLATED = 128


#: What each bit means, as headers and docs say it.
MEANINGS: dict[MaskBit, str] = {
    MaskBit.BAD: "answers not as others do, or is noisy",
    MaskBit.HOT: "stands above the others in the dark",
    MaskBit.SATURATED: "full: well, amplifier or converter",
    MaskBit.BLEED: "charge of saturated pixels ran in here",
    MaskBit.COSMIC: "hit by a cosmic ray",
    MaskBit.NODATA: "never read, or without a value",
    MaskBit.NONLINEAR: "above where the answer is linear",
    MaskBit.INTERPOLATED: "replaced from its neighbours",
}
_CARD = "MBIT"
_CARDS = {f"{_CARD}{bit.bit_length() - 1}": bit for bit in MaskBit}


def mask_header(header: HeaderDraft | None = None) -> HeaderDraft:
    """Return a header that names the bits of a mask: a card each, ``MBIT0`` for the bit of value 1.

    Parameters
    ----------
    header : HeaderDraft, optional
        What the cards are added to, in place; a new one by default.

    Examples
    --------
    >>> for line in mask_header().lines()[1:4]:
    ...     print(line.rstrip())
    MBIT0   = 'BAD     '           / 1: answers not as others do, or is noisy
    MBIT1   = 'HOT     '           / 2: stands above the others in the dark
    MBIT2   = 'SATURATED'          / 4: full: well, amplifier or converter
    """
    said = HeaderDraft() if header is None else header
    said.add_comment("each pixel is a sum of bits; 0 is good")
    for word, bit in _CARDS.items():
        said[word] = (bit.name, f"{bit.value}: {MEANINGS[bit]}")
    return said


def bits_of_header(cards: Mapping[str, Any]) -> dict[str, int]:
    """Return the names of the bits that a header of a mask states, with their values.

    Parameters
    ----------
    cards : mapping
        The header of an extension MASK. One that names no bits is of a mask of 0 and 1: BAD.

    Examples
    --------
    >>> bits_of_header({"MBIT0": "BAD", "MBIT4": "COSMIC"}), bits_of_header({})
    ({'BAD': 1, 'COSMIC': 16}, {'BAD': 1})
    """
    found = {str(cards[f"{_CARD}{place}"]): 1 << place for place in range(64) if f"{_CARD}{place}" in cards}
    return found or {"BAD": 1}


def bits_where(mask: NDArray[Any], bit: MaskBit) -> NDArray[np.uint8]:
    """Return a plane with one bit set where a mask is not zero; no copy where that is what a boolean mask is.

    Examples
    --------
    >>> bits_where(np.array([True, False]), MaskBit.HOT)
    array([2, 0], dtype=uint8)
    """
    flat: NDArray[np.uint8] = (mask if mask.dtype == np.bool_ else mask != 0).view(np.uint8)
    return flat if bit == 1 else flat * np.uint8(bit)
