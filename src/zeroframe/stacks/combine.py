"""Combine a stack of frames into one: reject, then average, median or sum, tile by tile.

This is the numerical half of `zeroframe.combine`: it knows stacks and arrays, not CCDData, and is what both the
verb and the folder commands call. Where weights or functions of the caller's own are used, kernels only reject, and
the rest is done in numpy.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import field, replace
from queue import SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zeroframe.errors import MemoryLimitError, UsageError, nearest_name
from zeroframe.fits.timeline import spanned
from zeroframe.kernels.sorting import sorting_pairs
from zeroframe.kernels.stack import (
    AVERAGE,
    MEDIAN,
    NO_LIMITS,
    SUM,
    Limits,
    stack_average,
    stack_ordered,
)
from zeroframe.kernels.stack_weighted import stack_weighted
from zeroframe.records import dataclass
from zeroframe.stacks.functions import (
    Statistic,
    apply_statistic,
    error_by_weights,
    quiet_about_empty_pixels,
    weighted,
)
from zeroframe.stacks.rejecting import reject_in_tile
from zeroframe.workers import default_limit_bytes, map_threads, worker_count

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from zeroframe.stacks.pooled_noise import PooledNoise
    from zeroframe.stacks.rejections import Scheme
    from zeroframe.stacks.stack import Stack

__all__ = [
    "CENTERS",
    "SPREADS",
    "CombineSpec",
    "Combined",
    "Method",
    "Rejection",
    "combine_stack",
    "require_room",
    "result_bytes",
]

Method = Literal["average", "median", "sum"]
_STATISTICS = {"average": AVERAGE, "median": MEDIAN, "sum": SUM}
CENTERS = ("median", "mean")
SPREADS = ("mad_std", "std")

#: One tile of the stack: small enough for the outer caches, large enough that Python is called rarely. With 12 MB sixty
#: frames of 2.9 MB took 61 MB where 60 were allowed, with this 56.
_TILE_BYTES = 6 << 20
#: Of many frames a tile is larger, so that files are not opened for every row.
_FEWEST_ROWS = 16
#: What numpy's functions need of memory, in tiles; measured with a median and a MAD of 25 and of 100 frames.
_NUMPY_COPIES = 12
#: Counts are uint16.
_MOST_FRAMES = 65535


@dataclass(frozen=True, slots=True)
class Rejection:
    """What is rejected from the values of a pixel before they are combined; by default nothing.

    The kinds are applied in the order of the parameters, each to what the one before has left.

    Parameters
    ----------
    value_low, value_high : float, optional
        Values outside are rejected (ccdproc's ``minmax_clip``, IRAF's thresholds).
    drop_low, drop_high : int
        How many of the lowest and highest values are dropped (ccdproc's ``clip_extrema``, IRAF's ``minmax``). Where
        values are masked, the same fraction of those that are left, cut to a whole number.
    sigma_low, sigma_high : float, optional
        Values further than this many spreads below or above the center are rejected.
    center : {'median', 'mean'} or callable
        What deviations are counted from.
    spread : {'mad_std', 'std', 'floor'} or callable
        What they are counted in: 1.4826 times the median absolute deviation, the standard deviation, or the noise of
        ``floor_adu`` and ``photon_adu`` alone, as IRAF's ccdclip does.
    iterations : int
        How often clipping is repeated at most; it ends early when nothing more is rejected.
    floor_adu : float
        The spread is never taken as smaller than this (a read noise).
    photon_adu : float
        Photon noise that is added to the floor in squares: the center times this (1 / gain, for gain in e-/ADU).
    photon_from_adu : float
        What the center counts from for that: a level at which the floor holds all noise.
    scheme : Scheme, optional
        A rejection of another program, in place of clipping; see `zeroframe.stacks.rejections`.
    grow : float
        Of a frame, what lies within so many pixels of a rejected one is rejected, too.

    Raises
    ------
    UsageError
        When a value makes no sense.

    Examples
    --------
    >>> Rejection(sigma_low=5, sigma_high=5).clips
    True
    """

    value_low: float | None = None
    value_high: float | None = None
    drop_low: int = 0
    drop_high: int = 0
    sigma_low: float | None = None
    sigma_high: float | None = None
    center: Statistic = "median"
    spread: Statistic = "mad_std"
    iterations: int = 1
    floor_adu: float = 0.0
    photon_adu: float = 0.0
    photon_from_adu: float = 0.0
    scheme: Scheme | None = None
    grow: float = 0.0

    def __post_init__(self) -> None:
        _check_statistic("center", self.center, CENTERS)
        _check_statistic("spread", self.spread, (*SPREADS, "floor"))
        for name in ("drop_low", "drop_high", "floor_adu", "photon_adu", "grow"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(f"{name} is {getattr(self, name)!r}; it must be a number that is not negative")
        for name in ("value_low", "value_high", "sigma_low", "sigma_high"):
            value = getattr(self, name)
            if value is not None and math.isnan(value):
                raise UsageError(f"{name} is {value!r}; it must be a number, or None")
        if self.spread == "floor" and self.clips and not (self.floor_adu or self.photon_adu):
            raise UsageError("a spread of 'floor' needs floor_adu or photon_adu; without them every value is rejected")
        if self.scheme is not None and self.clips:
            raise UsageError(f"{self.scheme.name} takes the place of clipping; give one of them")
        if self.iterations < 1:
            raise UsageError(f"iterations is {self.iterations!r}; it must be 1 or more")

    @property
    def clips(self) -> bool:
        """Whether anything is rejected by its distance from the center."""
        return self.sigma_low is not None or self.sigma_high is not None

    @property
    def is_none(self) -> bool:
        """Whether nothing is rejected at all."""
        nothing = not (self.clips or self.drop_low or self.drop_high) and self.scheme is None
        return nothing and self.value_low is self.value_high is None

    @property
    def by_callable(self) -> bool:
        """Whether center or spread is a function of the caller's own."""
        return self.clips and (callable(self.center) or callable(self.spread))

    @property
    def in_numpy(self) -> bool:
        """Whether anything is rejected outside of the kernels."""
        return self.by_callable or self.scheme is not None or self.grow > 0

    def in_words(self) -> str:
        """Say it in a sentence, for people.

        Examples
        --------
        >>> Rejection(sigma_low=5, sigma_high=5).in_words()
        '5-sigma clipping about the median; sigma from the MAD'
        """
        if not self.clips or self.in_numpy or self.drop_low or self.drop_high or self.iterations > 1:
            return self.describe()
        low, high = (None if each is None else abs(each) for each in (self.sigma_low, self.sigma_high))
        reach = f"{low:g}" if low == high and low is not None else f"-{low or 0:g} to +{high or 0:g}"
        sigma = {"mad_std": "sigma from the MAD", "std": "sigma is the standard deviation", "floor": "sigma"}
        least = ", at least" if self.spread != "floor" else ""
        floor = f"{least} {self.floor_adu:.3g} ADU" if self.floor_adu else ""
        light = ", and more with the light" if self.photon_adu else ""
        return f"{reach}-sigma clipping about the {self.center}; {sigma.get(str(self.spread), 'sigma')}{floor}{light}"

    def describe(self) -> str:
        """Say it in a few words, for headers and reports.

        Examples
        --------
        >>> Rejection(sigma_low=5, sigma_high=5).describe()
        'clip -5 +5 mad_std about median'
        """
        words = []
        if self.value_low is not None or self.value_high is not None:
            words.append(f"values {self.value_low} to {self.value_high}")
        if self.drop_low or self.drop_high:
            words.append(f"drop {self.drop_low} low {self.drop_high} high")
        if self.clips:
            low = "" if self.sigma_low is None else f" -{abs(self.sigma_low):g}"
            high = "" if self.sigma_high is None else f" +{abs(self.sigma_high):g}"
            words.append(f"clip{low}{high} {_called(self.spread)} about {_called(self.center)}")
            if self.floor_adu or self.photon_adu:
                above = f" above {self.photon_from_adu:.4g}" if self.photon_from_adu else ""
                photon = f" photon {self.photon_adu:.4g}{above}" if self.photon_adu else ""
                words.append(f"floor {self.floor_adu:.4g}{photon}")
            if self.iterations > 1:
                words.append(f"x{self.iterations}")
        if self.scheme is not None:
            words.append(self.scheme.describe())
        if self.grow:
            words.append(f"grow {self.grow:g}")
        return " ".join(words) or "none"

    def limits(self) -> Limits:
        """Return the same as numbers for the kernels; clipping by the caller's own functions is left out."""
        clips = not self.by_callable
        return Limits(
            value_low=-math.inf if self.value_low is None else float(self.value_low),
            value_high=math.inf if self.value_high is None else float(self.value_high),
            drop_low=int(self.drop_low),
            drop_high=int(self.drop_high),
            sigma_low=abs(float(self.sigma_low)) if clips and self.sigma_low is not None else math.inf,
            sigma_high=abs(float(self.sigma_high)) if clips and self.sigma_high is not None else math.inf,
            center_is_mean=self.center == "mean",
            spread_is_std=self.spread == "std",
            iterations=int(self.iterations),
            floor_adu=float(self.floor_adu),
            photon_adu=float(self.photon_adu),
            floor_only=self.spread == "floor",
            photon_from=float(self.photon_from_adu),
        )


