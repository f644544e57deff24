"""How noisy frames are: read noise from pairs, noise of a combined frame from its halves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.fits.timeline import spanned
from zeroframe.frames.medians import median_of_valid
from zeroframe.frames.numbers import spread_evenly
from zeroframe.frames.statistics import OUTLIER_SIGMAS, clipped_mean_std, clipped_std, pair_noises
from zeroframe.records import dataclass
from zeroframe.stacks.combine import CombineSpec, combine_stack
from zeroframe.stacks.stack import FileStack, Stack, kept_open
from zeroframe.workers import map_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray


__all__ = [
    "FrameNoise",
    "SampledStack",
    "StackNoise",
    "combined_noise",
    "frame_noise",
    "frame_pairs",
    "measure_noise",
    "noise_bands",
    "on_memory_of",
    "read_bands",
    "sample_bands",
    "sample_bytes",
]

#: A sigma from 400 000 pixels is good to 0.11 %; more would only cost time. Long stacks are sampled more thinly,
#: so that a sample and what is computed from it take no more than 256 MB.
_SAMPLE_PIXELS = 400_000
_SAMPLE_BYTES_OF_STACK = 256 << 20
#: What the statistics need beside the sample, for each of its pixels: a dozen arrays of float64.
_SCRATCH_BYTES = 100
_SAMPLE_BANDS = 16
_MOST_PAIRS = 8
#: On so many pixels two frames are compared: their noise comes out to 0.2 %.
_PAIR_PIXELS = 200_000


@dataclass(frozen=True, slots=True)
class FrameNoise:
    """Noise of the single frames of a stack, in units of the data, from pairs of frames.

    Attributes
    ----------
    single : float
        With what is common to a row removed; root mean square over the frames.
    calibrated : float
        With the rows left in; root mean square over the frames.
    typical : float
        As ``calibrated``, but the median over the pairs, which one bad frame does not raise.
    pairs : int
        How many pairs were measured.
    step : float
        Of whole numbers, or of coarser ones: by how much values differ at least. 0: not known, or next to nothing.
    """

    single: float
    calibrated: float
    typical: float
    pairs: int
    step: float = 0.0


@dataclass(frozen=True, slots=True)
class StackNoise:
    """Noise of the frames of a stack and of their combination, in units of the data.

    Attributes
    ----------
    single : float or None
        Read noise of one frame: from differences of neighbours in the stack, so the fixed pattern drops out, with what
        is common to a row removed. None for a single frame.
    calibrated : float or None
        The same with the rows left in: read noise, and the noise of the row levels that were subtracted.
    combined : float or None
        Noise of the combined frame, fixed pattern not included.
    expected : float or None
        ``calibrated / sqrt(N)``, for sums ``calibrated * sqrt(N)``.
    scatter : float
        Standard deviation of the pixels of the combined frame, fixed pattern included.
    level_scatter : float or None
        Of biases and darks the standard deviation of the levels of the frames; None of others, and of a single frame.
    """

    single: float | None
    calibrated: float | None
    combined: float | None
    expected: float | None
    scatter: float
    level_scatter: float | None = None

    @property
    def pattern(self) -> float | None:
        """The fixed pattern of the combined frame, which is no noise: every frame has it."""
        return None if self.combined is None else float(np.sqrt(max(self.scatter**2 - self.combined**2, 0.0)))

    @property
    def by_root(self) -> str:
        """What is done with the noise of one frame and the root of their number: ``'/'``, or ``'×'`` for a sum."""
        return "×" if self.expected and self.calibrated and self.expected > self.calibrated else "/"


@dataclass(frozen=True)
class SampledStack:
    """Some rows of some frames of a stack, in memory: enough to measure noise.

    Attributes
    ----------
    frames : tuple of ndarray
        The rows of each.
    empty : callable
        Makes memory for what is worked out of them, as `numpy.empty` does.
    """

    frames: tuple[NDArray[Any], ...]
    empty: Callable[..., NDArray[Any]] = np.empty

    @property
    def names(self) -> tuple[str, ...]:
        """Numbers, since these frames are never named to anyone."""
        return tuple(str(number) for number in range(len(self.frames)))

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Shape of each sample."""
        ny, nx = self.frames[0].shape
        return ny, nx

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the stack."""
        return self.frames[0].dtype

    def read_rows(self, index: int, rows: slice, out: NDArray[Any]) -> None:
        """Fill ``out`` with rows of one sample."""
        out[:] = self.frames[index][rows]

    @classmethod
    def of(
        cls,
        stack: Stack,
        most_bytes: int = _SAMPLE_BYTES_OF_STACK,
        *,
        workers: int | None = None,
        empty: Callable[..., NDArray[Any]] = np.empty,
    ) -> SampledStack:
        """Take bands of rows that are spread evenly over the frames, so many that statistics fit in ``most_bytes``."""
        ny, nx = stack.shape_yx
        pixel_bytes = len(stack.names) * stack.dtype.itemsize + _SCRATCH_BYTES
        bands = sample_bands(ny, nx, min(_SAMPLE_PIXELS, most_bytes // pixel_bytes))
        numbers = range(len(stack.names))
        return cls(tuple(map_threads(lambda index: read_bands(stack, index, bands, empty), numbers, workers)), empty)

    def subset(self, chosen: slice) -> SampledStack:
        """Return some of the frames."""
        return SampledStack(self.frames[chosen], self.empty)


def sample_bands(ny: int, nx: int, pixels: int = _SAMPLE_PIXELS) -> list[slice]:
    """Bands of rows, spread evenly, of about so many pixels together; all rows where there are not more."""
    rows = max(pixels // nx, 1)
    if rows >= ny:
        return [slice(0, ny)]
    bands = min(_SAMPLE_BANDS, rows)
    height = rows // bands
    starts = np.linspace(0, ny - height, bands).astype(int)
    return [slice(int(start), int(start) + height) for start in starts]


def noise_bands(ny: int, nx: int) -> list[slice]:
    """Return the bands of rows on which `frame_noise` compares frames; of those rows alone, it is all of them."""
    return sample_bands(ny, nx, _PAIR_PIXELS)


def read_bands(
    stack: Stack, index: int, bands: Sequence[slice], empty: Callable[..., NDArray[Any]] = np.empty
) -> NDArray[Any]:
    """Return bands of rows of one frame of a stack, one below the other."""
    heights = [band.stop - band.start for band in bands]
    sample = empty((sum(heights), stack.shape_yx[1]), stack.dtype)
    top = 0
    with kept_open(stack, index) as (source, place):
        if isinstance(source, FileStack):
            source.read_bands(place, bands, sample)
            return sample
        for band, height in zip(bands, heights, strict=True):
            source.read_rows(place, band, sample[top : top + height])
            top += height
    return sample


def frame_pairs(frames: int) -> list[tuple[int, int]]:
    """Return which frames are compared with which to measure their noise.

    Each frame with the next and the last with the first, so that one bad frame spoils no more than two pairs; of many
    frames only some.

    Examples
    --------
    >>> frame_pairs(3), frame_pairs(2)
    ([(0, 1), (1, 2), (2, 0)], [(0, 1)])
    """
    if frames == 2:
        return [(0, 1)]
    return [(i, (i + 1) % frames) for i in spread_evenly(0, frames - 1, min(frames, _MOST_PAIRS)).tolist()]


@spanned("noise of frames")
def frame_noise(
    stack: Stack, *, workers: int | None = None, empty: Callable[..., NDArray[Any]] = np.empty
) -> FrameNoise | None:
    """Measure the noise of single frames from pairs of them.

    Parameters
    ----------
    stack : Stack
        Frames of the same scene. Rows of two of them at a time are in memory, a few megabytes, and always the same
        rows: what is made of the figure does not depend on how much memory there is.
    workers : int, optional
        How many threads.
    empty : callable, optional
        Makes arrays, as `numpy.empty` does.

    Returns
    -------
    FrameNoise or None
        None for a single frame.
    """
    frames = len(stack.names)
    if frames < 2:
        return None
    bands = noise_bands(*stack.shape_yx)

    def compare(pair: tuple[int, int]) -> tuple[float, float, float]:
        first, second = (read_bands(stack, index, bands, empty) for index in pair)
        noise, variance, step = pair_noises(first, second, empty)
        return noise**2, variance, step

    single, calibrated, steps = zip(*map_threads(compare, frame_pairs(frames), workers), strict=True)
    return FrameNoise(
        single=float(np.sqrt(np.mean(single))),
        calibrated=float(np.sqrt(np.mean(calibrated))),
        typical=float(np.sqrt(median_of_valid(calibrated))),
        pairs=len(single),
        step=float(median_of_valid(steps)),
    )


@spanned("noise of the combination")
def measure_noise(
    stack: Stack,
    spec: CombineSpec,
    *,
    of_frames: FrameNoise | None = None,
    mem_limit_bytes: int | None = None,
    workers: int | None = None,
) -> StackNoise:
    """Measure the noise of the frames of a stack and of their combination.

    Parameters
    ----------
    stack : Stack
        Frames of the same scene; or a `SampledStack` of them.
    spec : CombineSpec
        How they are combined.
    of_frames : FrameNoise, optional
        What `frame_noise` found already.
    mem_limit_bytes : int, optional
        Half of it is used, but never more than 256 MB.
    workers : int, optional
        How many threads.

    Returns
    -------
    StackNoise
        From about 400 000 pixels in bands spread over the frames.

    Notes
    -----
    The combined frame is pattern + noise, and so are the combinations of two halves of the frames, A and B, whose noise
    is independent: cov(A, B) is the variance of the pattern alone. What the variance of the combined frame exceeds it
    by is the variance of its noise, clipping and all. For a plain average it is var(A - B) / 4.
    """
    sample = (
        stack
        if isinstance(stack, SampledStack)
        else SampledStack.of(stack, sample_bytes(mem_limit_bytes), workers=workers)
    )
    frames = len(sample.frames)
    noise = of_frames or frame_noise(sample, workers=workers, empty=sample.empty)
    combined, scatter = combined_noise(sample, spec, workers=workers)
    if noise is None:
        return StackNoise(None, None, None, None, scatter)
    root = float(np.sqrt(frames))
    expected = noise.calibrated * root if spec.method == "sum" else noise.calibrated / root
    if spec.variances is not None:  # of the mean variance of the frames, what weights make of it
        variances = np.array(spec.variances)
        expected *= float(np.sqrt(frames**2 / (variances.sum() * (1.0 / variances).sum())))
    return StackNoise(noise.single, noise.calibrated, combined, expected, scatter)


def combined_noise(
    sample: SampledStack, spec: CombineSpec, *, workers: int | None = None
) -> tuple[float | None, float]:
    """Measure the noise of a combination of frames, and how much its pixels scatter; see `measure_noise`.

    Parameters
    ----------
    sample : SampledStack
        Some rows of each frame.
    spec : CombineSpec
        How they are combined.
    workers : int, optional
        How many threads.

    Returns
    -------
    combined : float or None
        Noise, fixed pattern not included; None of a single frame.
    scatter : float
        Standard deviation of the pixels, fixed pattern included.
    """
    frames = len(sample.frames)
    whole = combine_stack(sample, spec, workers=workers, empty=sample.empty).data
    scatter = clipped_std(whole)
    if frames < 2:
        return None, scatter
    parts = [sample.subset(slice(k, None, 2)) for k in (0, 1)]
    halves = [
        combine_stack(part, spec.subset(slice(k, None, 2)), workers=workers, empty=sample.empty).data
        for k, part in enumerate(parts)
    ]
    if spec.method == "sum":
        halves = [half * (frames / len(part.frames)) for half, part in zip(halves, parts, strict=True)]
    return _noise_beside_pattern(whole, halves[0], halves[1], sample.empty), scatter


def sample_bytes(mem_limit_bytes: int | None = None) -> int:
    """How much memory a sample may take: half of what is allowed, and never more than 256 MB."""
    return _SAMPLE_BYTES_OF_STACK if mem_limit_bytes is None else min(mem_limit_bytes // 2, _SAMPLE_BYTES_OF_STACK)


def _noise_beside_pattern(
    whole: NDArray[Any], first: NDArray[Any], second: NDArray[Any], empty: Callable[..., NDArray[Any]]
) -> float:
    """Return the noise of ``whole`` without the pattern, which it shares with two independent halves.

    ``var(whole) - cov(first, second)`` is written so that the pattern of a flat, a hundred times its noise, drops out
    before anything is multiplied: with the differences ``a`` and ``b`` of whole and halves it is
    ``cov(whole, a + b) - cov(a, b)``. The first term, which is what clipping costs, is taken from differences of
    neighbours.
    """
    height, width = whole.shape
    a, b, scratch = (empty((height, width), np.float64) for _ in range(3))
    steps = empty((height, width - 1), np.float64)
    with np.errstate(invalid="ignore"):  # in place wherever that can be: fresh memory takes longer than the sums
        np.subtract(whole, first, out=a, dtype=np.float64)
        np.subtract(whole, second, out=b, dtype=np.float64)
        np.subtract(whole[:, 1:], whole[:, :-1], out=steps, dtype=np.float64)
        away = _outlying(a, scratch) | _outlying(b, scratch)
        count = away.size - np.count_nonzero(away)
        if count < 2:
            return float("nan")
        places = np.flatnonzero(away)  # a few: to look through a mask of all takes as long as a sum
        for values in (a, b):
            np.put(values, places, 0.0)
            np.subtract(values, values.sum() / count, out=values)
            np.put(values, places, 0.0)
        common = float(np.multiply(a, b, out=scratch).sum() / count)
        apart = _outlying(steps, scratch)
        apart |= away[:, 1:]
        apart |= away[:, :-1]
        pairs = apart.size - np.count_nonzero(apart)
        a += b
        changes = np.subtract(a[:, 1:], a[:, :-1], out=on_memory_of(scratch, steps.shape))
        changes *= steps
        np.put(changes, np.flatnonzero(apart), 0.0)
    cost = float(changes.sum() / pairs / 2.0) if pairs else 0.0
    return float(np.sqrt(max(cost - common, 0.0)))


def on_memory_of(scratch: NDArray[np.float64], shape_yx: tuple[int, ...]) -> NDArray[np.float64]:
    """Return a contiguous array of a shape on memory for as many values at least."""
    return scratch.reshape(-1)[: math.prod(shape_yx)].reshape(shape_yx)


def _outlying(values: NDArray[np.float64], scratch: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where values are not finite or beyond five sigma of their mean; ``scratch`` is memory for as many at least."""
    _, mean, std = clipped_mean_std(values)
    away = on_memory_of(scratch, values.shape)
    np.subtract(values, mean, out=away)
    np.abs(away, out=away)
    inside: NDArray[np.bool_] = away <= OUTLIER_SIGMAS * std
    return np.logical_not(inside, out=inside)
