"""Read images back from files for the page: small ones of whole frames, and samples of many frames.

Every file is read in bands of rows, so that a page needs little memory; only compressed files are inflated whole,
one for each thread.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import FrameError, ZeroframeWarning
from zeroframe.fits import scan
from zeroframe.fits.failures import attempt
from zeroframe.fits.store.names import UrlPath
from zeroframe.frames.medians import median_of_valid
from zeroframe.frames.numbers import spread_evenly
from zeroframe.frames.statistics import clipped_std
from zeroframe.kernels.stack import MAD_TO_SIGMA
from zeroframe.records import dataclass
from zeroframe.report.data import Histogram
from zeroframe.stacks.noise import SampledStack, read_bands
from zeroframe.stacks.stack import ArrayStack, ImageOnDisk, Stack, open_stack
from zeroframe.verbs.display import block_average
from zeroframe.workers import map_threads

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zeroframe.frames.steps import FrameRecipe

__all__ = [
    "PREVIEW_PIXELS",
    "PageSample",
    "TrimmedImage",
    "bins_for",
    "edge_profile",
    "histogram_of",
    "open_rows",
    "preview",
    "preview_block",
    "sample_for_page",
    "sample_frames",
    "stack_of_samples",
    "thumbnail_shape",
]

#: A picture of so many pixels has enough for a screen, and 0.23 MB as PNG when it is full of noise.
PREVIEW_PIXELS = 180_000
_THUMBNAIL_PIXELS = 4_600
#: All thumbnails together: 0.5 MB of the page.
_ALL_THUMBNAILS = 400_000
_FEWEST_THUMBNAIL_PIXELS = 500
_BAND_ROWS = 4
_BAND_BYTES = 4 << 20
#: Noise from so many pixels is good to 0.2 %.
_NOISE_PIXELS = 100_000
_ALL_NOISE_BYTES = 64 << 20
_EDGE_LINES = 1024
#: Of a few columns that are kept of them, so many whole lines are in memory at a time.
_LINES_AT_ONCE = 128
_BINS = 48
_LEAST_SIGMA = 1e-300
_SIGMAS = 6.0


def open_rows(path: Path) -> Stack:
    """Open one file so that rows can be read from it; one of a store is fetched, since they are read one by one."""
    if not isinstance(path, UrlPath):
        return open_stack([path], in_memory_bytes=1 << 62, workers=1)[0]
    image = ImageOnDisk.find(scan(path))
    if not image.is_plain:
        return open_stack([path], in_memory_bytes=1 << 62, workers=1)[0]
    ny, nx = image.layout.shape_yx
    pixels = np.empty((ny, nx), image.dtype)
    image.read_rows(slice(0, ny), pixels)
    return ArrayStack((pixels,), (None,), (str(path),))


class TrimmedImage:
    """The pixels of a raw image in their places in the calibrated one, of which rows can be read as of that.

    Parameters
    ----------
    image : Stack
        Of one raw frame.
    recipe : FrameRecipe
        What is kept of it, and where that goes.
    """

    def __init__(self, image: Stack, recipe: FrameRecipe) -> None:
        self._image = image
        self._parts = [region.part(image.shape_yx) for region in recipe.regions]
        self.names, self.dtype = image.names, image.dtype
        self.shape_yx = recipe.shape_yx(image.shape_yx)

    def read_rows(self, index: int, rows: slice, out: NDArray[Any]) -> None:
        """Fill ``out`` with rows of the calibrated image."""
        wanted = range(self.shape_yx[0])[rows]
        for part in self._parts:
            first, last = max(wanted.start - part.to_y, 0), min(wanted.stop - part.to_y, part.ny)
            if first >= last:
                continue
            top, bottom = (part.ny - last, part.ny - first) if part.flip_y else (first, last)
            read = np.empty((last - first, self._image.shape_yx[1]), self.dtype)
            self._image.read_rows(index, slice(part.y0 + top, part.y0 + bottom), read)
            kept = read[:: -1 if part.flip_y else 1, part.x0 : part.x0 + part.nx][:, :: -1 if part.flip_x else 1]
            start = part.to_y + first - wanted.start
            out[start : start + last - first, part.to_x : part.to_x + part.nx] = kept


def preview_block(shape_yx: tuple[int, int], pixels: int = PREVIEW_PIXELS) -> int:
    """Return the side of the squares that are averaged into one pixel of a picture of so many pixels at most.

    Examples
    --------
    >>> preview_block((4128, 2080)), preview_block((100, 100)), preview_block((100, 100), 400)
    (7, 1, 5)
    """
    ny, nx = shape_yx
    block = 1
    while -(-ny // block) * -(-nx // block) > pixels:
        block += 1
    return block


def preview(
    image: Stack,
    canvas_yx: tuple[int, int] | None = None,
    place_yx: tuple[slice, slice] | None = None,
    pixels: int = PREVIEW_PIXELS,
) -> NDArray[np.float64]:
    """Average an image over squares of pixels, reading it in bands.

    Parameters
    ----------
    image : Stack
        Of one frame.
    canvas_yx : (int, int), optional
        Shape of the frame that the image was cut out of; by default its own.
    place_yx : (slice, slice), optional
        Where it stood there; negative steps where it was flipped.
    pixels : int
        How many the picture may have.

    Returns
    -------
    ndarray of float64
        Of the canvas, NaN where it has no pixel of the image.
    """
    ny, nx = image.shape_yx if canvas_yx is None else canvas_yx
    rows, columns = place_yx or (slice(0, ny), slice(0, nx))
    taken, across = range(ny)[rows], range(nx)[columns]
    block = preview_block((ny, nx), pixels)
    height = max(_BAND_BYTES // (image.dtype.itemsize * nx * block), 1) * block
    bottom, left = min(taken[0], taken[-1]), min(across[0], across[-1])
    averages = []
    for start in range(0, ny, height):
        band = np.full((min(height, ny - start), nx), np.nan, image.dtype)
        first, last = max(start, bottom) - bottom, min(start + len(band), bottom + len(taken)) - bottom
        if first < last:
            source = slice(first, last) if taken.step > 0 else slice(len(taken) - last, len(taken) - first)
            part = np.empty((last - first, len(across)), image.dtype)
            image.read_rows(0, source, part)
            target = slice(first + bottom - start, last + bottom - start)
            band[target, left : left + len(across)] = part[:: taken.step, :: across.step]
            del part
        averages.append(block_average(band, block))
        del band  # before there is the next one
    return np.concatenate(averages).astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class PageSample:
    """Some rows of a calibrated frame, and what they show.

    Attributes
    ----------
    thumbnail : ndarray, shape (ny, nx)
        A small image.
    rows, columns : ndarray
        Medians of its rows and columns.
    pixels : ndarray, shape (rows, nx)
        Rows spread over the frame, at full resolution.
    noise : float
        Of one pixel, from differences of neighbours.
    """

    thumbnail: NDArray[np.float64]
    rows: NDArray[np.float64]
    columns: NDArray[np.float64]
    pixels: NDArray[Any]
    noise: float


def thumbnail_shape(shape_yx: tuple[int, int], frames: int) -> tuple[int, int]:
    """Return the shape of small images: less of each where there are many frames.

    Examples
    --------
    >>> thumbnail_shape((4128, 2048), 25), thumbnail_shape((4128, 2048), 1000)
    ((96, 48), (32, 16))
    """
    ny, nx = shape_yx
    most = min(max(_ALL_THUMBNAILS // max(frames, 1), _FEWEST_THUMBNAIL_PIXELS), _THUMBNAIL_PIXELS)
    scale = min((most / (ny * nx)) ** 0.5, 1.0)
    return max(round(ny * scale), 1), max(round(nx * scale), 1)


def sample_for_page(path: Path, frames: int) -> PageSample:
    """Read a sample of a calibrated frame.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    frames : int
        How many frames are sampled in all, which share the room on the page and in memory.

    Returns
    -------
    FrameSample
    """
    image = open_rows(path)
    ny, nx = image.shape_yx
    height, width = thumbnail_shape((ny, nx), frames)
    deep = min(_BAND_ROWS, ny // height)
    starts = np.linspace(0, ny - deep, height).astype(int)
    sampled = read_bands(image, 0, [slice(start, start + deep) for start in starts.tolist()])
    bands = sampled.reshape(height, deep, nx)
    edges = np.linspace(0, nx, width + 1).astype(int)[:-1]
    good = np.isfinite(bands)
    total = np.add.reduceat(np.where(good, bands, 0).sum(axis=1, dtype=np.float64), edges, axis=1)
    valid = np.add.reduceat(good.sum(axis=1), edges, axis=1).astype(np.float64)
    valid[valid == 0] = np.nan
    thumbnail = total / valid
    most = min(_NOISE_PIXELS, _ALL_NOISE_BYTES // (frames * image.dtype.itemsize))
    chosen = spread_evenly(0, height - 1, min(height, max(most // nx, 1))).tolist()
    pixels = bands[chosen, 0]
    with np.errstate(invalid="ignore"):  # infinities
        noise = clipped_std(np.diff(pixels, axis=1)) / float(np.sqrt(2.0)) if nx > 1 else float("nan")
    return PageSample(thumbnail, _medians(thumbnail, 1), _medians(thumbnail, 0), pixels, noise)


def sample_frames(paths: Sequence[Path], workers: int | None = None) -> dict[Path, PageSample]:
    """Read samples of calibrated frames, on threads.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        The files, which share the room on the page.
    workers : int, optional
        How many threads.

    Returns
    -------
    dict of path to FrameSample
        In the order of ``paths``.

    Warns
    -----
    ZeroframeWarning
        When one of them cannot be read; the page does without it.
    """
    read = map_threads(lambda path: attempt(path, sample_for_page, path, len(paths)), paths, workers)
    samples: dict[Path, PageSample] = {}
    for path, sample in zip(paths, read, strict=True):
        if isinstance(sample, FrameError):
            warnings.warn(f"{sample} (the report shows no pixels of it)", ZeroframeWarning, stacklevel=2)
        else:
            samples[path] = sample
    return samples


def _medians(image: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Medians of what is valid; NaN where nothing is."""
    some = np.isfinite(image).any(axis=axis)
    result = np.full(some.shape, np.nan)
    lines = image[some] if axis == 1 else image[:, some]
    if lines.size:
        whole = not np.isnan(lines).any()
        result[some] = median_of_valid(lines, axis) if whole else np.nanmedian(lines, axis=axis)
    return result


