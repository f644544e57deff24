"""The section of the flats of a night, by filter: levels, saturation, scatter, the shape of the combined flat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.frames.numbers import number, percent
from zeroframe.headers.kinds import Kind
from zeroframe.report.data import Column, PageSection, Remark, Table
from zeroframe.report.draw.combined import combined_blink, flat_levels_plot, flat_range, small_image
from zeroframe.report.sections.combined import MOST_PICTURES, combined_row, frame_table, group_remarks, left_remarks
from zeroframe.report.sections.reading import unit_words
from zeroframe.report.sections.remarks import noise_and_ideal
from zeroframe.workers import map_threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zeroframe.report.sections.reading import NightView
    from zeroframe.run.outcomes import GroupOutcome, NightOutcome

__all__ = ["flat_section"]

_MOST_CURVES = 5
#: A measured gain that differs by more from the one that was stated deserves a look.
_GAIN_FRACTION = 0.05


def flat_section(view: NightView) -> PageSection | None:
    """Return the section of the flats, by filter; None where there is none."""
    groups = view.groups_of(Kind.FLAT)
    if not groups:
        return None
    unit = unit_words(groups[0].group.frames[0])
    there = [each for each in groups if each.combined.is_there]
    images = dict(
        zip(
            (each.group.name for each in there),
            map_threads(lambda each: small_image(each.combined.target), there, view.workers),
            strict=True,
        )
    )
    pictures = tuple(
        combined_blink(
            *(each.group.label, images[each.group.name], "", _range_words(images[each.group.name])),
            shape_yx=each.group.frames[0].shape_yx,
            file=str(each.combined.target),
        )
        for each in view.pictured(groups, MOST_PICTURES)
    )
    left = left_remarks(len(there))
    plot = flat_levels_plot({each.group.label: view.levels_of(each.group) for each in groups[:_MOST_CURVES]}, unit)
    return PageSection(
        "Flats",
        unit,
        (*group_remarks(view, groups, unit, "flats"), *_gain_remarks(groups), *_bad_remarks(view, groups), *left),
        pictures,
        () if plot is None else (plot,),
        tables=(_flat_table(view, groups, unit, images),),
        frame_tables=tuple(frame_table(view, each, unit) for each in groups),
    )


def _range_words(image: NDArray[np.float64]) -> str:
    low, high = flat_range(image)
    return f"All but 1 % at either end lie between {number(low, 3)} and {number(high, 3)}; 1 is its mean."


def _flat_table(
    view: NightView, groups: Sequence[GroupOutcome], unit: str, images: dict[str, NDArray[np.float64]]
) -> Table:
    columns = (
        *(Column("combined"), Column("frames", figure=True), Column(f"levels, {unit}", figure=True)),
        *(
            Column("scatter", figure=True),
            Column("saturated", figure=True),
            Column("noise, combined", figure=True),
        ),
        *(
            Column("range", figure=True),
            Column("gain measured", figure=True),
            Column("bad pixels", figure=True),
        ),
    )
    rows = []
    for each in groups:
        levels, mask = view.levels_of(each.group), view.masks.get(each.group.name)
        ends = dict.fromkeys(f"{level:.0f}" for level in (min(levels), max(levels))) if levels else {}
        scatter = percent(float(np.std(levels, ddof=1)) / abs(float(np.mean(levels)))) if len(levels) > 1 else "–"
        image = images.get(each.group.name)
        span = "–" if image is None else " to ".join(number(end, 3) for end in flat_range(image))
        gain = "–" if "GAINMEAS" not in each.said else f"{number(each.said['GAINMEAS'])} e⁻/ADU"
        bad = "–" if mask is None or not mask.pixels else f"{mask.count:,}"
        cells = (" to ".join(ends) or "–", scatter, _saturated(view.frames_of(each.group)))
        rows.append(combined_row(each, (*cells, _relative_noise(each), span, gain, bad)))
    hint = (
        "Saturated: the largest share in one frame. Noise: of one pixel of the combined flat, in percent of its level. "
        "Range: all but 1 % of the combined flat at either end; 1 is its mean."
    )
    return Table("Combined flats", columns, tuple(rows), hint)


def _saturated(frames: Sequence[NightOutcome]) -> str:
    """Return the largest share of saturated pixels of a frame."""
    shares = []
    for each in frames:
        ny, nx = each.frame.shape_yx
        if "NSATPIX" in each.said:
            shares.append(int(each.said["NSATPIX"]) / (ny * nx))
    return "–" if not shares else "none" if not max(shares) else percent(max(shares))


def _relative_noise(each: GroupOutcome) -> str:
    found = noise_and_ideal(each.combined, each.combined.noise)
    level = each.said.get("FLATLEVL")
    return "–" if found is None or not level else percent(found[0] / float(level))


def _gain_remarks(groups: Sequence[GroupOutcome]) -> list[Remark]:
    """Hold the gain that pairs of flats give against what was stated."""
    found = []
    for each in groups:
        measured, stated = each.said.get("GAINMEAS"), each.group.frames[0].steps.gain_e_per_adu
        if measured is None or stated is None:
            continue
        differs = abs(measured / stated - 1)
        error = each.said.get("GAINERR")
        said = number(measured) + (f" ± {number(error, 2)}" if error else "")
        text = f"Gain on pairs of {each.group.label}: {said} e⁻/ADU; {number(stated)} is stated"
        if differs > _GAIN_FRACTION:
            found.append(Remark(f"{text}, {percent(differs)} apart: the uncertainties rest on what is stated.", "note"))
        else:
            found.append(Remark(f"{text}.", "good"))
    return found


def _bad_remarks(view: NightView, groups: Sequence[GroupOutcome]) -> list[Remark]:
    masks = [view.masks[each.group.name] for each in groups if each.group.name in view.masks]
    failed = [Remark(mask.reason, "bad") for mask in masks if not mask.is_there]
    counted = [mask for mask in masks if mask.is_there and mask.pixels]
    if not counted:
        return failed
    said = ", ".join(f"{mask.count:,} in {view.label(mask.job.source)}" for mask in counted)
    return [*failed, Remark(f"Bad pixels (response unlike that of their neighbours): {said}.")]
