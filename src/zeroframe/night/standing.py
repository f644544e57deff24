"""What of a night is there already and right, and what has to be made; nothing is written here."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zeroframe.errors import FrameError
from zeroframe.frames import FrameOutcome
from zeroframe.night.keys import frame_key, frame_uses, group_key, group_uses, mask_key
from zeroframe.parallel import map_threads
from zeroframe.provenance import versions
from zeroframe.record import RunRecord, read_record
from zeroframe.resume import RIGHT, RIGHT_COMBINED, Standing, differing_versions, own_mark, source_mark, why_other

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zeroframe.io.marks import FileMark
    from zeroframe.night.jobs import Group, MaskJob, NightFrame, NightPlan
    from zeroframe.record import OutputMark

__all__ = ["NightStandings", "examine_night", "result_name", "result_targets"]

_MISSING = "is not there yet"


def result_name(plan: NightPlan, target: Path) -> str:
    """Return how run.json calls a result: its path within the folder of results, with forward slashes."""
    return target.relative_to(plan.out).as_posix()


def result_targets(plan: NightPlan) -> list[Path]:
    """Return where all results go: frames, combined frames, masks."""
    targets = [frame.target for frame in plan.frames]
    targets += [group.target for group in plan.groups]
    return targets + [job.target for job in plan.masks]


@dataclass(frozen=True, slots=True)
class NightStandings:
    """How all results of a night stand.

    Attributes
    ----------
    frames, groups, masks : mapping of str to Standing
        By the names that the plan gives them.
    record : RunRecord
        Of earlier runs; an empty one where there is none.
    """

    frames: Mapping[str, Standing]
    groups: Mapping[str, Standing]
    masks: Mapping[str, Standing]
    record: RunRecord

    @property
    def all(self) -> tuple[Standing, ...]:
        """Every result: frames, whose own change is the reason of others', combined frames, masks."""
        return (*self.frames.values(), *self.groups.values(), *self.masks.values())

    @property
    def refused(self) -> tuple[Standing, ...]:
        """What has something else in its place."""
        return tuple(standing for standing in self.all if standing.verdict == "replace")

    @property
    def nothing_to_do(self) -> bool:
        """Whether every result is there already and right."""
        return all(standing.verdict == "keep" for standing in self.all)


def examine_night(plan: NightPlan, *, check: bool = False, workers: int | None = None) -> NightStandings:
    """Look at what is in the folder of results.

    Parameters
    ----------
    plan : NightPlan
        What is going to be done.
    check : bool
        Hash raw frames whatever their times say.
    workers : int, optional
        How many threads.

    Returns
    -------
    NightStandings
        Keys are those that are to be expected. What a frame is made with may turn out otherwise, when a raw frame
        cannot be read; then the frame is judged again when its turn comes.
    """
    record = (read_record(plan.out) if plan.out.is_dir() else None) or RunRecord()
    targets = result_targets(plan)
    if not any(os.path.lexists(target) for target in targets):
        frames, groups, masks = (
            {each.name: Standing(each.target, "make", _MISSING) for each in of}
            for of in (plan.frames, plan.groups, plan.masks)
        )
        return NightStandings(frames, groups, masks, record)
    looked = _Look(plan, record, check=check, workers=workers)
    looked.look()
    return NightStandings(looked.frames, looked.groups, looked.masks, record)


