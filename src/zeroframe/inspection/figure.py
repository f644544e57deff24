"""The figure of an inspection: what stands in each strip, and whether it follows the image."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from zeroframe.inspection.amplifiers import LookedAt
    from zeroframe.inspection.result import OverscanInspection, StripFinding
    from zeroframe.inspection.without_places import SeenExtension

__all__ = ["draw_amplifiers", "draw_inspection"]

#: Okabe and Ito (2008): colours that people who do not see all colours can tell apart.
_COLOURS = {"bias": "#0072B2", "flat": "#D55E00", "science": "#009E73", "dark": "#555555"}
_MARKERS = {"bias": "o", "flat": "s", "science": "^", "dark": "D"}
_PLURAL = {"bias": "biases", "dark": "dark", "flat": "flats", "science": "science"}
#: Inches that a title takes, and the panels of a strip.
_TITLE_IN, _ROW_IN = 1.0, 4.2
_GREEN, _GREY, _IMAGE = "#009E73", "#888888", "#F5E9C8"


def draw_amplifiers(seen: Sequence[LookedAt] | Sequence[SeenExtension]) -> Figure:
    """Draw the inspection of each amplifier, or extension, one below the other; columns are those it read."""
    from matplotlib.figure import Figure

    parts = [titled for each in seen for titled in each.titled]
    heights = [_TITLE_IN + _ROW_IN * max(len(one.strips), 1) for _, one in parts]
    fig = Figure(figsize=(12.0, sum(heights)), layout="constrained")
    pieces = fig.subfigures(len(parts), 1, height_ratios=heights, squeeze=False)[:, 0]
    for piece, (whose, one) in zip(pieces, parts, strict=True):
        _draw_within(piece, one, f"{whose}: {one.verdict}")
    return fig


def draw_inspection(result: OverscanInspection, fig: Figure | None = None) -> Figure:
    """Draw an inspection; see `OverscanInspection.plot`."""
    if fig is None:
        from matplotlib.figure import Figure

        fig = Figure(figsize=(12.0, _TITLE_IN + _ROW_IN * max(len(result.strips), 1)), layout="constrained")
    _draw_within(fig, result, result.verdict[0].upper() + result.verdict[1:])
    return fig


def _draw_within(fig: Figure | SubFigure, result: OverscanInspection, title: str) -> None:
    """Draw what a verdict rests on."""
    fig.suptitle(fill(title, 105), fontsize=12, fontweight="bold", x=0.01, ha="left")
    if not result.strips:
        _draw_sides(result, fig)
        return
    axes = fig.subplots(len(result.strips), 2, squeeze=False, width_ratios=(2.2, 1.0))
    for strip, (left, right) in zip(result.strips, axes, strict=True):
        _draw_profile(left, strip, result)
        _draw_tracking(right, strip)


def _draw_profile(ax: Axes, strip: StripFinding, result: OverscanInspection) -> None:
    """Draw the columns of a strip and some of the image, by kind, above the level of the strip."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    numbers = strip.curves.numbers
    linear = max(3.0 * strip.threshold_adu, 1e-3)
    for kind, profile in strip.curves.by_kind.items():
        ax.plot(
            numbers, profile, drawstyle="steps-mid", color=_COLOURS[kind], marker=_MARKERS[kind], ms=3.5, lw=1.2,
            label=f"{_PLURAL[kind]} ({len(result.used[kind])})", zorder=3,
        )  # fmt: skip
    ax.set_yscale("symlog", linthresh=linear, linscale=1.2)
    values = np.concatenate(list(strip.curves.by_kind.values()))
    highest, lowest = float(np.nanmax(values)), float(np.nanmin(values))
    ax.set_ylim(min(-linear, 1.5 * lowest), 20.0 * highest)
    ax.set_xlim(numbers.min() - 0.5, numbers.max() + 0.5)
    _shade_columns(ax, strip, result)
    ax.axhline(strip.threshold_adu, color="black", ls=":", lw=1.0, zorder=2)
    # over the strip, where nothing but noise is drawn
    x, side = (0.995, "right") if strip.numbers[-1] > strip.numbers[0] else (0.005, "left")
    ax.annotate(
        f"noise of one row's level, {strip.threshold_adu:.2f} ADU",
        (x, strip.threshold_adu), xycoords=("axes fraction", "data"), ha=side, va="bottom", fontsize=8,
    )  # fmt: skip
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    what = "column" if strip.axis == 1 else "row"
    ax.set_xlabel(f"{what} (counted from 1)")
    ax.set_ylabel("mean above the strip's own level [ADU]")
    ax.set_title(_strip_title(strip, result), fontsize=10, loc="left")
    shifts = ", ".join(f"{_PLURAL[kind]} {value:+.1f}" for kind, value in strip.lit_shift_adu.items())
    if shifts:
        words = f"level of the strip against biases, ADU: {shifts}"
        ax.text(x, 0.08, words, transform=ax.transAxes, ha=side, va="bottom", fontsize=8)
    ax.legend(loc="upper center", ncols=4, fontsize=8, framealpha=0.9)


