"""Rice codes of tile-compressed images, as the FITS standard 4.0 describes them in section 10.4.1.

A tile begins with its first pixel. Then come blocks of differences between neighbours, folded so that small ones of
either sign are small numbers. A block begins with the number of bits that stand behind each folded difference as they
are; what is above them is a run of zeros, as many as it counts, and a one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.kernels._jit import kernel

if TYPE_CHECKING:
    from zeroframe.kernels._jit import Array

__all__ = ["LEADING_ZEROS", "decode_rice"]

#: How many of its eight bits are zero before the first one, of every byte.
LEADING_ZEROS = np.array([8, *(8 - byte.bit_length() for byte in range(1, 256))], dtype=np.uint8)


@kernel
def _wrapped(value: int, size: int) -> int:
    """Bring a number into the range of integers of so many bytes; those of one byte have no sign."""
    kept = value & ((1 << (8 * size)) - 1)
    return kept if size == 1 or kept < 1 << (8 * size - 1) else kept - (1 << (8 * size))


@kernel
def _decode_tile(heap: Array, start: int, end: int, block: int, leading: Array, out: Array) -> bool:
    """Decode heap[start:end] to one tile; return whether its bits sufficed."""
    size = out.itemsize
    count_bits = 3 if size == 1 else 4 if size == 2 else 5
    raw_split = 6 if size == 1 else 14 if size == 2 else 25
    if end - start < size:
        return False
    last = 0
    for i in range(start, start + size):
        last = (last << 8) | int(heap[i])
    last = _wrapped(last, size)
    position = start + size
    # the next bits of the tile, at the high end; of 64 there are `have`, and zeros behind them
    bits = np.uint64(0)
    have = 0
    for first in range(0, out.size, block):
        # filled up byte by byte, as long as one more fits
        while have <= 56 and position < end:
            bits |= np.uint64(heap[position]) << np.uint64(56 - have)
            position += 1
            have += 8
        split = int(bits >> np.uint64(64 - count_bits)) - 1
        bits <<= np.uint64(count_bits)
        have -= count_bits
        if have < 0:
            return False
        stop = min(first + block, out.size)
        if split < 0:  # no bits at all: every difference of the block is zero
            for i in range(first, stop):
                out[i] = last
            continue
        # from some number of bits on, differences stand there whole, without runs of zeros
        plain = 8 * size if split >= raw_split else split
        for i in range(first, stop):
            folded = 0
            if split < raw_split:
                zeros = 0
                while True:
                    while have <= 56 and position < end:
                        bits |= np.uint64(heap[position]) << np.uint64(56 - have)
                        position += 1
                        have += 8
                    run = int(leading[bits >> np.uint64(56)])
                    if run >= have:  # these zeros stand behind the end of the tile
                        return False
                    zeros += run
                    if run < 8:
                        bits <<= np.uint64(run + 1)
                        have -= run + 1
                        break
                    bits <<= np.uint64(8)
                    have -= 8
                folded = zeros << plain
            if have < plain:
                while have <= 56 and position < end:
                    bits |= np.uint64(heap[position]) << np.uint64(56 - have)
                    position += 1
                    have += 8
                if have < plain:
                    return False
            if plain > 0:
                folded |= int(bits >> np.uint64(64 - plain))
                bits <<= np.uint64(plain)
                have -= plain
            last += ~(folded >> 1) if folded & 1 else folded >> 1  # 0, 1, 2, 3 are 0, -1, 1, -2
            last = _wrapped(last, size)
            out[i] = last
    return True


@kernel
def decode_rice(heap: Array, starts: Array, lengths: Array, block: int, leading: Array, out: Array) -> int:
    """Decode tiles; return the number of the first that is damaged, or -1.

    Parameters
    ----------
    heap : uint8, shape (bytes,)
        Where the compressed tiles stand; starts and lengths lie within it.
    starts, lengths : int64, shape (tiles,)
        In bytes.
    block : int
        How many differences a block holds.
    leading : uint8, shape (256,)
        `LEADING_ZEROS`.
    out : uint8, int16 or int32, shape (tiles, pixels)
        Values wrap around where differences leave their range.
    """
    for tile in range(out.shape[0]):
        if not _decode_tile(heap, starts[tile], starts[tile] + lengths[tile], block, leading, out[tile]):
            return tile
    return -1