class _Look:
    """Works out the key of every result in the order in which they are made, and compares."""

    def __init__(self, plan: NightPlan, record: RunRecord, *, check: bool, workers: int | None) -> None:
        self.frames: dict[str, Standing] = {}
        self.groups: dict[str, Standing] = {}
        self.masks: dict[str, Standing] = {}
        self._plan, self._record, self._workers = plan, record, workers
        self._keys: dict[str, str] = {}
        self._frame_keys: dict[str, str] = {}

        def mark(frame: NightFrame) -> FileMark | None:
            if frame.name in record.failed and not os.path.lexists(frame.target):
                return None  # it failed in the last run, and will again
            try:
                return source_mark(frame.source, frame.name, record, check=check)
            except FrameError:
                return None

        found = map_threads(mark, plan.frames, workers)
        self._marks = dict(zip([frame.name for frame in plan.frames], found, strict=True))

    def look(self) -> None:
        """Fill ``frames``, ``groups`` and ``masks``."""
        masks: dict[str, list[MaskJob]] = {}
        for job in self._plan.masks:
            masks.setdefault(job.source, []).append(job)
        for group in self._plan.groups:
            self._look_at_frames(group.frames)
            self._look_at_group(group)
            for job in masks.get(group.name, ()):
                self._look_at_mask(job)
        self._look_at_frames(self._plan.science)

    def _known(self, target: Path) -> OutputMark | None:
        name = result_name(self._plan, target)
        return self._record.outputs.get(name) or self._record.earlier.get(name)

    def _look_at_frames(self, frames: tuple[NightFrame, ...]) -> None:
        for frame in frames:
            mark = self._marks[frame.name]
            used = {name: self._keys[name] for name in frame_uses(self._plan, frame) if name in self._keys}
            if mark is not None and all(name in used for name in frame.steps.needs):
                self._frame_keys[frame.name] = frame_key(frame, mark.sha256, used)
        standings = map_threads(self._frame_standing, frames, self._workers)
        self.frames |= dict(zip([frame.name for frame in frames], standings, strict=True))

    def _frame_standing(self, frame: NightFrame) -> Standing:
        if not os.path.lexists(frame.target):
            return Standing(frame.target, "make", _MISSING)
        source, key = self._marks[frame.name], self._frame_keys.get(frame.name)
        if source is None:
            return Standing(frame.target, "replace", f"{frame.name} cannot be read to compare them")
        if key is None:
            return Standing(frame.target, "replace", "what it is made with cannot be made any more")
        known = self._known(frame.target)
        found = own_mark(frame.target, key, known)
        if isinstance(found, str):
            return Standing(frame.target, "replace", found or self._why_other_frame(frame, source, known))
        mark = replace(found, sources=(frame.name,), source_sha256=source.sha256)
        right = FrameOutcome(
            frame.source, "skipped", f"{frame.target}: {RIGHT}", frame.target,
            bytes_out=mark.byte_count, source_mark=source, key=key, crc32=mark.crc32,
        )  # fmt: skip
        return Standing(frame.target, "keep", RIGHT, right, mark)

    def _why_other_frame(self, frame: NightFrame, source: FileMark, known: OutputMark | None) -> str:
        same = known is not None and known.source_sha256 == source.sha256
        if not same or dict(self._record.versions) != dict(versions()):
            return why_other(frame.name, source, known, self._record)
        changed = [name for name in frame.steps.needs if self._stands_otherwise(name)]
        return f"it was made with another {changed[0]}" if changed else "it was made with other options"

    def _stands_otherwise(self, name: str) -> bool:
        standing = self.groups.get(name) or self.masks.get(name)
        return standing is None or standing.verdict != "keep"

    def _look_at_group(self, group: Group) -> None:
        keys = {
            result_name(self._plan, frame.target): self._frame_keys[frame.name]
            for frame in group.frames
            if frame.name in self._frame_keys
        }
        used = {name: self._keys[name] for name in group_uses(self._plan, group) if name in self._keys}
        if keys:
            self._keys[group.name] = group_key(group, keys, used)
        self.groups[group.name] = self._standing(group.target, self._keys.get(group.name), tuple(keys))

    def _look_at_mask(self, job: MaskJob) -> None:
        if job.source in self._keys:
            self._keys[job.name] = mask_key(job, self._keys[job.source])
        self.masks[job.name] = self._standing(job.target, self._keys.get(job.name), (job.source,))

    def _standing(self, target: Path, key: str | None, sources: tuple[str, ...]) -> Standing:
        """Judge a combined frame or a mask."""
        if not os.path.lexists(target):
            return Standing(target, "make", _MISSING)
        known = self._known(target)
        found = "none of its frames can be read" if key is None else own_mark(target, key, known)
        if isinstance(found, str):
            return Standing(target, "replace", found or self._why_other(known, sources))
        return Standing(target, "keep", RIGHT_COMBINED, mark=replace(found, sources=sources))

    def _why_other(self, known: OutputMark | None, sources: tuple[str, ...]) -> str:
        if known is None:
            return "it was made of other frames, with other options or by another version"
        if dict(self._record.versions) != dict(versions()):
            return f"it was made by another version ({differing_versions(self._record)})"
        new = [name for name in sources if name not in known.sources]
        gone = [name for name in known.sources if name not in sources]
        if new or gone:
            first, *others = new or gone
            more = f" and {len(others)} more" if others else ""
            return f"it was made {'without' if new else 'with'} {first}{more}"
        return "what it is made of has changed since, or how"
