"""What the sections of biases, darks and flats have in common: remarks, rows, pictures, tables of frames."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from zeroframe.frames.medians import median_of_valid, medians_of_rows
from zeroframe.frames.numbers import percent
from zeroframe.frames.statistics import clipped_std, sampled_level
from zeroframe.planning.grouping import frames_words
from zeroframe.report.data import FrameTable, PagePicture, PageRow, Remark, TableRow
from zeroframe.report.draw.combined import combined_blink, small_image
from zeroframe.report.draw.images import shades, stretch_limits
from zeroframe.report.draw.sampling import bins_for, histogram_of
from zeroframe.report.sections.reading import figure_words, frame_flags
from zeroframe.report.sections.remarks import noise_and_ideal, noise_remarks
from zeroframe.workers import map_threads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zeroframe.frames.raw import FrameOutcome
    from zeroframe.report.data import Blink, PageFlag, Tone
    from zeroframe.report.draw.sampling import PageSample
    from zeroframe.report.sections.reading import NightView
    from zeroframe.run.outcomes import GroupOutcome

__all__ = [
    "MOST_PICTURES",
    "combined_pictures",
    "combined_row",
    "frame_rows",
    "frame_table",
    "group_remarks",
    "left_remarks",
    "noise_words",
    "rows_of",
]

#: Pictures of combined frames of one kind.
MOST_PICTURES = 6


def group_remarks(view: NightView, groups: Sequence[GroupOutcome], unit: str, kind: str) -> list[Remark]:
    """Say of each group what went wrong and what does not belong; of all, how noisy the results are.

    Parameters
    ----------
    view : NightView
        The night.
    groups : sequence of GroupOutcome
        Of one kind.
    unit : str
        Of their noise.
    kind : str
        What they are called, as ``darks``.
    """
    found = []
    for each in groups:
        if each.combined.state == "failed":
            found.append(Remark(f"{each.group.label}: {view.short(each.combined.reason)}", "bad"))
        found += [Remark(f"{each.group.label}: {view.short(text)}", "bad") for text in each.combined.left_out]
        found += [
            Remark(f"left out of {each.group.label}: {view.short(one.outcome.reason)}", "note")
            for one in view.frames_of(each.group)
            if one.outcome.state == "left out"
        ]
        found += [Remark(f"{view.name(flag.path)}: {flag.sentence}", "note") for flag in each.suspects]
    noises = [
        noise_remarks(each.combined, each.combined.noise, unit, f"combined {each.group.label}") for each in groups
    ]
    told = [remark for some in noises for remark in some]
    quiet = [remark for remark in told if remark.tone == "good"]
    found += [remark for remark in told if remark.tone != "good"]
    if len(quiet) < 2:
        return [*found, *quiet]
    pairs = [noise_and_ideal(each.combined, each.combined.noise) for each in groups]
    excess = max(pair[0] / pair[1] - 1 for pair in pairs if pair is not None)
    most = f"no more than {percent(excess)}" if excess > 0 else "none"
    which = f"The combined {kind} are" if len(quiet) == len(told) else f"{len(quiet)} of the combined {kind} are"
    said = f"{which} as quiet as they should be: {most} above σ/√N, where σ is the noise of one frame."
    return [*found, Remark(said, "good")]


def combined_pictures(
    view: NightView, groups: Sequence[GroupOutcome], unit: str
) -> tuple[tuple[Blink, ...], list[Remark]]:
    """Return pictures of combined frames, and say how many there is no room for."""
    shown = view.pictured(groups, MOST_PICTURES)
    images = map_threads(lambda each: small_image(each.combined.target), shown, view.workers)
    pictures = tuple(
        combined_blink(
            each.group.label, image, unit, shape_yx=each.group.frames[0].shape_yx, file=str(each.combined.target)
        )
        for each, image in zip(shown, images, strict=True)
    )
    return pictures, left_remarks(sum(each.combined.is_there for each in groups))


def left_remarks(number_there: int) -> list[Remark]:
    """Say how many combined frames there is no picture of."""
    left = number_there - MOST_PICTURES
    return (
        [Remark(f"Pictures of {MOST_PICTURES} combined frames are shown; {left} more are in the folder.")]
        if left > 0
        else []
    )


def frame_table(view: NightView, each: GroupOutcome, unit: str) -> FrameTable:
    """Return the frames of a group, folded away where nothing is to be said of them."""
    rows, total = rows_of(view, each), len(view.frames_of(each.group))
    left = total - len(rows)
    hint = (
        f"{frames_words(left)} more, of which nothing is to be said, {'is' if left == 1 else 'are'} not shown."
        if left
        else ""
    )
    wrong = any(
        row.state not in {"done", "skipped"} or any(flag.tone != "neutral" for flag in row.flags) for row in rows
    )
    return FrameTable(f"{frames_words(total)} of {each.group.label}", unit, rows, hint, wrong)


def rows_of(view: NightView, each: GroupOutcome) -> tuple[PageRow, ...]:
    """Return the rows of the frames of a group that are shown."""
    shown = view.shown[each.group.name]
    return frame_rows(
        [replace(one.outcome, reason=view.short(one.outcome.reason)) for one in shown],
        {one.frame.source: view.samples[one.frame.name] for one in shown if one.frame.name in view.samples},
        {one.frame.source: frame_flags(one, each.flags) for one in shown},
        {one.frame.source: one.frame.name for one in shown},
        {one.frame.source: view.link(one.frame.target) for one in shown if one.outcome.is_there},
    )


def combined_row(each: GroupOutcome, cells: tuple[str, ...]) -> TableRow:
    """Return the row of a combined frame: what it is called, of how many frames, and the cells that are given."""
    if each.combined.state == "not asked for":
        return TableRow((each.group.label, "not combined", *cells), "neutral")
    if not each.combined.is_there:
        return TableRow((each.group.label, "not made", *("–" for _ in cells)), "bad")
    frames = len(each.group.frames)
    shown = str(each.combined.frames) if each.combined.frames == frames else f"{each.combined.frames} of {frames}"
    tone: Tone = "neutral" if each.combined.frames == frames else "note"
    return TableRow((each.group.label, shown, *cells), tone, f"./{quote(each.group.name)}")


def noise_words(each: GroupOutcome) -> tuple[str, str]:
    """Return the noise of a pixel of the combined frame, and what it should be."""
    found = noise_and_ideal(each.combined, each.combined.noise)
    return ("–", "–") if found is None else (figure_words(found[0]), figure_words(found[1]))


def frame_rows(
    frames: Sequence[FrameOutcome],
    samples: Mapping[Path, PageSample],
    flags: Mapping[Path, Sequence[PageFlag]],
    names: Mapping[Path, str] | None = None,
    links: Mapping[Path, str] | None = None,
) -> tuple[PageRow, ...]:
    """Return one row a frame; thumbnails and histograms of all have the limits that suit most of them.

    Parameters
    ----------
    frames : sequence of FrameOutcome
        In the order in which they are shown.
    samples : mapping of path to FrameSample
        Of those whose calibrated frame is there, by raw file.
    flags : mapping of path to sequence of Flag
        What is odd about them, by raw file.
    names : mapping of path to str, optional
        What each raw file is called; by default without its folder.
    links : mapping of path to str, optional
        Addresses of their results.
    """
    thumbs = [_above_median(sample.thumbnail) for sample in samples.values() if _has_pixels(sample)]
    limits = [stretch_limits(thumb) for thumb in thumbs]
    low, high = (float(median_of_valid([limit[end] for limit in limits])) if limits else float(end) for end in (0, 1))
    noise = float(median_of_valid([s.noise for s in samples.values() if math.isfinite(s.noise)] or [1.0])) or 1.0
    middle = float(median_of_valid([_median(s.thumbnail) for s in samples.values() if _has_pixels(s)] or [0.0]))
    some = next((sample.pixels for sample in samples.values() if _has_pixels(sample)), np.zeros(1))
    bins = bins_for(some, middle, max(noise, clipped_std(some) / 2))  # the shape of a flat is far more than its noise
    rows = []
    for frame in frames:
        sample = samples.get(frame.source)
        name = frame.source.name if names is None else names[frame.source]
        row = PageRow(name, frame.state, frame.reason, flags=tuple(flags.get(frame.source, ())))
        if sample is not None and _has_pixels(sample):
            shade = shades(_above_median(sample.thumbnail), low, high)
            row = PageRow(
                *(row.name, row.state, row.reason),
                *_levels(frame, sample),
                sample.noise if frame.quality is None else frame.quality.noise_adu,
                row.flags,
                PagePicture(row.name, shade, f"small image of {row.name}"),
                histogram_of(sample.pixels, *bins),
                tuple(float(value) for value in sample.rows),
                tuple(float(value) for value in sample.columns),
            )
        rows.append(replace(row, link=(links or {}).get(frame.source, "")))
    return tuple(rows)


def _median(thumbnail: NDArray[np.float64]) -> float:
    return float(medians_of_rows(thumbnail.reshape(1, -1))[0])


def _above_median(thumbnail: NDArray[np.float64]) -> NDArray[np.float64]:
    return thumbnail - _median(thumbnail)


def _has_pixels(sample: PageSample) -> bool:
    return bool(np.isfinite(sample.thumbnail).any())


def _levels(frame: FrameOutcome, sample: PageSample) -> tuple[float | None, float]:
    """Return the levels before and after; of a frame that was there already the run may not have measured them."""
    level = frame.level_adu if math.isfinite(frame.level_adu) else sampled_level(sample.thumbnail)
    return (frame.raw_level_adu if math.isfinite(frame.raw_level_adu) else None), level
