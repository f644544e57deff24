"""Within a frame: waves, columns, values that wrapped, patterns in another place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroframe.frames.numbers import number
from zeroframe.review.rows import Check, incidents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zeroframe.review.figures import NightFigures, Subject
    from zeroframe.review.rows import Finding

__all__ = ["WITHIN", "each_group", "names_of"]

#: Levels of rows or columns, of one frame, in noises of a pixel.
_BANDS, _BANDS_WRONG = 0.5, 2.0
#: A wave, by its amplitude in noises of a pixel.
_WAVE, _WAVE_WRONG = 0.35, 2.0
#: Of a column, in noises of a pixel.
_COLUMN = 1.5
#: Parts of the pixels whose noise was cut off: what is left is too high by 0.003 and by 0.05 noises of a pixel.
_CUT_OFF, _CUT_OFF_WRONG = 0.01, 0.1
#: Fewer steep steps are a saturated star beside a dead column.
_WRAPPED = 4
#: The four pixels of a square in a flat; those of one colour differ by a few percent at the most.
_COLOURS = 0.08
_FLIPS = {1: "left to right", 2: "top to bottom", 3: "left to right and top to bottom"}
_MOST_NAMES = 5


def names_of(frames: list[Subject]) -> str:
    """Return the names of frames, of many the first few."""
    named = ", ".join(each.name for each in frames[:_MOST_NAMES])
    return named + (f" and {len(frames) - _MOST_NAMES} more" if len(frames) > _MOST_NAMES else "")


def each_group(night: NightFigures, odd: Callable[[Subject], bool], *kinds: str) -> Iterator[list[Subject]]:
    """Yield the frames of each kind of which something is true, together."""
    groups: dict[tuple[str, str], list[Subject]] = {}
    for each in night.of("frame", *kinds):
        if odd(each):
            groups.setdefault((each.kind, each.of), []).append(each)
    yield from groups.values()


def banding(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find combined frames without light of which rows or columns change their level from frame to frame."""
    for each in night.of("combined", "bias", "dark"):
        pixel, frames = each.get("ideal_noise"), each.get("frames")
        for what in ("rows", "columns"):
            bands = each.get(f"noise_of_{what}") / pixel
            if bands > _BANDS:
                yield check.finding(
                    f"{each.name}: levels of {what} differ from frame to frame by {bands:.2f} times the noise of a "
                    f"pixel (limit {_BANDS:g}), in {frames:.0f} frames",
                    each.name, figure=bands, expected=_BANDS,
                    severity="error" if bands > _BANDS_WRONG else check.severity,
                )  # fmt: skip


