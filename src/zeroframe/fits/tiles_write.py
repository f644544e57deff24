"""Writing images as compressed tiles in a binary table (FITS standard 4.0, section 10): without loss, or quantised."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.fits.astropy_fits import astropy_fits
from zeroframe.fits.astropy_headers import card_groups, is_structural
from zeroframe.fits.building import (
    StoredForm,
    card,
    finished_header,
    mandatory_cards,
    offset_cards,
    stored_bytes,
    stored_form,
    table_cards,
    writable_cards,
)
from zeroframe.fits.cards import Cards, find_end
from zeroframe.fits.checksums import add_sums, data_sum
from zeroframe.fits.igzip import gzip_compressor
from zeroframe.fits.layout import padded
from zeroframe.fits.tables import TablePart, table_buffers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zeroframe.fits.write import ImagePart

__all__ = ["tiled_buffers"]

_TILE_BYTES = 1 << 16
#: What astropy calls SUBTRACTIVE_DITHER_2, and a dither that begins by the sum of the first tile.
_DITHER_2, _BY_FIRST_TILE = 2, -1
_DEFAULT_NAME = "COMPRESSED_IMAGE"


def tiled_buffers(
    path: Path, parts: Sequence[ImagePart | TablePart], *, quantises: bool = False
) -> Iterator[bytes | memoryview]:
    """Yield a file of compressed images: an empty primary HDU, then one table for each part.

    Parameters
    ----------
    path : pathlib.Path
        The file, for messages.
    parts : sequence of ImagePart or TablePart
        The images. A part without data, or with an empty array, is written as an image extension without data.
    quantises : bool
        Whether images of floats that have a step are written in whole steps.

    Yields
    ------
    bytes
        What stands in the file, in order.
    """
    yield finished_header(mandatory_cards(8, (), 0, primary=True, extend=True), 0)
    for part in parts:
        if isinstance(part, TablePart):
            yield from table_buffers(part)
            continue
        described = writable_cards(path, part.header, part.name)
        if part.data is None or not part.data.size:
            yield finished_header(mandatory_cards(8, (), 0, primary=False) + described, 0)
            continue
        form = stored_form(path, part.data)
        if quantises and part.step is not None:
            structure, table = _quantised(part.data, part.step)
        else:
            structure, table = _rice(part.data, form) if form.bitpix in (8, 16, 32) else _gzip_2(part.data, form)
        named = any(text.startswith("EXTNAME ") for text in described)
        name = [] if named else [card("EXTNAME", _DEFAULT_NAME, "name of this extension")]
        datasum = add_sums(*map(data_sum, table))
        yield finished_header(structure + offset_cards(form.bzero) + name + described, datasum)
        yield from table
        size = sum(map(len, table))
        yield bytes(padded(size) - size)


def _rice(data: np.ndarray[Any, Any], form: StoredForm) -> tuple[list[str], list[bytes | memoryview]]:
    """Return the cards and the bytes of a table of Rice tiles, one a row."""
    stored = np.frombuffer(stored_bytes(data, form), form.dtype).reshape(data.shape)
    return _by_astropy(stored.astype(form.dtype.newbyteorder("=")))


def _quantised(data: np.ndarray[Any, Any], step: float) -> tuple[list[str], list[bytes | memoryview]]:
    """Return the same of floats in whole steps, dithered so that means and sums stay as they are.

    SUBTRACTIVE_DITHER_2 keeps exact zeros. The dither begins by the sum of the first tile's bytes: the same data give
    the same bytes, and no two frames have one dither, which would stay in their mean. A row that holds infinities, or
    more than 2**31 steps, is kept whole, gzipped.
    """
    native = np.ascontiguousarray(data, data.dtype.newbyteorder("="))
    return _by_astropy(native, quantize_level=-step, quantize_method=_DITHER_2, dither_seed=_BY_FIRST_TILE)


def _by_astropy(native: np.ndarray[Any, Any], **how: float) -> tuple[list[str], list[bytes | memoryview]]:
    """Return the cards and the bytes of a table of Rice tiles as astropy makes it."""
    fits = astropy_fits()
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(native, compression_type="RICE_1", **how)]).writeto(file)
    table = file.getvalue()[padded(1) :]
    cards = Cards(table)
    start = padded(find_end(table) + 1)
    size = sum(
        int(cards[first] or 0) * int(cards[second] or 0)
        for first, second in (("NAXIS1", "NAXIS2"), ("PCOUNT", "GCOUNT"))
    )
    return [text for keyword, text in card_groups(cards.lines()) if is_structural(keyword)], [
        table[start : start + size]
    ]


def _gzip_2(data: np.ndarray[Any, Any], form: StoredForm) -> tuple[list[str], list[bytes | memoryview]]:
    """Return the cards and the bytes of a table of GZIP_2 tiles, each of whole rows and about 64 KiB.

    GZIP_2 puts the first bytes of all pixels of a tile before the second ones and so on, then gzips them: the
    exponents and the noisy bits of floats are kept apart.
    """
    width = data.shape[-1]
    height = data.shape[-2] if data.ndim > 1 else 1
    rows = min(height, max(1, _TILE_BYTES // (width * form.dtype.itemsize)))
    heap, sizes_of = bytearray(), list[int]()  # one piece that grows: the tiles are not in memory twice
    for plane in data.reshape(-1, height, width):
        for start in range(0, height, rows):
            stored = stored_bytes(plane[start : start + rows], form)
            octets = np.frombuffer(stored, np.uint8).reshape(-1, form.dtype.itemsize)
            compressor = gzip_compressor()
            tile = compressor.compress(octets.T.tobytes()) + compressor.flush()
            heap += tile
            sizes_of.append(len(tile))
    sizes = np.array(sizes_of, np.int64)
    letter, integer = ("P", ">i4") if sizes.sum() < 2**31 else ("Q", ">i8")
    descriptors = np.stack([sizes, np.cumsum(sizes) - sizes], axis=1).astype(integer)
    tile_shape = [width, rows, *[1] * data.ndim][: data.ndim]
    cards = [
        *table_cards(descriptors[0].nbytes, len(sizes_of), 1, len(heap)),
        card("TTYPE1", "COMPRESSED_DATA"),
        card("TFORM1", f"1{letter}B({sizes.max()})"),
        card("ZIMAGE", True, "extension contains compressed image"),
        card("ZTENSION", "IMAGE"),
        card("ZBITPIX", form.bitpix, "array data type"),
        card("ZNAXIS", data.ndim, "number of array dimensions"),
        *[card(f"ZNAXIS{axis}", size) for axis, size in enumerate(data.shape[::-1], 1)],
        card("ZPCOUNT", 0, "number of parameters"),
        card("ZGCOUNT", 1, "number of groups"),
        *[card(f"ZTILE{axis}", size, "size of tiles") for axis, size in enumerate(tile_shape, 1)],
        card("ZCMPTYPE", "GZIP_2", "compression algorithm"),
    ]
    return cards, [descriptors.tobytes(), memoryview(heap)]
