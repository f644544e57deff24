"""A first look at a raw frame, before anything is done to it: which pixels were never read, and which are full.

The lowest and highest value of each stretch of a row, from one pass over the frame, answer most of it; more is looked
at only where something is odd.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil, log, pi, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.fits import RawImage
from zeroframe.fits.timeline import spanned
from zeroframe.frames.medians import distinct_of_valid, median_of_known, median_of_valid
from zeroframe.frames.numbers import number, percent
from zeroframe.frames.pile_up import LEAST_CONTRAST, PileUp, converter_top, find_pile_up, is_converter_top
from zeroframe.frames.raw import is_fused
from zeroframe.kernels.extremes import (
    STRETCH,
    count_tops,
    count_tops_swapped16,
    stretch_extremes,
    stretch_extremes_swapped16,
)
from zeroframe.kernels.stack import MAD_TO_SIGMA
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zeroframe.frames.regions import Region

__all__ = ["RawLook", "look_at", "raw_remarks", "unread_words"]

#: Rows and stretches of one value are chance where more of them were to be expected than this, in a whole frame, by how
#: often neighbours are the same.
_BY_CHANCE = 1e-6
#: A frame that is constant nearly everywhere says nothing of the rows that are.
_MOSTLY = 0.9
#: Rows that repeat the one before are so many at least, one after the other: frames whose every row stands twice were
#: enlarged, and not broken off.
_FEWEST_REPEATS = 2
#: Of the stretches of a row, that hold one value each; more of them are no noise.
_SMOOTH = 0.5
_SAMPLE_ROWS = 8
#: A line is whole where so much of it is hit; a few of them are no light that fills the well.
_WHOLE_LINE, _FEW_LINES = 0.85, 3
#: Of pairs of neighbours, to tell noise.
_FEWEST_PAIRS = 30
#: What cannot be less: of numbers without sign, and of 16 bits with one. Noise is cut off that near to it.
_LOWEST, _NEAR_NOISES = (0.0, -32768.0), 5.0
#: Of noise that is cut off, so much as a part of it lies within so many noises above: 0.05 of it, where 95 % is.
_JUST_ABOVE_NOISES, _LEAST_ABOVE = 2.0, 0.03
#: Values are counted from half-way between the lowest and the highest on.
_TOP_HALF = 0.5
#: The level of what saw no light is that of which this part of the stretches have a lower one.
_LOWEST_PART = 100
_MOST_BINS = 1 << 16
#: Where so much of the frame lies in the upper half, as in flats, every fourth row tells enough.
_CROWDED, _EVERY = 0.2, 4
#: Converters of 12 to 15 bits, shifted to 16.
_SHIFTS = range(5)
_LONGEST_WORDS = 60

#: Whole numbers over a range of so many are marked in a table.
_COUNTED = 1 << 20


@dataclass(frozen=True, eq=False)
class RawLook:
    """What a raw frame shows at first sight, where one amplifier read it.

    Attributes
    ----------
    unread_rows : ndarray of bool, shape (ny,)
        Rows of the raw frame that hold one value throughout, overscan included, or repeat the row before.
    unread_blocks : tuple of (int, slice)
        Parts of other rows that hold one value, with the same in the row before or after: row and columns.
    highest : float
        The highest value of what the amplifier keeps and was read, in units of the raw frame; -inf where nothing was.
    step : float
        What the values are multiples of, as far as is known; 1 for whole numbers, 0 for others.
    pile_up : PileUp or None
        Where the highest values of what is kept are heaped up.
    decoded : ndarray or None
        The pixels, where they had to be decoded.
    cut_off : float
        The share of pixels, in some rows of the frame, that hold the lowest value that can be stored, where the others
        are so near to it that their noise was cut off there.
    """

    unread_rows: NDArray[np.bool_]
    unread_blocks: tuple[tuple[int, slice], ...]
    highest: float
    step: float
    pile_up: PileUp | None
    decoded: NDArray[Any] | None
    cut_off: float = 0.0


@spanned("look at the raw frame")
def look_at(
    raw: RawImage,
    regions: Sequence[Region],
    gain_e_per_adu: float | None = None,
    full_adu: float | None = None,
) -> tuple[RawLook, ...]:
    """Look at a raw frame.

    Parameters
    ----------
    raw : RawImage
        The frame as it stands in the file.
    regions : sequence of Region
        What its amplifiers read: each may be full at another value.
    gain_e_per_adu : float, optional
        Where it is known, and the amplifier has none of its own: it tells how wide the noise of light is.
    full_adu : float, optional
        Where pixels are full, as it is asked for: it tells rows that are full from those that were never read.

    Returns
    -------
    tuple of RawLook
        Of each region.
    """
    ny, nx = raw.layout.shape_yx
    seen = _extremes(raw)
    flat = seen.low == seen.high
    any_flat = bool(flat.any())  # which is seldom so
    same = _constant_rows(seen, flat) if any_flat else np.zeros(ny, bool)
    sample = _sample(raw, seen.decoded, same)
    step = _step_of(sample)
    unread = _unread_rows(seen, same, sample, nx)
    repeated = _repeated_rows(raw, seen, flat, sample)
    noise = None if gain_e_per_adu else _faint_noise(sample)
    gap = 0.0 if step else _usual_gap(sample)
    tops = [
        _top(
            *_own_columns(raw, seen, region, regions), unread, step, gap, region.gain_e_per_adu or gain_e_per_adu, noise
        )
        for region in regions
    ]
    highest, pile_up = max(tops, key=lambda top: top[0])
    if unread.any() and all(region.part((ny, nx)).nx == nx for region in regions):
        # no overscan tells rows that are full from those that were never read
        known = [most for most in (converter_top(raw.layout, step), full_adu) if most is not None]
        value = seen.high[:, 0] + seen.zero
        unread, highest = _without_full_rows(unread, value, highest, pile_up, min(known, default=np.inf))
        tops = [(max(highest, top), heap) for top, heap in tops]
    unread |= repeated
    blocks: tuple[tuple[int, slice], ...] = ()
    if any_flat and len(sample):
        heaps = [heap.limit for _, heap in tops if heap is not None]
        full = min(heaps, default=highest)
        flat &= (seen.high + seen.zero < full) & ~unread[:, None]
        blocks = _unread_blocks(raw, seen, flat, sample)
    cut = _share_cut_off(sample)
    return tuple(RawLook(unread, blocks, top, step, heap, seen.decoded, cut) for top, heap in tops)


def _top(
    raw: RawImage,
    seen: _Extremes,
    kept: tuple[slice, slice],
    unread: NDArray[np.bool_],
    step: float,
    gap: float,
    gain_e_per_adu: float | None,
    faint_noise: float | None,
) -> tuple[float, PileUp | None]:
    """Return the highest value that a region keeps, and where its highest values are heaped up."""
    low, high = seen.within(kept, unread)
    highest = float(high.max()) + seen.zero
    if not low.size or not np.isfinite(highest):
        return highest, None
    return highest, _pile_up(raw, seen, (low, high), highest, step, gap, gain_e_per_adu, faint_noise)


def _own_columns(
    raw: RawImage, seen: _Extremes, region: Region, regions: Sequence[Region]
) -> tuple[RawImage, _Extremes, tuple[slice, slice]]:
    """Return the frame that a region is looked at in, its extremes, and which rows and stretches of them are its own.

    A stretch with columns of the next amplifier, whose level is another, would be taken for a heap at the top: where
    borders cut stretches, the region's columns are a frame of their own.
    """
    part = region.part(raw.layout.shape_yx)
    begin, end = part.x0, part.x0 + part.nx
    if len(regions) > 1 and (begin % STRETCH or (end % STRETCH and end < raw.layout.shape_yx[1])):
        raw = _columns_of(raw, slice(begin, end))
        seen, begin, end = _extremes(raw), 0, part.nx
    stretches = slice(begin // STRETCH, (end - 1) // STRETCH + 1)
    return raw, seen, (slice(part.y0, part.y0 + part.ny), stretches)


def _columns_of(raw: RawImage, columns: slice) -> RawImage:
    """Return some columns of a raw frame as a frame of their own."""
    pixels = np.ascontiguousarray(raw.pixels[:, columns])
    return RawImage(raw.path, raw.cards, replace(raw.layout, shape_yx=(pixels.shape[0], pixels.shape[1])), pixels)


@dataclass(frozen=True, eq=False)
class _Extremes:
    """The lowest and highest value of each stretch as it is stored, what is added to it, and the pixels.

    They stay in the type of the file: of float64 they would be memory that is new to each frame, 14 ms of a look of 18.
    """

    low: NDArray[Any]
    high: NDArray[Any]
    zero: float
    decoded: NDArray[Any] | None

    def within(self, kept: tuple[slice, slice], unread: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return some of the lowest values of a part that was read, and all of the highest, least elsewhere."""
        whole = not unread.any()
        low = self.low[kept][::_EVERY] if whole else self.low[kept][~unread[kept[0]]]
        least = -np.inf if self.high.dtype.kind == "f" else np.iinfo(self.high.dtype).min
        high = np.full_like(self.high, least)
        high[kept] = self.high[kept]
        if not whole:
            high[unread] = least
        return low[np.isfinite(low)] if low.dtype.kind == "f" else low.reshape(-1), high


