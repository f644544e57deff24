"""What a frame shows that it should not: interference, an odd column, values that wrapped, a pattern of colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zeroframe.frames.mask_bits import MaskBit
from zeroframe.frames.medians import median_of_valid
from zeroframe.frames.numbers import spread_evenly
from zeroframe.kernels.stack import MAD_TO_SIGMA

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Light", "measure_traces", "wave_along_rows"]

Light = Literal["none", "flat", "sky"]

#: Pairs of neighbouring rows that are looked at, and of how many pixels at most.
_PAIRS, _PIXELS = 32, 1 << 17
#: A period is looked for among at least so many columns and pairs of rows.
_FEWEST_COLUMNS, _FEWEST_PAIRS = 64, 16
#: Frequencies on either side that a peak is held against, and the longest period: beyond is glow and shading.
_BESIDE, _LONGEST = 12, 64
#: Outliers are cut to so many sigma.
_CUT = 4.0
#: Of a converter of 16 bits, from one pixel to the next, and how high the higher one is at least: no star is so steep
#: that it falls below the sky, too.
_WRAPPED, _BELOW_NOISES, _HIGH = 40_000.0, 20.0, 20_000.0
#: Of that converter; a pixel rises by so many times as much as the one before it, and so many noises.
_RANGE, _RISES, _RISES_NOISES = 65536.0, 2.0, 4.0
#: Dead columns are at most so many side by side; of their rows no more than this part is otherwise.
_WIDE, _FEW_ROWS = 3, 0.1
#: A column is odd where it stands off both neighbours by so many noises of a pixel.
_COLUMN_NOISES = 1.0
#: Pixels of a square differ that do so by so many errors.
_COLOUR_ERRORS = 8.0
#: Two pixels of a square are alike that differ by less than this part of what all four do.
_ALIKE = 0.5
#: Of what it stands off by, its neighbours may stand off theirs by this part; so many columns tell that.
_FLANKS, _FEWEST_KEPT = 0.25, 4


@np.errstate(all="ignore")  # pixels may be infinite
def measure_traces(
    pixels: NDArray[Any], level: float, noise: float, light: Light, mask: NDArray[np.uint8] | None = None
) -> dict[str, float]:
    """Measure what a frame shows that it should not; 2 ms for 4128 x 2048 pixels.

    Parameters
    ----------
    pixels : ndarray of float, shape (ny, nx)
        A calibrated frame; not finite where masked.
    level, noise : float
        Its level, and the noise of a pixel, in the unit of the pixels.
    light : {'none', 'flat', 'sky'}
        What light it saw. Interference is looked for where there was none, a pattern of colours in flats, columns in
        frames of the sky, which have been calibrated.
    mask : ndarray of uint8, shape (ny, nx), optional
        Not zero where a pixel is known to be bad.

    Returns
    -------
    dict of str to float
        By the names of figures: ``interference_noises``, the amplitude of the strongest period along the rows, in
        noises of a pixel, and its ``interference_pixels``; ``odd_columns``, how many, and the worst, ``odd_column``,
        counted from 1, with its ``odd_column_noises``; ``wrapped_pixels`` among those looked at; ``colour_contrast``,
        the brightest of the four pixels of a square over the faintest, less 1, and ``colour_diagonal``, 1 where the
        first and the last of the four are alike, 2 where those between are. What cannot be measured is missing.

    Examples
    --------
    >>> import numpy as np
    >>> frame = np.random.default_rng(1).normal(100.0, 4.0, (256, 256))
    >>> wave = 4.0 * np.sin(np.arange(256 * 256).reshape(256, 256) / 3.0)
    >>> round(measure_traces(frame + wave, 100.0, 4.0, "none")["interference_noises"], 1)
    0.9
    """
    ny, nx = pixels.shape
    if ny < 4 or nx < 8 or not noise > 0:
        return {}
    rows = _paired_rows(ny, nx)
    looked_at = pixels[rows]
    pairs = _less_level(looked_at, level).reshape(-1, 2, nx)
    known = None if mask is None or mask.shape != pixels.shape else mask[rows]
    if known is not None:  # what a flat without light divides is anything
        pairs.reshape(-1, nx)[known & np.uint8(MaskBit.BAD) != 0] = 0.0
    found = _wrapped(pairs, level, noise)
    if light == "none":
        return found | wave_along_rows(pairs.reshape(-1, nx), noise)
    if light == "flat":
        return found | _colours(pairs, level)
    masked = ~np.isfinite(looked_at) if known is None else (known != 0) | ~np.isfinite(looked_at)
    return found | _odd_columns(pairs.reshape(-1, nx), masked, noise)


def _paired_rows(ny: int, nx: int) -> NDArray[np.intp]:
    """Return pairs of neighbouring rows, spread evenly; each begins with an even one."""
    count = max(min(_PAIRS, ny // 2, _PIXELS // (2 * nx)), 1)
    starts = spread_evenly(0, ny // 2 - 1, count) * 2
    return np.asarray((starts[:, np.newaxis] + np.arange(2)).ravel(), np.intp)


def _less_level(values: NDArray[Any], level: float) -> NDArray[np.float32]:
    """Subtract the level; what has no value is the level."""
    rows = values.astype(np.float32)
    rows -= np.float32(level)
    rows[~np.isfinite(rows)] = 0.0
    return rows


def wave_along_rows(rows: NDArray[np.floating[Any]], noise: float) -> dict[str, float]:
    """Measure the strongest wave along rows, from the power of what they have not in common.

    Parameters
    ----------
    rows : ndarray of float, shape (rows, nx)
        Of a frame less its level, all finite; or of the difference of two frames, in which what both have drops out:
        two waves of any phases and the noise of two pixels are both the root of two times those of one.
    noise : float
        Of a pixel of them.

    Returns
    -------
    dict of str to float
        As `measure_traces` has them; empty of too few.

    Examples
    --------
    >>> import numpy as np
    >>> wave = np.sin(np.arange(64 * 256).reshape(64, 256) / 3.1)
    >>> {name: float(round(value, 1)) for name, value in wave_along_rows(wave, 1.0).items()}
    {'interference_noises': 1.0, 'interference_pixels': 19.7}
    """
    count, nx = rows.shape
    if nx < _FEWEST_COLUMNS or count < 2 * _FEWEST_PAIRS:
        return {}
    # what is cut is no outlier because of its column or row, as of a bias with a pattern of many noises
    rows = rows - median_of_valid(rows, axis=0)
    rows -= median_of_valid(rows, axis=1)[:, np.newaxis]
    rows = np.clip(rows, -_CUT * noise, _CUT * noise)
    rows -= rows.mean(axis=0)  # fixed columns are no wave
    power = np.square(np.abs(np.fft.rfft(rows - rows.mean(axis=1, keepdims=True), axis=1))).mean(axis=0)[:-1]
    beside = np.pad(power, _BESIDE, mode="reflect")
    usual = median_of_valid(np.lib.stride_tricks.sliding_window_view(beside, 2 * _BESIDE + 1), axis=1)
    over = power - usual
    slow = max(nx // _LONGEST, 2)
    over[:slow] = 0.0
    peak = int(np.argmax(over))
    # a wave between two frequencies stands in both
    found = float(over[max(peak - 1, slow) : peak + 2].clip(0.0).sum())
    # of white noise the mean of as many powers scatters by the root of their number
    by_chance = 8.0 * float(usual[peak]) / np.sqrt(len(rows))
    amplitude = 2.0 * np.sqrt(found) / nx if over[peak] > by_chance else 0.0
    return {"interference_noises": float(amplitude / noise), "interference_pixels": nx / peak if peak else float("nan")}


def _odd_columns(rows: NDArray[np.float32], masked: NDArray[np.bool_], noise: float) -> dict[str, float]:
    """Columns that stand off both neighbours, while those agree, over more than half of their height.

    Each step from a column to the next is the median of those in the rows, and its error is from how those scatter:
    what lies on a column of some rows only, as the core of a galaxy, is no step, and light is noisier than the sky.
    The neighbour of a column is the next one of which half is not masked.
    """
    kept = np.flatnonzero(2 * np.count_nonzero(masked, axis=0) <= len(rows))
    if kept.size < _FEWEST_KEPT:
        return {"odd_columns": 0.0}
    if masked.any():
        rows = _from_the_left(rows[:, kept], masked[:, kept])
    steps = np.diff(rows, axis=1)
    height = median_of_valid(steps, axis=0)
    np.abs(np.subtract(steps, height, out=steps), out=steps)
    spread = np.maximum(MAD_TO_SIGMA / np.sqrt(2.0) * median_of_valid(steps, axis=0), noise)
    by_chance = 8.0 * np.sqrt(np.pi / 2 / len(steps)) * spread
    rise, fall = height[:-1], -height[1:]
    errors = np.maximum(by_chance[:-1], by_chance[1:])
    apart = np.minimum(np.abs(rise), np.abs(fall))
    odd = apart > np.maximum(_COLUMN_NOISES * noise, errors)
    odd &= ((rise > 0) == (fall > 0)) & (np.abs(rise - fall) < 0.5 * apart)
    # the lines of a spectrum have flanks: what is beside an odd column is as the next ones are
    further = np.abs(np.pad(height, 1))
    odd &= np.maximum(further[:-3], further[3:]) < np.maximum(_FLANKS * apart, errors)
    places = np.flatnonzero(odd)
    found = {"odd_columns": float(places.size)}
    if places.size:
        first = int(places[np.argmax(apart[places])])
        found |= {"odd_column": float(kept[first + 1] + 1), "odd_column_noises": float(apart[first] / noise)}
    return found


def _from_the_left(rows: NDArray[np.float32], masked: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Give what is masked the value of the pixel before it in its row: it makes no step there.

    The first ones of a row have that of the first that is not masked.
    """
    filled = rows.copy()
    y, x = np.nonzero(masked)
    last = np.where(masked, -1, np.arange(rows.shape[1]))
    np.maximum.accumulate(last, axis=1, out=last)
    before = last[y, x]
    first = np.argmin(masked, axis=1)
    filled[y, x] = rows[y, np.where(before < 0, first[y], before)]
    return filled


