"""Kinds of frames against each other: darks against biases, flats against nothing, light against dark."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

from zeroframe.frames.numbers import number
from zeroframe.review.rows import Check

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zeroframe.review.figures import NightFigures, Subject
    from zeroframe.review.rows import Finding, Severity

__all__ = ["BETWEEN_KINDS"]

#: A level below zero is told from this many times the read noise on, and no less than so many ADU: the level of a
#: camera without overscan wanders by one or two ADU in a night.
_BELOW_ZERO_NOISES, _BELOW_ZERO_ADU = 0.5, 3.0
#: From this many times that limit on the result is wrong, and not only doubtful.
_MUCH_WORSE = 3.0
#: Gains are apart from this part of the gain on, and from so many standard errors; wrong from the third on.
_GAIN_FRACTION, _GAIN_ERRORS, _GAIN_WRONG = 0.15, 5.0, 0.5
#: A gain that is too low is told from this part and so many errors on where science frames of no more than this part of
#: the flats' level have less noise than it says, too, by this part at least of what the flats say.
_TOO_LOW, _TOO_LOW_ERRORS, _FAINTER, _SAYS_SO = 0.08, 3.0, 0.5, 0.6
#: A flat has to hold as much light as this many times its noise; a usual one holds 300 times.
_LEAST_FLAT_NOISES = 10.0


def _limit_below_zero(subject: Subject) -> float:
    noise = subject.get("read_noise")
    if not noise >= 0:
        noise = subject.get("noise_of_one_frame")
    return max(_BELOW_ZERO_ADU, _BELOW_ZERO_NOISES * noise) if noise >= 0 else _BELOW_ZERO_ADU


def _severity_below_zero(level: float, limit: float, check: Check) -> Severity:
    return "error" if level < -_MUCH_WORSE * limit else check.severity


def dark_below_bias(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find combined darks that are below their bias."""
    for dark in night.of("combined", "dark"):
        level, limit = dark.get("level"), _limit_below_zero(dark)
        if not dark.used or not level < -limit:
            continue
        severity = _severity_below_zero(level, limit, check)
        bias = ", ".join(dark.used)
        yield check.finding(
            f"{dark.name}: its level is {level:.1f} ADU less than that of its bias ({bias}); dark current is never "
            f"below zero (limit {-limit:.1f})",
            dark.name, figure=level, expected=0.0, severity=severity,
        )  # fmt: skip


