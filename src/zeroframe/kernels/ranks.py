"""Moving order statistics: the value of a given rank in a box around every pixel, exact, with pixels left out.

The values of a tile (what a block of results can see) are sorted once and replaced by their ranks. The box then moves
over the tile as a set of bits, one for each rank, and the wanted value is found from where it was one step before:
J. Suomela, "Median filtering is equivalent to sorting" (arXiv:1406.1717). 8.5 million pixels and a box of 11 x 11 need
1.4 s on one thread, whatever the values are; scipy.ndimage.median_filter needs 11 s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from zeroframe.kernels._jit import kernel
from zeroframe.kernels.rows import reflected

if TYPE_CHECKING:
    from zeroframe.kernels._jit import Array

__all__ = ["block_half_widths", "box_medians", "rank_filter"]

#: Bits of one digit of the radix sort; six digits make 64 bits.
_DIGIT_BITS = 11
_DIGITS = 6
_BINS = 1 << _DIGIT_BITS
#: Results of one tile along each axis, for boxes up to a quarter of it.
_BLOCK = 64


@kernel
def _bits_set(word: np.uint64) -> np.int64:
    """How many bits of 64 are set; in the form that compilers know as one instruction."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@kernel
def _sort_keys(count: int, keys: Array, order: Array, keys_work: Array, order_work: Array, bins: Array) -> bool:
    """Sort ``keys[:count]`` and ``order[:count]`` along with them; return whether the result is in the work arrays."""
    bins[:] = 0
    low_bits = np.uint64(_BINS - 1)
    for i in range(count):
        key = keys[i]
        for d in range(_DIGITS):
            bins[d, (key >> np.uint64(_DIGIT_BITS * d)) & low_bits] += 1
    swapped = False
    for d in range(_DIGITS):
        shift = np.uint64(_DIGIT_BITS * d)
        source, source_order = (keys_work, order_work) if swapped else (keys, order)
        target, target_order = (keys, order) if swapped else (keys_work, order_work)
        # float32 values have 29 zero bits here: all keys are in one bin, and there is nothing to do
        if count == 0 or bins[d, (source[0] >> shift) & low_bits] == count:
            continue
        start = 0
        for b in range(_BINS):
            size = bins[d, b]
            bins[d, b] = start
            start += size
        for i in range(count):
            b = (source[i] >> shift) & low_bits
            place = bins[d, b]
            bins[d, b] = place + 1
            target[place] = source[i]
            target_order[place] = source_order[i]
        swapped = not swapped
    return swapped


@kernel
def _move(
    ranks: Array, y0: int, y1: int, x0: int, x1: int, change: int, bits: Array, words: Array, below: Array
) -> int:
    """Put the pixels of a part of the tile into the box (1), or take them out (-1); return how many there were."""
    moved = 0
    for y in range(y0, y1):
        row = ranks[y]
        for x in range(x0, x1):
            rank = row[x]
            if rank < 0:
                continue
            word = rank >> 6
            bit = np.uint64(1) << np.uint64(rank & 63)
            moved += 1
            if change > 0:
                bits[word] |= bit
            else:
                bits[word] &= ~bit
            for k in range(words.size):
                # how many are set below where the last search ended: the next one begins there
                if word < words[k]:
                    below[k] += change
    return moved


@kernel
def _find(rank: int, k: int, bits: Array, words: Array, below: Array) -> int:
    """Which bit is the ``rank``-th that is set; ``words[k]`` and ``below[k]`` remember where that was."""
    word = words[k]
    before = below[k]
    while before > rank:
        word -= 1
        before -= _bits_set(bits[word])
    inside = _bits_set(bits[word])
    while before + inside <= rank:
        before += inside
        word += 1
        inside = _bits_set(bits[word])
    words[k] = word
    below[k] = before
    # the lowest bit is taken away until the one that is wanted is the lowest; bits below it count its place
    left = bits[word]
    for _ in range(rank - before):
        left &= left - np.uint64(1)
    lowest = left & (~left + np.uint64(1))
    return int((word << 6) + _bits_set(lowest - np.uint64(1)))


