"""Status of all results of a night: which are up to date, and which have to be made; nothing is written here."""

from __future__ import annotations

from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from zeroframe.errors import FrameError
from zeroframe.fits import read_raw
from zeroframe.fits.failures import attempt
from zeroframe.fits.inputs import Inputs
from zeroframe.fits.store.names import is_there
from zeroframe.fits.timeline import spanned
from zeroframe.frames.raw import FrameOutcome
from zeroframe.headers.kinds import is_calibration
from zeroframe.headers.own_results import FolderResults, record_state
from zeroframe.planning.uses import frame_uses, group_uses, without_lost
from zeroframe.records import dataclass
from zeroframe.run.keys import as_data, frame_key, group_key, mask_key, stored_keys, versions
from zeroframe.run.record import RECORD_NAME, RunRecord, known_record
from zeroframe.run.result_files import (
    UP_TO_DATE,
    UP_TO_DATE_COMBINED,
    ResultStatus,
    as_listed,
    differing_versions,
    listed_in_stores,
    matching_mark,
    source_mark,
    stranger,
    why_other,
)
from zeroframe.workers import map_jobs, map_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from zeroframe.fits.fingerprint import FileMark
    from zeroframe.planning.plan import Group, MaskJob, NightFrame, NightPlan
    from zeroframe.run.record import OutputMark

__all__ = ["NightStatuses", "examine_night", "night_results", "result_name", "result_targets"]

T = TypeVar("T")
R = TypeVar("R")
_MISSING = "is not there yet"
_WITH_ANOTHER = "it was made with another"
_OTHERWISE = "it was made with other options"
#: What run.json says of how a group is combined.
_RECORDED_OF_GROUP = ("spec", "clip_spread", "reject_outliers")
_SINCE = "what it is made of has changed since, or how"


def result_name(plan: NightPlan, target: Path) -> str:
    """Return how run.json calls a result: its path within the folder of results, with forward slashes."""
    return target.relative_to(plan.out).as_posix()


def result_targets(plan: NightPlan) -> list[Path]:
    """Return where all results go: frames, combined frames, masks."""
    targets = [frame.target for frame in plan.frames]
    targets += [group.target for group in plan.groups]
    return targets + [job.target for job in plan.masks]


@dataclass(frozen=True, slots=True)
class NightStatuses:
    """How all results of a night stand.

    Attributes
    ----------
    frames, groups, masks : mapping of str to ResultStatus
        By the names that the plan gives them.
    record : RunRecord
        Of earlier runs; an empty one where there is none.
    sources : mapping of str to str
        Hashes of the raw files that others are judged by, as far as they were looked at.
    """

    frames: Mapping[str, ResultStatus]
    groups: Mapping[str, ResultStatus]
    masks: Mapping[str, ResultStatus]
    record: RunRecord
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def all(self) -> tuple[ResultStatus, ...]:
        """Every result: frames, whose own change is the reason of others', combined frames, masks."""
        return (*self.frames.values(), *self.groups.values(), *self.masks.values())

    @property
    def refused(self) -> tuple[ResultStatus, ...]:
        """What has something else in its place; last, what is other only because what it is made of is."""
        there = [status for status in self.all if status.verdict in {"replace", "refuse"}]
        return tuple(sorted(there, key=lambda status: status.reason.startswith((_WITH_ANOTHER, _SINCE))))

    @property
    def nothing_to_do(self) -> bool:
        """Whether every result is there already and up to date."""
        return all(status.verdict == "keep" for status in self.all)