def _wrapped(pairs: NDArray[np.float32], level: float, noise: float) -> dict[str, float]:
    """Pixels far below the level beside one near the top: their values went past the top, and began again.

    With the whole range of the converter added, such a pixel goes on as those before it rose. One that does not answer,
    of another colour, or beyond the end of a slit does not. Neighbours of a mosaic are two pixels apart.
    """
    lowest, highest = pairs.min(), pairs.max()
    if not highest - lowest > _WRAPPED:
        return {"wrapped_pixels": 0.0}
    seen = np.zeros(pairs.shape, bool)
    for away in (1, 2):
        for values, found in ((pairs, seen), (pairs[..., ::-1], seen[..., ::-1])):
            before, high, low = (values[..., at : values.shape[-1] - 2 * away + at] for at in (0, away, 2 * away))
            steep = (high - low > _WRAPPED) & (low < -_BELOW_NOISES * noise) & (high + level > _HIGH)
            # beyond two that are dark, or of another colour, nothing is known
            steep &= before > low + _WRAPPED / 2
            rise = low + np.float32(_RANGE) - high
            steep &= rise < np.maximum(_RISES * (high - before), 0.0) + _RISES_NOISES * noise
            found[..., 2 * away :] |= steep
    if seen.any():
        seen &= ~_dead_columns(pairs < -_BELOW_NOISES * noise)
    return {"wrapped_pixels": float(np.count_nonzero(seen))}


