"""The result of a run that has kept everything: nothing is measured again, the figures are those of run.json."""

from __future__ import annotations

import json
import math
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.fits.events import log_outcome
from zeroframe.fits.store.names import any_remote
from zeroframe.frames.quality import FrameQuality
from zeroframe.records import dataclass
from zeroframe.review import Finding
from zeroframe.run.checks import Whole, check_files, unchanged_files
from zeroframe.run.combined_outcome import CombinedOutcome
from zeroframe.run.figures import FRAME_CARDS
from zeroframe.run.keys import as_data
from zeroframe.run.outcomes import GroupOutcome, MaskOutcome, NightOutcome, NightResult
from zeroframe.run.result_files import UP_TO_DATE_COMBINED
from zeroframe.run.session import recorded_night
from zeroframe.run.status import result_name
from zeroframe.stacks.noise import StackNoise

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping
    from pathlib import Path

    from zeroframe.frames.raw import FrameOutcome
    from zeroframe.planning.plan import Group, MaskJob, NightFrame
    from zeroframe.run.record import OutputMark
    from zeroframe.run.session import NightSession
    from zeroframe.run.status import NightStatuses

__all__ = [
    "NOTHING_SPARED",
    "Spared",
    "earlier_figures",
    "is_kept",
    "kept_figures",
    "kept_findings",
    "result_of_kept",
    "spared_results",
]

_UNITS = {"e": "electron"}


@dataclass(frozen=True)
class Spared:
    """Results that are up to date, that nothing is made of, and whose figures are known: they are not read again.

    Attributes
    ----------
    frames, groups, masks : mapping
        Their outcomes, by the names that the plan gives them.
    findings : tuple of Finding
        What an earlier run found on them alone: some of it rests on pixels, which are not read now.
    """

    frames: Mapping[str, NightOutcome] = field(default_factory=dict)
    groups: Mapping[str, GroupOutcome] = field(default_factory=dict)
    masks: Mapping[str, MaskOutcome] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


#: Of a run that measures everything, as by default.
NOTHING_SPARED = Spared()


def is_kept(session: NightSession) -> bool:
    """Say whether all results are there already, of the same plan, and all was well: then all findings hold, too.

    Of another plan, which may leave other files alone or judge findings otherwise, everything is measured again.
    """
    plan, statuses = session.plan, session.statuses
    record = statuses.record
    if not (record.was_good and statuses.nothing_to_do and "findings" in record.this_run):
        return False
    same_choices = record.choices == [as_data(choice) for choice in plan.choices]
    return same_choices and json.loads(json.dumps(recorded_night(plan))) == record.recipe


def earlier_figures(session: NightSession) -> Mapping[str, Mapping[str, float]]:
    """Return the figures that run.json holds, by the name of the result."""
    figures: Mapping[str, Mapping[str, float]] = session.statuses.record.this_run.get("figures", {})
    return figures


def kept_figures(session: NightSession) -> Mapping[str, Mapping[str, float]]:
    """Return those of them that are of results that are there and up to date."""
    plan, statuses = session.plan, session.statuses
    names = {result_name(plan, each.target) for each in statuses.frames.values() if each.verdict == "keep"}
    for of in (statuses.groups, statuses.masks):
        names |= {name for name, each in of.items() if each.verdict == "keep"}
    return {name: of for name, of in earlier_figures(session).items() if name in names}


def kept_findings(session: NightSession) -> tuple[Finding, ...]:
    """Return the findings that run.json holds."""
    return tuple(
        Finding(
            each["code"],
            each["severity"],
            each["sentence"],
            tuple(each["frames"]),
            _number(each["figure"]),
            _number(each["expected"]),
            each["remedy"],
        )
        for each in session.statuses.record.this_run["findings"]
    )


def _number(said: float | str | None) -> float | None:
    """Return a figure; what is no finite number stands in run.json as text."""
    return None if said is None else float(said)


def spared_results(session: NightSession) -> Spared:
    """Return the results of a session that need not be read again, since run.json has their figures.

    Frames of a group that is made anew are read: they are judged against each other.

    Parameters
    ----------
    session : NightSession
        That has begun, so that it is known what is there and up to date.
    """
    plan, figures, run = session.plan, earlier_figures(session), session.statuses.record.this_run
    lacking = {each["name"] for each in run.get("frames", []) if each.get("lost")}
    groups = {each.group.name: each for each in _kept_groups(session) if each.group.name in figures}
    alone = [*plan.science, *(frame for group in plan.groups if group.name in groups for frame in group.frames)]
    known = [frame.name for frame in alone if result_name(plan, frame.target) in figures]
    frames = {each.frame.name: each for each in _kept_frames(session, set(known) - lacking)}
    masks = {each.job.name: each for each in _kept_masks(session) if each.job.name in figures}
    names = {*frames, *groups, *masks, *(result_name(plan, each.frame.target) for each in frames.values())}
    findings = kept_findings(session) if "findings" in run else ()
    return Spared(frames, groups, masks, tuple(each for each in findings if each.frames and names >= {*each.frames}))


def _kept_frames(session: NightSession, names: Container[str]) -> Iterator[NightOutcome]:
    plan, statuses, figures = session.plan, session.statuses, earlier_figures(session)
    ended = {each["name"]: each for each in statuses.record.this_run.get("frames", [])}
    for frame in plan.frames:
        up_to_date = statuses.frames[frame.name].up_to_date
        if frame.name in names and up_to_date is not None and up_to_date.source_mark is not None:
            if ended.get(frame.name, {}).get("state") == "left out":
                up_to_date = replace(up_to_date, state="left out", reason=ended[frame.name]["reason"])
            yield _frame(frame, up_to_date, figures.get(result_name(plan, frame.target), {}))


