"""Figures: what was measured, as named numbers with units, of the frames, combined frames and masks of a run.

The name of a figure ends in its unit: ``level_adu``, ``gain_e_per_adu``, ``masked_fraction``. Where the unit is that of
the data, it is ``adu`` or ``e``.
"""

from __future__ import annotations

import math
from dataclasses import field
from typing import TYPE_CHECKING, Literal

from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["FIGURES", "FigureName", "Incident", "NightFigures", "Subject"]

What = Literal["frame", "combined", "mask"]


@dataclass(frozen=True, slots=True)
class FigureName:
    """What a figure is.

    Attributes
    ----------
    name : str
        Without the unit where that is the unit of the data.
    of_data : bool
        Whether its unit is that of the data; else it stands in the name, or it is a number without unit.
    meaning : str
        In words.
    """

    name: str
    of_data: bool
    meaning: str


#: Every figure there is. The schema of ``--json`` and docs/findings.md name them from here.
FIGURES = (
    FigureName("raw_level_adu", False, "mean level of the raw image, outliers left out"),
    FigureName("level", True, "mean level of the calibrated or combined image; of a flat before it is divided by it"),
    FigureName("noise", True, "noise of a pixel: of a frame against its neighbours, of a combined frame from pairs"),
    FigureName("expected_noise", True, "noise of one frame over the root of the number of frames"),
    FigureName("noise_of_one_frame", True, "noise of a pixel of one frame, row levels included, from pairs"),
    FigureName("read_noise", True, "noise of a pixel of one frame without light, from pairs"),
    FigureName("pixel_noise", True, "the same, with what is common to a row removed"),
    FigureName("scatter", True, "standard deviation of the pixels of the combined frame, fixed pattern included"),
    FigureName("pattern", True, "fixed pattern of the combined frame, which is no noise"),
    FigureName("stated_noise", True, "median of the uncertainties (UNCERT) of a science frame"),
    FigureName("level_error", True, "error of the level of a science frame, common to all of its pixels"),
    FigureName("level_scatter", True, "how levels of biases or darks differ that were combined without a plan"),
    FigureName("noise_ratio", False, "noise of a science frame over what its uncertainties say; 1 is right"),
    FigureName("quantisation_step", True, "step in which a science frame is written, where that is with loss"),
    FigureName("gain_e_per_adu", False, "gain that was used, or of a flat the gain measured on its pairs"),
    FigureName("gain_error_e_per_adu", False, "standard error of the measured gain"),
    FigureName("nonlinear_fraction", False, "of flats: how far the response bends, by the way their noise grows"),
    FigureName("nonlinear_level_adu", False, "their highest level"),
    FigureName(
        "seam_step_fraction", False, "step of the level between two amplifiers, over the level, when all is done"
    ),
    FigureName("seam_error_fraction", False, "standard error of that step"),
    FigureName("raw_seam_step_fraction", False, "the same step before dark and flat"),
    FigureName("dark_scale", False, "what the dark was multiplied by, where that was fitted to hot pixels"),
    FigureName("dark_scale_error", False, "its standard error"),
    FigureName("frames", False, "how many frames were combined"),
    FigureName("rejected_values", False, "values that took no part in the combination"),
    FigureName("saturated_pixels", False, "saturated pixels"),
    FigureName("masked_pixels", False, "masked pixels"),
    FigureName("unlit_pixels", False, "masked pixels where the flat has too little light, as beside a slit"),
    FigureName("blind_pixels", False, "those of amplifiers that see no light, by the flat"),
    FigureName("silent_pixels", False, "those of amplifiers that were not read"),
    FigureName("cosmic_ray_pixels", False, "pixels masked as cosmic rays"),
    FigureName("not_finite_pixels", False, "pixels without a value"),
    FigureName("pixels", False, "pixels of the image"),
    FigureName("exposure_s", False, "exposure time"),
    FigureName("temperature_c", False, "temperature of the detector, by the header"),
    FigureName("start_mjd", False, "when the exposure began, by the header, as a modified Julian date"),
    FigureName("unread_pixels", False, "pixels that were never read: rows and blocks of one value"),
    FigureName(
        "bad_pixels", False, "masked pixels that do not answer to light as others do; of frames with many masked"
    ),
    FigureName("hot_pixels", False, "masked pixels that stand above the others in the dark; the same"),
    FigureName("bled_pixels", False, "masked pixels that saturated ones bled into; the same"),
    FigureName("nonlinear_pixels", False, "masked pixels above where the answer is linear; the same"),
    FigureName("cut_off_fraction", False, "of some rows: part of the pixels at the lowest value, where noise was cut"),
    FigureName("raw_noise", False, "noise of the raw pixels of a frame whose raw level is no more than one"),
    FigureName("wrapped_pixels", False, "of some rows: pixels below the sky beside one near the top of the converter"),
    FigureName(
        "interference_noises",
        False,
        "amplitude of the strongest wave along the rows, in noises of a pixel; of a combined frame by differences",
    ),
    FigureName("interference_pixels", False, "its period"),
    FigureName("row_jumps_noises", False, "of a science frame: spread of the levels of rows from one to the next"),
    FigureName("column_jumps_noises", False, "the same of columns, in noises of a pixel"),
    FigureName("odd_columns", False, "columns that stand off both neighbours over more than half of their height"),
    FigureName("odd_column", False, "the worst of them, counted from 1"),
    FigureName("odd_column_noises", False, "by so many noises of a pixel"),
    FigureName(
        "colour_contrast", False, "of a flat: brightest of the four pixels of a square over the faintest, less 1"
    ),
    FigureName("colour_diagonal", False, "1: the first and the last of the four are alike; 2: those between"),
    FigureName("sky_noises", False, "level of the brighter bands of a science frame, in noises of a pixel"),
    FigureName("faintest_part_noises", False, "that of the faintest of sixteen bands of rows or of columns"),
    FigureName("brightest_part_noises", False, "that of the brightest"),
    FigureName("has_sources", False, "of a science frame with little sky: 1 where stars or other light stand in it"),
    FigureName(
        "dark_part_first", False, "of bands without light beside others that have some: the first row or column"
    ),
    FigureName("dark_part_last", False, "the last one, counted from 1"),
    FigureName("dark_part_along", False, "1: these are columns; 2: rows"),
    FigureName("dark_part_noises", False, "their level, in noises of a pixel"),
    FigureName("pattern_shift_x_pixels", False, "where the pattern of a combined frame stands, if not in its place"),
    FigureName("pattern_shift_y_pixels", False, "the same along y"),
    FigureName("pattern_flip", False, "1: the pattern is turned left to right; 2: top to bottom; 3: both"),
    FigureName("dark_left", False, "part of the contrast of hot pixels that is left; 0 is right"),
    FigureName("dark_left_error", False, "its standard error"),
    FigureName("dark_taken_out", False, "level of the dark that was taken out, in the unit of the data"),
    FigureName("flat_left", False, "part of the contrast of the flat's pixels that is left; 0 is right"),
    FigureName("flat_left_error", False, "its standard error"),
    FigureName("light_left", False, "part of the flat's shape that the sky has; 0 is right"),
    FigureName("light_left_error", False, "its standard error"),
    FigureName("light_left_contrast", False, "what that is in the sky, from its brightest part to its faintest"),
    FigureName("shape_left", False, "part of the shape of dark or bias that the sky has; 0 is right"),
    FigureName("shape_left_error", False, "its standard error"),
    FigureName("shape_left_span", False, "what that is in the sky, from its brightest part to its faintest"),
    FigureName("ideal_noise", True, "noise of one frame's pixels, rows and larger areas taken out, over their root"),
    FigureName("noise_of_rows", True, "what levels of rows that differ between frames add to the noise"),
    FigureName("noise_of_columns", True, "what levels of columns that differ between frames add to it"),
    FigureName("noise_of_shading", True, "what shading that changes between frames adds to it"),
    FigureName("noise_of_average", True, "noise of a plain average of the same frames, where theirs is another"),
    FigureName("noise_of_combination", True, "what the way of combining adds to it, against an average"),
    FigureName("noise_in_common", True, "what these do not explain: what some of the frames have in common"),
    FigureName("earlier_read_noise", True, "read noise of earlier nights of the same tree, their median"),
    FigureName("earlier_gain_e_per_adu", False, "measured gain of earlier nights of the same tree, their median"),
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What figures are of: one frame, one combined frame or one mask.

    Attributes
    ----------
    name : str
        Of its file, relative to the folder of results.
    what : {'frame', 'combined', 'mask'}
        Which of them.
    kind : str
        ``'bias'``, ``'dark'``, ``'flat'``, ``'science'`` …; of a mask ``'hot'`` or ``'bad'``.
    state : str
        How it ended: ``'done'``, ``'skipped'``, ``'left out'``, ``'failed'``, ``'not asked for'``.
    unit : str
        Of the data, as names of figures end: ``'adu'``, ``'e'``.
    figures : mapping of str to float
        What was measured of it. A figure that is not known is missing.
    used : tuple of str
        Names of the combined frames that it was calibrated with.
    of : str
        Of a frame, the combined frame that it is part of; empty where it is part of none.
    sample : bytes
        A coarse map of the pixels: that of two frames is the same only where the pixels are. Empty where not known.
    method : str
        Of a combined frame: ``'average'``, ``'median'`` or ``'sum'``.
    """

    name: str
    what: What
    kind: str
    state: str
    unit: str = "adu"
    figures: Mapping[str, float] = field(default_factory=dict)
    used: tuple[str, ...] = ()
    of: str = ""
    sample: bytes = b""
    method: str = ""

    def get(self, name: str) -> float:
        """Return a figure by its name without the unit of the data; NaN where it is not known.

        Examples
        --------
        >>> Subject("a.fits", "frame", "bias", "done", figures={"level_adu": 3.0}).get("level")
        3.0
        """
        return self.figures.get(name, self.figures.get(f"{name}_{self.unit}", math.nan))

    def fraction(self, name: str) -> float:
        """Return a count of pixels as a fraction of all; NaN where it is not known."""
        pixels = self.get("pixels")
        return self.get(name) / pixels if pixels > 0 else math.nan

    @property
    def is_there(self) -> bool:
        """Whether its file is there and up to date."""
        return self.state in {"done", "skipped", "left out"}


@dataclass(frozen=True, slots=True)
class Incident:
    """What happened in a run and is no figure: something was not made, or lacks something.

    Attributes
    ----------
    code : str
        Of the row of `zeroframe.review.CHECKS` that it belongs to.
    sentence : str
        What happened, with the reason.
    frames : tuple of str
        Names of what it concerns.
    """

    code: str
    sentence: str
    frames: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NightFigures:
    """All figures of a run, and what happened in it."""

    subjects: tuple[Subject, ...] = ()
    incidents: tuple[Incident, ...] = ()

    def of(self, what: What, *kinds: str) -> Iterator[Subject]:
        """Yield what is there of frames, combined frames or masks, of these kinds or of all."""
        for each in self.subjects:
            if each.what == what and each.is_there and (not kinds or each.kind in kinds):
                yield each

    def named(self, name: str) -> Subject | None:
        """Return what has this name; None where nothing has."""
        return next((each for each in self.subjects if each.name == name), None)

    def parts(self, combined: Subject) -> tuple[Subject, ...]:
        """Return the frames that a combined frame was made of, those that were left out not among them."""
        return tuple(each for each in self.of("frame") if each.of == combined.name and each.state != "left out")
