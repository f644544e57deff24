"""Pictures and diagrams of a night: combined frames, pixels that stand above a dark, levels of flats."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from zeroframe.frames.numbers import number, percent
from zeroframe.frames.statistics import clipped_std, sampled_level
from zeroframe.report.data import Blink, Curve, PagePicture, Plot, Span
from zeroframe.report.draw.images import shades, stretch_limits
from zeroframe.report.draw.sampling import open_rows, preview, preview_block

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zeroframe.stacks.stack import Stack

__all__ = ["above_plot", "combined_blink", "flat_levels_plot", "flat_range", "pixels_above", "small_image"]

#: Of the picture of a combined frame: 75 kB of PNG where it is full of noise.
_COMBINED_PIXELS = 70_000
_BAND_BYTES = 8 << 20
_STEPS_A_DECADE = 8
_MOST_EXCESS = 1e6
_FIRST_SIGMAS = 3.0
_RANGE_PERCENT = (1.0, 99.0)
#: Flats whose levels differ by less are not drawn: the axis would make much of nothing.
_LEAST_SPREAD = 0.005
_THOUSANDS = 10_000


def combined_blink(
    label: str, image: NDArray[np.float64], unit: str, more: str = "", *, shape_yx: tuple[int, int], file: str = ""
) -> Blink:
    """Return a picture of a combined frame, stretched to its own structure.

    Parameters
    ----------
    label : str
        What it is called.
    image : ndarray, shape (ny, nx)
        A small image of it.
    unit : str
        Of its pixels; empty for a ratio.
    more : str
        A sentence for under it.
    shape_yx : (int, int)
        Of the frame itself.
    file : str
        Where it is.
    """
    low, high = stretch_limits(image)
    after = f" {unit}" if unit else ""
    caption = f"Display range {number(low, 3)} to {number(high, 3)}{after} (central 99 %).{more and ' '}{more}"
    about = (low, high), unit, preview_block(shape_yx, _COMBINED_PIXELS), shape_yx, file
    return Blink(label, (PagePicture("Combined", shades(image, low, high), f"combined {label}", *about),), caption)


def small_image(path: Path) -> NDArray[np.float64]:
    """Return a small image of a combined frame."""
    return preview(open_rows(path), pixels=_COMBINED_PIXELS)


def flat_range(image: NDArray[np.float64]) -> tuple[float, float]:
    """Return between which values all but 1 % at either end of a small image lie; NaN where it is empty."""
    valid = image[np.isfinite(image)]
    if not valid.size:
        return float("nan"), float("nan")
    low, high = np.percentile(valid, _RANGE_PERCENT)
    return float(low), float(high)


def pixels_above(image: Stack, limits: Sequence[float]) -> tuple[int, ...]:
    """Count the pixels of a frame above each of some limits, reading it in bands.

    Parameters
    ----------
    image : Stack
        Of one frame.
    limits : sequence of float
        In rising order.

    Returns
    -------
    tuple of int
        What is not finite lies above all of them, as in a mask of hot pixels.
    """
    ny, nx = image.shape_yx
    height = max(_BAND_BYTES // (image.dtype.itemsize * nx), 1)
    edges = np.asarray(limits, dtype=image.dtype)
    above = np.zeros(len(edges), dtype=np.int64)
    for start in range(0, ny, height):
        band = np.empty((min(height, ny - start), nx), image.dtype)
        image.read_rows(0, slice(start, start + len(band)), band)
        high = np.sort(band[~(band <= edges[0])])  # NaN comes last
        above += len(high) - np.searchsorted(high, edges, side="right")
    return tuple(int(count) for count in above)


def above_plot(darks: Mapping[str, Path], unit: str, hot: tuple[str, float, float] | None) -> Plot | None:
    """Return how many pixels of each combined dark stand above which level.

    Parameters
    ----------
    darks : mapping of str to path
        Combined darks, by what they are called.
    unit : str
        Of their pixels.
    hot : (str, float, float), optional
        The dark that hot pixels were found on, its level, and what lies above is hot.

    Returns
    -------
    Plot or None
        None where no dark has a pixel that stands out.
    """
    curves, reach = [], 0.0
    for label, path in darks.items():
        image = open_rows(path)
        ny, nx = image.shape_yx
        some = np.empty((min(ny, 64), nx), image.dtype)
        for row, start in enumerate(np.linspace(0, ny - 1, len(some)).astype(int)):
            image.read_rows(0, slice(int(start), int(start) + 1), some[row : row + 1])
        level, noise = sampled_level(some), clipped_std(some)
        if not (math.isfinite(level) and 0 < _FIRST_SIGMAS * noise < _MOST_EXCESS):  # a noise of 1E6 ADU is none
            continue
        if hot is not None and hot[0] == label:
            level = hot[1]
        first = math.floor(_STEPS_A_DECADE * math.log10(_FIRST_SIGMAS * noise))
        excess = [
            10.0 ** (step / _STEPS_A_DECADE) for step in range(first, round(_STEPS_A_DECADE * math.log10(_MOST_EXCESS)))
        ]
        if hot is not None and hot[0] == label:
            excess = sorted({*excess, hot[2] - level})
        counts = pixels_above(image, [level + each for each in excess])
        y = tuple(float(count) if count else float("nan") for count in counts)
        curves.append(Curve(label, tuple(excess), y))
        reach = max([reach, *(x for x, count in zip(excess, counts, strict=True) if count)])
    if not reach:
        return None
    cut = tuple(_cut(curve, 1.3 * reach) for curve in curves)
    spans = (Span(hot[2] - hot[1], 1.3 * reach, f"masked as hot, by {hot[0]}", "note"),) if hot is not None else ()
    return Plot(
        "Pixels that stand out",
        f"above the level of the dark, {unit}",
        "pixels",
        "; ".join(f"{curve.label}: {_most(curve)}" for curve in cut),
        cut,
        spans,
        x_scale="log",
        y_scale="log",
        caption="How many pixels of each combined dark stand above its level by more than so much. Noise alone falls "
        "off steeply at the left; the tail is hot pixels, which grow with the exposure.",
    )


def _cut(curve: Curve, reach: float) -> Curve:
    kept = [(x, y) for x, y in zip(curve.x, curve.y, strict=True) if x <= reach]
    return Curve(curve.label, tuple(x for x, _ in kept), tuple(y for _, y in kept))


def _most(curve: Curve) -> str:
    found = [(x, y) for x, y in zip(curve.x, curve.y, strict=True) if math.isfinite(y)]
    return f"{found[-1][1]:.0f} pixels above {number(found[-1][0], 2)}" if found else "none"


def flat_levels_plot(levels: Mapping[str, Sequence[float]], unit: str) -> Plot | None:
    """Return the level of each flat, in the order of their names; None where those of each filter hardly differ."""
    several = {label: each for label, each in levels.items() if len(each) > 1}
    spread = max(((max(each) - min(each)) / abs(sum(each) / len(each)) for each in several.values()), default=0.0)
    if spread < _LEAST_SPREAD:
        return None
    thousands = max(max(each) for each in several.values()) >= _THOUSANDS
    factor, words = (1000.0, f"1000 {unit}") if thousands else (1.0, unit)
    curves = [
        Curve(label, tuple(float(n) for n in range(1, len(each) + 1)), tuple(y / factor for y in each), marks=True)
        for label, each in several.items()
    ]
    said = "; ".join(f"{label}: {min(each):.0f} to {max(each):.0f} {unit}" for label, each in several.items())
    return Plot(
        "Level of each flat",
        "flat of its filter, in the order of the names",
        f"level, {words}",
        said,
        tuple(curves),
        caption=f"{said}. They differ by up to {percent(spread)}; each is divided by its own before they are combined.",
    )
