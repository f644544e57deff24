"""The rows of a table of frames."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zeroframe.frames.medians import median_of_valid, medians_of_rows
from zeroframe.frames.statistics import clipped_std, sampled_level
from zeroframe.report.data import PagePicture, PageRow
from zeroframe.report.draw.images import shades, stretch_limits
from zeroframe.report.draw.sampling import bins_for, histogram_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zeroframe.frames.raw import FrameOutcome
    from zeroframe.report.data import PageFlag
    from zeroframe.report.draw.sampling import PageSample

__all__ = ["frame_rows"]


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
