"""The functions that may be fitted to the levels along an overscan strip: a table, of which all options follow.

The command line names them in its help, and starts without numpy; so it is imported where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from zeroframe.errors import UsageError
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    Lines = NDArray[np.float64]

__all__ = ["FITS", "Fit", "LevelFit"]

Fit = Literal["chebyshev", "legendre", "spline"]


@dataclass(frozen=True, slots=True)
class LevelFit:
    """One of them.

    Attributes
    ----------
    curve : callable
        Takes coordinates of lines from -1 to 1, their levels, the order, and coordinates at which the fitted function
        is wanted; returns its values there.
    more_lines, more_terms : int
        How many lines it needs at least, and how many parameters it has, more than its order.
    least_order : int
        The smallest order that it has.
    """

    curve: Callable[[Lines, Lines, int, Lines], NDArray[Any]]
    more_lines: int = 1
    more_terms: int = 1
    least_order: int = 0


def _chebyshev(x: Lines, levels: Lines, degree: int, at: Lines) -> NDArray[Any]:
    from numpy.polynomial import chebyshev

    return chebyshev.chebval(at, chebyshev.chebfit(x, levels, degree))


def _legendre(x: Lines, levels: Lines, degree: int, at: Lines) -> NDArray[Any]:
    from numpy.polynomial import legendre

    return legendre.legval(at, legendre.legfit(x, levels, degree))


def _spline(x: Lines, levels: Lines, pieces: int, at: Lines) -> NDArray[Any]:
    """Fit a cubic spline of pieces that are equally long."""
    import numpy as np
    from scipy.interpolate import make_lsq_spline

    if not np.histogram(x, bins=pieces, range=(-1.0, 1.0))[0].all():
        raise UsageError(f"a spline of {pieces} pieces has pieces without a single valid line; use fewer pieces")
    inner = np.linspace(-1.0, 1.0, pieces + 1)[1:-1]
    knots = np.concatenate([[-1.0] * 4, inner, [1.0] * 4])
    return make_lsq_spline(x, levels, knots, k=3)(at)


#: What each word of `Fit` stands for.
FITS: dict[Fit, LevelFit] = {
    "chebyshev": LevelFit(_chebyshev),
    "legendre": LevelFit(_legendre),
    "spline": LevelFit(_spline, more_lines=4, more_terms=3, least_order=1),
}
if set(FITS) != set(get_args(Fit)):  # pragma: no cover -- seen when the module is written
    raise AssertionError("the table and the words for it differ")
