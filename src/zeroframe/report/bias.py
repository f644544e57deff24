"""The report of a folder of biases: from the plan and what came of it to what the page shows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zeroframe.report.data import Decision, Fact, Flag, Remark, ReportData, Section
from zeroframe.report.figures import (
    calibration_blink,
    combination_blinks,
    histogram_plot,
    levels_plot,
    noise_curve,
    noise_plot,
    overscan_plot,
    strip_plots,
)
from zeroframe.report.provenance import input_file, software_facts
from zeroframe.report.rows import frame_rows
from zeroframe.report.sampling import FrameSample, sample_frame, sample_frames, stack_of_samples
from zeroframe.report.verdict import Measured, bias_figures, bias_verdict, unit_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zeroframe.combining import CombineSpec
    from zeroframe.frame_quality import Flag as QualityFlag
    from zeroframe.frames import FrameOutcome
    from zeroframe.inspection.result import OverscanInspection
    from zeroframe.plan import BiasPlan
    from zeroframe.report.data import Blink, FrameRow, Plot
    from zeroframe.report.figures import NoiseCurve
    from zeroframe.results import BiasResult

__all__ = ["bias_report_data"]


def bias_report_data(
    plan: BiasPlan,
    result: BiasResult,
    *,
    command: str = "",
    inspection: OverscanInspection | None = None,
    flags: Sequence[QualityFlag] = (),
    checksums: Mapping[Path, str] | None = None,
    facts: Sequence[Fact] = (),
    workers: int | None = None,
) -> ReportData:
    """Gather what the page of a run over biases shows.

    Pixels are read back from the raw and calibrated files, in bands: a sample of each frame, one raw, one calibrated
    and the combined frame whole.

    Parameters
    ----------
    plan : BiasPlan
        What was to be done.
    result : BiasResult
        What was done.
    command : str
        The command line.
    inspection : OverscanInspection, optional
        Whose profiles and sentences are shown.
    flags : sequence of zeroframe.frame_quality.Flag
        Frames that should be looked at, by their raw or calibrated file.
    checksums : mapping of path to str, optional
        By raw file; by default those that the run has read.
    facts : sequence of Fact
        More of the provenance.
    workers : int, optional
        How many threads.

    Returns
    -------
    ReportData

    Raises
    ------
    FrameError
        When a file cannot be read back.
    """
    usable = [frame for frame in result.frames if frame.target is not None and frame.is_there]
    by_target = sample_frames([frame.target for frame in usable if frame.target is not None], workers)
    read = list(by_target.values())
    usable = [frame for frame in usable if frame.target in by_target]
    samples = {frame.source: sample for frame, sample in zip(usable, read, strict=True)}
    curve = _noise_curve(plan, result, read, workers)
    flags_of = _flags_by_source(result, flags)
    rows = frame_rows(result.frames, samples, flags_of)
    decisions = tuple(Decision(c.what, c.value, c.reason, c.certain) for c in plan.choices)
    levels = [(row.raw_level, row.level) for row in rows if row.level is not None]
    measured = Measured(curve[-1][1] if curve else result.noise, tuple(raw for raw, _ in levels if raw is not None))
    section = Section(
        "Bias",
        unit_of(plan),
        tuple(Remark(sentence) for sentence in (inspection.sentences if inspection is not None else ())),
        _blinks(plan, result, usable, flags_of),
        _plots(plan, result, rows, read, inspection, curve),
        rows,
    )
    return ReportData(
        title="Biases calibrated" + (" and combined" if plan.combine is not None else ""),
        subtitle=_subtitle(plan, result),
        verdict=bias_verdict(plan, result, measured, rows, decisions),
        figures=bias_figures(plan, result, measured),
        sections=(section,),
        decisions=decisions,
        provenance=_provenance(plan, result, command, facts),
        inputs=tuple(input_file(frame, checksums or {}) for frame in result.frames),
    )


def _flags_by_source(result: BiasResult, flags: Sequence[QualityFlag]) -> dict[Path, list[Flag]]:
    """Return flags by raw file; those of frames that were left out for it are graver."""
    source_of = {frame.target: frame.source for frame in result.frames}
    left_out = result.combined.outliers if result.combined is not None else ()
    found: dict[Path, list[Flag]] = {}
    for flag in dict.fromkeys((*left_out, *flags)):
        gone = flag in left_out
        sentence = flag.sentence + ("; left out of the combined frame" if gone else "")
        found.setdefault(source_of.get(flag.path, flag.path), []).append(Flag(flag.what, sentence))
    return found


def _subtitle(plan: BiasPlan, result: BiasResult) -> str:
    words = [plan.camera.title or plan.camera.name] if plan.camera is not None else []
    words.append(f"{len(result.frames)} bias frame{'' if len(result.frames) == 1 else 's'}")
    if result.frames:
        words.append(f"from {result.frames[0].source.parent}")
    return " · ".join([*words, f"to {plan.out}"])


def _noise_curve(plan: BiasPlan, result: BiasResult, samples: Sequence[FrameSample], workers: int | None) -> NoiseCurve:
    """Measure noise against the number of frames; nothing for sums, whose noise grows."""
    if plan.combine is None or plan.combine.spec.method == "sum" or len(samples) < 2:
        return ()
    spec = _spec_used(plan.combine.spec, result)
    if spec.rejection.drop_low + spec.rejection.drop_high > 0:  # halves of the first two frames have nothing left
        return ()
    same = result.combined is not None and result.combined.frames == len(samples)
    return noise_curve(stack_of_samples(samples), spec, result.noise if same else None, workers)


def _spec_used(spec: CombineSpec, result: BiasResult) -> CombineSpec:
    """Return how frames were combined, with the noise that was measured for it."""
    clipping = result.combined.clipping if result.combined is not None else None
    return spec if clipping is None else replace(spec, rejection=clipping.rejection)


def _blinks(
    plan: BiasPlan, result: BiasResult, usable: Sequence[FrameOutcome], flags: Mapping[Path, Sequence[Flag]]
) -> tuple[Blink, ...]:
    """Show the first frame that nothing is to be said about."""
    if not usable or not plan.calibrate:
        return ()
    frame = next((frame for frame in usable if not flags.get(frame.source)), usable[0])
    if frame.target is None:
        return ()
    unit = unit_of(plan)
    blinks = [calibration_blink(frame.source, frame.target, plan.calibrate[0].recipe, unit)]
    combined = result.combined
    if combined is not None and combined.is_there:
        blinks += combination_blinks(frame.target, combined.target, combined.frames, unit)
    return tuple(blinks)


def _plots(
    plan: BiasPlan,
    result: BiasResult,
    rows: Sequence[FrameRow],
    samples: Sequence[FrameSample],
    inspection: OverscanInspection | None,
    curve: NoiseCurve,
) -> tuple[Plot, ...]:
    if not samples or not plan.calibrate:
        return ()
    unit, recipe = unit_of(plan), plan.calibrate[0].recipe
    plots: list[Plot | None] = list(strip_plots(inspection)) if inspection is not None else []
    if not plots:
        plots.append(overscan_plot(result.done[0].source, recipe, unit))
    excess = result.combined.excess if result.combined is not None else None
    plots.append(noise_plot(curve, unit, None if excess is None else excess.ideal_adu))
    measured = [row for row in rows if row.level is not None]
    if len(measured) > 1:
        plots.append(levels_plot(measured, unit, has_overscan=recipe.overscan is not None))
    combined = None
    if result.combined is not None and result.combined.is_there:
        combined = sample_frame(result.combined.target, 1).pixels
    plots.append(histogram_plot(samples[0].pixels, combined, unit))
    return tuple(plot for plot in plots if plot is not None)


def _provenance(plan: BiasPlan, result: BiasResult, command: str, facts: Sequence[Fact]) -> tuple[Fact, ...]:
    found = [Fact("command", command)] if command else []
    if plan.combine is not None:
        spec = _spec_used(plan.combine.spec, result)
        found.append(Fact("combined by", f"{spec.method}, rejection: {spec.rejection.describe()}"))
    return (*found, *software_facts(), *facts)
