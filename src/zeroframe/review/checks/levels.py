"""Levels through the night and against other nights: drifts, ramps, offsets, scales, dark current, gain, read noise."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations, pairwise
from statistics import correlation, median, stdev
from typing import TYPE_CHECKING

from zeroframe.frames.numbers import number
from zeroframe.review.rows import Check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zeroframe.review.figures import NightFigures, Subject
    from zeroframe.review.rows import Finding

__all__ = ["LEVELS"]

#: Levels move from so many ADU and so many noises of a pixel on; a camera without overscan wanders by one or two.
_DRIFT_ADU, _DRIFT_NOISES, _DRIFT_WRONG = 3.0, 1.0, 10.0
_FEWEST_IN_TIME = 4
#: Three frames rise or fall by chance one time in three: told from so many limits on, in steps that are about the same,
#: since one that is off is named by ZF202.
_OF_THREE, _LEAST_STEP = 2.0, 0.25
#: A response that bends by so much; charge that spreads to neighbours in bright flats does as half of that.
_BENT = 0.08
#: Levels of frames scatter by so many ADU and so many noises of a pixel; a camera without overscan wanders by less. In
#: a mean of M frames, less that of N biases, level and pixel are both uncertain by the root of 1/M + 1/N times theirs:
#: their ratio is that of single frames, whatever is combined.
_SCATTER_ADU, _SCATTER_NOISES = 1.0, 0.75
#: They are of two sorts where the gap is so many times what each of the two is wide.
_HEAPS_APART = 3.0
#: Two levels of a camera that wanders by half a noise are so many limits apart by chance once in 30,000; and the
#: current of two darks differs by less than this part of it.
_OF_TWO, _OF_CURRENT = 4.0, 0.2
#: So many levels scatter by hardly more than they do in the long run.
_MANY_LEVELS = 8
#: The last half of a ramp stands still: it moves by less than this part of the whole.
_STANDS = 0.34
#: A drift in time is no chance where the order in time and in level are alike to this.
_IN_ORDER = 0.7
#: Fewer levels than `_MANY_LEVELS` are in order by chance now and then: of a camera that wanders by half a noise one
#: group in 13 was said to drift. They are where they move by so many limits or along a line; and what settles comes
#: nearer to where it ends with each frame, but for this part of the whole. One group in 50 to 100 is left.
_OF_FEW, _STRAIGHT, _WAVERS = 2.0, 0.975, 0.1
#: Against earlier nights, gain and read noise.
_EARLIER = 1.25
#: Dark current that a colder or shorter dark has more of, as a factor, and in ADU.
_MORE_CURRENT, _CURRENT_ADU, _COLDER_C = 1.5, 5.0, 2.0
#: Whole numbers and fractions of 1: nothing above this, and nothing else below.
_OF_ONE, _OF_NUMBERS = 1.0, 5.0
#: Below this a level of raw pixels is no offset, but a sign that was lost.
_NEGATIVE_ADU = -1000.0
#: Noise that the level of a dark must have, as a part of that of its electrons; and from which level on.
_SHOT, _OFFSET_ADU = 0.25, 20.0


def _moves(values: list[float]) -> float:
    return max(values) - min(values)


def _alike_in_order(values: list[float]) -> float:
    """Kendall's tau of values with their order: 1 where they only rise, -1 where they only fall."""
    pairs = list(combinations(values, 2))
    return sum((later > former) - (later < former) for former, later in pairs) / len(pairs)


