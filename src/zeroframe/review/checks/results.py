"""Results against what is expected of them: noise, masked pixels, saturation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zeroframe.frames.numbers import number
from zeroframe.review.checks.within import each_group, names_of
from zeroframe.review.rows import Check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zeroframe.review.figures import NightFigures, Subject
    from zeroframe.review.rows import Finding, Severity

__all__ = ["RESULTS"]

#: The median of N normal values is noisier than their mean by the root of pi / 2 where N is large (Kenney and Keeping
#: 1962); of few it is less, so that this is the most.
_MEDIAN_FACTOR = math.sqrt(math.pi / 2)
#: Noise of a combined frame over what is expected: told, and likely wrong.
_TOO_NOISY, _FAR_TOO_NOISY = 1.25, 2.0
#: The same in the other direction: less noise than there can be means frames that are alike, or no noise at all.
_TOO_CALM, _FAR_TOO_CALM = 0.75, 0.4
#: Noise of a science frame over its uncertainties.
_NOISE_RATIO, _NOISE_RATIO_WRONG = 1.25, 2.0
#: Fractions of a science frame that are masked.
_MASKED, _MASKED_WRONG = 0.05, 0.25
#: Of a science frame, where its flat has no light.
_UNLIT = 0.05
_COSMIC = 0.02
_SATURATED, _REJECTED = 0.02, 0.05
#: Of the level, at a seam between amplifiers.
_SEAM, _SEAM_WRONG = 0.003, 0.03
#: Parts of what dark and flat should have taken out, and of how many errors at least; the sky has clouds and nebulae,
#: so that its shape has to fit better.
_DARK_LEFT, _FLAT_LEFT, _LIGHT_LEFT, _LEFT_ERRORS = 0.25, 0.3, 0.3, 6.0
#: Less of the dark is a fault where the level of the sky is off by it: by parts of the sky and of its noise. Hot pixels
#: do not follow the temperature quite as the others do, so that a few parts in a hundred say nothing.
_DARK_LEVEL_LEFT, _LEVEL_OF_SKY, _LEVEL_OF_NOISE = 0.06, 0.05, 0.25
#: A galaxy, the moon or a comet has a shape of its own, of which any flat's is a part: of drawn ones the fit has up to
#: ten errors where it is no more than the flat itself, and up to 14 beyond; of most wrong flats 13 to 500. A sky bent
#: by some parts in a hundred along one axis has up to 10.4; one that is bent alike along both has any flat's shape.
_LIGHT_ERRORS, _WHOLE, _LIGHT_ERRORS_BEYOND = 11.0, 1.5, 20.0
#: A shape of the sky that is less than this is no fault.
_LIGHT_CONTRAST = 0.02
#: Nor one that is less than so many noises of a pixel. Of a leak in all darks the fit has 50 errors and more; of skies
#: that shine from one edge up to 14, but upwards: what a dark takes out too much is missing.
_SHAPE_OF_NOISE, _SHAPE_ERRORS = 0.5, 20.0
#: Of a mask of hot or bad pixels.
_BAD_MASK = 0.05


def combined_noise(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Compare the noise of each combined frame with that of one frame over the root of their number."""
    for each in night.of("combined"):
        noise, expected = each.get("noise"), each.get("expected_noise")
        if not (expected > 0 and noise >= 0) or each.get("frames") < 2:
            continue
        average = each.get("noise_of_average")
        if each.method == "median" and _TOO_CALM * expected <= average <= _TOO_NOISY * expected:
            continue  # the frames are right: a median of numbers in coarse steps is noisier, or stands on a step
        most = expected * (_MEDIAN_FACTOR if each.method == "median" else 1.0)
        if noise > _TOO_NOISY * most:
            severity: Severity = "error" if noise > _FAR_TOO_NOISY * most else check.severity
        elif noise < _TOO_CALM * expected:
            severity = "error" if noise < _FAR_TOO_CALM * expected else check.severity
        else:
            continue
        yield check.finding(
            f"{each.name}: its noise is {number(noise, 3)} {_unit(each)}, {noise / most:.2f} times the "
            f"{number(most, 3)} that its {each.get('frames'):.0f} frames promise",
            each.name, figure=noise, expected=most, severity=severity,
        )  # fmt: skip