def _kept_groups(session: NightSession) -> Iterator[GroupOutcome]:
    figures = earlier_figures(session)
    for group in session.plan.groups:
        mark = session.statuses.groups[group.name].mark
        if mark is not None:
            yield _combined(group, mark, figures.get(group.name, {}))


def _kept_masks(session: NightSession) -> Iterator[MaskOutcome]:
    figures = earlier_figures(session)
    for job in session.plan.masks:
        mark = session.statuses.masks[job.name].mark
        if mark is not None:
            yield _mask(job, mark, figures.get(job.name, {}))


def result_of_kept(session: NightSession) -> NightResult:
    """Say that all results are there already.

    Parameters
    ----------
    session : NightSession
        Whose results are all up to date.
    """
    plan, figures = session.plan, earlier_figures(session)
    frames = list(_kept_frames(session, {frame.name for frame in plan.frames}))
    groups, masks = list(_kept_groups(session)), list(_kept_masks(session))
    shapes = {each.frame.target: each.outcome.shape_yx for each in frames}
    # the stamps of a store are what they were, and headers stand all over a combined frame
    if not any_remote(plan.out):
        shapes |= {each.group.target: each.combined.shape_yx for each in groups}
    uncombined = tuple(
        GroupOutcome(group, CombinedOutcome(group.target, "not asked for", noise=_noise(figures.get(group.name, {}))))
        for group in plan.uncombined
    )
    return NightResult(
        tuple(frames),
        tuple(str(each.problem) for each in plan.refused),
        plan.incomplete,
        tuple(groups),
        tuple(masks),
        check_files(shapes, unchanged_files(_known(session.statuses, shapes))),
        uncombined=uncombined,
    )


def _known(statuses: NightStatuses, shapes: Mapping[Path, tuple[int, int]]) -> Iterator[tuple[Path, str | None, Whole]]:
    """Yield what the run found of results that read them back, with their stamps; nothing where types differ."""
    dtypes = statuses.record.this_run.get("dtypes", [])
    for each in statuses.all if len(dtypes) == 1 else ():
        if each.mark is not None and each.target in shapes:
            yield each.target, each.mark.stamp, Whole(shapes[each.target], dtypes[0], each.mark.byte_count)


def _of(figures: Mapping[str, float], name: str) -> tuple[float, str]:
    """Return a figure by its name without the unit, and the unit; NaN where it is not known."""
    for key, value in figures.items():
        figure, _, unit = key.rpartition("_")
        if figure == name:
            return value, unit
    return math.nan, ""


def _frame(frame: NightFrame, up_to_date: FrameOutcome, figures: Mapping[str, float]) -> NightOutcome:
    level, unit = _of(figures, "level")
    noise, _ = _of(figures, "noise")
    quality = None
    if math.isfinite(noise):
        none = np.empty((0, 0), np.float32)
        saturated, not_finite = (int(figures.get(f"{name}_pixels", 0)) for name in ("saturated", "not_finite"))
        quality = FrameQuality(level, noise, saturated, not_finite, int(figures.get("pixels", 0)), none)
    said: dict[str, Any] = {card: figures[name] for name, card in FRAME_CARDS.items() if name in figures}
    said |= {card: int(said[card]) for card in ("NMASKED", "NUNLIT", "NCOSMIC", "NNOTFIN") if card in said}
    if unit:
        said["BUNIT"] = _UNITS.get(unit, unit)
    outcome = replace(
        up_to_date,
        shape_yx=frame.shape_yx,
        bytes_in=0 if up_to_date.source_mark is None else up_to_date.source_mark.byte_count,
        raw_level_adu=figures.get("raw_level_adu", math.nan),
        level_adu=level,
        quality=quality,
    )
    log_outcome(frame.source, outcome.state, outcome.reason)
    return NightOutcome(frame, outcome, said)


def _noise(figures: Mapping[str, float]) -> StackNoise | None:
    names = ("pixel_noise", "noise_of_one_frame", "noise", "expected_noise")
    single, calibrated, combined, expected = (_or_none(_of(figures, name)[0]) for name in names)
    if single is None and calibrated is None and combined is None:
        return None
    return StackNoise(single, calibrated, combined, expected, _of(figures, "scatter")[0])


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _combined(group: Group, mark: OutputMark, figures: Mapping[str, float]) -> GroupOutcome:
    level, noise = _of(figures, "level")[0], _noise(figures)
    named = {"GAINMEAS": "gain_e_per_adu", "GAINERR": "gain_error_e_per_adu"}
    combined = CombinedOutcome(
        group.target,
        "skipped",
        f"{group.target}: {UP_TO_DATE_COMBINED}",
        frames=len(mark.sources),
        bytes_out=mark.byte_count,
        shape_yx=group.frames[0].shape_yx,
        level=level,
        noise=noise,
        rejected=int(figures.get("rejected_values", 0)),
        key=mark.key,
        crc32=mark.crc32,
        sources=mark.sources,
    )
    log_outcome(group.target, combined.state, combined.reason)
    said: dict[str, Any] = {card: figures[name] for card, name in named.items() if name in figures}
    if group.scaled_by_level and math.isfinite(level):
        said["FLATLEVL"] = level
    return GroupOutcome(group, combined, said=said, stamp=mark.stamp)


def _mask(job: MaskJob, mark: OutputMark, figures: Mapping[str, float]) -> MaskOutcome:
    count, pixels = (int(figures.get(name, 0)) for name in ("masked_pixels", "pixels"))
    kept = MaskOutcome(
        job, "skipped", f"{job.target}: {UP_TO_DATE_COMBINED}", count, pixels, key=mark.key, crc32=mark.crc32
    )
    return replace(kept, bytes_out=mark.byte_count, stamp=mark.stamp)