def drifting_levels(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find biases and darks whose raw level moves with time, or settles after the first frames."""
    for combined in night.of("combined", "bias", "dark"):
        parts = sorted(
            (each for each in _levelled(night, combined) if math.isfinite(each.get("start_mjd"))),
            key=lambda each: each.get("start_mjd"),
        )
        if not _has_drift(parts) or _two_heaps(parts) is not None:
            continue
        levels = [each.get("level") for each in parts]
        moves, limit = _moves(levels), max(_DRIFT_ADU, _DRIFT_NOISES * _noise(parts))
        limit *= _OF_THREE if len(parts) < _FEWEST_IN_TIME else 1.0
        order = _alike_in_order(levels)
        settles = len(levels) >= _FEWEST_IN_TIME and _moves(levels[len(levels) // 2 :]) < _STANDS * moves
        how = "settles by" if settles else "rises by" if order > 0 else "falls by"
        after = f" after {parts[0].name}, the first frame" if settles else ""
        yield check.finding(
            f"{combined.name}: the level of its frames {how} {moves:.1f} ADU with time{after} (limit {limit:.1f})",
            *(each.name for each in parts), combined.name, figure=moves, expected=limit,
            severity="error" if moves > _DRIFT_WRONG * limit else check.severity,
        )  # fmt: skip


def _levelled(night: NightFigures, combined: Subject) -> list[Subject]:
    """Return the frames of which a combined frame was made, those that have a level."""
    return [each for each in night.parts(combined) if math.isfinite(each.get("level"))]


def _noise(parts: list[Subject]) -> float:
    return median([each.get("noise") for each in parts]) if parts else math.nan


def _has_drift(parts: list[Subject]) -> bool:
    """Whether the levels of frames, in the order of time, rise, fall or settle by more than the limit."""
    if len(parts) < _FEWEST_IN_TIME - 1 or not _noise(parts) >= 0:
        return False
    levels = [each.get("level") for each in parts]
    moves = _moves(levels)
    if len(parts) < _FEWEST_IN_TIME:
        return _three_apart(parts) and abs(_alike_in_order(levels)) == 1.0
    limit = max(_DRIFT_ADU, _DRIFT_NOISES * _noise(parts))
    if moves <= limit:
        return False
    enough = len(levels) >= _MANY_LEVELS or moves > _OF_FEW * limit or _is_even(levels)
    if enough and abs(_alike_in_order(levels)) > _IN_ORDER:
        return True
    return _moves(levels[len(levels) // 2 :]) < _STANDS * moves and _comes_nearer(levels)


def _is_even(levels: list[float]) -> bool:
    """Whether levels rise or fall along a straight line."""
    return abs(correlation(range(len(levels)), levels)) > _STRAIGHT


def _comes_nearer(levels: list[float]) -> bool:
    """Whether each level is nearer to where they end than the one before, but for a part of the whole."""
    still = median(levels[len(levels) // 2 :])
    side = 1.0 if levels[0] > still else -1.0
    off = [side * (level - still) for level in levels]
    return all(later <= former + _WAVERS * _moves(levels) for former, later in pairwise(off))


def _three_apart(parts: list[Subject]) -> bool:
    """Whether none of three levels is near another one."""
    levels = sorted(each.get("level") for each in parts)
    moves, limit = _moves(levels), max(_DRIFT_ADU, _DRIFT_NOISES * _noise(parts))
    return moves > _OF_THREE * limit and min(b - a for a, b in pairwise(levels)) > _LEAST_STEP * moves


def _two_heaps(parts: list[Subject]) -> tuple[list[float], list[float]] | None:
    """Return the levels of frames in two heaps, which are far apart for what each is wide; None where they are one."""
    levels = sorted(each.get("level") for each in parts)
    gaps = [after - before for before, after in pairwise(levels)]
    gap = max(gaps)
    at = gaps.index(gap) + 1
    low, high = levels[:at], levels[at:]
    wide = max(_moves(low), _moves(high))
    is_gap = gap > max(_DRIFT_ADU, _DRIFT_NOISES * _noise(parts)) and gap > _HEAPS_APART * wide
    return (low, high) if is_gap and min(len(low), len(high)) > 1 else None


def scattering_levels(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find biases whose level is another one in each frame, and darks that hold their bias."""
    yield from _scattering_in_sum(night, check)
    for combined in night.of("combined", "bias", "dark"):
        parts = _levelled(night, combined)
        dated = sorted(
            (each for each in parts if math.isfinite(each.get("start_mjd"))), key=lambda each: each.get("start_mjd")
        )
        if len(parts) == 2:
            yield from _two_apart(combined, parts, check)
        if len(parts) < _FEWEST_IN_TIME - 1:
            continue
        heaps = _two_heaps(parts) if len(parts) >= _FEWEST_IN_TIME else None
        if heaps is not None:
            low, high = heaps
            apart = median(high) - median(low)
            yield check.finding(
                f"{combined.name}: the levels of its {len(parts)} frames are of two sorts, {len(low)} about "
                f"{median(low):.1f} and {len(high)} about {median(high):.1f} ADU: its own is that of neither",
                *(each.name for each in parts), combined.name, figure=apart, expected=0.0,
                severity="error" if apart > _DRIFT_WRONG * max(_DRIFT_ADU, _noise(parts)) else check.severity,
            )  # fmt: skip
            continue
        if combined.used or _has_drift(dated):
            continue
        scatter, noise = _scatter([each.get("level") for each in parts]), _noise(parts)
        limit = max(_SCATTER_ADU, _SCATTER_NOISES * noise)
        if not scatter > limit or (len(parts) < _FEWEST_IN_TIME and not _three_apart(parts)):
            continue
        yield check.finding(
            f"{combined.name}: the levels of its {len(parts)} frames scatter by {number(scatter, 3)} ADU (limit "
            f"{number(limit, 2)}), and so does the level of every frame that it is subtracted from",
            *(each.name for each in parts), combined.name, figure=scatter, expected=limit,
        )  # fmt: skip


def _scattering_in_sum(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find frames that were combined without a plan, of which only the scatter of their levels is known."""
    for combined in night.of("combined"):
        scatter, frames = combined.get("level_scatter"), combined.get("frames")
        limit = max(_SCATTER_ADU, _SCATTER_NOISES * combined.get("noise_of_one_frame"))
        limit *= _OF_TWO / math.sqrt(2.0) if frames == 2 else _OF_THREE if frames < _MANY_LEVELS else 1.0
        if scatter > limit:
            yield check.finding(
                f"{combined.name}: the levels of its {frames:.0f} frames scatter by {number(scatter, 3)} ADU (limit "
                f"{number(limit, 2)}): its own is as uncertain as LEVELERR says",
                combined.name, figure=scatter, expected=limit,
            )  # fmt: skip


def _two_apart(combined: Subject, parts: list[Subject], check: Check) -> Iterator[Finding]:
    """Find two frames of which each has another level, and nothing tells which of them is right."""
    levels = [each.get("level") for each in parts]
    limit = _OF_TWO * max(_SCATTER_ADU, _SCATTER_NOISES * _noise(parts))
    if combined.used:  # what is left of a dark is its current, which the temperature moves
        limit = max(limit, _OF_CURRENT * max(levels))
    if _moves(levels) > limit:
        yield check.finding(
            f"{combined.name}: the levels of its two frames, {number(levels[0], 5)} and {number(levels[1], 5)} ADU, "
            f"are {number(_moves(levels), 3)} ADU apart (limit {number(limit, 2)}): its own is that of neither",
            *(each.name for each in parts), combined.name, figure=_moves(levels), expected=limit,
        )  # fmt: skip


def _scatter(levels: list[float]) -> float:
    """Return the standard deviation; 0 where the level farthest off makes all of it, which ZF202 names."""
    middle = median(levels)
    others = sorted(levels, key=lambda level: abs(level - middle))[:-1]
    # without its outermost member a normal sample of four scatters by half as much, of many by nearly the same
    scatter = stdev(levels)
    return scatter if scatter < 4.0 * stdev(others) else 0.0


def apart_from_earlier(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find read noise and gain that are not those of earlier nights."""
    for each in night.of("combined"):
        for name, words in (("read_noise", "read noise"), ("gain_e_per_adu", "measured gain")):
            now, before = each.get(name), each.get(f"earlier_{name}")
            if not (now > 0 and before > 0):
                continue
            error = each.get("gain_error_e_per_adu") if name == "gain_e_per_adu" else 0.0
            ratio = max(now / before, before / now)
            if ratio > _EARLIER and not abs(now - before) < 5.0 * error:
                unit = "e-/ADU" if name == "gain_e_per_adu" else "ADU"
                yield check.finding(
                    f"{each.name}: its {words} of {number(now, 3)} {unit} was {number(before, 3)} in earlier nights "
                    f"(limit {_EARLIER:g} times)",
                    each.name, figure=now, expected=before,
                )  # fmt: skip


def dark_current(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find darks with more current than warmer ones, or with another one at the same temperature."""
    darks = [_less_bias(night, each) for each in night.of("combined", "dark") if each.get("exposure_s") > 0]
    darks = [each for each in darks if math.isfinite(each.get("level"))]
    for one, other in combinations(darks, 2):
        cold, warm = sorted((one, other), key=lambda each: each.get("temperature_c"))
        apart = warm.get("temperature_c") - cold.get("temperature_c")
        if not apart >= 0:
            continue
        if apart < _COLDER_C:  # the one with less current is right: light adds to it
            warm, cold = sorted((one, other), key=lambda each: each.get("level") / each.get("exposure_s"))
        rates = [each.get("level") / each.get("exposure_s") for each in (cold, warm)]
        expected = rates[1] * cold.get("exposure_s")
        more = cold.get("level") - max(expected, 0.0) * _MORE_CURRENT
        limit = max(_CURRENT_ADU, cold.get("read_noise") if cold.get("read_noise") > 0 else 0.0)
        if more > limit:
            where = "at the same temperature" if apart < _COLDER_C else f"{apart:.1f} degrees warmer"
            yield check.finding(
                f"{cold.name}: its dark current of {number(rates[0], 3)} ADU/s is more than the "
                f"{number(rates[1], 3)} of {warm.name}, taken {where}",
                cold.name, warm.name, figure=rates[0], expected=rates[1],
            )  # fmt: skip


def _less_bias(night: NightFigures, dark: Subject) -> Subject:
    """Return a dark with the level of its current only; without a level where it holds a bias that is not known."""
    if dark.used:
        return dark
    biases = [each for each in night.of("combined", "bias") if each.get("pixels") == dark.get("pixels")]
    bias = biases[0].get("level") if len(biases) == 1 else math.nan
    return replace(dark, figures={**dark.figures, f"level_{dark.unit}": dark.get("level") - bias})


def other_scale(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find frames whose numbers are of another scale than those of the other kinds, or have lost their sign."""
    levels: dict[str, list[Subject]] = {}
    for each in night.of("frame"):
        if math.isfinite(each.get("raw_level_adu")):
            levels.setdefault(each.kind, []).append(each)
    usual = {kind: median([each.get("raw_level_adu") for each in frames]) for kind, frames in levels.items()}
    most = max(usual.values(), default=0.0)
    for kind, frames in levels.items():
        names = [each.name for each in frames]
        level = usual[kind]
        noise = median([_raw_noise(each) for each in frames])
        # of frames that are less their overscan already, the level is about zero, but not their noise
        if abs(level) <= _OF_ONE and not noise > _OF_ONE and most > _OF_NUMBERS and _alone_small(usual, kind):
            yield check.finding(
                f"{names[0]} and the other {kind} frames: their raw level is {number(level, 3)}, that of other kinds "
                f"{most:.0f} ADU: numbers from 0 to 1 beside whole ones",
                *names, figure=level, expected=most,
            )  # fmt: skip
        elif level < _NEGATIVE_ADU:
            yield check.finding(
                f"{names[0]} and the other {kind} frames: their raw level is {level:.0f} ADU; numbers without sign "
                "were stored without BZERO",
                *names, figure=level, expected=0.0,
            )  # fmt: skip


def _raw_noise(frame: Subject) -> float:
    """Return the noise of raw pixels; of a bias, from which nothing was subtracted, that of the frame."""
    known = frame.get("raw_noise")
    return known if math.isfinite(known) else frame.get("noise")


def _alone_small(usual: dict[str, float], kind: str) -> bool:
    """Whether the level of no other kind is that small: else zero is where this camera begins."""
    return all(abs(level) > _OF_NUMBERS for other, level in usual.items() if other != kind)


def no_dark_current(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find darks whose level has not the noise of electrons: it is an offset."""
    biases = {each.name: each for each in night.of("combined", "bias")}
    for dark in night.of("combined", "dark"):
        bias = next((biases[name] for name in dark.used if name in biases), None)
        level, noise = dark.get("level"), dark.get("pixel_noise")
        gain = _gain_of(night)
        if bias is None or not (level > _OFFSET_ADU and gain > 0 and noise >= 0):
            continue
        electrons = level / gain  # their variance in ADU
        if noise**2 < _SHOT * electrons and level > 2.0 * noise:
            yield check.finding(
                f"{dark.name}: its level of {level:.1f} ADU above {bias.name} would have a noise of "
                f"{number(math.sqrt(electrons), 3)} ADU if it were dark current, and it has {number(noise, 3)}: "
                "bias and dark have another offset or scale",
                dark.name, bias.name, figure=noise, expected=math.sqrt(electrons),
            )  # fmt: skip


def bent_response(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find flats whose noise does not grow with their light as that of a linear camera does."""
    for each in night.of("combined"):
        bend = each.get("nonlinear_fraction")
        if abs(bend) > _BENT:
            yield check.finding(
                f"{each.name}: the noise of its frames does not grow with their light, up to "
                f"{each.get('nonlinear_level_adu'):.0f} ADU, as that of a camera of linear response would",
                each.name, figure=bend, expected=0.0,
            )  # fmt: skip


def light_of_no_time(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find science frames that hold light and are said to have been exposed for no time at all."""
    for each in night.of("frame", "science"):
        level, noise = each.get("level"), each.get("noise")
        if each.get("exposure_s") == 0 and level > max(_DRIFT_ADU, noise):
            unit = {"adu": "ADU", "e": "e-"}.get(each.unit, each.unit)
            yield check.finding(
                f"{each.name}: its exposure is 0 s by the header, and its level {level:.1f} {unit}: a dark "
                "that goes by the exposure takes nothing out of it",
                each.name, figure=level, expected=0.0,
            )  # fmt: skip


def _gain_of(night: NightFigures) -> float:
    """Return the gain that the flats give, else the one that was used."""
    measured = [each.get("gain_e_per_adu") for each in night.of("combined", "flat")]
    known = [each for each in measured if each > 0]
    used = [each.get("gain_e_per_adu") for each in night.of("frame", "science")]
    known = known or [each for each in used if each > 0]
    return median(known) if known else math.nan


LEVELS = (
    Check(
        "ZF306", "Levels move with time", "warning", "drift",
        f"The levels of the biases or darks of a group in the order of their dates; told from {_DRIFT_ADU:g} ADU and "
        f"{_DRIFT_NOISES:g} times the noise of a pixel on, where they only rise or fall, or settle after the first "
        f"frames, as after power-on; of three frames from {_OF_THREE:g} times that on, and of fewer than "
        f"{_MANY_LEVELS} that rise or fall, too, but where they do so evenly; an error from {_DRIFT_WRONG:g} times "
        "that on.",
        "Subtract an overscan, if there is one; leave out the first frames, or take biases through the night.",
        drifting_levels,
    ),
    Check(
        "ZF307", "Gain or read noise is not that of earlier nights", "warning", "earlier",
        "The read noise of the biases and darks and the gain of the flats against the median of the earlier nights in "
        f"the same tree (--by-night), of the same name; told from {_EARLIER:g} times on.",
        "See whether the camera was set otherwise, or its electronics fail.", apart_from_earlier,
    ),
    Check(
        "ZF308", "Dark current does not go with the temperature", "warning", "dark current",
        f"A dark with {_MORE_CURRENT:g} times the current of a warmer one, or of another one of the same temperature; "
        f"told from {_CURRENT_ADU:g} ADU on. Light that got in, or a temperature that the header has wrong.",
        "Take the darks again with the camera covered.", dark_current,
    ),
    Check(
        "ZF309", "Kinds of frames have numbers of different scale", "error", "scale",
        "The raw levels of the kinds against each other: fractions of 1 beside whole numbers, levels far below zero.",
        "Convert them to the scale of the others, or give raw frames.", other_scale,
    ),
    Check(
        "ZF310", "The level of a dark is no dark current", "error", "dark",
        "The electrons of dark current have a noise, the root of their number. Told where the noise of the darks is "
        f"less than half of that, and their level is more than {_OFFSET_ADU:g} ADU: another offset, or 8 bits against "
        "16.",
        "Take biases and darks with the same offset, gain and program.", no_dark_current,
    ),
    Check(
        "ZF311", "Levels scatter from frame to frame", "warning", "level",
        "The standard deviation of the levels of biases, and of darks that hold their bias, as they are combined; told "
        f"from {_SCATTER_ADU:g} ADU and {_SCATTER_NOISES:g} times the noise of a pixel on, from {_FEWEST_IN_TIME} "
        f"frames on, or of three that are far apart, where they do not drift (ZF306); of two from {_OF_TWO:g} times "
        f"that on, and in darks less their bias {100 * _OF_CURRENT:g} % of the level. Of any darks it is told where "
        "their levels are of two sorts, as of another offset. Of zeroframe combine they are told from "
        f"{_OF_THREE:g} times that on, of {_MANY_LEVELS} frames from once on. The level of a science frame is off by "
        "as much, in all pixels alike: UNCERT does not hold that error, its card LEVELERR does, with that of what was "
        "subtracted.",
        "Subtract an overscan, if there is one; else measure light against the sky beside it in the same frame.",
        scattering_levels,
    ),
    Check(
        "ZF313", "The camera is not linear", "warning", "linearity",
        "The variance of flats of several levels, by photons, is their level over the gain. Told where it bends as "
        f"that of a response that falls short by more than {100 * _BENT:g} %, beyond its error; how far, really, the "
        "noise does not say well. Flats and science frames of other levels have another scale.",
        "Take flats of the level of the science frames, and see from which level on the camera is linear.",
        bent_response,
    ),
    Check(
        "ZF312", "Light in an exposure of no time", "warning", "exposure",
        "The level of a science frame whose header gives an exposure of 0 s; told where it is more than the noise of a "
        f"pixel and {_DRIFT_ADU:g} ADU. Darks are scaled by the exposure, and so are not subtracted.",
        "Put the exposure into the header, or say with --card where it stands.", light_of_no_time,
    ),
)  # fmt: skip
