"""Tile-compressed images (FITS standard 4.0, section 10), decompressed by our own kernel or by astropy."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zeroframe.errors import DamagedError, HeaderError, UnsupportedError
from zeroframe.fits.astropy_fits import astropy_fits
from zeroframe.fits.astropy_headers import card_groups, is_structural
from zeroframe.fits.cards import BLOCK_SIZE, CARD_SIZE
from zeroframe.fits.tile_table import TileTable
from zeroframe.fits.tiles_gzip import check_gzip_tiles, decode_gzip_image
from zeroframe.fits.tiles_rice import decode_rice_image

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from zeroframe.fits.layout import Hdu, ImageLayout

__all__ = ["check_tiles", "decompress_tiles"]

# Not HCOMPRESS_1 (and PLIO_1, which is for masks): astropy's decoder writes outside its memory for damaged tiles.
_KINDS = ("RICE_1", "RICE_ONE", "GZIP_1", "GZIP_2", "NOCOMPRESS")
# Tiles of one value shrink most: by 1032 in gzip, by 128 in Rice.
_LARGEST_RATIO = 2048
# Noise that is compressed all the same grows by a few percent, and by the descriptor of each tile.
_LARGEST_GROWTH, _LEAST_TABLE_BYTES = 4, 1 << 24
_NOT_SCALING = frozenset(("CHECKSUM", "DATASUM", "INHERIT", "LONGSTRN", "BSCALE", "BZERO"))
_PRIMARY = "SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0"


def decompress_tiles(path: Path, hdu: Hdu, stored: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], ImageLayout]:
    """Return the pixels of a tile-compressed image as they were before compression.

    Parameters
    ----------
    path : pathlib.Path
        The file, for messages.
    hdu : Hdu
        The table of tiles, which `check_tiles` has let pass.
    stored : ndarray of uint8
        Its data as stored, heap included.

    Returns
    -------
    pixels : ndarray
        Neither BSCALE nor BLANK applied; of any byte order.
    layout : ImageLayout
        How these pixels are coded: floats that were quantised come back as floats.

    Raises
    ------
    HeaderError
        When the tiles do not make the image that the header says they hold.
    DamagedError
        When the tiles cannot be decompressed.
    """
    layout = hdu.layout
    if layout is None or not layout.tile_compressed:
        raise ValueError("not a tile-compressed image")
    table = TileTable(path, hdu, layout, stored)
    pixels = decode_rice_image(table)
    if pixels is None:
        pixels = decode_gzip_image(table)
    if pixels is not None:
        return pixels, layout
    check_gzip_tiles(table)
    return _by_astropy(table)


def _by_astropy(table: TileTable) -> tuple[np.ndarray[Any, Any], ImageLayout]:
    import numpy as np

    fits = astropy_fits()

    # Only the cards that describe the tiles are handed on: others may be such that astropy warns of them.
    kept = [text for keyword, text in card_groups(table.cards.valid_lines()) if _is_needed(keyword)]
    path, layout, stored = table.path, table.layout, table.stored.tobytes()
    image = io.BytesIO(
        _blocks(*_PRIMARY) + _blocks(*kept) + stored.ljust(-(-len(stored) // BLOCK_SIZE) * BLOCK_SIZE, b"\0")
    )
    try:
        with fits.open(image, memmap=False, do_not_scale_image_data=True) as hdus:
            pixels = np.asarray(hdus[1].data)
    except Exception as error:  # what astropy raises for damaged tiles is of a dozen kinds
        raise table.damaged(str(error)) from error
    if pixels.shape[-len(layout.shape_yx) :] != layout.shape_yx or pixels.size != math.prod(layout.shape_yx):
        raise HeaderError(
            path, f"its tiles make an image of shape {pixels.shape} and not {layout.shape_yx}", "leave it out"
        )
    bitpix = pixels.dtype.itemsize * (-8 if pixels.dtype.kind == "f" else 8)
    blank = layout.blank if bitpix > 0 else None
    return pixels.reshape(layout.shape_yx), replace(layout, bitpix=bitpix, blank=blank)


def _is_needed(keyword: str) -> bool:
    return is_structural(keyword) and keyword not in _NOT_SCALING


def _blocks(*cards: str) -> bytes:
    text = "".join(card.ljust(CARD_SIZE) for card in (*cards, "END"))
    return text.ljust(-(-len(text) // BLOCK_SIZE) * BLOCK_SIZE).encode("latin-1")


def check_tiles(path: Path, hdu: Hdu, layout: ImageLayout) -> None:
    """Refuse a table of tiles that cannot be decompressed, or does not fit the image, before it is read.

    Parameters
    ----------
    path : pathlib.Path
        The file, for messages.
    hdu : Hdu
        The table of tiles.
    layout : ImageLayout
        Of the image.

    Raises
    ------
    UnsupportedError
        When the tiles are compressed in another way than by Rice or gzip.
    HeaderError
        When the table does not fit the image it says it holds.
    DamagedError
        When the image is larger than the table can hold, or far smaller.
    """
    _check_kind(path, hdu)
    _check_sizes(path, hdu, layout)


def _check_kind(path: Path, hdu: Hdu) -> None:
    kind = str(hdu.stored_cards.get("ZCMPTYPE"))
    if kind not in _KINDS:
        raise UnsupportedError(
            path,
            f"its tiles are compressed by {kind}, and only Rice and gzip tiles are supported",
            "unpack it with funpack first",
        )


def _check_sizes(path: Path, hdu: Hdu, layout: ImageLayout) -> None:
    """Refuse a table whose size does not fit the image, before memory for that is asked for."""
    cards = hdu.stored_cards
    axes = cards["ZNAXIS"]
    tiles = 1
    for axis in range(1, int(axes or 0) + 1):
        size = cards[f"ZNAXIS{axis}"]
        tile = cards.get(f"ZTILE{axis}", size if axis == 1 else 1)
        if isinstance(tile, bool) or not isinstance(tile, int) or tile < 1 or not isinstance(size, int):
            raise HeaderError(path, f"ZTILE{axis} = {tile!r} is not a size of tiles", "leave the file out")
        tiles *= math.ceil(size / tile)
    if tiles != cards.get("NAXIS2"):
        raise HeaderError(
            path, f"should hold {tiles} compressed tiles and its table has {cards.get('NAXIS2')}", "leave the file out"
        )
    if layout.byte_count > hdu.data_bytes * _LARGEST_RATIO:
        raise DamagedError(
            path,
            f"says that {hdu.data_bytes:,} compressed bytes hold {layout.byte_count:,} of pixels, which cannot be",
            "copy it again from where it came from",
        )
    if hdu.data_bytes > _LARGEST_GROWTH * layout.byte_count + _LEAST_TABLE_BYTES:
        raise DamagedError(
            path,
            f"says that {hdu.data_bytes:,} compressed bytes hold only {layout.byte_count:,} of pixels, which cannot be",
            "copy it again from where it came from",
        )
