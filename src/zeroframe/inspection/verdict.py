"""Findings in words, the number that decided beside each."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from zeroframe.frames.numbers import percent
from zeroframe.headers.kinds import Kind
from zeroframe.inspection.gain import contradicts
from zeroframe.inspection.strip_light import SAID_SHARE
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zeroframe.headers.sections import Section
    from zeroframe.inspection.gain import Measured
    from zeroframe.inspection.profiles import Side
    from zeroframe.inspection.result import Decision, StripFinding

__all__ = ["KIND_WORDS", "Evidence", "adu", "choose_parallel", "choose_strip", "decide", "write_sentences"]

#: How frames of a kind are called in a sentence.
KIND_WORDS = {"bias": "biases", "dark": "darks", "flat": "flats", "science": "science frames"}

#: Levels of strips are as good as each other within this factor of noise: the strip with better rows is used.
_AS_GOOD = 1.4


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What the sentences are made of.

    Attributes
    ----------
    strips : sequence of StripFinding
        Those that light proves.
    lit_sides : mapping of side to float
        Light in the outermost columns of each side without a strip, in ADU; sides that are dark are left out.
    kinds : mapping of Kind to int
        How many frames of each kind were looked at.
    header_sections : mapping of str to Section
        Resolved.
    shape_yx : tuple of int
        Of the frames.
    trim : Section
        The image without the strips.
    hints : sequence of str
        What structure in biases says, where no light proves anything.
    read_noise_adu, gain_e_per_adu : Measured or None
        Of the image.
    header_gain_e_per_adu, header_read_noise_e : float or None
        What the header says of them.
    """

    strips: Sequence[StripFinding]
    lit_sides: Mapping[Side, float]
    kinds: Mapping[Kind, int]
    header_sections: Mapping[str, Section]
    shape_yx: tuple[int, int]
    trim: Section
    hints: Sequence[str]
    read_noise_adu: Measured | None
    gain_e_per_adu: Measured | None
    header_gain_e_per_adu: float | None = None
    header_read_noise_e: float | None = None


def choose_strip(strips: Sequence[StripFinding]) -> StripFinding | None:
    """Return the strip to subtract: one with a level for each row before one for each column, then the least noisy."""
    fit = [strip for strip in strips if not strip.objections]
    best = min(fit, key=lambda strip: (strip.one_level, 1 - strip.axis, strip.row_noise_adu or 0.0), default=None)
    if best is None or best.common_noise is None:
        return best
    # how far levels are smoothed goes in steps of two, by which strips of 8 and 16 columns add 0.09 and 0.10 ADU
    close = [
        (strip.common_noise.row_adu, strip)
        for strip in fit
        if (strip.one_level, strip.axis) == (best.one_level, best.axis)
        and strip.common_noise is not None
        and strip.common_noise.added_adu <= _AS_GOOD * best.common_noise.added_adu
    ]
    return min(close, key=lambda pair: pair[0])[1]


def choose_parallel(strips: Sequence[StripFinding], chosen: StripFinding | None) -> StripFinding | None:
    """Return a strip of rows to subtract after the chosen one of columns: it follows a drift of columns."""
    if chosen is None or chosen.axis == 0:
        return None
    fit = [s for s in strips if s.usable is not None and s.of_columns is not None and s.of_columns.follows]
    return min(fit, key=lambda strip: strip.row_noise_adu or 0.0, default=None)


def decide(evidence: Evidence) -> Decision:
    """Return what is to be done with the overscan."""
    if evidence.strips:
        return "use" if choose_strip(evidence.strips) is not None else "do not use"
    return "none" if len(evidence.lit_sides) == 4 else "not proven"


def write_sentences(evidence: Evidence) -> tuple[str, ...]:
    """Return the verdict, then what it rests on and what is missing."""
    chosen = choose_strip(evidence.strips)
    sentences = [_verdict(evidence, chosen)]
    for strip in evidence.strips:
        sentences += _about_strip(strip, chosen)
    sentences += _about_parallel(choose_parallel(evidence.strips, chosen))
    sentences += _about_header(evidence, chosen)
    sentences += [*evidence.hints, *_about_noise(evidence), *_missing(evidence)]
    return tuple(sentences)


