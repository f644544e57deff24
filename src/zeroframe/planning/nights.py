"""Many nights, one after the other: each is planned with what the others can lend it, and then forgotten.

A night that lacks a bias, dark or flat borrows the raw frames of the nearest night that has them within the tolerances
(``[tolerances]`` of the recipe: so many nights for each kind). It is planned as if they were calibrated and combined
among its own results, with what it needs in view: whether a dark keeps its bias, for example, depends on the frames
that it serves. What another night has made already in the very same way is then taken from there
(`zeroframe.planning.lending`).
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from zeroframe.fits.inputs import Inputs
from zeroframe.fits.part_paths import file_of
from zeroframe.headers.extensions import as_extension
from zeroframe.headers.kinds import Kind, calibration_kind, calibration_kinds
from zeroframe.headers.survey import of_detector, survey
from zeroframe.headers.trees import tree_files
from zeroframe.planning.calendar import make_calendar
from zeroframe.planning.colours import colours_by_pixels
from zeroframe.planning.detect import camera_with_extensions, look_at_pixels, with_detectors_seen
from zeroframe.planning.full_wells import share_full_wells
from zeroframe.planning.no_exposure import with_darks_as_biases
from zeroframe.planning.planning import plan_night
from zeroframe.planning.select import NightContext
from zeroframe.planning.stored_folders import library_of, stored_items
from zeroframe.planning.targets import check_output_beside, check_output_folder, refuse_among
from zeroframe.planning.twins import twins_aside
from zeroframe.planning.uses import noise_group
from zeroframe.records import dataclass
from zeroframe.workers import AS_USUAL, JobResources

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zeroframe.headers.survey import RawFrame
    from zeroframe.inspection import OverscanInspection
    from zeroframe.planning.calendar import Calendar, Night
    from zeroframe.planning.library import Library
    from zeroframe.planning.plan import Group, NightFrame, NightPlan
    from zeroframe.planning.recipe import NightRecipe
    from zeroframe.planning.stored import StoredItem

__all__ = ["BORROWED", "NightSeries", "nights_of_list", "nights_of_tree"]

#: The folder within that of a night for what it has borrowed.
BORROWED = "borrowed"


@dataclass(frozen=True)
class NightSeries:
    """Nights that are planned one by one.

    Attributes
    ----------
    calendar : Calendar
        Which files belong to which night.
    raw : pathlib.Path
        The folder that all of them are in.
    out : pathlib.Path
        Results of each night go into a folder within, called as the night.
    recipe : NightRecipe
        What was asked for.
    overwrite : bool
        Whether files that are there already may be replaced.
    listed : bool
        Whether the frames were named one by one: then nothing is written into the folders that they are in, and other
        folders within ``raw`` are as good as any.
    resources : JobResources
        What may be used to plan them.
    """

    calendar: Calendar
    raw: Path
    out: Path
    recipe: NightRecipe
    overwrite: bool = False
    listed: bool = False
    resources: JobResources = AS_USUAL

    @cached_property
    def _inputs(self) -> Inputs:
        nights = (*self.calendar.nights, *self.calendar.idle)
        return Inputs.of(Path(path) for night in nights for path in night.files)

    @cached_property
    def stored(self) -> list[StoredItem]:
        """Combined frames that exist already, for all nights."""
        return stored_items(self.recipe, self.resources)

    @cached_property
    def library(self) -> Library | None:
        """A library of such."""
        return library_of(self.recipe)

    @cached_property
    def _by_day(self) -> dict[int, Night]:
        return {night.day: night for night in (*self.calendar.nights, *self.calendar.idle) if night.day is not None}

    def plan(self, night: Night, *, mem_limit_bytes: int | None = None) -> NightPlan:
        """Plan one night, with what it borrows.

        Parameters
        ----------
        night : Night
            One of the calendar.
        mem_limit_bytes : int, optional
            What of the memory is left for it.

        Returns
        -------
        NightPlan
            Whose ``found`` are its own files, and the frames that it borrows.

        Raises
        ------
        ZeroframeError
            As `zeroframe.planning.planning.plan_night` does.
        """
        own = self._survey([Path(each) for each in night.files])
        planner = _Planner(self, night, own)
        found, twins = twins_aside([*own, *self._borrowed(planner, night)])
        resources = self.resources._replace(mem_limit_bytes=mem_limit_bytes)
        found = with_detectors_seen(found, self.recipe, resources)
        found = found if self.stored or self.library is not None else [*with_darks_as_biases(found)]
        evidence = look_at_pixels(found, self.recipe, resources)
        plan = colours_by_pixels(twins.told_by(planner.plan(found, self.recipe, evidence)), resources.executor)
        plan = share_full_wells(plan, resources)
        # what one night writes may lie where the frames of another one do
        refuse_among(self._inputs, {self.out, plan.out, *(frame.target.parent for frame in plan.frames)})
        return plan

    def lenders(self, plan: NightPlan, night: Night) -> list[Night]:
        """Return the nights from which a plan has borrowed raw frames, in the order of their dates.

        Parameters
        ----------
        plan : NightPlan
            From `plan`, of this night.
        night : Night
            The night.
        """
        own = set(night.files)
        borrowed = {str(file_of(frame.source)) for group in plan.groups for frame in group.frames} - own
        return [other for other in self.calendar.nights if not borrowed.isdisjoint(other.files)] if borrowed else []

    def _survey(self, paths: Sequence[Path]) -> list[RawFrame]:
        within, frames = None if self.listed else self.raw, self.recipe.frames
        found = survey(
            paths,
            workers=self.resources.workers,
            ext=as_extension(frames.ext),
            camera=camera_with_extensions(self.recipe),
            words=self.recipe.all_words,
            within=within,
            executor=self.resources.executor,
        )
        return of_detector(found, frames.detector)

    def _borrowed(self, planner: _Planner, night: Night) -> list[RawFrame]:
        """Return the frames of other nights that a night needs; those that are further off are not even looked at."""
        lent: list[RawFrame] = []
        trial = planner.trial(lent)
        wanted = planner.wanted(trial)
        for others in self._ever_further(night):
            if not wanted:
                break
            kinds = {kind for each in wanted for kind in (each, *calibration_kind(each).needs)}
            paths = [Path(path) for other in others for kind in kinds for path in other.calibrations[kind]]
            known = {file_of(item.path) for item in lent}
            new = [path for path in paths if path not in known]
            if new:
                lent += self._survey(new)
                planner.lenders |= {Path(path): other for other in others for path in other.files}
                trial = planner.trial(lent)
                wanted = planner.wanted(trial)
        used = {frame.source for frame in planner.used(trial)}
        return [item for item in lent if item.path in used]

    def _ever_further(self, night: Night) -> Iterator[list[Night]]:
        """Yield the nights about a night: to a distance of 1, 2, 4, ... and at last as far as any tolerance goes.

        What is chosen is of the nearest night, so it does not depend on how far one looks beyond.
        """
        limits = self.recipe.tolerances
        most = int(max(getattr(limits, row.nights_tolerance) for row in calibration_kinds()))
        most = min(most, max(self._by_day, default=0) - min(self._by_day, default=0))
        if night.day is None or self.recipe.nights.borrow == "none":
            return
        reach, last = 1, 0
        while last < most:
            reach = min(reach, most)
            days = [night.day - distance for distance in range(1, reach + 1)]
            if self.recipe.nights.borrow == "both":
                days += [night.day + distance for distance in range(1, reach + 1)]
            yield [self._by_day[day] for day in days if day in self._by_day]
            reach, last = 2 * reach, reach


@dataclass
class _Planner:
    """Plans one night with more and more of what others can lend."""

    nights: NightSeries
    night: Night
    own: Sequence[RawFrame]

    def __post_init__(self) -> None:
        self.lenders: dict[Path, Night] = {}
        self._own = {item.path for item in self.own}

    def trial(self, lent: Sequence[RawFrame]) -> NightPlan:
        """Plan with frames of other nights, to see what is chosen."""
        return self.plan([*self.own, *lent], replace(self.nights.recipe, missing="leave"))

    def plan(
        self, found: Sequence[RawFrame], recipe: NightRecipe, evidence: OverscanInspection | None = None
    ) -> NightPlan:
        """Plan with all of these; what pixels say of the overscan changes nothing in who needs whom."""
        nights = self.nights
        folders = {item.path: self._folder(item.path) for item in found}
        raw_folders = tuple(sorted({path.parent for path in folders})) if nights.listed else ()
        return plan_night(
            found,
            nights.raw,
            nights.out / self.night.name,
            recipe,
            evidence=evidence,
            overwrite=nights.overwrite,
            context=NightContext(nights.calendar.noon_s, folders, raw_folders),
            stored=nights.stored,
            library=nights.library,
        )

    def _folder(self, path: Path) -> Path:
        """Return where the result of a raw frame goes within the folder of the night."""
        lender = self.lenders.get(file_of(path))
        whose = self.night if lender is None else lender
        within = Path(os.path.relpath(path.parent, whose.folder))
        within = Path() if ".." in within.parts else within  # a file that takes no part lies elsewhere
        return within if lender is None else Path(BORROWED, lender.name, within)

    def wanted(self, trial: NightPlan) -> set[Kind]:
        """Return the kinds of combined frames that the night lacks."""
        missing = {match.what for frame in self.used(trial) for match in frame.matches if match.is_missing}
        if any(_lacks_noise(trial, frame) for frame in self._own_frames(trial)):
            missing.add(Kind.BIAS)
        return missing

    def used(self, trial: NightPlan) -> list[NightFrame]:
        """Return the own frames, and those of others that they need, be it for a frame that they need."""
        groups = {group.name: group for group in trial.groups}
        sources = {job.name: job.source for job in trial.masks}
        used: dict[str, NightFrame] = {}
        left = list(self._own_frames(trial))
        while left:
            frame = left.pop()
            if frame.name not in used:
                used[frame.name] = frame
                for name in _needs(trial, frame):
                    left += _members(groups, sources.get(name, name))
        return list(used.values())

    def _own_frames(self, trial: NightPlan) -> Iterable[NightFrame]:
        return (frame for frame in trial.frames if frame.source in self._own)


def _members(groups: dict[str, Group], name: str) -> tuple[NightFrame, ...]:
    return groups[name].frames if name in groups else ()


def _needs(trial: NightPlan, frame: NightFrame) -> list[str]:
    """Return the names of what a frame is calibrated with, and of what tells its noise where no header does."""
    known = noise_group(trial, frame) if _wants_noise(frame) else None
    return [*frame.steps.needs, *([] if known is None else [known.name])]


def _wants_noise(frame: NightFrame) -> bool:
    return frame.steps.uncertainty and frame.steps.read_noise_e is None


def _lacks_noise(trial: NightPlan, frame: NightFrame) -> bool:
    return _wants_noise(frame) and noise_group(trial, frame) is None


def nights_of_tree(
    raw: Path,
    out: Path,
    recipe: NightRecipe,
    *,
    overwrite: bool = False,
    resources: JobResources = AS_USUAL,
) -> NightSeries:
    """Find the nights in a folder and in those within: a folder a night, or all in one.

    Parameters
    ----------
    raw, out : pathlib.Path
        Where the frames are, and where the folders of the nights go.
    recipe : NightRecipe
        What is asked for.
    overwrite, resources
        As for `zeroframe.planning.asking.planned`.

    Returns
    -------
    NightSeries

    Raises
    ------
    NoFramesError
        When there is no FITS file, or a folder cannot be read.
    RawFolderError
        When results would be written into the raw folder.
    """
    check_output_folder(raw, out)
    calendar = make_calendar(tree_files(raw, output=out), recipe, within=raw, resources=resources)
    return NightSeries(calendar, raw, out, recipe, overwrite, resources=resources)


def nights_of_list(
    paths: Sequence[Path],
    out: Path,
    recipe: NightRecipe,
    *,
    overwrite: bool = False,
    resources: JobResources = AS_USUAL,
) -> NightSeries:
    """Find the nights of raw frames that are named one by one, as by `zeroframe.planning.manifest.read_manifest`.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        Absolute.
    out, recipe, overwrite, resources
        As for `nights_of_tree`.

    Returns
    -------
    NightSeries

    Raises
    ------
    NoFramesError
        When none is a FITS file.
    RawFolderError
        When results would be written into a folder that one of them is in.
    """
    folders = sorted({path.parent for path in paths})
    check_output_beside(folders, out)
    calendar = make_calendar(paths, recipe, sifts=False, resources=resources)
    raw = Path(os.path.commonpath(folders))
    return NightSeries(calendar, raw, out, recipe, overwrite, listed=True, resources=resources)
