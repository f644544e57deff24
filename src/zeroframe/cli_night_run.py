"""What `zeroframe night` does with one plan, be it of one night or of one of many."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zeroframe.cli_options import INCOMPLETE, OK, REFUSED
from zeroframe.cli_report import can_write, report_threads, write_page
from zeroframe.dialects import Kind

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from zeroframe.nights.jobs import NightPlan
    from zeroframe.nights.results import NightResult
    from zeroframe.report import ReportData
    from zeroframe.screen_night import NightScreen

__all__ = ["NightMeans", "carry_out_plan"]


@dataclass(frozen=True, slots=True)
class NightMeans:
    """The options of the command that say how, and not what.

    Attributes
    ----------
    dry_run : bool
        Show what would be done, and write nothing.
    check : bool
        Read raw frames again even if their times are the same.
    check_sums : bool
        Refuse frames whose data have not the sum of their header.
    report : bool
        Write report.html.
    limit : int or None
        Bytes of memory.
    workers : int or None
        Threads.
    cluster : str or None
        Address of a Dask cluster.
    """

    dry_run: bool = False
    check: bool = False
    check_sums: bool = True
    report: bool = True
    limit: int | None = None
    workers: int | None = None
    cluster: str | None = None


def carry_out_plan(
    plan: NightPlan, means: NightMeans, screen: NightScreen, executor: Executor | None
) -> tuple[int, NightResult | None]:
    """Carry out a plan, say what comes of it, and write the report.

    Parameters
    ----------
    plan : NightPlan
        What is to be done.
    means : NightMeans
        How.
    screen : NightScreen
        Where it is said.
    executor : concurrent.futures.Executor or None
        Where results are made, instead of on threads here.

    Returns
    -------
    code : int
        The exit code.
    result : NightResult or None
        None of a dry run.

    Raises
    ------
    ZeroframeError
        When nothing could be begun.
    """
    from zeroframe.compiling_ahead import compiled_ahead
    from zeroframe.nights.carrying import carry_out_night
    from zeroframe.nights.session import begin_night

    if means.dry_run:
        return _dry_run(plan, means, screen), None
    with (
        compiled_ahead("bias" if _is_of_biases(plan) else "night") if executor is None else nullcontext(),
        begin_night(
            plan,
            mem_limit_bytes=means.limit,
            workers=means.workers,
            check=means.check,
            check_sums=means.check_sums,
            executor=executor,
        ) as session,
    ):
        screen.night_found(plan)
        screen.choices(plan.choices)
        with screen.progress() as progress:
            measure = means.report and can_write() and not session.right_report
            result = carry_out_night(session, progress=progress, check_sums=means.check_sums, measure=measure)
        screen.night_result(plan, result)
        shown = result.read_from(session.copies)
        reported = not means.report or session.right_report or _write_report(plan, shown, screen, means.workers)
    return (_night_code(result) if reported else max(_night_code(result), INCOMPLETE)), result


def _is_of_biases(plan: NightPlan) -> bool:
    return all(frame.kind is Kind.BIAS for frame in plan.frames)


def _write_report(plan: NightPlan, result: NightResult, screen: NightScreen, workers: int | None) -> bool:
    """Write OUT/report.html and say so; return False where it should be there and cannot."""

    def measured(command: str) -> ReportData:
        from zeroframe.report import night_report_data

        threads = report_threads(workers, plan.raw, plan.out)
        return night_report_data(plan, result, command=command, workers=threads)

    return write_page(plan.out, measured, screen, overwrite=plan.overwrite)


def _dry_run(plan: NightPlan, means: NightMeans, screen: NightScreen) -> int:
    """Show what would be done; return the code with which it would be refused."""
    from zeroframe.nights.standing import examine_night

    screen.night_found(plan)
    screen.choices(plan.choices)
    standings = examine_night(plan, check=means.check, check_sums=means.check_sums, workers=means.workers)
    screen.night_tree(plan, standings)
    return REFUSED if standings.refused and not plan.overwrite else OK


def _night_code(result: NightResult) -> int:
    if result.is_good:
        return OK
    return INCOMPLETE if result.done else REFUSED