def _verdict(evidence: Evidence, chosen: StripFinding | None) -> str:
    decision = decide(evidence)
    if chosen is not None:
        how = " for one level a frame" if chosen.one_level else ""
        return f"use {_range(chosen)}{how}; {_why(evidence, chosen)}"
    if decision == "do not use":
        worst = max(evidence.strips, key=lambda strip: len(strip.numbers))
        return f"do not subtract the overscan ({_whole(worst)}): {worst.objections[0]}"
    if decision == "none":
        side, light = min(evidence.lit_sides.items(), key=lambda item: item[1])
        return f"there is no overscan: light reaches every side of the frame, {adu(light)} ADU at the {side} edge"
    if not any(evidence.kinds.get(kind) for kind in (Kind.FLAT, Kind.SCIENCE, Kind.DARK)):
        return (
            "cannot be checked: without a frame that sees light, an overscan cannot be told from the image; add flats"
        )
    if not evidence.kinds.get(Kind.BIAS):
        return (
            "cannot be checked: no edge of light is seen, and without biases the frames may hold no light; add biases"
        )
    dark = [side for side in ("left", "right", "bottom", "top") if side not in evidence.lit_sides]
    where = " and ".join(dark)
    ends = f"where the illuminated area ends at the {where}"
    return f"cannot be checked: no frame is bright enough to show {ends}; add flats"


def _why(evidence: Evidence, chosen: StripFinding) -> str:
    """Say what stands against the header, or why the region starts where it does."""
    section = evidence.header_sections.get("BIASSEC")
    if section is not None:
        return _against_header(chosen, section, evidence)
    return _start(chosen)


def _start(strip: StripFinding) -> str:
    kind = KIND_WORDS[strip.brightest.split()[0]]
    ends = strip.usable_numbers
    if ends is None:
        return f"light reaches all of it: {kind} are {adu(strip.leak_adu[-1])} ADU high at its outer end"
    if strip.unlit:
        return f"it has no light in {kind} of {adu(strip.light_adu)} ADU, which do not light the image beside it"
    inner = [(n, leak, own) for n, leak, own in _columns(strip) if not ends[0] <= n <= ends[1] and _is_inner(strip, n)]
    lit = [(n, leak) for n, leak, _ in inner if leak > strip.threshold_adu]
    one = strip.word[:-1]
    if lit:
        n, leak = lit[0]
        far = f", {adu(lit[-1][1])} at {one} {lit[-1][0]}" if len(lit) > 1 else ""
        return f"{kind} are {adu(leak)} ADU high at {one} {n}{far}"
    if inner:
        n, _, own = max(inner, key=lambda item: abs(item[2]))
        return f"{one} {n} stands off by {adu(own)} ADU without light, too"
    return f"light ends at the edge of the image: {kind} are {adu(max(strip.leak_adu[0], 0.0))} ADU high beside it"


def _columns(strip: StripFinding) -> list[tuple[int, float, float]]:
    return list(zip(strip.numbers, strip.leak_adu, strip.structure_adu, strict=True))


def _is_inner(strip: StripFinding, number: int) -> bool:
    """Whether a column lies between the image and the part that is used."""
    ends = strip.usable_numbers
    if ends is None:
        return True
    return number < ends[0] if strip.side in {"right", "top"} else number > ends[1]


def _against_header(chosen: StripFinding, section: Section, evidence: Evidence) -> str:
    """Compare the region with the header's."""
    ends = chosen.usable_numbers
    if ends is None:
        return _start(chosen)
    first, last = section.ranges[1 - chosen.axis].ends()
    first, last = min(first, last), max(first, last)
    other = section.ranges[chosen.axis].ends()
    length = evidence.shape_yx[1 - chosen.axis]
    if max(other) - min(other) + 1 < 0.5 * length or last < min(chosen.numbers) or first > max(chosen.numbers):
        return f"header's BIASSEC {section} is elsewhere; {_start(chosen)}"
    word, one = chosen.word, chosen.word[:-1]
    inner_is_low = chosen.side in {"right", "top"}
    wrong = (ends[0] - first) if inner_is_low else (last - ends[1])
    edge = first if inner_is_low else last
    kind = KIND_WORDS[chosen.brightest.split()[0]]
    if wrong > 0:
        when = "starts" if inner_is_low else "ends"
        how = "too early" if inner_is_low else "too late"
        values = {n: (leak, own) for n, leak, own in _columns(chosen)}
        counted = f"{wrong} {word if wrong > 1 else one}"
        if edge not in values:
            return f"header's BIASSEC {when} {counted} {how}: {one} {edge} is part of the image"
        leak, own = values[edge]
        if leak > chosen.threshold_adu:
            return f"header's BIASSEC {when} {counted} {how}: {kind} are {adu(leak)} ADU high at {one} {edge}"
        if abs(own) > chosen.threshold_adu:
            return f"header's BIASSEC {when} {counted} {how}: {one} {edge} stands off by {adu(own)} ADU in biases, too"
    if (first, last) == ends:
        return f"header's BIASSEC is right; {_start(chosen)}"
    left_out = (ends[1] - ends[0] + 1) - (min(last, ends[1]) - max(first, ends[0]) + 1)
    if left_out > 0:
        counted = f"{left_out} {word if left_out > 1 else one}"
        return f"header's BIASSEC {section} leaves out {counted} that light does not reach either; {_start(chosen)}"
    return f"header's BIASSEC {section} holds {word} at its outer end that stand off; {_start(chosen)}"


