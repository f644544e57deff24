"""Where the pixels of an HDU stand and how they are coded, read from its cards.

The words and their rules are those of the FITS standard 4.0: section 4.4.1 (BITPIX, NAXIS, PCOUNT, GCOUNT),
4.4.2.5 (BSCALE, BZERO, BLANK) and 10.1 (tile-compressed images).
"""

from __future__ import annotations

import math
import re
from dataclasses import field
from typing import TYPE_CHECKING

from zeroframe.errors import DamagedError, HeaderError
from zeroframe.fits.astropy_headers import image_cards
from zeroframe.fits.cards import BLOCK_SIZE, Cards
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MOST_TILES_SHRINK", "Hdu", "ImageLayout", "hdu_from_header", "padded"]

_SIZES = re.compile(r"(?:BITPIX|NAXIS\d*|PCOUNT|GCOUNT|GROUPS|XTENSION)\Z")
_CODING = re.compile(
    r"(?:BSCALE|BZERO|BLANK|THEAP|TFIELDS|ZIMAGE|ZBITPIX|ZNAXIS\d*|ZTILE\d+|ZCMPTYPE|ZQUANTIZ|ZDITHER0|ZMASKCMP|ZSCALE"
    r"|ZZERO|ZBLANK|(?:ZNAME|ZVAL|TTYPE|TFORM|TSCAL|TZERO|TNULL|TDIM)\d+)\Z"
)
_MOST_COLUMNS = 999
#: Tiles of one value shrink most: by 1032 in gzip, by 128 in Rice.
MOST_TILES_SHRINK = 2048
_LARGEST_SCALE = 1e30
_BITPIX = (8, 16, 32, 64, -32, -64)
_ADVICE = "the file does not follow the FITS standard: mend the header, or leave the file out"


@dataclass(frozen=True, slots=True)
class ImageLayout:
    """How the pixels of one image are stored.

    Attributes
    ----------
    bitpix : int
        8, 16, 32, 64 (integers), -32 or -64 (floats).
    shape_yx : tuple of int
        Shape as numpy has it, the last axis x. Leading axes of length 1 beyond two are dropped.
    bscale, bzero : float
        Physical value = bzero + bscale * stored value.
    blank : int or None
        The stored integer of pixels without a value.
    data_offset : int
        Where the data begin in the unwrapped stream, in bytes.
    tile_compressed : bool
        True for an image kept as compressed tiles in a table; `bitpix` and `shape_yx` are the image's.
    images : int
        How many images of the file stand in it, one above the other; see `zeroframe.fits.stacked`.
    quantised : bool
        Whether they are floats that were written in whole steps (standard, 10.2): something of them is lost.
    """

    bitpix: int
    shape_yx: tuple[int, ...]
    bscale: float
    bzero: float
    blank: int | None
    data_offset: int
    tile_compressed: bool
    images: int = 1
    quantised: bool = False

    @property
    def in_one_piece(self) -> bool:
        """Whether the pixels stand in the file (once it is unwrapped) as they are, row after row."""
        return self.images == 1 and not self.tile_compressed

    @property
    def dtype(self) -> str:
        """The numpy dtype of the stored pixels: big-endian, unsigned only for BITPIX 8."""
        return {8: "u1", -32: ">f4", -64: ">f8"}.get(self.bitpix, f">i{self.bitpix // 8}")

    @property
    def byte_count(self) -> int:
        """The bytes of the pixels, uncompressed and without padding."""
        return math.prod(self.shape_yx) * abs(self.bitpix) // 8


@dataclass(frozen=True, slots=True)
class Hdu:
    """One header and data unit.

    Attributes
    ----------
    index : int
        0 for the primary HDU.
    name : str
        EXTNAME in upper case, ``'PRIMARY'`` for the first HDU without one, else ``''``.
    cards : Cards
        The header; for a tile-compressed image that of the image and not of the table it is kept in.
    layout : ImageLayout or None
        None when there are no pixels.
    data_offset, data_bytes : int
        Where the data as stored begin in the unwrapped stream, and their size without padding (tables with their heap).
    stored_cards : Cards
        The header as it stands in the file.
    """

    index: int
    name: str
    cards: Cards
    layout: ImageLayout | None
    data_offset: int
    data_bytes: int
    stored_cards: Cards = field(repr=False)

    @property
    def end_offset(self) -> int:
        """Where the next HDU begins in the unwrapped stream."""
        return self.data_offset + padded(self.data_bytes)


