"""``zeroframe night --by-night``: many nights, side by side where they do not borrow from one another."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeroframe.cli.calibrate import PlanRun, carried_out
from zeroframe.cli.documents import document_of, print_json
from zeroframe.cli.options import INCOMPLETE, OK, REFUSED, UNFORESEEN, executor_of, shared_folder
from zeroframe.cli.page import can_write, write_overview
from zeroframe.errors import ClusterError, UnsupportedError, ZeroframeError
from zeroframe.fits.ahead import import_ahead
from zeroframe.fits.failures import file_failure
from zeroframe.planning.lending import Lending, digests_of, part_for
from zeroframe.records import dataclass
from zeroframe.run.abreast import Abreast, Turn, Work
from zeroframe.run.budget import wanted_bytes
from zeroframe.run.session import Company
from zeroframe.workers import default_limit_bytes, worker_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor

    from zeroframe.cli.calibrate import RunOptions
    from zeroframe.cli.console_nights import NightSummary
    from zeroframe.cli.night_pages import NightPages
    from zeroframe.planning.calendar import Night
    from zeroframe.planning.nights import NightSeries
    from zeroframe.planning.plan import NightPlan
    from zeroframe.planning.recipe import NightRecipe
    from zeroframe.run.outcomes import NightResult
    from zeroframe.run.status import NightStatuses

__all__ = ["carry_out_nights"]

#: What a night imports when it is carried out; threads that import the same at once may wait for each other.
_NEEDED = (
    "zeroframe.frames.cosmic_rays",
    "zeroframe.frames.mosaic_stars",
    "zeroframe.planning.words",
    "zeroframe.report.build",
    "zeroframe.report.page",
    "zeroframe.run.cluster",
    "zeroframe.run.document",
    "zeroframe.run.engine",
    "zeroframe.viewer.page",
)

#: On a cluster so many nights are carried out at once, at most, where nothing was said: its client is one core.
_MOST_BY_ITSELF = 8


def carry_out_nights(
    job: str, raw: Path, out: Path, recipe: NightRecipe, options: RunOptions, *, overwrite: bool
) -> int:
    """Plan and carry out every night of a tree or a list; one that fails does not stop the others.

    Parameters
    ----------
    job : str
        The command: ``'bias'``, ``'dark'``, ``'flat'`` or ``'night'``.
    raw : pathlib.Path
        A folder, or a file that names frames.
    out : pathlib.Path
        Holds a folder for each night.
    recipe : NightRecipe
        What was asked for.
    options : RunOptions
        How it is done.
    overwrite : bool
        Whether files that are there already may be replaced.

    Returns
    -------
    int
        The exit code: that of all nights where they agree, else that something is incomplete.

    Raises
    ------
    ZeroframeError
        When there are no nights, or the cluster is lost.
    Exception
        The first that nobody has foreseen, when all nights have had their turn.
    """
    from zeroframe.cli.console_nights import NightsScreen
    from zeroframe.cli.night_pages import NightPages
    from zeroframe.fits.store.names import UrlPath
    from zeroframe.planning.manifest import read_manifest
    from zeroframe.planning.nights import nights_of_list, nights_of_tree

    for folder in (raw, out):
        if isinstance(folder, UrlPath):
            raise UnsupportedError(
                folder, "is not on a disk, which --by-night needs", "give zeroframe night the URL of each night"
            )
    screen = NightsScreen.beside(json=options.json)
    unforeseen: list[Exception] = []
    listed = read_manifest(raw) if raw.is_file() else None
    folder = raw if listed is None else Path(os.path.commonpath([path.parent for path in listed]))
    with executor_of(options.cluster, folder) as executor, ExitStack() as shared:
        nights_of = partial(nights_of_tree, raw) if listed is None else partial(nights_of_list, listed)
        nights = nights_of(out, recipe, overwrite=overwrite, resources=options.settings(executor).resources)
        screen.calendar(nights.calendar, raw)
        shared.enter_context(shared_folder(executor, out))
        limit, at_once = options.limit or default_limit_bytes(), _nights_at_once(options, executor)
        at_once = min(at_once, len(nights.calendar.nights))
        if at_once > 1:
            import_ahead(*_NEEDED, *(["zeroframe.report.compiled"] if options.report and can_write() else []))
        with NightPages(screen, nights.calendar.nights) as pages:
            run = _Run(job, nights, Lending(out), options, limit, at_once, pages, executor, unforeseen)
            run.carry_out()
    told = [run.told[night.name] for night in nights.calendar.nights]
    documents = [run.documents[night.name] for night in nights.calendar.nights]
    screen.summary(told, out, dry_run=options.dry_run)
    if options.report and not options.dry_run and len(told) > 1:
        write_overview(out, [each.night for each in told], screen)
    if unforeseen:
        raise unforeseen[0]
    code = _code_of(told)
    if options.json:
        document = document_of(job, code, raw=str(raw), out=str(out), nights=documents)
        if code == OK and any(each.warned for each in told):
            document["verdict"] |= {"tone": "note", "headline": "Done; look at some of the nights."}
        print_json(document)
    return code


class _NightWork:
    """A night on its way: made when it can be, judged when those before it have been, then told.

    What goes wrong with it stands in the summary, and stops no other night.
    """

    def __init__(self, run: _Run, night: Night, whole: NightPlan | Exception, planned_s: float) -> None:
        self._run, self.night, self.whole = run, night, whole
        self._seconds, self._page = planned_s, run.pages.of(night)
        self._plan_run: PlanRun | None = None

    def make(self, options: RunOptions) -> frozenset[str]:
        """Make its results; return what others may take of them."""
        made: list[frozenset[str]] = []
        self._attempt(lambda: made.append(self._made(options)))
        self._run.pages.waits(self.night)
        return made[0] if made else frozenset()

    def judge(self) -> None:
        """Hold it against the nights before it, which have all been judged."""
        if self._plan_run is not None:
            self._attempt(self._plan_run.judge)

    def tell(self) -> None:
        """Say what has come of it, and write its page."""
        if self._plan_run is not None:
            self._attempt(self._told)
        self._run.pages.close(self.night)

    def give_up(self) -> None:
        """Let go of the folder of results of a night that others have stopped."""
        if self._plan_run is not None:
            self._plan_run.__exit__(*sys.exc_info())

    def _made(self, options: RunOptions) -> frozenset[str]:
        if isinstance(self.whole, Exception):
            raise self.whole
        run, plan = self._run, self._run.lending.lend(self.whole)
        self._plan_run = PlanRun(plan, options, self._page, run.executor, run.company)
        self._plan_run.make()
        return run.lending.made(self.whole, _there(plan, self._plan_run.ended))

    def _told(self) -> None:
        from zeroframe.cli.console_nights import NightSummary
        from zeroframe.run.outcomes import NightResult

        plan_run, run, name = self._plan_run, self._run, self.night.name
        if plan_run is None:
            return
        started = time.perf_counter()
        plan_run.tell()
        code, ended = plan_run.code, plan_run.ended
        document = {"document": carried_out(run.job, plan_run.plan, ended, code)} if run.options.json else {}
        result = ended if isinstance(ended, NightResult) else None
        seconds = self._seconds + time.perf_counter() - started
        run.documents[name] = {"night": name, "exit_code": code, **document}
        run.told[name] = NightSummary.of_night(self.night, plan_run.plan, result, code, seconds)

    def _attempt(self, do: Callable[[], object]) -> None:
        """Do one part; where that fails, say so, and do no other."""
        started = time.perf_counter()
        try:
            do()
        except Exception as error:  # noqa: BLE001 -- told, and raised at the end where nobody has foreseen it
            self.give_up()
            self._plan_run = None
            self._run.failed(self.night, error)
        self._seconds += time.perf_counter() - started


@dataclass
class _Run:
    """Carries out nights, those first that lend to others; keeps a line of each for the summary, and a document."""

    job: str
    nights: NightSeries
    lending: Lending
    options: RunOptions
    limit: int
    at_once: int
    pages: NightPages
    executor: Executor | None
    unforeseen: list[Exception]
    told: dict[str, NightSummary] = field(default_factory=dict)
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    waiting: dict[str, NightPlan] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.company = None if self.at_once == 1 else Company()
        stop = None if self.company is None else self.company.stop.set
        self._abreast = Abreast(self.at_once, self.limit, stop)
        # nights are held against those of an earlier date, whichever lend to others, and are made first for that
        self._turns = {night.name: turn for turn, night in enumerate(self.nights.calendar.nights)}
        self._at_work: dict[str, _NightWork] = {}

    def carry_out(self) -> None:
        """Carry out all nights, as many at once as may be."""
        try:
            self._abreast.carry_out(piece for night in self.nights.calendar.nights for piece in self._pieces(night))
        finally:
            for work in self._at_work.values():
                work.give_up()

    def _pieces(self, night: Night) -> Iterator[Work]:
        """Plan one night; yield before it those that lend it what they make.

        Of one that waits for this night itself, no more is made than what is borrowed from it.
        """
        if night.name in self.begun:
            return
        self.begun.add(night.name)
        started = time.perf_counter()
        plan = self._planned(night)
        planned_s = time.perf_counter() - started
        if not isinstance(plan, Exception):
            self.waiting[night.name] = plan
            yield from self._lenders(night, plan)
            del self.waiting[night.name]
        yield self._piece_of(_NightWork(self, night, plan, planned_s))

    def _planned(self, night: Night) -> NightPlan | Exception:
        """Plan a night with the memory that is left by those that are carried out meanwhile; return what went wrong."""
        left = self.options.limit if self.at_once == 1 else max(self._abreast.left_bytes, self.limit // 4)
        try:
            return self.nights.plan(night, mem_limit_bytes=left)
        except Exception as error:  # noqa: BLE001 -- told in the turn of the night, and raised at the end
            return error

    def _lenders(self, night: Night, plan: NightPlan) -> Iterator[Work]:
        """Yield what has to be done before, for a plan to be able to borrow from those whose frames it is made of."""
        for lender in self.nights.lenders(plan, night):
            if lender.name not in self.waiting:
                yield from self._pieces(lender)
                continue
            part = part_for(self.waiting[lender.name], plan)
            if part.groups:
                yield from self._lenders(lender, part)
                yield self._piece(part, partial(self._lent_part, lender, part), None)

    def _piece_of(self, work: _NightWork) -> Work:
        """Return a night as a piece of work."""
        name, whole = work.night.name, work.whole
        self._at_work[name] = work

        def tell() -> None:
            work.tell()
            del self._at_work[name]

        turn = Turn(self._turns[name], work.judge, tell)
        if isinstance(whole, Exception):
            return Work(name, frozenset(), 0, lambda _: work.make(self.options), turn)
        return self._piece(whole, work.make, turn)

    def _piece(self, plan: NightPlan, do: Callable[[RunOptions], frozenset[str]], turn: Turn | None) -> Work:
        """Return what is to be done for a plan as it is before anything is lent to it."""
        options, shares = self.options, frozenset(digests_of(plan).values())
        if self.at_once == 1:
            return Work(plan.out, shares, 0, lambda _: do(options), turn)
        wanted = wanted_bytes(plan, self.limit, options.workers, elsewhere=self.executor is not None)

        def with_its_share(beside: int) -> frozenset[str]:
            threads = -(-worker_count(options.workers) // beside)
            return do(replace(options, limit=wanted, workers=threads))

        return Work(plan.out, shares, wanted, with_its_share, turn)

    def _lent_part(self, lender: Night, part: NightPlan, options: RunOptions) -> frozenset[str]:
        """Make what a night lends to another one before its own turn comes; return what others may take of it."""
        from zeroframe.run.engine import run_night

        left = self.lending.lend(part)
        if not left.groups:
            return frozenset()
        if options.dry_run:
            return self.lending.made(part, _there_before(left))
        try:
            result = run_night(left, options.settings(self.executor, self.company))
        except Exception as error:  # noqa: BLE001 -- told, and raised at the end where nobody has foreseen it
            self.failed(lender, error)
            return frozenset()
        return self.lending.made(part, _there(left, result))

    def failed(self, night: Night, error: Exception) -> None:
        """Tell of a night that failed, where this does not mean that all others fail, too."""
        from zeroframe.cli.console_nights import NightSummary

        if isinstance(error, ClusterError):
            raise error
        known = error if isinstance(error, ZeroframeError) else file_failure(error, night.folder)
        self.pages.of(night).night_failed(night, known)
        foreseen = isinstance(error, ZeroframeError | MemoryError | OSError)
        code = REFUSED if foreseen else UNFORESEEN
        self.told[night.name] = NightSummary.of_failure(night, str(known), code)
        self.documents[night.name] = {"night": night.name, "exit_code": code, "problem": str(known)}
        if not foreseen:
            self.unforeseen.append(error)


def _there(plan: NightPlan, ended: NightResult | NightStatuses) -> dict[str, int]:
    """Return the combined frames of a plan that are there, and of how many frames they are."""
    from zeroframe.run.outcomes import NightResult

    if not isinstance(ended, NightResult):  # of a dry run: what is there from before
        return _there_before(plan)
    return {each.group.name: each.combined.frames for each in ended.groups if each.combined.is_there}


def _nights_at_once(options: RunOptions, executor: Executor | None) -> int:
    """Return how many nights are carried out at once, where that was not said.

    On a cluster: one a core, from two to eight, so that workers are busy while a night waits for a combined frame or
    its page is written. On threads one night has work for all cores: of four nights of 24 frames of 1040 x 1032 pixels,
    1, 2 and 3 at once took 7.4, 7.5 and 7.7 s of the processor, and no less time beyond what other work made of it.
    """
    from zeroframe.run.cluster import CountsCores

    if options.dry_run or (options.nights_at_once is None and executor is None):
        return 1
    if options.nights_at_once is not None:
        return options.nights_at_once
    return min(max(executor.cores, 2), _MOST_BY_ITSELF) if isinstance(executor, CountsCores) else 2


def _there_before(plan: NightPlan) -> dict[str, int]:
    """Return the combined frames that are there from an earlier run, for a dry run, and of how many frames they are."""
    return {group.name: len(group.frames) for group in plan.groups if group.target.exists()}


def _code_of(told: Sequence[NightSummary]) -> int:
    codes = {each.code for each in told}
    if codes <= {OK}:
        return OK
    return REFUSED if codes == {REFUSED} else INCOMPLETE
