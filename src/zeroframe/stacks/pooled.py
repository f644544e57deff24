"""The error of each pixel of a combined frame, from the scatter of its own few values and that of all pixels.

The standard deviation of two or three values says next to nothing: against truth, such errors give a chi-square of 14
for two frames and of 2 for six. What all pixels have in common is known from hundreds of thousands: the variance of a
value, which grows with the level by photon noise, and how many pixels are noisier than that, and by how much. The
variance of a pixel is what is to be expected of it after its own scatter has been seen (empirical Bayes: H. Robbins,
*Proc. 3rd Berkeley Symp.* 1956, 157; the mixture is fitted by expectation maximisation, Dempster, Laird & Rubin,
*J. R. Stat. Soc. B* 39, 1, 1977). Where all pixels are alike that is the variance of all; a hot pixel, whose values
scatter beyond what chance allows, keeps its own.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.fits.timeline import spanned
from zeroframe.frames.medians import median_of_valid, quantiles_of_valid
from zeroframe.frames.statistics import sampled_level
from zeroframe.kernels.pooled import BINS, scatter_of_place
from zeroframe.records import dataclass
from zeroframe.stacks.combine import combine_stack
from zeroframe.stacks.grids import FINE_STEP, MOST_DRAWN_FRAMES, Grid, Numbers
from zeroframe.stacks.laws import ONE_VALUE, SMALL_BYTES, are_drawn, laws_of
from zeroframe.stacks.noise import read_bands, sample_bands
from zeroframe.stacks.pooled_noise import PooledNoise, unbiased, with_photons
from zeroframe.stacks.rejecting import share_lost_by_growing
from zeroframe.stacks.stack import ArrayStack
from zeroframe.workers import map_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from zeroframe.stacks.combine import Combined, CombineSpec, Method
    from zeroframe.stacks.laws import Law
    from zeroframe.stacks.stack import Stack

__all__ = ["pooled_noise"]

#: So many pixels are enough: a variance from 100 000 pixels of two frames is good to 0.4 %. Of many frames fewer are
#: read, as each of their pixels says more.
_PIXELS, _VALUES, _FEWEST_PIXELS = 100_000, 4_000_000, 2_000
#: Levels are cut into bins of equal numbers, and the brightest tenth, where hot pixels are, further.
_LEVEL_SHARES = (*np.linspace(0.0, 0.9, 13), 0.95, 0.98, 0.99, 0.997, 0.999, 1.0)
_FEWEST_IN_BIN = 50
#: A slope is fitted to no fewer bins of level.
_FEWEST_BINS = 3
#: Bins are no narrower than so many errors of a level: what level and scatter have in common by chance, as of whole
#: numbers and of photons, is not what the variance does with the level.
_APART = 5.0
#: A slope of the variance with the level counts where it is so many of its errors.
_SLOPE_ERRORS = 4.0
#: Means of what is no noisier than the others settle in a few rounds.
_TRIMS = 30
#: How much larger than common a pixel's variance may be: steps of sqrt(2), from half the others' noise to 90 times it.
_RATIOS = 2.0 ** (0.5 * np.arange(-4, 27))
#: With coarser steps the scatter of a few values has a few values only, and the MAD with any, which no mixture of
#: smooth distributions can be fitted to; pixels are noisier then whose scatter comes about by chance once in 10,000.
_COARSE_STEP = 0.6
_BEYOND_CHANCE = 1e-4
_EM_STEPS = 200
_LEAST_CHANCE = 1e-12


@spanned("pooled noise")
def pooled_noise(
    stack: Stack,
    spec: CombineSpec,
    *,
    rate: float | None = None,
    factors: Sequence[float] | NDArray[np.float64] | None = None,
    offsets: Sequence[float] | NDArray[np.float64] | None = None,
    photon_adu: float = 0.0,
    workers: int | None = None,
    empty: Callable[..., NDArray[Any]] = np.empty,
) -> PooledNoise | None:
    """Learn from some rows of all frames what the noise of their pixels is.

    Parameters
    ----------
    stack : Stack
        The frames. Always the same rows are read, whatever memory there is: a few megabytes of each of few frames.
    spec : CombineSpec
        How they are combined.
    rate : float, optional
        The fraction of good values that are rejected, where it is known.
    factors : sequence of float, optional
        What each frame is multiplied by.
    offsets : sequence of float, optional
        What is added to each frame before it is multiplied.
    photon_adu : float
        Variance of a unit of the level by photon noise, 1 / gain; hot pixels are too few to show it.
    workers, empty
        As for `zeroframe.stacks.noise.frame_noise`.

    Returns
    -------
    PooledNoise or None
        None of a single frame, and where no pixel has two values.
    """
    frames = len(stack.names)
    if frames < 2:
        return None
    bands = sample_bands(*stack.shape_yx, min(_PIXELS, max(_VALUES // frames, _FEWEST_PIXELS)))
    rows = map_threads(lambda index: read_bands(stack, index, bands, empty), range(frames), workers)
    grid = Grid.of(rows, places=are_drawn(spec, rate))  # of numbers that are not drawn only the step matters
    level_variance = _bring_to_one_level(rows, factors, offsets)
    sample = ArrayStack(rows, [None] * frames, stack.names)
    # of few values the standard deviation says most, and of whole numbers a MAD may say nothing
    by_std = replace(spec, method="average") if spec.method == "median" else spec
    seen = _Seen.of(
        combine_stack(sample, by_std, mem_limit_bytes=SMALL_BYTES, workers=workers, empty=empty), by_std.method
    )
    if seen is None:
        return None
    rough = float(np.sqrt(float(median_of_valid(seen.squares)) or seen.squares.mean()))
    if not rough > 0:  # frames that are one and the same
        return None
    grown = share_lost_by_growing(rows, spec.rejection)
    law = laws_of(by_std, [seen.usual], frames, rate, Numbers(rough, 0.0, None, stack.dtype), grown)[seen.usual]
    common = _variance_by_level(*seen.typical, law, seen.usual)
    if common is None:
        return None
    read_variance, per_level, lowest, least = with_photons(common, photon_adu, *seen.typical)

    def expected(levels: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(np.maximum(read_variance + per_level * np.maximum(levels, lowest), least))

    numbers = Numbers.of(grid, float(np.sqrt(expected(median_of_valid(seen.levels)))), stack.dtype)
    if spec.method == "median":
        medians = combine_stack(sample, spec, mem_limit_bytes=SMALL_BYTES, workers=workers, empty=empty)
        seen = _Seen.of(medians, "median") or seen
    present = sorted({1, seen.usual, *np.flatnonzero(np.bincount(seen.counts)).tolist()})[-MOST_DRAWN_FRAMES:]
    laws = laws_of(spec, present, frames, rate, numbers, grown)
    if numbers.step > (FINE_STEP if spec.method == "median" else _COARSE_STEP):
        tables = [_gate(laws[count]) for count in present]
    else:
        levels, relative = seen.typical
        relative = relative / expected(levels)
        shares = _mixture(np.sqrt(relative, out=relative), laws[seen.usual])
        tables = [_table(laws[count], shares) for count in present]
    law_of_levels = read_variance, per_level, lowest, least, level_variance
    return PooledNoise(*law_of_levels, tuple(present), tuple(map(tuple, tables)))


@dataclass(frozen=True, eq=False)
class _Seen:
    """Pixels of a combination of two values or more: how many, their level, and the square of their scatter."""

    counts: NDArray[np.uint16]
    levels: NDArray[Any]
    squares: NDArray[np.float64]

    @classmethod
    def of(cls, found: Combined, method: Method) -> _Seen | None:
        """Take what came out; None where that is nothing."""
        counts = found.counts.reshape(-1)
        usable = (counts >= 2) & np.isfinite(found.uncertainty.reshape(-1))
        if np.count_nonzero(usable) < 2:
            return None
        n, levels = counts[usable], found.data.reshape(-1)[usable]
        squares = np.square(found.uncertainty.reshape(-1)[usable], dtype=np.float64)
        if method == "sum":
            levels /= n
            squares /= n
        else:
            squares *= n
        squares *= np.square(unbiased(method, np.arange(int(n.max()) + 1)))[n]
        return cls(n, levels, squares)

    @cached_property
    def usual(self) -> int:
        """How many values most pixels have."""
        return int(np.bincount(self.counts).argmax())

    @cached_property
    def typical(self) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Levels and squares of the pixels that have as many values; no copies where all have."""
        chosen = self.counts == self.usual
        return (self.levels, self.squares) if chosen.all() else (self.levels[chosen], self.squares[chosen])


