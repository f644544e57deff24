"""A backend elsewhere: processes of any `concurrent.futures.Executor`, which read and write where the files are.

A job is one frame, one combined frame or one mask. It is told what is done, and with what, by name and key; pixels
never travel. A process keeps the combined frames that it has read for the next frame, each under its key.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import CancelledError
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from zeroframe.errors import ClusterError, FrameError, JobLostError, OutputExistsError
from zeroframe.fits.fingerprint import Watch, file_mark
from zeroframe.planning.uses import frame_uses, uses_within
from zeroframe.records import dataclass
from zeroframe.run.budget import CACHE_SHARE
from zeroframe.run.buffers import BufferPool
from zeroframe.run.cache import CalibrationCache, stored_files
from zeroframe.run.calibrations import CalibrationStore
from zeroframe.run.combine_files import Resources
from zeroframe.run.combined import combine_group, compare_group
from zeroframe.run.combined_outcome import CombinedOutcome
from zeroframe.run.frame import FrameMaker
from zeroframe.run.keys import KEY_CARD, frame_key, group_key
from zeroframe.run.mask import make_mask
from zeroframe.run.outcomes import GroupOutcome
from zeroframe.run.pixel_cache import PixelCache, image_bytes
from zeroframe.run.record import OutputMark
from zeroframe.run.result_files import matching_mark
from zeroframe.workers import default_limit_bytes, usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor, Future
    from pathlib import Path

    from zeroframe.fits.replacing import Overwrite
    from zeroframe.frames.raw import FrameOutcome
    from zeroframe.frames.stored import StoredFile
    from zeroframe.planning.plan import Group, MaskJob, NightFrame, NightPlan, StoredMask
    from zeroframe.run.combined import Combination
    from zeroframe.run.frame import Made
    from zeroframe.run.outcomes import MaskOutcome, NightOutcome
    from zeroframe.run.session import NightSession

__all__ = [
    "CompareTask",
    "CountsCores",
    "ExecutorBackend",
    "FrameTask",
    "GroupTask",
    "MaskTask",
    "calibrate_task",
    "combine_task",
    "compare_task",
    "mask_task",
]

T = TypeVar("T")
R = TypeVar("R")
#: So many jobs of a night are with the executor at once, each followed by a thread that sleeps.
_MOST_WAITING = 256
#: From so many bytes of frames on bands are faster than one job: for each group the client takes 0.1 to 0.4 s of its
#: core to put them together. Of 24 frames of 34 MB on two busy workers 5.1 s instead of 5.8, of five groups of 3 to 6
#: frames 22 s instead of 17 (medians of 5).
_WORTH_BYTES = 512 << 20


@dataclass(frozen=True, slots=True)
class FrameTask:
    """What another process needs to know to calibrate a frame: some ten kilobytes.

    Attributes
    ----------
    frame : NightFrame
        What is done. Its paths mean the same file to everyone.
    plan : NightPlan
        Of the night, what of it matters to this frame.
    used : mapping of str to str
        Names and keys of what it is made with.
    up_to_date : FrameOutcome or None
        Of a result that is there already and up to date: it is only measured.
    check_sums : bool
        Whether a raw frame whose data have not the sum that its header gives is refused.
    overwrite : bool or Replaceable
        What of a file that is there may be replaced.
    """

    frame: NightFrame
    plan: NightPlan
    used: Mapping[str, str]
    up_to_date: FrameOutcome | None
    check_sums: bool
    overwrite: Overwrite = False


@dataclass(frozen=True, slots=True)
class GroupTask:
    """What another process needs to know to combine a group.

    Attributes
    ----------
    what : Combination
        The group.
    out : pathlib.Path
        The folder of results.
    overwrite : bool or Replaceable
        What of a file that is there may be replaced.
    stored : mapping of str to StoredFile or StoredMask
        Combined frames and masks that lie elsewhere.
    """

    what: Combination
    out: Path
    overwrite: Overwrite
    stored: Mapping[str, StoredFile | StoredMask]


@dataclass(frozen=True, slots=True)
class MaskTask:
    """What another process needs to know to make a mask: see `zeroframe.run.mask.make_mask`."""

    job: MaskJob
    key: str
    source_key: str
    out: Path
    up_to_date: OutputMark | None
    overwrite: Overwrite
    stored: Mapping[str, StoredFile | StoredMask]


@dataclass(frozen=True, slots=True)
class CompareTask:
    """What another process needs to know to judge frames that are not combined: see `zeroframe.run.combined`."""

    group: Group
    frames: tuple[NightOutcome, ...]


class _Mine(threading.local):
    """What one thread of a worker keeps: memory, and combined frames."""

    def __init__(self) -> None:
        self.memory = BufferPool(default_limit_bytes() // usable_cores())
        #: Of the nights whose frames come to this worker in turns, the one that was used last at the end.
        self._caches: OrderedDict[Path, tuple[Mapping[str, StoredFile | StoredMask], CalibrationCache]] = OrderedDict()

    def cache(
        self, out: Path, used: Mapping[str, str], stored: Mapping[str, StoredFile | StoredMask]
    ) -> CalibrationCache:
        """Return combined frames and masks of a folder, those that are used being those that are meant.

        Raises
        ------
        FrameError
            When a file is not the one that this run has made.
        """
        made = {name: key for name, key in used.items() if name not in stored}
        known, cache = self._caches.pop(out, ({}, new_cache(out, stored)))
        is_same = known.items() >= stored.items() and not _is_other(cache, made)
        if not is_same:  # made anew since it was read here
            known, cache = dict(stored), new_cache(out, stored)
            wrong = _is_other(cache, made)
            if wrong:
                raise FrameError(out / wrong, "is not the one that this run has made", "see who else writes there")
        self._caches[out] = known, cache
        while len(self._caches) > 1 and sum(each.byte_count for _, each in self._caches.values()) > cache.limit_bytes:
            self._caches.popitem(last=False)
        return cache


def _is_other(cache: CalibrationCache, made: Mapping[str, str]) -> str:
    """Return the first name of a combined frame that is not the one of this key; empty where there is none."""
    return next((name for name, key in made.items() if str(cache.get(name).cards.get(KEY_CARD)) != key), "")


_MINE = _Mine()


def new_cache(out: Path, stored: Mapping[str, StoredFile | StoredMask] | None = None) -> CalibrationCache:
    """Return an empty cache that leaves room for the other workers of a machine."""
    return CalibrationCache(out, default_limit_bytes() // CACHE_SHARE // usable_cores(), stored=stored)


def calibrate_task(task: FrameTask) -> Made:
    """Calibrate one frame and write it; where the same was done already by a worker that died, it is measured.

    Parameters
    ----------
    task : FrameTask
        What is done.

    Returns
    -------
    Made

    Raises
    ------
    ZeroframeError, MemoryError, OSError
        When it cannot be read, calibrated or written.
    """
    frame, plan = task.frame, task.plan
    calibrations = CalibrationStore(plan, _MINE.cache(plan.out, task.used, stored_files(plan)), task.used)
    maker = FrameMaker(calibrations, PixelCache(0), _MINE.memory, Watch(), check_sums=task.check_sums)
    if task.up_to_date is not None:
        return maker.recall(frame, task.up_to_date)
    try:
        return maker.make(frame, task.used, keep=False, overwrite=task.overwrite)
    except OutputExistsError:
        source = file_mark(frame.source)
        used = {**task.used, **{other.name: file_mark(other.source).sha256 for other in frame.others}}
        mark = matching_mark(frame.target, frame_key(frame, source.sha256, used), None)
        if not isinstance(mark, OutputMark):
            raise
        return maker.remember(frame, source, mark)


def combine_task(task: GroupTask) -> tuple[GroupOutcome, list[NightOutcome]]:
    """Combine a group and write it, in tiles that are read from the files of its frames.

    Parameters
    ----------
    task : GroupTask
        What is done.

    Returns
    -------
    GroupOutcome
    list of NightOutcome
        As of `zeroframe.run.combined.combine_group`.
    """
    # the noise is wanted of what is used, and nothing is kept of the result
    resources = Resources(task.overwrite, default_limit_bytes() // usable_cores(), 1, None)
    what, out = task.what, task.out
    outcome, told = combine_group(what, {}, resources, out, new_cache(out, task.stored))
    if outcome.combined.is_there or (what.up_to_date is not None and not task.overwrite):
        return outcome, told
    keys = {
        each.outcome.target.relative_to(out).as_posix(): each.outcome.key
        for each in what.frames
        if each.outcome.is_there and each.outcome.target is not None
    }
    try:
        mark = matching_mark(what.group.target, group_key(what.group, keys, what.used), None)
    except FileNotFoundError:  # it failed for another reason
        return outcome, told
    if not isinstance(mark, OutputMark):
        return outcome, told
    again, told = combine_task(replace(task, what=replace(what, up_to_date=mark), overwrite=False))
    return replace(again, combined=replace(again.combined, state="done", reason="")), told


def mask_task(task: MaskTask) -> MaskOutcome:
    """Make a mask and write it.

    Parameters
    ----------
    task : MaskTask
        What is done.

    Returns
    -------
    MaskOutcome

    Raises
    ------
    ZeroframeError, OSError
        When the combined frame cannot be read, or the mask not be written.
    """
    job = task.job
    combined = _MINE.cache(task.out, {job.source: task.source_key}, task.stored).get(job.source).data
    try:
        return make_mask(job, task.key, combined, task.up_to_date, overwrite=task.overwrite)[0]
    except OutputExistsError:
        mark = matching_mark(job.target, task.key, None)
        if not isinstance(mark, OutputMark):
            raise
        outcome, _ = make_mask(job, task.key, combined, mark, overwrite=False)
        return replace(outcome, state="done", reason="")


@runtime_checkable
class CountsCores(Protocol):
    """An executor that knows how large it is, and how much of it has nothing to do."""

    cores: int

    @property
    def idle(self) -> int:
        """How many jobs more would begin at once."""


def compare_task(task: CompareTask) -> tuple[GroupOutcome, list[NightOutcome]]:
    """Judge the frames of a group that are not combined.

    Parameters
    ----------
    task : CompareTask
        Which.

    Returns
    -------
    GroupOutcome
    list of NightOutcome
        As of `zeroframe.run.combined.compare_group`.
    """
    resources = Resources(False, default_limit_bytes() // usable_cores(), 1, None)
    return compare_group(task.group, task.frames, {}, resources)


class ExecutorBackend:
    """Jobs on an executor.

    Parameters
    ----------
    session : NightSession
        What is done; its plan names all files absolutely.
    executor : concurrent.futures.Executor
        Its processes see the files under the same names.
    """

    def __init__(self, session: NightSession, executor: Executor) -> None:
        self._plan, self._executor, self._settings = session.plan, executor, session.settings
        self._stored = stored_files(session.plan)
        self._may_replace = session.may_replace
        company = session.settings.company
        self._bands = company.bands if company is not None else threading.Lock()
        self._resources = Resources(False, session.shares.limit_bytes, session.settings.workers, None)
        self._waiting: set[Future[Any]] = set()
        self._given_up = False
        self._lock = threading.Lock()

    @property
    def tasks_at_once(self) -> int:
        """More than a cluster has workers, so that none has to wait for what comes next."""
        return _MOST_WAITING

    def calibrate(
        self,
        frame: NightFrame,
        group: Group | None,  # noqa: ARG002 -- nothing is kept in memory
        used: Mapping[str, str],
        up_to_date: FrameOutcome | None,
    ) -> Made:
        """Make a frame; see `Backend.calibrate`."""
        bare, replaces = bare_plan(self._plan, frame), self._may_replace(frame.target)
        return self._do(calibrate_task, FrameTask(frame, bare, used, up_to_date, self._settings.check_sums, replaces))

    def combine(self, what: Combination, busy: int) -> tuple[GroupOutcome, list[NightOutcome]]:
        """Combine a group: by bands of rows, on all workers, where it is large and some are idle; else as one job.

        Bands are put together and written here, which is the work of one core: so of nights beside each other one group
        at a time is combined so. See `Backend.combine`.
        """
        group, out, replaces = what.group, self._plan.out, self._may_replace(what.group.target)
        if self._is_worth_bands(group, busy) and self._bands.acquire(blocking=False):
            try:
                resources = replace(self._resources, overwrite=replaces, executor=self._executor)
                return combine_group(what, {}, resources, out, new_cache(out, self._stored))
            finally:
                self._bands.release()
        try:
            return self._do(combine_task, GroupTask(what, out, replaces, self._stored))
        except JobLostError as error:
            return GroupOutcome(group, CombinedOutcome(group.target, "failed", str(error))), list(what.frames)

    def _is_worth_bands(self, group: Group, busy: int) -> bool:
        """Say whether one job would leave processes idle (where nobody knows: is the only task), and be a long one."""
        if sum(image_bytes(frame) for frame in group.frames) < _WORTH_BYTES:
            return False
        if isinstance(self._executor, CountsCores):
            return self._executor.idle > 1
        return busy == 1

    def compare(
        self,
        group: Group,
        frames: Sequence[NightOutcome],
        busy: int,  # noqa: ARG002 -- a worker has its core for itself
    ) -> tuple[GroupOutcome, list[NightOutcome]]:
        """Judge frames that are not combined; see `Backend.compare`."""
        return self._do(compare_task, CompareTask(group, tuple(frames)))

    def mask(self, job: MaskJob, key: str, source_key: str, up_to_date: OutputMark | None) -> MaskOutcome:
        """Make a mask; see `Backend.mask`."""
        replaces = self._may_replace(job.target)
        return self._do(mask_task, MaskTask(job, key, source_key, self._plan.out, up_to_date, replaces, self._stored))

    def give_up(self) -> None:
        """Cancel what waits."""
        with self._lock:
            self._given_up = True
            waiting = list(self._waiting)
        for future in waiting:
            future.cancel()

    def _do(self, function: Callable[[T], R], task: T) -> R:
        reason = "jobs were given up by what carries them out; run again: what is done is kept"
        with self._lock:
            if self._given_up:
                raise ClusterError(reason)
            future = self._executor.submit(function, task)
            self._waiting.add(future)
        try:
            return future.result()
        except CancelledError as error:
            raise ClusterError(reason) from error
        finally:
            with self._lock:
                self._waiting.discard(future)


def bare_plan(plan: NightPlan, frame: NightFrame) -> NightPlan:
    """Leave of a plan what a process needs to know that calibrates one frame: the groups that it uses, but for frames.

    Parameters
    ----------
    plan : NightPlan
        The night.
    frame : NightFrame
        One of its frames.

    Returns
    -------
    NightPlan
        `zeroframe.planning.uses` and `CalibrationStore` find the same in it for this frame: of each group, two frames
        are left, which are enough to see that there are several, and one of each way in which others are calibrated.
    """
    used = {*frame_uses(plan, frame), *uses_within(plan, frame)}
    groups = [
        replace(group, frames=tuple(replace(one, matches=()) for one in _telling(group.frames)))
        for group in plan.groups
        if group.name in used
    ]
    nothing: dict[str, tuple[Any, ...]] = dict.fromkeys(
        ("found", "science", "masks", "refused", "incomplete", "ignored", "choices", "uncombined"), ()
    )
    stored = tuple(group for group in plan.stored if group.name in used)
    masks = tuple(mask for mask in plan.stored_masks if mask.name in used)
    plan = replace(plan, stored=stored, stored_masks=masks)
    return replace(plan, groups=tuple(groups), camera=None, evidence=None, **nothing)  # type: ignore[arg-type]


def _telling(frames: Sequence[NightFrame]) -> list[NightFrame]:
    """Return the first two frames, and the first of each way in which frames are calibrated."""
    ways = {frame.steps.uses: frame for frame in reversed(frames)}
    return [frame for place, frame in enumerate(frames) if place < 2 or ways[frame.steps.uses] is frame]
