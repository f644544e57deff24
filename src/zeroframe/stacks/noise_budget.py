"""Why a combined frame is noisier than one frame's noise over the root of their number."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.fits.precision import single_if_it_holds
from zeroframe.frames.numbers import number, spread_evenly
from zeroframe.frames.statistics import clipped_mean_std, sampled_level
from zeroframe.frames.traces import wave_along_rows
from zeroframe.records import dataclass
from zeroframe.stacks.combine import CombineSpec
from zeroframe.stacks.noise import combined_noise, frame_pairs, on_memory_of
from zeroframe.workers import map_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zeroframe.stacks.noise import SampledStack, StackNoise

__all__ = ["EXCESS_WORTH_TELLING", "Excess", "NoisePart", "explain_excess"]

#: A combined frame that is noisier by less than this is as good as it can be.
EXCESS_WORTH_TELLING = 1.10
_OUTLIER = 5.0
#: Side of the squares in which drifts that are neither of rows nor of columns show.
_SQUARE = 24
_FEWEST_ROWS = 96
#: A part that adds less than this to the noise of the combined frame is not told.
_LEAST_SHARE = 0.02
_LEAST_CORRELATION = 0.05
#: Less than this part of the noise is what rounding leaves of pixels.
_LEAST_PIXELS = 1e-6
#: Rows in which a wave is looked for.
_WAVE_ROWS = 64


@dataclass(frozen=True, slots=True)
class NoisePart:
    """Something that makes the combined frame noisier.

    Attributes
    ----------
    what : str
        ``'rows'``, ``'columns'``, ``'shading'``, ``'combination'``, ``'common'`` or ``'correlation'``.
    noise_adu : float
        What it adds to the noise of the combined frame, in quadrature; of a correlation its coefficient.
    sentence : str
        The same in words.
    """

    what: str
    noise_adu: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Excess:
    """Noise of a combined frame against the pixel noise of one frame over the root of their number.

    Attributes
    ----------
    combined_adu : float
        Noise of the combined frame, fixed pattern not included.
    ideal_adu : float
        Noise of one frame, with what is common to rows, columns and larger areas taken out, over sqrt(N); for sums
        times sqrt(N).
    parts : tuple of NoisePart
        What remains, the largest first; empty where the ratio is under 1.10.
    pattern_adu : float
        Fixed pattern of the combined frame. It is no noise: subtracting the combined frame removes it.
    average_adu : float or None
        Noise of a plain average (or sum) of the same frames, where it was worth measuring.
    wave_noises : float or None
        Amplitude of the strongest wave along the rows that the first two frames have not in common, in noises of a
        pixel; None where too little was looked at.
    """

    combined_adu: float
    ideal_adu: float
    parts: tuple[NoisePart, ...]
    pattern_adu: float
    average_adu: float | None = None
    wave_noises: float | None = None

    @property
    def ratio(self) -> float:
        """How much noisier it is than it could be."""
        return self.combined_adu / self.ideal_adu if self.ideal_adu > 0 else float("nan")

    @property
    def is_worth_telling(self) -> bool:
        """Whether it is more than a tenth noisier."""
        return self.ratio > EXCESS_WORTH_TELLING


def explain_excess(
    sample: SampledStack, spec: CombineSpec, noise: StackNoise, *, workers: int | None = None
) -> Excess | None:
    """Say what makes a combined frame noisier than it could be.

    Parameters
    ----------
    sample : SampledStack
        Some rows of each frame.
    spec : CombineSpec
        How they were combined.
    noise : StackNoise
        What `measure_noise` found for them.
    workers : int, optional
        How many threads.

    Returns
    -------
    Excess or None
        None of a single frame, and where pixels have no noise beside that of rows and columns.

    Notes
    -----
    Fixed patterns drop out of the difference of two frames. Of what is left the means of rows, of columns and of
    squares scatter more than their pixels make them: that is what drifts between frames. The means of rows carry also
    the noise of an overscan level that was subtracted. A plain average of the same frames tells what the way of
    combining costs. What none of these explains is common to some of the frames and not to all.
    """
    if noise.single is None or noise.combined is None or noise.pattern is None:
        return None
    frames = len(sample.frames)
    drifts = _drifts(sample, workers)
    if not drifts.pixels > _LEAST_PIXELS * noise.single:  # of one row, levels of columns are all that there is
        return None
    to_combined = float(np.sqrt(frames)) if spec.method == "sum" else 1.0 / float(np.sqrt(frames))
    wave = _wave_between(sample.frames[0], sample.frames[1], noise.single)
    excess = Excess(noise.combined, drifts.pixels * to_combined, (), noise.pattern, wave_noises=wave)
    # a median of numbers in coarse steps stands on one of them, in both halves of the frames
    stands_still = spec.method == "median" and excess.ratio < 1.0 / EXCESS_WORTH_TELLING
    if not (excess.is_worth_telling or stands_still):
        return excess
    plain = CombineSpec("sum" if spec.method == "sum" else "average")
    average = noise.combined if spec == plain else combined_noise(sample, plain, workers=workers)[0]
    excess = replace(excess, average_adu=average)
    if stands_still:
        return excess
    rows, columns, shading = (part * to_combined for part in (drifts.rows, drifts.columns, drifts.shading))
    cost = float(np.sqrt(max(noise.combined**2 - (average or 0.0) ** 2, 0.0)))
    told = rows**2 + columns**2 + shading**2 + cost**2
    common = float(np.sqrt(max(noise.combined**2 - excess.ideal_adu**2 - told, 0.0)))
    by_row, by_column, by_area = (f"{number(part, 3)} ADU" for part in (drifts.rows, drifts.columns, drifts.shading))
    parts = [
        NoisePart("rows", rows, f"rows: their levels differ between frames, {by_row} in each"),
        NoisePart("columns", columns, f"columns: their levels differ between frames, {by_column} in each"),
        NoisePart("shading", shading, f"shading that changes between frames, {by_area} in each"),
        NoisePart("combination", cost, f"the way of combining: a plain average has {number(average or 0.0, 3)} ADU"),
        NoisePart(
            "common", common, "the rest, which these do not explain: what some frames have in common and not all"
        ),
    ]
    least = (_LEAST_SHARE * 2) ** 0.5 * excess.combined_adu  # a share s of the noise is a share 2 s of its square
    kept = sorted((part for part in parts if part.noise_adu > least), key=lambda part: -part.noise_adu)
    return replace(excess, parts=(*kept, *_correlations(drifts)))


def _wave_between(first: NDArray[Any], second: NDArray[Any], noise: float) -> float | None:
    """Return the amplitude of a wave in the difference of two frames, in noises, from rows spread evenly over them."""
    if not noise > 0:
        return None
    rows = spread_evenly(0, len(first) - 1, min(_WAVE_ROWS, len(first)))
    with np.errstate(invalid="ignore"):  # the same infinity in both
        apart = single_if_it_holds(first[rows] - second[rows])
    apart -= apart.dtype.type(sampled_level(apart))
    apart[~np.isfinite(apart)] = 0.0
    return wave_along_rows(apart, float(np.sqrt(2.0)) * noise).get("interference_noises")


@dataclass(frozen=True, slots=True)
class _Drifts:
    """What changes from frame to frame beside the pixels, in one frame; and how neighbours are correlated."""

    pixels: float
    rows: float
    columns: float
    shading: float
    along_x: float
    along_y: float


def _drifts(sample: SampledStack, workers: int | None) -> _Drifts:
    """Average over pairs of frames."""
    height, width = sample.shape_yx
    pairs = frame_pairs(len(sample.frames))
    # many pairs are compared on a part of the rows each
    parts = max(min(len(pairs) // 2, height // _FEWEST_ROWS), 1)

    def compare(number: int) -> tuple[float, ...]:
        i, j = pairs[number]
        part = number % parts
        rows = slice(part * height // parts, (part + 1) * height // parts)
        difference = sample.empty((rows.stop - rows.start, width), np.float64)
        with np.errstate(invalid="ignore"):  # the same infinity in both
            np.subtract(sample.frames[i][rows], sample.frames[j][rows], out=difference, dtype=np.float64)
        difference /= np.sqrt(2.0)
        return _pair_drifts(difference, sample.empty(difference.shape, np.float64))

    means = np.array(map_threads(compare, range(len(pairs)), workers)).mean(axis=0)
    pixels, rows_adu, columns_adu, shading = (float(root) for root in np.sqrt(np.maximum(means[:4], 0.0)))
    return _Drifts(pixels, rows_adu, columns_adu, shading, float(means[4]), float(means[5]))


def _pair_drifts(difference: NDArray[np.float64], scratch: NDArray[np.float64]) -> tuple[float, ...]:
    """Variances of pixels, and of rows, columns and squares beyond what pixels give; correlations of neighbours.

    The difference is used up, and so is ``scratch``, memory for as many values.
    """
    height, width = difference.shape
    _, level, spread = clipped_mean_std(difference)
    reach = _OUTLIER * spread
    with np.errstate(invalid="ignore"):  # infinities of either sign
        difference -= level if np.isfinite(level) else 0.0
        if not np.isfinite(difference.sum()):
            difference = _with_values(difference)
            height, width = difference.shape
            scratch = on_memory_of(scratch, difference.shape)
    np.clip(difference, -reach, reach, out=difference)
    rows = difference.mean(axis=1, keepdims=True)
    columns = difference.mean(axis=0, keepdims=True)
    mean = difference.mean()
    rest = difference
    rest -= rows
    rest -= columns
    rest += mean
    np.subtract(rest, rest.mean(), out=scratch)
    variance = float(np.square(scratch, out=scratch).sum()) / max((height - 1) * (width - 1), 1)
    along_x = _mean_product(rest[:, 1:], rest[:, :-1], scratch) / variance if variance and width > 1 else 0.0
    along_y = _mean_product(rest[1:], rest[:-1], scratch) / variance if variance and height > 1 else 0.0
    ny, nx = min(_SQUARE, height), min(_SQUARE, width)
    kept = rest[: height // ny * ny, : width // nx * nx]
    squares = kept.reshape(height // ny, ny, width // nx, nx).mean(axis=(1, 3))
    shading = float(squares.var()) - variance / (ny * nx)
    return (
        variance - max(shading, 0.0),
        float(rows.var()) - variance / width,
        float(columns.var()) - variance / height,
        shading,
        along_x,
        along_y,
    )


def _with_values(difference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leave out rows and columns without a value, as of an amplifier that was not read; what else has none is zero."""
    known = np.isfinite(difference)
    rows, columns = known.any(axis=1), known.any(axis=0)
    if rows.any() and not (rows.all() and columns.all()):
        difference = np.ascontiguousarray(difference[rows][:, columns])
    np.nan_to_num(difference, copy=False)
    return difference


def _mean_product(first: NDArray[np.float64], second: NDArray[np.float64], scratch: NDArray[np.float64]) -> float:
    """Return the mean of a product, which is written to ``scratch``."""
    return float(np.multiply(first, second, out=on_memory_of(scratch, first.shape)).mean())


def _correlations(drifts: _Drifts) -> list[NoisePart]:
    """Neighbours that go together: each pixel is no noisier, but means over many pixels are."""
    return [
        NoisePart("correlation", value, f"neighbours along {axis} are correlated by {value:.2f} in the noise")
        for axis, value in (("x", drifts.along_x), ("y", drifts.along_y))
        if abs(value) > _LEAST_CORRELATION
    ]