def jumping_lines(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find science frames of which rows or columns change their level from one to the next."""
    for what in ("row", "column"):

        def jumps(each: Subject, what: str = what) -> float:
            return each.get(f"{what}_jumps_noises")

        for frames in each_group(night, lambda each: jumps(each) > _BANDS, "science"):
            worst = max(frames, key=jumps)
            yield check.finding(
                f"{names_of(frames)}: levels of {what}s jump from one to the next by {jumps(worst):.2f} times the "
                f"noise of a pixel (limit {_BANDS:g}), which the uncertainties do not say",
                *(each.name for each in frames), figure=jumps(worst), expected=_BANDS,
                severity="error" if jumps(worst) > _BANDS_WRONG else check.severity,
            )  # fmt: skip


def interference(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find frames without light that have a wave along their rows."""

    def has_wave(each: Subject) -> bool:
        return each.get("interference_noises") > _WAVE and each.of not in fixed

    # a pattern that stands in all frames alike is no interference: it is not in their differences
    fixed = {
        each.name
        for each in night.of("combined", "bias", "dark")
        if each.get("interference_noises") <= _WAVE / 2
        and all(part.get("interference_noises") > _WAVE / 2 for part in night.parts(each))
    }

    for frames in each_group(night, has_wave, "bias", "dark"):
        worst = max(frames, key=lambda each: each.get("interference_noises"))
        amplitude, period = worst.get("interference_noises"), worst.get("interference_pixels")
        yield check.finding(
            f"{names_of(frames)}: a wave of {number(period, 3)} pixels along the rows, of {amplitude:.2f} times the "
            f"noise of a pixel (limit {_WAVE:g})",
            *(each.name for each in frames), figure=amplitude, expected=_WAVE,
            severity="error" if amplitude > _WAVE_WRONG else check.severity,
        )  # fmt: skip


def odd_columns(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find columns that calibration has not corrected."""
    for frames in each_group(night, lambda each: each.get("odd_column_noises") > _COLUMN, "science"):
        worst = max(frames, key=lambda each: each.get("odd_column_noises"))
        off, count = worst.get("odd_column_noises"), worst.get("odd_columns")
        more = f", one of {count:.0f}" if count > 1 else ""
        yield check.finding(
            f"{names_of(frames)}: column {worst.get('odd_column'):.0f}{more} stands off its neighbours by {off:.1f} "
            f"times the noise of a pixel once bias, dark and flat are done (limit {_COLUMN:g})",
            *(each.name for each in frames), figure=off, expected=_COLUMN,
        )  # fmt: skip


def wrapped(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find frames whose brightest values began again at zero."""
    for frames in each_group(night, lambda each: each.get("wrapped_pixels") >= _WRAPPED):
        worst = max(each.get("wrapped_pixels") for each in frames)
        yield check.finding(
            f"{names_of(frames)}: {worst:.0f} pixels of the rows looked at lie far below the sky beside one near the "
            "top of the converter: values went past the top and began again, or BZERO is missing",
            *(each.name for each in frames), figure=worst, expected=0.0,
        )  # fmt: skip


def cut_off(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find frames of which the noise was cut off at the lowest value that there is."""
    for frames in each_group(night, lambda each: each.get("cut_off_fraction") > _CUT_OFF):
        worst = max(each.get("cut_off_fraction") for each in frames)
        yield check.finding(
            f"{names_of(frames)}: {100 * worst:.0f} % of the pixels hold the lowest value that can be stored (limit "
            f"{100 * _CUT_OFF:g} %): what their noise had below it was cut off, so that the level is too high and the "
            "noise too small",
            *(each.name for each in frames), figure=worst, expected=_CUT_OFF,
            severity="error" if worst > _CUT_OFF_WRONG else check.severity,
        )  # fmt: skip


def pattern_elsewhere(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find frames in which the pattern of what they are calibrated with stands in another place."""

    def is_turned(each: Subject) -> bool:
        return each.get("pattern_flip") > 0

    for frames in each_group(night, is_turned):
        flip = _FLIPS[int(frames[0].get("pattern_flip"))]
        yield check.finding(
            f"{names_of(frames)}: turned {flip} against what {_they(frames)} calibrated with, by the pattern of the "
            "pixels",
            *(each.name for each in frames), figure=frames[0].get("pattern_flip"), expected=0.0,
        )  # fmt: skip
    for frames in each_group(night, lambda each: abs(each.get("pattern_shift_x_pixels")) >= 0 and not is_turned(each)):
        x, y = (frames[0].get(f"pattern_shift_{axis}_pixels") for axis in "xy")
        yield check.finding(
            f"{names_of(frames)}: the pattern of the pixels stands {x:+.0f}, {y:+.0f} pixels (x, y) from that of what "
            f"{_they(frames)} calibrated with",
            *(each.name for each in frames), figure=max(abs(x), abs(y)), expected=0.0,
        )  # fmt: skip


def _they(frames: list[Subject]) -> str:
    return "it is" if len(frames) == 1 else "they are"


def colours_unsaid(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find flats with a pattern of two by two pixels that no header speaks of."""
    for frames in each_group(night, lambda each: each.get("colour_contrast") > _COLOURS, "flat"):
        worst = max(each.get("colour_contrast") for each in frames)
        main = frames[0].get("colour_diagonal") == 1.0
        greens, patterns = ("first and last", "GRBG or GBRG") if main else ("second and third", "RGGB or BGGR")
        yield check.finding(
            f"{names_of(frames)}: the four pixels of each square differ by {100 * worst:.0f} % (limit "
            f"{100 * _COLOURS:g} %), {greens} are alike: a colour sensor, {patterns}, and the header does not say so",
            *(each.name for each in frames), figure=worst, expected=_COLOURS,
        )  # fmt: skip


WITHIN = (
    Check(
        "ZF601", "Rows or columns change their level from frame to frame", "warning", "banding",
        f"Of biases and darks, from pairs, so that the fixed pattern counts for nothing. Told from {_BANDS:g} times "
        f"the noise of a pixel on, an error from {_BANDS_WRONG:g} times on.",
        "Subtract an overscan row by row, if there is one; look for interference in the electronics.", banding,
    ),
    Check(
        "ZF602", "Interference", "warning", "interference",
        "The power of the rows of biases and darks by frequency, fixed columns taken out: a wave stands above the "
        "frequencies beside it, and in the difference of two frames, too, where a fixed pattern drops out. "
        f"Told from an amplitude of {_WAVE:g} times the noise of a pixel on, an error from "
        f"{_WAVE_WRONG:g} times on.",
        "Look for a source near the camera: a switching supply, a motor, a cable; calibration does not remove it.",
        interference,
    ),
    Check(
        "ZF603", "A column is not corrected", "warning", "column",
        "The steps from each column of a calibrated science frame to both neighbours, the median of those in its rows, "
        "masked pixels left out; what has flanks, as a line of a spectrum, is light, and so is what scatters from row "
        "to row as its light does. "
        f"Told from {_COLUMN:g} times the noise of a pixel on. It is dead or hot, and was not when darks and flats "
        "were taken.",
        "Take new darks and flats, or mask it with --bad-pixels.", odd_columns,
    ),
    Check(
        "ZF604", "Values wrapped past the top of the converter", "error", "wrapped",
        "A pixel far below the sky beside one near 65535, which with 65536 added goes on as those before it rose: of "
        "16 bits the highest one was lost, or the file was written without BZERO. "
        f"Told from {_WRAPPED} such steps on, in the rows that are looked at, dead columns left out.",
        "Expose shorter, or write files with BZERO = 32768.", wrapped,
    ),
    Check(
        "ZF605", "A frame is turned or shifted against its calibration", "error", "turned",
        "The contrast of neighbouring pixels of the frame is compared with that of bias, dark and flat, in its place, "
        "up to two pixels off, and turned. Another place has to fit twice as well, and beyond chance by eight errors. "
        "Programs that write rows from the top (ROWORDER) or flip (FLIPSTAT) do this, and other read-out windows.",
        "Use calibration frames that were written by the same program with the same settings.", pattern_elsewhere,
    ),
    Check(
        "ZF606", "A colour sensor of which the header says nothing", "note", "colours",
        "Of flats, the four pixels of each square of two by two against each other; told from "
        f"{100 * _COLOURS:g} % on. Saturation, cosmic rays and flats are then judged by colours.",
        "Add BAYERPAT to the headers, or give the pattern in a camera file.", colours_unsaid,
    ),
    Check(
        "ZF607", "Frames are written in different directions, by their headers", "warning", "turned",
        "ROWORDER and FLIPSTAT of all frames of one size: where some were written bottom up or turned and others were "
        "not, the pattern of calibration frames stands in another place.",
        "Write all frames with the same settings; ZF605 says whether the pixels are turned, too.", incidents,
    ),
    Check(
        "ZF608", "Values are cut off at the bottom", "warning", "cut off",
        "The part of the raw pixels that hold 0, or the least of 16 bits, where the usual pixel is within five noises "
        f"of it; told from {100 * _CUT_OFF:g} % on, an error from {100 * _CUT_OFF_WRONG:g} % on. The bias level of the "
        "camera is too low for its noise, and nothing brings back what was cut off.",
        "Raise the offset of the camera, until no bias holds a 0.", cut_off,
    ),
    Check(
        "ZF609", "Frames have different pedestals, by their headers", "warning", "pedestal",
        "PEDESTAL of frames of one size and camera from which no overscan is subtracted: as MaxIm DL writes it, it is "
        "what is to be added to the pixels for zero to be zero. Where it differs, so do the levels.",
        "Write all frames with the same pedestal, or add it to the pixels of those that have another one.", incidents,
    ),
    Check(
        "ZF610", "Rows or columns of a science frame change their level", "warning", "jumping lines",
        "Medians of neighbouring rows, and of neighbouring columns, of calibrated science frames: where they differ by "
        "more than their noise, as electronics make them and no optics, since lines two apart differ no more than "
        f"neighbours do. Told from {_BANDS:g} times the noise of a pixel on, an error from {_BANDS_WRONG:g} times "
        "on. Uncertainties are those of pixels that have nothing in common.",
        "Look for interference while the telescope tracks; an overscan that is subtracted row by row "
        "(--overscan-method median) takes out levels of rows.", jumping_lines,
    ),
)  # fmt: skip
