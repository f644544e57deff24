"""What is known of the noise of all pixels of a stack, and what that makes of the scatter of each: its error."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.medians import median_of_valid
from zeroframe.headers.result_cards import ERROR_CARD
from zeroframe.kernels.pooled import pool_uncertainty
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["PooledNoise", "unbiased", "with_photons"]

#: Photon noise by a stated gain is refuted where so many pixels have less than this part of it.
_FEWEST_BRIGHT, _LEAST_OF_PHOTONS = 20, 0.5
#: Of noises of a frame: the mean of two or three is as far above the others by chance in one pixel of 400, or of 3,700.
_ABOVE_NOISES = 2.0


@dataclass(frozen=True, slots=True)
class PooledNoise:
    """What is known of the noise of all pixels of a stack.

    Attributes
    ----------
    read_variance, per_level : float
        Variance of one value of a frame at a level of zero, and what one unit of the level adds to it.
    lowest_level, least_variance : float
        Lower ones were not seen, and are not made of the two above.
    level_variance : float
        That of the levels of the frames: an error that all pixels have in common, which none of them shows alone.
    counts : tuple of int
        For how many values there is a table, in rising order.
    tables : tuple of tuple of float
        For each, by the scatter of a pixel's values over what all pixels have: its noise over that.
    frame_variances : tuple of float
        Of each frame's noise over that of all, where frames are weighted; none where it does not matter.
    shifted_variance : float
        That of levels which were taken from the frames before: no scatter of a pixel contains it.
    """

    read_variance: float
    per_level: float
    lowest_level: float
    least_variance: float
    level_variance: float
    counts: tuple[int, ...]
    tables: tuple[tuple[float, ...], ...]
    frame_variances: tuple[float, ...] = ()
    shifted_variance: float = 0.0

    def of_frames(self, variances: Sequence[float], level: float) -> PooledNoise:
        """Return the same with the variance of the noise of each frame, at that level, where they are not alike."""
        usual = max(self.read_variance + self.per_level * max(level, self.lowest_level), self.least_variance)
        return replace(self, frame_variances=tuple(variance / usual for variance in variances)) if usual > 0 else self

    def apply(
        self, method: str, frames: int, data: NDArray[Any], uncertainty: NDArray[Any], counts: NDArray[np.uint16]
    ) -> None:
        """Make of the scatter of pixels their errors, in place.

        Parameters
        ----------
        method : {'average', 'median', 'sum'}
            How they were combined.
        frames : int
            How many values a pixel may have.
        data, uncertainty, counts : ndarray, shape (pixels,)
            As `zeroframe.stacks.combine.Combined` has them.
        """
        n = np.maximum(np.arange(frames + 1.0), 1.0)
        ones = np.ones(frames + 1)
        if method == "sum":
            of_count = np.array([1.0 / n, unbiased(method, n) / np.sqrt(n), np.sqrt(n)])
        else:
            of_count = np.array([ones, unbiased(method, n) * np.sqrt(n), 1.0 / np.sqrt(n)])
        rows = np.searchsorted(np.array(self.counts), np.arange(frames + 1), side="right") - 1
        law = (self.read_variance, self.per_level, self.lowest_level, self.least_variance, self.level_variance)
        tables = np.array(self.tables)
        pool_uncertainty(
            data, uncertainty, counts, of_count, np.array(law), tables, np.maximum(rows, 0).astype(np.int32)
        )

    def cards(self, method: str, frames: int, weights: NDArray[Any] | None = None) -> dict[str, tuple[Any, str]]:
        """Return what a header says of standard deviations that are made so; weights are of whole frames."""
        share = np.ones(frames) if weights is None or weights.ndim > 1 else weights
        to_result = float(np.sqrt(np.square(share).sum()) / (1.0 if method == "sum" else share.sum()))
        error = (self.level_variance + self.shifted_variance) ** 0.5 * to_result
        said: dict[str, tuple[Any, str]] = {ERROR_CARD: ("pixel", "UNCERT: error of each pixel, noise pooled")}
        return said | ({"LEVELERR": (error, "error of the level, common to all pixels")} if error > 0 else {})


def unbiased(method: str, n: NDArray[Any]) -> NDArray[np.float64]:
    """Return what a standard deviation that is divided by n is multiplied by; a MAD says what it says."""
    count = np.asarray(n, dtype=np.float64)
    return np.ones(count.shape) if method == "median" else np.sqrt(count / np.maximum(count - 1.0, 1.0))


def with_photons(
    common: tuple[float, float, float, float], photon_adu: float, levels: NDArray[Any], squares: NDArray[np.float64]
) -> tuple[float, float, float, float]:
    """Return what all pixels have in common with the photon noise of what is brighter, where pixels do not refute it.

    Two values of a hot pixel may be alike by chance, and such pixels are too few to show how noise grows with level. It
    grows from where the level is above the noise of a frame on: a level that is high by its noise has no photons, and
    where each pixel was believed, the variance of all pixels of three darks was 3 % too large.

    Parameters
    ----------
    common : tuple of float
        Read variance, variance per level, lowest level and least variance, as `PooledNoise` has them.
    photon_adu : float
        1 / gain; 0 where it is not known.
    levels, squares : ndarray
        Of pixels, and the squares of their scatter.

    Examples
    --------
    >>> with_photons((16.0, 0.0, 0.0, 16.0), 0.5, np.array([10.0, 10.0, 500.0]), np.array([16.0, 17.0, 1.0]))
    (7.0, 0.5, 18.0, 16.0)
    """
    read_variance, per_level, lowest, least = common
    if not photon_adu > per_level:
        return common
    usual = float(median_of_valid(levels))
    of_usual = max(read_variance + per_level * max(usual, lowest), least)
    bright = photon_adu * (levels - usual) > of_usual
    if np.count_nonzero(bright) >= _FEWEST_BRIGHT:
        expected = of_usual + photon_adu * (levels[bright] - usual)
        if np.mean(squares[bright] / expected) < _LEAST_OF_PHOTONS:
            return common
    above = usual + _ABOVE_NOISES * float(np.sqrt(of_usual))
    return of_usual - photon_adu * above, photon_adu, above, of_usual
