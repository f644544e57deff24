"""The section of the biases of a night: the figures of the page of a folder of biases, for the largest group."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zeroframe.headers.kinds import Kind
from zeroframe.report.data import Column, PageSection, Remark, Table
from zeroframe.report.draw.figures import (
    calibration_blink,
    combination_blinks,
    histogram_plot,
    levels_plot,
    noise_curve,
    noise_plot,
    overscan_plots,
    strip_plots,
)
from zeroframe.report.draw.sampling import PREVIEW_PIXELS, sample_for_page, stack_of_samples
from zeroframe.report.sections.combined import (
    combined_pictures,
    combined_row,
    frame_table,
    group_remarks,
    noise_words,
    rows_of,
)
from zeroframe.report.sections.group import only_group
from zeroframe.report.sections.reading import figure_words, level_words, unit_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroframe.report.data import Blink, Plot
    from zeroframe.report.sections.reading import NightView
    from zeroframe.run.outcomes import GroupOutcome

__all__ = ["bias_section"]

_PIXELS = 90_000


def bias_section(view: NightView) -> PageSection | None:
    """Return the section of the biases; the figures are those of the largest group. None where there is no bias."""
    groups = view.groups_of(Kind.BIAS)
    if not groups:
        return None
    first = max(groups, key=lambda each: len(view.combined_of(each.group)))
    unit = unit_words(first.group.frames[0])
    blinks, plots = _bias_figures(view, first, unit)
    others = [each for each in groups if each is not first]
    pictures, left = combined_pictures(view, others, unit)
    return PageSection(
        "Bias",
        unit,
        (*_seen(view), *group_remarks(view, groups, unit, "biases"), *left),
        (*blinks, *pictures),
        plots,
        tables=(_bias_table(view, groups, unit),),
        frame_tables=tuple(frame_table(view, each, unit) for each in groups),
    )


def _bias_figures(view: NightView, each: GroupOutcome, unit: str) -> tuple[tuple[Blink, ...], tuple[Plot, ...]]:
    """Return the figures that the page of a folder of biases has."""
    there = view.combined_of(each.group)
    if not there:
        return (), ()
    odd = {flag.path for flag in each.flags}
    frame = next((one.frame for one in there if one.frame.source not in odd), there[0].frame)
    combined, size = each.combined, _PIXELS if only_group(view) is None else PREVIEW_PIXELS
    blinks = [calibration_blink(frame.source, frame.target, frame.recipe, unit, size)]
    plots: list[Plot | None] = [*_strip_plots(view, each)]
    if not plots:
        plots += overscan_plots(frame.source, frame.recipe, unit)
    samples = [view.samples[one.frame.name] for one in there if one.frame.name in view.samples]
    if combined.is_there and combined.frames > 1:
        kept = any(other.group.includes_bias for other in view.groups_of(Kind.DARK))
        subtracted = not kept or any(one.frame.steps.bias == each.group.name for one in view.result.frames)
        pictures = combination_blinks(frame.target, combined.target, combined.frames, unit, size)
        blinks += pictures if subtracted else [replace(blink, caption=_unused(blink.caption)) for blink in pictures]
    spec, made = each.group.spec, combined.state != "not asked for"
    if made and len(samples) > 1 and spec.method != "sum" and spec.rejection.drop_low + spec.rejection.drop_high == 0:
        used = spec if combined.clipping is None else replace(spec, rejection=combined.clipping.rejection)
        whole = combined.noise if combined.frames == len(samples) else None
        curve = noise_curve(stack_of_samples(samples), used, whole, view.workers)
        ideal = None if combined.excess is None or whole is None else combined.excess.ideal_adu
        plots.append(noise_plot(curve, unit, ideal))
    rows = [row for row in rows_of(view, each) if row.level is not None]
    if len(rows) > 1:
        plots.append(levels_plot(rows, unit, has_overscan=frame.recipe.subtracts_overscan))
    if samples:
        pixels = sample_for_page(combined.target, 1).pixels if combined.is_there and combined.frames > 1 else None
        plots.append(histogram_plot(samples[0].pixels, pixels, unit))
    return tuple(blinks), tuple(plot for plot in plots if plot is not None)


def _seen(view: NightView) -> list[Remark]:
    """Return what the pixels say of the overscan, where they were looked at."""
    if view.plan.evidence is None:
        return []
    every = view.plan.evidence.every
    return [
        Remark(f"{one.whose}: {sentence}" if len(every) > 1 else sentence)
        for one in every
        for sentence in one.sentences
    ]


def _strip_plots(view: NightView, each: GroupOutcome) -> tuple[Plot, ...]:
    """Return what stands in the strips of the camera of some biases, where its pixels were looked at."""
    frame = each.group.frames[0]
    if view.plan.evidence is None:
        return ()
    seen = [one for one in view.plan.evidence.every if one.shape_yx == frame.layout.shape_yx]
    return tuple(plot for one in seen for plot in strip_plots(one))


def _unused(caption: str) -> str:
    """Return a caption for a bias that stays in the darks, and goes with them."""
    head, told, _ = caption.partition(" What is seen here")
    return f"{head} It is not subtracted by itself: the darks still hold it." if told else caption


def _bias_table(view: NightView, groups: Sequence[GroupOutcome], unit: str) -> Table:
    columns = (
        *(Column("combined"), Column("frames", figure=True), Column(f"level, {unit}", figure=True)),
        *(Column(f"noise of a frame, {unit}", figure=True), Column(f"noise, combined, {unit}", figure=True)),
        Column("expected", figure=True),
    )
    rows = []
    for each in groups:
        levels = view.levels_of(each.group)
        noise = each.combined.noise
        cells = (
            level_words(float(np.mean(levels)), None if noise is None else noise.calibrated) if levels else "–",
            figure_words(None if noise is None else noise.calibrated),
        )
        rows.append(combined_row(each, (*cells, *noise_words(each))))
    return Table("Combined biases", columns, tuple(rows))
