"""FITS files: their headers, their pixels, and writing them.

Reading takes plain, gzip, bzip2 and tile-compressed files, told apart by content, and never changes them. What needs
numpy is imported when it is first used: headers are read without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroframe.fits.cards import Cards, CardValue
from zeroframe.fits.layout import Hdu, ImageLayout
from zeroframe.fits.scan import FrameFile, looks_like_fits, scan
from zeroframe.records import lazy_names

if TYPE_CHECKING:
    from zeroframe.fits.formats import Compression
    from zeroframe.fits.header import HeaderDraft
    from zeroframe.fits.read import RawImage, read_band, read_raw
    from zeroframe.fits.write import ImagePart, write_fits

__all__ = [
    "CardValue",
    "Cards",
    "Compression",
    "FrameFile",
    "Hdu",
    "HeaderDraft",
    "ImageLayout",
    "ImagePart",
    "RawImage",
    "looks_like_fits",
    "read_band",
    "read_raw",
    "scan",
    "write_fits",
]

__getattr__ = lazy_names(
    __name__,
    {
        "HeaderDraft": "header",
        "RawImage": "read",
        "read_band": "read",
        "read_raw": "read",
        "Compression": "formats",
        "ImagePart": "write",
        "write_fits": "write",
    },
)