def _bring_to_one_level(
    frames: Sequence[NDArray[Any]],
    factors: Sequence[float] | NDArray[np.float64] | None,
    offsets: Sequence[float] | NDArray[np.float64] | None,
) -> float:
    """Bring rows of each frame to one level, in place; return the variance of the levels."""
    scale = np.ones(len(frames)) if factors is None else np.asarray(factors, dtype=np.float64)
    added = np.zeros(len(frames)) if offsets is None else np.asarray(offsets, dtype=np.float64)
    levels = scale * (added + [sampled_level(frame) for frame in frames])
    known = np.isfinite(levels)
    middle = float(median_of_valid(levels[known])) if known.any() else 0.0
    shifts = np.where(known, levels - middle, 0.0) - scale * added
    for frame, factor, shift in zip(frames, scale, shifts, strict=True):
        np.multiply(frame, frame.dtype.type(factor), out=frame)
        np.subtract(frame, frame.dtype.type(shift), out=frame)
    # the error of the levels themselves is of the order of a hundredth of the noise
    return float(np.var(levels[known], ddof=1)) if np.count_nonzero(known) > 1 else 0.0


def _variance_by_level(
    levels: NDArray[Any], scatters: NDArray[np.float64], law: Law, count: int
) -> tuple[float, float, float, float] | None:
    """Fit variance = a + b level to pixels in bins of level; return a, b, the lowest level and the least variance."""
    cut, below = law.trimmed()
    whole = _trimmed_mean(scatters, cut, below)
    if not whole > 0:
        return None
    edges = _apart(quantiles_of_valid(levels, _LEVEL_SHARES), _APART * float(np.sqrt(whole / count)))
    flat = (whole, 0.0, float(edges[0]), whole)
    if edges.size - 1 < _FEWEST_BINS:  # frames of one level, whose pixels need not be counted
        return flat
    place = np.searchsorted(edges[1:-1], levels, side="right").astype(np.uint16)
    points = []
    for number in np.flatnonzero(np.bincount(place)):
        chosen = place == number
        size = int(np.count_nonzero(chosen))
        if size >= _FEWEST_IN_BIN:
            level = float(levels[chosen].mean(dtype=np.float64))
            points.append((level, _trimmed_mean(scatters[chosen], cut, below), size))
    if len(points) < _FEWEST_BINS:
        return flat
    x, variance, sizes = (np.array(column) for column in zip(*points, strict=True))
    spread = _relative_error(law)
    fit = np.full(x.size, whole)
    slope = error = 0.0
    for _ in range(3):  # weights are by what was fitted
        weight = sizes / np.square(spread * fit)
        center = np.average(x, weights=weight)
        away = x - center
        slope = float(np.sum(weight * away * variance) / np.sum(weight * away**2))
        error = float(1.0 / np.sqrt(np.sum(weight * away**2)))
        level0 = float(np.average(variance, weights=weight))
        fit = np.maximum(level0 + slope * away, 0.1 * whole)
    # bins that do not lie on a line make its slope less certain
    scaled = float(np.sum(weight * np.square(variance - level0 - slope * away)) / max(x.size - 2, 1))
    if not slope > _SLOPE_ERRORS * error * max(scaled, 1.0) ** 0.5:
        return flat
    lowest = float(x[0])
    read = level0 - slope * float(center)
    return read, slope, lowest, max(read + slope * lowest, 0.5 * float(variance.min()))


