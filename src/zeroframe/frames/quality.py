"""What a frame is like, measured on a part of its rows, and which frames do not belong to the others."""

from __future__ import annotations

from collections import Counter
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.fits.precision import single_if_it_holds
from zeroframe.fits.timeline import spanned
from zeroframe.frames.colours import PHASES, colour_bands, each_colour, plane_of
from zeroframe.frames.flat_shapes import (
    FEWEST_TO_COMPARE,
    Flag,
    FlatShape,
    joined_shapes,
    measure_flat,
    odd_flats,
    place_of,
)
from zeroframe.frames.medians import median_of_valid
from zeroframe.frames.numbers import number, percent, spread_evenly
from zeroframe.frames.statistics import clipped_std, sampled_level
from zeroframe.headers.kinds import is_lit
from zeroframe.kernels.moments import count_not_finite32
from zeroframe.kernels.stack import MAD_TO_SIGMA
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zeroframe.headers.colours import ColourPattern
    from zeroframe.headers.dialects import FrameFacts
    from zeroframe.headers.kinds import Kind

__all__ = [
    "LOST_PART",
    "Flag",
    "FrameQuality",
    "count_non_finite",
    "flag_frames",
    "measure_bands",
    "measure_frame",
    "quality_bands",
    "stated_noise",
]

#: The map of a frame has so many cells along each axis, of which each is sampled on this many rows.
_CELLS, _CELL_ROWS = 32, 8
_SPREAD_PIXELS = 40_000
_WITHIN_SPREADS = 5.0

#: A figure that stands off the others' median by so many of their robust sigmas is odd. With as few as three frames the
#: MAD is often far too small, so that the floors below decide.
_ODD_SIGMAS = 8.0
#: Of so few levels that wander two are near each other by chance: the floor is higher by Student's t of one frame less
#: (10 % on both sides) over that of many. At 0.5 noises rms 6 of 1,000 good nights of three darks were told, none is.
_FEW_LEVELS = {3: 1.78, 4: 1.43, 5: 1.30, 6: 1.22, 7: 1.18, 8: 1.15, 9: 1.13, 10: 1.11}
#: Level and shape, in noises of a pixel: where an overscan was subtracted frames agree to a few hundredths, elsewhere
#: the level of a camera drifts by a noise or so, from frame to frame and along the rows.
_LEVEL_NOISES, _SHAPE_NOISES, _DRIFTING_NOISES = 0.25, 0.5, 1.5
#: Light in a corner, which no drift of rows or columns is.
_LEAK_NOISES, _FEWEST_CELLS = 0.4, 8
#: Shape, against the median of the others' own.
_SHAPE_RATIO = 3.0
_NOISE_FRACTION = 0.1
#: Of two frames the one that is so much noisier than the other, and brighter by so many noises, holds charge.
_NOISIER, _BRIGHTER_NOISES = 1.25, 1.5
_TEMPERATURE_C = 2.0
_GAIN_FRACTION = 0.01
_EXPOSURE_S, _EXPOSURE_FRACTION = 1.0, 0.02
#: Pixels that cannot be used, above so many times the others' share; where there is nothing to compare with, half.
_SATURATED_FRACTION, _NON_FINITE_FRACTION = 1e-3, 1e-2
_SHARE_RATIO, _LONE_SHARE = 5.0, 0.5
#: A calibration frame of which more than this fraction has no value, be it that it was never read, does not belong.
LOST_PART = 0.25
#: From so many pixels on a kernel counts those that are not finite: of 8 million in 0.3 ms, numpy's extremes take 1.8.
_KERNEL_PIXELS = 1 << 20
#: Pairs of rows on which noise is held against uncertainties.
_NOISE_PAIRS = 128


