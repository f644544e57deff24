"""What of a night is there already and right, and what has to be made; nothing is written here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from zeroframe.errors import FrameError
from zeroframe.executing import map_jobs
from zeroframe.frames import FrameOutcome
from zeroframe.io.urls import is_there
from zeroframe.night.keys import frame_key, frame_uses, group_key, group_uses, mask_key
from zeroframe.parallel import map_threads
from zeroframe.provenance import versions
from zeroframe.record import RunRecord, read_record
from zeroframe.resume import RIGHT, RIGHT_COMBINED, Standing, differing_versions, own_mark, source_mark, why_other

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from zeroframe.io.marks import FileMark
    from zeroframe.night.jobs import Group, MaskJob, NightFrame, NightPlan
    from zeroframe.record import OutputMark

__all__ = ["NightStandings", "examine_night", "result_name", "result_targets"]

T = TypeVar("T")
R = TypeVar("R")
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


def examine_night(
    plan: NightPlan, *, check: bool = False, workers: int | None = None, executor: Executor | None = None
) -> NightStandings:
    """Look at what is in the folder of results.

    Parameters
    ----------
    plan : NightPlan
        What is going to be done.
    check : bool
        Hash raw frames whatever their times say.
    workers : int, optional
        How many threads.
    executor : concurrent.futures.Executor, optional
        Where files are read, instead of on threads here; those of the plan have absolute names.

    Returns
    -------
    NightStandings
        Keys are those that are to be expected. What a frame is made with may turn out otherwise, when a raw frame
        cannot be read; then the frame is judged again when its turn comes.
    """
    record = (read_record(plan.out) if plan.out.is_dir() else None) or RunRecord()
    targets = result_targets(plan)
    if not any(is_there(target) for target in targets):
        frames, groups, masks = (
            {each.name: Standing(each.target, "make", _MISSING) for each in of}
            for of in (plan.frames, plan.groups, plan.masks)
        )
        return NightStandings(frames, groups, masks, record)
    looked = _Look(plan, record, check=check, read=_reader(workers, executor))
    looked.look()
    return NightStandings(looked.frames, looked.groups, looked.masks, record)


class _Read(Protocol):
    """Applies a function of this module to each of many things, wherever files are read best."""

    def __call__(self, function: Callable[[T], R], items: Sequence[T], /) -> list[R]:
        """Return the results, in order."""


def _reader(workers: int | None, executor: Executor | None) -> _Read:
    def read(function: Callable[[T], R], items: Sequence[T], /) -> list[R]:
        return map_threads(function, items, workers) if executor is None else map_jobs(executor, function, items)

    return read


@dataclass(frozen=True, slots=True)
class _Source:
    """A raw frame to be looked at, and what is known of it."""

    path: Path
    name: str
    record: RunRecord
    check: bool


def _about(frame: NightFrame, record: RunRecord) -> RunRecord:
    """Keep what a record says of one raw frame."""
    known = record.inputs.get(frame.name)
    return RunRecord(inputs={} if known is None else {frame.name: known})


def _source_mark(source: _Source) -> FileMark | None:
    try:
        return source_mark(source.path, source.name, source.record, check=source.check)
    except FrameError:
        return None


@dataclass(frozen=True, slots=True)
class _Result:
    """A result to be looked at."""

    target: Path
    key: str
    known: OutputMark | None


def _result_mark(result: _Result) -> OutputMark | str:
    return own_mark(result.target, result.key, result.known)


class _Look:
    """Works out the key of every result in the order in which they are made, and compares."""

    def __init__(self, plan: NightPlan, record: RunRecord, *, check: bool, read: _Read) -> None:
        self.frames: dict[str, Standing] = {}
        self.groups: dict[str, Standing] = {}
        self.masks: dict[str, Standing] = {}
        self._plan, self._record, self._read = plan, record, read
        self._keys: dict[str, str] = {}
        self._frame_keys: dict[str, str] = {}
        failed = record.failed
        # what failed in the last run and is not there will fail again
        looks = [
            _Source(frame.source, frame.name, _about(frame, record), check)
            for frame in plan.frames
            if frame.name not in failed or is_there(frame.target)
        ]
        marks: dict[str, FileMark | None] = dict.fromkeys(frame.name for frame in plan.frames)
        self._marks = marks | dict(zip([look.name for look in looks], read(_source_mark, looks), strict=True))

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
        there = [frame for frame in frames if frame.name in self._frame_keys and is_there(frame.target)]
        looks = [_Result(frame.target, self._frame_keys[frame.name], self._known(frame.target)) for frame in there]
        marks = dict(zip([frame.name for frame in there], self._read(_result_mark, looks), strict=True))
        self.frames |= {frame.name: self._frame_standing(frame, marks.get(frame.name, "")) for frame in frames}

    def _frame_standing(self, frame: NightFrame, found: OutputMark | str) -> Standing:
        if not is_there(frame.target):
            return Standing(frame.target, "make", _MISSING)
        source, key = self._marks[frame.name], self._frame_keys.get(frame.name)
        if source is None:
            return Standing(frame.target, "replace", f"{frame.name} cannot be read to compare them")
        if key is None:
            return Standing(frame.target, "replace", "what it is made with cannot be made any more")
        if isinstance(found, str):
            why = found or self._why_other_frame(frame, source, self._known(frame.target))
            return Standing(frame.target, "replace", why)
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
        if not is_there(target):
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
