"""Calibrating one frame as a job that another process, on this machine or elsewhere, carries out where it reads."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zeroframe.errors import FrameError, OutputError
from zeroframe.executing import map_jobs
from zeroframe.frames import Calibrator, FrameOutcome
from zeroframe.io.marks import file_mark
from zeroframe.io.sums import check_file
from zeroframe.io.urls import UrlPath
from zeroframe.own_results import carried_key
from zeroframe.provenance import frame_key
from zeroframe.resume import stamp_of_result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from zeroframe.errors import JobLostError
    from zeroframe.io.replacing import Overwrite
    from zeroframe.plan import CalibrateJob

__all__ = ["FrameTask", "calibrate_frame", "calibrate_frames"]


@dataclass(frozen=True, slots=True)
class FrameTask:
    """What another process needs to know to calibrate a frame; a kilobyte or two.

    Attributes
    ----------
    job : CalibrateJob
        What is done. Its paths mean the same file to everyone.
    right : FrameOutcome or None
        Of a result that is there already and right: it is only measured.
    overwrite : bool or Replaceable
        As for `zeroframe.io.write_fits`.
    check_sums, saturation_adu
        As for `zeroframe.frames.Calibrator`.
    copies : Path or None
        Folder of this disk in which a copy of a result stays that is put into a store.
    header : int or None
        CRC-32 of the header by which it was decided what is done.
    """

    job: CalibrateJob
    right: FrameOutcome | None = None
    overwrite: Overwrite = False
    check_sums: bool = True
    saturation_adu: float | None = None
    copies: Path | None = None
    header: int | None = None


class _Mine(threading.local):
    """The calibrator of one thread, with its buffers: in fresh memory a frame takes 90 ms more."""

    settings: tuple[bool, float | None] | None = None
    calibrator: Calibrator

    def for_task(self, task: FrameTask) -> Calibrator:
        settings = (task.check_sums, task.saturation_adu)
        if self.settings != settings:
            self.calibrator = Calibrator(
                threads=1, keep=False, check_sums=task.check_sums, saturation_adu=task.saturation_adu
            )
            self.settings = settings
        return self.calibrator


_MINE = _Mine()


def calibrate_frame(task: FrameTask) -> FrameOutcome:
    """Calibrate one frame and write it; what goes wrong with it stands in the outcome.

    A job may be carried out twice: by a worker that dies, or is taken for dead, when it has just written its result,
    and by the one that is asked next. The second finds the result there; it is measured, and is as good as its own.

    Parameters
    ----------
    task : FrameTask
        What is done.

    Returns
    -------
    FrameOutcome
    """
    return _with_stamp(_calibrated(task))


def _calibrated(task: FrameTask) -> FrameOutcome:
    calibrator, job = _MINE.for_task(task), task.job
    if task.right is not None:
        return calibrator.recall(job, task.right)
    if task.copies is None:
        outcome = calibrator(job, task.overwrite, task.header)
    else:
        outcome = _copied(calibrator, task, task.copies)
    if outcome.state == "failed":
        right = _made_already(job)
        return outcome if right is None else calibrator.recall(job, right)
    return outcome


def _copied(calibrator: Calibrator, task: FrameTask, folder: Path) -> FrameOutcome:
    """Calibrate a frame on this disk, and put a copy into its place in a store."""
    job, near = task.job, folder / task.job.target.name
    outcome = calibrator(replace(job, target=near), header=task.header)
    far = replace(outcome, target=job.target, reason=outcome.reason.replace(str(near), str(job.target)))
    if outcome.state != "done" or not isinstance(job.target, UrlPath):
        return far
    from zeroframe.io.places import Place

    try:
        Place.of(job.target).put(near, job.target.name, overwrite=task.overwrite)
    except (FrameError, OutputError) as error:
        near.unlink()
        return FrameOutcome(job.source, "failed", str(error), job.target)
    return far


def _with_stamp(outcome: FrameOutcome) -> FrameOutcome:
    """Note what the store says of a result that has just been put there."""
    if outcome.target is None or not outcome.is_there or outcome.stamp:
        return outcome
    return replace(outcome, stamp=stamp_of_result(outcome.target))


def _made_already(job: CalibrateJob) -> FrameOutcome | None:
    """Return the outcome of a job whose result is there, whole, and made of this very raw frame in this very way."""
    try:
        mark = file_mark(job.source)
        key = frame_key(job, mark.sha256)
        if carried_key(job.target) != key:
            return None
        checked = check_file(job.target)
    except FrameError:
        return None  # the outcome of calibrating it says what is wrong
    if checked.remarks or not checked.summed:
        return None
    size, crc32 = checked.byte_count, checked.crc32
    return FrameOutcome(job.source, "done", "", job.target, bytes_out=size, source_mark=mark, key=key, crc32=crc32)


def calibrate_frames(
    executor: Executor, tasks: Sequence[FrameTask], progress: Callable[[float], None] | None = None
) -> list[FrameOutcome]:
    """Calibrate frames on an executor.

    Parameters
    ----------
    executor : concurrent.futures.Executor
        Its processes see the files under the same absolute names.
    tasks : sequence of FrameTask
        One a frame.
    progress : callable, optional
        Called with the fraction done so far.

    Returns
    -------
    list of FrameOutcome
        In the order of the tasks, with the paths as the tasks name them. A frame over which one process after the other
        has died has failed, and the others go on.

    Raises
    ------
    ClusterError
        When the executor was lost.
    """
    outcomes = map_jobs(executor, calibrate_frame, [_anywhere(task) for task in tasks], rescue=_lost, progress=progress)
    return [
        replace(outcome, source=task.job.source, target=task.job.target)
        for task, outcome in zip(tasks, outcomes, strict=True)
    ]


def _anywhere(task: FrameTask) -> FrameTask:
    """Name files so that a process in another folder finds them."""
    job = replace(task.job, source=task.job.source.absolute(), target=task.job.target.absolute())
    return replace(task, job=job)


def _lost(task: FrameTask, error: JobLostError) -> FrameOutcome:
    return FrameOutcome(task.job.source, "failed", f"{task.job.source}: {error}", task.job.target)
