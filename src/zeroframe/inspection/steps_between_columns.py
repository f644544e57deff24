"""Where something steps between two columns: the search for changes in many profiles at once.

Each feature is a profile over columns with noise of unit variance. A step of all features before a column is judged by
chi-square of the differences of means on both sides, in windows of several widths (moving sums: Eichinger and Kirch,
Bernoulli 24, 526, 2018; windows as small as the step allows, as in Baranowski, Chen and Fryzlewicz, J. R. Stat. Soc. B
81, 649, 2019). A smooth change gives such differences, too: a step is sharp where a step with a common slope explains
the profiles better than a cubic does.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from zeroframe.records import dataclass

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Features", "best_split", "projected", "sharpness", "significance", "split_margin", "step_at", "whitened"]

#: Columns on each side whose means are compared.
_WINDOWS = (6, 12, 24, 48)
#: So many columns on each side tell whether a step is sharp.
_LOCAL = 24
#: Steps that are that small part of all are the noise: of |normal| values so many lie below 0.454.
_PART, _OF_SIGMA = 0.35, 0.4538
_FEWEST = 3
#: Shorter vectors are rounding.
_NOTHING = 1e-6
#: A step with a slope that leaves more chi-square than that for each degree of freedom is no explanation.
_MISFIT = 3.0
#: Of two normal values the median difference; of fewer columns than that the noise is taken so.
_MEDIAN_OF_DIFFERENCES, _FEW_COLUMNS = 0.954, 64
#: Columns of the small windows by which the noise is taken.
_SMALL = 4


@dataclass(frozen=True, eq=False)
class Features:
    """Profiles over columns, of unit variance.

    Attributes
    ----------
    values : ndarray, shape (features, columns)
    """

    values: NDArray[np.float64]

    @cached_property
    def sums(self) -> NDArray[np.float64]:
        """Sums over the columns before each, shape (features, columns + 1)."""
        summed = np.zeros((self.values.shape[0], self.values.shape[1] + 1))
        np.cumsum(self.values, axis=1, out=summed[:, 1:])
        return summed

    def __len__(self) -> int:
        return int(self.values.shape[0])


def whitened(profiles: NDArray[np.float64], variance: NDArray[np.float64] | float) -> Features:
    """Return profiles, shape (features, columns), with unit variance.

    Parameters
    ----------
    profiles : ndarray
    variance : float or ndarray, shape (features,)
        That of a column by its noise; where neighbouring columns differ by more, that counts.
    """
    if not profiles.size:
        return Features(np.zeros((0, profiles.shape[1])))
    if profiles.shape[1] < _FEW_COLUMNS:  # a step is in most windows of them: by neighbours
        beside = np.median(np.abs(np.diff(profiles, axis=1)), axis=1) / _MEDIAN_OF_DIFFERENCES
        return Features(profiles / np.sqrt(np.maximum(np.square(beside), np.maximum(variance, 1e-18)))[:, np.newaxis])
    sums = np.cumsum(np.pad(profiles, ((0, 0), (1, 0))), axis=1)
    means = (sums[:, _SMALL:] - sums[:, :-_SMALL]) / _SMALL
    steps = means[:, _SMALL:] - means[:, :-_SMALL]
    # less those beside it, so that a slope drops out: 1.5 and 0.5 of four means
    bends = np.abs(steps[:, _SMALL:-_SMALL] - 0.5 * (steps[:, : -2 * _SMALL] + steps[:, 2 * _SMALL :]))
    found = np.quantile(bends, _PART, axis=1) / _OF_SIGMA / np.sqrt(5.0 / _SMALL)
    sigma = np.sqrt(np.maximum(np.square(found), variance))
    return Features(profiles / np.maximum(sigma, 1e-9)[:, np.newaxis])


def step_at(
    features: Features, places: NDArray[np.int64], width: int, begin: int, end: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far each feature steps before columns, and the error of that.

    Parameters
    ----------
    features : Features
    places : ndarray of int
        Columns, counted from 0; each between ``begin`` and ``end``, not at them.
    width : int
        Columns on each side, fewer where the part ends.
    begin, end : int
        The part of the columns that is looked at.

    Returns
    -------
    steps : ndarray, shape (features, places)
    errors : ndarray, shape (places,)
    """
    low, high = np.maximum(places - width, begin), np.minimum(places + width, end)
    before, after = places - low, high - places
    at, first, last = (features.sums[:, columns] for columns in (places, low, high))
    steps = (last - at) / after - (at - first) / before
    return steps, np.sqrt(1.0 / before + 1.0 / after)


def significance(
    features: Features, places: NDArray[np.int64], begin: int, end: int, *, less_slope: bool = False
) -> NDArray[np.float64]:
    """Return by how many sigma features step before columns, the best of several windows; -inf without features.

    With ``less_slope`` steps are taken less those beside them, which finds less, and no ramps. Chi-square as a normal
    deviate: Wilson and Hilferty, PNAS 17, 684 (1931).
    """
    best = np.full(places.shape, -np.inf)
    number = len(features)
    if not number:
        return best
    for width in _WINDOWS if less_slope else (*_WINDOWS, end - begin):
        steps, errors = step_at(features, places, width, begin, end)
        if less_slope:
            sides = [step_at(features, np.clip(places + by, begin + 1, end - 1), width, begin, end)[0]
                     for by in (-width, width)]  # fmt: skip
            steps, errors = steps - 0.5 * (sides[0] + sides[1]), errors * np.sqrt(2.5)
        chi2 = np.sum(np.square(steps / errors), axis=0)
        deviate = (np.cbrt(chi2 / number) - 1.0 + 2.0 / (9.0 * number)) / np.sqrt(2.0 / (9.0 * number))
        best = np.maximum(best, deviate)
    return best


