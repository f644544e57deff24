"""What a few biases and flats say along one axis of an image: levels, drifts, light and noise of each column.

For rows the same is done with the frames turned. Lines across are taken together in bins, so that what differs from
bin to bin is not lost in a mean: amplifiers above each other, and drifts along the frame.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from zeroframe.frames.medians import median_of_valid
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["AxisProfiles", "axis_profiles", "without_lone_columns"]

_BINS, _FEWEST_LINES, _FEWEST_BINS = 24, 8, 2
_SIGMA_OF_MAD = 1.4826
#: What stands off by so many sigma, alone among its neighbours, is a hit or a bad column.
_STANDS_OFF, _NEIGHBOURS = 6.0, 5
#: So many pairs of frames tell the noise of columns.
_MOST_PAIRS = 4
_CUT = 6.0
#: Hits stand above another bias by so many sigma, and ADU for what drifts; the spread is that of so many lines.
_HIT, _SOME_LINES = 6.0, 64
#: Light of so many times the read noise tells the noise of light.
_BRIGHT = 50.0
#: Of frames in whole numbers, noise is never less.
_LEAST_NOISE = 0.29


@dataclass(frozen=True, slots=True, eq=False)
class AxisProfiles:
    """Biases and flats along one axis, counted from 0; levels in ADU.

    Attributes
    ----------
    drift : ndarray, shape (biases - 1, bins, columns)
        How the level differs between biases: orthonormal contrasts over the biases, so that fixed pattern drops out
        and each has the noise of a single bias.
    static : ndarray, shape (bins, columns)
        Mean level over the biases.
    light : ndarray, shape (bins, columns)
        Mean of the flats less that of the biases.
    noise2 : ndarray, shape (bins, columns)
        Variance of a pixel of a bias.
    shot : ndarray, shape (bins, columns)
        Variance of a pixel of a flat less that of a bias, for each ADU of light: one over the gain. NaN without a pair
        of flats, or light.
    height : int
        Lines of a bin.
    noise_pairs, shot_pairs : int
        Of how many pairs of frames the last two are.
    """

    drift: NDArray[np.float64]
    static: NDArray[np.float64]
    light: NDArray[np.float64]
    noise2: NDArray[np.float64]
    shot: NDArray[np.float64]
    height: int
    noise_pairs: int
    shot_pairs: int

    @property
    def biases(self) -> int:
        """How many biases were looked at."""
        return int(self.drift.shape[0]) + 1

    @property
    def lines(self) -> int:
        """How many lines across were looked at."""
        return int(self.static.shape[0]) * self.height

    def bias_levels(self) -> NDArray[np.float64]:
        """Return the level of each bias about the mean of all, shape (biases, bins, columns)."""
        return np.asarray(np.einsum("jk,jbx->kbx", _contrasts(self.biases), self.drift))

    @property
    def usual_noise(self) -> float:
        """Read noise of a pixel, the median over columns."""
        return float(np.sqrt(np.median(self.noise2)))


def axis_profiles(biases: Sequence[NDArray[np.float32]], flats: Sequence[NDArray[np.float32]]) -> AxisProfiles:
    """Take what is needed of frames.

    Parameters
    ----------
    biases, flats : sequence of ndarray, shape (lines, columns)
        At least two biases and a flat; of the flats those that are like the first give the noise of light.

    Returns
    -------
    AxisProfiles
    """
    lines = biases[0].shape[0]
    bins = int(np.clip(lines // _FEWEST_LINES, _FEWEST_BINS, _BINS))
    height = max(lines // bins, 1)
    bins = min(bins, lines // height)
    cut = [frame[: bins * height].reshape(bins, height, -1) for frame in _without_hits(biases)]
    lit = [frame[: bins * height].reshape(bins, height, -1) for frame in flats]
    levels = np.stack([frame.mean(axis=1, dtype=np.float64) for frame in cut])
    bright = np.stack([frame.mean(axis=1, dtype=np.float64) for frame in lit])
    noise2, pairs = _pair_variance(cut)
    usual = float(np.sqrt(np.median(noise2)))
    static = levels.mean(axis=0)
    light = bright.mean(axis=0) - static
    shot = np.full(noise2.shape, np.nan)
    shot_pairs = 0
    if len(lit) > 1:
        flat2, shot_pairs = _pair_variance(lit)
        seen = light > _BRIGHT * usual
        shot[seen] = ((flat2 - noise2) / np.where(seen, light, 1.0))[seen]
    drift = np.einsum("jk,kbx->jbx", _contrasts(len(biases)), levels)
    drift = np.stack([without_lone_columns(each, usual / np.sqrt(height)) for each in drift])
    return AxisProfiles(drift, static, light, noise2, shot, height, pairs, shot_pairs)


def _without_hits(biases: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Return biases in which pixels that are far above those of another bias, as hits are, have the other's value."""
    cleaned = []
    for number, one in enumerate(biases):
        other = biases[(number + 1) % len(biases)]
        difference = other - one
        some = difference[:: max(len(difference) // _SOME_LINES, 1)].ravel()
        middle = float(median_of_valid(some))
        spread = float(median_of_valid(np.abs(some - middle)))
        hit = difference < middle - _HIT * max(_SIGMA_OF_MAD * spread, 1.0) - _HIT
        cleaned.append(np.where(hit, other - np.float32(middle), one) if hit.any() else one)
    return cleaned


def _contrasts(frames: int) -> NDArray[np.float64]:
    """Return orthonormal rows that are orthogonal to the mean (Helmert), shape (frames - 1, frames)."""
    rows = np.zeros((frames - 1, frames))
    for n in range(1, frames):
        rows[n - 1, :n] = 1.0
        rows[n - 1, n] = -float(n)
        rows[n - 1] /= np.sqrt(n * (n + 1.0))
    return rows


def _pair_variance(frames: Sequence[NDArray[np.float32]]) -> tuple[NDArray[np.float64], int]:
    """Return the variance of a pixel, shape (bins, columns), by differences of frames that follow each other."""
    pairs = min(len(frames) - 1, _MOST_PAIRS)
    height = frames[0].shape[1]
    sums = np.zeros(frames[0].shape[::2])
    for one, other in pairwise(frames[: pairs + 1]):
        difference = other - one
        difference -= difference.mean(axis=1, keepdims=True)
        square = np.square(difference)
        # of each bin, hits cut: the largest that noise of that bin makes
        some = square[:, :: max(height // 8, 1)]
        limit = _CUT**2 * np.maximum(median_of_valid(some.reshape(len(some), -1)) / 0.4549, _LEAST_NOISE**2)
        np.minimum(square, limit[:, np.newaxis, np.newaxis], out=square)
        sums += square.sum(axis=1, dtype=np.float64)
    return np.maximum(sums / (pairs * max(height - 1, 1)) / 2.0, _LEAST_NOISE**2), pairs


def without_lone_columns(profiles: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Return profiles, shape (bins, columns), in which what stands off alone has the level of its neighbours."""
    half = _NEIGHBOURS // 2
    padded = np.pad(profiles, ((0, 0), (half, half)), mode="edge")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, _NEIGHBOURS, axis=1), axis=-1)
    off = np.abs(profiles - middle) > _STANDS_OFF * max(sigma, 1e-6)
    return np.where(off, middle, profiles)
