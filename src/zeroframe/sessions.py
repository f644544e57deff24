"""A run from its begin to its end: the folder locked, what is there looked at, and run.json written."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from zeroframe.errors import MemoryLimitError, OutputError
from zeroframe.frames import frame_bytes
from zeroframe.io.atomic import remove_stale_parts
from zeroframe.io.folders import make_folders
from zeroframe.io.temporary import remove_stale_folders, temporary_folder
from zeroframe.io.urls import FAR_THREADS, any_far, is_there
from zeroframe.io.watching import Watch
from zeroframe.locking import folder_lock
from zeroframe.memory import default_limit_bytes
from zeroframe.own_results import require_own_record
from zeroframe.parallel import usable_cores
from zeroframe.provenance import as_data, recorded_recipe, versions
from zeroframe.record import RECORD_NAME, OutputMark, RunRecord, report_problem, write_record
from zeroframe.resume import Standings, bias_results, examine, output_mark, refuse_foreign, refuse_strange

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from zeroframe.frames import FrameOutcome
    from zeroframe.io.replacing import Overwrite
    from zeroframe.locking import HeldLock
    from zeroframe.own_results import FolderResults
    from zeroframe.plan import BiasPlan

__all__ = ["Session", "begin", "begun_names", "iso_time", "kept_report", "make_folder", "report_is_right"]


@dataclass(frozen=True)
class Session:
    """A run that may write into its folder.

    Attributes
    ----------
    plan : BiasPlan
        What is to be done.
    standings : Standings
        What of it is there already.
    limit_bytes : int
        How much memory may be used.
    workers : int or None
        How many threads were asked for.
    threads : int
        How many frames may be calibrated at once.
    keep : bool
        Whether calibrated frames may stay in memory until they are combined.
    started : datetime.datetime
        When.
    examined_s : float
        How long it took to look at what is there.
    executor : concurrent.futures.Executor or None
        Where frames are calibrated and combined; None: on threads here.
    copies : pathlib.Path or None
        Folder of this disk, where copies of results stay that are put into a store until the run ends.
    watch : Watch
        Has looked at the results that are there, and looks at what is made on threads here.
    lock : HeldLock or None
        Of the folder of results.
    results : FolderResults or None
        Which files that are there may be replaced; None: none.
    """

    plan: BiasPlan
    standings: Standings
    limit_bytes: int
    workers: int | None
    threads: int
    keep: bool
    started: datetime
    examined_s: float
    executor: Executor | None = None
    copies: Path | None = None
    watch: Watch = field(default_factory=Watch)
    lock: HeldLock | None = None
    results: FolderResults | None = None

    @property
    def near(self) -> dict[Path, Path]:
        """Results of a store of which there are copies on this disk, and where."""
        if self.copies is None:
            return {}
        targets = [job.target for job in self.plan.calibrate]
        return {target: near for target in targets if (near := self.copies / target.name).exists()}

    def write_end(
        self,
        frames: Sequence[FrameOutcome],
        combined: OutputMark | None,
        combined_said: Mapping[str, Any] | None,
        seconds: Mapping[str, float],
        *,
        good: bool,
    ) -> None:
        """Write run.json at the end of the run.

        Parameters
        ----------
        frames : sequence of FrameOutcome
            How every frame ended.
        combined : OutputMark or None
            Of the combined frame, where it is there.
        combined_said : mapping or None
            How the combination ended.
        seconds : mapping of str to float
            How long each step took.
        good : bool
            Whether all is well.

        Raises
        ------
        OutputError
            When it cannot be written, or another run has taken over the folder.
        """
        outputs = {
            frame.target.name: output_mark(frame) for frame in frames if frame.is_there and frame.target is not None
        }
        if combined is not None and self.plan.combine is not None:
            outputs[self.plan.combine.target.name] = combined
        this_run = {
            **self._said(),
            "finished": iso_time(datetime.now(UTC)),
            "all_is_well": good,
            "seconds": {"look": round(self.examined_s, 3), **{key: round(value, 3) for key, value in seconds.items()}},
            "frames": [{"name": frame.source.name, "state": frame.state, "reason": frame.reason} for frame in frames],
            "combined": combined_said,
            **kept_report(self.plan.out, self.standings),
        }
        inputs = {frame.source.name: frame.source_mark for frame in frames if frame.source_mark is not None}
        write_record(self.plan.out, self._record("finished", inputs, outputs, this_run))

    def check_folder(self) -> None:
        """See to it that the folder of results is the one in which the run began; raises `FolderLostError`."""
        if self.lock is not None:
            self.lock.check()

    def may_replace(self, target: Path) -> Overwrite:
        """Return what of a result may be replaced now: nothing, unless that was asked for and it is one of ours."""
        return False if self.results is None else self.results.replaceable(target)

    @property
    def is_elsewhere(self) -> bool:
        """Whether frames are calibrated and combined by other processes."""
        return self.executor is not None and not isinstance(self.executor, ThreadPoolExecutor)

    @property
    def right_report(self) -> bool:
        """Whether the report that is there was written of these results, and is what it was."""
        return report_is_right(self.plan.out, self.standings)

    def write_begin(self) -> None:
        """Write that the run has begun: what is left of run.json when it is killed."""
        kept = [standing.right for standing in self.standings.frames if standing.right is not None]
        outputs = {each.target.name: each.mark for each in self.standings.all if each.mark is not None}
        inputs = {each.source.name: each.source_mark for each in kept if each.source_mark is not None}
        waiting = [{"name": job.source.name, "state": "waiting", "reason": ""} for job in self.plan.calibrate]
        write_record(self.plan.out, self._record("unfinished", inputs, outputs, {**self._said(), "frames": waiting}))

    def _said(self) -> dict[str, Any]:
        return {
            "started": iso_time(self.started),
            **({"raw": str(self.plan.found[0].path.parent.absolute())} if self.plan.found else {}),
            "out": str(self.plan.out.absolute()),
            "executor": str(self.executor) if self.is_elsewhere else "threads",
            "threads": self.threads,
            "memory_limit": self.limit_bytes,
        }

    def _record(
        self,
        state: Any,  # noqa: ANN401 -- a literal
        inputs: Mapping[str, Any],
        outputs: Mapping[str, OutputMark],
        this_run: Mapping[str, Any],
    ) -> RunRecord:
        self.check_folder()
        plan, before = self.plan, self.standings.record
        replaced = {each.target.name for each in self.standings.refused}
        earlier = {
            name: mark
            for name, mark in {**before.earlier, **before.outputs}.items()
            if name not in outputs and name not in replaced and is_there(plan.out / name)
        }
        targets = {each.target.name for each in self.standings.all}
        begun = begun_names(plan.out, before, targets, {*outputs, *earlier}, state)
        choices = [as_data(choice) for choice in plan.choices]
        said = {**this_run, "begun": begun}
        return RunRecord(state, versions(), recorded_recipe(plan), choices, inputs, outputs, earlier, said)


def begun_names(out: Path, before: RunRecord, targets: set[str], known: set[str], state: str) -> list[str]:
    """Return the names of results that are ours, though no mark of them stands in run.json.

    A run that is killed leaves such, and one in which a frame failed whose earlier result is still there.

    Parameters
    ----------
    out : pathlib.Path
        The folder of results.
    before : RunRecord
        Of earlier runs.
    targets : set of str
        What this run makes.
    known : set of str
        Those of which marks stand in run.json.
    state : {'finished', 'unfinished'}
        When the run begins, all that it is going to make count.
    """
    ours = (before.begun | before.outputs.keys() | before.earlier.keys() | targets) - known
    begins = targets if state == "unfinished" else set[str]()
    return sorted(name for name in ours if name in begins or is_there(out / name))


class _Looked(Protocol):
    """Results that have been looked at, and what run.json said of them."""

    @property
    def record(self) -> RunRecord:
        """Of earlier runs."""

    @property
    def nothing_to_do(self) -> bool:
        """Whether every result is there already and right."""


def report_is_right(out: Path, standings: _Looked) -> bool:
    """Say whether the report that is there was written of these results, and is what it was."""
    record = standings.record
    return standings.nothing_to_do and record.report is not None and not report_problem(out, record)


def kept_report(out: Path, standings: _Looked) -> dict[str, Any]:
    """Return what is known of a report that tells of these results, too, unless the person has taken it away."""
    before = standings.record
    if before.report is None or not standings.nothing_to_do:
        return {}
    return {"report": before.this_run["report"]} if is_there(out / before.report[0]) else {}


@contextmanager
def begin(
    plan: BiasPlan,
    *,
    mem_limit_bytes: int | None = None,
    workers: int | None = None,
    check: bool = False,
    executor: Executor | None = None,
) -> Iterator[Session]:
    """Begin a run: nobody else may write into its folder until the block ends.

    What runs that have died left behind is removed. Nothing is made or replaced yet.

    Parameters
    ----------
    plan : BiasPlan
        What is to be done.
    mem_limit_bytes : int, optional
        By default half of the memory that is available.
    workers : int, optional
        How many threads; by default as many as there are cores.
    check : bool
        Hash raw frames whose results are there, whatever their times say.
    executor : concurrent.futures.Executor, optional
        Where frames are calibrated and combined, instead of on threads here: other processes, or a cluster, which see
        all files under the same absolute names.

    Yields
    ------
    Session

    Raises
    ------
    MemoryLimitError
        When not even one frame fits.
    OutputError
        When the folder for the results cannot be made, or another run is writing there.
    OutputExistsError
        When something else is in the place of a result, and may not be overwritten: a file that is none of our results
        never may.
    """
    limit = mem_limit_bytes or default_limit_bytes()
    far = any_far(plan.out, *(job.source for job in plan.calibrate[:1]))
    if far:
        workers = workers or FAR_THREADS
    threads, keep = _share_memory(plan, limit, workers)
    make_folder(plan.out)
    here = _waiting(threads, plan.out) if far and executor is None else nullcontext((executor, None))
    with folder_lock(plan.out) as lock, here as (executor, copies):
        started, clock = datetime.now(UTC), time.perf_counter()
        remove_stale_parts(plan.out)
        watch = Watch()
        watch.look(job.target for job in plan.calibrate)
        standings = examine(plan, check=check, workers=threads, executor=executor)
        refuse_strange(standings)
        require_own_record(plan.out / RECORD_NAME, among_ours=any(each.verdict == "keep" for each in standings.all))
        if not plan.overwrite:
            refuse_foreign(standings)
        keep = keep and executor is None and not any(standing.right for standing in standings.frames)
        examined_s = time.perf_counter() - clock
        # before run.json is written, which says which files are ours
        results = bias_results(plan, standings.record) if plan.overwrite else None
        about = (plan, standings, limit, workers, threads, keep, started, examined_s, executor, copies)
        session = Session(*about, watch, lock, results)
        if any(standing.verdict != "keep" for standing in standings.all):
            session.write_begin()
        yield session
        if executor is not None:
            remove_stale_parts(plan.out)  # of workers that have died while others went on


@contextmanager
def _waiting(threads: int, out: Path) -> Iterator[tuple[Executor, Path | None]]:
    """Start threads that wait for a store together, and make a folder for copies of what they put there.

    They are more than there are cores, as far as the memory allows.
    """
    remove_stale_folders()
    with ThreadPoolExecutor(threads, "zeroframe") as pool, temporary_folder() as folder:
        yield pool, folder if any_far(out) else None


def _share_memory(plan: BiasPlan, limit_bytes: int, workers: int | None) -> tuple[int, bool]:
    """Decide how many threads may work, and whether calibrated frames may stay in memory until they are combined."""
    if not plan.calibrate:
        return 1, False
    # the header of a file that is cut off may ask for any size
    odd = {item.path for item in plan.found if item.frame is not None and item.frame.remarks}
    whole = [job for job in plan.calibrate if job.source not in odd] or plan.calibrate
    needed = max(frame_bytes(job) for job in whole)
    if needed > limit_bytes:
        raise MemoryLimitError(
            f"the memory limit of {limit_bytes / 1e6:.1f} MB does not hold one frame while it is calibrated; raise it "
            f"to {needed / 1e6 + 1:.0f} MB or more"
        )
    threads = min(workers or usable_cores(), len(plan.calibrate), limit_bytes // needed)
    # plain results are read again in bands, from the memory in which the system has them anyway: that is 9 ms a frame
    # of 34 MB, where fresh memory to keep it takes 10 to 90; compressed ones would have to be inflated again
    if plan.combine is None or plan.combine.compress == "none":
        return threads, False
    out = sum(4 * job.shape_yx[0] * job.shape_yx[1] for job in plan.calibrate)
    # combining needs its results, 10 bytes a pixel, some tiles, and a sample to measure the noise
    combining = 4 * out // len(plan.calibrate) + (8 << 20) * (workers or usable_cores())
    return threads, out + max(threads * needed, combining) <= limit_bytes


def make_folder(folder: Path) -> None:
    """Make a folder for results where there is none; raises `OutputError` when that cannot be."""
    try:
        make_folders(folder)
    except OSError as error:
        raise OutputError(folder, f"cannot be made ({error.strerror})", "choose another folder with -o") from error


def iso_time(moment: datetime) -> str:
    """Return a time as run.json says it."""
    return moment.isoformat(timespec="milliseconds")
