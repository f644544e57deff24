"""Unit, zero and error of the pixels of a combined frame that exists already.

They are brought to the unit of the night, and to its zero where their header says that a constant was added to them.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from zeroframe.fits import scan
from zeroframe.headers.dialects import UNKNOWN_UNIT
from zeroframe.planning.grouping import exposure_words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zeroframe.frames.stored import StoredFile
    from zeroframe.headers.dialects import FrameFacts
    from zeroframe.headers.kinds import CalibrationKind
    from zeroframe.headers.stored import StoredFacts
    from zeroframe.planning.plan import Configuration, NightFrame
    from zeroframe.planning.stored_look import StoredLook

__all__ = ["doubts_of_unit", "electrons_per_unit", "in_unit_of_night", "with_sigma", "without_pedestal"]

#: A flat whose level is lower was divided by something before.
_LEAST_FLAT_ADU = 50.0
#: Pixels of a flat scatter by their photons and their response; below this part of the photons, they were not so few.
_TOO_QUIET = 0.8


def doubts_of_unit(row: CalibrationKind, facts: FrameFacts | None) -> tuple[str, ...]:
    """Say that the unit of a combined frame is none that is known; that of a flat is no matter."""
    if facts is None or row.scaled_by_level:
        return ()
    return tuple(f"{doubt}; taken for ADU" for doubt in facts.doubts if doubt.endswith(UNKNOWN_UNIT))


def in_unit_of_night(
    file: StoredFile, row: CalibrationKind, traits: Configuration, stated: str, frame: NightFrame
) -> tuple[StoredFile, Configuration, tuple[str, ...]] | str:
    """Return what brings the pixels to the unit of the night, and that in words; or why nothing does.

    Parameters
    ----------
    file : StoredFile
        The combined frame.
    row : CalibrationKind
        What it is.
    traits : Configuration
        What it is matched by; its gain is the one that its own header says.
    stated : str
        Its unit, as its header says; empty: it says none.
    frame : NightFrame
        One of the night that was read alike.
    """
    wanted, done = frame.traits.unit, list[str]()
    if row.scaled_by_level or (stated or "adu") == wanted:
        return file, traits, ()
    name, _, per = stated.partition(" / ")
    if per:
        if not row.by_exposure:
            return f"it is in {stated}, and what it holds does not grow with time"
        seconds = traits.exposure_s or 1.0
        done.append(f"in {stated}: multiplied by its exposure of {exposure_words(seconds)}")
        file, traits = replace(file, factor=file.factor * seconds), replace(traits, exposure_s=seconds)
    if name == wanted:
        return file, traits, tuple(done)
    if (name, wanted) == ("electron", "adu"):
        gain = frame.steps.gain_e_per_adu or traits.gain_e_per_adu
        if gain is None:
            return "it is in electrons, and neither recipe nor camera nor header says the gain that brings it to ADU"
        done.append(f"in electrons: divided by the gain of {gain:.4g} e-/ADU")
        return replace(file, factor=file.factor / gain), traits, tuple(done)
    if (name, wanted) == ("adu", "electron"):
        gain = traits.gain_e_per_adu
        if gain is None:
            return "it is in adu, the frames of the night are in electrons, and its header does not say its gain"
        done.append(f"in adu: multiplied by its gain of {gain:.4g} e-/ADU")
        return replace(file, factor=file.factor * gain), traits, tuple(done)
    return f"it is in {stated or 'no unit that its header says'}, not in {wanted}"


def electrons_per_unit(traits: Configuration, stated: str, frame: NightFrame) -> float | None:
    """Return how many electrons one unit of a combined frame is, as it stands in its file; None where nobody says it.

    Parameters
    ----------
    traits, stated, frame
        As for `in_unit_of_night`.
    """
    if stated == "electron":
        return 1.0
    return frame.steps.gain_e_per_adu if frame.traits.unit == "adu" else traits.gain_e_per_adu


def with_sigma(
    look: StoredLook, row: CalibrationKind, facts: StoredFacts, gain_e: float | None
) -> tuple[StoredFile, Literal["stated", "estimated", "absent"]]:
    """Return the file with the error of its pixels where none is stated, and how that is known.

    Parameters
    ----------
    look : StoredLook
        What its pixels say.
    row : CalibrationKind
        What it is.
    facts : StoredFacts
        What its header says.
    gain_e : float or None
        Electrons in one unit of its level.
    """
    if look.states_sigma:
        return look.file, "stated"
    if not row.scaled_by_level:
        known = math.isfinite(look.noise_adu) and look.noise_adu > 0
        return (replace(look.file, sigma=look.noise_adu), "estimated") if known else (look.file, "absent")
    # what its pixels differ by is their response: only photons tell its error, where the level is one of ADU
    if gain_e is None or facts.frames is None or not look.level_adu > _LEAST_FLAT_ADU:
        return look.file, "absent"
    sigma = 1.0 / math.sqrt(gain_e * look.level_adu * facts.frames)
    if look.relative_noise < _TOO_QUIET * sigma:  # its level is one of percent, or it was smoothed
        return look.file, "absent"
    return replace(look.file, sigma=sigma), "estimated"


def without_pedestal(
    look: StoredLook, row: CalibrationKind, facts: StoredFacts, frame: NightFrame, *, includes_bias: bool
) -> tuple[StoredLook, tuple[str, ...], tuple[str, ...]]:
    """Take away a constant that a program has added to a combined frame; return what was done, and what is doubtful.

    One whose bias or overscan was subtracted counts from zero, where that brings it nearer to it: a program may have
    kept the card of its raw frames. Of others, what the frames of the night have, too, drops out with it.

    Parameters
    ----------
    look, row, facts
        As for `with_sigma`.
    frame : NightFrame
        One of the night that was read alike.
    includes_bias : bool
        Whether it holds its bias.

    Notes
    -----
    PEDESTAL is what is to be added for zero to be zero (SBFITSEXT, of MaxIm DL and AstroImageJ: -100 where 100 were
    added); PixInsight's is what is to be subtracted.
    """
    added = _pedestal(look.file.path) * (-1.0 if facts.made_by == "PixInsight" else 1.0)
    if not added or (look.file.recipe is not None and look.file.recipe.subtracts_overscan):
        return look, (), ()
    if row.scaled_by_level:
        return look, (), _doubts_of_flat(added, look, frame)
    if (includes_bias or row.is_zero) and not frame.recipe.subtracts_overscan:
        others = _pedestal(frame.source)
        said = (
            f"PEDESTAL = {added:g}, and {others:g} in frames of the night: so much is to be added for zero to be zero"
        )
        return look, (), () if others == added else (f"{said}, and was not",)
    offset = added * (1.0 if look.to_one else look.file.factor)
    if abs(look.level_adu + offset) >= abs(look.level_adu):
        return look, (), ()
    file = replace(look.file, offset=offset)
    done = f"PEDESTAL = {added:g}: added, as a program had added {-added:g} for its pixels to be above zero"
    return replace(look, file=file, level_adu=look.level_adu + offset), (done,), ()


def _doubts_of_flat(added: float, look: StoredLook, frame: NightFrame) -> tuple[str, ...]:
    """Say that a constant may be in a flat, whose shape it makes flatter; its level does not tell."""
    if not look.level_adu > _LEAST_FLAT_ADU or _pedestal(frame.source) == added:
        return ()
    return (f"PEDESTAL = {added:g}: if so much is to be added to it, its shape is too flat; it was not",)


def _pedestal(path: Path) -> float:
    found = scan(path)
    cards: Mapping[str, object] = found.cards_of(found.image())
    value = cards.get("PEDESTAL")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
