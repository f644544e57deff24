"""Where something steps between two columns: the search for changes in many profiles at once.

Each feature is a profile over columns with noise of unit variance. A step of all features before a column is judged by
chi-square of the differences of means on both sides, in windows of several widths (moving sums: Eichinger and Kirch,
Bernoulli 24, 526, 2018; windows as small as the step allows, as in Baranowski, Chen and Fryzlewicz, J. R. Stat. Soc. B
81, 649, 2019). A smooth change gives such differences, too: a step is sharp where a step with a common slope explains
the profiles better than a cubic does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

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
#: A step with a slope that leaves more chi-square than that for each degree of freedom is no explanation.
_MISFIT = 3.0
#: Columns of the small windows by which the noise is taken.
_SMALL = 4


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Profiles over columns, of unit variance.

    Attributes
    ----------
    values : ndarray, shape (features, columns)
    """

    values: NDArray[np.float64]

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
    if profiles.shape[1] < 5 * _SMALL:
        return Features(profiles / np.sqrt(np.maximum(variance, 1e-18)))
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
    sums = np.cumsum(np.pad(features.values[:, begin:end], ((0, 0), (1, 0))), axis=1)
    at = places - begin
    low, high = np.maximum(at - width, 0), np.minimum(at + width, end - begin)
    before, after = at - low, high - at
    steps = (sums[:, high] - sums[:, at]) / after - (sums[:, at] - sums[:, low]) / before
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
        at = places[int(np.argmin([_left_by_step(own, place - low) for place in places]))]
    return at


def split_margin(features: Features, column: int, begin: int, end: int) -> float:
    """Return by how much of chi-square a step before a column is better than one before the columns next to it."""
    low, high = max(column - _LOCAL, begin), min(column + _LOCAL, end)
    beside = [at for at in (column - 1, column + 1, column - 2, column + 2) if low < at < high]
    if not len(features) or not beside:
        return 0.0
    own = projected(features, column, begin, end)[low:high]
    return min(_left_by_step(own, at - low) for at in beside) - _left_by_step(own, column - low)


def _left_by_step(values: NDArray[np.float64], place: int) -> float:
    """Return the chi-square of a profile that a parabola and a step before a column leave."""
    x = np.linspace(-1.0, 1.0, values.size)
    return _left(values, np.stack([np.ones_like(x), x, x**2, np.where(np.arange(values.size) >= place, 1.0, -1.0)]))


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
    for width in (_LOCAL // 3, _LOCAL // 2, _LOCAL):
        low, high = max(seam - width, begin), min(seam + width, end)
        if seam - low < _FEWEST or high - seam < _FEWEST or not len(features):
            continue
        left, of_smooth, freedom = 0.0, 0.0, 0
        for parity in (0, 1):
            columns = np.arange(low + (parity + low) % 2, high, 2)
            others = np.arange(max(seam - 2 * _LOCAL, begin), min(seam + 2 * _LOCAL, end))
            others = others[others % 2 != columns[0] % 2]
            before, after = others[others < seam], others[others >= seam]
            if not before.size or not after.size:
                return -np.inf
            weights = features.values[:, after].mean(axis=1) - features.values[:, before].mean(axis=1)
            own = weights @ features.values[:, columns] / max(float(np.linalg.norm(weights)), 1e-12)
            x = (columns - seam + 0.5) / width
            stepped = np.stack([np.ones_like(x), x, np.where(columns >= seam, 1.0, -1.0)])
            left += _left(own, stepped)
            of_smooth += _left(own, np.stack([np.ones_like(x), x, x**2, x**3]))
            freedom += x.size - 3
        misfit = left / max(freedom, 1)
        if misfit < _MISFIT:  # else it is a curve that neither explains
            best = max(best, 0.5 * (of_smooth - left) / max(misfit, 1.0))
    return best


def _left(values: NDArray[np.float64], basis: NDArray[np.float64]) -> float:
    q, _ = np.linalg.qr(basis.T)
    return float(np.sum(np.square(values - q @ (q.T @ values))))
