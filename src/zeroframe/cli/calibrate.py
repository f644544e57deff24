"""What `zeroframe night` does with one plan, be it of one night or of one of many."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from zeroframe.cli.documents import print_json
from zeroframe.cli.options import INCOMPLETE, OK, REFUSED, executor_of, shared_folder
from zeroframe.cli.page import can_write, report_threads, write_run_page
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from zeroframe.cli.console_night import NightScreen
    from zeroframe.planning.plan import NightPlan
    from zeroframe.planning.recipe import NightRecipe
    from zeroframe.run.engine import NightMade
    from zeroframe.run.outcomes import NightResult
    from zeroframe.run.session import Company, NightSession, RunSettings
    from zeroframe.run.status import NightStatuses

__all__ = ["PlanRun", "RunOptions", "carried_out", "carry_out_folder"]


@dataclass(frozen=True, slots=True)
class RunOptions:
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
    strict : bool
        Warnings count for the exit code.
    json : bool
        The run is printed as a document for programs, and nothing else on standard output.
    nights_at_once : int or None
        How many of many nights are carried out beside each other.
    """

    dry_run: bool = False
    check: bool = False
    check_sums: bool = True
    report: bool = True
    limit: int | None = None
    workers: int | None = None
    cluster: str | None = None
    strict: bool = False
    json: bool = False
    nights_at_once: int | None = None

    def settings(self, executor: Executor | None, company: Company | None = None) -> RunSettings:
        """Return how a run is carried out by these options."""
        from zeroframe.run.session import RunSettings

        return RunSettings(self.limit, self.workers, self.check, self.check_sums, executor, company)


def carry_out_folder(
    job: str,
    raw: Path,
    out: Path,
    recipe: NightRecipe,
    options: RunOptions,
    *,
    overwrite: bool,
    recurse: bool,
    command: str | None = None,
) -> int:
    """Plan what is to be done to a folder, carry it out, say what comes of it, and write the report.

    Parameters
    ----------
    job, raw, out, recipe, overwrite, recurse
        As for `zeroframe.planning.asking.planned`.
    options : RunOptions
        How.
    command : str, optional
        As it is called in the document for programs; by default as the job.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    ZeroframeError
        When nothing could be begun.
    """
    from zeroframe.cli.console_night import NightScreen
    from zeroframe.planning.asking import planned

    with executor_of(options.cluster, raw) as executor:
        resources = options.settings(executor).resources
        plan = planned(job, raw, out, recipe, overwrite=overwrite, recurse=recurse, resources=resources)
        screen = NightScreen.beside(json=options.json)
        with shared_folder(executor, out), PlanRun(plan, options, screen, executor) as run:
            run.make()
            run.judge()
            run.tell()
    if options.json:
        print_json(carried_out(command or job, plan, run.ended, run.code))
    return run.code


class PlanRun:
    """A plan that is carried out in three parts, between which there may be a pause: made, judged, told.

    From the first to the last it holds its folder of results; meanwhile of frames what was measured, and no pixels.

    Parameters
    ----------
    plan : NightPlan
        What is to be done.
    options : RunOptions
        How.
    screen : NightScreen
        Where it is said.
    executor : concurrent.futures.Executor or None
        Where results are made, instead of on threads here.
    company : Company, optional
        Of the nights that are carried out beside this one.

    Attributes
    ----------
    code : int
        The exit code, when it has been told.
    ended : NightResult or NightStatuses
        What was made, as far as it has come; of a dry run, what is there.
    """

    ended: NightResult | NightStatuses

    def __init__(
        self,
        plan: NightPlan,
        options: RunOptions,
        screen: NightScreen,
        executor: Executor | None,
        company: Company | None = None,
    ) -> None:
        self.plan, self.code = plan, OK
        self._options, self._screen, self._executor, self._company = options, screen, executor, company
        self._held = ExitStack()
        self._made: NightMade | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._held.__exit__(kind, error, traceback)

    def make(self) -> None:
        """Make all results; of a dry run, see what there is to be made."""
        from zeroframe.run.engine import made_in
        from zeroframe.run.session import begin_night

        plan, options, screen = self.plan, self._options, self._screen
        if options.dry_run:
            self.code, self.ended = _dry_run(plan, options, screen)
            return
        settings = options.settings(self._executor, self._company)
        session = self._held.enter_context(begin_night(plan, settings))
        screen.night_found(plan)
        screen.choices(plan.choices)
        with screen.progress() as progress:
            measure = options.report and can_write() and not session.matching_report
            self._made = made_in(session, progress=progress, measure=measure)
        self.ended = self._made.result

    def judge(self) -> None:
        """Hold the results against those of earlier nights that are there by now, and write run.json."""
        from zeroframe.run.engine import judged

        if self._made is not None:
            self.ended = judged(self._made)

    def tell(self) -> None:
        """Say what has come of it, write the report, and let go of the folder."""
        from zeroframe.run.outcomes import NightResult

        if self._made is not None and isinstance(self.ended, NightResult):
            options, session, result = self._options, self._made.session, self.ended
            self._screen.night_result(self.plan, result)
            shown = result.read_from(session.copies)
            reported = not options.report or session.matching_report
            reported = reported or _write_report(session, shown, self._screen, options.workers)
            code = _night_code(result, strict=options.strict)
            self.code = code if reported else max(code, INCOMPLETE)
        self._held.close()


def _write_report(session: NightSession, result: NightResult, screen: NightScreen, workers: int | None) -> bool:
    """Write OUT/report.html and say so; return False where it should be there and cannot."""
    plan, executor, company = session.plan, session.settings.executor, session.settings.company
    threads = report_threads(workers, plan.raw, plan.out)
    if executor is not None and company is not None:  # other nights have work for the other cores
        threads = threads or 1

    def drawn(command: str) -> bytes:
        session.check_folder()
        from zeroframe.report import night_page

        watch = session.watch if executor is None else None
        return night_page(plan, result, command=command, workers=threads, watch=watch, executor=executor)

    return write_run_page(plan.out, drawn, screen)


def carried_out(command: str, plan: NightPlan, ended: NightResult | NightStatuses, code: int) -> dict[str, Any]:
    """Return what a plan came to, or would come to, as a document for programs."""
    from zeroframe.run.document import plan_document, run_document
    from zeroframe.run.outcomes import NightResult

    if isinstance(ended, NightResult):
        return run_document(command, plan, ended, code)
    return plan_document(command, plan, ended, code)


def _dry_run(plan: NightPlan, options: RunOptions, screen: NightScreen) -> tuple[int, NightStatuses]:
    """Show what would be done; return the code with which it would be refused."""
    from zeroframe.run.result_files import would_be_refused
    from zeroframe.run.status import examine_night

    screen.night_found(plan)
    screen.choices(plan.choices)
    statuses = examine_night(plan, check=options.check, check_sums=options.check_sums, workers=options.workers)
    screen.night_tree(plan, statuses)
    return (REFUSED if would_be_refused(statuses, overwrite=plan.overwrite) else OK), statuses


def _night_code(result: NightResult, *, strict: bool) -> int:
    if not result.review.exit_code(strict=strict):
        return OK
    return INCOMPLETE if result.done else REFUSED
