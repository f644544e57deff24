"""Carry out the plan of a night: biases, darks, flats, masks, science frames, each from what was made before."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING

from zeroframe.errors import FolderLostError, FrameError, OutputError
from zeroframe.fits.ahead import READING, RICE, import_ahead
from zeroframe.fits.events import log_outcome
from zeroframe.fits.failures import attempt
from zeroframe.fits.formats import FORMATS
from zeroframe.fits.timeline import span
from zeroframe.frames.raw import FrameOutcome
from zeroframe.headers.kinds import Kind, is_calibration
from zeroframe.planning.uses import frame_uses, group_uses, without_lost
from zeroframe.records import dataclass
from zeroframe.run.checks import Whole, check_files, unchanged_files
from zeroframe.run.colour_products import colour_products, require_debayer
from zeroframe.run.combined import Combination
from zeroframe.run.combined_outcome import CombinedOutcome
from zeroframe.run.kept import (
    NOTHING_SPARED,
    Spared,
    earlier_figures,
    is_kept,
    kept_figures,
    kept_findings,
    result_of_kept,
)
from zeroframe.run.keys import frame_key, mask_key, stored_keys
from zeroframe.run.left_over import left_over
from zeroframe.run.mosaic_products import mosaic_products
from zeroframe.run.outcomes import GroupOutcome, MaskOutcome, NightOutcome, NightResult
from zeroframe.run.reviewing import review_of
from zeroframe.run.schedule import Task, run_tasks, urgent_first
from zeroframe.run.session import AS_USUAL, NightSession, RunSettings, begin_night
from zeroframe.run.threads import ThreadBackend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from zeroframe.planning.plan import Group, MaskJob, NightFrame, NightPlan
    from zeroframe.review import Finding
    from zeroframe.run.combine_files import Progress
    from zeroframe.run.threads import Backend

__all__ = ["NightMade", "judged", "made_in", "run_night", "run_session"]

#: Before the name of a raw frame, where it stands beside the names of results: it may be the same.
_RAW = "raw "
#: Before the name of a group whose frames are compared and not combined.
_COMPARED = "compared "
#: Seconds of a core for images of 4128 x 2048 pixels: a frame that will be combined, one that is not, a combination and
#: each of its frames, a mask, a comparison.
_FRAME_S, _SCIENCE_S, _COMBINE_S, _COMBINED_FRAME_S, _MASK_S, _COMPARE_S = 0.1, 0.25, 0.35, 0.03, 0.08, 0.03


def run_night(plan: NightPlan, settings: RunSettings = AS_USUAL, *, progress: Progress | None = None) -> NightResult:
    """Carry out the plan of a night; what is there already and up to date is not made again.

    Parameters
    ----------
    plan, settings
        As for `zeroframe.run.session.begin_night`.
    progress : callable, optional
        Called with what is being done and the fraction done so far, from any thread.

    Returns
    -------
    NightResult
        One bad frame does not stop the others.

    Raises
    ------
    MemoryLimitError, OutputError, OutputExistsError
        As `zeroframe.run.session.begin_night` does.
    ClusterError
        When the cluster is lost; a second run goes on where this one ended.
    """
    with begin_night(plan, settings) as session:
        return run_session(session, progress=progress)


def run_session(
    session: NightSession,
    *,
    progress: Progress | None = None,
    measure: bool = False,
    spared: Spared = NOTHING_SPARED,
) -> NightResult:
    """Carry out the plan of a run that has begun.

    Parameters
    ----------
    session : NightSession
        From `zeroframe.run.session.begin_night`.
    progress
        As for `run_night`.
    measure : bool
        Measure everything again where all results are up to date; else nothing is said of their levels and noise.
    spared : Spared
        Results that are not read again, whatever is made beside them; of `zeroframe.run.kept.spared_results`.

    Returns
    -------
    NightResult
    """
    return judged(made_in(session, progress=progress, measure=measure, spared=spared))


@dataclass(frozen=True, eq=False)
class NightMade:
    """A run whose results have been made, and have not been judged yet.

    Attributes
    ----------
    session : NightSession
        Of the run.
    result : NightResult
        What was made; without a review.
    is_kept : bool
        Whether everything was there already, so that what was found then holds.
    carried : tuple of Finding
        Of an earlier run on results that were not read again.
    """

    session: NightSession
    result: NightResult
    is_kept: bool
    carried: tuple[Finding, ...] = ()


def made_in(
    session: NightSession,
    *,
    progress: Progress | None = None,
    measure: bool = False,
    spared: Spared = NOTHING_SPARED,
) -> NightMade:
    """Make the results of a run that has begun; what they mean is for `judged` to say.

    Parameters
    ----------
    session, progress, measure, spared
        As for `run_session`.

    Returns
    -------
    NightMade
        Of frames it holds what was measured, and no pixels.
    """
    require_debayer(session.plan)
    kept = not measure and is_kept(session)
    result = result_of_kept(session) if kept else _Run(session, progress, spared).carry_out()
    problems = [*colour_products(session.plan, result), *mosaic_products(session.plan, result)]
    if problems:
        result = replace(result, products_lacking=tuple(problems))
    return NightMade(session, result, kept and not result.check.problems and not problems, spared.findings)


def judged(made: NightMade) -> NightResult:
    """Say what the results of a run mean, against what is known of earlier nights by now, and write run.json.

    Parameters
    ----------
    made : NightMade
        Of `made_in`.

    Returns
    -------
    NightResult
    """
    session, result = made.session, made.result
    review = review_of(
        *(session.plan, result, kept_figures(session)),
        earlier=earlier_figures(session),
        known_findings=kept_findings(session) if made.is_kept else None,
        carried=made.carried,
        stale=left_over(session.plan, session.statuses.record),
    )
    result = replace(result, review=review)
    try:
        session.write_end(result)
    except FolderLostError:
        raise
    except OutputError as error:
        said = (*result.check.problems, str(error))
        return replace(result, check=replace(result.check, problems=said))
    return result


class _Run:
    """One run: every frame, combined frame and mask is made as soon as there is what it needs."""

    def __init__(self, session: NightSession, progress: Progress | None, spared: Spared) -> None:
        self._session, self._plan, self._progress, self._spared = session, session.plan, progress, spared
        self._keys = stored_keys(session.plan)
        self._backend = _backend_of(session, self._keys)
        self._frames: dict[str, NightOutcome] = {}
        self._groups: dict[str, GroupOutcome] = {}
        self._uncombined: dict[str, GroupOutcome] = {}
        self._masks: dict[str, MaskOutcome] = {}
        self._finished, self._combined, self._total = count(1), count(1), len(self._plan.frames)
        self._seconds: dict[str, float] = {}
        self._lock = Lock()

    def carry_out(self) -> NightResult:
        """Do everything, each from a thread."""
        _import_what_threads_need(self._plan)
        with span("wait for tasks"):
            run_tasks(self._tasks(), self._backend.tasks_at_once, self._backend.give_up)
        return self._result()

    def _tasks(self) -> list[Task]:
        """Return what is to be done, the most urgent first."""
        plan = self._plan
        made = {group.name for group in plan.groups} | {job.name for job in plan.masks}
        tasks = []
        for group in plan.groups:
            tasks += [self._frame_task(frame, group, made) for frame in group.frames]
            needs = {_RAW + frame.name for frame in group.frames} | made.intersection(group_uses(plan, group))
            combine = partial(self._timed, group.kind, self._combine, group)
            cost = _COMBINE_S + _COMBINED_FRAME_S * len(group.frames)
            tasks.append(Task(group.name, frozenset(needs), combine, cost))
            for job in plan.masks:
                if job.source == group.name:
                    mask = partial(self._timed, group.kind, self._mask, job)
                    tasks.append(Task(job.name, frozenset([group.name]), mask, _MASK_S))
        for group in plan.stored:
            for job in plan.masks:
                if job.source == group.name:
                    mask = partial(self._timed, group.kind, self._mask, job)
                    tasks.append(Task(job.name, frozenset(), mask, _MASK_S))
        for group in plan.uncombined:
            tasks += [self._frame_task(frame, group, made) for frame in group.frames]
            needs = {_RAW + frame.name for frame in group.frames}
            compare = partial(self._timed, group.kind, self._compare, group)
            tasks.append(Task(_COMPARED + group.name, frozenset(needs), compare, _COMPARE_S))
        return urgent_first(tasks + [self._frame_task(frame, None, made) for frame in plan.science])

    def _frame_task(self, frame: NightFrame, group: Group | None, made: set[str]) -> Task:
        needs = frozenset(made.intersection(frame_uses(self._plan, frame)))
        kind = Kind.SCIENCE if group is None else group.kind
        cost = _SCIENCE_S if group is None else _FRAME_S
        return Task(_RAW + frame.name, needs, partial(self._timed, kind, self._calibrate, frame, group), cost)

    def _timed(self, kind: str, do: Callable[..., object], what: NightFrame | Group | MaskJob, *more: object) -> None:
        """Carry out a task, and add up how long those of its kind took."""
        started = time.perf_counter()
        with span(f"task: {do.__name__.removeprefix('_')}", what.name):
            self._session.check_folder()
            do(what, *more)
            self._session.check_folder()
        with self._lock:
            self._seconds[str(kind)] = self._seconds.get(str(kind), 0.0) + time.perf_counter() - started

    def _result(self) -> NightResult:
        plan, started = self._plan, time.perf_counter()
        frames = tuple(self._frames[frame.name] for frame in plan.frames)
        groups = tuple(self._groups[group.name] for group in plan.groups)
        masks = tuple(self._masks[job.name] for job in plan.masks)
        shapes = {each.frame.target: each.outcome.shape_yx for each in frames if each.outcome.is_there}
        shapes |= {each.group.target: each.combined.shape_yx for each in groups if each.combined.is_there}
        check = check_files(shapes, unchanged_files(_read_back(frames, groups)), self._session.settings.executor)
        seconds = {**self._seconds, "read_back": time.perf_counter() - started}
        refused = tuple(str(each.problem) for each in plan.refused)
        uncombined = tuple(self._uncombined[group.name] for group in plan.uncombined)
        return NightResult(frames, refused, plan.incomplete, groups, masks, check, seconds, uncombined)

    def _calibrate(self, frame: NightFrame, group: Group | None, _busy: int) -> None:
        """Calibrate a frame; what goes wrong with it stands in its outcome, and stops no other."""
        outcome = attempt(frame.source, self._one, frame, group)
        if isinstance(outcome, FrameError):
            outcome = NightOutcome(frame, FrameOutcome(frame.source, "failed", str(outcome), frame.target))
        self._frames[frame.name] = outcome
        log_outcome(frame.source, outcome.outcome.state, outcome.outcome.reason)
        if self._progress is not None:
            self._progress("calibrating", next(self._finished) / self._total)

    def _one(self, frame: NightFrame, group: Group | None) -> NightOutcome:
        """Make one frame, or measure it where it is there already and up to date."""
        if frame.name in self._spared.frames:
            return self._spared.frames[frame.name]
        ready, lost = self._ready(frame)
        used = {name: self._keys[name] for name in frame_uses(self._plan, ready) if name in self._keys}
        up_to_date = self._session.statuses.frames[frame.name].up_to_date
        mark = None if up_to_date is None else up_to_date.source_mark
        known = self._session.statuses.sources
        seen = used | {other.name: known[other.name] for other in ready.others if other.name in known}
        if up_to_date is not None and (mark is None or frame_key(ready, mark.sha256, seen) != up_to_date.key):
            up_to_date = None
        made = self._backend.calibrate(ready, group, used, up_to_date)
        return NightOutcome(ready, made.outcome, made.said, lost)

    def _ready(self, frame: NightFrame) -> tuple[NightFrame, tuple[Kind, ...]]:
        """Return a frame with the steps that can be done, and those that cannot.

        Raises
        ------
        FrameError
            When it cannot do without: it is to be combined itself, or the recipe says so.
        """
        lost = [use for use in frame.steps.uses if use.name not in self._keys]
        if lost and (is_calibration(frame.kind) or self._plan.recipe.missing == "fail"):
            names = ", ".join(use.name for use in lost)
            raise FrameError(frame.source, f"needs {names}, which could not be made", "see why that failed")
        return without_lost(frame, self._keys), tuple(use.kind for use in lost)

    def _combine(self, group: Group, busy: int) -> None:
        """Combine a group."""
        used = {name: self._keys[name] for name in group_uses(self._plan, group) if name in self._keys}
        up_to_date = self._session.statuses.groups[group.name].mark
        frames = tuple(self._frames[frame.name] for frame in group.frames)
        spared = self._spared.groups.get(group.name)
        if spared is None:
            made = attempt(group.target, self._backend.combine, Combination(group, frames, used, up_to_date), busy)
        else:
            made = spared, list(frames)
        if isinstance(made, FrameError):
            made = GroupOutcome(group, CombinedOutcome(group.target, "failed", str(made))), list(frames)
        outcome, told = made
        self._groups[group.name] = outcome
        log_outcome(group.target, outcome.combined.state, outcome.combined.reason)
        self._frames.update({each.frame.name: each for each in told})
        if outcome.combined.is_there and outcome.combined.key is not None:
            self._keys[group.name] = outcome.combined.key
        if self._progress is not None:
            self._progress("combining", next(self._combined) / len(self._plan.groups))

    def _compare(self, group: Group, busy: int) -> None:
        """Judge the frames of a group that are not combined, and measure their noise."""
        frames = [self._frames[frame.name] for frame in group.frames]
        outcome, told = self._backend.compare(group, frames, busy)
        self._uncombined[group.name] = outcome
        self._frames.update({each.frame.name: each for each in told})

    def _mask(self, job: MaskJob, _busy: int) -> None:
        """Make a mask, or measure it again where it is there already and up to date."""
        if job.source not in self._keys:
            reason = f"{job.name}: needs {job.source}, which could not be made"
            self._masks[job.name] = MaskOutcome(job, "failed", reason)
            return
        source_key = self._keys[job.source]
        key, up_to_date = mask_key(job, source_key), self._session.statuses.masks[job.name].mark
        spared = self._spared.masks.get(job.name)
        made = attempt(job.target, self._backend.mask, job, key, source_key, up_to_date) if spared is None else spared
        if isinstance(made, FrameError):
            self._masks[job.name] = MaskOutcome(job, "failed", str(made))
        else:
            self._masks[job.name], self._keys[job.name] = made, key
        log_outcome(job.target, self._masks[job.name].state, self._masks[job.name].reason)


def _read_back(
    frames: Sequence[NightOutcome], groups: Sequence[GroupOutcome]
) -> Iterator[tuple[Path, str | None, Whole]]:
    """Yield the results that whoever wrote them has read back, with the stamps that they had then."""
    for each in frames:
        outcome = each.outcome
        if outcome.is_there and outcome.dtype:
            yield each.frame.target, outcome.stamp, Whole(outcome.shape_yx, outcome.dtype, outcome.bytes_out)
    for one in groups:
        combined = one.combined
        if combined.is_there and one.dtype:
            yield one.group.target, one.stamp, Whole(combined.shape_yx, one.dtype, combined.bytes_out)


def _import_what_threads_need(plan: NightPlan) -> None:
    """Import here what frames, masks and combinations import when they first need it."""
    wanted = [*READING, "numpy.fft", "numpy.random"]
    if plan.masks:
        wanted.append("zeroframe.run.mask")
    if any(frame.steps.cosmic_rays != "none" for frame in plan.science):
        wanted += ["zeroframe.frames.mosaic_stars", "zeroframe.kernels.lacosmic"]
    if any(FORMATS[frame.compress].is_tiled for frame in plan.frames):
        wanted += RICE
    import_ahead(*wanted)


def _backend_of(session: NightSession, keys: Mapping[str, str]) -> Backend:
    if session.settings.executor is None:
        return ThreadBackend(session, keys)
    from zeroframe.run.cluster import ExecutorBackend

    return ExecutorBackend(session, session.settings.executor)
