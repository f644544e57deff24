"""The bias level of each row (or column) from the overscan strip, and its subtraction."""

from __future__ import annotations

import warnings
from math import hypot, sqrt
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zeroframe.errors import AssumptionWarning, SectionError, UsageError, nearest_name
from zeroframe.frames.level_curves import (
    REJECT_AT_5,
    FitRejection,
    filled,
    fit_rejecting,
    fitted_curve,
    smooth_curve,
    standing_off,
)
from zeroframe.frames.level_fits import FITS
from zeroframe.frames.medians import median_of_valid
from zeroframe.frames.statistics import clipped_mean_std
from zeroframe.frames.strip_levels import LEVEL_METHODS, LevelMethod, line_levels
from zeroframe.kernels.stack import MAD_TO_SIGMA
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from zeroframe.frames.level_fits import Fit
    from zeroframe.headers.sections import Section

    ImageLines = Callable[[NDArray[np.int_]], NDArray[Any]]

__all__ = [
    "LEVEL_METHODS",
    "FitRejection",
    "FrameLevels",
    "LevelMethod",
    "OverscanSpec",
    "StripCurve",
    "collapse_axis",
    "frame_levels",
    "strip_curve",
]

#: A strip may fall short of the image by this fraction at its ends (LFC's header misses one row of 4128).
_MISSING_FRACTION = 0.1
#: Where more lines than this stand off from their course, it is none.
_MOST_OFF = 0.3
#: The image follows a line of the strip when it has at least half of its shift, and half as much again at most.
_FOLLOWS = 0.5
#: The darkest pixels of a line of the image, which a star's trail does not reach, and lines beside it to compare with.
_DARKEST_PER_CENT, _BESIDE = 5.0, 3
#: Error of that level, in sigmas of a pixel over the root of their number; and so many errors are sure.
_OF_DARKEST, _SURE = 2.1, 3.0
#: From line to line light is even to this part of itself: a lamp is not, nor what vignettes it.
_UNEVEN = 0.01


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
    method : {'auto', 'median', 'mean', 'clipped', 'constant'}
        Of the values across the strip. ``auto`` is their mean without what the noise of the whole strip excludes, and
        without columns that stand off; where the levels of the rows differ by nothing but that noise, they are smoothed
        along the strip, so that a row's error does not enter every sum over the row. ``clipped`` is the mean after
        clipping at three 1.4826 MAD of the row, three times, with a MAD of half a step between values at least.
        ``constant`` is one level a frame: the mean of the levels of ``auto``.
    fit : {'chebyshev', 'legendre', 'spline'}, optional
        Smooth the levels along the strip by a fit.
    order : int
        Degree of the polynomial, or number of pieces of the cubic spline.
    reject : FitRejection
        Which lines the fit does not follow; those that stand off do not even take part at first.

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
    reject: FitRejection = REJECT_AT_5

    def __post_init__(self) -> None:
        if self.method not in LEVEL_METHODS:
            hint = nearest_name(str(self.method), LEVEL_METHODS)
            raise UsageError(f"overscan method is {self.method!r}, not one of {', '.join(LEVEL_METHODS)}{hint}")
        if self.fit is not None and self.fit not in FITS:
            hint = nearest_name(str(self.fit), FITS)
            raise UsageError(f"overscan fit is {self.fit!r}, not one of {', '.join(FITS)}{hint}")
        if self.axis not in {0, 1, None}:
            raise UsageError(f"overscan axis is {self.axis!r}; it must be 0, 1 or None")
        if self.fit is not None and self.order < FITS[self.fit].least_order:
            raise UsageError(f"overscan fit order is {self.order!r}, which is too small for {self.fit}")
        if self.fit is not None and self.method == "constant":
            raise UsageError(f"overscan method is 'constant', and a {self.fit} is to be fitted; one of them is enough")

    def describe(self) -> str:
        """Say it in a few words, for headers and reports."""
        words = f"{self.section} {self.method}"
        return f"{words} {self.fit} {self.order}" if self.fit else words


