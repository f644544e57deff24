"""The verdict of a run over biases: what a person reads first, and the few numbers that sum it up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zeroframe.report.data import KeyFigure, Remark, Verdict
from zeroframe.report.plots import number, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroframe.plan import BiasPlan
    from zeroframe.quality import StackNoise
    from zeroframe.report.data import Decision, FrameRow, Tone
    from zeroframe.results import BiasResult, CombinedOutcome

__all__ = ["Measured", "bias_figures", "bias_verdict", "noise_and_ideal", "noise_remarks", "some_remarks", "unit_of"]

_TOO_NOISY = 0.10
_MOST_SENTENCES = 6


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of the frames together.

    Attributes
    ----------
    noise : StackNoise or None
        Of the frames and of their combination, by the run or by the report.
    raw_levels : tuple of float
        Of the raw frames, as far as they are known.
    """

    noise: StackNoise | None
    raw_levels: tuple[float, ...]


def unit_of(plan: BiasPlan) -> str:
    """Return the unit of the frames, as people write it."""
    for item in plan.found:
        if plan.calibrate and item.path == plan.calibrate[0].source:
            unit = item.form[2]
            return "ADU" if unit == "adu" else unit
    return "ADU"


def some_remarks(sentences: Sequence[str], tone: Tone, where: str = "in the table of frames") -> list[Remark]:
    """Return the first few of many sentences, and say where the others are."""
    more = len(sentences) - _MOST_SENTENCES
    shown = [Remark(sentence, tone) for sentence in sentences[:_MOST_SENTENCES]]
    return [*shown, Remark(f"and {more} more, {where}", tone)] if more > 0 else shown


def _what_is_wrong(result: BiasResult) -> list[str]:
    combined = result.combined
    bad = [frame.reason for frame in result.frames if frame.state == "failed"] + list(result.check.problems)
    if combined is not None:
        bad += [*([] if combined.is_there else [combined.reason]), *combined.left_out]
    return bad


def _what_was_done(result: BiasResult) -> str:
    total, failed = len(result.frames), sum(frame.state == "failed" for frame in result.frames)
    what = "bias" if total == 1 else "biases"
    done = f"{total} {what}" if not failed else f"{total - failed} of {total} {what}"
    return f"{done} calibrated" + (" and combined" if result.combined is not None and result.combined.is_there else "")


def bias_verdict(
    plan: BiasPlan, result: BiasResult, measured: Measured, rows: Sequence[FrameRow], decisions: Sequence[Decision]
) -> Verdict:
    """Say first what went wrong, then what is to be looked at, then what speaks for the result.

    Parameters
    ----------
    plan, result
        The run.
    measured : Measured
        Of its frames.
    rows : sequence of FrameRow
        With the flags.
    decisions : sequence of Decision
        Those that are not certain are to be looked at.

    Returns
    -------
    Verdict
    """
    bad = _what_is_wrong(result)
    look = [f"{row.name}: {flag.sentence}" for row in rows for flag in row.flags]
    look += [f"{d.what}: {d.value} — {d.reason}" for d in decisions if not d.certain]
    noise = noise_remarks(result.combined, measured.noise, unit_of(plan))
    told = [*noise, _overscan_remark(decisions), _rejected_remark(result.combined)]
    remarks = (
        *some_remarks(bad, "bad"),
        *some_remarks(look, "note"),
        *(remark for remark in told if remark is not None),
    )
    done = _what_was_done(result)
    if bad:
        return Verdict("bad", f"Not all is well: {done}.", remarks)
    number_to_look = len(look) + any(remark.tone == "note" for remark in noise)
    if number_to_look:
        things = "one thing" if number_to_look == 1 else f"{number_to_look} things"
        return Verdict("note", f"{done}; {things} to look at.", remarks)
    return Verdict("good", f"All is well: {done}.", remarks)


def noise_and_ideal(combined: CombinedOutcome | None, noise: StackNoise | None) -> tuple[float, float] | None:
    """Return the noise of the combined frame, and what one frame's over the root of their number is."""
    if combined is None or not combined.is_there:
        return None
    if combined.excess is not None and combined.excess.ideal_adu > 0:
        return combined.excess.combined_adu, combined.excess.ideal_adu
    return (noise.combined, noise.expected) if noise is not None and noise.combined and noise.expected else None


