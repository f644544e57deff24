"""Carry out a plan: read each raw file once, calibrate, write, and combine what was written."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from itertools import accumulate, count
from typing import TYPE_CHECKING, Any

from zeroframe.combine_jobs import Means, Origin, Progress, combine_job, stack_of
from zeroframe.errors import FolderLostError, OutputError
from zeroframe.events import log_outcome
from zeroframe.frame_jobs import FrameTask, calibrate_frames
from zeroframe.frame_quality import Flag, flag_frames
from zeroframe.frames import Calibrator, FrameOutcome, frame_bytes
from zeroframe.io.checksums import header_crc32
from zeroframe.io.decoding import decoded_float
from zeroframe.parallel import map_threads
from zeroframe.provenance import KEY_CARD, combine_key
from zeroframe.quality import SampledStack, StackNoise, frame_noise, noise_bands
from zeroframe.readback import check_files
from zeroframe.record import OutputMark
from zeroframe.results import BiasResult, CombinedOutcome
from zeroframe.resume import RIGHT_COMBINED, Standing, stamp_of_result
from zeroframe.sessions import Session, begin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from numpy.typing import NDArray

    from zeroframe.plan import BiasPlan, CalibrateJob, CombineJob
    from zeroframe.stacks import Stack

__all__ = ["carry_out", "run_bias"]


def run_bias(
    plan: BiasPlan,
    *,
    mem_limit_bytes: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    check: bool = False,
    check_sums: bool = True,
    executor: Executor | None = None,
) -> BiasResult:
    """Carry out the plan of a folder of biases; what is there already and right is not made again.

    Parameters
    ----------
    plan : BiasPlan
        What is to be done.
    mem_limit_bytes : int, optional
        By default half of the memory that is available.
    workers : int, optional
        How many threads; by default as many as there are cores.
    progress : callable, optional
        Called with what is being done and the fraction done so far, from any thread.
    check : bool
        Hash raw frames whose results are there, whatever their times say.
    check_sums : bool
        Whether a raw frame whose data have not the sum that its header gives is refused.
    executor : concurrent.futures.Executor, optional
        Where frames are calibrated and combined, instead of on threads here: a `ProcessPoolExecutor`, or that of a
        Dask cluster (see `zeroframe.cluster.on_cluster`). Its processes see all files under the same absolute names;
        results have the same bytes.

    Returns
    -------
    BiasResult
        One bad frame does not stop the others.

    Raises
    ------
    MemoryLimitError, OutputError, OutputExistsError
        As `zeroframe.sessions.begin` does.
    ClusterError
        When the cluster is lost; a second run goes on where this one ended.
    """
    begun = begin(plan, mem_limit_bytes=mem_limit_bytes, workers=workers, check=check, executor=executor)
    with begun as session:
        return carry_out(session, progress=progress, check_sums=check_sums)


def carry_out(
    session: Session, *, progress: Progress | None = None, check_sums: bool = True, measure: bool = False
) -> BiasResult:
    """Carry out the plan of a run that has begun.

    Parameters
    ----------
    session : Session
        From `zeroframe.sessions.begin`.
    progress, check_sums
        As for `run_bias`.
    measure : bool
        Measure everything again where all results are there and right; else nothing is said of their levels and noise.

    Returns
    -------
    BiasResult
    """
    if session.standings.record.was_good and session.standings.nothing_to_do and not measure:
        return _all_there(session)
    plan = session.plan
    means = Means(False, session.limit_bytes, session.workers, progress, session.executor)
    means = means if means.executor is not None else replace(means, watch=session.watch)
    clock = _Clock()
    outcomes, kept, samples = _calibrate(session, means, check_sums=check_sums)
    outcomes += [FrameOutcome(refused.path, "failed", str(refused.problem)) for refused in plan.refused]
    flags = _flags(plan, outcomes)
    if plan.reject_outliers:
        outcomes = [_left_out(frame, flags) for frame in outcomes]
    there = {frame.target: frame for frame in outcomes if frame.target is not None and frame.is_there}
    done = {target: frame.shape_yx for target, frame in there.items()}
    chosen = tuple(target for target, frame in there.items() if frame.state != "left out")
    clock.lap("calibrate")
    combined = mark = None
    if plan.combine is not None:
        session.check_folder()
        origin = _FolderOrigin(plan, plan.combine, there, session.standings.combined)
        replaces = session.may_replace(plan.combine.target)
        near = replace(means, copies=session.near, overwrite=replaces)
        combined = combine_job(replace(plan.combine, sources=chosen), kept, near, origin)
        log_outcome(combined.target, combined.state, combined.reason)
        mark = _mark_of(combined, session.standings.combined)
    noise = combined.noise if combined is not None else _noise_of(chosen, samples, means)
    clock.lap("combine")
    check = check_files(done)
    if combined is not None and combined.is_there:
        problems = check_files({combined.target: combined.shape_yx}).problems
        check = replace(check, problems=(*check.problems, *problems))
    clock.lap("read_back")
    result = BiasResult(tuple(outcomes), combined, noise, check, tuple(flags))
    return _recorded(session, result, clock.seconds, mark)


def _mark_of(combined: CombinedOutcome, standing: Standing | None) -> OutputMark | None:
    """Return what run.json says of the combined frame, where it is there."""
    if not combined.is_there or combined.key is None:
        return None
    before = None if combined.state == "done" or standing is None else standing.mark
    stamp = stamp_of_result(combined.target) if before is None else before.stamp
    return OutputMark(combined.key, combined.crc32, combined.bytes_out, combined.sources, stamp=stamp)


def _flags(plan: BiasPlan, outcomes: Sequence[FrameOutcome]) -> list[Flag]:
    """Tell which of the calibrated frames do not belong to the others."""
    qualities = {frame.source: frame.quality for frame in outcomes if frame.quality is not None}
    facts = {item.path: item.facts for item in plan.found if item.facts is not None}
    subtracted = bool(plan.calibrate) and plan.calibrate[0].recipe.overscan is not None
    return flag_frames(qualities, facts, level_subtracted=subtracted)


def _left_out(frame: FrameOutcome, flags: Sequence[Flag]) -> FrameOutcome:
    """Return the outcome of a frame that is not combined if it is flagged."""
    reasons = [flag.sentence for flag in flags if flag.path == frame.source]
    if not reasons or not frame.is_there:
        return frame
    return replace(frame, state="left out", reason=f"{frame.source}: {'; '.join(reasons)}")


def _recorded(
    session: Session, result: BiasResult, seconds: Mapping[str, float], mark: OutputMark | None
) -> BiasResult:
    """Write run.json; where that cannot be, the result says so."""
    combined = result.combined
    said: dict[str, object] | None = None
    if combined is not None:
        said = {"name": combined.target.name, "state": combined.state, "reason": combined.reason}
        said["left_out"] = list(combined.left_out)
    try:
        session.write_end(result.frames, mark, said, seconds, good=result.is_good)
    except FolderLostError:
        raise
    except OutputError as error:
        check = replace(result.check, problems=(*result.check.problems, str(error)))
        return replace(result, check=check)
    return result


def _all_there(session: Session) -> BiasResult:
    """Say that all results are there already; only their headers are read."""
    plan, standings = session.plan, session.standings
    outcomes = [
        replace(each.right, shape_yx=job.shape_yx, bytes_in=each.right.source_mark.byte_count)
        for job, each in zip(plan.calibrate, standings.frames, strict=True)
        if each.right is not None and each.right.source_mark is not None
    ]
    outcomes += [FrameOutcome(refused.path, "failed", str(refused.problem)) for refused in plan.refused]
    for frame in outcomes:
        log_outcome(frame.source, frame.state, frame.reason)
    shapes = {frame.target: frame.shape_yx for frame in outcomes if frame.target is not None}
    combined = None
    mark = None if standings.combined is None else standings.combined.mark
    if standings.combined is not None and mark is not None:
        combined = CombinedOutcome(
            standings.combined.target,
            "skipped",
            f"{standings.combined.target}: {RIGHT_COMBINED}",
            frames=len(mark.sources),
            bytes_out=mark.byte_count,
            shape_yx=next(iter(shapes.values())),
            key=mark.key,
            crc32=mark.crc32,
            sources=mark.sources,
        )
    return _recorded(session, BiasResult(tuple(outcomes), combined, None, check_files(shapes)), {}, mark)


class _Clock:
    """How long each step took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, what: str) -> None:
        now = time.perf_counter()
        self.seconds[what] = now - self._last
        self._last = now