@kernel
def _load_tile(
    pixels: Array,
    top: int,
    left: int,
    tile: _Tile,
) -> int:
    """Rank the values of a tile, -1 where left out, and sort ``values``; return how many there are.

    ``flat`` and ``raw`` are the memory of ``ranks`` as one row, and that of ``values`` as uint64.
    """
    ny, nx = pixels.shape
    ranks, flat, values, raw, keys, order, work, other, bins = tile
    tall, wide = ranks.shape
    count = 0
    for y in range(tall):
        row = pixels[reflected(top + y, ny)]
        for x in range(wide):
            value = np.float64(row[reflected(left + x, nx)])
            ranks[y, x] = -1
            if np.abs(value) < np.inf:
                values[count] = value + 0.0  # -0 is 0
                order[count] = y * wide + x
                count += 1
    # keys whose order as whole numbers is that of the values: negative ones with all bits turned, others with the sign
    sign = np.uint64(1) << np.uint64(63)
    for i in range(count):
        bits = raw[i]
        keys[i] = ~bits if bits & sign else bits | sign
    swapped = _sort_keys(count, keys, order, work, other, bins)
    sorted_keys, sorted_order = (work, other) if swapped else (keys, order)
    for i in range(count):
        key = sorted_keys[i]
        raw[i] = key & ~sign if key & sign else ~key
        flat[sorted_order[i]] = i
    return count


def rank_filter(pixels: Array, height: int, width: int, percents: Array, first: int, out: Array) -> None:
    """Find the values of some ranks in the box around each pixel.

    Parameters
    ----------
    pixels : float32 or float64, shape (ny, nx)
        Not finite where left out. Beyond the edges the image is continued as its mirror image.
    height, width : int
        Of the box. It reaches ``height // 2`` rows up, so that a box of even height reaches one row less down.
    percents : float64, shape (k,)
        Of n values, the one with ``int(n * percent / 100)`` smaller ones is taken: 50 is the median of odd n.
    first : int
        The row of ``pixels`` that the first row of ``out`` belongs to.
    out : float32 or float64, shape (k, rows, nx)
        NaN where every pixel of the box is left out.
    """
    block = max(_BLOCK, 4 * max(height, width))
    tall, wide = block + height - 1, block + width - 1
    size = tall * wide
    ranks, values = np.empty((tall, wide), np.int32), np.empty(size)
    keys, work = np.empty(size, np.uint64), np.empty(size, np.uint64)
    order, other = np.empty(size, np.int32), np.empty(size, np.int32)
    bits, bins = np.empty((size >> 6) + 1, np.uint64), np.empty((_DIGITS, _BINS), np.int32)
    tile = _Tile(ranks, ranks.reshape(-1), values, values.view(np.uint64), keys, order, work, other, bins)
    places = np.empty((2, percents.size), np.int64)
    _rank_filter(pixels, height, width, percents, first, out, block, tile, bits, places[0], places[1])


class _Tile(NamedTuple):
    """Memory for one tile: its ranks in two forms, its sorted values in two forms, and what is needed to sort them."""

    ranks: Array
    flat: Array
    values: Array
    raw: Array
    keys: Array
    order: Array
    work: Array
    other: Array
    bins: Array


