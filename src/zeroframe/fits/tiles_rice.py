"""Rice-compressed images of whole numbers, as fpack and cameras write them, decoded by our own kernel.

astropy holds the interpreter's lock while it decodes, so that frames wait for each other. Tables of another form
(floats that were quantised, tiles that are not whole rows, single tiles compressed in another way) are left to it.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from zeroframe.fits.tile_table import TileTable

__all__ = ["decode_rice_image"]

_BLOCK = 32
_DTYPES = {8: "u1", 16: "i2", 32: "i4"}
_DESCRIPTOR = re.compile(r"1?([PQ])B(?:\(\d*\))?\s*\Z")


def decode_rice_image(table: TileTable) -> np.ndarray[Any, Any] | None:
    """Return the stored integers of an image of Rice tiles; None where it is not of the form that is known here.

    Parameters
    ----------
    table : TileTable
        As for `zeroframe.fits.tiles_gzip.decode_gzip_image`.

    Returns
    -------
    ndarray of uint8, int16 or int32, or None
        Shape of the image.

    Raises
    ------
    DamagedError
        When a tile stands outside the data, or its bits do not suffice.
    """
    import numpy as np

    from zeroframe.kernels.rice import LEADING_ZEROS, decode_rice

    pixels = _tile_pixels(table)
    if pixels is None:
        return None
    cards, stored = table.cards, table.stored
    tiles, width = (int(str(cards[word])) for word in ("NAXIS2", "NAXIS1"))
    wide = _DESCRIPTOR.match(str(cards["TFORM1"]))
    descriptor = np.dtype(">i8" if wide is not None and wide[1] == "Q" else ">i4")
    heap_start = int(str(cards.get("THEAP", tiles * width)))
    ends = stored[: tiles * width].reshape(tiles, width)[:, : 2 * descriptor.itemsize]
    lengths, starts = np.ascontiguousarray(ends).view(descriptor).astype(np.int64).T
    heap = stored[heap_start:]
    if lengths.min() < 0 or starts.min() < 0 or (starts + lengths).max() > heap.size:
        raise table.damaged("a tile stands outside its data")
    out = np.empty((tiles, pixels), _DTYPES[table.layout.bitpix])
    block = _parameters(table).get("BLOCKSIZE", _BLOCK)
    bad = decode_rice(heap, np.ascontiguousarray(starts), np.ascontiguousarray(lengths), block, LEADING_ZEROS, out)
    if bad >= 0:
        raise table.damaged(f"tile {bad + 1} of {tiles} ends too early")
    return out.reshape(table.layout.shape_yx)


def _tile_pixels(table: TileTable) -> int | None:
    """Return how many pixels each tile has; None where the table is of another form."""
    cards, layout = table.cards, table.layout
    parameters = _parameters(table)
    form = (
        cards.get("ZCMPTYPE") in ("RICE_1", "RICE_ONE")
        and cards.get("TFIELDS") == 1
        and cards.get("TTYPE1") == "COMPRESSED_DATA"
        and _DESCRIPTOR.match(str(cards.get("TFORM1"))) is not None
        and layout.bitpix in _DTYPES
        and cards.get("ZBITPIX") == layout.bitpix
        and parameters.get("BYTEPIX", 4) * 8 == layout.bitpix
        and 1 <= parameters.get("BLOCKSIZE", _BLOCK) <= 1 << 16
        and not any(word in cards for word in ("ZSCALE", "ZZERO", "ZQUANTIZ", "ZMASKCMP"))
    )
    tiles, width = cards.get("NAXIS2"), cards.get("NAXIS1")
    if not form or not isinstance(tiles, int) or not isinstance(width, int) or tiles < 1:
        return None
    long = 16 if "Q" in str(cards["TFORM1"]) else 8
    shape = layout.shape_yx
    rows, rest = divmod(math.prod(shape[:-1]), tiles)
    axes = len(shape)
    whole_rows = (cards.get("ZTILE1", shape[-1]) == shape[-1]) and (axes < 2 or cards.get("ZTILE2", 1) == rows)
    whole_rows = whole_rows and all(cards.get(f"ZTILE{axis}", 1) == 1 for axis in range(3, axes + 1))
    return rows * shape[-1] if whole_rows and not rest and rows and width >= long else None


def _parameters(table: TileTable) -> dict[str, int]:
    """Return what ZNAMEn and ZVALn say of the algorithm."""
    cards = table.cards
    found = {}
    for number in range(1, 10):
        name, value = cards.get(f"ZNAME{number}"), cards.get(f"ZVAL{number}")
        if isinstance(name, str) and isinstance(value, int):
            found[name] = value
    return found
