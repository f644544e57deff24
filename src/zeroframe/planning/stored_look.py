"""What the pixels of a combined frame say that exists already: its level, its noise, the scale that it is in."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zeroframe.errors import DamagedError
from zeroframe.fits import read_raw
from zeroframe.fits.decode import decoded_float
from zeroframe.fits.fingerprint import file_mark
from zeroframe.frames.calibration_frames import FLAT_LEVEL_CARD
from zeroframe.frames.quality import measure_frame
from zeroframe.frames.raw import calibrate_pixels
from zeroframe.frames.stored import StoredFile, read_stored
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroframe.headers.kinds import CalibrationKind
    from zeroframe.planning.plan import NightFrame

__all__ = ["TO_ONE", "DarkLevel", "StoredLook", "dark_level_of", "look_at_stored"]

#: What programs that write pixels from 0 to 1 have divided by.
TO_ONE = 65535.0
#: Pixels that are less noisy than this, and no larger than 1, are no ADU: the converter alone leaves 0.29 in one frame.
_QUIETER_ADU = 0.01


@dataclass(frozen=True, slots=True)
class StoredLook:
    """What was seen.

    Attributes
    ----------
    file : StoredFile
        With its hash, and with what brings its pixels to ADU as far as they tell.
    level_adu, noise_adu : float
        Mean level, and the noise of a pixel against its neighbours, in ADU; of a flat, before it is divided by its
        level where that is known.
    relative_noise : float
        The noise over the level.
    states_sigma : bool
        Whether a plane of the file states its errors.
    to_one : bool
        Whether its pixels ran from 0 to 1.
    """

    file: StoredFile
    level_adu: float
    noise_adu: float
    relative_noise: float
    states_sigma: bool
    to_one: bool


@dataclass(frozen=True, slots=True)
class DarkLevel:
    """What a frame of the night without light has as its level.

    Attributes
    ----------
    overscan_adu : float
        What was subtracted with the overscan; NaN where none is.
    bias_adu : float
        The level of a bias of the night once that is done; NaN where the night has none.
    lowest_adu : float
        The lowest level of a raw frame that was looked at: no bias can be above it by more than noise.
    """

    overscan_adu: float
    bias_adu: float
    lowest_adu: float


def look_at_stored(file: StoredFile, row: CalibrationKind, *, may_run_to_one: bool) -> StoredLook:
    """Measure a combined frame.

    Parameters
    ----------
    file : StoredFile
        Its overscan and trim are known, and what its header says of its unit; its hash need not be.
    row : CalibrationKind
        What it is.
    may_run_to_one : bool
        Whether its program is known to write pixels from 0 to 1.

    Returns
    -------
    StoredLook

    Raises
    ------
    FrameError
        When it cannot be read.
    """
    sha256 = file_mark(file.path).sha256
    if file.sha256 not in {"", sha256}:
        reason = "is not the file that the index of its library names"
        raise DamagedError(file.path, reason, "see zeroframe library verify")
    file = replace(file, sha256=sha256)
    plane = read_stored(replace(file, sha256="", over_level=False, sigma=None))
    found = measure_frame(plane.data)
    level, noise = found.level_adu, found.noise_adu
    finite = plane.data[np.isfinite(plane.data)]
    within_one = finite.size > 0 and float(finite.max()) <= 1.0 and plane.data.dtype.kind == "f"
    to_one = not row.divides and within_one and (may_run_to_one or noise < _QUIETER_ADU) and noise < _QUIETER_ADU
    if to_one:
        file = replace(file, factor=file.factor * TO_ONE)
        level, noise = level * TO_ONE, noise * TO_ONE
    relative = noise / level if level > 0 else math.nan
    known = plane.number(FLAT_LEVEL_CARD) if row.scaled_by_level else None
    if row.scaled_by_level:
        # one of ours is at a level of 1, and stays what it is bit for bit
        file = replace(file, over_level=known is None)
        level = known if known is not None else level
        noise = relative * level
    return StoredLook(file, level, noise, relative, plane.sigma.size > 0, to_one)


def dark_level_of(frames: Sequence[NightFrame]) -> DarkLevel:
    """Measure what frames of one sort have where no light is: a bias where there is one, and one frame that may be lit.

    Parameters
    ----------
    frames : sequence of NightFrame
        Frames of the night that were read alike, with the same overscan and trim.
    """
    zeros = [frame for frame in frames if frame.facts.kind is not None and _is_zero(frame)]
    looked = [*zeros[:1], *(frame for frame in frames if not _is_zero(frame))][:2]
    overscan = bias = lowest = math.nan
    for frame in looked:
        raw = read_raw(frame.source)
        pixels = np.empty(frame.shape_yx, decoded_float(raw.layout))
        subtracted = calibrate_pixels(raw, frame.recipe, pixels)
        level = measure_frame(pixels).level_adu
        if frame.recipe.subtracts_overscan:
            overscan = subtracted.mean_adu
        if _is_zero(frame):
            bias = level
        dimmest = float(np.nanpercentile(pixels[::8, ::8], 1.0))
        lowest = dimmest if math.isnan(lowest) else min(lowest, dimmest)
    return DarkLevel(overscan, bias, lowest)


def _is_zero(frame: NightFrame) -> bool:
    from zeroframe.headers.kinds import kind_row

    row = kind_row(frame.kind)
    return row is not None and row.is_zero
