"""Ghosts of bright stars in other amplifiers, as a night is told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroframe.frames.numbers import number
from zeroframe.planning.decisions import listed
from zeroframe.review import Incident

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

    from zeroframe.run.outcomes import NightOutcome

__all__ = ["ghosts_of_night"]

_CODE = "ZF208"


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
