"""Read noise and gain from pairs of frames.

Photon transfer: in a frame of light the variance of a pixel, in ADU^2, is signal / gain + read noise^2, when the fixed
pattern of the response has been cancelled by the difference of two frames (J. R. Janesick, *Scientific Charge-Coupled
Devices*, SPIE 2001, chapter 2; *Photon Transfer*, SPIE 2007, chapter 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zeroframe.frames.medians import median_of_valid
from zeroframe.frames.statistics import pair_noise
from zeroframe.inspection.bends import fit_bend
from zeroframe.inspection.structured_flats import CUT, CUT_VARIANCE, is_structured, read_variance, structured_noise
from zeroframe.kernels.stack import MAD_TO_SIGMA
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from numpy.typing import NDArray

__all__ = [
    "BAND_HEIGHT",
    "Measured",
    "band_starts",
    "contradicts",
    "cut_bands",
    "gain_from_pairs",
    "gain_rows",
    "like_pairs",
    "read_noise_from_pairs",
]

#: The rows of a frame that are looked at, by inspection and by the night, which so find the same gain.
_BANDS, BAND_HEIGHT = 8, 32
#: Blocks are no higher than this: the lower, the less light changes within one.
_BLOCK_ROWS = 16

_BLOCK_COLUMNS = 64
_OUTLIER = 5.0
_MOST_UNEVEN = 0.3
#: Where fewer blocks than this part are even, flats have the structure of orders or fibres: pixels are taken by
#: their own light.
_MOSTLY_EVEN = 0.25
#: A light that moves or changes its slope may add so many times the noise to the difference of two such flats: of that
#: a hundredth is left, as drawn orders show.
_MOST_MOVED = 3.0
#: A block must hold this much light against its read noise; dimmer ones say nothing about the gain.
_LEAST_SHARE_OF_PHOTON_NOISE = 0.5
#: Two flats are alike where their levels differ by less than this, and their illumination by less than that.
_LIKE_LEVEL, _LIKE_SHAPE = 0.25, 0.3
#: What one level cannot tell: a response that bends by 1 % at this level changes the gain there by 3 %.
_UNSEEN_BEND = 0.03
#: By so much the response of a camera may fall short at the level of its flats and nobody would know: the gain that
#: they have is three times as much too high. A stated one that is lower by no more is not contradicted.
_MOST_BENT = 0.1
#: The least ratio of the brightest to the faintest blocks that tells a bend, and its errors from which on it is told.
_SPAN, _BEND_ERRORS = 2.0, 4.0
_LEVEL_BINS = 12
#: Levels whose square over their errors is so much do not lie on a line, as those beside a knee.
_NO_LINE = 9.0
#: Where fewer blocks than this part have the gain of most, it may be that of their level.
_MOSTLY_GOOD = 0.95
#: A stated gain is contradicted where it differs by more than this, and by so many errors of one that is good enough.
_STATED_DIFFERS, _DIFFERS_ERRORS, _GOOD_ENOUGH = 0.08, 3.0, 0.1

#: So many at once, so that what is worked with is small beside the flats.
_BLOCKS_AT_A_TIME = 32


@dataclass(frozen=True, slots=True)
class Measured:
    """A value, its standard error, and from how many pairs it comes.

    Attributes
    ----------
    value, error : float
        The error covers what is not modelled, as far as the frames can show it.
    pairs : int
        Of frames.
    bend, bend_error : float or None
        Of a gain by levels that span a factor of two or more: by which fraction the response falls short of a straight
        line at ``bend_level``, by the way the variance grows; and its error. None where levels are too much alike.
    bend_level : float or None
        The highest level.
    """

    value: float
    error: float
    pairs: int
    bend: float | None = None
    bend_error: float | None = None
    bend_level: float | None = None

    @property
    def counting_error(self) -> float:
        """Its error where the response is linear: without what a bend that one level cannot tell may add to it."""
        if self.bend is not None:
            return self.error
        return float(np.sqrt(max(self.error**2 - (_UNSEEN_BEND * self.value) ** 2, 0.0)))

    @property
    def too_high(self) -> float:
        """By how much a gain may be too high because levels are too much alike to tell how the response bends."""
        return 0.0 if self.bend is not None else self.value * (1.0 - 1.0 / (1.0 + 3.0 * _MOST_BENT))

    @property
    def is_good(self) -> bool:
        """Whether the error is so small that the value can be relied on: a tenth."""
        return self.error <= _GOOD_ENOUGH * abs(self.value)

    @property
    def is_bent(self) -> bool:
        """Whether the response is not linear, beyond the error."""
        return self.bend is not None and self.bend_error is not None and abs(self.bend) > _BEND_ERRORS * self.bend_error


def contradicts(stated: float, measured: float, error: float, too_high: float = 0.0) -> bool:
    """Say whether a gain that was measured contradicts one that is stated; then the measured one is right.

    Parameters
    ----------
    stated, measured, error : float
        In e-/ADU, and the standard error of what was measured.
    too_high : float
        By how much the measured one may be too high, see `Measured.too_high`.

    Examples
    --------
    >>> contradicts(2.6, 1.2996, 0.03), contradicts(1.35, 1.2996, 0.03), contradicts(2.6, 1.3, 0.5)
    (True, False, False)
    >>> contradicts(1.3, 1.45, 0.03), contradicts(1.3, 1.45, 0.03, too_high=0.33)
    (True, False)
    """
    if not (0.0 < measured < np.inf and error <= _GOOD_ENOUGH * measured):
        return False
    apart = max(stated - measured, measured - too_high - stated)
    return apart > max(_DIFFERS_ERRORS * error, _STATED_DIFFERS * measured)


def band_starts(ny: int, bands: int = _BANDS) -> tuple[int, ...]:
    """Return the first row of each band of a raw frame, spread over it.

    Examples
    --------
    >>> band_starts(100), band_starts(20)
    ((0, 34, 68), (0,))
    """
    height = min(BAND_HEIGHT, ny)
    count = max(min(bands, ny // height), 1)
    return tuple(int(start) for start in np.linspace(0, ny - height, count))


def cut_bands(bands: NDArray[Any]) -> NDArray[Any]:
    """Return bands, of shape (bands, height, columns), as twice as many of half their height, where they are high."""
    count, height, columns = bands.shape
    return bands if height % _BLOCK_ROWS else bands.reshape(count * height // _BLOCK_ROWS, _BLOCK_ROWS, columns)


def gain_rows(raw_rows: int, kept: slice) -> list[slice]:
    """Return the rows of a trimmed frame by which its gain is measured: those of `band_starts` that were kept.

    Parameters
    ----------
    raw_rows : int
        Of the raw frame.
    kept : slice
        Of its rows.

    Examples
    --------
    >>> gain_rows(100, slice(0, 100))[:2], gain_rows(100, slice(30, 100))[0]
    ([slice(0, 16, None), slice(16, 32, None)], slice(4, 20, None))
    """
    height = min(BAND_HEIGHT, raw_rows)
    whole = [start for start in band_starts(raw_rows) if kept.start <= start and start + height <= kept.stop]
    if not whole:
        return [slice(0, min(height, kept.stop - kept.start))]
    step = height if height % _BLOCK_ROWS else _BLOCK_ROWS
    return [slice(start + top - kept.start, start + top - kept.start + step)
            for start in whole for top in range(0, height, step)]  # fmt: skip


def like_pairs(keys: Sequence[Hashable], levels: Sequence[float]) -> list[tuple[int, int]]:
    """Return which flats can be compared: neighbours in time with one key, of nearly one level; each once.

    Parameters
    ----------
    keys : sequence
        Of each flat, in the order of time: filter, exposure, and what else has to be the same.
    levels : sequence of float
        Above the bias.

    Examples
    --------
    >>> like_pairs(["r", "r", "g", "r", "r"], [9000.0, 5000.0, 9000.0, 5100.0, 8800.0])
    [(0, 4), (1, 3)]
    """
    pairs = []
    left = list(range(len(keys)))
    while left:
        first = left.pop(0)
        for other in left:
            near = abs(levels[first] - levels[other]) <= _LIKE_LEVEL * max(levels[first], levels[other])
            if keys[first] == keys[other] and near:
                pairs.append((first, other))
                left.remove(other)
                break
    return pairs


def read_noise_from_pairs(biases: Sequence[NDArray[Any]]) -> Measured | None:
    """Return the read noise of the image from neighbouring biases.

    Parameters
    ----------
    biases : sequence of ndarray, shape (bands, height, columns)
        Samples of the image of each.

    Returns
    -------
    Measured or None
        In ADU, digitisation included (1/sqrt(12) ADU in quadrature); None for fewer than two frames.
    """
    pairs = [(biases[i], biases[i + 1]) for i in range(0, len(biases) - 1, 2)]
    if not pairs:
        return None
    noises = [pair_noise(_rows(a), _rows(b)) for a, b in pairs]
    noise = float(np.sqrt(np.mean(np.square(noises))))
    return Measured(noise, noise / float(np.sqrt(2.0 * sum(a.size for a, _ in pairs))), len(pairs))


def _rows(bands: NDArray[Any]) -> NDArray[Any]:
    return bands.reshape(-1, bands.shape[-1])


def gain_from_pairs(
    flats: Iterable[tuple[NDArray[Any], NDArray[Any]]],
    biases: Sequence[NDArray[Any]],
    read_noise_adu: float,
    saturation_adu: float,
) -> Measured | None:
    """Return the gain in electrons per ADU.

    Parameters
    ----------
    flats : iterable of pairs of ndarray, shape (bands, height, columns)
        Samples of the image in flats of one filter; gone through once.
    biases : sequence of ndarray, shape (bands, height, columns)
        Their mean is the zero of light.
    read_noise_adu : float
        Read noise.
    saturation_adu : float
        Blocks that reach nine tenths of it are left out.

    Returns
    -------
    Measured or None
        None where no block is fit: too little light, or saturated.

    Notes
    -----
    Level and variance are measured in blocks of up to 64 columns and 32 rows, so that vignetting does not matter. The
    second flat is scaled by the ratio r of the levels of its block; what rows and columns of ``first - r second`` have
    in common, as a lamp of another slope leaves it, is taken out; the variance of the rest is then
    ``(1 + r) signal / gain + (1 + r^2) read_noise^2``. A pair whose illumination differs takes no part.

    A response that bends at high levels lowers the variance there more than the light: with ``S (1 - b S)`` measured of
    ``S``, the gain that is found grows as ``1 + 3 b S``. So do sensors whose pixels share charge when they fill up (the
    brighter-fatter effect). Where levels span a factor of two, and a straight line shows a slope, the gain is that of
    faint light by the response that fits best (`zeroframe.inspection.bends`), which also says how strong the bend is.
    Where they do not, the error has 3 % for it.

    Where light changes within most blocks, as in the orders of a spectrum, pixels are taken by their own light
    (`structured_noise`); a pair of which that light has moved takes no part.

    The error is that of the blocks, and in squares how far two pairs differ, the mean is from the median of the blocks,
    and what lies beyond three sigma from a normal distribution: stars and lamps that change are seen there.
    """
    if not biases:
        return None
    zero = np.mean([_blocks(bias).mean(axis=1, dtype=np.float64) for bias in biases], axis=0)
    each = (_pair_blocks(first, second, zero, read_noise_adu, saturation_adu) for first, second in flats)
    found = [blocks for blocks in each if blocks is not None and blocks.signal.size]
    if not found:
        return None
    every = _PairBlocks(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
    gains = every.signal / every.excess
    middle = float(np.median(gains))
    spread = MAD_TO_SIGMA * float(np.median(np.abs(gains - middle)))
    good = np.abs(gains - middle) <= _OUTLIER * spread if spread > 0 else np.ones(gains.size, dtype=np.bool_)
    count = int(np.count_nonzero(good))
    gain = float(every.signal[good].sum() / every.excess[good].sum())
    of_pairs = [float(blocks.signal.sum() / blocks.excess.sum()) for blocks in found]
    scatter = float(np.std(of_pairs, ddof=1)) / len(of_pairs) ** 0.5 if len(of_pairs) > 2 else 0.0
    with_tails = float(every.signal[good].sum() / every.excess_with_tails[good].sum())
    # the median of ratios of variances with so few degrees of freedom is a little higher than their mean
    skew = max(abs(middle - gain) - spread / count**0.5, 0.0)
    unmodelled = [max(scatter, spread / count**0.5), skew, max(abs(with_tails / gain - 1.0) - 0.002, 0.0) * gain]
    line = _bend(gains[good], every.level[good])
    if count < _MOSTLY_GOOD * good.size:  # a strong bend makes outliers of all bright blocks
        near = _good_at_their_level(gains, every.level)
        line = (_bend(gains[near], every.level[near]) if near.mean() >= _MOSTLY_GOOD else None) or line
    if line is None:
        error = float(np.linalg.norm([*unmodelled, _UNSEEN_BEND * gain]))
        return Measured(gain, error, len(found))
    at_zero, zero_error, bend, bend_error, highest = line
    bent = abs(bend) > _BEND_ERRORS * bend_error
    # a slope that is not seen is no less possible than its error says
    value = at_zero if bent else gain
    unseen = zero_error if bent else 3.0 * bend_error * gain * float(every.level[good].mean()) / highest
    error = float(np.linalg.norm([*unmodelled, unseen]))
    return Measured(value, error, len(found), bend, bend_error, highest)


def _bend(gains: NDArray[np.float64], levels: NDArray[np.float64]) -> tuple[float, float, float, float, float] | None:
    """Fit gain = gain0 (1 + 3 b level); return gain0 and its error, b at the highest level and its error, and that.

    Where that is a bend, it is `fit_bend` that says how strong it is.
    """
    low, highest = (float(value) for value in np.quantile(levels, [0.05, 0.95]))
    if not highest > _SPAN * low or gains.size < 4 * _LEVEL_BINS:
        return None
    edges = np.quantile(levels, np.linspace(0.0, 1.0, _LEVEL_BINS + 1))
    place = np.clip(np.searchsorted(edges, levels, side="right") - 1, 0, _LEVEL_BINS - 1)
    bins = [place == number for number in range(_LEVEL_BINS) if np.count_nonzero(place == number) > 1]
    x = np.array([levels[chosen].mean() for chosen in bins])
    value = np.array([np.median(gains[chosen]) for chosen in bins])
    error = np.array([1.2533 * gains[chosen].std() / np.count_nonzero(chosen) ** 0.5 for chosen in bins])
    (slope, zero), covariance = np.polyfit(x, value, 1, w=1.0 / error, cov="unscaled")
    # levels that do not lie on a line make it less certain
    scaled = float(np.sum(np.square((value - zero - slope * x) / error)) / max(x.size - 2, 1))
    covariance = covariance * max(scaled, 1.0)
    to_bend = highest / (3.0 * zero)
    line = (
        float(zero), float(covariance[1, 1] ** 0.5),
        float(slope * to_bend), float(covariance[0, 0] ** 0.5 * to_bend), highest,
    )  # fmt: skip
    if abs(slope) <= _BEND_ERRORS * covariance[0, 0] ** 0.5 and scaled < _NO_LINE:
        return line
    # of more than a few percent a straight line says too much
    return (*fit_bend(x, value, error, highest), highest)


def _good_at_their_level(gains: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the gain of a block is that of others of its level."""
    edges = np.quantile(levels, np.linspace(0.0, 1.0, _LEVEL_BINS + 1))
    place = np.clip(np.searchsorted(edges, levels, side="right") - 1, 0, _LEVEL_BINS - 1)
    good = np.zeros(gains.size, np.bool_)
    for chosen in (np.flatnonzero(place == number) for number in range(_LEVEL_BINS)):
        if chosen.size:
            apart = np.abs(gains[chosen] - np.median(gains[chosen]))
            good[chosen] = apart <= _OUTLIER * MAD_TO_SIGMA * np.median(apart)
    return good