@dataclass(frozen=True, slots=True, eq=False)
class FrameQuality:
    """What a calibrated frame is like.

    Attributes
    ----------
    level_adu : float
        Mean level, outliers left out.
    noise_adu : float
        Noise of a pixel against its neighbours, with what is common to a row or to a column taken out.
    saturated, non_finite : int
        How many pixels, of all that were looked at.
    pixels : int
        How many those are: the whole frame, or the rows that were read.
    cells_adu : ndarray of float32, shape (up to 32, up to 32)
        The frame as a coarse map: mean of each cell less the level, outliers cut down to five spreads.
    flat : FlatShape or None
        Of a flat: its light.
    traces : mapping of str to float
        What it shows that it should not, by the names of figures; see `zeroframe.frames.traces`.
    """

    level_adu: float
    noise_adu: float
    saturated: int
    non_finite: int
    pixels: int
    cells_adu: NDArray[np.float32]
    flat: FlatShape | None = None
    traces: Mapping[str, float] = field(default_factory=dict)


@spanned("measure")
def measure_frame(
    pixels: NDArray[Any],
    *,
    is_flat: bool = False,
    colours: ColourPattern | None = None,
    mask: NDArray[np.uint8] | None = None,
    empty: Callable[..., NDArray[Any]] = np.empty,
) -> FrameQuality:
    """Measure one frame; 6 ms for 4128 x 2048 pixels, 12 ms of a flat.

    Parameters
    ----------
    pixels : ndarray of float, shape (ny, nx)
        A calibrated frame; not finite where masked.
    is_flat : bool
        Whether the shape of its light is measured.
    colours : ColourPattern, optional
        Of the frame: what it is like is measured within each colour, and the mean of that is told.
    mask : ndarray of bits, shape (ny, nx), optional
        Not 0 where a pixel takes no part: beside a slit a frame that was divided by its flat is as large as it is
        noisy.
    empty : callable, optional
        Makes memory for the rows that are looked at, as `numpy.empty` does.

    Returns
    -------
    FrameQuality
        Level, noise and map from up to 256 rows; pixels that are not finite counted on all. What is
        saturated is told by the raw numbers, and not here.

    Examples
    --------
    >>> import numpy as np
    >>> frame = np.random.default_rng(1).normal(100.0, 4.0, (300, 200)).astype(np.float32)
    >>> quality = measure_frame(frame)
    >>> round(quality.level_adu), round(quality.noise_adu), quality.cells_adu.shape
    (100, 4, (32, 32))
    """
    bands = quality_bands(len(pixels))
    height = bands[0].stop - bands[0].start
    sample = empty((len(bands), height, pixels.shape[1]), pixels.dtype)
    for band, rows in zip(bands, sample, strict=True):
        rows[...] = pixels[band]
        if mask is not None:
            rows[mask[band] != 0] = np.nan
    if colours is not None and min(height, pixels.shape[1]) > 1:
        measured = _measured_by_colour(pixels, sample, colours, mask, is_flat=is_flat)
    else:
        measured = measure_bands(sample, sampled_level(pixels, mask), is_flat=is_flat)
    return replace(measured, non_finite=count_non_finite(pixels), pixels=pixels.size)


def _measured_by_colour(
    pixels: NDArray[Any], sample: NDArray[Any], colours: ColourPattern, mask: NDArray[np.uint8] | None, *, is_flat: bool
) -> FrameQuality:
    """Measure the planes of a frame, and put together what was found: means, and root mean squares of noise."""
    parts = colour_bands(sample, colours)
    width = min(part.shape[2] for part in parts)
    masks = [None if mask is None else plane_of(mask, phase) for phase in PHASES]
    measured = [
        measure_bands(
            np.ascontiguousarray(part[..., :width]), sampled_level(plane_of(pixels, phase), own), is_flat=is_flat
        )
        for part, phase, own in zip(parts, PHASES, masks, strict=True)
    ]
    shapes = [each.flat for each in measured if each.flat is not None]
    with np.errstate(invalid="ignore"):
        return FrameQuality(
            level_adu=float(np.mean([each.level_adu for each in measured])),
            noise_adu=float(np.sqrt(np.mean(np.square([each.noise_adu for each in measured])))),
            saturated=0,
            non_finite=0,
            pixels=sample.size,
            cells_adu=np.mean([each.cells_adu for each in measured], axis=0, dtype=np.float32),
            flat=joined_shapes(shapes) if shapes else None,
        )


