"""The sections of the calibration frames, one a kind, and a general one for kinds that have none of their own."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from zeroframe.headers.kinds import Kind, calibration_kinds
from zeroframe.report.data import Column, PageSection, Table
from zeroframe.report.sections.bias import bias_section
from zeroframe.report.sections.combined import combined_pictures, combined_row, frame_table, group_remarks, noise_words
from zeroframe.report.sections.darks import dark_section
from zeroframe.report.sections.flats import flat_section
from zeroframe.report.sections.reading import level_words, unit_words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zeroframe.headers.kinds import CalibrationKind
    from zeroframe.report.sections.reading import NightView

__all__ = ["kind_sections"]

#: Sections that say more of a kind than the general one does: a section of a further kind goes here.
_OWN: Mapping[str, Callable[[NightView], PageSection | None]] = MappingProxyType(
    {Kind.BIAS: bias_section, Kind.DARK: dark_section, Kind.FLAT: flat_section}
)


def kind_sections(view: NightView) -> list[PageSection | None]:
    """Return the sections of the kinds of calibration, in the order of their table; None for those without a frame."""
    return [_OWN[row.kind](view) if row.kind in _OWN else _general_section(view, row) for row in calibration_kinds()]


def _general_section(view: NightView, row: CalibrationKind) -> PageSection | None:
    """Return what can be said of any kind: how many frames, their level, the noise of what was made of them."""
    groups = view.groups_of(row.kind)
    if not groups:
        return None
    unit = unit_words(groups[0].group.frames[0])
    pictures, left = combined_pictures(view, groups, unit)
    columns = (
        *(Column("combined"), Column("frames", figure=True), Column(f"level, {unit}", figure=True)),
        *(Column(f"noise, combined, {unit}", figure=True), Column("expected", figure=True)),
    )
    rows = []
    for each in groups:
        levels, noise = view.levels_of(each.group), each.combined.noise
        level = level_words(float(np.mean(levels)), None if noise is None else noise.calibrated) if levels else "–"
        rows.append(combined_row(each, (level, *noise_words(each))))
    return PageSection(
        row.words.section,
        unit,
        (*group_remarks(view, groups, unit, row.words.plural), *left),
        pictures,
        tables=(Table(f"Combined {row.words.plural}", columns, tuple(rows)),),
        frame_tables=tuple(frame_table(view, each, unit) for each in groups),
    )