def _dead_columns(dark: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which columns are dark in all rows, and stand between columns that are not: light has no such edges."""
    share = np.asarray(dark.mean(axis=(0, 1)))
    beside = np.pad(share, _WIDE, constant_values=1.0)
    windows = np.lib.stride_tricks.sliding_window_view(beside, _WIDE)
    left, right = windows[: share.size].min(axis=-1), windows[_WIDE + 1 :].min(axis=-1)
    return np.asarray((share > 1.0 - _FEW_ROWS) & (np.maximum(left, right) < _FEW_ROWS))


def _colours(pairs: NDArray[np.float32], level: float) -> dict[str, float]:
    """How far the four pixels of a square are apart, in all pairs of rows alike, each the median of all in its place.

    Each pair counts against its own light: that of fibres and of orders of a spectrum changes from row to row by far
    more than colours do, and in either direction.
    """
    nx = pairs.shape[-1] // 2 * 2
    medians = [[median_of_valid(pairs[:, y, x:nx:2], axis=1) + level for x in (0, 1)] for y in (0, 1)]
    places = np.array(medians, np.float64)  # of shape (2, 2, pairs)
    light = places.mean(axis=(0, 1))
    places = places[..., light > 0] / light[light > 0]
    if not places.size:
        return {}
    four = np.asarray(median_of_valid(places, axis=-1))
    if not four.min() > 0:
        return {}
    spread = MAD_TO_SIGMA * np.asarray(median_of_valid(np.abs(places - four[..., np.newaxis]), axis=-1))
    error = float(spread.max()) * np.sqrt(np.pi / 2 / places.shape[-1])
    main, other = abs(four[0, 0] - four[1, 1]), abs(four[0, 1] - four[1, 0])
    # of every mosaic two across are alike; orders that lie as far apart as the rows looked at differ from row to row
    is_mosaic = np.ptp(four) > _COLOUR_ERRORS * error and min(main, other) < _ALIKE * np.ptp(four)
    return {
        "colour_contrast": float(four.max() / four.min() - 1.0) if is_mosaic else 0.0,
        "colour_diagonal": 1.0 if main < other else 2.0,
    }
