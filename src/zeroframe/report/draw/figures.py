"""The diagrams and images of a report, from measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.frames.medians import median_of_valid
from zeroframe.frames.numbers import number, percent
from zeroframe.frames.statistics import clipped_std
from zeroframe.report.data import Blink, Curve, PagePicture, Plot, Span
from zeroframe.report.draw.images import shades, stretch_limits
from zeroframe.report.draw.plots import fixed
from zeroframe.report.draw.sampling import (
    PREVIEW_PIXELS,
    TrimmedImage,
    bins_for,
    edge_profile,
    histogram_of,
    open_rows,
    preview,
    preview_block,
)
from zeroframe.stacks.noise import measure_noise

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zeroframe.frames.overscan import OverscanSpec
    from zeroframe.frames.regions import Region
    from zeroframe.frames.steps import FrameRecipe
    from zeroframe.inspection.result import OverscanInspection, StripFinding
    from zeroframe.report.data import PageRow
    from zeroframe.stacks.combine import CombineSpec
    from zeroframe.stacks.noise import SampledStack, StackNoise
    from zeroframe.stacks.stack import Stack

__all__ = [
    "NoiseCurve",
    "alike_pictures",
    "calibration_blink",
    "combination_blinks",
    "histogram_plot",
    "levels_plot",
    "noise_curve",
    "noise_plot",
    "overscan_plots",
    "strip_plots",
]

#: Of a series of frames so many are combined: each step halves the noise by about sqrt(1.4).
_NUMBERS = (1, 2, 3, 4, 6, 8, 12, 16, 25, 35, 50, 70, 100, 140, 200, 280, 400, 560, 800)
_BESIDE = 40
_HISTOGRAM_BINS = 96

NoiseCurve = tuple[tuple[int, "StackNoise"], ...]


def calibration_blink(
    raw: Path, calibrated: Path, recipe: FrameRecipe, unit: str, pixels: int = PREVIEW_PIXELS
) -> Blink:
    """Return a raw frame and what became of it, pixel upon pixel; both at the same contrast.

    Parameters
    ----------
    raw, calibrated : pathlib.Path
        The files.
    recipe : FrameRecipe
        What was done, for the place of the calibrated image in the raw one.
    unit : str
        Of the pixels.
    pixels : int
        How many each picture may have.

    Returns
    -------
    Blink
        Two pictures of one shape.
    """
    before_image: Stack = open_rows(raw)
    shape_yx = before_image.shape_yx
    if recipe.assembles:  # trimmed away is what stood between the amplifiers
        before = preview(TrimmedImage(before_image, recipe), pixels=pixels)
        after = preview(open_rows(calibrated), pixels=pixels)
        pictures, caption = alike_pictures(raw.name, before, after, unit, (recipe.shape_yx(shape_yx), pixels))
        assembled = f" The parts that {len(recipe.regions)} amplifiers read are in their places in both."
        return Blink("Raw and calibrated", pictures, f"{raw.name}. {caption}{assembled}")
    place = recipe.trim.slices_yx(shape_yx) if recipe.trim is not None else (slice(0, None), slice(0, None))
    before = preview(before_image, pixels=pixels)
    after = preview(open_rows(calibrated), shape_yx, (place[0], place[1]), pixels)
    pictures, caption = alike_pictures(raw.name, before, after, unit, (shape_yx, pixels), (str(raw), str(calibrated)))
    trimmed = " Blue: trimmed away." if recipe.trim is not None else ""
    return Blink("Raw and calibrated", pictures, f"{raw.name}. {caption}{trimmed}")


def alike_pictures(
    name: str,
    before: NDArray[Any],
    after: NDArray[Any],
    unit: str,
    scale: tuple[tuple[int, int], int] | None = None,
    files: tuple[str, str] = ("", ""),
) -> tuple[tuple[PagePicture, PagePicture], str]:
    """Return pictures of a raw and a calibrated frame that can be compared, and what their shades mean.

    Parameters
    ----------
    name : str
        Of the frame.
    before, after : ndarray, shape (ny, nx)
        Small images in one unit, not finite where there is no pixel.
    unit : str
        Of both.
    scale : tuple, optional
        Shape of the frame that both show, and how many pixels the images might have.
    files : (str, str)
        Whose pixels they are.

    Returns
    -------
    pictures : (Picture, Picture)
        The levels differ by the bias, so each is stretched about its own median, by the same number of ADU from black
        to white: what suits the raw frame.
    caption : str
    """
    inside = np.where(np.isfinite(after), before, np.nan)
    middle_before, middle_after = (_median(image) for image in (inside, after))
    low, high = stretch_limits(inside - middle_before)
    about = (0, (0, 0)) if scale is None else (preview_block(*scale), scale[0])
    first, second = (
        PagePicture(
            title,
            shades(image - middle, low, high),
            f"{title} frame {name}, level {number(middle)} {unit}",
            (low + middle, high + middle),
            unit,
            *about,
            file,
        )
        for title, image, middle, file in (
            ("Raw", before, middle_before, files[0]),
            ("Calibrated", after, middle_after, files[1]),
        )
    )
    caption = (
        f"Black to white is {number(high - low, 3)} {unit} in both: raw from {number(middle_before + low)} "
        f"to {number(middle_before + high)}, calibrated from {number(middle_after + low, 3)} to "
        f"{number(middle_after + high, 3)} {unit}."
    )
    return (first, second), caption


def combination_blinks(
    single: Path, combined: Path, frames: int, unit: str, pixels: int = PREVIEW_PIXELS
) -> tuple[Blink, ...]:
    """Return a single frame and the combined one with one stretch, and the combined one with a stretch of its own.

    Parameters
    ----------
    single, combined : pathlib.Path
        The files.
    frames : int
        How many were combined.
    unit : str
        Of the pixels.
    pixels : int
        How many each picture may have.
    """
    one, all_of_them = (preview(open_rows(path), pixels=pixels) for path in (single, combined))
    middle = _median(one) - _median(all_of_them)
    low, high = stretch_limits(one)
    frame_yx = open_rows(combined).shape_yx
    about = preview_block(frame_yx, pixels), frame_yx
    shown = (
        ("Single", one, f"single frame {single.name}", single),
        ("Combined", all_of_them, f"{frames} frames combined", combined),
    )
    pictures = tuple(
        PagePicture(title, shades(image, low, high), alt, (low, high), unit, *about, str(file))
        for title, image, alt, file in shown
    )
    caption = (
        f"{single.name}, and {frames} frames combined. Display range {number(low, 3)} to {number(high, 3)} {unit}."
    )
    if abs(middle) > 0.5 * (high - low):
        caption += f" Their levels differ by {number(abs(middle), 3)} {unit}."
    own_low, own_high = stretch_limits(all_of_them)
    own = PagePicture(
        "Combined",
        shades(all_of_them, own_low, own_high),
        f"{frames} frames combined, at high contrast",
        (own_low, own_high),
        unit,
        *about,
        str(combined),
    )
    own_caption = (
        f"{combined.name}, stretched to its own structure: black is {number(own_low, 3)}, "
        f"white {number(own_high, 3)} {unit}. What is seen here is what gets subtracted from other frames."
    )
    return Blink("Single and combined", pictures, caption), Blink("Combined, high contrast", (own,), own_caption)


def _median(image: NDArray[Any]) -> float:
    valid = image[np.isfinite(image)]
    return float(median_of_valid(valid)) if valid.size else 0.0


def levels_plot(frames: Sequence[PageRow], unit: str, *, has_overscan: bool) -> Plot:
    """Return the level of each frame, in the order of their names, about the mean of all."""
    raw = [frame.raw_level for frame in frames if frame.raw_level is not None]
    series = [("raw", raw)] if len(raw) == len(frames) else []
    if has_overscan or not series:
        series.append(("calibrated", [frame.level for frame in frames if frame.level is not None]))
    curves, words = [], []
    for title, levels in series:
        mean = sum(levels) / len(levels)
        y = tuple(level - mean for level in levels)
        spread = float(np.std(y))
        label = f"{title}, about {fixed(mean, max(spread, 1e-6))} {unit}"
        curves.append(Curve(label, tuple(float(n) for n in range(1, len(y) + 1)), y, marks=True))
        words.append(f"{title}: scatter {number(spread, 3)} {unit} from frame to frame")
    told = "; ".join(words)
    return Plot(
        "Level of each frame",
        "frame, in the order of the table",
        f"level about the mean, {unit}",
        told,
        tuple(curves),
        caption=f"{told[0].upper()}{told[1:]}.",
    )


def noise_curve(sample: SampledStack, spec: CombineSpec, whole: StackNoise | None, workers: int | None) -> NoiseCurve:
    """Combine the first n frames of a sample, for some n, and measure the noise of each.

    Parameters
    ----------
    sample : SampledStack
        Some rows of each frame.
    spec : CombineSpec
        How they are combined.
    whole : StackNoise or None
        What the run has measured of all of them, where it has.
    workers : int, optional
        How many threads.

    Returns
    -------
    tuple of (int, StackNoise)
        From 2 frames to all.
    """
    total = len(sample.frames)
    steps = [n for n in _NUMBERS if 1 < n < total]
    curve = [(n, measure_noise(sample.subset(slice(0, n)), spec, workers=workers)) for n in steps]
    return (*curve, (total, measure_noise(sample, spec, workers=workers) if whole is None else whole))


def noise_plot(curve: NoiseCurve, unit: str, ideal: float | None = None) -> Plot | None:
    """Return the noise of the combination of n frames, measured, against what it should be.

    Parameters
    ----------
    curve : sequence of (int, StackNoise)
        From `noise_curve`.
    unit : str
        Of the noise.
    ideal : float, optional
        What the noise of all frames should be; by default that of one, rows and all, over the root of their number.

    Returns
    -------
    Plot or None
        None where the noise cannot be measured.
    """
    noises = [noise for _, noise in curve]
    if not noises or noises[-1].calibrated is None or not noises[-1].calibrated > 0:
        return None
    single = noises[-1].calibrated
    numbers = (1.0, *(float(n) for n, _ in curve))
    measured = (single, *(noise.combined or float("nan") for noise in noises))
    sigma = single if not ideal else ideal * numbers[-1] ** 0.5
    expected = tuple(sigma / n**0.5 for n in numbers)
    scatter = tuple(noise.scatter for noise in noises)
    last = measured[-1] / expected[-1] - 1
    return Plot(
        "Noise against the number of frames",
        "number of frames combined",
        f"noise, {unit}",
        f"Noise falls from {number(single, 3)} {unit} for one frame to {number(measured[-1], 3)} {unit} for "
        f"{numbers[-1]:.0f}, where σ/√n is {number(expected[-1], 3)}",
        (
            Curve("measured", numbers, measured, line=False, marks=True),
            Curve("σ/√n", numbers, expected, dashed=True),
            Curve("with the fixed pattern", numbers[1:], scatter, marks=True),
        ),
        x_scale="log",
        y_scale="log",
        caption=f"The first n frames, combined as the run does it. At n = {numbers[-1]:.0f} the noise is "
        f"{percent(abs(last))} {'above' if last >= 0 else 'below'} σ/√n.",
        tabulated=True,
    )


def histogram_plot(single: NDArray[Any], combined: NDArray[Any] | None, unit: str) -> Plot | None:
    """Return how the pixels of a calibrated frame, and of the combined one, are distributed; None without a pixel."""
    sigma, middle = clipped_std(single), _median(single)
    if not sigma > 0:
        return None
    low, high, bins = bins_for(single, middle, sigma, _HISTOGRAM_BINS)
    edges = np.linspace(low, high, bins + 1)
    centers = tuple(float(center) for center in (edges[1:] + edges[:-1]) / 2)
    curves = []
    for title, pixels in (("one calibrated frame", single), ("combined", combined)):
        if pixels is not None:
            counts = np.array(histogram_of(pixels, low, high, bins).counts, dtype=np.float64)
            share = counts / max(counts.sum(), 1.0)
            curves.append(Curve(title, centers, tuple(float(s) if s > 0 else float("nan") for s in share)))
    return Plot(
        "Distribution of pixels",
        f"pixel, {unit}",
        "share of the pixels",
        f"One calibrated frame has a spread of {number(sigma, 3)} {unit}",
        tuple(curves),
        y_scale="log",
        caption="Noise alone gives a parabola on this scale; the outermost bins hold all that lies beyond.",
    )


def overscan_plots(raw: Path, recipe: FrameRecipe, unit: str) -> tuple[Plot, ...]:
    """Return the profile of one raw frame about each overscan that was used."""
    return tuple(_overscan_plot(raw, region, spec, unit) for region in recipe.regions for spec in region.overscans)


def _overscan_plot(raw: Path, region: Region, spec: OverscanSpec, unit: str) -> Plot:
    image = open_rows(raw)
    slices = spec.section.slices_yx(image.shape_yx)
    widths = [len(range(n)[part]) for n, part in zip(image.shape_yx, slices, strict=True)]
    axis = spec.axis if spec.axis is not None else int(widths[1] <= widths[0])
    ends = range(image.shape_yx[axis])[slices[axis]]
    used = min(ends[0], ends[-1]), max(ends[0], ends[-1])
    total = image.shape_yx[axis]
    first, last = max(used[0] - _BESIDE, 0), min(used[1] + _BESIDE + 1, total)
    beside = range(image.shape_yx[1 - axis])[slices[1 - axis]]
    profile = edge_profile(image, axis, first, last, (min(beside[0], beside[-1]), max(beside[0], beside[-1]) + 1))
    what = "column" if axis == 1 else "row"
    spans = [Span(used[0] + 0.5, used[1] + 1.5, f"used: {what}s {used[0] + 1}–{used[1] + 1}", "good")]
    if region.trim is not None:
        kept = region.kept(image.shape_yx)[axis]
        spans.append(Span(min(kept[0], kept[-1]) + 0.5, max(kept[0], kept[-1]) + 1.5, "kept as image"))
    return Plot(
        "Overscan of one raw frame" + (f", amplifier {region.name}" if region.name else ""),
        f"{what} (counted from 1)",
        f"level of the {what}, {unit}",
        f"Levels of {what}s {first + 1} to {last} of {raw.name}; {what}s {used[0] + 1} to {used[1] + 1} are used",
        (Curve(raw.name, tuple(float(n) for n in range(first + 1, last + 1)), tuple(map(float, profile))),),
        tuple(spans),
    )


def strip_plots(inspection: OverscanInspection) -> tuple[Plot, ...]:
    """Return the profile of each strip that was found, in frames of each kind, with what is chosen and what is not."""
    return tuple(_strip_plot(strip, inspection) for strip in inspection.strips)


def _strip_plot(strip: StripFinding, inspection: OverscanInspection) -> Plot:
    numbers = tuple(float(n) for n in strip.curves.numbers)
    curves = tuple(
        Curve(f"{kind} ({len(inspection.used.get(kind, ()))})", numbers, tuple(map(float, profile)), marks=True)
        for kind, profile in strip.curves.by_kind.items()
    )
    spans = [Span(min(strip.numbers) - 0.5, max(strip.numbers) + 0.5, f"strip: {strip.word} {_ends(strip.numbers)}")]
    ends = strip.usable_numbers
    if ends is not None:
        good = strip is inspection.chosen
        label = f"{'chosen' if good else 'free of light'}: {strip.word} {_ends(ends)}"
        spans.append(Span(min(ends) - 0.5, max(ends) + 0.5, label, "good" if good else "neutral"))
    section = inspection.header_sections.get("BIASSEC")
    caption = f"Above {number(strip.threshold_adu, 2)} ADU light would matter."
    if section is not None:
        caption += f" The header's BIASSEC is {section}."
    return Plot(
        f"Overscan, {strip.side}",
        f"{strip.word.removesuffix('s')} (counted from 1)",
        "above the level of the strip, ADU",
        f"Profile of the {strip.side} strip; {inspection.verdict}",
        curves,
        tuple(spans),
        y_scale="asinh",
        y_linear=max(3.0 * strip.threshold_adu, 1e-3),
        caption=caption + "".join(f" Not used: {objection}." for objection in strip.objections),
    )


def _ends(numbers: Sequence[int]) -> str:
    return f"{min(numbers)}–{max(numbers)}"