def _called(statistic: Statistic) -> str:
    return statistic if isinstance(statistic, str) else getattr(statistic, "__name__", type(statistic).__name__)


def _check_statistic(what: str, value: Statistic, known: tuple[str, ...]) -> None:
    if isinstance(value, str) and value not in known:
        raise UsageError(f"{what} is {value!r}, not one of {', '.join(known)}{nearest_name(value, known)}")
    if not (isinstance(value, str) or callable(value)):
        raise UsageError(f"{what} is {value!r}; it must be one of {', '.join(known)}, or a function")


@dataclass(frozen=True, slots=True)
class CombineSpec:
    """How a stack is combined.

    Parameters
    ----------
    method : {'average', 'median', 'sum'}
        What is made of the values that are left.
    rejection : Rejection
        What is rejected before.
    uncertainty : {'std', 'mad_std'} or callable, optional
        The spread from which the uncertainty is made, instead of the method's own; a function is called as
        ``uncertainty(stack, axis=0)`` with NaN where a value is masked or rejected. It is divided by sqrt(n) (for sums
        multiplied by it), as in ccdproc.
    pooled : PooledNoise, optional
        What is known of the noise of all pixels: with it each uncertainty is that of the pixel's error, see
        `zeroframe.stacks.pooled.pooled_noise`.
    variances : tuple of float, optional
        Of frames of unequal noise: variance of each over that which the rejection's floor says. Values are rejected by
        their own noise, and averaged with the inverse as weights.

    Raises
    ------
    UsageError
        When the method is not known.
    """

    method: Method = "average"
    rejection: Rejection = field(default_factory=Rejection)
    uncertainty: Statistic | None = None
    pooled: PooledNoise | None = None
    variances: tuple[float, ...] | None = None

    def subset(self, chosen: slice) -> CombineSpec:
        """Return how some of the frames are combined."""
        return self if self.variances is None else replace(self, variances=self.variances[chosen])

    def __post_init__(self) -> None:
        _check_statistic("method", str(self.method), tuple(_STATISTICS))
        if self.uncertainty is not None:
            _check_statistic("uncertainty", self.uncertainty, SPREADS)


