"""By how much a dark is multiplied so that it takes the hot pixels of a frame away: fitted to these pixels.

Dark current doubles with every six degrees or so; where the detector of a frame was not as warm as that of its darks,
the ratio of the exposures is not the ratio of their dark currents. Hot pixels tell it: what they stand above their
neighbours in the frame, over what they do in the dark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.calibration_frames import NO_CALIBRATION
from zeroframe.frames.numbers import number
from zeroframe.frames.statistics import clipped_mean_std
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DarkScale", "fit_dark_scale"]

#: A pixel is hot that stands so many standard deviations of the dark above its level; the brightest are enough.
_HOT, _MOST_PIXELS = 10.0, 20_000
#: Its neighbours are those of a box of so many pixels.
_REACH = 2
#: Hot pixels are not the same from frame to frame, beyond their photon noise.
_FLICKER = 0.05
#: What lies further off is a star, a cosmic ray, or a pixel that jumps.
_OUTLIER, _ROUNDS = 4.0, 10
#: So few pixels, so large an error, or so many that do not follow, and the fit tells nothing.
_FEWEST, _LARGEST_ERROR, _FOLLOW = 20, 0.1, 0.5


@dataclass(frozen=True, slots=True)
class DarkScale:
    """What was fitted.

    Attributes
    ----------
    scale, error : float
        What the dark is multiplied by, and its standard error; NaN where there is none.
    pixels : int
        How many hot pixels took part.
    doubt : str
        Why it is not to be used; empty where it is.
    """

    scale: float
    error: float
    pixels: int
    doubt: str = ""


def fit_dark_scale(
    pixels: NDArray[Any],
    dark: NDArray[Any],
    mask: NDArray[Any],
    *,
    bias: NDArray[Any] = NO_CALIBRATION,
    gain_e_per_adu: float | None = None,
    spacing: int = 1,
) -> DarkScale:
    """Fit the scale of a dark to the hot pixels of a frame.

    Parameters
    ----------
    pixels : ndarray of float, shape (ny, nx)
        The frame, less its overscan, not yet divided by a flat.
    dark : ndarray of float, shape (ny, nx)
        Less its bias.
    mask : ndarray, shape (ny, nx)
        Not 0 where a pixel of the frame is not believed, as saturated ones.
    bias : ndarray of float, shape (ny, nx) or (0, 0)
        What is subtracted from the frame, too.
    gain_e_per_adu : float, optional
        Tells the photon noise of hot pixels.
    spacing : int
        How far away its neighbours are: 2 where every other pixel has the same colour filter.

    Returns
    -------
    DarkScale

    Examples
    --------
    >>> random = np.random.default_rng(1)
    >>> current = np.zeros((200, 300))
    >>> current.flat[random.choice(current.size, 300, replace=False)] = random.uniform(100.0, 5000.0, 300)
    >>> dark, light = (s * current + random.normal(0.0, 3.0, current.shape) for s in (1.0, 0.4))
    >>> found = fit_dark_scale(light + 500.0, dark, np.zeros(current.shape, bool))
    >>> round(found.scale, 2), found.error < 0.01, found.doubt
    (0.4, True, '')
    """
    rows, columns = _hot_places(dark, mask, _REACH * spacing)
    if rows.size < _FEWEST:
        return DarkScale(np.nan, np.nan, int(rows.size), f"the dark has {rows.size} hot pixels that can be used")
    of_dark, _ = _above_neighbours(dark, rows, columns, spacing)
    of_frame, noise = _above_neighbours(pixels, rows, columns, spacing)
    if bias.size:
        of_frame = of_frame - _above_neighbours(bias, rows, columns, spacing)[0]
    known = np.isfinite(of_dark) & np.isfinite(of_frame) & np.isfinite(noise) & (of_dark > 0.0)
    if np.count_nonzero(known) < _FEWEST:
        return DarkScale(np.nan, np.nan, int(known.sum()), f"{known.sum()} hot pixels of the dark can be used")
    return _fitted(of_frame[known], of_dark[known], np.maximum(noise[known], np.median(noise[known])), gain_e_per_adu)


def _hot_places(dark: NDArray[Any], mask: NDArray[Any], edge: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and columns of hot pixels that have all of their neighbours."""
    step = max(1, int((dark.size / 1e5) ** 0.5))
    _, level, noise = clipped_mean_std(dark[::step, ::step])
    inner = (slice(edge, -edge), slice(edge, -edge))
    with np.errstate(invalid="ignore"):
        hot = np.flatnonzero((dark[inner] > level + _HOT * noise) & np.isfinite(dark[inner]) & (mask[inner] == 0))
    width = dark.shape[1] - 2 * edge
    if hot.size > _MOST_PIXELS:
        values = dark[inner][hot // width, hot % width]
        hot = hot[np.argpartition(values, hot.size - _MOST_PIXELS)[-_MOST_PIXELS:]]
    return hot // width + edge, hot % width + edge


def _above_neighbours(
    image: NDArray[Any], rows: NDArray[np.int64], columns: NDArray[np.int64], spacing: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return by how much pixels stand above the median of their neighbours, and the scatter of these."""
    away = spacing * np.arange(-_REACH, _REACH + 1)
    box = image[rows[:, None, None] + away[:, None], columns[:, None, None] + away].astype(np.float64)
    around = box.reshape(rows.size, -1)
    own = around[:, around.shape[1] // 2].copy()
    around = np.delete(around, around.shape[1] // 2, axis=1)
    middle = np.median(around, axis=1)
    # the quartiles of 24 pixels, of which some may be hot, too
    low, high = np.quantile(around, [0.25, 0.75], axis=1)
    return own - middle, (high - low) / 1.349


def _fitted(
    frame: NDArray[np.float64], dark: NDArray[np.float64], noise: NDArray[np.float64], gain: float | None
) -> DarkScale:
    """Fit ``frame = scale * dark`` by weighted least squares, what does not follow left out."""
    scale = float(np.median(frame / dark))
    kept, error = np.ones(frame.size, bool), np.inf
    for _ in range(_ROUNDS):
        photons = max(scale, 0.0) * dark / gain if gain else 0.0
        sigma = np.sqrt(noise**2 + photons + np.square(_FLICKER * max(scale, 0.0) * dark))
        pulls = (frame - scale * dark) / sigma
        usual = max(1.0, 1.4826 * float(np.median(np.abs(pulls))))
        before, kept = kept, np.abs(pulls) <= _OUTLIER * usual
        weight = np.where(kept, np.square(dark / sigma), 0.0)
        found = float(np.sum(weight * frame / dark) / weight.sum())
        spread = float(np.sqrt(np.mean(np.square(pulls[kept]))))
        error = max(1.0, spread) / float(np.sqrt(weight.sum()))
        settled = abs(found - scale) < 1e-3 * error and bool((before == kept).all())
        scale = found
        if settled:
            break
    count = int(kept.sum())
    doubt = ""
    if count < max(_FEWEST, _FOLLOW * frame.size):
        doubt = f"{frame.size - count} of {frame.size} hot pixels of the dark do not follow"
    elif not error <= _LARGEST_ERROR * scale:
        doubt = f"{count} hot pixels of the dark tell a scale of {number(scale, 2)} ± {number(error, 2)}"
    return DarkScale(scale, error, count, doubt)
