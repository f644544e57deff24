"""Fused arithmetic on one frame: decode, subtract levels, trim.

Arrays are C-contiguous and ``(ny, nx)``. ``out`` has the shape of the image that is made; which of its pixels comes
from where in ``pixels`` stands in a `Part`: of a frame that was read by one amplifier there is one, else one for each.
The rest of ``out`` is left alone. Arithmetic is float64 in registers and rounded once, when ``out`` is written. NaN in
the input stays NaN. The interpreter's lock is released.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from zeroframe.kernels._jit import kernel

if TYPE_CHECKING:
    from zeroframe.kernels._jit import Array

__all__ = [
    "Part",
    "calibrate_native",
    "calibrate_swapped16",
    "read_floats32",
    "sum_swapped32",
    "swap_bytes32",
    "swap_bytes64",
    "swap_floats",
]


class Part(NamedTuple):
    """Which pixels are taken of a raw frame, and where they go.

    Attributes
    ----------
    y0, x0 : int
        Where they start in the raw frame.
    ny, nx : int
        How many rows and columns they are.
    to_y, to_x : int
        Where they start in the image that is made.
    flip_y, flip_x : bool
        Whether the order of rows, of columns, is turned around.
    """

    y0: int
    x0: int
    ny: int
    nx: int
    to_y: int = 0
    to_x: int = 0
    flip_y: bool = False
    flip_x: bool = False


@kernel
def _row_of(part: Part, y: int) -> int:
    """Return the row of the result that a row of the part goes to."""
    return part.to_y + (part.ny - 1 - y if part.flip_y else y)


@kernel
def _turn_around(row: Array) -> None:
    """Reverse a row that has just been written, and so is in the first-level cache."""
    last = row.size - 1
    for x in range(row.size // 2):
        kept = row[x]
        row[x] = row[last - x]
        row[last - x] = kept


#: Words of a block that stays in the first-level cache.
_BLOCK = 2048


@kernel
def calibrate_swapped16(
    pixels: Array, zero: float, row_level: Array, column_level: Array, part: Part, out: Array
) -> None:
    """Calibrate big-endian 16-bit integers as they stand in the file.

    Parameters
    ----------
    pixels : uint16, shape (ny, nx)
        The bytes of the file, seen as native uint16, so with the two bytes of each value in the wrong order.
    zero : float
        BZERO: 32768 for unsigned data.
    row_level, column_level : float64, shapes (ny,) and (nx,)
        What is subtracted from each row and from each column of the untrimmed frame.
    part : Part
        What is taken of it.
    out : float32 or float64
        The result.
    """
    nx = part.nx
    by_row_only = out.itemsize == 4
    for x in range(column_level.size):  # numpy's any() would have numba import scipy.linalg to compile it: 0.1 s
        if column_level[x] != 0.0:
            by_row_only = False
    for y in range(part.ny):
        level = row_level[part.y0 + y] - zero
        short = np.float32(level)
        source = pixels[part.y0 + y, part.x0 : part.x0 + nx]
        target = out[_row_of(part, y), part.to_x : part.to_x + nx]
        if by_row_only and short == level:
            # both terms are exact in float32, so one rounding is left there, too; twice as fast as float64
            for x in range(nx):
                raw = source[x]
                # shifted as int64; of that int16 takes the lower 16 bits, and their sign
                target[x] = np.float32(np.int16((raw << 8) | (raw >> 8))) - short
        else:
            columns = column_level[part.x0 : part.x0 + nx]
            for x in range(nx):
                raw = source[x]
                value = np.int16((raw << 8) | (raw >> 8))
                # decoded first, and one level subtracted: in the order, and so to the bits, of `calibrate_native`
                target[x] = (np.float64(value) + zero) - (row_level[part.y0 + y] + columns[x])
        if part.flip_x:
            _turn_around(target)


@kernel
def calibrate_native(pixels: Array, row_level: Array, column_level: Array, part: Part, out: Array) -> None:
    """Calibrate pixels of any native type that are decoded already; otherwise as `calibrate_swapped16`."""
    nx = part.nx
    columns = column_level[part.x0 : part.x0 + nx]
    for y in range(part.ny):
        level = row_level[part.y0 + y]
        source = pixels[part.y0 + y, part.x0 : part.x0 + nx]
        target = out[_row_of(part, y), part.to_x : part.to_x + nx]
        for x in range(nx):
            target[x] = np.float64(source[x]) - (level + columns[x])
        if part.flip_x:
            _turn_around(target)


def swap_bytes32(words: Array, out: Array) -> int:
    """Write ``words`` (uint32, any shape flattened) to ``out`` with their bytes reversed; return their sum mod 2**64.

    The sum of the native words, folded, is the FITS data sum of the swapped bytes. ``out`` may be ``words``.
    """
    total: int = _swap_bytes32(words, out, np.empty(_BLOCK, np.uint32))
    return total


@kernel
def _swap_bytes32(words: Array, out: Array, block: Array) -> int:
    """Do it, by way of a block.

    Where ``out`` is ``words`` a loop from one to the other would not become vector code: 28 us, not 3, for 160 kB.
    """
    total = np.uint64(0)
    for start in range(0, words.size, block.size):
        source = words[start : start + block.size]
        target = out[start : start + block.size]
        for i in range(source.size):
            w = source[i]
            total += np.uint64(w)  # does not overflow, and fits into int64, for less than 2**31 words
            block[i] = (w >> 24) | ((w >> 8) & np.uint32(0xFF00)) | ((w << 8) & np.uint32(0xFF0000)) | (w << 24)
        for i in range(source.size):
            target[i] = block[i]
    return int(total)


@kernel
def sum_swapped32(words: Array) -> int:
    """Return the sum mod 2**64 of ``words`` (uint32, flattened) with their bytes reversed, which stay as they are."""
    total = np.uint64(0)
    for i in range(words.size):
        w = words[i]
        # shifted by a Python integer it would become int64, and keep what is shifted out
        total += np.uint64(np.uint32((w >> 24) | ((w >> 8) & 0xFF00) | ((w << 8) & 0xFF0000) | (w << 24)))
    return int(total)


def read_floats32(words: Array, out: Array) -> tuple[int, int]:
    """Write ``words``, float32 of a file seen as uint32, to ``out`` in native order; ``out`` may be ``words``.

    Returns
    -------
    total : int
        Sum of the native words mod 2**64; folded, it is the FITS data sum of what was read.
    not_finite : int
        How many of them are infinite or NaN.
    """
    found: tuple[int, int] = _read_floats32(words, out, np.empty(_BLOCK, np.uint32))
    return found


@kernel
def _read_floats32(words: Array, out: Array, block: Array) -> tuple[int, int]:
    """Do it, by way of a block, as `_swap_bytes32` does."""
    total = np.uint64(0)
    not_finite = 0
    for start in range(0, words.size, block.size):
        source = words[start : start + block.size]
        target = out[start : start + block.size]
        for i in range(source.size):
            w = source[i]
            # shifted by a Python integer it would become int64, and keep what is shifted out
            swapped = np.uint32((w >> 24) | ((w >> 8) & 0xFF00) | ((w << 8) & 0xFF0000) | (w << 24))
            total += np.uint64(swapped)
            # all bits of the exponent set: infinity, or NaN
            not_finite += 1 if (swapped & np.uint32(0x7F800000)) == np.uint32(0x7F800000) else 0
            block[i] = swapped
        for i in range(source.size):
            target[i] = block[i]
    return int(total), not_finite


@kernel
def swap_bytes64(words: Array) -> None:
    """Reverse the bytes of ``words`` (uint64, flattened), in place."""
    low = np.uint64(0x00FF00FF00FF00FF)
    mid = np.uint64(0x0000FFFF0000FFFF)
    for i in range(words.size):
        w = words[i]
        # neighbouring bytes change places, then pairs of them, then halves
        w = ((w >> np.uint64(8)) & low) | ((w & low) << np.uint64(8))
        w = ((w >> np.uint64(16)) & mid) | ((w & mid) << np.uint64(16))
        words[i] = (w >> np.uint64(32)) | (w << np.uint64(32))


def swap_floats(values: Array) -> None:
    """Reverse the bytes of float32 or float64, C-contiguous, in place."""
    words = values.reshape(-1).view(f"u{values.itemsize}")
    if values.itemsize == 4:
        swap_bytes32(words, words)
    else:
        swap_bytes64(words)