def stack_of_samples(samples: Sequence[PageSample]) -> SampledStack:
    """Return the sampled rows as a stack, for measuring noise."""
    return SampledStack(tuple(sample.pixels for sample in samples))


def bins_for(pixels: NDArray[Any], middle: float, sigma: float, bins: int = _BINS) -> tuple[float, float, int]:
    """Return limits and number of bins that reach six sigma either way of the middle.

    Parameters
    ----------
    pixels : ndarray
        A frame that is to be shown. Where its values are whole (or half) numbers, so are the widths of the bins:
        otherwise some bins would hold two values and others one.
    middle, sigma : float
        Of its values.
    bins : int
        About how many.

    Returns
    -------
    low, high : float
    bins : int

    Examples
    --------
    >>> import numpy as np
    >>> bins_for(np.array([0, 1, -1]), 0.2, 4.0), bins_for(np.array([0.1]), 0.0, 4.0)
    ((-24.5, 24.5, 49), (-24.0, 24.0, 48))
    """
    # bins narrower than float32 can tell numbers of this size apart, or than any number is, would be none
    sigma = max(sigma, abs(middle) * float(np.finfo(np.float32).eps) * bins / _SIGMAS, _LEAST_SIGMA)
    width = 2 * _SIGMAS * sigma / bins
    doubled = 2 * pixels[np.isfinite(pixels)].astype(np.float64)
    if not np.array_equal(doubled, np.rint(doubled)):
        return middle - _SIGMAS * sigma, middle + _SIGMAS * sigma, bins
    width = max(round(width), 1)
    each = max(round(_SIGMAS * sigma / width), 1)
    center = round(middle)
    return center - (each + 0.5) * width, center + (each + 0.5) * width, 2 * each + 1


