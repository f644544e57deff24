"""Texts in the first directory of a TIFF file, such as the maker of a camera: most raw files are of this form."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["text_tags"]

_ENTRY, _TEXT = 12, 2
_MOST_ENTRIES, _LONGEST = 512, 256


def text_tags(path: Path) -> dict[int, str]:
    """Return the texts of a TIFF by their tags (271: maker, 272: model); none where it is no TIFF.

    Parameters
    ----------
    path : pathlib.Path
        The file, which is opened to be read.
    """
    with path.open("rb") as file:
        start = file.read(8)
        order = {b"II": "<", b"MM": ">"}.get(start[:2])
        if order is None or len(start) < 8:
            return {}
        file.seek(struct.unpack(f"{order}I", start[4:])[0])
        count = file.read(2)
        if len(count) < 2:
            return {}
        entries = file.read(_ENTRY * min(struct.unpack(f"{order}H", count)[0], _MOST_ENTRIES))
        found = {}
        for at in range(0, len(entries) - _ENTRY + 1, _ENTRY):
            tag, kind, size, place = struct.unpack(f"{order}HHII", entries[at : at + _ENTRY])
            if kind != _TEXT or size > _LONGEST:
                continue
            if size > 4:
                file.seek(place)
                text = file.read(size)
            else:
                text = entries[at + 8 : at + 8 + size]
            found[tag] = text.split(b"\0")[0].decode("ascii", "replace").strip()
        return found
