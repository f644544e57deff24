"""Frames written in other formats than FITS, by libraries that are not ours: DNG by tifffile, XISF by xisf."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import tifffile
from astropy.io import fits
from xisf import XISF

#: tifffile writes no tag 34665; this one becomes it.
_PLACE_HOLDER = 34666
_PLACES = {"R": 0, "G": 1, "B": 2}


def write_dng(
    path: Path,
    pixels: np.ndarray,
    *,
    exposure_s: float = 30.0,
    iso: int = 800,
    letters: str = "RGGB",
    when: str = "2024:03:09 20:11:12",
    margins: tuple[int, int] = (0, 0),
    maker: str = "Maker",
    model: str = "Model X",
    black: int = 512,
) -> None:
    """Write a DNG: the tags of its specification (1.4), with exposure and ISO as cameras have them in EXIF."""
    ny, nx = pixels.shape
    tags = [
        (50706, "B", 4, bytes([1, 4, 0, 0]), True),
        (50708, "s", 0, f"{maker} {model}", True),
        (33421, "H", 2, (2, 2), True),
        (33422, "B", 4, bytes(_PLACES[letter] for letter in letters), True),
        (50714, "H", 1, black, True),
        (50717, "I", 1, 65532, True),
        (50721, "2i", 9, (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1), True),
        (_PLACE_HOLDER, "I", 1, 0, True),
        (271, "s", 0, maker, True),
        (272, "s", 0, model, True),
    ]
    if any(margins):
        top, left = margins
        tags.append((50829, "I", 4, (top, left, ny, nx), True))
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, pixels, photometric=32803, extratags=tags, datetime=when, metadata=None)
    _add_exif(path, exposure_s, iso)


def _add_exif(path: Path, exposure_s: float, iso: int) -> None:
    """Put a directory of EXIF with exposure and ISO at the end of the file, and its place into tag 34665."""
    content = bytearray(path.read_bytes())
    content += b"\0" * (len(content) % 2)
    place = len(content)
    entries = [(33434, 5, 1, place + 2 + 2 * 12 + 4), (34855, 3, 1, iso)]
    content += struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *each) for each in entries)
    content += struct.pack("<III", 0, round(exposure_s * 1000), 1000)
    (first,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, first)
    for at in range(first + 2, first + 2 + 12 * count, 12):
        if struct.unpack_from("<H", content, at) == (_PLACE_HOLDER,):
            struct.pack_into("<HHII", content, at, 34665, 4, 1, place)
    path.write_bytes(content)


def write_xisf(path: Path, pixels: np.ndarray, header: fits.Header, codec: str | None = None) -> None:
    """Write an XISF with the keywords of a header, as PixInsight does."""
    keywords: dict[str, list[dict[str, str]]] = {}
    for card in header.cards:
        if card.keyword in {"COMMENT", "HISTORY"}:
            value, comment = "", str(card.value)
        else:
            value = f"'{card.value}'" if isinstance(card.value, str) else str(card.value)
            value = {"True": "T", "False": "F"}.get(value, value)
            comment = card.comment
        keywords.setdefault(card.keyword, []).append({"value": value, "comment": comment})
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = pixels[..., None] if pixels.ndim == 2 else pixels
    XISF.write(str(path), stored, image_metadata={"FITSKeywords": keywords}, codec=codec)
