"""Images as tiles of several resolutions, compressed so that a browser unpacks them by itself.

Level 0 holds the values of the file, bit by bit. Each further level averages two by two pixels of the one before, and
is there to be looked at: it is rounded to a sixteenth of the noise of a pixel, which makes it small. Masks are joined
instead (a pixel of a coarse level has all bits of those it stands for), so that a single bad pixel is seen from afar.

The bytes of a tile are those of its numbers in little-endian order, first the lowest bytes of all of them, then the
next ones, and so on, since bytes of one place resemble each other; as a raw DEFLATE stream (RFC 1951).
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import field
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.kernels.blocks import block_sums
from zeroframe.records import dataclass
from zeroframe.verbs.display import block_average
from zeroframe.viewer.figures import ValueFigures, measure_values
from zeroframe.viewer.marks import Mark, marks_of
from zeroframe.workers import map_threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from zeroframe.viewer.planes import Picture, Plane

__all__ = ["TILE", "Level", "TiledMask", "TiledPicture", "compressed_bytes", "pack"]

#: Side of a tile in pixels: 0.5 MB of 16-bit numbers, unpacked in 3 ms.
TILE = 512
#: Coarser levels are made until the image fits into so many pixels.
_COARSEST = 640
_STEPS_IN_NOISE = 16
_NO_VALUE = -(2**31)
_LARGEST = 2**30
_MOST_BITS = 16
#: Bands of rows that are kept when tiles are asked for one by one: a browser asks for those of a screen at once.
_KEPT_BANDS = 6
#: Coarse levels are made from averages over so many pixels along each side.
_QUARTER = 4
_CODES = {"b1": "u1", "i1": "i2", "i8": "f8", "u8": "f8", "f2": "f4"}


@dataclass(frozen=True)
class Level:
    """One resolution of an image.

    Attributes
    ----------
    factor : int
        Pixels of the file along a side of one pixel of this level.
    shape_yx : tuple of int
    code : str
        Type of the stored numbers, as numpy calls it without byte order.
    step, offset : float
        The value is ``stored * step + offset``; 1 and 0 on level 0.
    """

    factor: int
    shape_yx: tuple[int, int]
    code: str
    step: float = 1.0
    offset: float = 0.0

    @property
    def tiles_yx(self) -> tuple[int, int]:
        """How many tiles there are along y and x."""
        ny, nx = self.shape_yx
        return -(-ny // TILE), -(-nx // TILE)


def pack(values: NDArray[Any]) -> bytes:
    r"""Return numbers as the compressed bytes of a tile.

    Examples
    --------
    >>> import zlib
    >>> zlib.decompress(pack(np.array([[1, 2], [3, 260]], np.uint16)), -15)
    b'\x01\x02\x03\x04\x00\x00\x00\x01'
    """
    from isal import isal_zlib

    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    by_place = np.ascontiguousarray(little.reshape(-1).view(np.uint8).reshape(-1, little.itemsize).T)
    compressor = isal_zlib.compressobj(2, isal_zlib.DEFLATED, -15)
    return bytes(compressor.compress(by_place.data) + compressor.flush())


def _sent(values: NDArray[Any]) -> NDArray[Any]:
    """Return numbers in a type that a browser has, which holds them all but whole numbers beyond 2^53."""
    wanted = _CODES.get(values.dtype.str.lstrip("<>=|"))
    return values if wanted is None else values.astype(wanted)


def _place(level: Level, ty: int, tx: int) -> tuple[slice, slice]:
    down, across = level.tiles_yx
    if not (0 <= ty < down and 0 <= tx < across):
        raise IndexError(f"there is no tile {ty}, {tx} of {down} x {across}")
    return slice(ty * TILE, (ty + 1) * TILE), slice(tx * TILE, (tx + 1) * TILE)


@dataclass(eq=False)
class _Bands:
    """Makes rows of tiles, and keeps the last few."""

    make: Callable[[int], NDArray[Any]]
    _kept: OrderedDict[int, NDArray[Any]] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def tile(self, ty: int, across: slice) -> NDArray[Any]:
        with self._lock:
            band = self._kept.get(ty)
            if band is None:
                band = self._kept[ty] = self.make(ty)
                while len(self._kept) > _KEPT_BANDS:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(ty)
        return band[:, across]


@dataclass(eq=False)
class TiledPicture:
    """An image in tiles; coarse levels are made when they are first asked for.

    Attributes
    ----------
    picture : Picture
        What is shown.
    """

    picture: Picture
    _lock: Lock = field(default_factory=Lock)

    @cached_property
    def marks(self) -> tuple[tuple[Mark, ...], tuple[str, ...]]:
        """What is marked on it, and what of its header could not be understood."""
        return marks_of(self.picture)

    @cached_property
    def figures(self) -> ValueFigures:
        """Values of the image in figures: of what its amplifiers read as data, where that is known."""
        boxes = [mark.box for mark in self.marks[0] if mark.role == "data"]
        return measure_values(self.picture.image, boxes)

    @cached_property
    def _fine(self) -> tuple[_Bands, _Bands]:
        """Rows of tiles of levels 0 and 1, made as they are asked for."""
        image, ny = self.picture.image, self.picture.image.shape_yx[0]

        def rows(ty: int, factor: int) -> NDArray[Any]:
            height = TILE * factor
            return image.read_rows(ty * height, min((ty + 1) * height, ny))

        return (
            _Bands(lambda ty: _sent(rows(ty, 1))),
            _Bands(lambda ty: _rounded(_averaged(rows(ty, 2), 2), self.levels[1])),
        )

    @cached_property
    def mask(self) -> TiledMask | None:
        """Its mask."""
        return None if self.picture.mask is None else TiledMask(self.picture.mask)

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """The resolutions, the finest first; no pixel is read for it but those that `figures` needs."""
        image, found = self.picture.image, self.figures
        code = _sent(np.zeros(0, image.dtype)).dtype.str[1:]
        levels = [Level(1, image.shape_yx, code)]
        offset = round(found.percentiles[len(found.percentiles) // 2]) if found.percentiles else 0
        ends = (found.percentiles[0], found.percentiles[-1]) if found.percentiles else (0.0, 0.0)
        largest = max(abs(end - offset) for end in ends)
        step = max(found.noise / _STEPS_IN_NOISE, largest * 4 / _LARGEST) or 1.0
        while max(levels[-1].shape_yx) > _COARSEST:
            ny, nx = levels[-1].shape_yx
            levels.append(Level(2 * levels[-1].factor, (-(-ny // 2), -(-nx // 2)), "i4", step, float(offset)))
        return tuple(levels)

    @cached_property
    def _coarse(self) -> list[NDArray[np.int32]]:
        """Levels 2 and up, in one pass over the file."""
        image, ny = self.picture.image, self.picture.image.shape_yx[0]
        starts = range(0, ny, TILE)
        averaged = np.concatenate(
            map_threads(lambda y: _averaged(image.read_rows(y, min(y + TILE, ny)), _QUARTER), starts)
        )
        found = []
        for level in self.levels[2:]:
            found.append(_rounded(averaged, level))
            averaged = _averaged(averaged, 2)
        return found

    def prepare(self) -> None:
        """Make what is asked for first: figures, coarse levels and the mask; raises `FrameError` as `values` does."""
        if len(self.levels) > len(self._fine):
            self.values(len(self.levels) - 1, 0, 0)
        if self.mask is not None:
            self.mask.prepare()

    def values(self, number: int, ty: int, tx: int) -> NDArray[Any]:
        """Return the numbers of a tile as they are sent.

        Parameters
        ----------
        number : int
            Of the level.
        ty, tx : int
            Of the tile, from the first rows and columns on.

        Raises
        ------
        IndexError
            When there is no such tile.
        FrameError
            When the file cannot be read.
        """
        rows, columns = _place(self.levels[number], ty, tx)
        if number < len(self._fine):
            return self._fine[number].tile(ty, columns)
        with self._lock:
            coarse = self._coarse
        return coarse[number - 2][rows, columns]


def _averaged(values: NDArray[Any], factor: int) -> NDArray[np.float32]:
    """Average over squares, of which those at the far edges may be incomplete; NaN where no pixel is finite."""
    if values.dtype not in (np.uint16, np.float32, np.float64):  # for which the kernel is compiled
        values = values.astype(np.float64 if values.dtype.itemsize > 2 else np.float32)
    ny, nx = values.shape
    whole = (ny // factor, nx // factor)
    totals, counts = np.empty(whole), np.empty(whole, np.int64)
    nothing = np.empty((0, 0), np.float32)
    block_sums(values, nothing, nothing.astype(bool), factor, factor, totals, np.empty(whole), counts)
    found = np.empty((-(-ny // factor), -(-nx // factor)), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # float64 beyond what float32 holds; no pixel that is finite
        found[: whole[0], : whole[1]] = totals / counts
        if ny % factor:
            found[whole[0] :] = block_average(values[whole[0] * factor :], factor)
        if nx % factor:
            found[:, whole[1] :] = block_average(values[:, whole[1] * factor :], factor)
    return found


def _rounded(values: NDArray[np.float32], level: Level) -> NDArray[np.int32]:
    with np.errstate(invalid="ignore", over="ignore"):
        steps = np.rint((values - np.float32(level.offset)) * np.float32(1 / level.step))
        steps[~np.isfinite(values)] = 0
        whole: NDArray[np.int32] = np.clip(steps, -_LARGEST, _LARGEST, out=steps).astype(np.int32)
    whole[~np.isfinite(values)] = _NO_VALUE
    return whole


@dataclass(eq=False)
class TiledMask:
    """A mask in tiles, of all its levels at once: it is small when it is compressed, and a byte a pixel when not.

    Attributes
    ----------
    plane : Plane
        The mask.
    """

    plane: Plane
    _lock: Lock = field(default_factory=Lock)

    @cached_property
    def _all(self) -> list[NDArray[Any]]:
        ny = self.plane.shape_yx[0]
        bands = [self.plane.read_rows(y, min(y + TILE, ny)) for y in range(0, ny, TILE)]
        found = [_as_bits(np.concatenate(bands))]
        while max(found[-1].shape) > _COARSEST:
            found.append(_joined(found[-1]))
        return found

    @property
    def planes(self) -> list[NDArray[Any]]:
        """The levels, the finest first, uint8 or uint16."""
        with self._lock:
            return self._all

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """The resolutions."""
        code = self.planes[0].dtype.str[1:]
        return tuple(Level(2**n, (each.shape[0], each.shape[1]), code) for n, each in enumerate(self.planes))

    def prepare(self) -> None:
        """Make all levels, and count the bits."""
        self.counts  # noqa: B018 -- kept

    @cached_property
    def counts(self) -> dict[int, int]:
        """How many pixels have each bit, by its value."""
        mask = self.planes[0]
        values = np.bincount(mask.reshape(-1), minlength=1 << (8 * mask.itemsize))
        places = np.arange(len(values))
        found = {1 << n: int(values[(places >> n) & 1 == 1].sum()) for n in range(8 * mask.itemsize)}
        return {bit: count for bit, count in found.items() if count}

    def values(self, number: int, ty: int, tx: int) -> NDArray[Any]:
        """Return a tile as `TiledPicture.values` does."""
        return self.planes[number][_place(self.levels[number], ty, tx)]


def _as_bits(mask: NDArray[Any]) -> NDArray[Any]:
    """Return a mask as uint8, or uint16 where it has more bits; those beyond are joined in the highest."""
    if mask.dtype == np.uint8:
        return mask
    if mask.dtype == np.bool_:
        return mask.view(np.uint8)
    whole = mask.astype(np.int64)
    if whole.size and whole.min() >= 0 and whole.max() <= np.iinfo(np.uint8).max:
        return whole.astype(np.uint8)
    beyond = (whole >> (_MOST_BITS - 1)) != 0
    highest = 2 ** (_MOST_BITS - 1)
    joined: NDArray[np.uint16] = ((whole & (highest - 1)) | (beyond * highest)).astype(np.uint16)
    return joined


def _joined(mask: NDArray[Any]) -> NDArray[Any]:
    """Join two by two pixels: one has all bits of those it stands for."""
    ny, nx = mask.shape
    rows = mask[0::2].copy()
    rows[: ny // 2] |= mask[1::2]
    found = rows[:, 0::2].copy()
    found[:, : nx // 2] |= rows[:, 1::2]
    return found


def compressed_bytes(tiled: TiledPicture) -> int:
    """Return about how many bytes level 0 takes when it is compressed, by a few of its tiles."""
    level = tiled.levels[0]
    down, across = level.tiles_yx
    places = {(down * n // 5, across * n // 5) for n in range(5)}
    found = [(tiled.values(0, ty, tx).size, len(pack(tiled.values(0, ty, tx)))) for ty, tx in sorted(places)]
    return math.ceil(sum(size for _, size in found) / sum(count for count, _ in found) * math.prod(level.shape_yx))