@dataclass(frozen=True)
class Combined:
    """A combined frame.

    Attributes
    ----------
    data : ndarray of float, shape (ny, nx)
        The result; NaN where nothing was left.
    uncertainty : ndarray of float, shape (ny, nx)
        Of the average std / sqrt(n), of the median 1.4826 MAD / sqrt(n), of the sum std sqrt(n); the standard deviation
        is that of ccdproc, divided by n and not by n - 1. With ``CombineSpec.pooled`` that of the pixel's error.
    counts : ndarray of uint16, shape (ny, nx)
        How many frames each pixel used.
    """

    data: NDArray[Any]
    uncertainty: NDArray[Any]
    counts: NDArray[np.uint16]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """True where nothing was left."""
        return np.equal(self.counts, 0)

    def reshape(self, shape: tuple[int, ...]) -> Combined:
        """Return the same in another shape of as many pixels: that of frames which are no images."""
        return Combined(self.data.reshape(shape), self.uncertainty.reshape(shape), self.counts.reshape(shape))


def combine_stack(
    stack: Stack,
    spec: CombineSpec,
    *,
    factors: NDArray[np.float64] | None = None,
    offsets: NDArray[np.float64] | None = None,
    weights: NDArray[Any] | None = None,
    dtype: np.dtype[Any] | None = None,
    mem_limit_bytes: int | None = None,
    workers: int | None = None,
    progress: Callable[[float], None] | None = None,
    empty: Callable[..., NDArray[Any]] = np.empty,
) -> Combined:
    """Combine a stack tile by tile, on threads, within a memory limit.

    The result is the same to the bit for any number of workers and any memory limit.

    Parameters
    ----------
    stack : Stack
        The frames.
    spec : CombineSpec
        How.
    factors : ndarray of float64, shape (frames,), optional
        Each frame is multiplied by its factor before anything is rejected.
    offsets : ndarray of float64, shape (frames,), optional
        What is added to each frame before it is multiplied.
    weights : ndarray of float, shape (frames,) or (frames, ny, nx), optional
        For averages and sums. A value of weight zero is masked.
    dtype : dtype, optional
        float32 or float64; by default that of the stack.
    mem_limit_bytes : int, optional
        For the result and the tiles; by default half of the memory that is available.
    workers : int, optional
        How many threads; by default as many as there are cores.
    progress : callable, optional
        Called with the fraction done so far, from any of the threads, one at a time.
    empty : callable, optional
        Makes the arrays of the result and of the tiles, as `numpy.empty` does.

    Returns
    -------
    Combined
        Data, uncertainty and counts.

    Raises
    ------
    MemoryLimitError
        When not even one row of all frames fits.
    UsageError
        When weights are given for a median, a factor or weight makes no sense, nothing would be left after dropping
        values, or there are too many frames.
    """
    frames = len(stack.names)
    shape = stack.shape_yx
    kind = _result_dtype(stack.dtype if dtype is None else dtype)
    _check_spec(spec, frames, has_weights=weights is not None)
    scale = _checked_factors(factors, frames)
    _check_weights(weights, spec, (frames, *shape))
    in_numpy = weights is not None or spec.rejection.in_numpy or spec.uncertainty is not None
    halo = math.floor(spec.rejection.grow)  # rows beside a tile whose rejected pixels reach into it
    threads = worker_count(workers)
    limit = default_limit_bytes() if mem_limit_bytes is None else mem_limit_bytes
    rows, threads = _tile_rows(frames, shape, kind, limit, threads, copies=_NUMPY_COPIES if in_numpy else 1)
    result = Combined(empty(shape, kind), empty(shape, kind), empty(shape, np.uint16))
    buffers: SimpleQueue[NDArray[Any]] = SimpleQueue()
    for _ in range(threads):
        buffers.put(empty((frames, min(rows + 2 * halo, shape[0]), shape[1]), kind))
    starts = range(0, shape[0], rows)
    told = _Progress(progress, len(starts))

    def one_tile(start: int) -> None:
        band = slice(start, min(start + rows, shape[0]))
        seen = slice(max(band.start - halo, 0), min(band.stop + halo, shape[0]))
        height = seen.stop - seen.start
        buffer = buffers.get()
        try:
            tile = buffer.reshape(-1)[: frames * height * shape[1]].reshape(frames, height, shape[1])
            for index in range(frames):
                stack.read_rows(index, seen, tile[index])
                if offsets is not None:
                    tile[index] += tile.dtype.type(offsets[index])
            band_weights = weights if weights is None or weights.ndim == 1 else weights[:, seen]
            _combine_tile(tile, spec, scale, band_weights, result, band, above=band.start - seen.start)
        finally:
            buffers.put(buffer)
        told.one_more()

    with quiet_about_empty_pixels() if in_numpy else nullcontext():
        map_threads(one_tile, starts, threads)
    return result


