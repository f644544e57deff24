"""Whether the pattern of a combined frame is that of a frame: at its place, and gone once the frame is calibrated."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.medians import median_of_valid
from zeroframe.frames.numbers import spread_evenly
from zeroframe.kernels.stack import MAD_TO_SIGMA
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zeroframe.kernels.operations import Operation

__all__ = ["RowSample", "measure_left", "measure_place"]

#: So many pixels are compared, in rows all over the frame.
_PIXELS, _MOST_ROWS = 1 << 14, 128
#: Shifts that are tried, along x and y; one more where the first is found.
_REACH = 2
_SHIFTS = [(x, y) for y in range(-1, 2) for x in range(-1, 2)] + [(-2, 0), (2, 0), (0, -2), (0, 2)]
#: A place is another one where its correlation is so many times that of the right one, and so many of its errors.
_BETTER, _ERRORS, _LEAST = 2.0, 8.0, 0.04
#: Outliers, such as stars, are cut to so many sigma.
_CUT = 5.0
#: Where there is more or less light than that of most of the frame by this part, noise and flat count otherwise.
_LIKE_SKY = 0.5
#: A hot pixel stands off its neighbours by so many noises of the frame; so many of them tell what is left.
_HOT_NOISES, _FEWEST_HOT = 8.0, 12
#: In the dark alone by so many: a star or a cosmic ray of the frame is no hot pixel. So few darks cannot reject a
#: cosmic ray; a pixel of theirs is hot where the frame alone stands as far off, too.
_ALONE_NOISES, _FEW_DARKS = 4.0, 2
#: Cells along each axis in which light is compared with that of the flat.
_CELLS = 8
#: The lamp of a spectrograph changes along its wavelengths by so much of itself, and across them by this part of that.
_OF_LAMP, _ACROSS = 0.3, 0.4
#: Cells with light in less than this part of them tell no shape of the flat.
_LIT = 0.5
#: The shape of what is subtracted is looked for where, from its brightest part to its faintest, it has so much of the
#: sky.
_LEAST_SHAPE = 0.02
#: Of a cell what lies within so many times the depth below which this part of it lies: three sigma of a normal one.
_TAIL, _STARLESS = 0.025, 1.53
#: A difference of a pixel and the mean of its neighbours has this variance.
_VARIANCE = 1.5


@dataclass(frozen=True, eq=False)
class RowSample:
    """Pairs of neighbouring rows of a frame before it is calibrated; ``rows`` says which, the first ones first."""

    rows: NDArray[np.intp]
    pixels: NDArray[Any]

    @classmethod
    def of(cls, pixels: NDArray[Any]) -> RowSample:
        """Copy some rows, spread evenly."""
        ny, nx = pixels.shape
        count = max(min(_PIXELS // max(nx, 1), _MOST_ROWS, ny - 2 * _REACH - 1), 0)
        first = spread_evenly(_REACH, ny - 2 - _REACH, count)
        rows = np.concatenate([first, first + 1])
        return cls(rows, pixels[rows])

    @property
    def noise(self) -> float:
        """Noise of a pixel against its neighbours in the row; 0 where there are none."""
        return _sigma(_raw_contrast(self.pixels)) / math.sqrt(_VARIANCE)


@np.errstate(all="ignore")  # pixels may be infinite
def measure_place(before: RowSample, operations: Sequence[Operation]) -> dict[str, float]:
    """Say where the pattern of a combined frame stands in a frame, if that is another place than its own.

    Parameters
    ----------
    before : RowSample
        Of the frame, before the combined frames are taken out.
    operations : sequence of Operation
        What is taken out.

    Returns
    -------
    dict of str to float
        Empty where all stands in its place, or no pattern is seen; else ``pattern_shift_x_pixels`` and
        ``pattern_shift_y_pixels``, from the combined frame to the frame, or ``pattern_flip``: 1 left and right, 2 top
        and bottom, 3 both.
    """
    if len(before.rows) < 4 or before.pixels.shape[1] < 16:
        return {}
    inner = slice(_REACH, -_REACH)
    own = _contrast(before.pixels)
    for each in operations:
        ny = len(each.plane)

        def at(rows: NDArray[np.intp], plane: NDArray[Any] = each.plane) -> NDArray[np.float32]:
            return _contrast(plane[rows])

        by_shift = {y: at(before.rows - y) for y in range(-_REACH, _REACH + 1)}
        right = _correlation(own[:, inner], by_shift[0][:, inner])
        tried: dict[tuple[int, int, int], float] = {}
        width = own.shape[1]
        for x, y in _SHIFTS:
            if (x, y) != (0, 0):
                moved = by_shift[y][:, _REACH - x : width - _REACH - x]
                tried[x, y, 0] = _correlation(own[:, inner], moved)
        tried[0, 0, 1] = _correlation(own[:, inner], by_shift[0][:, ::-1][:, inner])
        upside = at(ny - 1 - before.rows)
        tried[0, 0, 2] = _correlation(own[:, inner], upside[:, inner])
        tried[0, 0, 3] = _correlation(own[:, inner], upside[:, ::-1][:, inner])
        best = max(tried, key=lambda place: tried[place])
        least = max(_LEAST, _ERRORS / np.sqrt(own.size))
        if tried[best] > max(_BETTER * abs(right) if right > 0 else 0.0, least):
            x, y, flip = best
            shift = {"pattern_shift_x_pixels": float(x), "pattern_shift_y_pixels": float(y)}
            return {"pattern_flip": float(flip)} if flip else shift
    return {}


@np.errstate(all="ignore")
def measure_left(
    before: RowSample,
    pixels: NDArray[Any],
    operations: Sequence[Operation],
    factor: float = 1.0,
    unlit: NDArray[np.bool_] | None = None,
    dark_frames: int = 0,
    *,
    colours: bool = False,
) -> dict[str, float]:
    """Say what of the patterns of dark and flat is left in a frame of the sky.

    Parameters
    ----------
    before : RowSample
        Which rows are looked at.
    pixels : ndarray of float, shape (ny, nx)
        The calibrated frame.
    operations : sequence of Operation
        What was taken out.
    factor : float
        What the calibrated frame was multiplied by.
    unlit : ndarray of bool, optional
        Pixels that take no part: their flat has too little light.
    dark_frames : int
        How many frames the dark was combined of. Of one or two its cosmic rays are left, which are no hot pixels: one
        counts as such where the frame holds it, too. 0: many.
    colours : bool
        Whether it is a mosaic, of which every other pixel of a row is of one colour.

    Returns
    -------
    dict of str to float
        ``dark_left`` and ``flat_left``, the part of the contrast of hot pixels and of the flat's pixels that is left,
        ``light_left``, the part of the flat's shape that the sky has, and ``shape_left``, that of the shape of what was
        subtracted, with ``shape_left_span``, what that is in the sky; each with its error, ``dark_left_error`` …
        0 is right, 1 not corrected, -1 corrected twice. What cannot be measured is missing.
    """
    rows = np.sort(before.rows)
    if len(rows) < 4 or pixels.shape[1] < 16:
        return {}
    sample = pixels[rows]
    if unlit is not None:
        sample[unlit[rows]] = np.nan
    valid = sample[np.isfinite(sample)]
    if not valid.size:
        return {}
    level = float(median_of_valid(valid))
    found: dict[str, float] = {}
    raw = _raw_contrast(sample)
    noise = _sigma(raw)
    if not noise > 0:
        return {}
    for each in operations:
        if each.divides:
            shared = _shared_with_flat(operations, rows) * factor
            found |= _flat_left(sample, level, each, rows, 2 if colours else 1, shared)
        else:
            dark = _raw_contrast(each.plane[rows]) * np.float32(each.factor * factor)
            found |= _dark_left(raw, noise, dark, dark_frames)
            found |= _shape_left(sample, level, each.plane[rows] * (each.factor * factor))
    return found


def _dark_left(raw: NDArray[np.float32], noise: float, dark: NDArray[np.float32], frames: int) -> dict[str, float]:
    """Return what is left of hot pixels, in parts of what the dark has of them.

    What is hot is told by the mean of the frame, before the dark was taken out, and of the darks: of pixels chosen by
    the dark alone the noise of that is above zero, and it seems to take out too much.
    """
    held = raw + dark
    of_frame = 1.0 / (frames + 1) if frames else 0.0
    height = of_frame * held + (1.0 - of_frame) * dark
    hot = (height > _HOT_NOISES * noise) & (dark > _ALONE_NOISES * noise) & np.isfinite(raw)
    if 0 < frames <= _FEW_DARKS:
        hot &= held > _ALONE_NOISES * noise
    if np.count_nonzero(hot) < _FEWEST_HOT:
        return {}
    left = raw[hot] / height[hot]
    middle = float(median_of_valid(left))
    error = 1.25 * MAD_TO_SIGMA * float(median_of_valid(np.abs(left - middle))) / np.sqrt(left.size)
    # from parts of the mean to parts of the dark
    of_dark = 1.0 - of_frame * middle
    return {"dark_left": middle / of_dark, "dark_left_error": error / of_dark**2}


def _shared_with_flat(operations: Sequence[Operation], rows: NDArray[np.intp]) -> float:
    """Return the covariance of a frame and of the flat that it is divided by, from what was subtracted from both.

    In a faint sky the noise of three biases of 50 ADU each seemed to be half of the contrast of a flat.
    """
    total = 0.0
    for each in operations:
        if not each.divides and each.share_in_flat and each.sigma.shape == each.plane.shape:
            sigma = each.sigma[rows]
            known = sigma[np.isfinite(sigma)]
            spread = float(median_of_valid(known.ravel())) if known.size else 0.0
            total += each.share * each.share_in_flat * spread**2
    return total


def _flat_left(
    sample: NDArray[Any], level: float, flat: Operation, rows: NDArray[np.intp], away: int, shared: float
) -> dict[str, float]:
    """Return what is left of a flat; neighbours of one colour are so many pixels ``away``.

    ``shared`` is the covariance of frame and flat.
    """
    plane = np.where(np.isfinite(sample), flat.plane[rows], np.nan)
    usual = float(median_of_valid(plane[np.isfinite(plane)])) if np.isfinite(plane).any() else float("nan")
    if not (usual > 0 and level > 0):
        return {}
    found = _light_left(_filled(sample / level), _filled(plane / usual), np.isfinite(plane))
    if flat.sigma.shape != flat.plane.shape:
        return found
    raw, own = _raw_contrast(sample, away), _raw_contrast(plane, away) / np.float32(usual)
    noise, spread = _sigma(raw), _sigma(own)
    use = np.isfinite(own) & np.isfinite(raw) & (np.abs(own) < _CUT * spread) & (np.abs(raw) < _CUT * noise)
    use &= np.abs(_light_beside(sample, away) - level) < _LIKE_SKY * level + _CUT * noise
    power = float(np.square(own[use], dtype=np.float64).sum())
    if not power > 0:
        return found
    slope = float((raw[use] * own[use]).sum(dtype=np.float64)) / level / power
    # the noise of the flat itself went into the frame with the opposite sign, what both had subtracted with the same
    variance = float(median_of_valid(np.square(flat.sigma[rows] / usual, dtype=np.float64)[np.isfinite(plane)]))
    scale = _VARIANCE * np.count_nonzero(use) / power
    expected = max(-scale * variance, -1.0) + scale * shared / level
    error = noise / level / np.sqrt(power)
    return found | {"flat_left": slope - expected, "flat_left_error": error}


def _light_beside(sample: NDArray[Any], away: int) -> NDArray[np.float32]:
    """Return the mean of the pixels two to four of its colour before and behind each in its row.

    Its own contrast is none of these. Not finite where one of them is; the first and the last of a row have no
    contrast, and are left out.
    """
    padded = np.pad(np.asarray(sample, np.float32), ((0, 0), (3 * away, 3 * away)), mode="reflect")
    nx = sample.shape[1] - 2 * away
    total = sum(padded[:, (4 + off) * away : (4 + off) * away + nx] for off in (-4, -3, -2, 2, 3, 4))
    return np.asarray(total / np.float32(6.0), np.float32)


def _light_left(sky: NDArray[Any], flat: NDArray[Any], valid: NDArray[np.bool_]) -> dict[str, float]:
    """Fit the sky in cells by the flat in the same cells; both are 1 in the mean, and where they are not ``valid``.

    A sky slopes by itself, and so does a flat whose middle is not that of the frame: they are fitted with the slopes
    and without, and the less sure of the two is told.
    """
    if len(sky) < _CELLS or sky.shape[1] < _CELLS:
        return {}
    of_sky, of_flat = _cells(sky), _cells(flat)
    if _is_spectrum(of_flat, _in_cells(valid).mean(axis=-1) >= _LIT):
        return {}
    of_sky, of_flat = of_sky - of_sky.mean(), of_flat - of_flat.mean()
    if not (np.isfinite(of_sky).all() and np.isfinite(of_flat).all()):
        return {}
    fits = [_fit_of_light(of_sky, of_flat), _fit_of_light(_beside_plane(of_sky), _beside_plane(of_flat))]
    if not all(fits):
        return {}
    return min(fits, key=lambda fit: abs(fit["light_left"]) / fit["light_left_error"])


def _shape_left(sample: NDArray[Any], level: float, plane: NDArray[Any]) -> dict[str, float]:
    """Fit the sky in cells by what was subtracted in the same cells: light in darks or biases is missing in the sky."""
    if len(sample) < _CELLS or sample.shape[1] < _CELLS:
        return {}
    valid = np.isfinite(sample)
    of_plane = _cells(np.where(np.isfinite(plane), plane, float(median_of_valid(plane[np.isfinite(plane)]))))
    of_plane -= of_plane.mean()
    if not float(np.ptp(of_plane)) > _LEAST_SHAPE * abs(level):
        return {}  # as of nearly all: nothing that could be seen
    of_sky = _cells(np.where(valid, sample, level))
    of_sky -= of_sky.mean()
    beside = [_beside_plane(each) for each in (of_sky, of_plane)]
    fits = [_fit_of_light(*beside), _fit_of_light(*map(_beside_bowl, beside))]
    if not all(fits):
        return {}
    least = min(fits, key=lambda fit: abs(fit["light_left"]) / fit["light_left_error"])
    names = {
        "light_left": "shape_left",
        "light_left_error": "shape_left_error",
        "light_left_contrast": "shape_left_span",
    }
    return {own: least[name] for name, own in names.items()}


def _fit_of_light(sky: NDArray[np.float64], flat: NDArray[np.float64]) -> dict[str, float]:
    """Fit the sky in cells by the flat in the same cells; both are 0 in the mean."""
    power = float(np.square(flat).sum())
    if not power > 0:
        return {}
    slope = float((sky * flat).sum()) / power
    error = float(np.sqrt(np.square(sky - slope * flat).mean() / power))
    return {
        "light_left": slope,
        "light_left_error": max(error, float(np.finfo(float).tiny)),
        "light_left_contrast": abs(slope) * float(np.ptp(flat)),
    }


def _beside_plane(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take a plane out of what is 0 in the mean: any sky may slope."""
    ramp = np.linspace(-1.0, 1.0, _CELLS)
    power = float(np.square(ramp).sum()) * _CELLS
    x, y = ((cells * along).sum() / power * along for along in (ramp, ramp[:, None]))
    return np.asarray(cells - x - y, np.float64)