def histogram_of(pixels: NDArray[Any], low: float, high: float, bins: int) -> Histogram:
    """Count pixels in bins from low to high; those beyond are counted in the first and last."""
    # numpy takes the limits in the type of the values, and float32 knows no bins below 1E-38 or beyond 3E38
    valid = pixels[np.isfinite(pixels)].astype(np.float64, copy=False)
    counts, _ = np.histogram(np.clip(valid, low, high), bins=bins, range=(low, high))
    return Histogram(low, high, tuple(int(count) for count in counts))


def edge_profile(
    image: Stack, axis: int, first: int, last: int, lines: tuple[int, int] | None = None
) -> NDArray[np.float64]:
    """Return the levels of some columns (axis 1) or rows (axis 0) of a frame, from rows (columns) spread over it.

    Parameters
    ----------
    image : Stack
        Of one frame.
    axis : {0, 1}
        1: of columns, 0: of rows.
    first, last : int
        Which, counted from 0; ``last`` is not one of them.
    lines : (int, int), optional
        From and up to which row (column) they are looked at, where others were read by another amplifier.

    Returns
    -------
    ndarray of float64, shape (last - first,)
        Means of what lies within five sigma of the median, so that neither stars nor whole numbers show.
    """
    ny, nx = image.shape_yx
    if axis == 0:
        rows = np.empty((last - first, nx), image.dtype)
        image.read_rows(0, slice(first, last), rows)
        begin, end = lines or (0, nx)
        return _clipped_means(rows[:, begin : end : max((end - begin) // _EDGE_LINES, 1)].T)
    begin, end = lines or (0, ny)
    starts = (begin + spread_evenly(0, end - begin - 1, min(end - begin, _EDGE_LINES))).tolist()
    sampled = np.empty((len(starts), last - first))
    for top in range(0, len(starts), _LINES_AT_ONCE):
        lines_read = [slice(start, start + 1) for start in starts[top : top + _LINES_AT_ONCE]]
        sampled[top : top + _LINES_AT_ONCE] = read_bands(image, 0, lines_read)[:, first:last]
    return _clipped_means(sampled)


def _clipped_means(lines: NDArray[Any]) -> NDArray[np.float64]:
    """Return the clipped mean of each column of an array."""
    centers = _medians(np.asarray(lines, dtype=np.float64), 0)
    deviations = lines - centers
    spreads = np.fmax(MAD_TO_SIGMA * _medians(np.abs(deviations), 0), 0.5)
    inlying = np.abs(deviations) <= 5.0 * spreads
    with np.errstate(invalid="ignore"):
        means: NDArray[np.float64] = centers + np.where(inlying, deviations, 0.0).sum(axis=0) / inlying.sum(axis=0)
    return means
