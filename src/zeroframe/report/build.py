"""The report of a night: from the plan and what came of it to what the page shows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zeroframe.fits.timeline import spanned
from zeroframe.planning.focal_plane import label_of
from zeroframe.planning.grouping import files_of_detectors, frames_words
from zeroframe.report.data import Fact, ReportData
from zeroframe.report.sections.focal_plane import focal_plane_section
from zeroframe.report.sections.glance import glance_section, moments_of
from zeroframe.report.sections.group import group_figures, only_group, title_words
from zeroframe.report.sections.kinds import kind_sections
from zeroframe.report.sections.provenance import input_file, software_facts
from zeroframe.report.sections.reading import open_night
from zeroframe.report.sections.science import measure_lights, science_section
from zeroframe.report.sections.stored import stored_section
from zeroframe.report.sections.verdict import night_figures, night_verdict

if TYPE_CHECKING:
    from zeroframe.planning.plan import NightPlan
    from zeroframe.run.outcomes import NightResult

__all__ = ["night_report_data"]


@spanned("measure for the page")
def night_report_data(
    plan: NightPlan,
    result: NightResult,
    *,
    command: str = "",
    workers: int | None = None,
) -> ReportData:
    """Gather what the page of a night shows.

    Pixels are read back from the raw and calibrated files, in bands: samples of frames that were combined, the combined
    frames and some science frames whole.

    Parameters
    ----------
    plan, result, command, workers
        As for `zeroframe.report.night_page`.

    Returns
    -------
    ReportData

    Raises
    ------
    FrameError
        When a file cannot be read back.
    """
    view = open_night(plan, result, workers)
    moments, lights, only = moments_of(view), measure_lights(view), only_group(view)
    kinds = (stored_section(view), *kind_sections(view), science_section(view, lights, moments))
    kinds = (focal_plane_section(view), *kinds)
    sections = (glance_section(view, moments), *(section for section in kinds if section is not None))
    return ReportData(
        title=title_words(plan),
        subtitle=_subtitle(plan, result),
        verdict=night_verdict(view, lights, plan.choices),
        figures=night_figures(view, lights) if only is None else group_figures(view, only),
        sections=sections,
        decisions=plan.choices,
        provenance=_provenance(result, command),
        inputs=tuple(input_file(each.outcome, {}, each.frame.name) for each in result.frames),
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )


def _subtitle(plan: NightPlan, result: NightResult) -> str:
    words = [_camera_words(plan)] if plan.camera is not None else []
    nights = sorted({frame.traits.night for frame in plan.frames if frame.traits.night is not None})
    if nights:
        words.append(f"night of {nights[0]}" if len(nights) == 1 else f"{len(nights)} nights from {nights[0]} on")
    frames = [each.frame for each in result.frames]
    counted = frames_words(len(frames)) + files_of_detectors(frames)
    return " · ".join([*words, counted, f"from {plan.raw}", f"to {plan.out}"])


def _camera_words(plan: NightPlan) -> str:
    """Return what the camera is called; of several detectors it is that of the first, whose name is left out."""
    title = "" if plan.camera is None else plan.camera.title or plan.camera.name
    labels = {label_of(frame) for frame in plan.frames}
    ends = [f" {label}" for label in labels if label and title.endswith(f" {label}")] if len(labels) > 1 else []
    return title.removesuffix(max(ends, key=len)) if ends else title


def _provenance(result: NightResult, command: str) -> tuple[Fact, ...]:
    found = [Fact("command", command)] if command else []
    ways: dict[str, list[str]] = {}
    for each in result.groups:  # those that are not to be combined are not among them
        spec, clipping = each.group.spec, each.combined.clipping
        rejection = spec.rejection if clipping is None else clipping.rejection
        ways.setdefault(f"{spec.method}, rejection: {rejection.in_words()}", []).append(each.group.label)
    found += [Fact(f"combined: {', '.join(labels)}", way) for way, labels in ways.items()]
    times = ", ".join(f"{name.replace('_', ' ')} {seconds:.1f} s" for name, seconds in result.seconds.items())
    found += [Fact("time", times)] if times else []
    return (*found, *software_facts())