class _Progress:
    """Counts tiles, and says the fraction done to one listener at a time."""

    def __init__(self, listener: Callable[[float], None] | None, total: int) -> None:
        self.listener = listener
        self.total = total
        self.done = 0
        self.lock = Lock()

    def one_more(self) -> None:
        if self.listener is not None:
            with self.lock:
                self.done += 1
                self.listener(self.done / self.total)


def _result_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    kind: np.dtype[Any] = np.dtype(dtype).newbyteorder("=")
    if kind not in {np.dtype(np.float32), np.dtype(np.float64)}:
        raise UsageError(f"dtype is {np.dtype(dtype)}; frames are combined to float32 or float64")
    return kind


def _check_spec(spec: CombineSpec, frames: int, *, has_weights: bool) -> None:
    """Raise `UsageError` where so many frames cannot be combined like that."""
    if not 1 <= frames <= _MOST_FRAMES:
        raise UsageError(f"{frames} frames cannot be combined; from 1 to {_MOST_FRAMES} can")
    low, high = spec.rejection.drop_low, spec.rejection.drop_high
    if low + high >= frames:
        raise UsageError(
            f"dropping the {low} lowest and {high} highest values leaves nothing of {frames} frames; drop fewer"
        )
    if spec.variances is None:
        return
    if len(spec.variances) != frames or spec.method != "average" or has_weights:
        raise UsageError(f"variances of {len(spec.variances)} frames are for an average of as many, without weights")
    if spec.rejection.in_numpy:
        raise UsageError("frames of unequal noise are clipped by kernels; leave the variances out")


