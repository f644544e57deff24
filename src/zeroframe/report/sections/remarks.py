"""Sentences that several sections of a page say: of noise, of what was rejected, and the first few of many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroframe.frames.numbers import number, percent
from zeroframe.report.data import Remark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroframe.report.data import Tone
    from zeroframe.run.combined_outcome import CombinedOutcome
    from zeroframe.stacks.noise import StackNoise

__all__ = ["TOO_NOISY", "noise_and_ideal", "noise_remarks", "rejected_remark", "rejected_share", "some_remarks"]

#: From this excess on over what one frame's noise promises, the noise of a combined frame has to be explained.
TOO_NOISY = 0.10
_FAR_TOO_CALM = 0.25
_MOST_SENTENCES = 6


def some_remarks(sentences: Sequence[str], tone: Tone, where: str = "in the table of frames") -> list[Remark]:
    """Return the first few of many sentences, and say where the others are."""
    more = len(sentences) - _MOST_SENTENCES
    shown = [Remark(sentence, tone) for sentence in sentences[:_MOST_SENTENCES]]
    return [*shown, Remark(f"and {more} more, {where}", tone)] if more > 0 else shown


def noise_and_ideal(combined: CombinedOutcome | None, noise: StackNoise | None) -> tuple[float, float] | None:
    """Return the noise of the combined frame, and what one frame's over the root of their number is.

    They are the figures that the screen shows as noise and expected: of one frame with the noise of its row levels.
    """
    if combined is None or not combined.is_there:
        return None
    if noise is not None and noise.combined and noise.expected:
        return noise.combined, noise.expected
    excess = combined.excess
    return (excess.combined_adu, excess.ideal_adu) if excess is not None and excess.ideal_adu > 0 else None


def noise_remarks(
    combined: CombinedOutcome | None, measured: StackNoise | None, unit: str, what: str = "the combined frame"
) -> list[Remark]:
    """Compare the noise of the combined frame with one frame's / sqrt(N), and say what remains where it is more."""
    found = noise_and_ideal(combined, measured)
    if found is None or combined is None:
        return []
    noise, ideal = found
    excess = noise / ideal - 1
    ideal_of = "σ/" if measured is None else "σ" + measured.by_root.replace("×", " × ")
    text = (
        f"Noise of {what}: {number(noise, 3)} {unit}, {percent(abs(excess))} "
        f"{'above' if excess > 0 else 'below'} {ideal_of}√{combined.frames} = {number(ideal, 3)}, "
        "where σ is that of one frame."
    )
    if excess < -TOO_NOISY:  # less noise than there can be is no good sign
        return [Remark(text, "note" if excess < -_FAR_TOO_CALM else "neutral")]
    if excess <= TOO_NOISY:
        return [Remark(text, "good")]
    parts = () if combined.excess is None else combined.excess.parts
    said = "".join(f"; {part.sentence} (adds {number(part.noise_adu, 2)})" for part in parts)
    return [Remark(f"{text} What remains{said.replace(';', ':', 1) or ' is not explained'}.", "note")]


def rejected_share(combined: CombinedOutcome | None) -> tuple[float, float | None] | None:
    """Return which fraction of the values was rejected, and which would be of normal noise alone."""
    if combined is None or not combined.is_there:
        return None
    clipping = combined.clipping
    if clipping is not None and clipping.values > sum(clipping.masked):
        return clipping.rejected / (clipping.values - sum(clipping.masked)), clipping.rate
    values = combined.frames * combined.shape_yx[0] * combined.shape_yx[1]
    return (combined.rejected / values, None) if values and combined.state == "done" else None


def rejected_remark(combined: CombinedOutcome | None) -> Remark | None:
    """Say how much was rejected; None where nothing was combined now."""
    found = rejected_share(combined)
    if found is None:
        return None
    by_chance = "" if found[1] is None else f"; of normal noise alone it would be {percent(found[1])}"
    return Remark(f"{percent(found[0])} of the values were rejected{by_chance}.")