@dataclass(frozen=True, slots=True, eq=False)
class StripCurve:
    """What is subtracted from each line of a frame.

    Attributes
    ----------
    level_adu : ndarray of float64, shape (lines,)
        Finite.
    stands_off : ndarray of bool, shape (lines,)
        Lines whose own level stands off from its surroundings along the strip.
    error_adu : float
        Its noise, which all pixels of a line share; NaN where one column cannot tell.
    smoothed_lines : int
        Over so many lines it was smoothed; 1: it was not.
    astray : tuple of (int, int, float)
        First and last line, from 0, of each run of lines whose own level was not believed, as the image does not
        follow it, and by how many ADU it stands off.
    """

    level_adu: NDArray[np.float64]
    stands_off: NDArray[np.bool_]
    error_adu: float
    smoothed_lines: int = 1
    astray: tuple[tuple[int, int, float], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class FrameLevels:
    """What is subtracted from a whole frame.

    Attributes
    ----------
    row_adu, column_adu : ndarray of float64, shapes (ny,) and (nx,)
        From each row, and from each column; one of them is zero.
    mean_adu : float
        The mean of both; lines that stand far off, as a controller's first one, left out.
    error_adu : float
        Noise that all pixels of a row (or of a column) share after it; NaN where it cannot be told.
    smoothed_lines : int
        Over so many rows (columns) levels were smoothed; 1: they were not.
    remarks : tuple of str
        What was odd about the strip.
    """

    row_adu: NDArray[np.float64]
    column_adu: NDArray[np.float64]
    mean_adu: float = 0.0
    error_adu: float = 0.0
    smoothed_lines: int = 1
    remarks: tuple[str, ...] = ()


def strip_curve(
    strip: NDArray[Any],
    *,
    method: LevelMethod = "median",
    fit: Fit | None = None,
    order: int = 1,
    reject: FitRejection = REJECT_AT_5,
    image_lines: ImageLines | None = None,
) -> StripCurve:
    """Return what a strip says is to be subtracted from each line.

    Parameters
    ----------
    strip : ndarray, shape (lines, width)
        Native pixels; not finite where masked.
    method, fit, order, reject
        As in `OverscanSpec`.
    image_lines : callable, optional
        Returns the pixels beside the strip in some lines, by their numbers. A line whose level stands off is believed
        where the image follows it: a controller's first line does, the trail of a saturated star does not.

    Returns
    -------
    StripCurve
        A line without a single valid pixel, and one whose level is not believed, has that of its neighbours.

    Raises
    ------
    UsageError
        When no pixel of the strip is valid, or a fit has fewer lines than it needs.

    Examples
    --------
    >>> import numpy as np
    >>> strip_curve(np.array([[1, 2, 9], [4, 4, 5]], dtype=np.uint16)).level_adu
    array([2., 4.])
    """
    found = line_levels(strip, method)
    valid = np.isfinite(found.level_adu)
    levels = filled(found.level_adu, valid)
    off = standing_off(levels, found.noise_adu) & valid
    runs = []
    if off.any():
        off &= np.count_nonzero(off) <= _MOST_OFF * np.count_nonzero(valid)
        runs = _astray_runs(levels, off, image_lines, found.error_adu)
    usual = valid & ~off if reject.iterations else valid
    if fit is not None:
        curve = fit_rejecting(
            levels, usual, found.error_adu, reject, lambda taken: fitted_curve(levels, taken, fit, order)
        )
        terms = order + FITS[fit].more_terms
        return StripCurve(curve, off, found.error_adu * sqrt(terms / levels.size), 1, tuple(runs))
    astray = np.zeros(levels.size, dtype=np.bool_)
    for first, last, _ in runs:
        astray[first : last + 1] = True
    if method == "constant":
        mean = clipped_mean_std(levels[usual])[1]
        return StripCurve(
            np.full(levels.size, mean), off, found.error_adu / sqrt(usual.sum()), levels.size, tuple(runs)
        )
    if method != "auto":
        return StripCurve(filled(levels, valid & ~astray), off, found.error_adu, 1, tuple(runs))
    curve, window = smooth_curve(filled(levels, usual), usual, found.error_adu)
    curve = np.where(off & ~astray, levels, curve)
    return StripCurve(curve, off, found.error_adu / sqrt(window), window, tuple(runs))


def _astray_runs(
    levels: NDArray[np.float64],
    off: NDArray[np.bool_],
    image_lines: ImageLines | None,
    error_adu: float,
) -> list[tuple[int, int, float]]:
    """Return the runs of lines that stand off without the image, and by how much."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], off, [False]])))
    usual = np.flatnonzero(~off)
    settles = _from_an_end(off)
    runs = []
    for first, end in edges.reshape(-1, 2).tolist():
        beside = np.concatenate([usual[usual < first][-_BESIDE:], usual[usual >= end][:_BESIDE]])
        lines = np.arange(first, end)
        shift = levels[lines] - float(median_of_valid(levels[beside]))
        followed = np.zeros(lines.size, dtype=np.bool_)
        if image_lines is not None:
            followed = _follows(levels, lines, beside, shift, image_lines, error_adu, settles=bool(settles[first]))
        places = np.flatnonzero(np.diff(np.concatenate([[False], ~followed, [False]])))
        for start, stop in places.reshape(-1, 2).tolist():
            peak = shift[start:stop][np.abs(shift[start:stop]).argmax()]
            runs.append((first + start, first + stop - 1, float(peak)))
    return runs


def _from_an_end(off: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which lines that stand off do so from an end of the strip on, as where a controller settles."""
    settles = np.zeros_like(off)
    for places, flags in ((np.arange(off.size), off), (np.arange(off.size)[::-1], off[::-1])):
        apart = np.diff(np.flatnonzero(flags), prepend=-1)
        wide = np.flatnonzero(apart > _BESIDE)
        settles[places[np.flatnonzero(flags)[: wide[0] if wide.size else None]]] = True
    return settles


def _follows(
    levels: NDArray[np.float64],
    lines: NDArray[np.int_],
    beside: NDArray[np.int_],
    shift: NDArray[np.float64],
    image_lines: ImageLines,
    error_adu: float,
    *,
    settles: bool,
) -> NDArray[np.bool_]:
    """Return which lines of a run the image follows.

    Where the image cannot tell, because of its noise or because its light is not even, lines are believed that stand
    off from an end of the strip on: a controller settles there, and the trail of a star may lie anywhere.
    """
    pixels, near = image_lines(lines), image_lines(beside)
    dark = float(median_of_valid(_darkest(near)))
    of_image = _darkest(pixels) - dark
    light = max(dark - float(median_of_valid(levels[beside])), 0.0)
    error = hypot(_error_of_darkest(near), error_adu if np.isfinite(error_adu) else 0.0)
    uncertain = _SURE * hypot(sqrt(1.0 + 1.0 / beside.size) * error, _UNEVEN * light)
    away, least = np.abs(of_image - shift), _FOLLOWS * np.abs(shift)
    tells = uncertain <= least
    return np.where(tells | (not settles), away <= least, away <= least + uncertain)


def _error_of_darkest(lines: NDArray[Any]) -> float:
    """Return the error of the level of the darkest pixels of a line: of a quantile p of n normal values.

    It is ``sqrt(p (1 - p) / n)`` over the density there (Kendall and Stuart, *The Advanced Theory of Statistics* 1,
    10.10), 2.1 sigma over the root of n for one in twenty.
    """
    differences = np.diff(lines.astype(np.float64), axis=1)
    differences = differences[np.isfinite(differences)]
    if not differences.size:
        return 0.0
    sigma = MAD_TO_SIGMA * float(median_of_valid(np.abs(differences))) / sqrt(2.0)
    return _OF_DARKEST * sigma / sqrt(lines.shape[1])


def _darkest(lines: NDArray[Any]) -> NDArray[np.float64]:
    """Return the level of the darkest pixels of each line; zero where none is valid."""
    values = np.where(np.isfinite(lines), lines, np.inf).astype(np.float64)
    levels = np.partition(values, int(values.shape[1] * _DARKEST_PER_CENT / 100.0), axis=1)
    dark = levels[:, int(values.shape[1] * _DARKEST_PER_CENT / 100.0)]
    return np.where(np.isfinite(dark), dark, 0.0)


def collapse_axis(spec: OverscanSpec, shape_yx: tuple[int, int]) -> Literal[0, 1]:
    """Return the axis along which the strip is collapsed; as in ccdproc, 1 for a square one where none is given."""
    if spec.axis is not None:
        return spec.axis
    height, width = spec.section.shape_yx(shape_yx)
    return 0 if width > height else 1


def frame_levels(
    strip: NDArray[Any],
    spec: OverscanSpec,
    shape_yx: tuple[int, int],
    image_lines: ImageLines | None = None,
    *,
    first_line: int = 0,
) -> FrameLevels:
    """Return the levels of a whole frame, as what is subtracted from each row and from each column.

    Parameters
    ----------
    strip : ndarray
        The pixels of ``spec.section``, ``(ny, nx)``, not finite where masked.
    spec : OverscanSpec
        How.
    shape_yx : tuple of int
        Shape of the frame.
    image_lines : callable, optional
        Returns native pixels of the image beside the strip, not finite where masked, of some rows (or columns) by their
        numbers, as ``(lines, across)``: lines of the strip that stand off are compared with them. Without it such lines
        are not believed.
    first_line : int
        Number of the frame's first row (or column) in the raw frame, where it is a part of that; for words.

    Returns
    -------
    FrameLevels

    Raises
    ------
    SectionError
        When the strip covers less than nine tenths of the frame's rows (or columns).
    UsageError
        As `strip_curve`.
    """
    axis = collapse_axis(spec, shape_yx)
    slices = spec.section.slices_yx(shape_yx)
    length = shape_yx[1 - axis]
    covered = np.arange(length)[slices[1 - axis]]
    what = "rows" if axis == 1 else "columns"
    if covered.size < (1.0 - _MISSING_FRACTION) * length:
        raise SectionError(
            f"overscan {spec.section} covers {covered.size} of the {length} {what} of the image; "
            f"a level for each of the {what} needs a section along the whole side"
        )
    curve = strip_curve(
        strip if axis == 1 else strip.T,
        method=spec.method,
        fit=spec.fit,
        order=spec.order,
        reject=spec.reject,
        image_lines=None if image_lines is None else lambda numbers: image_lines(covered[numbers]),
    )
    rising = np.argsort(covered)
    whole = np.interp(np.arange(length), covered[rising], curve.level_adu[rising])
    if covered.size < length:
        warnings.warn(
            f"overscan {spec.section} leaves out {length - covered.size} lines of the image, which take the level of "
            "their neighbours",
            AssumptionWarning,
            stacklevel=2,
        )
    zero = np.zeros(shape_yx[axis])
    levels = (whole, zero) if axis == 1 else (zero, whole)
    mean = float(whole.mean() if not curve.stands_off.any() else curve.level_adu[~curve.stands_off].mean())
    return FrameLevels(
        *levels, mean, curve.error_adu, curve.smoothed_lines, _astray_words(curve, covered + first_line, what)
    )


def _astray_words(curve: StripCurve, covered: NDArray[np.int_], what: str) -> tuple[str, ...]:
    """Name the lines whose level was not believed."""
    said = []
    for first, last, shift in curve.astray:
        ends = sorted((int(covered[first]) + 1, int(covered[last]) + 1))
        numbers = f"{what} {ends[0]} to {ends[1]}" if ends[0] < ends[1] else f"{what[:-1]} {ends[0]}"
        where = "above" if shift > 0 else "below"
        said.append(
            f"overscan of {numbers} stands {abs(shift):.0f} ADU {where} its surroundings, and the image does not: "
            "the level is taken from the neighbours"
        )
    return tuple(said)
