"""Ghosts of bright stars in other amplifiers: what the header of a frame says of them, and what a night is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zeroframe.frames.crosstalk import in_read_order
from zeroframe.frames.numbers import number
from zeroframe.inspection.ghosts import ghosts_of_frame
from zeroframe.planning.decisions import listed
from zeroframe.review import Incident

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from zeroframe.fits import HeaderDraft
    from zeroframe.inspection.crosstalk import MeasuredCrosstalk
    from zeroframe.planning.plan import NightFrame
    from zeroframe.run.outcomes import NightOutcome

__all__ = ["GHOST_CARDS", "ghosts_in", "ghosts_of_night", "say_ghosts"]

_CODE = "ZF208"
#: Of the worst pair: its part, the error, what a full pixel leaves, and who; and how many pairs there are.
GHOST_CARDS = ("XTALK", "XTALKERR", "XTALKADU", "XTALKWHO", "NXTALK")
_TOP_ADU = 65535.0
#: A full pixel leaves at least this part of the read noise.
_OF_NOISE = 0.5


def ghosts_in(frame: NightFrame, pixels: NDArray[Any], header: HeaderDraft) -> tuple[MeasuredCrosstalk, ...]:
    """Return what bright stars of a frame leave in other amplifiers, before anything is divided.

    Parameters
    ----------
    frame : NightFrame
        A science frame.
    pixels : ndarray, shape (ny, nx)
        Its image, less the level of each amplifier.
    header : HeaderDraft
        Says where it is saturated.
    """
    if not frame.recipe.assembles:
        return ()
    read = in_read_order(pixels, frame.recipe.regions, frame.layout.shape_yx)
    full = float(header.get("SATADU", _TOP_ADU))
    return ghosts_of_frame(read, {each.name: each.saturation_adu or full for each in frame.recipe.regions})


def say_ghosts(header: HeaderDraft, ghosts: Sequence[MeasuredCrosstalk]) -> None:
    """Tell the header of the worst of them, where it matters beside the read noise."""
    least = _OF_NOISE * float(header.get("RNOISADU", 0.0))
    worth = [each for each in ghosts if abs(each.full_adu) > least]
    for worst in worth[:1]:
        header["XTALK"] = (worst.part, "crosstalk that is left: ADU for each ADU of a bright star")
        header["XTALKERR"] = (worst.error, "its standard error")
        header["XTALKADU"] = (worst.full_adu, "what a full pixel leaves")
        header["XTALKWHO"] = (f"{worst.victim} shows {worst.source}", "amplifiers")
        header["NXTALK"] = (len(worth), "pairs of amplifiers with crosstalk")


def ghosts_of_night(frames: Iterable[NightOutcome]) -> Iterator[Incident]:
    """Yield that bright stars leave ghosts in other amplifiers, once for frames that are read in the same way.

    Parameters
    ----------
    frames : iterable of NightOutcome
        Of a night.
    """
    alike: dict[Hashable, list[NightOutcome]] = {}
    for each in frames:
        if each.said.get("NXTALK"):
            alike.setdefault(each.frame.recipe, []).append(each)
    for members in alike.values():
        said = max((each.said for each in members), key=lambda said: abs(float(said["XTALKADU"])))
        others = int(said["NXTALK"]) - 1
        more = f"; so do {others} other pairs" if others > 1 else "; so does another pair" if others else ""
        names = tuple(each.frame.target.name for each in members)
        sentence = (
            f"{listed(names)}: crosstalk is left: amplifier {said['XTALKWHO']} with {number(said['XTALK'], 3)} ± "
            f"{number(said['XTALKERR'], 1)} of its light; a full pixel leaves a ghost of "
            f"{number(said['XTALKADU'], 2)} ADU{more}"
        )
        yield Incident(_CODE, sentence, names)