@kernel
def _rank_filter(
    pixels: Array,
    height: int,
    width: int,
    percents: Array,
    first: int,
    out: Array,
    block: int,
    tile: _Tile,
    bits: Array,
    words: Array,
    below: Array,
) -> None:
    """Do it, tile by tile, in memory for one tile."""
    rows, nx = out.shape[1:]
    ranks, values = tile.ranks, tile.values
    for top in range(0, rows, block):
        for left in range(0, nx, block):
            _load_tile(pixels, first + top - height // 2, left - width // 2, tile)
            bits[:] = 0
            words[:] = 0
            below[:] = 0
            high, broad = min(block, rows - top), min(block, nx - left)
            inside = _move(ranks, 0, height, 0, width, 1, bits, words, below)
            # to and fro over the tile: from one pixel to the next one column of the box changes, or one row
            x = 0
            step = 1
            for y in range(high):
                while True:
                    for k in range(percents.size):
                        if inside > 0:
                            rank = min(int(inside * percents[k] / 100.0), inside - 1)
                            out[k, top + y, left + x] = values[_find(rank, k, bits, words, below)]
                        else:
                            out[k, top + y, left + x] = np.nan
                    if x + step < 0 or x + step >= broad:
                        break
                    gone, new = (x, x + width) if step > 0 else (x + width - 1, x - 1)
                    inside -= _move(ranks, y, y + height, gone, gone + 1, -1, bits, words, below)
                    inside += _move(ranks, y, y + height, new, new + 1, 1, bits, words, below)
                    x += step
                if y + 1 < high:
                    inside -= _move(ranks, y, y + 1, x, x + width, -1, bits, words, below)
                    inside += _move(ranks, y + height, y + height + 1, x, x + width, 1, bits, words, below)
                step = -step


@kernel
def _smallest(values: Array, first: int, end: int, rank: int) -> float:
    """Return the value of a rank among ``values[first:end]``, which are put in another order (Hoare's quickselect)."""
    low, high = first, end - 1
    place = first + rank
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while pivot < values[j]:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if place <= j:
            high = j
        elif place >= i:
            low = i
        else:
            break
    return float(values[place])


@kernel
def _percentile(values: Array, count: int, percent: float) -> float:
    """Return a percentile of ``values[:count]``, interpolated between two of them."""
    place = (count - 1) * percent / 100.0
    before = int(place)
    at = _smallest(values, 0, count, before)
    after = at
    if before + 1 < count:
        # all that comes after that rank stands after it now
        after = _smallest(values, before + 1, count, 0)
    return at + (after - at) * (place - before)


def box_medians(pixels: Array, places: Array, size: int, out: Array) -> None:
    """Find the median of the box around some pixels only: what `rank_filter` gives there for 50 percent.

    Parameters
    ----------
    pixels : float32 or float64, shape (ny, nx)
        Not finite where left out.
    places : int64, shape (n, 2)
        Row and column of each pixel.
    size : int
        Of the box along both axes.
    out : float64, shape (n,)
        NaN where every pixel of the box is left out.
    """
    _box_medians(pixels, places, size, out, np.empty(size * size))


@kernel
def _box_medians(pixels: Array, places: Array, size: int, out: Array, values: Array) -> None:
    """Do it; ``values`` has room for those of one box."""
    ny, nx = pixels.shape
    for i in range(places.shape[0]):
        count = 0
        for dy in range(size):
            row = pixels[reflected(places[i, 0] - size // 2 + dy, ny)]
            for dx in range(size):
                value = np.float64(row[reflected(places[i, 1] - size // 2 + dx, nx)])
                if np.abs(value) < np.inf:
                    values[count] = value
                    count += 1
        out[i] = _smallest(values, 0, count, count // 2) if count > 0 else np.nan


def block_half_widths(residual: Array, height: int, width: int, low: float, high: float, out: Array) -> None:
    """Find half the distance between two percentiles in each block of an image.

    Parameters
    ----------
    residual : float32 or float64, shape (ny, nx)
        Not finite where left out.
    height, width : int
        Of a block; those at the far edges are smaller.
    low, high : float
        In percent; between two values it is interpolated.
    out : float64, shape (ceil(ny / height), ceil(nx / width))
        NaN where every pixel is left out.
    """
    _block_half_widths(residual, height, width, low, high, out, np.empty(height * width))


@kernel
def _block_half_widths(
    residual: Array, height: int, width: int, low: float, high: float, out: Array, values: Array
) -> None:
    """Do it; ``values`` has room for those of one block."""
    ny, nx = residual.shape
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            count = 0
            for y in range(i * height, min((i + 1) * height, ny)):
                for x in range(j * width, min((j + 1) * width, nx)):
                    value = np.float64(residual[y, x])
                    if np.abs(value) < np.inf:
                        values[count] = value
                        count += 1
            out[i, j] = np.nan
            if count > 0:
                out[i, j] = 0.5 * (_percentile(values, count, high) - _percentile(values, count, low))
