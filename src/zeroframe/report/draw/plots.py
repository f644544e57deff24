"""Diagrams as SVG: where ticks, lines and bars stand. The template draws them, in the colours of the page."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from zeroframe.frames.numbers import number
from zeroframe.html import sparkline_path
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zeroframe.report.data import Curve, Histogram, PageRow, Plot, Scale, Span

__all__ = [
    "DrawnCurve",
    "DrawnPlot",
    "DrawnSpan",
    "TableScales",
    "Tick",
    "bars_path",
    "draw_plot",
    "fixed",
    "spark_path",
    "ticks",
]

#: In units that are pixels where a figure is as wide as a phone, so that its letters can be read there.
WIDTH, HEIGHT = 400.0, 260.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 392.0, 10.0, 218.0
_MOST_TICKS = 6
_LEAST_APART = 15.0
_DIGITS = 4
_SMALL = 1e-3
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, slots=True)
class Tick:
    """A number on an axis, and where it stands."""

    position: float
    label: str


@dataclass(frozen=True, slots=True)
class DrawnCurve:
    """A line and marks, with the number of its colour."""

    label: str
    style: int
    path: str
    marks: tuple[tuple[float, float], ...]
    dashed: bool


@dataclass(frozen=True, slots=True)
class DrawnSpan:
    """A shaded range."""

    label: str
    tone: str
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class DrawnPlot:
    """A diagram, ready to be drawn within ``width`` x ``height``; the axes reach from left to right, top to bottom."""

    plot: Plot
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    curves: tuple[DrawnCurve, ...]
    spans: tuple[DrawnSpan, ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = _LEFT
    right: float = _RIGHT
    top: float = _TOP
    bottom: float = _BOTTOM


def fixed(value: float | None, precision: float) -> str:
    """Write a number with so many decimals that a difference as small as a hundredth of ``precision`` is seen.

    Examples
    --------
    >>> fixed(1102.3456, 4.1), fixed(-0.0012, 4.1), fixed(0.5, 0.013), fixed(None, 1.0)
    ('1102.35', '0.00', '0.5000', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    decimals = min(max(2 - math.floor(math.log10(precision)), 0), 8) if precision > 0 else 2
    return f"{round(value, decimals) + 0.0:.{decimals}f}"


@dataclass(frozen=True, slots=True)
class _Axis:
    """Turns values into places."""

    scale: Scale
    linear: float
    low: float
    high: float
    start: float
    stop: float

    def bend(self, value: float) -> float:
        if self.scale == "log":
            return math.log10(value) if value > 0 else math.nan
        return math.asinh(value / self.linear) if self.scale == "asinh" else value

    def place(self, value: float) -> float:
        low, high = self.bend(self.low), self.bend(self.high)
        return self.start + (self.stop - self.start) * (self.bend(value) - low) / ((high - low) or 1.0)


def _limits(values: Iterable[float], scale: Scale, margin: float) -> tuple[float, float]:
    """Return the extremes with some room beside them."""
    finite = [value for value in values if math.isfinite(value) and (scale != "log" or value > 0)]
    if not finite:
        return (1.0, 10.0) if scale == "log" else (0.0, 1.0)
    low, high = min(finite), max(finite)
    if scale == "log":
        room = (high / low) ** margin if high > low else 1.25
        return low / room, high * room
    if scale == "asinh":
        return low - 0.5 * abs(low), high + 0.5 * abs(high)
    room = margin * (high - low) or max(abs(high) * 1e-3, 0.5)
    return low - room, high + room


def ticks(low: float, high: float, scale: Scale = "linear", linear: float = 1.0) -> list[float]:
    """Return round numbers for an axis.

    Parameters
    ----------
    low, high : float
        Its ends.
    scale : {'linear', 'log', 'asinh'}
        Its kind.
    linear : float
        For ``asinh``: up to where it is about linear.

    Returns
    -------
    list of float
        At most seven.

    Examples
    --------
    >>> ticks(0.0, 25.0), ticks(1.0, 25.0, "log"), ticks(-0.5, 300.0, "asinh")
    ([0.0, 5.0, 10.0, 15.0, 20.0, 25.0], [1.0, 2.0, 5.0, 10.0, 20.0], [0.0, 1.0, 10.0, 100.0])
    """
    if scale == "linear":
        return _linear_ticks(low, high)
    smallest = low if scale == "log" else linear
    first, last = math.floor(math.log10(smallest)), math.ceil(math.log10(max(high, -low, smallest)))
    for factors in ((1.0, 2.0, 5.0), (1.0,)) if scale == "log" else ((1.0,),):
        found = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
        if scale == "asinh":
            found = [-value for value in reversed(found)] + [0.0] + found
        found = [value for value in found if low <= value <= high]
        if len(found) <= _MOST_TICKS:
            break
    if len(found) < (3 if scale == "log" else 2):
        return _linear_ticks(low, high)
    return found[:: -(-len(found) // (_MOST_TICKS + 1)) or 1]


def _linear_ticks(low: float, high: float) -> list[float]:
    raw = (high - low) / _MOST_TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(step * n, 12) + 0.0 for n in range(first, last + 1)]


def draw_plot(plot: Plot) -> DrawnPlot:
    """Return where everything in a diagram stands.

    Parameters
    ----------
    plot : Plot
        What is to be drawn.

    Returns
    -------
    DrawnPlot
    """
    all_x = [x for curve in plot.curves for x in curve.x]
    all_y = [y for curve in plot.curves for y in curve.y]
    x_axis = _Axis(plot.x_scale, 1.0, *_limits(all_x, plot.x_scale, 0.03), _LEFT, _RIGHT)
    y_axis = _Axis(plot.y_scale, plot.y_linear, *_limits(all_y, plot.y_scale, 0.08), _BOTTOM, _TOP)
    return DrawnPlot(
        plot,
        _ticks_of(x_axis),
        _ticks_of(y_axis),
        tuple(_draw_curve(curve, style, x_axis, y_axis) for style, curve in enumerate(plot.curves)),
        tuple(drawn for span in plot.spans if (drawn := _draw_span(span, x_axis)) is not None),
    )


def _ticks_of(axis: _Axis) -> tuple[Tick, ...]:
    values = ticks(axis.low, axis.high, axis.scale, axis.linear)
    step = min((b - a for a, b in pairwise(values)), default=1.0)
    # neighbours must differ: 1012.25 and 1012.30 need more digits than either alone
    largest = max(map(abs, values), default=1.0) or 1.0
    digits = max(3, 2 + math.floor(math.log10(largest)) - math.floor(math.log10(step))) if axis.scale == "linear" else 3
    found: list[Tick] = []
    for value in sorted(values, key=lambda value: (value != 0, -abs(value))):
        place = round(axis.place(value), 1)
        if all(abs(place - other.position) >= _LEAST_APART for other in found):
            found.append(Tick(place, _tick_label(value, digits)))
    return tuple(sorted(found, key=lambda tick: tick.position))


def _tick_label(value: float, digits: int) -> str:
    """Write small powers of ten as such; there is room for six letters."""
    if 0 < abs(value) < _SMALL or abs(value) >= 1e6:
        power = math.floor(math.log10(abs(value)) + 1e-9)
        factor = number(value / 10.0**power, 2)
        before = {"1": "", "-1": "-"}.get(factor, f"{factor}·")
        return f"{before}10{str(power).translate(_RAISED)}"
    return number(value, digits)


def _draw_curve(curve: Curve, style: int, x_axis: _Axis, y_axis: _Axis) -> DrawnCurve:
    points = [(x_axis.place(x), y_axis.place(y)) for x, y in zip(curve.x, curve.y, strict=True)]
    path, pen_is_down = [], False
    for x, y in points if curve.line else ():
        seen = math.isfinite(x) and math.isfinite(y)
        if seen:
            path.append(f"{'L' if pen_is_down else 'M'}{x:.1f} {y:.1f}")
        pen_is_down = seen
    marks = tuple((round(x, 1), round(y, 1)) for x, y in points if math.isfinite(x) and math.isfinite(y))
    return DrawnCurve(curve.label, style % 5, "".join(path), marks if curve.marks else (), curve.dashed)


def _draw_span(span: Span, axis: _Axis) -> DrawnSpan | None:
    """Cut a span to the axes; None where nothing of it is seen."""
    first, last = max(span.first, axis.low), min(span.last, axis.high)
    if first >= last:
        return None
    left = axis.place(first)
    return DrawnSpan(span.label, span.tone, round(left, 1), round(axis.place(last) - left, 1))


def bars_path(histogram: Histogram, width: float = 96, height: float = 24) -> str:
    """Return the outline (SVG) of a small histogram; its highest bin reaches the top.

    Examples
    --------
    >>> from zeroframe.report.data import Histogram
    >>> bars_path(Histogram(0.0, 2.0, (1, 2)), width=10, height=10)
    'M0 10V5H5V0H10V10Z'
    """
    top = max(histogram.counts, default=0) or 1
    step = width / max(len(histogram.counts), 1)
    bars = "".join(
        f"V{height * (1 - count / top):.3g}H{(place + 1) * step:.4g}" for place, count in enumerate(histogram.counts)
    )
    return f"M0 {height:g}{bars}V{height:g}Z"


@dataclass(frozen=True, slots=True)
class TableScales:
    """What the rows of a table of frames share, so that they can be compared.

    Attributes
    ----------
    row_reach, column_reach : float
        From the level of a frame to the edge of its small line.
    noise : float
        Of one pixel, to which the numbers are rounded.
    """

    row_reach: float
    column_reach: float
    noise: float

    @classmethod
    def of(cls, frames: Sequence[PageRow]) -> TableScales:
        """Give lines half more than a usual frame needs: the odd one out leaves its cell, and flattens no other."""
        noises = sorted(frame.noise for frame in frames if frame.noise is not None)
        return cls(
            _usual_reach([frame.rows for frame in frames]),
            _usual_reach([frame.columns for frame in frames]),
            noises[len(noises) // 2] if noises else 1.0,
        )


def _usual_reach(profiles: Iterable[Sequence[float]]) -> float:
    reaches = []
    for profile in profiles:
        finite = sorted(value for value in profile if math.isfinite(value))
        if finite:
            middle = finite[len(finite) // 2]
            reaches.append(max(finite[-1] - middle, middle - finite[0]))
    usual = sorted(reaches)[len(reaches) // 2] if reaches else 0.0
    return 1.5 * usual or 1.0


def spark_path(values: Sequence[float], reach: float) -> str:
    """Return the small line of one frame, about its own median.

    Examples
    --------
    >>> spark_path([1.0, 2.0, 9.0], 2.0)
    'M0 18L48 12L96 0'
    """
    finite = sorted(value for value in values if math.isfinite(value))
    middle = finite[len(finite) // 2] if finite else 0.0
    return sparkline_path(values, middle - reach, middle + reach)
