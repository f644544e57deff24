"""``zeroframe night --by-night``: many nights, one after the other."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from zeroframe.cli.calibrate import carried_out, carry_out_plan
from zeroframe.cli.documents import document_of, print_json
from zeroframe.cli.options import INCOMPLETE, OK, REFUSED, UNFORESEEN, executor_of
from zeroframe.cli.page import write_overview
from zeroframe.errors import ClusterError, UnsupportedError, ZeroframeError
from zeroframe.fits.failures import file_failure
from zeroframe.planning.lending import Lending, part_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from zeroframe.cli.calibrate import NightResources
    from zeroframe.cli.console_nights import NightsScreen, Told
    from zeroframe.planning.calendar import Night
    from zeroframe.planning.nights import NightSeries
    from zeroframe.planning.plan import NightPlan
    from zeroframe.planning.recipe import NightRecipe

__all__ = ["carry_out_nights"]

T = TypeVar("T")


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

    for folder in (raw, out):
        if isinstance(folder, UrlPath):
            raise UnsupportedError(
                folder, "is not on a disk, which --by-night needs", "give zeroframe night the URL of each night"
            )
    screen = NightsScreen(sys.stderr if means.json else None)
    nights = _found(raw, out, recipe, overwrite=overwrite, workers=means.workers)
    screen.calendar(nights.calendar, raw)
    unforeseen: list[Exception] = []
    with executor_of(means.cluster, nights.raw, out) as executor:
        run = _Run(job, nights, Lending(out), means, screen, executor, unforeseen)
        for night in nights.calendar.nights:
            run.carry_out(night)
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


def _found(raw: Path, out: Path, recipe: NightRecipe, *, overwrite: bool, workers: int | None) -> NightSeries:
    from zeroframe.planning.manifest import read_manifest
    from zeroframe.planning.nights import nights_of_list, nights_of_tree

    if raw.is_file():
        return nights_of_list(read_manifest(raw), out, recipe, overwrite=overwrite, workers=workers)
    return nights_of_tree(raw, out, recipe, overwrite=overwrite, workers=workers)


@dataclass
class _Run:
    """Carries out nights, those first that lend to others; keeps a line of each for the summary, and a document."""

    job: str
    nights: NightSeries
    lending: Lending
    means: NightResources
    screen: NightsScreen
    executor: Executor | None
    unforeseen: list[Exception]
    told: dict[str, Told] = field(default_factory=dict)
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    waiting: dict[str, NightPlan] = field(default_factory=dict)

    def carry_out(self, night: Night) -> None:
        """Carry out one night, and before it those that lend it what they make.

        One that waits for this night itself makes no more than what is borrowed from it.
        """
        if night.name in self.begun:
            return
        self.begun.add(night.name)
        started = time.perf_counter()
        plan = self._or_failed(night, self._plan, night)
        if plan is None:
            return
        self.waiting[night.name] = plan
        self._carry_out_lenders(night, plan)
        del self.waiting[night.name]
        self.screen.night_begins(night, f"{len(self.told) + 1} of {len(self.nights.calendar.nights)}")
        told = self._or_failed(night, self._one, night, plan, started)
        if told is not None:
            self.told[night.name] = told

    def _plan(self, night: Night) -> NightPlan:
        return self.nights.plan(night, mem_limit_bytes=self.means.limit, workers=self.means.workers)

    def _carry_out_lenders(self, night: Night, plan: NightPlan) -> None:
        """See to it that what a plan borrows is made by those whose frames it is made of."""
        for lender in self.nights.lenders(plan, night):
            if lender.name in self.waiting:
                self._or_failed(lender, self._lend_part, lender, plan)
            else:
                self.carry_out(lender)

    def _lend_part(self, lender: Night, borrower: NightPlan) -> None:
        """Make what a night lends to another one before its own turn comes."""
        from zeroframe.run.engine import run_night

        part = part_for(self.waiting[lender.name], borrower)
        if not self.lending.lend(part).groups:
            return
        self._carry_out_lenders(lender, part)
        left = self.lending.lend(part)
        if self.means.dry_run:
            self.lending.made(part, _there_before(left))
            return
        result = run_night(
            left,
            mem_limit_bytes=self.means.limit,
            workers=self.means.workers,
            check=self.means.check,
            check_sums=self.means.check_sums,
            executor=self.executor,
        )
        there = {each.group.name: each.combined.frames for each in result.groups if each.combined.is_there}
        self.lending.made(part, there)

    def _one(self, night: Night, whole: NightPlan, started: float) -> Told:
        from zeroframe.cli.console_nights import Told
        from zeroframe.run.outcomes import NightResult

        plan = self.lending.lend(whole)
        code, ended = carry_out_plan(plan, self.means, self.screen, self.executor)
        document = {"document": carried_out(self.job, plan, ended, code)} if self.means.json else {}
        result = ended if isinstance(ended, NightResult) else None
        if result is None:  # of a dry run: what is there from before
            there = _there_before(plan)
        else:
            there = {each.group.name: each.combined.frames for each in result.groups if each.combined.is_there}
        self.lending.made(whole, there)
        self.documents[night.name] = {"night": night.name, "exit_code": code, **document}
        return Told.of_night(night, plan, result, code, time.perf_counter() - started)

    def _or_failed(self, night: Night, do: Callable[..., T], *arguments: object) -> T | None:
        """Return what is done; where it fails, tell so and return None: one night must not stop the others."""
        from zeroframe.cli.console_nights import Told

        try:
            return do(*arguments)
        except ClusterError:
            raise  # the others would fail, too
        except Exception as error:  # noqa: BLE001 -- told, and raised at the end where nobody has foreseen it
            if do == self._plan:
                self.screen.night_begins(night, f"{len(self.told) + 1} of {len(self.nights.calendar.nights)}")
            known = error if isinstance(error, ZeroframeError) else file_failure(error, night.folder)
            self.screen.night_failed(night, known)
            foreseen = isinstance(error, ZeroframeError | MemoryError | OSError)
            code = REFUSED if foreseen else UNFORESEEN
            self.told[night.name] = Told.of_failure(night, str(known), code)
            self.documents[night.name] = {"night": night.name, "exit_code": code, "problem": str(known)}
            if not foreseen:
                self.unforeseen.append(error)
            return None


def _there_before(plan: NightPlan) -> dict[str, int]:
    """Return the combined frames that are there from an earlier run, for a dry run, and of how many frames they are."""
    return {group.name: len(group.frames) for group in plan.groups if group.target.exists()}


def _code_of(told: Sequence[Told]) -> int:
    codes = {each.code for each in told}
    if codes <= {OK}:
        return OK
    return REFUSED if codes == {REFUSED} else INCOMPLETE