_PARTS_OF_NOISE = (
    ("noise_of_rows", "levels of rows that differ between frames"),
    ("noise_of_columns", "levels of columns that differ between frames"),
    ("noise_of_shading", "shading that changes between frames"),
    ("noise_of_combination", "the way of combining"),
    ("noise_in_common", "what some frames have in common and not all"),
)


def noisier_than_pixels(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Say what makes a combined frame noisier than the pixels of its frames."""
    for each in night.of("combined"):
        ideal, noise = each.get("ideal_noise"), each.get("noise")
        if not ideal > 0:
            continue
        parts = sorted(((each.get(name), words) for name, words in _PARTS_OF_NOISE if each.get(name) > 0), reverse=True)
        why = "; ".join(f"{words} (adds {number(value, 2)})" for value, words in parts)
        yield check.finding(
            f"{each.name}: its noise of {number(noise, 3)} {_unit(each)} is {noise / ideal:.2f} times the "
            f"{number(ideal, 3)} that the pixels of its {each.get('frames'):.0f} frames alone give"
            + (f": {why}" if why else ""),
            each.name, figure=noise, expected=ideal,
        )  # fmt: skip


def no_noise(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find combined frames whose frames have no noise: they are constant, or one and the same."""
    for each in night.of("combined"):
        if each.get("frames") >= 2 and each.get("noise_of_one_frame") == 0:
            yield check.finding(
                f"{each.name}: its {each.get('frames'):.0f} frames differ by nothing at all: they hold no noise",
                each.name, figure=0.0,
            )  # fmt: skip


def science_noise(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Compare the noise of science frames with the uncertainties that stand in their files."""
    for each in night.of("frame", "science"):
        ratio = each.get("noise_ratio")
        apart = max(ratio, 1 / ratio) if ratio > 0 else math.nan
        if apart > _NOISE_RATIO:
            yield check.finding(
                f"{each.name}: its noise is {ratio:.2f} times what its uncertainties say",
                each.name, figure=ratio, expected=1.0,
                severity="error" if ratio > _NOISE_RATIO_WRONG else check.severity,
            )  # fmt: skip


def masked_pixels(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find science frames of which much is masked, of what their flat lights."""
    for each in night.of("frame", "science"):
        unlit = _known(each.get("unlit_pixels")) + _known(each.get("silent_pixels"))
        lit = each.get("pixels") - unlit
        share = (each.get("masked_pixels") - unlit) / lit if lit > 0 else math.nan
        if share > _MASKED:
            counts = {name: each.get(f"{name}_pixels") - (unlit if name == "bad" else 0.0) for name in _PARTS}
            parts = [(counts[name] / lit, words) for name, words in _PARTS.items()]
            told = sorted(((part, words) for part, words in parts if part > _PART_TOLD * share), reverse=True)
            why = "".join(f", {words} {100 * part:.1f} %" for part, words in told)
            of = "what its flat lights" if unlit > _UNLIT * each.get("pixels") else "it"
            yield check.finding(
                f"{each.name}: {100 * share:.1f} % of {of} is masked{why} (limit {100 * _MASKED:g} %)",
                each.name, figure=share, expected=_MASKED,
                severity="error" if share > _MASKED_WRONG else check.severity,
            )  # fmt: skip


_PARTS = {
    "saturated": "saturated",
    "cosmic_ray": "cosmic rays",
    "not_finite": "without a value",
    "unread": "never read",
    "bad": "bad by the flat, the biases or your mask",
    "hot": "hot",
    "bled": "bled into",
    "nonlinear": "not linear",
}
#: A part of the masked pixels that is less is not named.
_PART_TOLD = 0.05


def lit_in_part(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find science frames whose flat lights only part of them, once for each flat."""
    frames: dict[str, list[Subject]] = {}
    for each in night.of("frame", "science"):
        if _beside_light(each) > _UNLIT:
            flats = [name for name in each.used if any(flat.name == name for flat in night.of("combined", "flat"))]
            frames.setdefault(flats[0] if flats else each.used[-1] if each.used else "the flat", []).append(each)
    for flat, some in frames.items():
        unlit = _beside_light(some[0])
        yield check.finding(
            f"{flat} lights {100 * (1 - unlit):.1f} % of the frame: the other {100 * unlit:.1f} % are masked in "
            f"{names_of(some)}",
            *(each.name for each in some), figure=unlit, expected=_UNLIT,
        )  # fmt: skip


def _beside_light(each: Subject) -> float:
    """Return the fraction of a frame that its flat does not light, without amplifiers that see none (ZF206)."""
    return each.fraction("unlit_pixels") - _known(each.fraction("blind_pixels"))


def _known(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _too_much(
    check: Check, each: Subject, share: float, limit: float, what: str, decimals: int = 1
) -> Iterator[Finding]:
    """Find a share that is beyond a limit."""
    if share > limit:
        said = f"{each.name}: {100 * share:.{decimals}f} % {what} (limit {100 * limit:g} %)"
        yield check.finding(said, each.name, figure=share, expected=limit)


def many_cosmic_rays(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find science frames with more cosmic rays than there are."""
    for each in night.of("frame", "science"):
        share = each.fraction("cosmic_ray_pixels")
        yield from _too_much(check, each, share, _COSMIC, "of it was taken for cosmic rays")


def saturated_science(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find science frames of which more is saturated than a few stars."""
    for each in night.of("frame", "science"):
        yield from _too_much(check, each, each.fraction("saturated_pixels"), _SATURATED, "of it is saturated", 2)


def seams(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find science frames whose level steps between two amplifiers when all is done."""
    for each in night.of("frame", "science"):
        step, error, raw = (each.get(f"{name}_fraction") for name in ("seam_step", "seam_error", "raw_seam_step"))
        if abs(step) > _SEAM + 4.0 * error:
            yield check.finding(
                f"{each.name}: its level steps by {100 * abs(step):.2f} ± {100 * error:.2f} % between two amplifiers "
                f"({100 * abs(raw):.1f} % before dark and flat; limit {100 * _SEAM:g} %)",
                each.name, figure=step, expected=0.0,
                severity="error" if abs(step) > _SEAM_WRONG + 4.0 * error else check.severity,
            )  # fmt: skip


def many_rejected(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find combined frames of which more values were rejected than cosmic rays and bad pixels can be."""
    for each in night.of("combined"):
        share = each.get("rejected_values") / (each.get("frames") * each.get("pixels"))
        yield from _too_much(check, each, share, _REJECTED, "of the values of its frames were rejected")


def hot_pixels_left(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find science frames in which the contrast of hot pixels was not taken out, or taken out twice."""
    what, is_odd = "the dark current of hot pixels", _is_left("dark_left", _DARK_LEFT)
    yield from _left(night, check, "dark_left", what, is_odd, _DARK_LEFT)
    yield from _level_by_dark(night, check)


def _level_by_dark(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find frames whose sky is off by what hot pixels say is left of the dark, where that is less than the limit."""

    def off(each: Subject) -> float:
        return each.get("dark_left") * each.get("dark_taken_out")

    def least(each: Subject) -> float:
        in_sky = max(_LEVEL_OF_SKY * abs(each.get("level")), _LEVEL_OF_NOISE * each.get("noise"))
        return max(in_sky, _LEFT_ERRORS * _known(each.get("level_error")))

    def is_odd(each: Subject) -> bool:
        part = abs(each.get("dark_left"))
        beyond = max(_DARK_LEVEL_LEFT, _LEFT_ERRORS * each.get("dark_left_error"))
        return beyond < part <= _DARK_LEFT and abs(off(each)) > least(each)

    for frames in each_group(night, is_odd, "science"):
        worst = max(frames, key=lambda each: abs(off(each)))
        part, error, level, unit = worst.get("dark_left"), worst.get("dark_left_error"), off(worst), _unit(worst)
        how = (
            "left, and the sky is about {} too bright" if part > 0 else "taken out too much, and the sky is {} too low"
        )
        yield check.finding(
            f"{names_of(frames)}: {100 * abs(part):.0f} ± {100 * error:.1f} % of the dark current of hot pixels is "
            + how.format(f"{number(abs(level), 3)} {unit}")
            + f" (level {number(worst.get('level'), 4)} {unit}; limit {number(least(worst), 2)})",
            *(each.name for each in frames), figure=part, expected=0.0,
        )  # fmt: skip


def flat_left(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find science frames that the pixels of the flat do not fit."""
    what, is_odd = "the contrast of the flat's pixels", _is_left("flat_left", _FLAT_LEFT)
    yield from _left(night, check, "flat_left", what, is_odd, _FLAT_LEFT)


def light_left(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find science frames whose sky has the shape of the flat."""

    def is_odd(each: Subject) -> bool:
        part, error = abs(each.get("light_left")), each.get("light_left_error")
        errors = _LIGHT_ERRORS if part <= _WHOLE else _LIGHT_ERRORS_BEYOND
        return part > max(_LIGHT_LEFT, errors * error) and not each.get("light_left_contrast") < _LIGHT_CONTRAST

    yield from _left(night, check, "light_left", "the shape of the flat", is_odd, _LIGHT_LEFT)


def shape_left(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find science frames whose sky lacks the shape of what was subtracted from them."""

    def is_odd(each: Subject) -> bool:
        least = max(_LIGHT_CONTRAST * abs(each.get("level")), _SHAPE_OF_NOISE * each.get("noise"))
        beyond = max(_LIGHT_LEFT, _SHAPE_ERRORS * each.get("shape_left_error"))
        return -each.get("shape_left") > beyond and each.get("shape_left_span") > least

    yield from _left(night, check, "shape_left", "the shape of the dark or bias", is_odd, _LIGHT_LEFT)


def _is_left(name: str, limit: float) -> Callable[[Subject], bool]:
    """Return what says whether more than so much of a pattern is left, or was taken out, beyond its error."""
    return lambda each: abs(each.get(name)) > max(limit, _LEFT_ERRORS * each.get(f"{name}_error"))


def _left(
    night: NightFigures, check: Check, name: str, what: str, is_odd: Callable[[Subject], bool], limit: float
) -> Iterator[Finding]:
    for frames in each_group(night, is_odd, "science"):
        worst = max(frames, key=lambda each: abs(each.get(name)))
        part, error = worst.get(name), worst.get(f"{name}_error")
        how = "left" if part > 0 else "taken out too much"
        amount = f"{100 * abs(part):.0f} ± {100 * error:.1f} % of"
        if abs(part) > _WHOLE:
            amount = f"{number(abs(part), 2)} ± {number(error, 1)} times"
        yield check.finding(
            f"{names_of(frames)}: {amount} {what} is {how} (limit {100 * limit:g} %)",
            *(each.name for each in frames), figure=part, expected=0.0,
        )  # fmt: skip


def large_masks(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find masks of hot or bad pixels that cover much of the detector."""
    for each in night.of("mask"):
        # an amplifier that is blind or was not read is named by itself (ZF206, ZF205)
        silent = sum(_known(each.fraction(name)) for name in ("blind_pixels", "silent_pixels"))
        share = each.fraction("masked_pixels") - silent
        if share > _BAD_MASK:
            yield check.finding(
                f"{each.name}: {100 * share:.1f} % of the pixels were found to be {each.kind} "
                f"(limit {100 * _BAD_MASK:g} %)",
                each.name, figure=share, expected=_BAD_MASK,
            )  # fmt: skip


def _unit(each: Subject) -> str:
    return {"adu": "ADU", "e": "e-"}.get(each.unit, each.unit)


RESULTS = (
    Check(
        "ZF401", "The noise of a combined frame is not what its frames promise", "warning", "noise",
        f"The noise of the combined frame, from pairs, is compared with the noise of one frame over the root of their "
        f"number (for a median {_MEDIAN_FACTOR:.3f} times that, at the most). Told from {_TOO_NOISY:g} times on and "
        f"below {_TOO_CALM:g}; an error from {_FAR_TOO_NOISY:g} times on and below {_FAR_TOO_CALM:g}. More is a frame "
        "that does not belong, or interference; less is frames that are copies of each other. A median is not told "
        "where a plain average of the same frames has the noise that they promise: numbers in steps as wide as the "
        "noise make a median noisier (ZF409), or let it stand on one step.",
        "Look at the frames one by one: the report shows level and noise of each.", combined_noise,
    ),
    Check(
        "ZF402", "The frames of a combination have no noise", "error", "noise",
        "Frames of a camera differ by its noise. These do not: they are constant, or one file under several names.",
        "See whether the files are simulated, or copies.", no_noise,
    ),
    Check(
        "ZF403", "The noise of a science frame is not what its uncertainties say", "warning", "noise",
        "Differences of neighbouring pixels over the uncertainties in UNCERT, in the fainter half of the frame, where "
        "stars add least to them; 1 is right. Told from "
        f"{_NOISE_RATIO:g} times on in either direction; an error from {_NOISE_RATIO_WRONG:g} times on upwards. A "
        "wrong gain, a wrong read noise or interference do this; less noise than stated means that too little is "
        "claimed.",
        "Compare the gain that was used with the one measured on the flats; give it in the recipe or a camera file.",
        science_noise,
    ),
    Check(
        "ZF404", "Much of a science frame is masked", "warning", "masked",
        "The masked fraction of a science frame, without what its flat does not light (ZF414) and amplifiers that "
        "were not read (ZF205); told from "
        f"{100 * _MASKED:g} % on, an error from {100 * _MASKED_WRONG:g} % on.",
        "Look at the mask: the report shows it; saturation, a bad flat or a bad cosmic-ray search make large masks.",
        masked_pixels,
    ),
    Check(
        "ZF405", "More cosmic rays than there are", "warning", "cosmic rays",
        "Two to five hits a cm² and minute cover some 1e-4 of a frame in ten minutes; told from "
        f"{100 * _COSMIC:g} % on.",
        "Switch the search off in the recipe, or look whether the frame has stars sharper than 1.5 pixels.",
        many_cosmic_rays,
    ),
    Check(
        "ZF406", "A mask covers much of the detector", "warning", "mask",
        "The fraction of pixels that were found hot or bad, without amplifiers that see no light or were not "
        f"read, which are named as such; told from {100 * _BAD_MASK:g} % on.",
        "Look at the combined dark or flat; give other limits in the recipe.", large_masks,
    ),
    Check(
        "ZF407", "Much of a science frame is saturated", "warning", "saturated",
        f"The fraction of saturated pixels; told from {100 * _SATURATED:g} % on, which is more than bright stars are.",
        "Expose shorter. Saturated pixels are masked.", saturated_science,
    ),
    Check(
        "ZF408", "Many values of a combination were rejected", "warning", "rejected",
        f"Cosmic rays and bad pixels are far less than {100 * _REJECTED:g} % of the values; more is a frame that does "
        "not belong, or a spread that was measured too small.",
        "Look at the frames one by one; combine with --clip-spread noise, or without clipping.", many_rejected,
    ),
    Check(
        "ZF409", "A combined frame is noisier than its pixels alone would make it", "note", "noise",
        "The noise of the combined frame against the pixel noise of one frame, rows, columns and larger areas taken "
        "out, over the root of their number. What remains is named: levels of rows, columns, interference.",
        "See what is named; an overscan or more frames take out levels of rows.", noisier_than_pixels,
    ),
    Check(
        "ZF410", "Dark current of hot pixels is left", "warning", "hot pixels",
        "The contrast of hot pixels in a calibrated science frame over that in its dark; told from "
        f"{100 * _DARK_LEFT:g} % and {_LEFT_ERRORS:g} errors on, in either direction; from "
        f"{100 * _DARK_LEVEL_LEFT:g} % on where so much of the level of the dark is more than "
        f"{100 * _LEVEL_OF_SKY:g} % of the sky, {_LEVEL_OF_NOISE:g} times its noise and {_LEFT_ERRORS:g} errors of "
        "its level. The dark has another temperature or exposure than its header says. Of one or two darks only pixels "
        "count that the frame holds, too: the others may be cosmic rays.",
        "Take darks of the exposure and the temperature of these frames.", hot_pixels_left,
    ),
    Check(
        "ZF411", "The pixels of the flat do not fit", "warning", "flat left",
        "The contrast of neighbouring pixels in a calibrated science frame is fitted by that of the flat, whose own "
        f"noise is allowed for; told from {100 * _FLAT_LEFT:g} % and {_LEFT_ERRORS:g} errors on. More than zero: the "
        "flat did not correct it; less: the frame had been divided by a flat before, or has another pattern.",
        "See whether the flat is of this camera, filter and read-out, and whether the frame is raw.", flat_left,
    ),
    Check(
        "ZF412", "The sky has the shape of the flat", "warning", "flat left",
        "The sky of a calibrated science frame, in 8 x 8 cells, is fitted by the flat; told from "
        f"{100 * _LIGHT_LEFT:g} % of the flat's shape, {_LIGHT_ERRORS:g} errors and {100 * _LIGHT_CONTRAST:g} % of the "
        f"sky on, and from {_LIGHT_ERRORS_BEYOND:g} errors on where it is more than {_WHOLE:g} times the flat's shape: "
        "the moon, a galaxy or a comet has a shape of its own, which fits worse. It is fitted as it is and with the "
        "slopes of both taken out, and the less sure of the two is told: any sky slopes. "
        "Where the flat changes by far more along one axis than along the other, as by the lamp of a spectrograph, "
        "nothing is told: no sky has its colours.",
        "See whether the flat is of this filter, focus and day; light of another path in the flats does this, too.",
        light_left,
    ),
    Check(
        "ZF413", "The level steps between two amplifiers", "warning", "seam",
        "Levels of columns (rows) on both sides of each seam, drawn on to it by straight lines; told from "
        f"{100 * _SEAM:g} % of the level and four errors on, an error from {100 * _SEAM_WRONG:g} % on. Gains that are "
        "wrong do this where there is no flat, an overscan level that is off, or an amplifier that is not linear.",
        "Take flats; look at the overscan of both amplifiers with zeroframe inspect.", seams,
    ),
    Check(
        "ZF414", "The flat lights only part of the frame", "note", "unlit",
        f"The fraction of pixels where the flat is below flat.min_value of its level; told from {100 * _UNLIT:g} % on. "
        "Beside a slit, a fibre or a round field there is no light, and nothing to divide by: those pixels are masked "
        "as BAD, and not counted by ZF404.",
        "Nothing, if the light falls there only. Else look at the flat; flat.min_value in the recipe is the limit.",
        lit_in_part,
    ),
    Check(
        "ZF415", "The sky lacks the shape of the dark or bias", "warning", "shape left",
        "The sky of a calibrated science frame, in 8 x 8 cells, is fitted by what was subtracted from it, as ZF412 "
        f"does by the flat; told from {100 * _LIGHT_LEFT:g} % of its shape and {_SHAPE_ERRORS:g} errors on, where that "
        f"is more than {100 * _LIGHT_CONTRAST:g} % of the sky and {_SHAPE_OF_NOISE:g} times the noise of a pixel. "
        "Light that fell into all darks or biases, which comparing them with each other does not tell.",
        "Look at the combined dark and bias: light at an edge or in a corner is a leak; take new ones in the dark.",
        shape_left,
    ),
)  # fmt: skip
