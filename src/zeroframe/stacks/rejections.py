"""Rejections of other programs, each an entry of a table: IRAF's avsigclip and pclip, Siril's winsorised, GESD.

All look at a tile of shape (frames, rows, nx) in float64, NaN where a value is masked, and put NaN where they reject.
Each line of a tile is worked out by itself, so that the result does not depend on how an image was cut. What IRAF calls
sigclip, ccdclip, crreject and minmax are `zeroframe.stacks.combine.Rejection` without any of these.

References: the help page of IRAF's imcombine; the documentation of Siril, "Stacking"; B. Rosner 1983, Technometrics
25, 165 (generalised extreme Studentised deviates).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import UsageError, nearest_name
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

__all__ = ["SCHEMES", "Scheme", "grow_rejected", "lose_at_random", "share_grown_away"]

#: Of pixels with fewer values nobody can say what is usual.
_FEWEST = 3
#: Winsorised: values further than so many sigmas are brought there, the spread of what that leaves is made up for, and
#: repeated until it changes by less than this.
_WINSOR_REACH, _WINSOR_SPREAD, _WINSOR_CHANGE = 1.5, 1.134, 0.0005
#: Winsorised: so many values are always left; of what Siril counts as values.
_WINSOR_LEFT = 4
_MOST_ROUNDS = 200


@dataclass(frozen=True, slots=True)
class Scheme:
    """One of the rejections of the table, with its figures.

    Parameters
    ----------
    name : {'avsigclip', 'pclip', 'winsorised', 'gesd'}
        Which.
    low, high : float
        How many widths below and above the center a value is rejected; not of ``gesd``.
    pclip : float
        Of ``pclip``: which value tells the width, counted from the median in values (1 or more) or as a fraction of
        those on its side; negative below it.
    outliers : float
        Of ``gesd``: the largest fraction of the values that may be rejected.
    significance : float
        Of ``gesd``: the probability that a value is rejected where all are good.

    Raises
    ------
    UsageError
        When the name is not known, or a figure makes no sense.

    Examples
    --------
    >>> tile = np.array([1.0, 2.0, 1.5, 1.2, 1.7, 90.0]).reshape(6, 1, 1)
    >>> Scheme("gesd").reject(tile)
    >>> tile.ravel()
    array([1. , 2. , 1.5, 1.2, 1.7, nan])
    """

    name: str
    low: float = 3.0
    high: float = 3.0
    pclip: float = -0.5
    outliers: float = 0.3
    significance: float = 0.05

    def __post_init__(self) -> None:
        if self.name not in SCHEMES:
            raise UsageError(f"{self.name!r} is none of {', '.join(SCHEMES)}{nearest_name(self.name, SCHEMES)}")
        for name, lowest, highest in (
            ("low", 0.0, math.inf),
            ("high", 0.0, math.inf),
            ("outliers", 0.0, 1.0),
            ("significance", 0.0, 1.0),
        ):
            if not lowest < getattr(self, name) <= highest:
                raise UsageError(f"{name} is {getattr(self, name)!r}; it must be above {lowest:g}, {highest:g} at most")
        if not 0.0 < abs(self.pclip) < math.inf:
            raise UsageError(f"pclip is {self.pclip!r}; it must be a number that is not 0")

    def describe(self) -> str:
        """Say it in a few words, for headers.

        Examples
        --------
        >>> Scheme("pclip").describe(), Scheme("gesd").describe()
        ('pclip -3 +3 at -0.5', 'gesd 0.3 of the values at 0.05')
        """
        if self.name == "gesd":
            return f"gesd {self.outliers:g} of the values at {self.significance:g}"
        return f"{self.name} -{self.low:g} +{self.high:g}" + (f" at {self.pclip:g}" if self.name == "pclip" else "")

    def reject(self, tile: NDArray[Any]) -> None:
        """Put NaN in place of what is rejected from a tile, shape (frames, rows, nx)."""
        values = tile.astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            rejected = SCHEMES[self.name](values, self)
        tile[rejected] = np.nan


def _averaged_sigma(values: NDArray[np.float64], scheme: Scheme) -> NDArray[np.bool_]:
    """IRAF's avsigclip: the spread is that of Poisson noise, times what all pixels of a line say together."""
    count = np.isfinite(values).sum(axis=0)
    median = np.nanmedian(values, axis=0)
    enough = count >= _FEWEST
    squares = np.nansum((values - median) ** 2, axis=0) / np.fmax(median, 1.0)
    known = np.where(enough, count, 0).sum(axis=1, keepdims=True)
    per_light = np.sqrt(np.where(enough, squares, 0.0).sum(axis=1, keepdims=True) / (known - 1))
    return _clip_repeatedly(values, scheme, lambda center: per_light * np.sqrt(np.fmax(center, 1.0)))


