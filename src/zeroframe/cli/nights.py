"""``zeroframe night --by-night``: many nights, side by side where they do not borrow from one another."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from zeroframe.cli.calibrate import carried_out, carry_out_plan
from zeroframe.cli.documents import document_of, print_json
from zeroframe.cli.options import INCOMPLETE, OK, REFUSED, UNFORESEEN, executor_of, shared_folder
from zeroframe.cli.page import can_write, write_overview
from zeroframe.errors import ClusterError, UnsupportedError, ZeroframeError
from zeroframe.fits.ahead import import_ahead
from zeroframe.fits.failures import file_failure
from zeroframe.memory import default_limit_bytes
from zeroframe.planning.lending import Lending, digests_of, part_for
from zeroframe.run.abreast import Abreast, Piece
from zeroframe.run.budget import wanted_bytes
from zeroframe.run.session import Company
from zeroframe.workers import worker_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor

    from zeroframe.cli.calibrate import NightResources
    from zeroframe.cli.console_nights import NightsScreen, Told
    from zeroframe.planning.calendar import Night
    from zeroframe.planning.nights import NightSeries
    from zeroframe.planning.plan import NightPlan
    from zeroframe.planning.recipe import NightRecipe

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


def carry_out_nights(
    job: str, raw: Path, out: Path, recipe: NightRecipe, means: NightResources, *, overwrite: bool
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
    means : NightResources
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
    from zeroframe.fits.store.names import UrlPath
    from zeroframe.planning.manifest import read_manifest
    from zeroframe.planning.nights import nights_of_list, nights_of_tree

    for folder in (raw, out):
        if isinstance(folder, UrlPath):
            raise UnsupportedError(
                folder, "is not on a disk, which --by-night needs", "give zeroframe night the URL of each night"
            )
    screen = NightsScreen(sys.stderr if means.json else None)
    unforeseen: list[Exception] = []
    listed = read_manifest(raw) if raw.is_file() else None
    folder = raw if listed is None else Path(os.path.commonpath([path.parent for path in listed]))
    with executor_of(means.cluster, folder) as executor, ExitStack() as shared:
        nights_of = partial(nights_of_tree, raw) if listed is None else partial(nights_of_list, listed)
        nights = nights_of(out, recipe, overwrite=overwrite, workers=means.workers, executor=executor)
        screen.calendar(nights.calendar, raw)
        shared.enter_context(shared_folder(executor, out))
        limit, at_once = means.limit or default_limit_bytes(), min(_nights_at_once(means), len(nights.calendar.nights))
        if at_once > 1:
            import_ahead(*_NEEDED, *(["zeroframe.report.compiled"] if means.report and can_write() else []))
        run = _Run(job, nights, Lending(out), means, limit, at_once, screen, executor, unforeseen)
        run.carry_out()
    told = [run.told[night.name] for night in nights.calendar.nights]
    documents = [run.documents[night.name] for night in nights.calendar.nights]
    screen.summary(told, out, dry_run=means.dry_run)
    if means.report and not means.dry_run and len(told) > 1:
        write_overview(out, [each.night for each in told], screen)
    if unforeseen:
        raise unforeseen[0]
    code = _code_of(told)
    if means.json:
        document = document_of(job, code, raw=str(raw), out=str(out), nights=documents)
        if code == OK and any(each.warned for each in told):
            document["verdict"] |= {"tone": "note", "headline": "Done; look at some of the nights."}
        print_json(document)
    return code


class _InOrder:
    """What is said of nights, one after the other in their order, whichever ends first."""

    def __init__(self, screen: NightsScreen, number: int, *, at_once: int) -> None:
        self._screen, self._number, self._at_once = screen, number, at_once
        self._pages: deque[NightsScreen] = deque()
        self._closed: set[NightsScreen] = set()
        self._begun = 0
        self._lock = Lock()

    def open(self, night: Night) -> NightsScreen:
        """Return where to say something of the next night; it is shown when those before have been shown."""
        self._begun += 1
        page = self._screen if self._at_once == 1 else self._screen.page()
        with self._lock:
            self._pages.append(page)
        page.night_begins(night, f"{self._begun} of {self._number}")
        return page

    def close(self, page: NightsScreen) -> None:
        """Note that nothing more is said there, and show what can be shown."""
        with self._lock:
            self._closed.add(page)
            while self._pages and self._pages[0] in self._closed:
                page = self._pages.popleft()
                self._closed.discard(page)
                page.show()


@dataclass
class _Run:
    """Carries out nights, those first that lend to others; keeps a line of each for the summary, and a document."""

    job: str
    nights: NightSeries
    lending: Lending
    means: NightResources
    limit: int
    at_once: int
    screen: NightsScreen
    executor: Executor | None
    unforeseen: list[Exception]
    told: dict[str, Told] = field(default_factory=dict)
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    waiting: dict[str, NightPlan] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._company = None if self.at_once == 1 else Company()
        stop = None if self._company is None else self._company.stop.set
        self._abreast = Abreast(self.at_once, self.limit, stop)
        self._said = _InOrder(self.screen, len(self.nights.calendar.nights), at_once=self.at_once)

    def carry_out(self) -> None:
        """Carry out all nights, as many at once as may be."""
        self._abreast.carry_out(piece for night in self.nights.calendar.nights for piece in self._pieces(night))

    def _pieces(self, night: Night) -> Iterator[Piece]:
        """Plan one night; yield before it those that lend it what they make.

        Of one that waits for this night itself, no more is made than what is borrowed from it.
        """
        if night.name in self.begun:
            return
        self.begun.add(night.name)
        started = time.perf_counter()
        plan = self._planned(night)
        if plan is None:
            return
        planned_s = time.perf_counter() - started
        self.waiting[night.name] = plan
        yield from self._lenders(night, plan)
        del self.waiting[night.name]
        page = self._said.open(night)
        yield self._piece(plan, partial(self._carried_out, night, plan, page, planned_s))

    def _planned(self, night: Night) -> NightPlan | None:
        """Plan a night with the memory that is left by those that are carried out meanwhile."""
        left = self.means.limit if self.at_once == 1 else max(self._abreast.left_bytes, self.limit // 4)
        try:
            return self.nights.plan(night, mem_limit_bytes=left, workers=self.means.workers)
        except Exception as error:  # noqa: BLE001 -- told, and raised at the end where nobody has foreseen it
            page = self._said.open(night)
            self._failed(night, page, error)
            self._said.close(page)
            return None

    def _lenders(self, night: Night, plan: NightPlan) -> Iterator[Piece]:
        """Yield what has to be done before, for a plan to be able to borrow from those whose frames it is made of."""
        for lender in self.nights.lenders(plan, night):
            if lender.name not in self.waiting:
                yield from self._pieces(lender)
                continue
            part = part_for(self.waiting[lender.name], plan)
            if part.groups:
                yield from self._lenders(lender, part)
                yield self._piece(part, partial(self._lent_part, lender, part))

    def _piece(self, plan: NightPlan, do: Callable[[NightResources], frozenset[str]]) -> Piece:
        """Return what is to be done for a plan as it is before anything is lent to it."""
        means, shares = self.means, frozenset(digests_of(plan).values())
        if self.at_once == 1:
            return Piece(plan.out, shares, 0, lambda _: do(means))
        wanted = wanted_bytes(plan, self.limit, means.workers, elsewhere=self.executor is not None)

        def with_its_share(beside: int) -> frozenset[str]:
            threads = -(-worker_count(means.workers) // beside)
            return do(replace(means, limit=wanted, workers=threads))

        return Piece(plan.out, shares, wanted, with_its_share)

    def _lent_part(self, lender: Night, part: NightPlan, means: NightResources) -> frozenset[str]:
        """Make what a night lends to another one before its own turn comes; return what others may take of it."""
        from zeroframe.run.engine import run_night

        left = self.lending.lend(part)
        if not left.groups:
            return frozenset()
        if means.dry_run:
            return self.lending.made(part, _there_before(left))
        try:
            result = run_night(
                left,
                mem_limit_bytes=means.limit,
                workers=means.workers,
                check=means.check,
                check_sums=means.check_sums,
                executor=self.executor,
                company=self._company,
            )
        except Exception as error:  # noqa: BLE001 -- as above
            self._failed(lender, self.screen, error)
            return frozenset()
        there = {each.group.name: each.combined.frames for each in result.groups if each.combined.is_there}
        return self.lending.made(part, there)

    def _carried_out(
        self, night: Night, whole: NightPlan, page: NightsScreen, planned_s: float, means: NightResources
    ) -> frozenset[str]:
        """Carry out one night; where that fails, tell so: one night must not stop the others."""
        from zeroframe.cli.console_nights import Told
        from zeroframe.run.outcomes import NightResult

        started = time.perf_counter() - planned_s
        try:
            plan = self.lending.lend(whole)
            code, ended = carry_out_plan(plan, means, page, self.executor, self._company)
            document = {"document": carried_out(self.job, plan, ended, code)} if means.json else {}
            result = ended if isinstance(ended, NightResult) else None
            if result is None:  # of a dry run: what is there from before
                there = _there_before(plan)
            else:
                there = {each.group.name: each.combined.frames for each in result.groups if each.combined.is_there}
            made = self.lending.made(whole, there)
            self.documents[night.name] = {"night": night.name, "exit_code": code, **document}
            self.told[night.name] = Told.of_night(night, plan, result, code, time.perf_counter() - started)
        except Exception as error:  # noqa: BLE001 -- as above
            self._failed(night, page, error)
            return frozenset()
        finally:
            self._said.close(page)
        return made

    def _failed(self, night: Night, page: NightsScreen, error: Exception) -> None:
        """Tell of a night that failed, where this does not mean that all others fail, too."""
        from zeroframe.cli.console_nights import Told

        if isinstance(error, ClusterError):
            raise error
        known = error if isinstance(error, ZeroframeError) else file_failure(error, night.folder)
        page.night_failed(night, known)
        foreseen = isinstance(error, ZeroframeError | MemoryError | OSError)
        code = REFUSED if foreseen else UNFORESEEN
        self.told[night.name] = Told.of_failure(night, str(known), code)
        self.documents[night.name] = {"night": night.name, "exit_code": code, "problem": str(known)}
        if not foreseen:
            self.unforeseen.append(error)


def _nights_at_once(means: NightResources) -> int:
    """Return how many nights are carried out at once: one, where nothing was said.

    Gain and read noise of a night are held against those of the nights before it that are done by then (ZF307): of
    nights side by side it would be chance which these are, and with it what is found.
    """
    return 1 if means.dry_run else means.nights_at_once or 1


def _there_before(plan: NightPlan) -> dict[str, int]:
    """Return the combined frames that are there from an earlier run, for a dry run, and of how many frames they are."""
    return {group.name: len(group.frames) for group in plan.groups if group.target.exists()}


def _code_of(told: Sequence[Told]) -> int:
    codes = {each.code for each in told}
    if codes <= {OK}:
        return OK
    return REFUSED if codes == {REFUSED} else INCOMPLETE