def noise_remarks(
    combined: CombinedOutcome | None, measured: StackNoise | None, unit: str, what: str = "the combined frame"
) -> list[Remark]:
    """Compare the noise of the combined frame with one frame's / sqrt(N), and say what remains where it is more."""
    found = noise_and_ideal(combined, measured)
    if found is None or combined is None:
        return []
    noise, ideal = found
    excess = noise / ideal - 1
    text = (
        f"Noise of {what}: {number(noise, 3)} {unit}, {percent(abs(excess))} "
        f"{'above' if excess > 0 else 'below'} σ/√{combined.frames} = {number(ideal, 3)}, "
        "where σ is that of one frame."
    )
    if excess <= _TOO_NOISY:
        return [Remark(text, "good")]
    parts = () if combined.excess is None else combined.excess.parts
    said = "".join(f"; {part.sentence} (adds {number(part.noise_adu, 2)})" for part in parts)
    return [Remark(f"{text} What remains{said.replace(';', ':', 1) or ' is not explained'}.", "note")]


def _overscan_remark(decisions: Sequence[Decision]) -> Remark | None:
    """Say what was decided on the overscan; a guess stands among what is to be looked at."""
    for decision in decisions:
        if decision.what == "overscan" and decision.certain:
            return Remark(f"Overscan {decision.value}: {decision.reason}.")
    return None


def _rejected(combined: CombinedOutcome | None) -> tuple[float, float | None] | None:
    """Return which fraction of the values was rejected, and which would be of normal noise alone."""
    if combined is None or not combined.is_there:
        return None
    clipping = combined.clipping
    if clipping is not None and clipping.values > sum(clipping.masked):
        return clipping.rejected / (clipping.values - sum(clipping.masked)), clipping.rate
    values = combined.frames * combined.shape_yx[0] * combined.shape_yx[1]
    return (combined.rejected / values, None) if values and combined.state == "done" else None


def _rejected_remark(combined: CombinedOutcome | None) -> Remark | None:
    found = _rejected(combined)
    if found is None:
        return None
    by_chance = "" if found[1] is None else f"; of normal noise alone it would be {percent(found[1])}"
    return Remark(f"{percent(found[0])} of the values were rejected{by_chance}.")


def bias_figures(plan: BiasPlan, result: BiasResult, measured: Measured) -> tuple[KeyFigure, ...]:
    """Sum up the run in a handful of numbers."""
    noise, unit, levels = measured.noise, unit_of(plan), measured.raw_levels
    failed = sum(frame.state == "failed" for frame in result.frames)
    told = [f"{failed} failed"] if failed else []
    told += [f"{len(result.skipped)} were there already"] if result.skipped else []
    figures = [KeyFigure("frames", str(len(result.frames)), ", ".join(told) or "all done", "bad" if failed else "good")]
    if levels:
        note = f"{number(min(levels))} to {number(max(levels))}"
        figures.append(KeyFigure("bias level", f"{number(sum(levels) / len(levels))} {unit}", note))
    if noise is not None and noise.single is not None:
        figures.append(KeyFigure("read noise", f"{number(noise.single, 3)} {unit}", "of one frame"))
    found = noise_and_ideal(result.combined, measured.noise)
    if found is not None and result.combined is not None:
        tone: Tone = "note" if found[0] > (1 + _TOO_NOISY) * found[1] else "good"
        note = f"σ/√{result.combined.frames} is {number(found[1], 3)}"
        figures.append(KeyFigure("noise, combined", f"{number(found[0], 3)} {unit}", note, tone))
    if noise is not None and noise.pattern is not None and found is not None:
        figures.append(KeyFigure("fixed pattern", f"{number(noise.pattern, 2)} {unit}", "of the combined frame"))
    rejected = _rejected(result.combined)
    if rejected is not None:
        note = "of all values" if rejected[1] is None else f"by chance {percent(rejected[1])}"
        figures.append(KeyFigure("rejected", percent(rejected[0]), note))
    return tuple(figures)