def _clip_repeatedly(
    values: NDArray[np.float64], scheme: Scheme, spread_at: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> NDArray[np.bool_]:
    """Clip about the median until nothing more is rejected; where all would be, the nearest to the median stay."""
    left = values.copy()
    active = np.ones(values.shape[1:], dtype=bool)
    while active.any():
        active &= np.isfinite(left).sum(axis=0) >= _FEWEST
        center = np.nanmedian(left, axis=0)
        spread = spread_at(center)
        beyond = active & ((center - left > scheme.low * spread) | (left - center > scheme.high * spread))
        emptied = (np.isfinite(left) & ~beyond).sum(axis=0) == 0
        distance = np.abs(left - center)
        beyond &= ~(emptied & (distance <= np.nanmin(distance, axis=0)))
        left[beyond] = np.nan
        active &= beyond.any(axis=0)
    return np.isnan(left) & ~np.isnan(values)


def _percentile(values: NDArray[np.float64], scheme: Scheme) -> NDArray[np.bool_]:
    """IRAF's pclip: the width is the distance of one chosen value of each pixel from its median."""
    ordered = np.sort(values, axis=0)  # NaN stand last
    count = np.isfinite(values).sum(axis=0)
    wanted = abs(scheme.pclip) if abs(scheme.pclip) >= 1.0 else abs(scheme.pclip) * (len(values) // 2)
    steps = max(1, math.floor(wanted + 1e-9))  # from the middle one, of two the one on the side that is looked at
    above, below = np.minimum(count // 2 + steps, count - 1), np.maximum((count - 1) // 2 - steps, 0)
    place = above if scheme.pclip > 0 else below
    median = np.nanmedian(values, axis=0)
    chosen = np.take_along_axis(ordered, np.maximum(place, 0)[None], axis=0)[0]
    width = np.abs(chosen - median)
    rejected = (count >= _FEWEST) & ((median - values > scheme.low * width) | (values - median > scheme.high * width))
    distance = np.abs(values - median)
    emptied = (np.isfinite(values) & ~rejected).sum(axis=0) == 0
    return np.asarray(rejected & ~(emptied & (distance <= np.nanmin(distance, axis=0))))


def _winsorised(values: NDArray[np.float64], scheme: Scheme) -> NDArray[np.bool_]:
    """Siril's winsorised sigma clipping: the spread is that of values whose outliers were brought in."""
    left = values.copy()
    count = np.isfinite(left).sum(axis=0)
    gone = np.zeros(count.shape, dtype=np.int64)
    active = count > _FEWEST
    while active.any():
        median, sigma = _winsor(left, active)
        outside = active & ((median - left > scheme.low * sigma) | (left - median > scheme.high * sigma))
        # as Siril counts: what was rejected in rounds before is not among the values any more, and counted once more
        outside &= np.cumsum(outside, axis=0) <= count - 2 * gone - _WINSOR_LEFT
        left[outside] = np.nan
        gone += outside.sum(axis=0)
        active &= outside.any(axis=0) & (count - gone > _FEWEST)
    return np.isnan(left) & ~np.isnan(values)


def _winsor(values: NDArray[np.float64], active: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return median and spread of values whose outliers are brought in, again and again."""
    moved = values[:, active]
    median, sigma = np.nanmedian(moved, axis=0), np.nanstd(moved, axis=0, ddof=1)
    going = np.ones(median.shape, dtype=bool)
    for _ in range(_MOST_ROUNDS):
        reach = _WINSOR_REACH * sigma[going]
        part = np.clip(moved[:, going], median[going] - reach, median[going] + reach)
        moved[:, going] = part
        before = sigma[going]
        median[going] = np.nanmedian(part, axis=0)
        sigma[going] = _WINSOR_SPREAD * np.nanstd(part, axis=0, ddof=1)
        going[going] = np.abs(sigma[going] - before) > _WINSOR_CHANGE * before
        if not going.any():
            break
    whole = np.full((2, *active.shape), np.nan)
    whole[0, active], whole[1, active] = median, sigma
    return whole[0], whole[1]


def _extreme_deviates(values: NDArray[np.float64], scheme: Scheme) -> NDArray[np.bool_]:
    """Generalised ESD: the most extreme value is taken out again and again; all up to the last that was too far go."""
    left = values.copy()
    count = np.isfinite(values).sum(axis=0)
    most = np.floor(scheme.outliers * count + 1e-9).astype(int)
    order = np.zeros(values.shape, dtype=np.int32)  # in which round a value was taken out; 0 for never
    last = np.zeros(count.shape, dtype=np.int32)
    limits = _critical(len(values), scheme.significance)
    for taken in range(1, int(most.max(initial=0)) + 1):
        going = (most >= taken) & (count - taken >= 1)
        mean, sigma = np.nanmean(left, axis=0), np.nanstd(left, axis=0, ddof=1)
        distance = np.where(np.isnan(left), -1.0, np.abs(left - mean))
        farthest = np.argmax(distance, axis=0)[None]
        found = np.take_along_axis(distance, farthest, axis=0)[0] / sigma
        last[going & (found > limits[np.maximum(count - taken + 1, 0)])] = taken
        np.put_along_axis(order, farthest, np.where(going, taken, np.take_along_axis(order, farthest, 0)[0])[None], 0)
        np.put_along_axis(left, farthest, np.where(going, np.nan, np.take_along_axis(left, farthest, 0)[0])[None], 0)
    return np.asarray((order > 0) & (order <= last))


@lru_cache(maxsize=8)
def _critical(frames: int, significance: float) -> NDArray[np.float64]:
    """Return how far, in standard deviations, the most extreme of n good values may be, by n; infinity below 3."""
    from scipy.stats import t

    limits = np.full(frames + 1, np.inf)
    n = np.arange(_FEWEST, frames + 1)
    quantile = t.ppf(1.0 - significance / (2.0 * n), n - 2)
    limits[_FEWEST:] = (n - 1) * quantile / np.sqrt(n * (n - 2 + quantile**2))
    return limits


#: What each does, and returns what it rejects.
SCHEMES: Mapping[str, Callable[[NDArray[np.float64], Scheme], NDArray[np.bool_]]] = {
    "avsigclip": _averaged_sigma,
    "pclip": _percentile,
    "winsorised": _winsorised,
    "gesd": _extreme_deviates,
}


def grow_rejected(before: NDArray[np.bool_], tile: NDArray[Any], radius: float) -> None:
    """Reject what lies around rejected pixels, frame by frame, as IRAF's ``grow``; in place.

    Parameters
    ----------
    before : ndarray of bool, shape (frames, rows, nx)
        Where there was a value before anything was rejected.
    tile : ndarray, shape (frames, rows, nx)
        NaN where a value is masked or rejected.
    radius : float
        In pixels. A pixel of which nothing would be left keeps what it had.

    Examples
    --------
    >>> tile = np.array([[[1.0, np.nan, 1.0, 1.0]], [[2.0, 2.0, 2.0, 2.0]]])
    >>> grow_rejected(np.ones(tile.shape, bool), tile, 1.0)
    >>> tile[0]
    array([[nan, nan, nan,  1.]])
    """
    grown = _grown(before & np.isnan(tile), radius)
    _lose(tile, grown)


def _grown(rejected: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    """Return what lies within a radius of rejected pixels of the same frame, they themselves among it."""
    from scipy.ndimage import binary_dilation

    reach = math.floor(radius)
    y, x = np.ogrid[-reach : reach + 1, -reach : reach + 1]
    disk = (y * y + x * x <= radius * radius)[None]
    return np.asarray(binary_dilation(rejected, disk))


def _lose(tile: NDArray[Any], lost: NDArray[np.bool_]) -> None:
    """Put NaN where values are lost, but where that would leave a pixel without any; in place."""
    left = (~np.isnan(tile) & ~lost).any(axis=0)
    tile[lost & left] = np.nan


def share_grown_away(before: NDArray[np.bool_], tile: NDArray[Any], radius: float) -> float:
    """Return which fraction of the values that are left stand beside rejected ones, as `grow_rejected` sees them.

    Parameters
    ----------
    before, tile, radius
        As for `grow_rejected`; nothing is changed.

    Examples
    --------
    >>> tile = np.array([[[1.0, np.nan, 1.0, 1.0]], [[2.0, 2.0, 2.0, 2.0]]])
    >>> round(share_grown_away(np.ones(tile.shape, bool), tile, 1.0), 3)  # 2 of 7
    0.286
    """
    left = ~np.isnan(tile)
    lost = left & _grown(before & ~left, radius)
    return int(np.count_nonzero(lost)) / max(int(np.count_nonzero(left)), 1)


def lose_at_random(tile: NDArray[Any], share: float, random: np.random.Generator) -> None:
    """Put NaN in place of a share of the values, whatever they are: what growing does to pixels beside rejected ones.

    Examples
    --------
    >>> tile = np.ones((4, 1, 1000))
    >>> lose_at_random(tile, 0.2, np.random.default_rng(1))
    >>> bool(0.18 < np.isnan(tile).mean() < 0.22)
    True
    """
    _lose(tile, random.random(tile.shape) < share)