def _calibrate(
    session: Session, means: Means, *, check_sums: bool
) -> tuple[list[FrameOutcome], dict[Path, NDArray[Any]], dict[Path, NDArray[Any]]]:
    """Calibrate every frame that is not there yet; return also the pixels, and the samples, that stay in memory."""
    plan = session.plan
    saturation_adu = None if plan.camera is None else plan.camera.saturation_adu
    work = list(zip(plan.calibrate, session.standings.frames, strict=True))
    headers = {item.path: header_crc32(item.frame.cards) for item in plan.found if item.frame is not None}
    if means.executor is not None:
        copies = _copied(session)
        tasks = [
            FrameTask(
                *(job, each.right, session.may_replace(job.target), check_sums, saturation_adu),
                session.copies if near else None,
                headers.get(job.source),
            )
            for (job, each), near in zip(work, copies, strict=True)
        ]
        outcomes = calibrate_frames(means.executor, tasks, means.report("calibrating"))
        for outcome in outcomes:
            log_outcome(outcome.source, outcome.state, outcome.reason)
        return outcomes, {}, {}
    calibrator = Calibrator(
        threads=session.threads,
        keep=session.keep,
        check_sums=check_sums,
        saturation_adu=saturation_adu,
        # of many frames only some pairs are compared, which are read again
        sample=plan.combine is None and sum(map(_sample_bytes, plan.calibrate)) <= session.limit_bytes // 8,
    )
    finished = count(1)

    def one(work: tuple[CalibrateJob, Standing]) -> FrameOutcome:
        job, standing = work
        session.check_folder()
        if standing.right is None:
            outcome = calibrator(job, session.may_replace(job.target), headers.get(job.source))
        else:
            outcome = calibrator.recall(job, standing.right)
        if outcome.state == "done":
            means.watch.renew(job.target)
        log_outcome(job.source, outcome.state, outcome.reason)
        session.check_folder()
        if means.progress is not None:
            means.progress("calibrating", next(finished) / len(plan.calibrate))
        return outcome

    return map_threads(one, work, session.threads), calibrator.kept, calibrator.samples


