"""How noisy frames are: read noise from pairs, noise of a combined frame from its halves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.combining import CombineSpec, combine_stack
from zeroframe.kernels.stack import MAD_TO_SIGMA

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zeroframe.stacks import Stack

__all__ = ["SampledStack", "StackNoise", "clipped_std", "measure_noise", "pair_noise", "sampled_level"]

#: A sigma from a million pixels is good to 0.07 %; more would only cost time. Long stacks are sampled more thinly,
#: so that a sample and what is computed from it take no more than 256 MB.
_SAMPLE_PIXELS = 1_000_000
_SAMPLE_BYTES_OF_STACK = 256 << 20
#: What the statistics need beside the sample, for each of its pixels: a dozen arrays of float64.
_SCRATCH_BYTES = 100
_LEVEL_PIXELS = 100_000
_OUTLIER = 5.0
_SAMPLE_BANDS = 16
_MOST_PAIRS = 8


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
        ``calibrated / sqrt(N)``.
    scatter : float
        Standard deviation of the pixels of the combined frame, fixed pattern included.
    """

    single: float | None
    calibrated: float | None
    combined: float | None
    expected: float | None
    scatter: float


def clipped_std(values: NDArray[Any]) -> float:
    """Return the standard deviation of what lies within five sigma of the median.

    Parameters
    ----------
    values : ndarray
        Not finite where masked.

    Returns
    -------
    float
        NaN where fewer than two values are valid.

    Notes
    -----
    The median absolute deviation of whole numbers is a whole number, and so off by up to 10 % for a noise of 4; here it
    only decides where to cut. Five sigma cut 6e-7 of a normal distribution, which changes its sigma by 1e-5.

    Examples
    --------
    >>> import numpy as np
    >>> round(clipped_std(np.array([1.0, 2.0, 3.0] * 5 + [1000.0])), 3)
    0.816
    """
    valid = _inliers(values)
    return float(valid.std()) if valid.size > 1 else float("nan")