def _apart(edges: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """Return those edges that stand so far from the one before, and the last."""
    kept = [float(edges[0])]
    for edge in edges[1:].tolist():
        if edge - kept[-1] >= least:
            kept.append(edge)
    if len(kept) == 1 or kept[-1] < edges[-1]:
        kept = [*kept[:-1], float(edges[-1])] if len(kept) > 1 else [kept[0], float(edges[-1])]
    return np.array(kept)


def _relative_error(law: Law) -> float:
    """Return the standard deviation of the square of a scatter, over its mean."""
    steps = np.diff(law.shares, prepend=0.0)
    mean = float(np.sum(steps * law.squares))
    return float(np.sqrt(np.sum(steps * np.square(law.squares - mean))) / mean)


def _trimmed_mean(scatters: NDArray[np.float64], cut: float, below: float) -> float:
    """Return the variance of what is no noisier than the others.

    Means, not medians: of whole numbers the median may be zero where the noise is not.
    """
    variance = float(scatters.mean())
    if not variance > 0:
        return 0.0
    for _ in range(_TRIMS):
        kept = scatters[scatters <= cut * variance]
        if not kept.size:
            break
        found = float(kept.mean()) / below
        if not found > 0 or abs(found / variance - 1.0) < 1e-4:
            break
        variance = found
    return variance


def _mixture(relative: NDArray[np.float64], law: Law) -> NDArray[np.float64]:
    """Fit which fractions of the pixels have which of ``_RATIOS``."""
    edges = np.concatenate([scatter_of_place(np.arange(BINS + 1.0)), [np.inf]])
    counted, _ = np.histogram(relative, edges)
    chances = np.diff(law.below(np.square(edges)[:, None] / _RATIOS), axis=0)
    shares = np.full(_RATIOS.size, 0.01 / (_RATIOS.size - 1))
    shares[_RATIOS == 1.0] = 0.99
    seen = counted > 0
    counted, chances = counted[seen] / counted.sum(), chances[seen]
    for _ in range(_EM_STEPS):
        total = chances @ shares
        updated: NDArray[np.float64] = shares * ((counted / np.maximum(total, 1e-300)) @ chances)
        shares = updated / updated.sum()
    return shares


def _table(law: Law, shares: NDArray[np.float64]) -> list[float]:
    """Return by the scatter of a pixel what its noise is to be expected to be, over that of all."""
    if law is ONE_VALUE:
        return [float(np.sqrt(np.sum(shares * _RATIOS)))] * (BINS + 1)
    places = np.arange(BINS + 1.0)
    low, high = (np.square(scatter_of_place(np.maximum(places + half, 0.0))) for half in (-0.5, 0.5))
    chances = law.below(high[:, None] / _RATIOS) - law.below(low[:, None] / _RATIOS)
    total = chances @ shares
    known = np.flatnonzero(total > _LEAST_CHANCE)
    variance = np.interp(places, known, (chances @ (shares * _RATIOS))[known] / total[known])
    # what was never to be expected has the noise that it shows
    beyond = places > known[-1]
    variance[beyond] = np.maximum(variance[beyond], np.square(scatter_of_place(places[beyond])))
    found: list[float] = np.sqrt(np.maximum.accumulate(variance) * law.loss).tolist()
    return found


def _gate(law: Law) -> list[float]:
    """Do the same for round numbers: what scatters by more than chance allows has its own noise, all else that of all.

    The scatter of a few whole numbers has a few values only, which no mixture of smooth distributions can be fitted to.
    """
    if law is ONE_VALUE:
        return [1.0] * (BINS + 1)
    squares = np.square(scatter_of_place(np.arange(BINS + 1.0)))
    cut = float(np.interp(1.0 - _BEYOND_CHANCE, law.shares, law.squares))
    found: list[float] = np.sqrt(np.where(squares > cut, squares, 1.0) * law.loss).tolist()
    return found