def _beside_bowl(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take a parabola along each axis out of what is 0 in the mean: the edges of a sky without a flat are darker."""
    bowl = np.square(np.linspace(-1.0, 1.0, _CELLS))
    bowl -= bowl.mean()
    power = float(np.square(bowl).sum()) * _CELLS
    x, y = ((cells * along).sum() / power * along for along in (bowl, bowl[:, None]))
    return np.asarray(cells - x - y, np.float64)


def _is_spectrum(flat: NDArray[np.float64], lit: NDArray[np.bool_]) -> bool:
    """Whether a flat, in cells, changes by far more along one axis than along the other: by wavelength, as a lamp does.

    No sky has the colours of a lamp, so that over such a flat it has the shape of the lamp. Cells beside a slit, which
    are not ``lit``, take no part: they show neither.
    """
    if not lit.any():
        return False
    seen = np.where(lit, flat, np.nan)
    levels = [np.nanmedian(seen[:, lit.any(axis=0)], axis=0), np.nanmedian(seen[lit.any(axis=1)], axis=1)]
    spans = sorted(float(np.ptp(each)) for each in levels)
    return spans[1] > _OF_LAMP * float(np.median(flat[lit])) and spans[0] < _ACROSS * spans[1]


def _filled(values: NDArray[Any]) -> NDArray[Any]:
    """Put the mean, which is 1, where there is no value."""
    return np.where(np.isfinite(values), values, 1.0)


def _in_cells(values: NDArray[Any]) -> NDArray[Any]:
    """Return the pixels of each cell; a rest drops out in the middle, so that a turned frame has the same cells."""
    for axis in (0, 1):
        rest = values.shape[axis] % _CELLS
        if rest:
            half = values.shape[axis] // _CELLS * (_CELLS // 2)
            values = np.delete(values, slice(half, half + rest), axis=axis)
    ny, nx = values.shape
    return values.reshape(_CELLS, ny // _CELLS, _CELLS, nx // _CELLS).swapaxes(1, 2).reshape(_CELLS, _CELLS, -1)


def _cells(values: NDArray[Any]) -> NDArray[np.float64]:
    cells = np.array(_in_cells(values), dtype=np.float64)
    medians = np.asarray(median_of_valid(cells), dtype=np.float64)
    # the median of a faint sky in coarse steps stands on one of them, and divided by the flat it has its shape; stars
    # are all above, so that the tail below tells the noise
    cells -= medians[..., None]
    reach = _STARLESS * -np.quantile(cells, _TAIL, axis=-1, keepdims=True)
    inside = np.abs(cells) <= reach
    return np.asarray(medians + np.mean(cells, axis=-1, where=inside), dtype=np.float64)


def _raw_contrast(values: NDArray[Any], away: int = 1) -> NDArray[np.float32]:
    """Each pixel less the mean of its neighbours in the row, so many pixels away; not finite where one of them is."""
    values = np.asarray(values, np.float32)
    beside = values[:, : -2 * away] + values[:, 2 * away :]
    return np.asarray(values[:, away:-away] - np.float32(0.5) * beside, np.float32)


def _contrast(values: NDArray[Any]) -> NDArray[np.float32]:
    """Return the same less that of the row below, cut to five sigma, and 0 where it is not finite.

    Lines of a spectrum and bad columns are the same in both rows, and drop out.
    """
    raw = _raw_contrast(values)
    half = len(raw) // 2
    raw = raw[:half] - raw[half:]
    reach = np.float32(_CUT * _sigma(raw))
    return np.clip(np.nan_to_num(raw, nan=0.0, posinf=0.0, neginf=0.0), -reach, reach)


def _sigma(values: NDArray[Any]) -> float:
    thin = np.abs(values.ravel()[:: max(values.size // 8192, 1)])
    thin = thin[np.isfinite(thin)]
    return MAD_TO_SIGMA * float(median_of_valid(thin)) if thin.size else 0.0


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return how alike two are: 1 where they are the same, 0 where they have nothing in common."""
    a, b = np.ascontiguousarray(one).ravel(), np.ascontiguousarray(other).ravel()
    power = float(np.dot(a, a)) * float(np.dot(b, b))
    return float(np.dot(a, b)) / np.sqrt(power) if power > 0 else 0.0