def _range(strip: StripFinding) -> str:
    ends = strip.usable_numbers or (min(strip.numbers), max(strip.numbers))
    return f"{strip.word} {ends[0]}–{ends[1]}"


def _whole(strip: StripFinding) -> str:
    return f"{strip.word} {min(strip.numbers)}–{max(strip.numbers)}"


def _about_strip(strip: StripFinding, chosen: StripFinding | None) -> list[str]:
    """All that was measured of one strip."""
    name = f"{strip.side} strip, {_whole(strip)}"
    told = []
    if strip is not chosen and not strip.objections:
        told.append(f"{name}: {_range(strip)} could be used, too; {_start(strip)}")
    elif strip is not chosen:
        told += [f"{name}: {objection}" for objection in strip.objections]
    else:
        told.append(f"{name}: {_start(strip)}; {_range(strip)} hold less than {adu(strip.threshold_adu)} ADU of light")
    if strip.rejected and len(strip.rejected) < len(strip.numbers):
        listed = ", ".join(f"{n}: {adu(value)}" for n, value in strip.rejected[:12])
        told.append(f"{name}: light in the {strip.word} that are left out, ADU: {listed}")
    if strip.deviant:
        own = dict(zip(strip.numbers, strip.structure_adu, strict=True))
        listed = ", ".join(f"{n} by {adu(own[n])} ADU" for n in strip.deviant[:8])
        told.append(f"{name}: {listed} stand off in their level; they take no part in the level")
    told += _about_levels(strip, name)
    return told


def _about_levels(strip: StripFinding, name: str) -> list[str]:
    told = []
    if strip.offset_adu is not None:
        where = "above" if strip.offset_adu >= 0 else "below"
        shifts = "".join(
            f"; in {KIND_WORDS[kind]} it is {value:+.2f} ADU" for kind, value in strip.lit_shift_adu.items()
        )
        told.append(f"{name}: in biases it stands {abs(strip.offset_adu):.2f} ADU {where} the image{shifts}")
        lower = [value for value in strip.lit_shift_adu.values() if value < -3.0 * strip.read_noise_adu]
        if lower:
            told.append(f"{name}: light cannot lower it by {adu(-min(lower))} ADU, so the bias level has drifted")
    if strip.light is not None and strip.light.is_light and strip.light.share >= SAID_SHARE:
        part = percent(strip.light.share)
        told.append(f"{name}: {part} of the light of the image is in its level, as the noise of its photons shows")
    tracking = strip.tracking
    if tracking is not None:
        fit = "" if tracking.slope != tracking.slope else f", slope {tracking.slope:.3f} ± {tracking.slope_error:.3f}"
        if tracking.follows is None:
            told.append(f"{name}: over {tracking.frames} biases the level drifts too little to tell whether it follows")
        else:
            told.append(
                f"{name}: over {tracking.frames} biases the level of the frames scatters by "
                f"{tracking.frames_before_adu:.2f} ADU, and by {tracking.frames_after_adu:.2f} ADU once the strip is "
                f"subtracted{fit}; drift along the frames counted in, {tracking.drift_before_adu:.2f} ADU and then "
                f"{tracking.drift_after_adu:.2f} ADU"
            )
    return [*told, *_about_worth(strip, name), *_about_common_noise(strip, name)]


def _about_parallel(parallel: StripFinding | None) -> list[str]:
    """Say that columns drift, too, and which strip follows them."""
    if parallel is None or parallel.of_columns is None:
        return []
    before, after = parallel.of_columns.drift_before_adu, parallel.of_columns.drift_after_adu
    drift = f"levels of columns drift by {before:.2f} ADU beside those of rows, and by {after:.2f} ADU less this strip"
    return [f"then use {_range(parallel)}: {drift}"]


def _about_worth(strip: StripFinding, name: str) -> list[str]:
    """Say what subtracting it would leave wrong in science frames, and what leaving it."""
    worth = strip.worth
    if worth is None or strip.usable is None:
        return []
    rises = f"rises by {percent(worth.leak)} of the light at most" if worth.leak > 0 else "does not rise with the light"
    whose = "science frames" if worth.has_science else "a science frame"
    saved = f", and {adu(worth.without_adu)} ADU without it" if worth.has_science else ""
    error = f"subtracted, it leaves an error of {adu(worth.with_adu)} ADU in {whose} of {adu(worth.light_adu)} ADU"
    return [f"{name}: its level {rises}: {error}{saved}"]


