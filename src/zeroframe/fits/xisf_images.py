"""Images of XISF files (PixInsight's format) by the library xisf: pixels, and the FITS keywords beside them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError
from zlib import error as ZlibError  # noqa: N812 -- it is a class

import numpy as np

from zeroframe.errors import DamagedError, UnsupportedError
from zeroframe.fits.astropy_headers import is_structural
from zeroframe.fits.converted import Converted
from zeroframe.fits.header import HeaderDraft

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["open_image"]

#: What the library raises for a file that it cannot read.
_FAILURES = (ValueError, KeyError, AttributeError, TypeError, RuntimeError, ParseError, ZlibError, EOFError)
_KEYWORD = re.compile(r"[A-Z0-9_-]{1,8}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?")
#: Floating point images of PixInsight run from 0 to 1 where raw numbers ran to this.
_FULL = 65535.0


def open_image(where: str, path: Path) -> Converted:
    """Open the one image of an XISF file.

    Parameters
    ----------
    where : str
        What the library can open.
    path : pathlib.Path
        What messages call it.

    Returns
    -------
    Converted
        Rows from the top of the picture. Numbers of floating point between the bounds 0 and 1, which is how PixInsight
        writes them, are brought back to 16 bits. Three colours a pixel are a cube.

    Raises
    ------
    DamagedError
        When it cannot be read.
    UnsupportedError
        When it does not hold one image.
    """
    from xisf import XISF

    try:
        file = XISF(where)
        images = file.get_images_metadata()
    except _FAILURES as error:
        raise _damaged(path, error) from error
    if len(images) != 1:
        advice = "save each image to a file of its own"
        raise UnsupportedError(path, f"holds {len(images)} images, and only one can be used", advice)
    known = images[0]
    nx, ny, planes = known["geometry"]
    dtype = np.dtype(known["dtype"])
    if dtype.kind not in "uf" or dtype.itemsize > 8 or (dtype.kind == "u" and dtype.itemsize > 4):
        raise UnsupportedError(path, f"has pixels of the type {dtype.name}", "save it as 16 or 32 bits")
    scaled = dtype.kind == "f" and _bounds(known) == (0.0, 1.0)

    def pixels() -> NDArray[Any]:
        try:
            found = np.asarray(XISF(where).read_image(0, data_format="channels_first"))
        except _FAILURES as error:
            raise _damaged(path, error) from error
        found = found.astype(found.dtype.newbyteorder("="), copy=False)
        found = found * found.dtype.type(_FULL) if scaled else found
        return found[0] if planes == 1 else found

    header = _header(known, scaled=scaled)
    return Converted(header, (ny, nx) if planes == 1 else (planes, ny, nx), dtype.newbyteorder("="), pixels)


def _damaged(path: Path, error: Exception) -> DamagedError:
    return DamagedError(path, f"its XISF cannot be read ({error})", "copy it again from where it came from")


def _bounds(known: Mapping[str, Any]) -> tuple[float, float] | None:
    low, colon, high = str(known.get("bounds", "0:1")).partition(":")
    return (float(low), float(high)) if colon else None


def _header(known: Mapping[str, Any], *, scaled: bool) -> HeaderDraft:
    """Return the FITS keywords of an image, and what only XISF itself says."""
    header = HeaderDraft()
    for word, values in known.get("FITSKeywords", {}).items():
        for one in values:
            _add(header, str(word).strip().upper(), str(one.get("value", "")), str(one.get("comment", "")))
    if "ROWORDER" not in header:
        header["ROWORDER"] = ("TOP-DOWN", "as XISF stores images")
    properties = known.get("XISFProperties", {})
    for word, name, comment in (
        ("EXPTIME", "Instrument:ExposureTime", "[s]"),
        ("FILTER", "Instrument:Filter:Name", ""),
        ("INSTRUME", "Instrument:Camera:Name", ""),
        ("DATE-OBS", "Observation:Time:Start", ""),
        ("BAYERPAT", "PCL:CFASourcePattern", ""),
    ):
        value = properties.get(name, {}).get("value")
        if word not in header and isinstance(value, str | int | float) and not isinstance(value, bool):
            header[word] = (_ascii(value) if isinstance(value, str) else value, comment)
    if "IMAGETYP" not in header and known.get("imageType"):
        header["IMAGETYP"] = (_ascii(str(known["imageType"])), "image type of XISF")
    if scaled:
        header.add_history("pixels of XISF between 0 and 1 brought to 0 to 65535")
    return header


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode("ascii")


def _add(header: HeaderDraft, word: str, text: str, comment: str) -> None:
    """Add one keyword; numbers and truth values are told by how they are written."""
    text, comment = _ascii(text), _ascii(comment)
    if word == "HISTORY":
        header.add_history(text or comment)
    elif word == "COMMENT":
        header.add_comment(text or comment)
    elif _KEYWORD.fullmatch(word) and not is_structural(word) and word not in header:
        value: Any = text
        if _NUMBER.fullmatch(text):
            plain = text.upper().replace("D", "E")
            value = int(plain) if re.fullmatch(r"[+-]?\d{1,18}", plain) else float(plain)
        elif text in {"T", "F"}:
            value = text == "T"
        header[word] = (value, comment)
