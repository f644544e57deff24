"""The run of a night from its begin to its end: the folder locked, what is there looked at, and run.json written."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import field, replace
from datetime import UTC, datetime
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, Literal

from zeroframe.errors import UsageError
from zeroframe.fits.atomic import remove_stale_parts
from zeroframe.fits.fingerprint import Watch
from zeroframe.fits.folders import make_output_folder
from zeroframe.fits.store.names import REMOTE_THREADS, any_remote, is_there
from zeroframe.fits.store.spool import remove_stale_folders, temporary_folder
from zeroframe.headers.kinds import calibration_kinds
from zeroframe.headers.own_results import require_own_record
from zeroframe.planning.uses import frame_uses
from zeroframe.records import dataclass
from zeroframe.run.budget import MemoryShares, share_memory
from zeroframe.run.keys import as_data, versions
from zeroframe.run.lock import folder_lock
from zeroframe.run.pixel_cache import image_bytes
from zeroframe.run.record import RECORD_NAME, OutputMark, RunRecord, begun_names, report_problem, write_record
from zeroframe.run.result_files import refuse_foreign, refuse_strange
from zeroframe.run.status import examine_night, night_results, result_name, result_targets
from zeroframe.workers import JobResources, default_limit_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Executor
    from pathlib import Path

    from zeroframe.fits.fingerprint import FileMark
    from zeroframe.fits.replacing import Overwrite
    from zeroframe.frames.steps import Steps
    from zeroframe.headers.own_results import FolderResults
    from zeroframe.planning.plan import Group, NightPlan
    from zeroframe.run.lock import HeldLock
    from zeroframe.run.outcomes import NightResult
    from zeroframe.run.status import NightStatuses

__all__ = ["AS_USUAL", "Company", "NightSession", "RunSettings", "begin_night", "recorded_night"]


@dataclass(frozen=True)
class Company:
    """Runs that are carried out beside each other, in one process.

    Attributes
    ----------
    stop : threading.Event
        Set when all of them are to end: each does before it begins with anything else.
    bands : threading.Lock
        Held by the one that combines a group by bands of rows, on processes elsewhere, and puts them together here.
    """

    stop: Event = field(default_factory=Event)
    bands: Lock = field(default_factory=Lock)


@dataclass(frozen=True, slots=True)
class RunSettings:
    """How a run is carried out, whatever it makes.

    Attributes
    ----------
    mem_limit_bytes, workers
        As of `zeroframe.workers.JobResources`.
    check : bool
        Hash raw frames whose results are there, and read these through, whatever their stamps say.
    check_sums : bool
        Whether a raw frame whose data have not the sum that its header gives is refused.
    executor : concurrent.futures.Executor or None
        Where results are looked at and made, instead of on threads here: a `ProcessPoolExecutor`, or that of a Dask
        cluster (see `zeroframe.run.dask.on_cluster`). Its processes see all files under the same names, so those of the
        plan have to be absolute; results have the same bytes.
    company : Company or None
        Of the runs that are carried out beside this one.
    """

    mem_limit_bytes: int | None = None
    workers: int | None = None
    check: bool = False
    check_sums: bool = True
    executor: Executor | None = None
    company: Company | None = None

    @property
    def resources(self) -> JobResources:
        """What it may use, and where."""
        return JobResources(self.mem_limit_bytes, self.workers, self.executor)


#: Threads of this process, and half of the memory.
AS_USUAL = RunSettings()


@dataclass(frozen=True)
class NightSession:
    """A run that may write into its folder.

    Attributes
    ----------
    plan : NightPlan
        What is to be done.
    statuses : NightStatuses
        What of it is there already.
    shares : MemoryShares
        How much memory may be used, and for what.
    settings : RunSettings
        How it is carried out.
    started : datetime.datetime
        When.
    examined_s : float
        How long it took to look at what is there.
    waiting : concurrent.futures.ThreadPoolExecutor or None
        Threads here that wait for a store together: more than there are cores, as far as the memory allows.
    copies : mapping of path to path
        Where results that are put into a store are on this disk until the run ends.
    watch : Watch
        Has looked at the results that are there, and looks at what is read and made on threads here.
    lock : HeldLock or None
        Of the folder of results.
    results : FolderResults or None
        Which files that are there may be replaced; None: none.
    """

    plan: NightPlan
    statuses: NightStatuses
    shares: MemoryShares
    settings: RunSettings
    started: datetime
    examined_s: float
    waiting: Executor | None = None
    copies: Mapping[Path, Path] = field(default_factory=dict)
    watch: Watch = field(default_factory=Watch)
    lock: HeldLock | None = None
    results: FolderResults | None = None

    def may_replace(self, target: Path) -> Overwrite:
        """Return what of a result may be replaced now: nothing, unless that was asked for and it is one of ours."""
        return False if self.results is None else self.results.replaceable(target)

    @property
    def matching_report(self) -> bool:
        """Whether the report that is there was written of these results, and is what it was."""
        record = self.statuses.record
        kept = self.statuses.nothing_to_do and record.report is not None
        return kept and not report_problem(self.plan.out, record)

    def check_folder(self) -> None:
        """See to it that the run is to go on, and that the folder of results is the one in which it began.

        Raises
        ------
        FolderLostError
            When it is another one.
        KeyboardInterrupt
            When all runs beside each other are to end.
        """
        company = self.settings.company
        if company is not None and company.stop.is_set():
            raise KeyboardInterrupt
        if self.lock is not None:
            self.lock.check()

    def write_begin(self) -> None:
        """Write that the run has begun: what is left of run.json when it is killed."""
        frames = self.statuses.frames
        kept = {name: each.up_to_date for name, each in frames.items() if each.up_to_date is not None}
        inputs = {
            name: up_to_date.source_mark for name, up_to_date in kept.items() if up_to_date.source_mark is not None
        }
        outputs = {result_name(self.plan, one.target): one.mark for one in self.statuses.all if one.mark is not None}
        waiting = [{"name": frame.name, "state": "waiting", "reason": ""} for frame in self.plan.frames]
        self._write("unfinished", inputs, outputs, {"frames": waiting})

    def write_end(self, result: NightResult) -> None:
        """Write run.json at the end of the run.

        Raises
        ------
        OutputError
            When it cannot be written, or another run has taken over the folder.
        """
        outputs: dict[str, OutputMark] = {}
        inputs: dict[str, FileMark] = {}
        for each in result.frames:
            outcome, mark = each.outcome, each.outcome.source_mark
            if mark is not None:
                inputs[each.frame.name] = mark
            if outcome.is_there and mark is not None:
                made_of = (each.frame.name,), mark.sha256
                marked = OutputMark(outcome.key, outcome.crc32, outcome.bytes_out, *made_of, outcome.stamp)
                outputs[result_name(self.plan, each.frame.target)] = marked
        for one in result.groups:
            combined = one.combined
            if combined.is_there and combined.key is not None:
                sources = combined.sources
                marked = OutputMark(combined.key, combined.crc32, combined.bytes_out, sources, stamp=one.stamp)
                outputs[result_name(self.plan, one.group.target)] = marked
        for mask in result.masks:
            if mask.is_there:
                marked = OutputMark(mask.key, mask.crc32, mask.bytes_out, (mask.job.source,), stamp=mask.stamp)
                outputs[result_name(self.plan, mask.job.target)] = marked
        said = {**_run_said(result), "finished": _iso_time(datetime.now(UTC))}
        said["frames"] += [
            {"name": _name_within(self.plan.raw, one.path), "state": "failed", "reason": str(one.problem), "lost": []}
            for one in self.plan.refused
        ]
        self._write("finished", inputs, outputs, said | self._kept_report())

    def _kept_report(self) -> dict[str, Any]:
        """Return what is known of a report that tells of these results, too, unless the person has taken it away."""
        before = self.statuses.record
        if before.report is None or not self.statuses.nothing_to_do:
            return {}
        return {"report": before.this_run["report"]} if is_there(self.plan.out / before.report[0]) else {}

    def _write(
        self,
        state: Literal["finished", "unfinished"],
        inputs: Mapping[str, FileMark],
        outputs: Mapping[str, OutputMark],
        said: Mapping[str, Any],
    ) -> None:
        self.check_folder()
        plan, before = self.plan, self.statuses.record
        replaced = {result_name(plan, each.target) for each in self.statuses.refused}
        earlier = {
            name: mark
            for name, mark in {**before.earlier, **before.outputs}.items()
            if name not in outputs and name not in replaced and is_there(plan.out / name)
        }
        this_run = {
            "started": _iso_time(self.started),
            "raw": str(plan.raw.absolute()),
            "out": str(plan.out.absolute()),
            "threads": self.shares.threads,
            "memory_limit": self.shares.limit_bytes,
            "executor": "threads" if self.settings.executor is None else str(self.settings.executor),
            **said,
        }
        if "seconds" in said:
            this_run["seconds"] = {"look": round(self.examined_s, 3), **said["seconds"]}
        targets = {result_name(plan, target) for target in result_targets(plan)}
        this_run["begun"] = begun_names(plan.out, before, targets, {*outputs, *earlier}, state)
        choices = [as_data(choice) for choice in plan.choices]
        record = RunRecord(state, versions(), recorded_night(plan), choices, inputs, outputs, earlier, this_run)
        write_record(plan.out, record)


def _run_said(result: NightResult) -> dict[str, Any]:
    """Return what differs from run to run."""
    frames = [
        {
            "name": each.frame.name,
            "state": each.outcome.state,
            "reason": each.outcome.reason,
            "lost": list(each.lost),
            "remark": each.outcome.remark,
        }
        for each in result.frames
    ]
    combined = [
        {
            "name": each.group.name,
            "state": each.combined.state,
            "reason": each.combined.reason,
            "left_out": list(each.combined.left_out),
        }
        for each in result.groups
    ]
    masks = [{"name": each.job.name, "state": each.state, "reason": each.reason} for each in result.masks]
    return {
        "all_is_well": result.is_good,
        "verdict": result.review.verdict.headline,
        "findings": [as_data(each) for each in result.review.findings],
        "figures": {each.name: dict(each.figures) for each in result.review.night.subjects if each.figures},
        "seconds": {name: round(value, 3) for name, value in result.seconds.items()},
        "dtypes": list(result.check.dtypes),
        "frames": frames,
        "combined": combined,
        "masks": masks,
    }


def _steps_data(steps: Steps) -> dict[str, Any]:
    """Return steps as plain data: each combined frame under the name of its kind, None where there is none."""
    said = as_data(steps)
    del said["uses"]
    for row in calibration_kinds():
        used, name = steps.of(row.kind), row.kind.value
        said[name] = None if used is None else used.name
        said |= {f"{name}_scale": None if used is None else used.scale} if row.by_exposure else {}
        said |= {f"{name}_min_value": None if used is None else used.min_value} if row.divides else {}
    return dict(said)


def recorded_night(plan: NightPlan) -> dict[str, Any]:
    """Return a plan as plain data: what is done to every frame, with what, and why.

    Parameters
    ----------
    plan : NightPlan
        The night.

    Returns
    -------
    dict
        What stands under ``recipe`` in run.json.
    """
    frames = {
        frame.name: {
            "target": result_name(plan, frame.target),
            "kind": as_data(frame.kind),
            "traits": as_data(frame.traits),
            "recipe": as_data(frame.recipe),
            "steps": _steps_data(frame.steps),
            "matches": as_data(frame.matches),
            "uses": list(frame_uses(plan, frame)),
        }
        for frame in plan.frames
    }
    groups = {
        group.name: {
            "kind": as_data(group.kind),
            "label": group.label,
            "frames": [frame.name for frame in group.frames],
            "traits": as_data(group.traits),
            "spec": as_data(group.spec),
            "clip_spread": group.clip_spread,
            "scaled_by_level": group.scaled_by_level,
            "includes_bias": group.includes_bias,
            "reject_outliers": group.reject_outliers,
        }
        for group in plan.groups
    }
    return {
        "command": "night",
        "night": as_data(plan.recipe),
        "camera": None if plan.camera is None else plan.camera.name,
        "frames": frames,
        "groups": groups,
        "masks": {job.name: as_data(job) for job in plan.masks},
        "stored": {
            **{one.name: _stored(one) for one in plan.stored},
            **{
                mask.name: {"kind": "mask", **as_data(mask.file), "path": str(mask.file.path.absolute())}
                for mask in plan.stored_masks
            },
        },
        "refused": [str(refused.problem) for refused in plan.refused],
        "incomplete": [as_data(one) for one in plan.incomplete],
        "ignored": [{"name": _name_within(plan.raw, one.path), "reason": one.reason} for one in plan.ignored],
    }


def _stored(group: Group) -> dict[str, Any]:
    """Return what is known of a combined frame that exists already as plain data."""
    said = {"kind": as_data(group.kind), "label": group.label, "traits": as_data(group.traits)}
    return {**said, "includes_bias": group.includes_bias, **as_data(group.stored), "path": str(group.target.absolute())}


def _name_within(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name


def _iso_time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


@contextmanager
def begin_night(plan: NightPlan, settings: RunSettings = AS_USUAL) -> Iterator[NightSession]:
    """Begin a run: nobody else may write into its folder until the block ends.

    What runs that have died left behind is removed. Nothing is made or replaced yet.

    Parameters
    ----------
    plan : NightPlan
        What is to be done.
    settings : RunSettings
        How.

    Yields
    ------
    NightSession

    Raises
    ------
    MemoryLimitError
        When not even one frame fits, with what it is calibrated with, or a group cannot be combined.
    OutputError
        When a folder for the results cannot be made, or another run is writing there.
    OutputExistsError
        When something else is in the place of a result, and may not be overwritten: a file that is none of our results
        never may.
    UsageError
        When there is an executor, and the plan names files relative to the folder that this process is in.
    ClusterError
        When the cluster is lost.
    """
    executor = settings.executor
    if executor is not None and not (plan.raw.is_absolute() and plan.out.is_absolute()):
        raise UsageError(
            f"{plan.raw}, {plan.out}: other processes may be elsewhere; plan the night with absolute paths"
        )
    far = any_remote(plan.out, *(frame.source for frame in plan.frames[:1]))
    if far:
        settings = replace(settings, workers=settings.workers or REMOTE_THREADS)
    shares = share_memory(plan, settings.mem_limit_bytes or default_limit_bytes(), settings.workers)
    make_output_folder(plan.out)
    nobody: tuple[Executor | None, Mapping[Path, Path]] = None, {}
    here = _waiting(plan, shares.threads) if far and executor is None else nullcontext(nobody)
    with folder_lock(plan.out) as lock, here as (waiting, copies):
        started, clock = datetime.now(UTC), time.perf_counter()
        folders = sorted({plan.out, *(target.parent for target in result_targets(plan))})
        for folder in folders:
            make_output_folder(folder)
            remove_stale_parts(folder)
        watch = Watch()
        watch.look(result_targets(plan))
        statuses = examine_night(
            plan,
            check=settings.check,
            check_sums=settings.check_sums,
            workers=settings.workers,
            executor=executor,
        )
        refuse_strange(statuses)
        require_own_record(plan.out / RECORD_NAME, among_ours=any(each.verdict == "keep" for each in statuses.all))
        if not plan.overwrite:
            refuse_foreign(statuses)
        # before run.json is written, which says which files are ours
        results = night_results(plan, statuses.record) if plan.overwrite else None
        looked_s = time.perf_counter() - clock
        about = (plan, statuses, shares, settings, started, looked_s, waiting, copies)
        session = NightSession(*about, watch, lock, results)
        if not statuses.nothing_to_do:
            session.write_begin()
        yield session
        if executor is not None:
            for folder in folders:
                remove_stale_parts(folder)  # of workers that have died while others went on


@contextmanager
def _waiting(plan: NightPlan, threads: int) -> Iterator[tuple[Executor | None, Mapping[Path, Path]]]:
    """Start threads that wait for a store together, and make a folder for copies of what is put there.

    Copies stay of as many results as fit into half of what is free there.
    """
    remove_stale_folders()
    with ThreadPoolExecutor(threads, "zeroframe") as pool, temporary_folder() as folder:
        if not any_remote(plan.out):
            yield pool, {}
            return
        room = shutil.disk_usage(folder).free // 2
        copies: dict[Path, Path] = {}
        for number, frame in enumerate(plan.frames):
            room -= 3 * image_bytes(frame)  # with its standard deviations and its mask
            if room < 0:
                break
            copies[frame.target] = folder / f"{number}-{frame.target.name}"
        yield pool, copies