def projected(features: Features, seam: int, begin: int, end: int) -> NDArray[np.float64]:
    """Return one profile of all features: each weighted by its own step before a column, so that noise drops out.

    Returns
    -------
    ndarray, shape (columns,)
        Of unit variance; zeros without features.
    """
    place = np.array([seam])
    steps, _ = step_at(features, place, _LOCAL, begin, end)
    width = min(_LOCAL // 2, (seam - begin) // 2, (end - seam) // 2)
    if width >= _SMALL:  # less what steps beside it, so that slopes have no weight
        near, *sides = (step_at(features, place + by, width, begin, end)[0] for by in (0, -width, width))
        steps = near - 0.5 * (sides[0] + sides[1])
    length = float(np.linalg.norm(steps[:, 0]))
    if not length:
        return np.zeros(features.values.shape[1])
    return np.asarray(steps[:, 0] @ features.values) / length


def best_split(features: Features, about: int, reach: int, begin: int, end: int) -> int:
    """Return the column near ``about`` before which a step, and a parabola, explain most of it near by."""
    at = about
    for _ in range(2):
        low, high = max(at - _LOCAL, begin), min(at + _LOCAL, end)
        places = range(max(about - reach, low + _FEWEST), min(about + reach, high - _FEWEST) + 1)
        if not places or not len(features):
            return about
        own = projected(features, at, begin, end)[low:high]
        at = places[int(np.argmax(_explained_by_steps(own)[np.array(places) - low]))]
    return at


def split_margin(features: Features, column: int, begin: int, end: int) -> float:
    """Return by how much of chi-square a step before a column is better than one before the columns next to it."""
    low, high = max(column - _LOCAL, begin), min(column + _LOCAL, end)
    beside = [at for at in (column - 1, column + 1, column - 2, column + 2) if low < at < high]
    if not len(features) or not beside:
        return 0.0
    explained = _explained_by_steps(projected(features, column, begin, end)[low:high])
    return float(explained[column - low] - explained[np.array(beside) - low].max())


def _explained_by_steps(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the chi-square of a profile that a step before each of its columns explains beside a parabola."""
    return np.asarray(np.square(_steps_beside_parabola(values.size) @ values))


@lru_cache(maxsize=128)
def _steps_beside_parabola(size: int) -> NDArray[np.float64]:
    """Return steps before each column, orthogonal to a parabola and of unit length, shape (size, size)."""
    x = np.linspace(-1.0, 1.0, size)
    q, _ = np.linalg.qr(np.stack([np.ones_like(x), x, x**2]).T)
    steps = np.where(np.arange(size) >= np.arange(size)[:, np.newaxis], 1.0, -1.0)
    steps = steps - (steps @ q) @ q.T
    length = np.linalg.norm(steps, axis=1, keepdims=True)
    return np.asarray(np.divide(steps, length, out=np.zeros_like(steps), where=length > _NOTHING))


def sharpness(features: Features, seam: int, begin: int, end: int) -> float:
    """Return how much better a step before a column, with a slope, explains features than a cubic does.

    Of every second column the features are weighted by the step that the other columns show: of many features, noise
    would else make a step of its own wherever one is looked for.

    Returns
    -------
    float
        Half the difference of chi-square, in units of what is left; the best of narrow and wide surroundings.
    """
    best = -np.inf
    others: dict[int, NDArray[np.float64]] = {}
    for width in (_LOCAL // 3, _LOCAL // 2, _LOCAL):
        low, high = max(seam - width, begin), min(seam + width, end)
        if seam - low < _FEWEST or high - seam < _FEWEST or not len(features):
            continue
        left, of_smooth, freedom = 0.0, 0.0, 0
        for parity in (0, 1):
            columns = slice(low + parity, high, 2)
            of_parity = (low + 1 - parity) % 2
            if of_parity not in others:
                others[of_parity] = _steps_of_others(features, seam, of_parity, begin, end)
            own = others[of_parity] @ features.values[:, columns]
            stepped, smooth = _bases(seam - low, high - seam, parity, width)
            square = float(own @ own)
            left += square - float(np.sum(np.square(stepped @ own)))
            of_smooth += square - float(np.sum(np.square(smooth @ own)))
            freedom += own.size - 3
        misfit = left / max(freedom, 1)
        if misfit < _MISFIT:  # else it is a curve that neither explains
            best = max(best, 0.5 * (of_smooth - left) / max(misfit, 1.0))
    return best


def _steps_of_others(features: Features, seam: int, of_parity: int, begin: int, end: int) -> NDArray[np.float64]:
    """Return how far each feature steps by every second column near by, as a vector of unit length."""
    low, high = max(seam - 2 * _LOCAL, begin), min(seam + 2 * _LOCAL, end)
    low += (of_parity - low) % 2
    middle = seam + (of_parity - seam) % 2
    before, after = features.values[:, low:seam:2], features.values[:, middle:high:2]
    if not before.shape[1] or not after.shape[1]:
        return np.zeros(len(features))
    weights = after.mean(axis=1) - before.mean(axis=1)
    return np.asarray(weights / max(float(np.linalg.norm(weights)), 1e-12))


@lru_cache(maxsize=512)
def _bases(before: int, after: int, parity: int, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return orthonormal rows for a step with a slope, and for a cubic, over every second column about a step."""
    columns = np.arange(-before + parity, after, 2)
    x = (columns + 0.5) / width
    stepped = np.stack([np.ones_like(x), x, np.where(columns >= 0, 1.0, -1.0)])
    smooth = np.stack([np.ones_like(x), x, x**2, x**3])
    q_stepped, q_smooth = (np.linalg.qr(basis.T)[0].T for basis in (stepped, smooth))
    return np.asarray(q_stepped), np.asarray(q_smooth)