def _checked_factors(factors: NDArray[np.float64] | None, frames: int) -> NDArray[np.float64]:
    if factors is None:
        return np.ones(frames)
    values = np.ascontiguousarray(factors, dtype=np.float64)
    if values.shape != (frames,) or not np.isfinite(values).all():
        raise UsageError(f"scale factors are {values}; {frames} frames need as many finite numbers")
    return values


def _check_weights(weights: NDArray[Any] | None, spec: CombineSpec, shape: tuple[int, int, int]) -> None:
    if weights is None:
        return
    if spec.method == "median":
        raise UsageError("a median takes no weights; combine by 'average', or leave the weights out")
    if weights.shape not in {shape[:1], shape}:
        raise UsageError(f"weights have shape {weights.shape}; these frames need {shape[:1]} or {shape}")
    if not (np.isfinite(weights).all() and weights.min() >= 0):
        raise UsageError("weights must be finite and not negative; a weight of zero leaves a value out")
    if not weights.any():
        raise UsageError("all weights are zero, which leaves nothing to combine; give one frame at least a weight")


def result_bytes(shape_yx: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Return how much memory a result takes: its pixels, their uncertainties, and counts of two bytes."""
    return math.prod(shape_yx) * (2 * dtype.itemsize + 2)


def require_room(
    frames: int, shape_yx: tuple[int, int], dtype: np.dtype[Any], limit_bytes: int, *, beside_bytes: int = 0
) -> int:
    """Return what is left of the memory beside a result and a tile of the frames that are combined.

    Parameters
    ----------
    frames : int
        How many.
    shape_yx : tuple of int
        Of each.
    dtype : dtype
        What they are combined in.
    limit_bytes : int
        How much memory there is.
    beside_bytes : int
        What the caller needs of it while there is the result.

    Returns
    -------
    int
        Bytes, not negative.

    Raises
    ------
    MemoryLimitError
        Where `combine_stack` would raise it; here it is before anything is read.
    """
    _tile_rows(frames, shape_yx, dtype, limit_bytes, 1, copies=1, beside_bytes=beside_bytes)
    ny, nx = shape_yx
    tile = min(max(_TILE_BYTES, frames * nx * dtype.itemsize), frames * ny * nx * dtype.itemsize)
    return max(limit_bytes - result_bytes(shape_yx, dtype) - beside_bytes - tile, 0)


def _tile_rows(
    frames: int,
    shape_yx: tuple[int, int],
    dtype: np.dtype[Any],
    limit_bytes: int,
    threads: int,
    *,
    copies: int,
    beside_bytes: int = 0,
) -> tuple[int, int]:
    """How many rows a tile has, and how many threads work on tiles, so that the limit holds."""
    ny, nx = shape_yx
    row_bytes = frames * nx * dtype.itemsize
    needed_bytes = row_bytes * copies
    results_bytes = result_bytes(shape_yx, dtype) + beside_bytes
    left = limit_bytes - results_bytes
    if left < needed_bytes:
        raise MemoryLimitError(
            f"the memory limit of {limit_bytes / 1e6:.1f} MB does not hold the result ({results_bytes / 1e6:.1f} MB) "
            f"and one row of {frames} frames ({needed_bytes / 1e6:.1f} MB); raise it to "
            f"{math.ceil((results_bytes + needed_bytes) / 1e6)} MB or more"
        )
    threads = max(min(threads, left // needed_bytes), 1)
    rows = min(max(_TILE_BYTES // row_bytes, _FEWEST_ROWS), -(-ny // threads), left // (threads * needed_bytes))
    return int(rows), int(threads)


@spanned("combine rows")
def _combine_tile(
    tile: NDArray[Any],
    spec: CombineSpec,
    factors: NDArray[np.float64],
    weights: NDArray[Any] | None,
    result: Combined,
    band: slice,
    *,
    above: int = 0,
) -> None:
    """Combine one tile, which is used up, into its rows of the result; ``above`` and below there may be others."""
    frames = tile.shape[0]
    flat = tile.reshape(frames, -1)
    pairs = sorting_pairs(frames)
    limits = spec.rejection.limits()
    statistic = _STATISTICS[spec.method]
    plain = spec.rejection.is_none
    if weights is not None or spec.rejection.in_numpy or spec.uncertainty is not None:
        if weights is not None:
            unused = weights == 0 if weights.ndim == tile.ndim else (weights == 0)[:, None, None]
            tile[np.broadcast_to(unused, tile.shape)] = np.nan
        reject_in_tile(tile, spec.rejection, factors, pairs)
        inner = slice(above, above + band.stop - band.start)
        tile = np.ascontiguousarray(tile[:, inner])
        flat = tile.reshape(frames, -1)
        weights = weights if weights is None or weights.ndim == 1 else weights[:, inner]
        factors, limits, plain = np.ones(frames), NO_LIMITS, True
    rows = (result.data[band], result.uncertainty[band], result.counts[band])
    data, error, counts = (part.reshape(-1) for part in rows)
    if spec.variances is not None:
        stack_weighted(flat, factors, np.array(spec.variances), pairs, limits, data, error, counts)
    elif plain and spec.method != "median":
        stack_average(flat, factors, statistic, data, error, counts)
    else:
        stack_ordered(flat, factors, pairs, limits, statistic, data, error, counts)
    if spec.uncertainty is not None:
        root = np.sqrt(rows[2].astype(np.float64))
        with np.errstate(invalid="ignore", divide="ignore"):
            found = apply_statistic(spec.uncertainty, tile)
            rows[1][:] = found * root if spec.method == "sum" else found / root
    if spec.pooled is not None:
        spec.pooled.apply(spec.method, frames, data, error, counts)
    if weights is not None:
        total = spec.method == "sum"
        rows[0][:] = weighted(tile, weights, total=total)
        if spec.pooled is not None:
            variances = spec.pooled.frame_variances or (1.0,) * frames
            rows[1][:] *= error_by_weights(tile, weights, variances, total=total)