def dark_below_raw_bias(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find combined darks that hold their bias still, and are below it."""
    biases = list(night.of("combined", "bias"))
    for dark in night.of("combined", "dark"):
        if dark.used or len(biases) != 1 or biases[0].get("pixels") != dark.get("pixels"):
            continue
        bias = biases[0]
        level, limit = dark.get("level") - bias.get("level"), _limit_below_zero(dark)
        if level < -limit:
            severity = _severity_below_zero(level, limit, check)
            yield check.finding(
                f"{dark.name}: its level of {dark.get('level'):.1f} ADU is {-level:.1f} below that of {bias.name}; a "
                f"dark holds bias and dark current (limit {limit:.1f})",
                dark.name, bias.name, figure=level, expected=0.0, severity=severity,
            )  # fmt: skip


def gain_apart(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find flats whose measured gain is another than the one that their science frames were given."""
    for flat in night.of("combined", "flat"):
        measured, error = flat.get("gain_e_per_adu"), flat.get("gain_error_e_per_adu")
        science = [each for each in night.of("frame", "science") if flat.name in each.used]
        for gain in sorted({used for each in science if (used := each.get("gain_e_per_adu")) > 0}):
            apart, limit = abs(measured - gain), max(_GAIN_FRACTION * gain, _GAIN_ERRORS * error)
            ratio = _calmer(flat, [each for each in science if each.get("gain_e_per_adu") == gain], gain)
            if not apart > limit and ratio is None:
                continue
            too = "" if ratio is None else f"; fainter science frames have {number(ratio, 2)} of the noise it says, too"
            yield check.finding(
                f"{flat.name}: its flats give a gain of {number(measured, 3)} ± {number(error, 2)} e-/ADU, and "
                f"{number(gain, 4)} was used for the uncertainties{too}",
                flat.name, figure=measured, expected=gain,
                severity="error" if apart > 2 * limit and apart > _GAIN_WRONG * gain else check.severity,
            )  # fmt: skip


def _calmer(flat: Subject, science: Sequence[Subject], gain: float) -> float | None:
    """Return the noise of frames fainter than a flat over what is stated, where both say that the gain is too low.

    A response that bends makes flats calmer, and their gain too high, but not what is fainter by a factor of two.
    """
    measured, error = flat.get("gain_e_per_adu"), flat.get("gain_error_e_per_adu")
    fainter = [each for each in science if each.get("level") < _FAINTER * flat.get("level")]
    ratios = [ratio for each in fainter if (ratio := each.get("noise_ratio")) > 0]
    if not ratios or not measured - gain > max(_TOO_LOW * measured, _TOO_LOW_ERRORS * error):
        return None
    expected = math.sqrt(gain / measured)
    return median(ratios) if median(ratios) < 1.0 - _SAYS_SO * (1.0 - expected) else None


def flat_without_light(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find combined flats with no light, or less than none."""
    for flat in night.of("combined", "flat"):
        level, noise = flat.get("level"), flat.get("noise_of_one_frame")
        limit = _LEAST_FLAT_NOISES * noise if noise > 0 else 0.0
        # the noise of a dim flat is read noise; that of a bright one grows with the root of its level only
        if level <= 0 or level < min(limit, 100.0):
            yield check.finding(
                f"{flat.name}: its level is {level:.1f} ADU, where a flat holds thousands; what is divided by it is "
                "wrong",
                flat.name, figure=level, expected=limit,
            )  # fmt: skip


def frame_without_light(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find science frames whose level is below zero once bias and dark are subtracted."""
    for frame in night.of("frame", "science"):
        level, noise = frame.get("level"), frame.get("noise")
        if not frame.used or not noise >= 0:
            continue
        limit = max(_BELOW_ZERO_ADU, _BELOW_ZERO_NOISES * noise)
        if level < -limit:
            severity = _severity_below_zero(level, limit, check)
            yield check.finding(
                f"{frame.name}: its level is {level:.1f} after {' and '.join(frame.used)} were taken out; a sky is "
                f"never below zero (limit {-limit:.1f})",
                frame.name, figure=level, expected=0.0, severity=severity,
            )  # fmt: skip


BETWEEN_KINDS = (
    Check(
        "ZF301", "A dark is below its bias", "warning", "dark",
        f"The level of a combined dark, its bias subtracted, is dark current times exposure: never below zero. Told "
        f"from {_BELOW_ZERO_NOISES:g} times the read noise on, and {_BELOW_ZERO_ADU:g} ADU; an error from "
        f"{_MUCH_WORSE:g} times that. It happens where the bias was subtracted before, darks have another offset, "
        "another camera or another scale (8 bits, 0 to 1).",
        "Look at the header of the darks; leave them out, or give darks of this camera.", dark_below_bias,
    ),
    Check(
        "ZF304", "A dark that holds its bias is below the bias", "warning", "dark",
        "The level of a combined dark from which no bias was subtracted is held against that of the combined bias; the "
        "limits are those of ZF301.",
        "Look at the header of the darks: another offset, another camera, or the bias subtracted before.",
        dark_below_raw_bias,
    ),
    Check(
        "ZF305", "The flats contradict the gain", "warning", "gain",
        f"The gain measured on pairs of flats against the one that was used; told where they are more than "
        f"{100 * _GAIN_FRACTION:g} % and {_GAIN_ERRORS:g} standard errors apart, an error from {100 * _GAIN_WRONG:g} % "
        "on. A gain that is a setting of the camera and no gain does this. One that is too low is told from "
        f"{100 * _TOO_LOW:g} % and {_TOO_LOW_ERRORS:g} standard errors on where science frames of less than half the "
        "flats' level have less noise than it says, too.",
        "Give gain_e_per_adu in the recipe or a camera file.", gain_apart,
    ),
    Check(
        "ZF302", "A flat has no light", "error", "flat",
        "The level of a combined flat, bias and dark subtracted, is compared with zero and with its noise.",
        "Look whether the lamp was on, and whether the dark has the exposure of the flat.", flat_without_light,
    ),
    Check(
        "ZF303", "A science frame is below zero", "warning", "level",
        f"The level of a science frame, bias and dark subtracted, is light: never below zero by more than "
        f"{_BELOW_ZERO_NOISES:g} times its noise and {_BELOW_ZERO_ADU:g} ADU; an error from {_MUCH_WORSE:g} times "
        "that.",
        "See whether bias or dark belong to this camera, and whether the frame was reduced before.",
        frame_without_light,
    ),
)  # fmt: skip
