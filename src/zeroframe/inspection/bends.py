"""How far a response falls short of a straight line, by how the gain that pairs of flats give changes with their level.

Of a response ``M(S)`` to light ``S`` the variance of photons is ``M'(S)^2 S / gain``, so the gain that is found at a
level M, M over the variance, is the true one times ``M / (S M'^2)``. Of a small bend that is a straight line of the
level. Of a strong one it is not, and a line through it says twice what it falls short by. Two responses are tried: one
that bends all the way, ``M = S (1 - b S)``, and one that is straight up to a knee and has another slope beyond.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Bend", "fit_bend"]

#: By what part a response that bends all the way falls short at the highest level, as far as it is looked for: from 0.5
#: on its level does not rise any more.
_SHORTFALLS = np.linspace(-0.4, 0.45, 341)
#: Slopes beyond a knee, over that below.
_SLOPES = np.concatenate([np.linspace(0.3, 0.98, 69), np.linspace(1.02, 1.5, 25)])
#: A knee has one number more to fit with: it has to be better by so much in chi-square.
_KNEE_COSTS = 4.0
#: A response is neither of the two: what it falls short by is told to this part of it at best.
_NEITHER = 0.2


class Bend(NamedTuple):
    """The gain of faint light, and by which part the response falls short at a level, with their errors."""

    zero: float
    zero_error: float
    shortfall: float
    shortfall_error: float


class _Tried(NamedTuple):
    """Responses: by what they fall short at the level, and the gain at other levels over that of faint light."""

    shortfalls: NDArray[np.float64]
    shapes: NDArray[np.float64]


def _bending(levels: NDArray[np.float64], highest: float) -> _Tried:
    b_level = (_SHORTFALLS * (1.0 - _SHORTFALLS) / highest)[:, None] * levels
    root = np.sqrt(np.maximum(1.0 - 4.0 * b_level, 1e-3))
    return _Tried(_SHORTFALLS, (1.0 + root) / (2.0 * root**2))


def _with_knee(levels: NDArray[np.float64], highest: float) -> _Tried:
    knees, slopes = (grid.ravel() for grid in np.meshgrid(0.5 * (levels[1:] + levels[:-1]), _SLOPES))
    light = knees[:, None] + (levels - knees[:, None]) / slopes[:, None]
    beyond = levels > knees[:, None]
    shapes = np.where(beyond, levels / (light * slopes[:, None] ** 2), 1.0)
    return _Tried(1.0 - highest / (knees + np.maximum(highest - knees, 0.0) / slopes), shapes)


def fit_bend(
    levels: NDArray[np.float64], gains: NDArray[np.float64], errors: NDArray[np.float64], highest: float
) -> Bend:
    """Fit a response to gains by level.

    Parameters
    ----------
    levels, gains, errors : ndarray of float64, shape (n,)
        In rising order of levels, in ADU of what was measured.
    highest : float
        The level at which it is said by what the response falls short.

    Examples
    --------
    >>> light = np.linspace(2000.0, 50000.0, 9)
    >>> levels = light * (1 - 4e-6 * light)  # 0.2 of the light is lost at the highest
    >>> found = fit_bend(levels, 1.5 * levels / (light * (1 - 8e-6 * light) ** 2), np.full(9, 0.01), 40000.0)
    >>> round(found.zero, 2), round(found.shortfall, 2)
    (1.5, 0.2)
    """
    found = [_fitted(tried, gains, errors) for tried in (_bending(levels, highest), _with_knee(levels, highest))]
    (bent, bent_square), (kneed, kneed_square) = found
    return kneed if kneed_square + _KNEE_COSTS < bent_square else bent


def _fitted(tried: _Tried, gains: NDArray[np.float64], errors: NDArray[np.float64]) -> tuple[Bend, float]:
    """Return the best of some responses, and its chi-square; errors are how far those lie that are not worse by one."""
    weights = tried.shapes / errors
    zeros = (weights * gains / errors).sum(axis=1) / np.square(weights).sum(axis=1)
    squares = np.square((gains - zeros[:, None] * tried.shapes) / errors).sum(axis=1)
    best = int(np.argmin(squares))
    # levels that do not lie on such a curve make it less certain
    scaled = max(float(squares[best]) / max(gains.size - 2, 1), 1.0)
    # nine times for three errors: one alone may be less than a step of the grid
    near = squares <= squares[best] + 9.0 * scaled
    own_error = float(np.square(weights[best]).sum() ** -0.5) * scaled**0.5
    zero_error = max(float(np.ptp(zeros[near])) / 6.0, own_error)
    shortfall = float(tried.shortfalls[best])
    step = float(np.diff(_SHORTFALLS)[0])
    error = max(float(np.ptp(tried.shortfalls[near])) / 6.0, step / 2.0, _NEITHER * abs(shortfall))
    return Bend(float(zeros[best]), zero_error, shortfall, error), float(squares[best])