def _block_size(columns: int) -> int:
    """Columns of a block; narrower ones in narrow images, so that the end of a slit spoils few of them."""
    return max(min(_BLOCK_COLUMNS, columns // 8), min(columns, 8))


def _is_even(bands: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether the light of each block is even enough for one noise to hold for all of it: not at the end of a slit."""
    count, _, columns = bands.shape
    size = _block_size(columns)
    whole = columns // size
    columns_of_block = bands[:, :, : whole * size].mean(axis=1, dtype=np.float64).reshape(count * whole, size)
    lowest, highest = columns_of_block.min(axis=1), columns_of_block.max(axis=1)
    return np.asarray(highest - lowest < _MOST_UNEVEN * highest)


def _blocks(bands: NDArray[Any]) -> NDArray[Any]:
    """Cut bands into blocks; pixels of a block beside each other."""
    count, height, columns = bands.shape
    size = _block_size(columns)
    whole = columns // size
    cut = bands[:, :, : whole * size].reshape(count, height, whole, size)
    return np.ascontiguousarray(cut.transpose(0, 2, 1, 3)).reshape(count * whole, height * size)


class _PairBlocks(NamedTuple):
    """Of the blocks of a pair that are fit: photon variance, cut and not, the signal that it belongs to, the level."""

    excess: NDArray[np.float64]
    excess_with_tails: NDArray[np.float64]
    signal: NDArray[np.float64]
    level: NDArray[np.float64]


def _pair_blocks(
    first: NDArray[Any], second: NDArray[Any], zero: NDArray[np.float64], read_noise_adu: float, saturation_adu: float
) -> _PairBlocks | None:
    """Measure a pair block by block; None where its illumination differs."""
    height = first.shape[1]
    a, b = _blocks(first), _blocks(second)
    if not len(a):
        return None
    finite = np.isfinite(a + b).all(axis=1)
    fit = (np.maximum(a, b).max(axis=1) < 0.9 * saturation_adu) & finite & _is_even(first)
    fit &= ~np.concatenate([is_structured(a[each], b[each], zero[each]) for each in _pieces(a)])
    if np.count_nonzero(fit) < _MOSTLY_EVEN * fit.size:
        return _structured_blocks(a, b, zero, height, read_noise_adu, 0.9 * saturation_adu)
    a, b, zero = _chosen(fit, a, b, zero)
    level_a, level_b = (_medians(part) - zero for part in (a, b))
    lit = (level_a > 0) & (level_b > 0)
    a, b, zero, level_a, level_b = _chosen(lit, a, b, zero, level_a, level_b)
    if not a.size:
        return None
    ratio = level_a / level_b
    usual = float(np.median(ratio))
    if MAD_TO_SIGMA * float(np.median(np.abs(ratio - usual))) > _LIKE_SHAPE * usual:
        return None
    parts = [
        _block_noise(
            a[each].astype(np.float64), b[each].astype(np.float64), zero[each], ratio[each], height, read_noise_adu
        )
        for each in _pieces(a)
    ]
    return _PairBlocks(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _structured_blocks(
    a: NDArray[Any],
    b: NDArray[Any],
    zero: NDArray[np.float64],
    height: int,
    read_noise_adu: float,
    most_adu: float,
) -> _PairBlocks | None:
    """Measure blocks of a pair in which light changes from pixel to pixel; None where it has moved."""
    parts = []
    for each in _pieces(a):
        one, other = (part[each].reshape(len(part[each]), height, -1) for part in (a, b))
        parts.append(structured_noise(one, other, zero[each], read_noise_adu, most_adu))
    *columns, moved = (np.concatenate(found) for found in zip(*parts, strict=True))
    return _PairBlocks(*columns) if moved.size and np.median(moved) < _MOST_MOVED else None


def _pieces(blocks: NDArray[Any]) -> list[slice]:
    """Cut blocks into some at a time: they are brought to float64, and worked with, only then."""
    return [slice(start, start + _BLOCKS_AT_A_TIME) for start in range(0, len(blocks), _BLOCKS_AT_A_TIME)]


def _medians(blocks: NDArray[Any]) -> NDArray[np.float64]:
    """Return the median of each block."""
    found = [median_of_valid(blocks[each].astype(np.float64), axis=1) for each in _pieces(blocks)]
    return np.concatenate(found) if found else np.empty(0)


def _chosen(mask: NDArray[np.bool_], *arrays: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Return the blocks that are chosen; no copies where all are."""
    return arrays if mask.all() else tuple(each[mask] for each in arrays)


def _block_noise(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    zero: NDArray[np.float64],
    ratio: NDArray[np.float64],
    height: int,
    read_noise_adu: float,
) -> _PairBlocks:
    """Measure some blocks of a pair, of which the levels have a ratio."""
    difference = (a - zero[:, None]) - ratio[:, None] * (b - zero[:, None])
    difference, freedom = _levelled(difference, height)
    with_tails, _ = _cut_variance(difference, _OUTLIER, freedom)
    # stars that drift between twilight flats stand out of it
    variance, good = _cut_variance(difference, CUT, freedom)
    variance /= CUT_VARIANCE
    level = np.where(good, a - zero[:, None], 0.0).sum(axis=1) / np.maximum(good.sum(axis=1), 1)
    read = (1.0 + ratio**2) * read_variance(read_noise_adu, level)
    bright = variance - read > _LEAST_SHARE_OF_PHOTON_NOISE * read
    blocks = (variance - read, with_tails - read, level * (1.0 + ratio), level)
    return _PairBlocks(*(part[bright] for part in blocks))


def _levelled(difference: NDArray[np.float64], height: int) -> tuple[NDArray[np.float64], float]:
    """Take out what rows and columns of each block have in common; return the share of the variance that is left."""
    count, size = difference.shape
    width = size // height
    squares = difference.reshape(count, height, width)
    middle = median_of_valid(difference)
    sigma = MAD_TO_SIGMA * median_of_valid(np.abs(difference - middle[:, None]))
    reach = CUT * np.maximum(sigma, 1e-12)
    # stars do not move the means
    kept = np.clip(squares, (middle - reach)[:, None, None], (middle + reach)[:, None, None])
    rows, columns = kept.mean(axis=2, keepdims=True), kept.mean(axis=1, keepdims=True)
    rest = squares - rows - columns + kept.mean(axis=(1, 2), keepdims=True)
    return rest.reshape(count, size), (height - 1) * (width - 1) / size


def _cut_variance(
    difference: NDArray[np.float64], cut: float, freedom: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the variance of what lies within ``cut`` sigma of zero, and where that is."""
    sigma = MAD_TO_SIGMA * median_of_valid(np.abs(difference))[:, None]
    for _ in range(3):  # whole numbers have a MAD that is a whole number: it only begins
        good = np.abs(difference) <= cut * sigma
        count = np.maximum(good.sum(axis=1), 1)
        variance = np.where(good, difference, 0.0)
        variance = np.square(variance).sum(axis=1) / count
        sigma = np.sqrt(variance / (CUT_VARIANCE if cut == CUT else 1.0))[:, None]
    if not freedom:  # of one row or column the mean is all there is
        return np.full(len(variance), np.nan), good
    return variance / freedom, good