def _about_common_noise(strip: StripFinding, name: str) -> list[str]:
    """Say what noise the level of a row has, which enters every sum over the row."""
    common = strip.common_noise
    if common is None:
        return []
    each = "row" if strip.axis == 1 else "column"
    told = f"{name}: its read noise is {strip.read_noise_adu:.2f} ADU; "
    if strip.one_level:
        return [
            f"{told}a level of each {each} would add {common.row_adu:.2f} ADU of noise to it, one of the frame does not"
        ]
    told += f"the level of its usable {strip.word} adds {common.added_adu:.2f} ADU of noise to each {each}, which all "
    if common.smoothed_lines == 1:
        return [f"{told}its pixels share"]
    why = f"{each}s differ by nothing but noise, so that their levels are averaged over {common.smoothed_lines}"
    return [f"{told}its pixels share: {why}; {each} by {each} it would be {common.row_adu:.2f} ADU"]


def _about_header(evidence: Evidence, chosen: StripFinding | None) -> list[str]:
    """Contradict a header that names an overscan where there is none, or another image."""
    if decide(evidence) == "not proven":
        return []
    told = []
    section, trim = (evidence.header_sections.get(name) for name in ("BIASSEC", "TRIMSEC"))
    if section is not None and not evidence.strips:
        told.append(f"header's BIASSEC {section} is no overscan: light reaches it")
    elif section is not None and chosen is None:
        told.append(f"header's BIASSEC {section} is not to be used")
    if trim is not None and trim != evidence.trim:
        told.append(f"header's TRIMSEC {trim} is not the image, which is {evidence.trim}")
    return told


def _about_noise(evidence: Evidence) -> list[str]:
    told = []
    noise, gain = evidence.read_noise_adu, evidence.gain_e_per_adu
    if noise is not None:
        pairs = _count(noise.pairs, "pair")
        told.append(f"read noise of the image is {noise.value:.3f} ± {noise.error:.3f} ADU, from {pairs} of biases")
    if gain is not None:
        electrons = f"; read noise {noise.value * gain.value:.2f} e" if noise is not None else ""
        pairs = _count(gain.pairs, "pair")
        told.append(f"gain is {gain.value:.3f} ± {gain.error:.3f} e/ADU, from {pairs} of flats{electrons}")
        if gain.is_bent and gain.bend is not None and gain.bend_error is not None:
            told.append(
                f"the response is not linear: by the noise of the flats it falls short by {100 * gain.bend:.1f} ± "
                f"{100 * gain.bend_error:.1f} % at {gain.bend_level:.0f} ADU of light; the gain is that of faint light"
            )
    return told + _against_stated(evidence)


def _against_stated(evidence: Evidence) -> list[str]:
    """Contradict what the header says of gain and read noise, where it is more than a tenth off."""
    told = []
    noise, gain = evidence.read_noise_adu, evidence.gain_e_per_adu
    stated = evidence.header_gain_e_per_adu
    if gain is not None and stated and contradicts(stated, gain.value, gain.error, gain.too_high):
        told.append(f"the header says a gain of {stated:g} e/ADU; the pixels do not")
    electrons = evidence.header_read_noise_e
    used_gain = gain.value if gain is not None else stated
    if noise is not None and electrons and used_gain and abs(noise.value * used_gain - electrons) > 0.1 * electrons:
        measured = f"{noise.value * used_gain:.1f} e with {'that' if gain else 'its'} gain"
        told.append(f"the header says a read noise of {electrons:g} e; the pixels have {measured}")
    return told


def _missing(evidence: Evidence) -> list[str]:
    """Say what more frames would tell."""
    counts = Counter(evidence.kinds)
    told = []
    if not counts[Kind.BIAS]:
        told.append("no bias: offset, drift and read noise are not measured; add two or more")
    elif counts[Kind.BIAS] == 1:
        told.append("one bias only: whether a strip follows the bias level is not tested; add one or more")
    elif counts[Kind.BIAS] == 2 and evidence.strips:
        told.append("two biases only: a strip that drifts by itself may agree with the image by chance; add more")
    if counts[Kind.FLAT] == 0:
        told.append("no flat: they leak most, and their pairs give the gain; add two or more of one filter")
    elif evidence.gain_e_per_adu is None:
        told.append("no pair of flats of one filter with biases beside them that fits: the gain is not measured")
    return told


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def adu(value: float) -> str:
    """Write a number of ADU with as many digits as it deserves."""
    return f"{value:.0f}" if abs(value) >= 20 else f"{value:.1f}" if abs(value) >= 1 else f"{value:.2f}"