def _inliers(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the valid values within five sigma of their median."""
    valid = np.asarray(values, dtype=np.float64).ravel()
    valid = valid[np.isfinite(valid)]
    for _ in range(3 if valid.size else 0):
        center = np.median(valid)
        spread = MAD_TO_SIGMA * float(np.median(np.abs(valid - center)))
        # more than half of the values are the same: the standard deviation is all there is to cut by
        kept = valid[np.abs(valid - center) <= _OUTLIER * (spread or float(valid.std()))]
        if kept.size == valid.size:
            break
        valid = kept
    return valid


def sampled_level(pixels: NDArray[Any]) -> float:
    """Return the mean of about 100 000 pixels that are spread over an image, outliers left out.

    Parameters
    ----------
    pixels : ndarray, shape (ny, nx)
        Not finite where masked.

    Returns
    -------
    float
        NaN where no pixel is valid. For a noise of 4 it is good to 0.013; the median of whole numbers is good to 0.5.
    """
    step = max(int((pixels.size / _LEVEL_PIXELS) ** 0.5), 1)
    valid = _inliers(pixels[::step, ::step])
    return float(valid.mean()) if valid.size else float("nan")


def pair_noise(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Return the noise of one frame from the difference of two, with what is common to a row taken out.

    Parameters
    ----------
    first, second : ndarray, shape (ny, nx)
        Two frames of the same scene (biases, for the read noise).

    Returns
    -------
    float
        Standard deviation of the difference, clipped, over sqrt(2).

    Notes
    -----
    A row drift, or the noise that the subtraction of a row level adds, is not read noise of the pixels; the mean of
    each row of the difference is removed, which takes 1 / nx of the variance with it and is corrected for.
    """
    difference = np.asarray(first, dtype=np.float64) - second
    difference = difference[np.isfinite(difference).any(axis=1)]
    height, width = difference.shape
    if height == 0 or width == 1:
        return clipped_std(difference) / float(np.sqrt(2.0))
    difference -= np.nanmedian(difference, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        difference[~(np.abs(difference) <= _OUTLIER * clipped_std(difference))] = np.nan
    rows = difference[np.isfinite(difference).any(axis=1)]
    rows -= np.nanmean(rows, axis=1, keepdims=True)
    return clipped_std(rows) * float(np.sqrt(width / (width - 1) / 2.0))


@dataclass(frozen=True)
class SampledStack:
    """Some rows of some frames of a stack, in memory: enough to measure noise."""

    frames: tuple[NDArray[Any], ...]

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
    def of(cls, stack: Stack, most_bytes: int = _SAMPLE_BYTES_OF_STACK) -> SampledStack:
        """Take bands of rows that are spread evenly over the frames, so many that statistics fit in ``most_bytes``."""
        ny, nx = stack.shape_yx
        pixel_bytes = len(stack.names) * stack.dtype.itemsize + _SCRATCH_BYTES
        bands = sample_bands(ny, nx, min(_SAMPLE_PIXELS, most_bytes // pixel_bytes))
        height = sum(band.stop - band.start for band in bands)
        frames = []
        for index in range(len(stack.names)):
            sample = np.empty((height, nx), stack.dtype)
            top = 0
            for band in bands:
                rows = band.stop - band.start
                stack.read_rows(index, band, sample[top : top + rows])
                top += rows
            frames.append(sample)
        return cls(tuple(frames))

    def subset(self, chosen: slice) -> SampledStack:
        """Return some of the frames."""
        return SampledStack(self.frames[chosen])


def sample_bands(ny: int, nx: int, pixels: int = _SAMPLE_PIXELS) -> list[slice]:
    """Bands of rows, spread evenly, of about so many pixels together; all rows where there are not more."""
    rows = max(pixels // nx, 1)
    if rows >= ny:
        return [slice(0, ny)]
    bands = min(_SAMPLE_BANDS, rows)
    height = rows // bands
    starts = np.linspace(0, ny - height, bands).astype(int)
    return [slice(int(start), int(start) + height) for start in starts]


def measure_noise(
    stack: Stack, spec: CombineSpec, *, mem_limit_bytes: int | None = None, workers: int | None = None
) -> StackNoise:
    """Measure the noise of the frames of a stack and of their combination.

    Parameters
    ----------
    stack : Stack
        Frames of the same scene.
    spec : CombineSpec
        How they are combined.
    mem_limit_bytes : int, optional
        Half of it is used, but never more than 256 MB.
    workers : int, optional
        How many threads.

    Returns
    -------
    StackNoise
        From about a million pixels in bands spread over the frames.

    Notes
    -----
    The combined frame is pattern + noise, and so are the combinations of two halves of the frames, A and B, whose noise
    is independent: cov(A, B) is the variance of the pattern alone. What the variance of the combined frame exceeds it
    by is the variance of its noise, clipping and all. For a plain average it is var(A - B) / 4.
    """
    most = _SAMPLE_BYTES_OF_STACK if mem_limit_bytes is None else min(mem_limit_bytes // 2, _SAMPLE_BYTES_OF_STACK)
    sample = SampledStack.of(stack, most)
    frames = len(sample.frames)
    whole = combine_stack(sample, spec, workers=workers).data
    scatter = clipped_std(whole)
    if frames == 1:
        return StackNoise(None, None, None, None, scatter)
    pairs = [(sample.frames[i], sample.frames[i + 1]) for i in range(0, frames - 1, 2)][:_MOST_PAIRS]
    single = float(np.sqrt(np.mean([pair_noise(a, b) ** 2 for a, b in pairs])))
    calibrated = float(np.sqrt(np.mean([clipped_std(a.astype(np.float64) - b) ** 2 / 2.0 for a, b in pairs])))
    halves = [combine_stack(sample.subset(slice(k, None, 2)), spec, workers=workers).data for k in (0, 1)]
    combined = _noise_beside_pattern(whole, halves[0], halves[1])
    return StackNoise(single, calibrated, combined, calibrated / float(np.sqrt(frames)), scatter)


def _noise_beside_pattern(whole: NDArray[Any], first: NDArray[Any], second: NDArray[Any]) -> float:
    """Return the noise of ``whole`` without the pattern, which it shares with two independent halves."""
    planes = np.stack([plane.astype(np.float64).ravel() for plane in (whole, first, second)])
    planes = planes[:, np.isfinite(planes).all(axis=0)]
    if planes.shape[1] < 2:
        return float("nan")
    planes -= np.median(planes, axis=1, keepdims=True)
    inlying = np.abs(planes) <= _OUTLIER * np.array([[clipped_std(plane)] for plane in planes])
    planes = planes[:, inlying.all(axis=0)]
    planes -= planes.mean(axis=1, keepdims=True)
    variance = float(np.mean(planes[0] ** 2) - np.mean(planes[1] * planes[2]))
    return float(np.sqrt(max(variance, 0.0)))