def stated_noise(
    pixels: NDArray[Any], sigma: NDArray[Any], mask: NDArray[Any], colours: ColourPattern | None = None
) -> tuple[float, float]:
    """Return the median uncertainty of a frame, and the noise of its pixels over what the uncertainties say.

    Each square of four pixels has a difference, of which rows, columns and slopes drop out, and a standard deviation,
    from the uncertainties of the four; the ratio is the spread of all differences over theirs. It is right where the
    background is uneven, too. Where stars are close together, their light differs between the four as well: only the
    fainter half of the squares takes part, told by their sums, with which the noise of their differences has nothing
    in common.

    Parameters
    ----------
    pixels : ndarray of float, shape (ny, nx)
        A calibrated frame.
    sigma : ndarray of float, shape (ny, nx)
        Standard deviations of its pixels.
    mask : ndarray of bool or of bits, shape (ny, nx)
        True where a pixel takes no part.
    colours : ColourPattern, optional
        Of the frame: the four pixels are of one colour each, and the root mean square over the planes is told.

    Returns
    -------
    tuple of float
        NaN where the frame is too small, or nothing of it is valid.

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(100, 3, (64, 256))
    >>> median, ratio = stated_noise(noise, np.full((64, 256), 3.0), np.zeros((64, 256), bool))
    >>> median, round(ratio, 1)
    (3.0, 1.0)
    """
    if colours is not None:
        planes = each_colour(colours, (), (pixels, sigma, mask))
        found = [stated_noise(own, own_sigma, own_mask) for own, own_sigma, own_mask in planes]
        medians, ratios = zip(*found, strict=True)
        return float(np.mean(medians)), float(np.sqrt(np.mean(np.square(ratios))))
    ny, nx = pixels.shape
    if ny < 2 or nx < 2:
        return float("nan"), float("nan")
    starts = spread_evenly(0, ny - 2, min(_NOISE_PAIRS, ny - 1))
    rows = (starts[:, np.newaxis] + np.arange(2)).ravel()

    def squares(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return values[:, : nx // 2 * 2].reshape(len(starts), 2, -1, 2)

    # one after the other: each is as large as a fair part of a small frame, and no limit of memory counts it
    values = pixels[rows].astype(np.float64)
    values[mask[rows] != 0] = np.nan
    scaled = np.einsum("pyxk,yk->px", squares(values), np.array([[1.0, -1.0], [-1.0, 1.0]]))
    sums = squares(values).sum(axis=(1, 3))
    del values
    errors = sigma[rows]
    errors[mask[rows] != 0] = np.nan
    valid = errors[np.isfinite(errors) & (errors > 0)]
    median = float(median_of_valid(valid)) if valid.size else float("nan")
    del valid
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled /= np.sqrt(squares(np.square(errors, dtype=np.float64)).sum(axis=(1, 3)))
    known = np.isfinite(sums) & np.isfinite(scaled)
    if not known.any():
        return median, float("nan")
    return median, clipped_std(scaled[known & (sums <= median_of_valid(sums[known]))])


def quality_bands(ny: int) -> list[slice]:
    """Return bands of neighbouring rows of one height, spread evenly."""
    bands = max(min(_CELLS, ny // 2), 1)
    height = max(min(_CELL_ROWS, ny // bands // 2 * 2), 1)
    return [slice(int(start), int(start) + height) for start in np.linspace(0, ny - height, bands)]


def measure_bands(sample: NDArray[Any], level: float, *, is_flat: bool = False) -> FrameQuality:
    """Measure bands of rows, of shape (bands, rows, nx), which are used up; nothing is counted."""
    thin = sample[..., :: max(sample.size // _SPREAD_PIXELS, 1)].reshape(-1)
    valid = thin[np.isfinite(thin)]
    spread = MAD_TO_SIGMA * float(median_of_valid(np.abs(valid - level))) if valid.size else float("nan")
    noise = _pixel_noise(sample)
    flat = measure_flat(sample, noise) if is_flat else None
    reach = _WITHIN_SPREADS * max(spread, noise) if np.isfinite(spread + noise) else np.inf
    sample -= sample.dtype.type(level)
    sample[~np.isfinite(sample)] = 0.0
    np.clip(sample, -reach, reach, out=sample)
    return FrameQuality(
        level_adu=level,
        noise_adu=noise,
        saturated=0,
        non_finite=0,
        pixels=sample.size,
        cells_adu=_cells(sample),
        flat=flat,
    )


def _pixel_noise(sample: NDArray[Any]) -> float:
    """Noise from a pixel, its neighbour, and the two below them: rows and columns cancel."""
    _, height, width = sample.shape
    if height < 2 or width < 2:
        return clipped_std(sample)
    # one such square in each pair of rows is enough
    step = max(int(sample.size / 4 / _SPREAD_PIXELS), 1) * 2
    with np.errstate(invalid="ignore"):  # infinities beside each other have no difference
        even = sample[:, 0 : height - 1 : 2, : width - 1 : step] - sample[:, 1::2, : width - 1 : step]
        odd = sample[:, 0 : height - 1 : 2, 1::step] - sample[:, 1::2, 1::step]
        return clipped_std(even - odd[..., : even.shape[-1]]) / 2.0


def _cells(sample: NDArray[Any]) -> NDArray[np.float32]:
    """Mean of each cell of the map; columns that do not fill a cell are left out."""
    bands, _, nx = sample.shape
    across = min(_CELLS, nx)
    by_column = sample.mean(axis=1)[:, : nx // across * across]
    return single_if_it_holds(by_column.reshape(bands, across, -1).mean(axis=2))


def count_non_finite(pixels: NDArray[Any]) -> int:
    """Count pixels that are not finite; where the extremes say that there are none, nothing more is looked at."""
    if pixels.dtype == np.float32 and pixels.flags.c_contiguous and pixels.size >= _KERNEL_PIXELS:
        return int(count_not_finite32(pixels.reshape(-1).view(np.uint32)))
    extremes = (float(pixels.max()), float(pixels.min()))
    return 0 if np.isfinite(extremes).all() else int(pixels.size - np.isfinite(pixels).sum())


def flag_frames(
    qualities: Mapping[Path, FrameQuality],
    facts: Mapping[Path, FrameFacts] | None = None,
    *,
    level_subtracted: bool = False,
) -> list[Flag]:
    """Tell which frames do not belong to the others: light, another temperature or gain, another kind, a level apart.

    Parameters
    ----------
    qualities : mapping of path to FrameQuality
        Calibrated frames that are meant to be alike.
    facts : mapping of path to FrameFacts, optional
        What their headers say.
    level_subtracted : bool
        Whether an overscan was subtracted, so that their levels should be the same.

    Returns
    -------
    list of Flag
        In the order of the frames; a frame may have several.

    Notes
    -----
    Every figure is held against the median of all frames, and the limit is so many of their robust sigmas or a floor,
    whichever is more. Fewer than three frames cannot say which of them is odd: of those only kinds, saturated and not
    finite pixels are judged, and whether one of two is brighter and noisier, as a dark or a lit frame among biases is.
    Flats and science frames may differ in level, noise and shape; flats are compared by
    `zeroframe.frames.flat_shapes.odd_flats`, two of them as well.
    """
    known = {path: facts[path] for path in qualities if facts is not None and path in facts}
    flats = {path: quality.flat for path, quality in qualities.items() if quality.flat is not None}
    flags = _pixel_flags(qualities)
    kinds = [known[path].kind for path in known]
    usual = Counter(kinds).most_common(1)[0][0] if kinds else None  # of two kinds of two frames, that of the first
    flags += _header_flags(known, usual)
    if len(qualities) >= FEWEST_TO_COMPARE:
        if not is_lit(usual) and not flats:
            noise = _robust([quality.noise_adu for quality in qualities.values()])[0]
            drifting = _DRIFTING_NOISES * _FEW_LEVELS.get(len(qualities), 1.0)
            level, shape = (_LEVEL_NOISES, _SHAPE_NOISES) if level_subtracted else (drifting, _DRIFTING_NOISES)
            flags += _level_and_noise_flags(qualities, noise, level * noise)
            flags += _shape_flags(qualities, shape * noise, _LEAK_NOISES * noise)
    elif len(qualities) > 1 and not flats and not any(is_lit(each.kind) for each in known.values()):
        flags += _brighter_and_noisier_of_two(qualities)
    flags += odd_flats(flats)
    order = {path: number for number, path in enumerate(qualities)}
    return sorted(flags, key=lambda flag: order[flag.path])


def _robust(values: Sequence[float] | NDArray[Any]) -> tuple[float, float]:
    """Median, and 1.4826 MAD, of what is finite."""
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    if finite.size == 0:
        return float("nan"), float("nan")
    median = float(median_of_valid(finite))
    return median, MAD_TO_SIGMA * float(median_of_valid(np.abs(finite - median)))


def _odd_ones(values: Mapping[Path, float], what: str, floor: float, say: Callable[[float, float], str]) -> list[Flag]:
    """Flag the values that stand off their median by more than the others do, and by more than a floor."""
    median, spread = _robust(list(values.values()))
    limit = max(_ODD_SIGMAS * spread, floor)
    odd = {path: value for path, value in values.items() if abs(value - median) > limit}
    return [
        Flag(path, what, abs(value - median), limit, f"{say(value, median)} (limit {number(limit, 3)})")
        for path, value in odd.items()
    ]


def _level_and_noise_flags(qualities: Mapping[Path, FrameQuality], noise: float, level_floor: float) -> list[Flag]:
    """Flag frames whose level or noise stands off; ``noise`` is that of most of them."""

    def say_level(value: float, usual: float) -> str:
        where = "above" if value > usual else "below"
        return f"its level of {value:.2f} ADU stands {abs(value - usual):.2f} {where} the others'"

    def say_noise(value: float, usual: float) -> str:
        return f"its noise of {value:.2f} ADU is {value / usual:.2f} times the others'" if usual else "it is noisy"

    levels = {path: quality.level_adu for path, quality in qualities.items()}
    noises = {path: quality.noise_adu for path, quality in qualities.items()}
    return [
        *_odd_ones(levels, "level", level_floor, say_level),
        *_odd_ones(noises, "noise", _NOISE_FRACTION * noise, say_noise),
    ]


def _brighter_and_noisier_of_two(qualities: Mapping[Path, FrameQuality]) -> list[Flag]:
    """Flag the one of two frames without light that holds charge: that has a level, and the noise that goes with it.

    A level that only drifts has no noise of its own, and says nothing of which of the two is right.
    """
    quiet, noisy = sorted(qualities, key=lambda path: qualities[path].noise_adu)
    low, high = qualities[quiet], qualities[noisy]
    above, limit = high.level_adu - low.level_adu, _BRIGHTER_NOISES * low.noise_adu
    if not (0 < low.noise_adu * _NOISIER < high.noise_adu and above > limit):
        return []
    sentence = (
        f"its level of {high.level_adu:.2f} ADU stands {above:.2f} above that of the other frame, and its noise of "
        f"{high.noise_adu:.2f} ADU is {high.noise_adu / low.noise_adu:.2f} times that: it holds light or dark current "
        f"(limit {number(limit, 3)})"
    )
    return [Flag(noisy, "level", above, limit, sentence)]


def _shape_flags(qualities: Mapping[Path, FrameQuality], floor: float, leak: float) -> list[Flag]:
    """Flag frames that differ from the others by more than a constant: a leak in one corner, a drift along the rows."""
    maps = np.stack([_coarse(quality.cells_adu) for quality in qualities.values()])
    maps = maps - median_of_valid(maps, axis=0)
    maps -= median_of_valid(maps.reshape(len(maps), -1))[:, None, None]
    flags = _peaks_of(list(qualities), maps, floor)
    odd = {flag.path for flag in flags}
    # a level that drifts does so along the rows and along the columns; what is left of both is light in a corner
    local = _coarse(maps, 2) if min(maps.shape[1:]) >= _FEWEST_CELLS else maps
    local = local - median_of_valid(local, axis=2)[:, :, None]
    local = local - median_of_valid(local, axis=1)[:, None, :]
    return flags + [flag for flag in _peaks_of(list(qualities), local, leak) if flag.path not in odd]


def _peaks_of(paths: Sequence[Path], maps: NDArray[np.float64], floor: float) -> list[Flag]:
    """Flag the frames whose map stands off zero by more than a floor, and by more than the others' do."""
    peaks = np.abs(maps).max(axis=(1, 2))
    usual, spread = _robust(peaks)
    limit = max(floor, _SHAPE_RATIO * usual, usual + _ODD_SIGMAS * spread)
    flags = []
    for path, differs, peak in zip(paths, maps, peaks, strict=True):
        if peak > limit:
            y, x = np.unravel_index(int(np.abs(differs).argmax()), differs.shape)
            place = place_of((y + 0.5) / differs.shape[0], (x + 0.5) / differs.shape[1])
            how = "brighter" if differs[y, x] > 0 else "darker"
            sentence = f"it is {peak:.2f} ADU {how} at the {place} than the others, against the rest of it"
            flags.append(Flag(path, "shape", float(peak), limit, f"{sentence} (limit {number(limit, 3)})"))
    return flags


def _coarse(cells: NDArray[Any], by: int = 4) -> NDArray[np.float64]:
    """Join cells along the last two axes, where there are so many, so that noise does not count."""
    ny, nx = (min(by, size) for size in cells.shape[-2:])
    kept = cells[..., : cells.shape[-2] // ny * ny, : cells.shape[-1] // nx * nx]
    squares = kept.reshape(*kept.shape[:-2], kept.shape[-2] // ny, ny, kept.shape[-1] // nx, nx)
    return np.asarray(squares.mean(axis=(-3, -1)), dtype=np.float64)


def _pixel_flags(qualities: Mapping[Path, FrameQuality]) -> list[Flag]:
    """Flag frames with far more saturated or not finite pixels than the others."""
    saturated = {path: quality.saturated / quality.pixels for path, quality in qualities.items()}
    lost = {path: quality.non_finite / quality.pixels for path, quality in qualities.items()}
    flags = []
    for what, floor, shares in (
        ("saturated", _SATURATED_FRACTION, saturated),
        ("not finite", _NON_FINITE_FRACTION, lost),
    ):
        compare = len(shares) >= FEWEST_TO_COMPARE
        limit = floor + _SHARE_RATIO * float(median_of_valid(list(shares.values()))) if compare else _LONE_SHARE
        flags += [
            Flag(path, what, share, limit, f"{100 * share:.2f} % of its pixels are {what} (limit {percent(limit)})")
            for path, share in shares.items()
            if share > limit
        ]
    return flags


def _header_flags(facts: Mapping[Path, FrameFacts], usual_kind: Kind | None) -> list[Flag]:
    """Flag frames whose headers say that they were taken otherwise than the others."""
    others = f"the others are {usual_kind}" if len(facts) > 2 else f"the other is {usual_kind}"
    flags = [
        Flag(path, "kind", 1.0, 0.0, f"it is a {fact.kind} by {fact.kind_reason}, {others}")
        for path, fact in facts.items()
        if fact.kind != usual_kind and fact.kind is not None and usual_kind is not None
    ]
    degrees = {path: fact.temperature_c for path, fact in facts.items() if fact.temperature_c is not None}
    gains = {path: fact.gain_e_per_adu for path, fact in facts.items() if fact.gain_e_per_adu is not None}
    seconds = {path: fact.exposure_s for path, fact in facts.items() if fact.exposure_s is not None}
    if len(degrees) >= FEWEST_TO_COMPARE:
        flags += _odd_ones(
            degrees, "temperature", _TEMPERATURE_C, lambda t, u: f"taken at {t:g} °C, the others at about {u:g} °C"
        )
    if len(gains) >= FEWEST_TO_COMPARE:
        floor = _GAIN_FRACTION * float(median_of_valid(list(gains.values())))
        flags += _odd_ones(gains, "gain", floor, lambda g, u: f"its gain is {g:g} e-/ADU, the others' {u:g}")
    if len(seconds) >= FEWEST_TO_COMPARE and not is_lit(usual_kind):
        floor = max(_EXPOSURE_S, _EXPOSURE_FRACTION * float(median_of_valid(list(seconds.values()))))
        flags += _odd_ones(seconds, "exposure", floor, lambda s, u: f"exposed for {s:g} s, the others for {u:g} s")
    return flags