@spanned("look at what is there")
def examine_night(
    plan: NightPlan,
    *,
    check: bool = False,
    check_sums: bool = True,
    workers: int | None = None,
    executor: Executor | None = None,
) -> NightStatuses:
    """Look at what is in the folder of results.

    Results are believed where their stamps are what they were when they were made; all others are read through.

    Parameters
    ----------
    plan : NightPlan
        What is going to be done.
    check : bool
        Hash raw frames, and read results through, whatever their stamps say.
    check_sums : bool
        Whether a raw frame whose data have not the sum that its header gives will be refused.
    workers : int, optional
        How many threads.
    executor : concurrent.futures.Executor, optional
        Where files are read, instead of on threads here; those of the plan have absolute names.

    Returns
    -------
    NightStatuses
        Keys are those that are to be expected. What a frame is made with may turn out otherwise, when a raw frame
        cannot be read; then the frame is judged again when its turn comes.
    """
    record = known_record(plan.out) if plan.out.is_dir() else RunRecord()
    targets = result_targets(plan)
    listed = listed_in_stores({target.parent for target in targets})
    if not any(_is_there(listed, target) for target in targets):
        frames, groups, masks = (
            {each.name: ResultStatus(each.target, "make", _MISSING) for each in of}
            for of in (plan.frames, plan.groups, plan.masks)
        )
        return NightStatuses(frames, groups, masks, record)
    listed |= listed_in_stores({frame.source.parent for frame in plan.frames})
    looked = _Look(plan, record, listed, check=check, check_sums=check_sums, read=_reader(workers, executor))
    looked.look()
    statuses = NightStatuses(looked.frames, looked.groups, looked.masks, record, looked.sources)
    return _with_strangers(plan, statuses) if statuses.refused else statuses


def night_results(plan: NightPlan, record: RunRecord) -> FolderResults:
    """Return which files in the folder of results are ours; looking at the raw frames takes 2 us a frame."""
    stored = (one.target for one in plan.stored), (mask.file.path for mask in plan.stored_masks)
    inputs = Inputs.of([*(item.path for item in plan.found), *stored[0], *stored[1]])
    knows = partial(_knows, plan, record)
    return FolderResults(inputs, knows, record_state(plan.out / RECORD_NAME))


def _knows(plan: NightPlan, record: RunRecord, target: Path) -> bool:
    return record.knows(result_name(plan, target))


def _with_strangers(plan: NightPlan, statuses: NightStatuses) -> NightStatuses:
    """Tell files that are none of our results, and so are never replaced, from those that may be."""
    results = night_results(plan, statuses.record)
    frames, groups, masks = (
        {name: stranger(status, results) for name, status in of.items()}
        for of in (statuses.frames, statuses.groups, statuses.masks)
    )
    return NightStatuses(frames, groups, masks, statuses.record, statuses.sources)


def _is_there(listed: Mapping[Path, Mapping[str, str]], path: Path) -> bool:
    there = as_listed(listed, path)[0]
    return is_there(path) if there is None else there


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
    """A raw frame to be looked at, what is known of it, and what is listed of it in a store."""

    path: Path
    name: str
    record: RunRecord
    check: bool
    stamp: str | None
    has_failed: bool
    check_sums: bool


def _about(frame: NightFrame, record: RunRecord) -> RunRecord:
    """Keep what a record says of one raw frame."""
    known = record.inputs.get(frame.name)
    return RunRecord(inputs={} if known is None else {frame.name: known})


def _source_mark(source: _Source) -> FileMark | None:
    mark = attempt(source.path, _read_source_mark, source)
    return None if isinstance(mark, FrameError) else mark  # calibrating it says what is wrong


def _read_source_mark(source: _Source) -> FileMark | None:
    if source.has_failed:  # it may have been mended since; what still fails takes no part in what is combined
        return read_raw(source.path, check_sums=source.check_sums, with_mark=True).mark
    return source_mark(source.path, source.name, source.record, check=source.check, stamp=source.stamp)


@dataclass(frozen=True, slots=True)
class _Result:
    """A result to be looked at, and what is listed of it in a store."""

    target: Path
    key: str
    known: OutputMark | None
    check: bool
    stamp: str | None


def _result_mark(result: _Result) -> OutputMark | str:
    about = result.target, result.key, result.known
    mark = attempt(result.target, matching_mark, *about, check=result.check, stamp=result.stamp)
    return f"it {mark.reason}" if isinstance(mark, FrameError) else mark


