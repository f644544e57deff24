"""The files themselves: one frame that is there twice, files that take no part, combined frames that exist already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroframe.review.rows import Check, incidents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zeroframe.review.figures import NightFigures
    from zeroframe.review.rows import Finding

__all__ = ["FILES"]


def same_pixels(night: NightFigures, check: Check) -> Iterator[Finding]:
    """Find frames of a combination that hold the same pixels."""
    for combined in night.of("combined"):
        alike: dict[bytes, list[str]] = {}
        for part in night.parts(combined):
            if part.sample:
                alike.setdefault(part.sample, []).append(part.name)
        for names in alike.values():
            if len(names) > 1:
                yield check.finding(
                    f"{', '.join(names)}: the same pixels {len(names)} times, counted as {len(names)} frames in "
                    f"{combined.name}",
                    *names, combined.name, figure=float(len(names)), expected=1.0,
                )  # fmt: skip


FILES = (
    Check(
        "ZF501", "One frame is there twice", "error", "twice",
        "Two frames of a combination have the same pixels: no two exposures have the same noise. A copy counts twice, "
        "and makes the noise of the result look smaller than it is.",
        "Move all but one of them out of the folder.", same_pixels,
    ),
    Check(
        "ZF502", "Frames that were reduced before are left alone", "note", "left alone",
        "The header says that bias, dark or flat were taken out already, or that the frame was combined. To do it "
        "again would subtract a level twice.",
        "Give the raw frames, or use zeroframe combine for what is calibrated.", incidents,
    ),
    Check(
        "ZF503", "Most of the files take no part", "warning", "left alone",
        "More than half of the files in the folder are of a kind that was not asked for, or of no known kind.",
        "See zeroframe ls for what each is taken for; name the kinds in the recipe.", incidents,
    ),
    Check(
        "ZF504", "A stored calibration frame is doubtful", "warning", "stored",
        "The level and the noise of a combined frame that exists already (--calibrations, --library) are held against "
        "its own header, and against the level of the bias, the overscan or the darkest pixels of the night: a dark "
        "whose header says that its bias was subtracted, and whose level says that it was not; a bias that is not of "
        "the level of the night; pixels that are all alike.",
        "Look at the file and at how it was made; leave it out where it does not belong.", incidents,
    ),
    Check(
        "ZF505", "The errors of a stored calibration frame are not known", "note", "stored",
        "A combined frame that exists already has no plane of uncertainties, and nothing from which its errors could "
        "be estimated: the uncertainties of science frames leave them out.",
        "Give frames with an UNCERT extension, or raw calibration frames.", incidents,
    ),
    Check(
        "ZF506", "Results of an earlier run are left over", "warning", "left over",
        "Results stand in the folder whose raw frames are not among the raw frames any more, or that are there a "
        "second time in another format. No run deletes them, as they may be wanted.",
        "Delete them if they are not wanted.", incidents,
    ),
    Check(
        "ZF507", "What was said of headers meets no frame", "warning", "meets no frame",
        "A card that was named (--card, or words in the recipe) stands in no header, or a rule for a kind (--kind) "
        "fits no frame: the frames were taken for what their headers say by themselves.",
        "Mend the word, or leave it out; zeroframe explain FRAME shows what a header says.", incidents,
    ),
    Check(
        "ZF508", "Exposures do not fit the times of the frames", "warning", "exposures",
        "Most frames are exposed for more than 30 times the time after which the next frame of their camera begins: "
        "their headers give the exposure in another unit, as milliseconds.",
        "Give the unit, as --card 'exposure=EXPTIME*0.001' does.", incidents,
    ),
    Check(
        "ZF509", "A word for a kind of frame is not known", "note", "word",
        "A card that says what frames are for has a word that is in no table, so that they take no part: they may be "
        "flats, darks or biases that other frames lack.",
        "Say what they are, as by --kind 'flat=IMAGETYP=FLATDOME'.", incidents,
    ),
    Check(
        "ZF510", "The exposure of darks is not known", "warning", "exposure",
        "No card of a dark says how long it was exposed, so nobody knows which frames it is for; it takes no part.",
        "Say with --card which card holds it, as by --card exposure=EXPMS*0.001, or write EXPTIME into copies of them.",
        incidents,
    ),
)  # fmt: skip