def _strip_title(strip: StripFinding, result: OverscanInspection) -> str:
    whole = f"{strip.side} strip: {strip.word} {min(strip.numbers)}–{max(strip.numbers)}"
    if strip is result.chosen:
        return (
            f"{whole}, to be used: {strip.usable_numbers[0]}–{strip.usable_numbers[1]}" if strip.usable_numbers else ""
        )
    return f"{whole}, {'not to be used' if strip.objections else 'could be used, too'}"


def _shade_columns(ax: Axes, strip: StripFinding, result: OverscanInspection) -> None:
    """Shade the image, the chosen columns, and hatch what the header says."""
    numbers = strip.curves.numbers
    inner, outer = strip.numbers[0], strip.numbers[-1]
    edge = inner - 0.5 if outer > inner else inner + 0.5
    far = numbers.min() - 0.5 if outer > inner else numbers.max() + 0.5
    ax.axvspan(edge, far, color=_IMAGE, zorder=0, label="image")
    ends = strip.usable_numbers
    if ends is not None:
        good = not strip.objections
        colour, label = (_GREEN, "free of light") if good else (_GREY, "free of light, not to be used")
        ax.axvspan(ends[0] - 0.5, ends[1] + 0.5, color=colour, alpha=0.22, zorder=0, label=label)
    section = result.header_sections.get("BIASSEC")
    if section is None:
        return
    first, last = sorted(section.ranges[1 - strip.axis].ends())
    across = sorted(section.ranges[strip.axis].ends())
    if (
        across[1] - across[0] + 1 < 0.5 * result.shape_yx[1 - strip.axis]
        or last < numbers.min()
        or first > numbers.max()
    ):
        return
    ax.axvspan(
        max(first, numbers.min()) - 0.5, min(last, numbers.max()) + 0.5, ymax=0.06,
        facecolor="none", edgecolor="black", hatch="////", lw=0.8, zorder=1, label="header's BIASSEC",
    )  # fmt: skip


def _draw_tracking(ax: Axes, strip: StripFinding) -> None:
    """Draw the level of the image against that of the strip, about their means over the biases."""
    image, own = strip.curves.image_deviation, strip.curves.strip_deviation
    each = "rows" if strip.axis == 1 else "columns"
    ax.set_title("does it follow the bias level?", fontsize=10, loc="left")
    if image.size == 0 or strip.tracking is None:
        missing = "needs two biases or more"
        ax.text(0.5, 0.5, missing, transform=ax.transAxes, ha="center", va="center", color=_GREY)
        ax.set_xticks([])
        ax.set_yticks([])
        return
    reach = 1.15 * float(max(np.abs(image).max(), np.abs(own).max(), 1e-3))
    ax.plot([-reach, reach], [-reach, reach], color="black", ls="--", lw=1.0, label="if it does", zorder=1)
    colours: Any = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
    for number, (x, y) in enumerate(zip(own, image, strict=True)):
        ax.plot(x, y, ls="", marker="o", ms=3, alpha=0.7, color=colours[number % 4], label=f"bias {number + 1}")
    ax.set_xlim(-reach, reach)
    ax.set_ylim(-reach, reach)
    ax.set_aspect("equal")
    ax.set_xlabel(f"strip: level of groups of {each} [ADU]")
    ax.set_ylabel("image: the same [ADU]")
    tracking = strip.tracking
    words = f"drift {tracking.drift_before_adu:.2f} ADU,\nless the strip {tracking.drift_after_adu:.2f} ADU"
    ax.text(0.97, 0.03, words, transform=ax.transAxes, ha="right", va="bottom", fontsize=8)
    ax.legend(fontsize=7, loc="upper left", framealpha=0.9)


def _draw_sides(result: OverscanInspection, fig: Figure | SubFigure) -> None:
    """Draw the outer columns of the four sides, where no strip was found."""
    axes = fig.subplots(1, 4)
    for ax, (side, profiles) in zip(axes, result.sides.items(), strict=True):
        for kind, profile in profiles.items():
            shown = profile[:40]
            ax.plot(np.arange(1, shown.size + 1), shown, drawstyle="steps-mid", color=_COLOURS[kind], lw=1.2,
                    marker=_MARKERS[kind], ms=2.5, label=_PLURAL[kind])  # fmt: skip
        what = "columns" if side in {"left", "right"} else "rows"
        ax.set_title(f"{side} side: no strip seen", fontsize=10, loc="left")
        ax.set_xlabel(f"{what} from the edge of the frame")
        if side == "left":
            ax.set_ylabel("median [ADU]")
            ax.legend(fontsize=8)