class _Look:
    """Works out the key of every result in the order in which they are made, and compares."""

    def __init__(
        self,
        plan: NightPlan,
        record: RunRecord,
        listed: Mapping[Path, Mapping[str, str]],
        *,
        check: bool,
        check_sums: bool,
        read: _Read,
    ) -> None:
        self.frames: dict[str, ResultStatus] = {}
        self.groups: dict[str, ResultStatus] = {}
        self.masks: dict[str, ResultStatus] = {}
        self._plan, self._record, self._listed, self._check, self._read = plan, record, listed, check, read
        self._keys = stored_keys(plan)
        self._frame_keys: dict[str, str] = {}
        self._remarks = record.remarks
        self._failed_groups = record.failed_groups
        # of what is not there and takes part in nothing else, nobody asks
        asked = {frame.name for group in plan.groups for frame in group.frames}
        asked |= {other.name for frame in plan.science for other in frame.others}
        there = {frame.name for frame in plan.frames if self._is_there(frame.target)}
        failed = record.failed - there
        looks = [
            _Source(
                *(frame.source, frame.name, _about(frame, record), check, as_listed(listed, frame.source)[1]),
                *(frame.name in failed, check_sums),
            )
            for frame in plan.frames
            if frame.name in asked or frame.name in there
        ]
        marks: dict[str, FileMark | None] = dict.fromkeys(frame.name for frame in plan.frames)
        self._marks = marks | dict(zip([look.name for look in looks], read(_source_mark, looks), strict=True))
        seen = {other.name for frame in plan.science for other in frame.others}
        self.sources = {name: mark.sha256 for name, mark in self._marks.items() if mark is not None and name in seen}

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
        for group in self._plan.stored:
            for job in masks.get(group.name, ()):
                self._look_at_mask(job)
        for group in self._plan.uncombined:
            self._look_at_frames(group.frames)
        self._look_at_frames(self._plan.science)

    def _is_there(self, path: Path) -> bool:
        return _is_there(self._listed, path)

    def _result(self, target: Path, key: str) -> _Result:
        stamp = as_listed(self._listed, target)[1]
        return _Result(target, key, self._known(target), self._check, stamp)

    def _known(self, target: Path) -> OutputMark | None:
        name = result_name(self._plan, target)
        return self._record.outputs.get(name) or self._record.earlier.get(name)

    def _look_at_frames(self, frames: tuple[NightFrame, ...]) -> None:
        for planned in frames:
            frame, mark = self._as_made(planned), self._marks[planned.name]
            used = {name: self._keys[name] for name in frame_uses(self._plan, frame) if name in self._keys}
            used |= {other.name: self.sources[other.name] for other in frame.others if other.name in self.sources}
            if mark is not None and all(name in used for name in frame.steps.needs):
                self._frame_keys[frame.name] = frame_key(frame, mark.sha256, used)
        there = [frame for frame in frames if frame.name in self._frame_keys and self._is_there(frame.target)]
        looks = [self._result(frame.target, self._frame_keys[frame.name]) for frame in there]
        marks = dict(zip([frame.name for frame in there], self._read(_result_mark, looks), strict=True))
        self.frames |= {frame.name: self._frame_status(frame, marks.get(frame.name, "")) for frame in frames}

    def _frame_status(self, frame: NightFrame, found: OutputMark | str) -> ResultStatus:
        if not self._is_there(frame.target):
            return ResultStatus(frame.target, "make", _MISSING)
        source, key = self._marks[frame.name], self._frame_keys.get(frame.name)
        if source is None:
            return ResultStatus(frame.target, "replace", f"{frame.name} cannot be read to compare them")
        if key is None:
            return ResultStatus(frame.target, "replace", "what it is made with cannot be made any more")
        if isinstance(found, str):
            why = found or self._why_other_frame(frame, source, self._known(frame.target))
            return ResultStatus(frame.target, "replace", why)
        mark = replace(found, sources=(frame.name,), source_sha256=source.sha256)
        up_to_date = FrameOutcome(
            frame.source, "skipped", f"{frame.target}: {UP_TO_DATE}", frame.target,
            bytes_out=mark.byte_count, source_mark=source, key=key, crc32=mark.crc32, stamp=mark.stamp,
            remark=self._remarks.get(frame.name, ""),
        )  # fmt: skip
        return ResultStatus(frame.target, "keep", UP_TO_DATE, up_to_date, mark)

    def _why_other_frame(self, frame: NightFrame, source: FileMark, known: OutputMark | None) -> str:
        same = known is not None and known.source_sha256 == source.sha256
        if not same or dict(self._record.versions) != dict(versions()):
            return why_other(frame.name, source, known, self._record)
        changed = [name for name in frame.steps.needs if self._is_made_again(name)]
        return f"{_WITH_ANOTHER} {changed[0]}" if changed else _OTHERWISE

    def _is_made_again(self, name: str) -> bool:
        status = self.groups.get(name) or self.masks.get(name)
        return status is None or status.verdict != "keep"

    def _look_at_group(self, group: Group) -> None:
        keys = {
            result_name(self._plan, frame.target): self._frame_keys[frame.name]
            for frame in group.frames
            if frame.name in self._frame_keys
        }
        used = {name: self._keys[name] for name in group_uses(self._plan, group) if name in self._keys}
        if keys and not self._fails_again(group):
            self._keys[group.name] = group_key(group, keys, used)
        key, changed = self._keys.get(group.name), self._combined_otherwise(group)
        self.groups[group.name] = self._status(group.target, key, tuple(keys), changed=changed)

    def _fails_again(self, group: Group) -> bool:
        """Whether a combination that failed will fail again: its frames and its options are what they were."""
        if group.name not in self._failed_groups or self._is_there(group.target):
            return False
        same_way = dict(self._record.versions) == dict(versions()) and not self._combined_otherwise(group)
        return same_way and all(
            self.frames[each.name].verdict == "keep" or each.name not in self._frame_keys for each in group.frames
        )

    def _as_made(self, frame: NightFrame) -> NightFrame:
        """Return a frame without the steps that will be left out, because what they need cannot be made again."""
        if is_calibration(frame.kind) or self._plan.recipe.missing == "fail" or not self._failed_groups:
            return frame
        return without_lost(frame, self._keys)

    def _look_at_mask(self, job: MaskJob) -> None:
        if job.source in self._keys:
            self._keys[job.name] = mask_key(job, self._keys[job.source])
        self.masks[job.name] = self._status(job.target, self._keys.get(job.name), (job.source,), changed=False)

    def _combined_otherwise(self, group: Group) -> bool:
        """Whether run.json says that this combined frame was made with other options."""
        said = self._record.recipe.get("groups")
        known = said.get(group.name) if isinstance(said, dict) else None
        return isinstance(known, dict) and any(
            known.get(name) != as_data(getattr(group, name)) for name in _RECORDED_OF_GROUP
        )

    def _status(self, target: Path, key: str | None, sources: tuple[str, ...], *, changed: bool) -> ResultStatus:
        """Judge a combined frame or a mask; say whether the options for it have changed."""
        if not self._is_there(target):
            return ResultStatus(target, "make", _MISSING)
        known = self._known(target)
        found: OutputMark | str = "none of its frames can be read"
        if key is not None:
            (found,) = self._read(_result_mark, [self._result(target, key)])
        if isinstance(found, str):
            return ResultStatus(target, "replace", found or self._why_other(known, sources, changed=changed))
        return ResultStatus(target, "keep", UP_TO_DATE_COMBINED, mark=replace(found, sources=sources))

    def _why_other(self, known: OutputMark | None, sources: tuple[str, ...], *, changed: bool) -> str:
        if known is None:
            return "it was made of other frames, with other options or by another version"
        if dict(self._record.versions) != dict(versions()):
            return f"it was made by another version ({differing_versions(self._record)})"
        if changed:
            return _OTHERWISE
        new = [name for name in sources if name not in known.sources]
        gone = [name for name in known.sources if name not in sources]
        if new or gone:
            first, *others = new or gone
            more = f" and {len(others)} more" if others else ""
            return f"it was made {'without' if new else 'with'} {first}{more}"
        return _SINCE
