"""The section of the focal plane: all detectors of a frame in one picture, each where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zeroframe.frames.numbers import number
from zeroframe.planning.focal_plane import detectors_of_files, focal_plane, label_of
from zeroframe.report.data import Blink, Column, PagePicture, PageSection, Table, TableRow
from zeroframe.report.draw.images import shades, stretch_limits
from zeroframe.report.draw.sampling import open_rows, preview
from zeroframe.report.sections.reading import unit_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zeroframe.planning.focal_plane import FocalPlane
    from zeroframe.planning.plan import NightFrame
    from zeroframe.report.sections.reading import NightView

__all__ = ["focal_plane_section"]

#: Pictures, one of each filter, and how many pixels each has.
_MOST_SHOWN, _PIXELS = 3, 250_000


def focal_plane_section(view: NightView) -> PageSection | None:
    """Return the section of files that hold several detectors; None where none does, or nothing was calibrated.

    Parameters
    ----------
    view : NightView
        The night.
    """
    chosen = _chosen(view)
    if not chosen:
        return None
    planes = [focal_plane(view.plan, frames) for frames in chosen.values()]
    blinks, levels = [], {}
    for path, plane in zip(chosen, planes, strict=True):
        picture, middles, width = _drawn(plane)
        levels.update(dict(zip(plane.frames, middles, strict=True)))
        title = plane.frames[0].traits.filter_name or plane.frames[0].kind.value
        blinks.append(Blink(f"{path.name}, {title}", (picture,), _caption(view, plane, width)))
    return PageSection("Focal plane", "ADU", blinks=tuple(blinks), tables=(_table(view, planes[0], levels),))


def _chosen(view: NightView) -> dict[Path, tuple[NightFrame, ...]]:
    """Return the first file of each filter, all of whose detectors are there; without science frames, the first one."""
    found = detectors_of_files(frame for frame in view.plan.science if _is_there(view, frame))
    found = found or detectors_of_files(frame for frame in view.plan.frames if _is_there(view, frame))
    whole = max(map(len, found.values()), default=0)
    chosen: dict[str | None, Path] = {}
    for path, frames in found.items():
        if len(frames) == whole:
            chosen.setdefault(frames[0].traits.filter_name, path)
    return {path: found[path] for path in list(chosen.values())[:_MOST_SHOWN]}


def _is_there(view: NightView, frame: NightFrame) -> bool:
    return frame.name in view.frames and view.frames[frame.name].outcome.is_there


def _drawn(plane: FocalPlane) -> tuple[PagePicture, list[float], float]:
    """Return the picture, in which each detector is shown about its own level; these levels, and the contrast."""
    whole: NDArray[np.float64] | None = None
    levels = []
    for frame, (y, x) in zip(plane.frames, plane.corners_yx, strict=True):
        ny, nx = frame.shape_yx
        place = slice(y, y + ny), slice(x, x + nx)
        part = preview(open_rows(frame.target), plane.shape_yx, place, _PIXELS)
        seen = np.isfinite(part)
        levels.append(float(np.median(part[seen])) if seen.any() else float("nan"))
        part -= levels[-1]
        whole = part if whole is None else np.where(seen, part, whole)
    if whole is None:
        raise ValueError("a focal plane without detectors")
    low, high = stretch_limits(whole)
    names = ", ".join(plane.names)
    return (
        PagePicture("Calibrated", shades(whole, low, high), f"detectors {names}, each about its own level"),
        levels,
        high - low,
    )


def _caption(view: NightView, plane: FocalPlane, width: float) -> str:
    unit = unit_words(plane.frames[0], view.frames[plane.frames[0].name].said)
    where = (
        "Detectors stand where DETSEC puts them."
        if plane.is_told
        else "Headers do not say where detectors stand; they are shown in a row."
    )
    return f"{where} Each is shown about its own median; black to white is {number(width, 3)} {unit} in all."


def _table(view: NightView, plane: FocalPlane, levels: Mapping[NightFrame, float]) -> Table:
    columns = (
        *(Column("detector"), Column("pixels"), Column("first pixel at x, y")),
        *(Column("amplifiers", figure=True), Column("level", figure=True)),
    )
    rows = [_row(frame, corner, levels) for frame, corner in zip(plane.frames, plane.corners_yx, strict=True)]
    unit = unit_words(plane.frames[0], view.frames[plane.frames[0].name].said)
    return Table(
        "Detectors", columns, tuple(rows), f"Level: median of {plane.frames[0].name.split('[')[0]}, in {unit}."
    )


def _row(frame: NightFrame, corner_yx: Sequence[int], levels: Mapping[NightFrame, float]) -> TableRow:
    (ny, nx), (y, x) = frame.shape_yx, corner_yx
    amplifiers = str(len(frame.recipe.regions))
    return TableRow((label_of(frame), f"{nx} × {ny}", f"{x + 1}, {y + 1}", amplifiers, number(levels[frame])))