def _extremes(raw: RawImage) -> _Extremes:
    shape = raw.layout.shape_yx[0], ceil(raw.layout.shape_yx[1] / STRETCH)
    if is_fused(raw.layout):
        low, high = np.empty(shape, np.int16), np.empty(shape, np.int16)
        stretch_extremes_swapped16(raw.pixels.view(np.uint16), STRETCH, low, high)
        return _Extremes(low, high, raw.layout.bzero, None)
    decoded = np.ascontiguousarray(raw.decode())
    lowest, highest = np.empty(shape), np.empty(shape)
    stretch_extremes(decoded, STRETCH, lowest, highest)
    return _Extremes(lowest, highest, 0.0, decoded)


def _constant_rows(seen: _Extremes, flat: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the rows that hold one value."""
    return np.asarray(flat.all(axis=1) & (seen.low == seen.low[:, :1]).all(axis=1))


def _rows_of(raw: RawImage, decoded: NDArray[Any] | None, rows: NDArray[np.int64]) -> NDArray[Any]:
    if decoded is not None:
        return decoded[rows]
    return RawImage(raw.path, raw.cards, raw.layout, raw.pixels[rows]).decode()


def _sample(raw: RawImage, decoded: NDArray[Any] | None, constant: NDArray[np.bool_]) -> NDArray[Any]:
    """Return some of the rows that are not constant."""
    lively = np.flatnonzero(~constant)
    return _rows_of(raw, decoded, lively[:: max(lively.size // _SAMPLE_ROWS, 1)][:_SAMPLE_ROWS])


def _step_of(sample: NDArray[Any]) -> float:
    """Return what whole numbers are multiples of, counted from one of them; 0 for numbers that are not whole."""
    if not sample.size:
        return 1.0
    if sample.dtype.kind == "f":
        finite = sample[np.isfinite(sample)]
        if not finite.size or (finite != np.rint(finite)).any() or float(np.abs(finite).max()) > 2**53:
            return 0.0
        sample = finite.astype(np.int64)
    above = sample.astype(np.int64).ravel()
    above -= above.min()
    if int(above.max()) < _COUNTED:  # marked in place of sorted: 0.3 instead of 2.5 ms
        present = np.zeros(int(above.max()) + 1, bool)
        present[above] = True
        above = np.flatnonzero(present)
    return float(np.gcd.reduce(above)) or 1.0


def _usual_gap(sample: NDArray[Any]) -> float:
    """Return by what neighbouring values of one row differ: whole numbers stay apart where tiles are quantised."""
    gaps = [np.diff(distinct_of_valid(row[np.isfinite(row)])[0]) for row in sample]
    known = np.concatenate(gaps) if gaps else np.zeros(0)
    return float(median_of_valid(known)) if known.size else 0.0


def _faint_noise(sample: NDArray[Any]) -> float | None:
    """Return the noise of single pixels, from differences of neighbours that are both in the fainter half.

    The mean difference of two values of a normal distribution is 2 / sqrt(pi) of its sigma. Where a frame is even, and
    the half is cut out of it, 0.59 of that: it is never told too large.
    """
    if sample.shape[-1] < _FEWEST_PAIRS or not sample.size:
        return None
    values = sample.astype(np.float64)
    values = values[:, : values.shape[1] // 2 * 2]
    pairs = values.reshape(len(values), -1, 2)
    faint = pairs[(pairs <= median_of_known(pairs)).all(axis=-1)]
    if len(faint) < _FEWEST_PAIRS:
        return None
    return float(np.abs(faint[:, 1] - faint[:, 0]).mean()) * sqrt(pi) / 2.0


def _share_cut_off(sample: NDArray[Any]) -> float:
    """Return the share of pixels at 0, or at the least of 16 bits, where the noise of pixels was cut off there.

    The usual pixel is within a few noises of it, and in the same row others are just above. A column that is dead, a
    border that was never lit, and part of a row that was never read hold such values, too, far below all others.
    """
    lowest = float(np.fmin.reduce(sample, axis=None)) if sample.size else np.nan
    if lowest not in _LOWEST:
        return 0.0
    rows = sample.astype(np.float64)
    values = rows[np.isfinite(rows)]
    usual = float(median_of_valid(values))
    noise = MAD_TO_SIGMA * float(median_of_valid(np.abs(values - usual)))
    if usual - lowest > _NEAR_NOISES * noise:
        return 0.0
    cut = rows == lowest
    reach = _JUST_ABOVE_NOISES * max(_beside_noise(np.where(cut, np.nan, rows)), 1.0)
    above = np.count_nonzero(~cut & (rows - lowest <= reach), axis=1)
    share = np.count_nonzero(cut, axis=1)
    return float(share[above > _LEAST_ABOVE * share].sum() / values.size)


def _beside_noise(rows: NDArray[np.float64]) -> float:
    """Return the noise of a pixel against the next but one in its row, which has its colour; 0 where there are none."""
    apart = np.abs(rows[:, 2:] - rows[:, :-2])
    apart = apart[np.isfinite(apart)]
    return MAD_TO_SIGMA * float(median_of_valid(apart)) / sqrt(2.0) if apart.size else 0.0


def _log_of_same(sample: NDArray[Any]) -> float:
    """Return the logarithm of the chance that a pixel has the value of its neighbour."""
    pairs = sample[:, 1:] == sample[:, :-1]
    return log((np.count_nonzero(pairs) + 1.0) / (pairs.size + 2.0)) if pairs.size else 0.0


def _unread_rows(seen: _Extremes, constant: NDArray[np.bool_], sample: NDArray[Any], nx: int) -> NDArray[np.bool_]:
    """Return the constant rows that are so not by chance: no other row has the value, or noise would change it."""
    if not constant.any() or constant.mean() > _MOSTLY or not sample.size:
        return np.zeros_like(constant)
    expected = log(constant.size) + (nx - 1) * _log_of_same(sample)
    return constant & (_is_foreign(seen.low[:, 0] + seen.zero, sample) | (expected < log(_BY_CHANCE)))


def _repeated_rows(raw: RawImage, seen: _Extremes, flat: NDArray[np.bool_], sample: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the rows that hold what the row before holds, pixel by pixel, and are so not by chance.

    So a camera fills a frame whose read-out was broken off: by the last row that it read, again and again.
    """
    ny, nx = raw.layout.shape_yx
    nothing = np.zeros(ny, bool)
    alike = nothing.copy()
    alike[1:] = (seen.low[1:] == seen.low[:-1]).all(axis=1) & (seen.high[1:] == seen.high[:-1]).all(axis=1)
    alike = _in_runs(alike)
    if not alike.any() or alike.mean() > _MOSTLY:
        return nothing
    alike &= flat.mean(axis=1) < _SMOOTH  # else it is full, or of one value
    if log(ny) + nx * _log_of_same(sample) > log(_BY_CHANCE):
        return nothing
    rows = np.flatnonzero(alike)
    own, before = (_rows_of(raw, seen.decoded, numbers) for numbers in (rows, rows - 1))
    alike[rows] = (own == before).all(axis=1)
    return _in_runs(alike)


def _in_runs(rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return those rows that are so many at least, one after the other."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], rows, [False]]))).reshape(-1, 2)
    kept = np.zeros_like(rows)
    for first, stop in edges[edges[:, 1] - edges[:, 0] >= _FEWEST_REPEATS]:
        kept[first:stop] = True
    return kept


def _is_foreign(values: NDArray[Any], sample: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which values lie beyond all those of some rows."""
    return np.asarray((values < np.nanmin(sample)) | (values > np.nanmax(sample)))


def _without_full_rows(
    unread: NDArray[np.bool_], high: NDArray[Any], highest: float, pile_up: PileUp | None, most: float
) -> tuple[NDArray[np.bool_], float]:
    """Return the unread rows without those that are full, and the highest value with these.

    Full are rows that hold the most that others hold, too, or ``most``; ``high`` is of each row.
    """
    full = unread & ((high == highest) if pile_up is None else (high >= min(most, pile_up.limit)))
    full |= unread & (high >= most)
    return unread & ~full, max(highest, float(high[full].max(initial=-np.inf)))


def _pile_up(
    raw: RawImage,
    seen: _Extremes,
    ends: tuple[NDArray[Any], NDArray[Any]],
    highest: float,
    step: float,
    gap: float,
    gain_e_per_adu: float | None,
    faint_noise: float | None,
) -> PileUp | None:
    """Count the upper half of the values, and tell whether they are heaped up; ``ends`` are those of what is kept."""
    low, high = ends
    place = low.size // _LOWEST_PART
    level = float(np.partition(low, place)[place]) + seen.zero
    if highest <= level:
        # one value alone does not tell what it is a multiple of
        full = any(is_converter_top(highest, float(1 << shift)) for shift in _SHIFTS)
        return PileUp(highest, raw.pixels.size) if full else None
    if highest - level < LEAST_CONTRAST * gap:
        return None
    width = max(step or (highest - level) / _MOST_BINS, (highest - level) / _MOST_BINS)
    width = step * ceil(width / step) if step else width
    bins = int(_TOP_HALF * (highest - level) / width) + 1
    least = highest - width * (bins - 1)
    crowded = np.count_nonzero(high >= least - seen.zero) > _CROWDED * high.size
    every = _EVERY if crowded and len(high) >= _EVERY * _EVERY else 1
    if seen.decoded is None:
        whole = int(width)
        counts = np.zeros(bins * whole, np.int64)
        count_tops_swapped16(raw.pixels.view(np.uint16), STRETCH, high, int(least - seen.zero), every, counts)
        counts = counts.reshape(bins, whole).sum(axis=1)
    else:
        counts = np.zeros(bins, np.int64)
        count_tops(seen.decoded, STRETCH, high, least, width, every, counts)
    pixels = raw.layout.shape_yx[1] * len(range(0, len(high), every))
    found = find_pile_up(
        *(counts, least, width, level),
        all_counted=pixels,
        gain_e_per_adu=gain_e_per_adu,
        faint_noise=faint_noise,
    )
    if found is None or (found.like_a_line and _are_lines(high >= found.limit - seen.zero, found.count * every)):
        return None
    return found


def _are_lines(hit: NDArray[np.bool_], count: int) -> bool:
    """Whether what was hit, by rows and stretches, is few columns or rows from end to end, and next to nothing else."""
    hits = np.count_nonzero(hit)
    of_columns = np.count_nonzero(hit[:, hit.mean(axis=0) > _WHOLE_LINE])
    rows = hit.mean(axis=1) > _WHOLE_LINE
    in_columns = of_columns > _WHOLE_LINE * hits and count <= _FEW_LINES * hits
    in_rows = np.count_nonzero(hit[rows]) > _WHOLE_LINE * hits and np.count_nonzero(rows) <= _FEW_LINES
    return bool(in_columns or in_rows)


def _unread_blocks(
    raw: RawImage, seen: _Extremes, constant: NDArray[np.bool_], sample: NDArray[Any]
) -> tuple[tuple[int, slice], ...]:
    """Return the parts of rows that hold one value, as the row before or after does there."""
    nx = raw.layout.shape_yx[1]
    constant[:, nx // STRETCH :] = False  # a stretch that is cut off says less
    if not constant.any() or constant.mean() > _MOSTLY:
        return ()
    low = seen.low + seen.zero
    if log(constant.size) + (STRETCH - 1) * _log_of_same(sample) > log(_BY_CHANCE):
        constant &= _is_foreign(low, sample)
    same = np.zeros_like(constant)
    same[1:] = constant[1:] & constant[:-1] & (low[1:] == low[:-1])
    same[:-1] |= same[1:]
    found = []
    rows = np.flatnonzero(same.any(axis=1))
    for row, line in zip(rows, _rows_of(raw, seen.decoded, rows), strict=True):
        for value in np.unique(low[row, same[row]]):
            edges = np.flatnonzero(np.diff(np.concatenate([[False], line == value, [False]]))).reshape(-1, 2)
            found += [(int(row), slice(int(a), int(b))) for a, b in edges if b - a >= STRETCH]
    return tuple(found)


def unread_words(look: RawLook) -> str:
    """Return which rows of a raw frame were never read, in words that fit into a card; rows count from 1.

    Examples
    --------
    >>> rows = np.isin(np.arange(100), [0, 97, 98, 99])
    >>> unread_words(RawLook(rows, ((40, slice(0, 64)),), 900.0, 1.0, None, None))
    'rows 1, 98 to 100 and parts of rows 41'
    """
    parts = np.zeros_like(look.unread_rows)
    parts[[row for row, _ in look.unread_blocks]] = True
    said = [_ranges(look.unread_rows), _ranges(parts)]
    words = " and parts of ".join(f"rows {each}" for each in said if each)
    words = words if said[0] else f"parts of {words}"
    return f"{words}" if len(words) < _LONGEST_WORDS else f"{np.count_nonzero(look.unread_rows | parts)} rows"


def _ranges(rows: NDArray[np.bool_]) -> str:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], rows, [False]]))).reshape(-1, 2)
    return ", ".join(f"{a + 1}" if b == a + 1 else f"{a + 1} to {b}" for a, b in edges)


def raw_remarks(cards: Mapping[str, Any], pixels: int) -> tuple[str, ...]:
    """Return what the header of a calibrated frame says of its raw pixels that a person should know.

    Parameters
    ----------
    cards : mapping
        With NUNREAD, UNREAD, SATADU and SATSAID as far as they are there.
    pixels : int
        How many pixels the frame has.

    Examples
    --------
    >>> raw_remarks({"SATSAID": "SATURATE = 65535", "SATADU": 4095.0}, 100)
    ('SATURATE = 65535 in its header, but by its pixels it is saturated from 4095 ADU on, which counts',)
    >>> raw_remarks({"NUNREAD": 20, "UNREAD": "rows 9 to 10"}, 1000)
    ('never read: rows 9 to 10, 2 % of its pixels, which hold one value, or the row before, and do not count',)
    """
    said = []
    if cards.get("NUNREAD"):
        share = percent(cards["NUNREAD"] / pixels, 3)
        where = cards.get("UNREAD", "some rows")
        what = "which hold one value, or the row before, and do not count"
        said.append(f"never read: {where}, {share} of its pixels, {what}")
    if cards.get("SATSAID"):
        limit = cards.get("SATADU")
        if limit is None:
            end = "its pixels go beyond that and show no saturation: none is masked"
        else:
            end = f"by its pixels it is saturated from {number(limit, 7)} ADU on, which counts"
        said.append(f"{cards['SATSAID']} in its header, but {end}")
    return tuple(said)
