"""Whether names that differ by case are of one thing or of two: the filters R and r, the amplifiers A and a.

Headers are written by several programs, and where flats say ``Clear`` and science frames ``CLEAR`` one filter is meant.
But Cousins R and Sloan r are two. Where frames of one kind have both, one program wrote both, and meant two.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from zeroframe.planning.grouping import FILTER, spelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zeroframe.headers.kinds import Kind
    from zeroframe.planning.plan import NightFrame

__all__ = ["Spellings", "with_case"]


class Spellings:
    """How names are spelled that differ by case only, in some frames.

    Parameters
    ----------
    frames : iterable of NightFrame
        All of a night.
    """

    def __init__(self, frames: Iterable[NightFrame]) -> None:
        self._kinds: dict[tuple[str, str], dict[str, set[Kind]]] = defaultdict(lambda: defaultdict(set))
        for frame in frames:
            for sort, name in _names(frame):
                self._kinds[sort, name.casefold()][name].add(frame.kind)

    def two(self) -> dict[tuple[str, str], list[str]]:
        """Return names that are of several things, as frames of one kind have them all, by sort and folded name."""
        return {key: sorted(found) for key, found in self._kinds.items() if _is_shared(found)}

    def one(self) -> dict[tuple[str, str], dict[str, set[Kind]]]:
        """Return names that are taken for one, with the kinds of frames that have each."""
        return {key: found for key, found in self._kinds.items() if len(found) > 1 and not _is_shared(found)}


def _is_shared(found: dict[str, set[Kind]]) -> bool:
    kinds = [kind for each in found.values() for kind in each]
    return len(kinds) > len(set(kinds))


def _names(frame: NightFrame) -> list[tuple[str, str]]:
    name = frame.traits.filter_name
    return [*frame.traits.settings, *([] if name is None else [(FILTER, spelled(name))])]


def with_case(frames: Sequence[NightFrame]) -> list[NightFrame]:
    """Return frames whose traits say for which of their names case counts.

    Parameters
    ----------
    frames : sequence of NightFrame
        All of a night.
    """
    two = Spellings(frames).two()
    if not two:
        return list(frames)
    told = []
    for frame in frames:
        sorts = tuple(sort for sort, name in _names(frame) if (sort, name.casefold()) in two)
        told.append(replace(frame, traits=replace(frame.traits, case_counts=sorts)) if sorts else frame)
    return told
