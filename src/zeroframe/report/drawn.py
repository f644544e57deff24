"""The page of a night as bytes: its files read, measured and drawn, here or on a worker of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroframe.fits.fingerprint import Watch
from zeroframe.report.build import night_report_data
from zeroframe.report.page import render_report
from zeroframe.workers import done_by

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path

    from zeroframe.planning.plan import NightPlan
    from zeroframe.run.outcomes import NightResult

__all__ = ["night_page"]


def night_page(
    plan: NightPlan,
    result: NightResult,
    *,
    command: str = "",
    workers: int | None = None,
    watch: Watch | None = None,
    executor: Executor | None = None,
) -> bytes:
    """Measure what the page of a night shows, and return the page.

    Parameters
    ----------
    plan : NightPlan
        What was to be done.
    result : NightResult
        What was done.
    command : str
        The command line.
    workers : int, optional
        How many threads read.
    watch : Watch, optional
        May have looked at some of the files when they were calibrated, or made: none may have changed since. By default
        none may change while they are read.
    executor : concurrent.futures.Executor, optional
        One of whose processes does it, instead of this one.

    Returns
    -------
    bytes
        HTML.

    Raises
    ------
    FrameError
        When a file cannot be read back, or is another now.
    """
    return done_by(executor, _drawn, plan, result, command, workers, watch or Watch())


def _drawn(plan: NightPlan, result: NightResult, command: str, workers: int | None, watch: Watch) -> bytes:
    read = _files_of(result)
    watch.look(read)
    data = night_report_data(plan, result, command=command, workers=workers)
    watch.check(read)
    return render_report(data).encode("utf-8")


def _files_of(result: NightResult) -> list[Path]:
    """Return the files that a page may show: frames before and after, combined frames, masks."""
    there = [each.frame for each in result.frames if each.outcome.is_there]
    made = [each.group.target for each in result.groups if each.combined.is_there]
    made += [each.job.target for each in result.masks if each.is_there]
    return [path for frame in there for path in (frame.source, frame.target)] + made
