"""The section of the darks of a night, by exposure: level, dark current, hot pixels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from zeroframe.frames.numbers import number, percent
from zeroframe.headers.kinds import Kind
from zeroframe.planning.grouping import exposure_words
from zeroframe.records import dataclass
from zeroframe.report.data import Column, PageSection, Remark, Table
from zeroframe.report.draw.combined import above_plot
from zeroframe.report.sections.combined import combined_pictures, combined_row, frame_table, group_remarks, noise_words
from zeroframe.report.sections.reading import level_words, unit_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroframe.planning.plan import Group
    from zeroframe.report.sections.reading import NightView
    from zeroframe.run.outcomes import GroupOutcome

__all__ = ["DarkCurrent", "dark_current", "dark_section", "gain_of"]

_MOST_CURVES = 5
#: A level that is no more than so many of its errors is none.
_DETECTED = 2.0
#: One that is so far below zero is no limit on anything: it is said as it is.
_BELOW_ZERO = 5.0


@dataclass(frozen=True, slots=True)
class DarkCurrent:
    """What a pixel gathers in the dark in a second, and its standard error from frame to frame (NaN: not known)."""

    value: float
    error: float
    unit: str

    def words(self) -> str:
        """Return it with its error, or a limit where it is none.

        Examples
        --------
        >>> DarkCurrent(0.0214, 0.0003, "e⁻/s").words(), DarkCurrent(0.001, 0.002, "e⁻/s").words()
        ('0.0214 ± 0.0003 e⁻/s', 'below 0.005 e⁻/s')
        """
        if not math.isfinite(self.error):
            return f"{number(self.value, 2)} {self.unit}"
        if self.value < -_BELOW_ZERO * self.error:  # which no current is
            return f"{number(self.value, 2)} {self.unit}"
        if self.value < _DETECTED * self.error:
            return f"below {number(max(self.value, 0.0) + _DETECTED * self.error, 1)} {self.unit}"
        decimals = max(-math.floor(math.log10(self.error)), 0) if self.error > 0 else 4
        return f"{self.value:.{decimals}f} ± {number(self.error, 1)} {self.unit}"


def gain_of(view: NightView, group: Group) -> float | None:
    """Return the gain of the frames of a group: as stated, else as measured on flats that were read in the same way."""
    stated = group.frames[0].steps.gain_e_per_adu
    if stated is not None:
        return stated
    for each in view.groups_of(Kind.FLAT):
        if _is_read_alike(each.group, group) and "GAINMEAS" in each.said:
            return float(each.said["GAINMEAS"])
    return None


def _is_read_alike(one: Group, other: Group) -> bool:
    a, b = one.traits, other.traits
    same = (a.shape_yx, a.binning_xy, a.settings) == (b.shape_yx, b.binning_xy, b.settings)
    return same and one.frames[0].recipe == other.frames[0].recipe


def dark_current(view: NightView, group: Group) -> DarkCurrent | None:
    """Return the dark current of a group of darks; None where the level of the bias, or the exposure, is not known.

    Parameters
    ----------
    view : NightView
        The night.
    group : Group
        Of darks.

    Returns
    -------
    DarkCurrent or None
        Mean level of the calibrated darks less that of the biases, where those are still in them, over the exposure.
        Where the gain is known in electrons.
    """
    exposure_s, levels = group.traits.exposure_s, view.levels_of(group)
    if not exposure_s or not levels:
        return None
    value, error = _mean(levels)
    if group.includes_bias:
        biases = [each.group for each in view.groups_of(Kind.BIAS) if _is_read_alike(each.group, group)]
        zeros = [level for each in biases for level in view.levels_of(each)]
        if zeros:
            zero, zero_error = _mean(zeros)
            value, error = value - zero, math.hypot(error, zero_error)
        elif not group.frames[0].recipe.subtracts_overscan:
            return None
    gain = gain_of(view, group)
    factor = (1.0 if gain is None else gain) / exposure_s
    unit = unit_words(group.frames[0])
    return DarkCurrent(factor * value, factor * error, f"{unit if gain is None else 'e⁻'}/s")


def _mean(values: Sequence[float]) -> tuple[float, float]:
    """Return a mean and its standard error; NaN for that of a single value."""
    some = np.asarray(values)
    error = float(some.std(ddof=1) / math.sqrt(len(some))) if len(some) > 1 else float("nan")
    return float(some.mean()), error


def dark_section(view: NightView) -> PageSection | None:
    """Return the section of the darks, by exposure; None where there is none."""
    groups = view.groups_of(Kind.DARK)
    if not groups:
        return None
    unit = unit_words(groups[0].group.frames[0])
    pictures, left = combined_pictures(view, groups, unit)
    there = {each.group.label: each.combined.target for each in groups if each.combined.is_there}
    hot = None
    for each in groups:
        mask = view.masks.get(each.group.name)
        if mask is not None and math.isfinite(mask.limit) and each.group.label in there:
            hot = (each.group.label, mask.level, mask.limit)
    shown = dict(list(there.items())[-_MOST_CURVES:])
    plot = above_plot(shown, unit, hot if hot is not None and hot[0] in shown else None) if shown else None
    return PageSection(
        "Darks",
        unit,
        (*group_remarks(view, groups, unit, "darks"), *_hot_remarks(view, groups), *left),
        pictures,
        () if plot is None else (plot,),
        tables=(_dark_table(view, groups, unit),),
        frame_tables=tuple(frame_table(view, each, unit) for each in groups),
    )


def _dark_table(view: NightView, groups: Sequence[GroupOutcome], unit: str) -> Table:
    columns = (
        *(Column("combined"), Column("frames", figure=True), Column("exposure", figure=True)),
        *(Column("bias"), Column(f"level, {unit}", figure=True), Column("dark current", figure=True)),
        *(
            Column(f"noise, {unit}", figure=True),
            Column("expected", figure=True),
            Column("hot pixels", figure=True),
        ),
    )
    rows = []
    for each in groups:
        group, levels = each.group, view.levels_of(each.group)
        current, mask = dark_current(view, group), view.masks.get(group.name)
        noise = each.combined.noise
        hot = "–" if mask is None or not mask.pixels else f"{mask.count:,} ({percent(mask.count / mask.pixels)})"
        cells = (
            exposure_words(group.traits.exposure_s),
            "still in it" if group.includes_bias else "subtracted",
            level_words(float(np.mean(levels)), None if noise is None else noise.calibrated) if levels else "–",
            "not known" if current is None else current.words(),
            *noise_words(each),
            hot,
        )
        rows.append(combined_row(each, cells))
    hint = (
        "Dark current: the level of the calibrated darks, less that of the biases where it is still in them, over the "
        "exposure; its error is from the scatter of the frames. Hot pixels are counted on one dark, the longest that "
        "fits the science frames, and masked in them."
    )
    return Table("Combined darks", columns, tuple(rows), hint)


def _hot_remarks(view: NightView, groups: Sequence[GroupOutcome]) -> list[Remark]:
    found = []
    for each in groups:
        mask = view.masks.get(each.group.name)
        if mask is None:
            continue
        if not mask.is_there:
            found.append(Remark(mask.reason, "bad"))
        elif mask.pixels:
            unit = unit_words(each.group.frames[0])
            said = f"{mask.count:,} hot pixels ({percent(mask.count / mask.pixels)})"
            why = f"more than {number(mask.limit, 3)} {unit}, {mask.job.sigmas:g} standard deviations above its median"
            found.append(Remark(f"{said} in {each.group.label}: {why}."))
    return found
