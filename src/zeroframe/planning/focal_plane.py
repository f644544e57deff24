"""Where the detectors of a camera stand in its focal plane, in pixels as they are binned."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from zeroframe.fits.part_paths import PartPath, file_of
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from zeroframe.headers.survey import RawFrame
    from zeroframe.planning.plan import NightFrame, NightPlan

__all__ = ["FocalPlane", "detectors_of_files", "focal_plane", "label_of"]

#: Columns between detectors that no header puts anywhere.
_GAP = 20


@dataclass(frozen=True, slots=True)
class FocalPlane:
    """Detectors side by side.

    Attributes
    ----------
    frames : tuple of NightFrame
        What each of them saw, in the order of the file.
    corners_yx : tuple of (int, int)
        Where the first pixel of each stands, counted from 0.
    is_told : bool
        Whether headers say so; else they stand in a row.
    """

    frames: tuple[NightFrame, ...]
    corners_yx: tuple[tuple[int, int], ...]
    is_told: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the detectors."""
        return tuple(label_of(frame) for frame in self.frames)

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Size of the whole."""
        ends = [
            (y + frame.shape_yx[0], x + frame.shape_yx[1])
            for (y, x), frame in zip(self.corners_yx, self.frames, strict=True)
        ]
        return max(y for y, _ in ends), max(x for _, x in ends)


def label_of(frame: NightFrame) -> str:
    """Return the name of the detector of a frame; empty where its file holds only one."""
    return frame.source.label if isinstance(frame.source, PartPath) else ""


def detectors_of_files(frames: Iterable[NightFrame]) -> dict[Path, tuple[NightFrame, ...]]:
    """Return the frames of each file that holds several detectors."""
    found: dict[Path, list[NightFrame]] = {}
    for frame in frames:
        if label_of(frame):
            found.setdefault(file_of(frame.source), []).append(frame)
    return {path: tuple(members) for path, members in found.items() if len(members) > 1}


def focal_plane(plan: NightPlan, frames: Sequence[NightFrame]) -> FocalPlane:
    """Return where the detectors of one file stand.

    Parameters
    ----------
    plan : NightPlan
        Of which they are.
    frames : sequence of NightFrame
        From `detectors_of_files`.
    """
    items = {str(item.path): item for item in plan.found}
    corners = [_corner_of(items.get(str(frame.source))) for frame in frames]
    known = [corner for corner in corners if corner is not None]
    if len(known) == len(frames):
        y0, x0 = min(y for y, _ in known), min(x for _, x in known)
        placed = tuple((y - y0, x - x0) for y, x in known)
        if not _overlap(placed, frames):
            return FocalPlane(tuple(frames), placed, is_told=True)
    row, at = [], 0
    for frame in frames:
        row.append((0, at))
        at += frame.shape_yx[1] + _GAP
    return FocalPlane(tuple(frames), tuple(row), is_told=False)


def _corner_of(item: RawFrame | None) -> tuple[int, int] | None:
    """Return the lowest pixel (y, x) of a detector, by the sections of its header; None where these say nothing."""
    if item is None or item.found is None or not item.found.sensor:
        return None
    sections = [section for section in item.found.sensor if section is not None]
    if len(sections) < len(item.found.sensor):
        return None
    x, y = (min(min(section.ranges[axis].ends()) for section in sections) - 1 for axis in (0, 1))
    x_binning, y_binning = item.binning_xy
    return y // y_binning, x // x_binning


def _overlap(corners: Sequence[tuple[int, int]], frames: Sequence[NightFrame]) -> bool:
    boxes = [(*corner, *frame.shape_yx) for corner, frame in zip(corners, frames, strict=True)]
    return any(
        y < v + height and v < y + ny and x < u + width and u < x + nx
        for (y, x, ny, nx), (v, u, height, width) in combinations(boxes, 2)
    )
