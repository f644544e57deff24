"""What was not made, lacks something, was left out, or is doubtful by what the run itself met."""

from __future__ import annotations

from zeroframe.review.rows import Check, incidents

__all__ = ["MADE"]

MADE = (
    Check(
        "ZF101", "A frame could not be calibrated", "error", "failed",
        "A raw frame could not be read, planned, calibrated or written. The others are not touched by it.",
        "The sentence says what to do; --log-file keeps the details.", incidents,
    ),
    Check(
        "ZF102", "A combined frame could not be made", "error", "not combined",
        "None of its frames could be used, or it could not be written. What needs it is calibrated without, or fails.",
        "See why its frames failed or were left out.", incidents,
    ),
    Check(
        "ZF103", "A mask could not be made", "error", "failed",
        "The combined dark or flat that it is found in is missing, or it could not be written.",
        "See why the combined frame failed.", incidents,
    ),
    Check(
        "ZF104", "A frame is calibrated without a step that it ought to have", "error", "incomplete",
        "No bias or flat of its size, binning, read-out, filter fits, or the one that fits could not be made.",
        "Add the frames that are missing, or say in the recipe that the step is not wanted.", incidents,
    ),
    Check(
        "ZF105", "Science frames have no dark", "note", "no dark",
        "The night has no dark that fits. A cooled camera has little dark current, and many observers take none.",
        "Take darks where the exposure is long or the camera is warm.", incidents,
    ),
    Check(
        "ZF106", "A frame of a combination could not be used", "error", "left out",
        "A frame that was meant to take part in a combination could not be read or does not fit the others.",
        "The sentence says why.", incidents,
    ),
    Check(
        "ZF107", "Results read back are not what was written", "error", "read back",
        "All results are opened again at the end: their number, shapes and types are compared with what was written.",
        "See whether the disk is full or failing, and run again.", incidents,
    ),
    Check(
        "ZF108", "A product beside the results could not be written", "error", "not written",
        "A mosaic of the detectors of a file, the image of each colour or a picture was asked for, and cannot be made; "
        "the calibrated frames are not touched by that.",
        "Read the reason: leave the option out where there is nothing to make it of, or see why a frame failed.",
        incidents,
    ),
    Check(
        "ZF201", "A decision is uncertain", "note", "uncertain",
        "A header or the pixels do not say enough; what was assumed is named.",
        "Give the value by an option, in the recipe or in a camera file.", incidents,
    ),
    Check(
        "ZF202", "A frame does not belong to its group, and took part", "error", "does not belong",
        "Level, noise, shape, temperature, gain, exposure or kind of a frame stands apart from the other frames of "
        "its group by more than the limit that is named.",
        "--reject-outliers leaves it out, or move the file away.", incidents,
    ),
    Check(
        "ZF203", "A frame was left out of a combination", "note", "left out",
        "It does not belong to the others: the combination is made without it.",
        "Look at the frame; the reason names the figure.", incidents,
    ),
    Check(
        "ZF204", "A frame is done, with a remark", "note", "note",
        "Something about a frame was doubtful, but it could be calibrated.",
        "The sentence says what to do.", incidents,
    ),
    Check(
        "ZF205", "Pixels of a frame were never read", "warning", "never read",
        "Rows or blocks of a science frame hold one value throughout, or rows what the row before holds, where "
        "neighbours of a sensor differ by noise: the read-out stopped, or the file was not written to its end. They "
        "are masked as NODATA. So it is said of a calibration frame that is left out for it; where it takes part with "
        "the rest of its pixels a note is enough.",
        "Look at the frame; what is masked there has no value.", incidents,
    ),
    Check(
        "ZF206", "An amplifier sees no light", "warning", "no light",
        "Of a detector that several amplifiers read, the level of one in the combined flat is less than 0.1 % of that "
        "of the brightest one: it is dead, or nothing lights its part, and light that is scattered beside a slit is "
        "more. The flat is divided by the level of the others, and what the amplifier read is masked as BAD.",
        "See whether the amplifier works; leave it out by a camera file that names the others only.", incidents,
    ),
    Check(
        "ZF207", "A science frame has no light where others of its field have it", "warning", "no light",
        "The sky of a calibrated frame in sixteen bands of rows and of columns. Told where it is zero, within its "
        "errors, in all of the frame or in bands beside each other, while another exposure of the same object, filter "
        "and time is lit all over: a shutter, a blade or a door was closed, or clocks stopped. Not told where stars or "
        "other sources shine there; of a whole frame, or several in a row, only if those before and after, within five "
        "minutes, have light, as a sky falls from twilight, or, where all exposures of the field are dark, if frames "
        "of other fields before and after them do, through the same filter and within an hour; of a part only if its "
        "border runs along a row or a column and the rest "
        "has the light of the other exposure, as the limb of the Moon is curved. The pixels are not masked.",
        "Look at the frame, and leave it out, or the part of it, of what is measured.", incidents,
    ),
    Check(
        "ZF208", "Bright stars leave ghosts in other amplifiers", "warning", "crosstalk",
        "Of a detector that several amplifiers read, what bright pixels of one have at the same moment in the others: "
        "the slope of a line, in each science frame with stars from 15 % of a full pixel on. Told where a full pixel "
        "leaves more than half the read noise, and the slope is 5 errors and 5 times what is found at other places of "
        "the same amplifier; the other bright stars have to leave the same as the brightest, or that one a ghost in "
        "another amplifier, too: a star may stand there by chance. The ghosts are not masked: they are light that can "
        "be taken out.",
        "Run zeroframe inspect --write my.toml on the raw frames, and give --camera my.toml: it takes crosstalk out.",
        incidents,
    ),
)  # fmt: skip
