"""The bias level of each row (or column) from the overscan strip, and its subtraction."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from zeroframe.errors import AssumptionWarning, SectionError, UsageError, nearest_name
from zeroframe.kernels.sorting import sorting_pairs
from zeroframe.kernels.stack import AVERAGE, MAD_TO_SIGMA, MEDIAN, NO_LIMITS, stack_ordered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zeroframe.headers.sections import Section

__all__ = [
    "FIT_NAMES",
    "LEVEL_METHODS",
    "Fit",
    "LevelMethod",
    "OverscanSpec",
    "collapse_axis",
    "frame_levels",
    "strip_levels",
]

LevelMethod = Literal["median", "mean", "clipped"]
Fit = Literal["chebyshev", "legendre", "spline"]
LEVEL_METHODS: tuple[LevelMethod, ...] = get_args(LevelMethod)
FIT_NAMES: tuple[Fit, ...] = get_args(Fit)

#: A strip may fall short of the image by this fraction at its ends (LFC's header misses one row of 4128).
_MISSING_FRACTION = 0.1
_CLIP_AT_3 = NO_LIMITS._replace(sigma_low=3.0, sigma_high=3.0, iterations=3)
#: The MAD of whole numbers is known to half a unit; without this, a strip of low noise has a MAD of zero.
_WHOLE_NUMBERS_ADU = 0.5 * MAD_TO_SIGMA


@dataclass(frozen=True, slots=True)
class OverscanSpec:
    """How the overscan is turned into levels.

    Parameters
    ----------
    section : Section
        Where the strip stands in the raw frame.
    axis : 0, 1 or None
        Along which numpy axis the strip is collapsed: 1 gives a level for each row, 0 for each column, None collapses
        the shorter side.
    method : {'median', 'mean', 'clipped'}
        Of the values across the strip; ``clipped`` is their mean after clipping at three 1.4826 MAD, three times, with
        the MAD of whole numbers taken as half a unit at least.
    fit : {'chebyshev', 'legendre', 'spline'}, optional
        Smooth the levels along the strip by a fit.
    order : int
        Degree of the polynomial, or number of pieces of the cubic spline.

    Raises
    ------
    UsageError
        When a value is not one of these.
    """

    section: Section
    axis: Literal[0, 1] | None = 1
    method: LevelMethod = "median"
    fit: Fit | None = None
    order: int = 1

    def __post_init__(self) -> None:
        if self.method not in LEVEL_METHODS:
            hint = nearest_name(str(self.method), LEVEL_METHODS)
            raise UsageError(f"overscan method is {self.method!r}, not one of {', '.join(LEVEL_METHODS)}{hint}")
        if self.fit is not None and self.fit not in FIT_NAMES:
            hint = nearest_name(str(self.fit), FIT_NAMES)
            raise UsageError(f"overscan fit is {self.fit!r}, not one of {', '.join(FIT_NAMES)}{hint}")
        if self.axis not in {0, 1, None}:
            raise UsageError(f"overscan axis is {self.axis!r}; it must be 0, 1 or None")
        if self.fit is not None and self.order < (1 if self.fit == "spline" else 0):
            raise UsageError(f"overscan fit order is {self.order!r}, which is too small for {self.fit}")

    def describe(self) -> str:
        """Say it in a few words, for headers and reports."""
        words = f"{self.section} {self.method}"
        return f"{words} {self.fit} {self.order}" if self.fit else words


def _ordered_levels(strip: NDArray[Any], method: LevelMethod) -> NDArray[np.float64]:
    """Levels by the kernel that combines stacks: the pixels across the strip are its frames."""
    limits, statistic = NO_LIMITS, MEDIAN
    if method == "clipped":
        floor = _WHOLE_NUMBERS_ADU if strip.dtype.kind in "iu" else 0.0
        limits, statistic = _CLIP_AT_3._replace(floor_adu=floor), AVERAGE
    # medians of short integers are exact in float32, for which stacks of frames have the kernel compiled already
    exact = method == "median" and strip.dtype.kind in "iu" and strip.dtype.itemsize <= 2
    stack = np.ascontiguousarray(strip.T, dtype=np.float32 if exact else np.float64)
    width, lines = stack.shape
    levels, spread, counts = np.empty(lines, stack.dtype), np.empty(lines, stack.dtype), np.empty(lines, np.uint16)
    stack_ordered(stack, np.ones(width), sorting_pairs(width), limits, statistic, levels, spread, counts)
    return levels.astype(np.float64)


def _mean_levels(strip: NDArray[Any]) -> NDArray[np.float64]:
    """Means of the valid pixels; NaN for lines that have none."""
    valid = np.isfinite(strip)
    total = np.where(valid, strip, 0).sum(axis=1, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / valid.sum(axis=1))


def strip_levels(
    strip: NDArray[Any], *, method: LevelMethod = "median", fit: Fit | None = None, order: int = 1
) -> NDArray[np.float64]:
    """Return the level of each row of a strip.

    Parameters
    ----------
    strip : ndarray, shape (lines, width)
        Native pixels; not finite where masked.
    method, fit, order
        As in `OverscanSpec`.

    Returns
    -------
    ndarray of float64, shape (lines,)
        A line without a single valid pixel takes its level from its neighbours.

    Raises
    ------
    UsageError
        When no pixel of the strip is valid, or a fit has fewer lines than it needs.

    Examples
    --------
    >>> import numpy as np
    >>> strip_levels(np.array([[1, 2, 9], [4, 4, 5]], dtype=np.uint16))
    array([2., 4.])
    """
    levels = _mean_levels(strip) if method == "mean" else _ordered_levels(strip, method)
    good = np.isfinite(levels)
    if not good.any():
        raise UsageError("no pixel of the overscan section is valid; choose another section")
    lines = np.arange(levels.size)
    if not good.all():
        levels = np.interp(lines, lines[good], levels[good])
    return levels if fit is None else _fitted(levels, good, fit, order)


def _fitted(levels: NDArray[np.float64], good: NDArray[np.bool_], fit: Fit, order: int) -> NDArray[np.float64]:
    """Levels smoothed along the strip; the coordinate runs from -1 to 1."""
    needed = order + (4 if fit == "spline" else 1)
    if good.sum() < needed:
        raise UsageError(f"a {fit} fit of order {order} needs {needed} lines, and the overscan has {good.sum()}")
    x = np.linspace(-1.0, 1.0, levels.size)
    if fit == "chebyshev":
        coefficients = np.polynomial.chebyshev.chebfit(x[good], levels[good], order)
        return np.asarray(np.polynomial.chebyshev.chebval(x, coefficients))
    if fit == "legendre":
        coefficients = np.polynomial.legendre.legfit(x[good], levels[good], order)
        return np.asarray(np.polynomial.legendre.legval(x, coefficients))
    from scipy.interpolate import make_lsq_spline

    inner = np.linspace(-1.0, 1.0, order + 1)[1:-1]
    knots = np.concatenate([[-1.0] * 4, inner, [1.0] * 4])
    if not np.histogram(x[good], bins=order, range=(-1.0, 1.0))[0].all():
        raise UsageError(f"a spline of {order} pieces has pieces without a single valid line; use fewer pieces")
    return np.asarray(make_lsq_spline(x[good], levels[good], knots, k=3)(x))


def collapse_axis(spec: OverscanSpec, shape_yx: tuple[int, int]) -> Literal[0, 1]:
    """Return the axis along which the strip is collapsed; as in ccdproc, 1 for a square one where none is given."""
    if spec.axis is not None:
        return spec.axis
    height, width = spec.section.shape_yx(shape_yx)
    return 0 if width > height else 1


def frame_levels(
    strip: NDArray[Any], spec: OverscanSpec, shape_yx: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the levels of a whole frame, as what is subtracted from each row and from each column.

    Parameters
    ----------
    strip : ndarray
        The pixels of ``spec.section``, ``(ny, nx)``, not finite where masked.
    spec : OverscanSpec
        How.
    shape_yx : tuple of int
        Shape of the frame.

    Returns
    -------
    row_level, column_level : ndarray of float64, shapes (ny,) and (nx,)
        One of them is zero.

    Raises
    ------
    SectionError
        When the strip covers less than nine tenths of the frame's rows (or columns).
    """
    axis = collapse_axis(spec, shape_yx)
    levels = strip_levels(strip if axis == 1 else strip.T, method=spec.method, fit=spec.fit, order=spec.order)
    part = spec.section.slices_yx(shape_yx)[1 - axis]
    covered = np.arange(shape_yx[1 - axis])[part]
    length = shape_yx[1 - axis]
    if covered.size < (1.0 - _MISSING_FRACTION) * length:
        what = "rows" if axis == 1 else "columns"
        raise SectionError(
            f"overscan {spec.section} covers {covered.size} of the {length} {what} of the image; "
            f"a level for each of the {what} needs a section along the whole side"
        )
    rising = np.argsort(covered)
    whole = np.interp(np.arange(length), covered[rising], levels[rising])
    if covered.size < length:
        warnings.warn(
            f"overscan {spec.section} leaves out {length - covered.size} lines of the image, which take the level of "
            "their neighbours",
            AssumptionWarning,
            stacklevel=2,
        )
    zero = np.zeros(shape_yx[axis])
    return (whole, zero) if axis == 1 else (zero, whole)
