"""Whether the level of a combined frame that exists is one that frames of this night can have."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

from zeroframe.errors import ZeroframeError
from zeroframe.frames.numbers import number, percent
from zeroframe.planning.stored_look import DarkLevel, dark_level_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroframe.headers.kinds import CalibrationKind
    from zeroframe.headers.stored import StoredFacts
    from zeroframe.planning.plan import NightFrame
    from zeroframe.planning.stored_look import StoredLook

__all__ = ["DarkLevels", "doubts_of_level", "doubts_of_noise", "holds_bias"]

#: A level is told from zero by so many times the noise of a pixel, and no less than so many ADU.
_NOISES, _LEAST_ADU = 5.0, 5.0
#: A dark is taken to hold its bias from this part of the bias level on.
_HOLDS = 0.5
#: Levels of biases of two nights may be apart by this part, and so many ADU.
_APART, _APART_ADU = 0.05, 10.0
#: A combined frame is noisier than the expected by its fixed pattern, too; it is never much quieter.
_QUIET, _NOISY = 0.5, 3.0
#: Pixels of a flat differ in their response by less than this.
_FLAT_SCATTER = 0.05


class DarkLevels:
    """What frames of one sort have where no light is; they are looked at when somebody asks, and once."""

    def __init__(self, frames: Sequence[NightFrame]) -> None:
        self._frames = frames

    @cached_property
    def found(self) -> DarkLevel:
        """The levels; NaN where frames cannot be read, which is said when they are calibrated."""
        try:
            return dark_level_of(self._frames)
        except (ZeroframeError, OSError):
            return DarkLevel(math.nan, math.nan, math.nan)


def _limit(look: StoredLook) -> float:
    return max(_NOISES * look.noise_adu, _LEAST_ADU)


def holds_bias(
    row: CalibrationKind, facts: StoredFacts, look: StoredLook, levels: DarkLevels, bias_adu: float
) -> tuple[bool, tuple[str, ...]]:
    """Say whether the bias is still in a combined frame, and what is to be said about that.

    Parameters
    ----------
    row : CalibrationKind
        What the frame is.
    facts : StoredFacts
        What its header says.
    look : StoredLook
        What its pixels say.
    levels : DarkLevels
        Of the frames of the night.
    bias_adu : float
        Level of a stored bias of the same frames; NaN where there is none.
    """
    if row.is_zero:
        return True, ()
    if not row.may_keep_bias:
        return False, ()
    said = next((kind for kind in facts.subtracted if kind in row.needs), None)
    stated = False if said is not None else True if facts.says_all else None
    found = levels.found
    level = found.bias_adu if math.isfinite(found.bias_adu) else bias_adu
    told = "the bias"
    if not math.isfinite(level) and math.isnan(found.overscan_adu):
        # nothing in the night is darker than its bias
        level, told = found.lowest_adu, "the darkest pixels of the night"
    if not math.isfinite(level) or abs(level) <= 2 * _limit(look):
        if stated is None:
            return True, ("nothing says whether its bias was subtracted; it is taken to hold it, and is never scaled",)
        return stated, ()
    holds = look.level_adu > _HOLDS * level
    if stated is None or stated == holds:
        return holds, ()
    word = facts.subtracted[said] if said is not None else "no bias was subtracted"
    verdict = "it holds its bias" if holds else "its bias was subtracted"
    against = f"its level of {look.level_adu:.1f} ADU against the {level:.1f} of {told} says that {verdict}"
    return holds, (f"its header says {word!r}, but {against}",)


def doubts_of_level(
    row: CalibrationKind, facts: StoredFacts, look: StoredLook, levels: DarkLevels
) -> tuple[str, tuple[str, ...]]:
    """Return why a combined frame cannot be used for frames of the night by its level, and what is doubtful of it.

    Parameters
    ----------
    row, facts, look, levels
        As for `holds_bias`.

    Returns
    -------
    problem : str
        Empty where it can be used.
    doubts : tuple of str
    """
    level = look.level_adu
    if not math.isfinite(level):
        return "it has no pixel that is valid", ()
    if row.divides:
        return ("", ()) if level > 0 else (f"it is a flat with a level of {number(level, 3)}", ())
    if look.noise_adu == 0:
        return "", ("all its pixels are alike: it takes away no structure",)
    if not row.is_zero:
        return "", ()
    found, limit = levels.found, _limit(look)
    if math.isnan(found.overscan_adu):
        return _without_overscan(look, found, limit, overscan_done=facts.overscan is True)
    if found.overscan_adu > 2 * limit and level > _HOLDS * found.overscan_adu:
        said = f"its level of {level:.1f} ADU is about that of the overscan ({found.overscan_adu:.1f})"
        return f"{said}: none was subtracted from it, and one is from the frames of the night", ()
    return "", ()


def _without_overscan(
    look: StoredLook, found: DarkLevel, limit: float, *, overscan_done: bool
) -> tuple[str, tuple[str, ...]]:
    """Judge the level of a bias where no overscan is subtracted from the frames of the night."""
    level, lowest = look.level_adu, found.lowest_adu
    is_zero = abs(level) <= limit and lowest > 2 * limit
    if is_zero and overscan_done:
        said = f"its overscan was subtracted, and so its level is {level:.1f} ADU"
        return f"{said}, but none is from the frames of the night", ()
    if math.isfinite(found.bias_adu):
        apart = abs(level - found.bias_adu) > max(_APART * abs(found.bias_adu), _APART_ADU, limit)
        said = f"its level is {level:.1f} ADU, and that of a bias of the night {found.bias_adu:.1f}"
        return "", (said,) if apart else ()
    if level > lowest + limit:
        said = f"its level of {level:.1f} ADU is above the darkest pixels of a frame of the night ({lowest:.1f})"
        return "", (said,)
    if is_zero:
        said = f"its level is {level:.1f} ADU, and the darkest pixels of the night have {lowest:.1f}"
        return "", (f"{said}: an offset may stay in",)
    return "", ()


def doubts_of_noise(row: CalibrationKind, facts: StoredFacts, look: StoredLook, frame: NightFrame) -> tuple[str, ...]:
    """Say where the noise of a combined frame is none that it can have.

    Parameters
    ----------
    row, facts, look
        As for `holds_bias`.
    frame : NightFrame
        One of the night that was read alike: recipe, camera or header may state its noise.
    """
    if row.divides:
        share = look.relative_noise
        return (f"its pixels scatter by {percent(share)}: it has seen little light",) if share > _FLAT_SCATTER else ()
    read_e, gain = frame.steps.read_noise_e, frame.steps.gain_e_per_adu
    if read_e is None or gain is None or not look.noise_adu > 0:
        return ()
    single = read_e / gain
    if look.noise_adu > _NOISY * single:
        return (f"its noise of {number(look.noise_adu, 3)} ADU is more than that of one frame ({number(single, 3)})",)
    if facts.frames is None:
        return ()
    expected = single / math.sqrt(facts.frames)
    if look.noise_adu >= _QUIET * expected:
        return ()
    said = f"its noise is {number(look.noise_adu, 3)} ADU, and {facts.frames} frames of {number(single, 3)} leave "
    said += number(expected, 3)
    return (f"{said}: it was smoothed, or is of more frames or of another unit",)
