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
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.fits.timeline import spanned
from zeroframe.frames.medians import median_of_valid, quantiles_of_valid
from zeroframe.frames.statistics import clipped_std, sampled_level
from zeroframe.kernels.pooled import BINS, scatter_of_place
from zeroframe.kernels.sorting import sorting_pairs
from zeroframe.records import dataclass
from zeroframe.stacks.combine import CombineSpec, Rejection, combine_stack
from zeroframe.stacks.noise import read_bands, sample_bands
from zeroframe.stacks.pooled_noise import PooledNoise, unbiased, with_photons
from zeroframe.stacks.rejecting import reject_in_tile, share_lost_by_growing
from zeroframe.stacks.rejections import lose_at_random
from zeroframe.stacks.stack import ArrayStack
from zeroframe.workers import map_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from zeroframe.stacks.combine import Combined, Method
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
#: What scatters by more than all but so few pixels do by chance takes no part in what is common to all.
_TAIL = 1e-3
_TRIMS = 30
#: How much larger than common a pixel's variance may be: steps of sqrt(2), from half the others' noise to 90 times it.
_RATIOS = 2.0 ** (0.5 * np.arange(-4, 27))
#: Numbers of steps below this much of their noise are smooth; what differs by less than a thousandth of it is the same.
_FINE_STEP, _SAME, _GRID_PIXELS = 0.05, 1e-3, 20_000
#: Of values that stand on one grid the mean of their directions, on a circle of one step, is nearly as long as each.
_ON_ONE_GRID = 0.9
#: And so long is the mean of places that are all over the step at most.
_ONE_HEAP = 0.05
#: Means of fewer numbers stand on a grid themselves.
_FEWEST_SHARPENED = 4
#: With coarser steps the scatter of a few values has a few values only, and the MAD with any, which no mixture of
#: smooth distributions can be fitted to; pixels are noisier then whose scatter comes about by chance once in 10,000.
_COARSE_STEP = 0.6
_BEYOND_CHANCE = 1e-4
_EM_STEPS = 200
_LEAST_CHANCE = 1e-12
#: Ways of combining of which the error cannot be written down are tried on so many drawn pixels: 0.7 % of the variance.
_DRAWN_PIXELS, _MOST_DRAWN_FRAMES = 40_000, 64
#: So many values at a time: no limit of memory counts them.
_DRAWN_AT_A_TIME = 1 << 18
_FEWEST_DRAWN = 1000
#: Rejection of fewer good values than this costs nothing that could be seen.
_HARMLESS_RATE = 1e-4
_GRID_LOG = np.linspace(-24.0, 9.0, 6001)


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
    grid = _Grid.of(rows)
    level_variance = _bring_to_one_level(rows, factors, offsets)
    sample = ArrayStack(rows, [None] * frames, stack.names)
    # of few values the standard deviation says most, and of whole numbers a MAD may say nothing
    by_std = replace(spec, method="average") if spec.method == "median" else spec
    seen = _Seen.of(combine_stack(sample, by_std, workers=workers, empty=empty), by_std.method)
    if seen is None:
        return None
    rough = float(np.sqrt(float(median_of_valid(seen.squares)) or seen.squares.mean()))
    if not rough > 0:  # frames that are one and the same
        return None
    grown = share_lost_by_growing(rows, spec.rejection)
    law = _laws(by_std, [seen.usual], frames, rate, _Numbers(rough, 0.0, None, stack.dtype), grown)[seen.usual]
    common = _variance_by_level(*seen.typical(), law, seen.usual)
    if common is None:
        return None
    read_variance, per_level, lowest, least = with_photons(common, photon_adu, *seen.typical())

    def expected(levels: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(np.maximum(read_variance + per_level * np.maximum(levels, lowest), least))

    numbers = _Numbers.of(grid, float(np.sqrt(expected(median_of_valid(seen.levels)))), stack.dtype)
    if spec.method == "median":
        seen = _Seen.of(combine_stack(sample, spec, workers=workers, empty=empty), "median") or seen
    present = sorted({1, seen.usual, *np.flatnonzero(np.bincount(seen.counts)).tolist()})[-_MOST_DRAWN_FRAMES:]
    laws = _laws(spec, present, frames, rate, numbers, grown)
    if numbers.step > (_FINE_STEP if spec.method == "median" else _COARSE_STEP):
        tables = [_gate(laws[count]) for count in present]
    else:
        levels, relative = seen.typical()
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

    @property
    def usual(self) -> int:
        """How many values most pixels have."""
        return int(np.bincount(self.counts).argmax())

    def typical(self) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Levels and squares of the pixels that have as many values; no copies where all have."""
        chosen = self.counts == self.usual
        return (self.levels, self.squares) if chosen.all() else (self.levels[chosen], self.squares[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """Some rows that tell on which numbers the values of the frames stand, before anything is done to them.

    Attributes
    ----------
    between : ndarray
        The second frame less the first.
    above : ndarray of float64
        The mean of all frames less the first.
    frames : int
        How many they are.
    origins : ndarray of float64 or None
        By which part of a step the grid of each row of each frame is off that of the first.
    """

    between: NDArray[Any]
    above: NDArray[np.float64]
    frames: int
    origins: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, frames: Sequence[NDArray[Any]]) -> _Grid:
        """Look at the first rows; only as many as they are is held of them."""
        rows = max(_GRID_PIXELS // frames[0].shape[1], 1)
        first = frames[0][:rows]
        with np.errstate(invalid="ignore"):  # the same infinity in both
            total = first.astype(np.float64)
            for frame in frames[1:]:
                total += frame[:rows]
            between = frames[1][:rows] - first
            differences = np.abs(np.diff(between, axis=1))
            step = _step_of(differences, clipped_std(differences) / np.sqrt(2.0))
            origins = None if step is None else _origins([frame[:rows] for frame in frames], step)
            above = total / len(frames) - first
        return cls(between, above, len(frames), origins)


def _step_of(differences: NDArray[Any], sigma: float) -> float | None:
    """Return the step of the grid on which neighbours differ; None where it is so fine that it does not matter."""
    apart = differences[(differences > _SAME * sigma) & np.isfinite(differences)]
    step = float(quantiles_of_valid(apart, 0.001)) if apart.size else 0.0
    return step if step > 0.0 and step >= _FINE_STEP * sigma else None


def _origins(frames: Sequence[NDArray[Any]], step: float) -> NDArray[np.float64] | None:
    """Return by which part of a step the grid of each row of each frame is off that of the first, shape (frames, rows).

    A level that was subtracted from a row is no whole number, and the same for all its pixels; a bias that was
    subtracted from pixels is the same in all frames. None where that is not so, and of more frames than ways of
    combining are tried with.
    """
    if len(frames) > _MOST_DRAWN_FRAMES:
        return None
    found = np.empty((len(frames), frames[0].shape[0]))
    for own, frame in zip(found, frames, strict=True):
        with np.errstate(invalid="ignore"):
            above = frame - frames[0]
        known = np.isfinite(above)
        turned = np.where(known, np.exp(2j * np.pi * np.where(known, above, 0.0) / step), 0.0)
        mean = turned.sum(axis=1) / np.maximum(known.sum(axis=1), 1)  # 0 of a row without a valid pixel
        own[:] = np.where(np.abs(mean) > _ON_ONE_GRID, np.angle(mean) / (2.0 * np.pi), np.nan)
    rows = np.isfinite(found).all(axis=0)
    return found if rows.mean() > _ON_ONE_GRID else None


@dataclass(frozen=True, slots=True, eq=False)
class _Numbers:
    """What the values of the frames are like.

    Attributes
    ----------
    sigma : float
        Their noise.
    step : float
        Of the grid on which they stand, over their noise; 0.0 where it is so fine that it does not matter.
    places : ndarray or None
        Where the truth of some pixels stands between two steps, where all frames stand on one grid: all over it, or
        nearly the same in all of them. None where levels were subtracted that are no whole numbers, and are not known.
    dtype : dtype
        Theirs.
    origins : ndarray or None
        Of the same pixels by how much the grids of the frames are off that of the first, in steps, shape (frames,
        pixels); None where all frames stand on one grid, or where it is not known.
    """

    sigma: float
    step: float
    places: NDArray[np.float64] | None
    dtype: np.dtype[Any]
    origins: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, grid: _Grid, sigma: float, dtype: np.dtype[Any]) -> _Numbers:
        """Look at two frames: how neighbours differ in their difference, whatever was subtracted from row or pixel."""
        with np.errstate(invalid="ignore"):
            step = _step_of(np.abs(np.diff(grid.between, axis=1)), sigma)
        if step is None:
            return cls(sigma, 0.0, None, dtype)
        apart = grid.between[np.isfinite(grid.between)] / step
        on_one = bool(np.mean(np.abs(apart - np.rint(apart)) < _SAME) > 0.9)
        if not on_one and grid.origins is None:
            return cls(sigma, step / sigma, None, dtype)
        with np.errstate(invalid="ignore"):
            places = grid.above / step
        if on_one or grid.origins is None:
            places = _sharpened(places[np.isfinite(places)] % 1.0, sigma / step, grid.frames)
            return cls(sigma, step / sigma, places, dtype)
        usable = np.asarray(np.isfinite(grid.origins).all(axis=0))[:, None] & np.isfinite(places)
        row, column = np.nonzero(usable)
        places = _sharpened(places[row, column], sigma / step, grid.frames)
        return cls(sigma, step / sigma, places, dtype, grid.origins[:, row])

    def rounded(self, values: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
        """Return the errors of drawn values, shape (frames, 1, pixels), that stand on such a grid."""
        if not self.step:
            return values
        frames, _, pixels = values.shape
        if self.places is None or not self.places.size:
            truth, origins = random.random((1, 1, pixels)), random.random((frames, 1, pixels))
        elif self.origins is not None:
            chosen = random.integers(self.places.size, size=pixels)
            which = random.permutation(self.origins.shape[0])[:frames]
            truth, origins = self.places[chosen][None, None], -self.origins[np.ix_(which, chosen)][:, None]
        else:
            truth, origins = random.choice(self.places, (1, 1, pixels)), np.zeros((1, 1, 1))
        noise = max(1.0 / self.step**2 - 1.0 / 12.0, 0.0) ** 0.5
        steps = np.rint(values * noise + truth + origins) - origins - truth
        return np.asarray(steps * self.step)


def _sharpened(places: NDArray[np.float64], noise: float, frames: int) -> NDArray[np.float64]:
    """Return places, in steps, without the noise of the mean of the frames, which smears them, where they are one heap.

    On a circle of one step the mean direction of a normal distribution is exp(-2 pi² s²) long (K. V. Mardia 1972,
    Statistics of Directional Data, 3.4); the noise of the mean, rounding aside, is known: what is left is the truth's.
    """
    if not places.size:
        return places
    mean = complex(np.exp(2j * np.pi * places).mean())
    if abs(mean) < _ONE_HEAP or frames < _FEWEST_SHARPENED:
        return places
    width = -np.log(abs(mean)) / (2.0 * np.pi**2) - max(noise**2 - 1.0 / 12.0, 0.0) / frames
    drawn = np.random.default_rng(1).standard_normal(places.size)
    return np.asarray(np.angle(mean) / (2.0 * np.pi) + np.sqrt(max(width, 0.0)) * drawn)


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


@dataclass(frozen=True, eq=False)
class _Law:
    """How values of one normal distribution, of sigma 1, scatter, and what is the error of their combination.

    Attributes
    ----------
    squares, shares : ndarray
        Which fraction of pixels has a scatter whose square is no larger.
    loss : float
        Variance of the result, in that of a plain mean of so many values.
    """

    squares: NDArray[np.float64]
    shares: NDArray[np.float64]
    loss: float

    def below(self, square: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fraction of pixels with less scatter."""
        return np.interp(square, self.squares, self.shares, left=0.0, right=1.0)

    def trimmed(self) -> tuple[float, float]:
        """Where scatters are cut, and the mean of the squares below."""
        cut = float(np.interp(1.0 - _TAIL, self.shares, self.squares))
        steps = np.diff(self.shares, prepend=0.0)
        kept = self.squares <= cut
        return cut, float((steps * self.squares)[kept].sum() / steps[kept].sum())


#: One value has no scatter.
_ONE_VALUE = _Law(np.zeros(2), np.array([0.0, 1.0]), 1.0)


def _laws(
    spec: CombineSpec, counts: Sequence[int], frames: int, rate: float | None, numbers: _Numbers, grown: float
) -> dict[int, _Law]:
    """Return how so many values scatter: by the chi-square distribution of a mean, else as drawn numbers do."""
    rejection = spec.rejection
    rejects = rejection.drop_low + rejection.drop_high > 0 or rejection.scheme is not None
    rejects = rejects or (rejection.clips and (rate is None or rate > _HARMLESS_RATE))
    laws = _drawn(spec, frames, numbers, grown) if rejects else {}
    for count in counts:
        if count < 2:
            laws[count] = _ONE_VALUE
        elif count not in laws:
            # of pixels that lost a value by a mask, the rest is as good as any
            alone = _drawn(CombineSpec(spec.method), count, numbers) if spec.method == "median" else {}
            laws[count] = alone.get(count) or _chi_square(count - 1)
    return laws


def _chi_square(freedom: int) -> _Law:
    """Chi-square over its degrees of freedom: its density times x, over equal steps of log x."""
    log_density = 0.5 * freedom * (_GRID_LOG - np.exp(_GRID_LOG))
    density = np.exp(log_density - log_density.max())
    shares = np.cumsum(density)
    return _Law(np.exp(_GRID_LOG), shares / shares[-1], 1.0)


def _drawn(spec: CombineSpec, frames: int, numbers: _Numbers, grown: float = 0.0) -> dict[int, _Law]:
    """Combine drawn numbers just so; return what comes of it for each number of values that is left often.

    What is lost beside rejected values is no outlier itself: it is lost at random, and what is left scatters as before.
    """
    n = min(frames, _MOST_DRAWN_FRAMES)
    random = np.random.default_rng(1)
    rejection, share = spec.rejection, n / frames
    if not rejection.is_none:  # limits of value are those of the data, not of drawn numbers
        rejection = replace(
            rejection,
            value_low=None,
            value_high=None,
            drop_low=round(rejection.drop_low * share),
            drop_high=round(rejection.drop_high * share),
            floor_adu=1.0 if rejection.spread == "floor" else rejection.floor_adu / numbers.sigma,
            photon_adu=0.0,
            grow=0.0,  # here pixels have no neighbours
        )
    piece = min(max(_DRAWN_AT_A_TIME // n, 1), _DRAWN_PIXELS)
    data, uncertainty = (np.empty(_DRAWN_PIXELS, numbers.dtype) for _ in range(2))
    counts = np.empty(_DRAWN_PIXELS, np.uint16)
    for start in range(0, _DRAWN_PIXELS, piece):
        part = slice(start, min(start + piece, _DRAWN_PIXELS))
        values = numbers.rounded(random.standard_normal((n, 1, part.stop - start)), random)
        # of the type of the frames: for that kernels are compiled already
        values = values.astype(numbers.dtype)
        left = rejection
        if grown:
            reject_in_tile(values, rejection, np.ones(n), sorting_pairs(n))
            lose_at_random(values, grown, random)
            left = Rejection()
        stack = ArrayStack(list(values), [None] * n, ("",) * n)
        found = combine_stack(stack, CombineSpec(spec.method, left), workers=1)
        for target, plane in ((data, found.data), (uncertainty, found.uncertainty), (counts, found.counts)):
            target[part] = plane[0]
    laws = {}
    for count in np.flatnonzero(np.bincount(counts)).tolist():
        chosen = counts == count
        if count < 2 or np.count_nonzero(chosen) < _FEWEST_DRAWN:
            continue
        root = count**-0.5 if spec.method == "sum" else count**0.5
        error = uncertainty[chosen].astype(np.float64)
        scatter = np.square(error * root * unbiased(spec.method, np.array(count)))
        results = data[chosen].astype(np.float64) / (count if spec.method == "sum" else 1)
        scatter.sort()
        shares = np.arange(1, scatter.size + 1) / scatter.size
        laws[count] = _Law(scatter, shares, float(np.var(results) * count))
    if n < frames and n in laws:
        laws[frames] = laws[n]
    return laws


def _variance_by_level(
    levels: NDArray[Any], scatters: NDArray[np.float64], law: _Law, count: int
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


def _relative_error(law: _Law) -> float:
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


def _mixture(relative: NDArray[np.float64], law: _Law) -> NDArray[np.float64]:
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


def _table(law: _Law, shares: NDArray[np.float64]) -> list[float]:
    """Return by the scatter of a pixel what its noise is to be expected to be, over that of all."""
    if law is _ONE_VALUE:
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


def _gate(law: _Law) -> list[float]:
    """Do the same for round numbers: what scatters by more than chance allows has its own noise, all else that of all.

    The scatter of a few whole numbers has a few values only, which no mixture of smooth distributions can be fitted to.
    """
    if law is _ONE_VALUE:
        return [1.0] * (BINS + 1)
    squares = np.square(scatter_of_place(np.arange(BINS + 1.0)))
    cut = float(np.interp(1.0 - _BEYOND_CHANCE, law.shares, law.squares))
    found: list[float] = np.sqrt(np.where(squares > cut, squares, 1.0) * law.loss).tolist()
    return found