def padded(size: int) -> int:
    """Return `size` rounded up to whole FITS blocks of 2880 bytes.

    Examples
    --------
    >>> padded(0), padded(1), padded(2880)
    (0, 2880, 2880)
    """
    return -(-size // BLOCK_SIZE) * BLOCK_SIZE


def hdu_from_header(path: Path, index: int, header: bytes, data_offset: int) -> Hdu:
    """Return what one header says about its HDU.

    Parameters
    ----------
    path : pathlib.Path
        The file, for messages.
    index : int
        Number of the HDU.
    header : bytes
        Its header, END included.
    data_offset : int
        Where the data begin in the unwrapped stream.

    Returns
    -------
    Hdu

    Raises
    ------
    HeaderError
        When a card that is needed to find or to decode the data is missing or makes no sense.
    DamagedError
        When compressed tiles are to hold more pixels than they can.
    """
    stored = Cards(header)
    reader = _CardReader(path, index, stored)
    reader.refuse_contradictions(_SIZES)
    bitpix = reader.bitpix("BITPIX")
    sizes = reader.axes("NAXIS")
    groups = reader.integer("GCOUNT", 1) if index or stored.get("GROUPS") is True else 1
    extra = reader.integer("PCOUNT", 0) if index or stored.get("GROUPS") is True else 0
    random_groups = not index and bool(sizes) and sizes[0] == 0 and stored.get("GROUPS") is True
    elements = math.prod(sizes[1:] if random_groups else sizes) if sizes else 0
    data_bytes = abs(bitpix) // 8 * groups * (extra + elements) if sizes else 0
    kind = stored.get("XTENSION") if index else "IMAGE"
    tiled = kind == "BINTABLE" and stored.get("ZIMAGE") is True
    cards, layout = stored, None
    if tiled:
        reader.table_of_tiles(sizes, groups, data_bytes)
        cards = image_cards(stored)
        layout = reader.layout(reader.bitpix("ZBITPIX"), reader.axes("ZNAXIS"), data_offset, tiled=True)
        reader.pixels_in_tiles(layout, data_bytes)
    elif kind in ("IMAGE", "IUEIMAGE") and elements and not random_groups:
        reader.one_image(groups, extra)
        layout = reader.layout(bitpix, sizes, data_offset, tiled=False)
    name = str(cards.get("EXTNAME") or ("" if index else "PRIMARY")).strip().upper()
    return Hdu(index, name, cards, layout, data_offset, data_bytes, stored)


@dataclass(frozen=True, slots=True)
class _CardReader:
    """Cards that have to be there and to make sense, with the sentence for when they do not."""

    path: Path
    index: int
    cards: Cards

    def integer(self, keyword: str, default: int | None = None) -> int:
        value = self.cards.get(keyword, default)
        if value is None:
            raise self.error(f"{keyword} is missing")
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.error(f"{keyword} = {value!r} is not a number from 0 upwards")
        return value

    def bitpix(self, keyword: str) -> int:
        value = self.cards.get(keyword)
        if value is None:
            raise self.error(f"{keyword} is missing")
        if isinstance(value, bool) or value not in _BITPIX:
            raise self.error(f"{keyword} = {value!r} is not one of 8, 16, 32, 64, -32, -64")
        return int(value)

    def refuse_contradictions(self, kind: re.Pattern[str]) -> None:
        """Refuse cards of a kind that stand several times and say different things: other programs take the last."""
        if not self.cards.repeated:  # nearly always
            return
        for keyword in sorted(filter(kind.match, self.cards.repeated)):
            values = self.cards.contradicting(keyword)
            if values:
                raise self.error(f"{keyword} is given as {' and as '.join(map(repr, values))}")

    def one_image(self, groups: int, extra: int) -> None:
        """Refuse counts that an image extension cannot have (standard, 7.1.1)."""
        self.refuse_contradictions(_CODING)
        if groups != 1:
            raise self.error(f"GCOUNT = {groups} is not 1, which it has to be for an image")
        if extra:
            raise self.error(f"PCOUNT = {extra} is not 0, which it has to be for an image")

    def table_of_tiles(self, sizes: tuple[int, ...], groups: int, data_bytes: int) -> None:
        """Refuse what a table that holds an image cannot have (standard, 7.3.1 and 10.1)."""
        self.refuse_contradictions(_CODING)
        if groups != 1:
            raise self.error(f"GCOUNT = {groups} is not 1, which it has to be for a table")
        columns = self.integer("TFIELDS")
        if not 1 <= columns <= _MOST_COLUMNS:
            raise self.error(f"TFIELDS = {columns} is not between 1 and {_MOST_COLUMNS}")
        if len(sizes) != 2:
            raise self.error(f"NAXIS = {len(sizes)} is not 2, which it has to be for a table")
        table = math.prod(sizes)
        heap = self.integer("THEAP", table)
        if not table <= heap <= data_bytes:
            raise self.error(f"THEAP = {heap} is not between the table of {table} bytes and the end of its data")

    def pixels_in_tiles(self, layout: ImageLayout | None, data_bytes: int) -> None:
        """Refuse an image of more pixels than its compressed tiles can hold, before anybody plans for it."""
        if layout is not None and layout.byte_count > data_bytes * MOST_TILES_SHRINK:
            raise DamagedError(
                self.path,
                f"says that {data_bytes:,} compressed bytes hold {layout.byte_count:,} of pixels, which cannot be",
                "copy it again from where it came from",
            )

    def axes(self, keyword: str) -> tuple[int, ...]:
        count = self.integer(keyword)
        if count > 999:
            raise self.error(f"{keyword} = {count} is more than the 999 that the standard allows")
        return tuple(self.integer(f"{keyword}{axis}") for axis in range(1, count + 1))

    def layout(self, bitpix: int, sizes: tuple[int, ...], data_offset: int, *, tiled: bool) -> ImageLayout | None:
        if not math.prod(sizes) or not sizes:
            return None
        shape = sizes[::-1]
        while len(shape) > 2 and shape[0] == 1:
            shape = shape[1:]
        bscale, bzero = self.real("BSCALE", 1.0), self.real("BZERO", 0.0)
        if bscale == 0:
            raise self.error("BSCALE = 0 would make every pixel the same")
        if not 1 / _LARGEST_SCALE <= abs(bscale) <= _LARGEST_SCALE:
            raise self.error(f"BSCALE = {bscale!r} makes values that float32 cannot hold")
        if abs(bzero) > _LARGEST_SCALE:
            raise self.error(f"BZERO = {bzero!r} makes values that float32 cannot hold")
        blank = self.cards.get("BLANK", self.cards.get("ZBLANK") if tiled else None)
        if bitpix < 0 or isinstance(blank, bool) or not isinstance(blank, int):
            blank = None  # has no meaning for floats (standard, 4.4.2.5)
        quantised = tiled and bitpix < 0 and self.has_scales()
        return ImageLayout(bitpix, shape, bscale, bzero, blank, data_offset, tiled, quantised=quantised)

    def has_scales(self) -> bool:
        """Whether compressed tiles have steps: one for all, or one each in a column."""
        columns = (self.cards.get(f"TTYPE{number}") for number in range(1, self.integer("TFIELDS", 0) + 1))
        return "ZSCALE" in self.cards or "ZSCALE" in columns

    def real(self, keyword: str, default: float) -> float:
        value = self.cards.get(keyword, default)
        try:
            number = float(default if value is None else value)
        except (ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise self.error(f"{keyword} = {value!r} is not a number")
        return number

    def error(self, what: str) -> HeaderError:
        where = f" of extension {self.index}" if self.index else ""
        return HeaderError(self.path, f"{what} in the header{where}", _ADVICE)
