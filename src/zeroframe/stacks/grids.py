"""On which numbers the values of frames stand, and what rounding to them makes of drawn ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.medians import quantiles_of_valid
from zeroframe.frames.statistics import clipped_std
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["FINE_STEP", "MOST_DRAWN_FRAMES", "Grid", "Numbers"]

#: Numbers of steps below this much of their noise are smooth; what differs by less than a thousandth of it is the same.
FINE_STEP, _SAME, _GRID_PIXELS = 0.05, 1e-3, 20_000
#: Ways of combining are tried with so many frames at most.
MOST_DRAWN_FRAMES = 64
#: Of values that stand on one grid the mean of their directions, on a circle of one step, is nearly as long as each.
_ON_ONE_GRID = 0.9
#: And so long is the mean of places that are all over the step at most.
_ONE_HEAP = 0.05
#: Means of fewer numbers stand on a grid themselves.
_FEWEST_SHARPENED = 4


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
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
    def of(cls, frames: Sequence[NDArray[Any]], *, places: bool) -> Grid:
        """Look at the first rows; only as many as they are is held of them. Without ``places`` no origins are told."""
        rows = max(_GRID_PIXELS // frames[0].shape[1], 1)
        first = frames[0][:rows]
        with np.errstate(invalid="ignore"):  # the same infinity in both
            total = first.astype(np.float64)
            for frame in frames[1:]:
                total += frame[:rows]
            between = frames[1][:rows] - first
            differences = np.abs(np.diff(between, axis=1))
            step = _step_of(differences, clipped_std(differences) / np.sqrt(2.0))
            origins = None if step is None or not places else _origins([frame[:rows] for frame in frames], step)
            above = total / len(frames) - first
        return cls(between, above, len(frames), origins)


def _step_of(differences: NDArray[Any], sigma: float) -> float | None:
    """Return the step of the grid on which neighbours differ; None where it is so fine that it does not matter."""
    apart = differences[(differences > _SAME * sigma) & np.isfinite(differences)]
    step = float(quantiles_of_valid(apart, 0.001)) if apart.size else 0.0
    return step if step > 0.0 and step >= FINE_STEP * sigma else None


def _origins(frames: Sequence[NDArray[Any]], step: float) -> NDArray[np.float64] | None:
    """Return by which part of a step the grid of each row of each frame is off that of the first, shape (frames, rows).

    A level that was subtracted from a row is no whole number, and the same for all its pixels; a bias that was
    subtracted from pixels is the same in all frames. None where that is not so, and of more frames than ways of
    combining are tried with.
    """
    if len(frames) > MOST_DRAWN_FRAMES:
        return None
    found = np.empty((len(frames), frames[0].shape[0]))
    found[0] = np.where(np.isfinite(frames[0]).any(axis=1), 0.0, np.nan)  # as it comes out for any other
    for own, frame in zip(found[1:], frames[1:], strict=True):
        with np.errstate(invalid="ignore"):
            above = frame - frames[0]
        known = np.isfinite(above)
        turned = np.where(known, np.exp(2j * np.pi * np.where(known, above, 0.0) / step), 0.0)
        mean = turned.sum(axis=1) / np.maximum(known.sum(axis=1), 1)  # 0 of a row without a valid pixel
        own[:] = np.where(np.abs(mean) > _ON_ONE_GRID, np.angle(mean) / (2.0 * np.pi), np.nan)
    rows = np.isfinite(found).all(axis=0)
    return found if rows.mean() > _ON_ONE_GRID else None


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
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
    def of(cls, grid: Grid, sigma: float, dtype: np.dtype[Any]) -> Numbers:
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
