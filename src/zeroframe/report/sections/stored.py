"""The section of combined frames that exist already: where they are, who made them, how old they are, what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroframe.planning.grouping import exposure_words
from zeroframe.planning.matching import nights_apart
from zeroframe.planning.stored_words import stored_in_use, stored_words
from zeroframe.planning.uses import frame_uses
from zeroframe.report.data import Column, PageSection, Remark, Table, TableRow
from zeroframe.report.sections.reading import figure_words

if TYPE_CHECKING:
    from zeroframe.planning.plan import Group
    from zeroframe.report.data import Tone
    from zeroframe.report.sections.reading import NightView

__all__ = ["stored_section"]


def stored_section(view: NightView) -> PageSection | None:
    """Return what is known of the combined frames and masks that were taken from elsewhere; None where none was."""
    plan = view.plan
    in_use = stored_in_use(plan)
    if not in_use and not plan.stored_masks:
        return None
    columns = (
        *(Column("file"), Column("what"), Column("made")),
        *(Column("level, ADU", figure=True), Column("noise, ADU", figure=True)),
        *(Column("nights away", figure=True), Column("frames", figure=True)),
    )
    remarks = [
        Remark(f"{group.name}: {doubt}", "note")
        for group in in_use
        if group.stored is not None
        for doubt in group.stored.doubts
    ]
    rows = [_row(view, group) for group in in_use]
    for mask in plan.stored_masks:
        users = sum(mask.name in frame.steps.masks for frame in plan.frames)
        rows.append(TableRow((mask.name, "mask", "–", "–", "–", "–", str(users))))
    hint = "They are inputs: none of them was changed. Frames: how many were made with each."
    return PageSection(
        "Stored calibration frames",
        remarks=tuple(remarks) or (Remark("Their levels and their headers do not contradict each other.", "good"),),
        tables=(Table("Combined frames that exist already", columns, tuple(rows), hint),),
    )


def _row(view: NightView, group: Group) -> TableRow:
    plan, stored = view.plan, group.stored
    users = [frame for frame in plan.frames if group.name in frame_uses(plan, frame)]
    apart = {nights_apart(frame.traits, group.traits) for frame in users}
    known = sorted(each for each in apart if each is not None)
    nights = "–" if not known else str(known[0]) if known[0] == known[-1] else f"{known[0]} to {known[-1]}"
    figures = {} if stored is None else stored.figures
    level, noise = (figures.get(f"{name}_adu") for name in ("level", "noise"))
    what = group.label.removeprefix("stored ")
    if group.traits.exposure_s and exposure_words(group.traits.exposure_s) not in what:
        what += f", {exposure_words(group.traits.exposure_s)}"
    made = "" if stored is None else stored_words(stored)
    shown = ("–" if value is None else figure_words(value) for value in (level, noise))
    tone: Tone = "note" if stored is not None and stored.doubts else "neutral"
    return TableRow((group.name, what, made, *shown, nights, str(len(users))), tone)