def _sample_bytes(job: CalibrateJob) -> int:
    """Return how much memory the rows take on which the noise of a frame is measured."""
    ny, nx = job.shape_yx
    rows = sum(band.stop - band.start for band in noise_bands(ny, nx))
    return int(rows * nx * decoded_float(job.layout).itemsize)


def _copied(session: Session) -> list[bool]:
    """Say of which results copies stay on this disk: of as many as fit into half of what is free there."""
    room = 0 if session.copies is None else shutil.disk_usage(session.copies).free // 2
    sizes = [frame_bytes(job) for job in session.plan.calibrate]
    return [total <= room for total in accumulate(sizes)]


def _noise_of(paths: Sequence[Path], samples: Mapping[Path, NDArray[Any]], means: Means) -> StackNoise | None:
    """Measure the noise of frames that are not combined, on samples of them where there are some."""
    if len(paths) < 2:
        return None
    stack: Stack
    if samples.keys() >= set(paths) and len({samples[path].shape for path in paths}) == 1:
        stack = SampledStack(tuple(samples[path] for path in paths))
    else:
        stack = stack_of(paths, {}, means, None, paths[0].parent)
    found = frame_noise(stack, workers=means.workers)
    return None if found is None else StackNoise(found.single, found.calibrated, None, None, float("nan"))


class _FolderOrigin(Origin):
    """The calibrated frames of a plan; they have been judged."""

    def __init__(
        self, plan: BiasPlan, job: CombineJob, frames: Mapping[Path, FrameOutcome], standing: Standing | None
    ) -> None:
        self._plan, self._job, self._frames, self._standing = plan, job, frames, standing

    def key(self, unreadable: Sequence[Path]) -> str:
        # of all frames that are there: which of them do not belong to the others follows from their pixels
        keys = {path.name: frame.key for path, frame in self._frames.items()}
        return combine_key(self._plan, self._job, keys, [path.name for path in unreadable])

    def words(self, paths: Sequence[Path]) -> list[str]:
        return [f"{KEY_CARD} {self._frames[path].key}" for path in paths]

    def masked(self, paths: Sequence[Path]) -> tuple[int, ...]:
        qualities = [self._frames[path].quality for path in paths]
        return tuple(0 if quality is None else quality.non_finite for quality in qualities)

    @property
    def right(self) -> OutputMark | None:
        return None if self._standing is None else self._standing.mark
