"""Detectors that are told apart by nothing but the end of their files' names: ``n0018c1.fits``, ``n0018c2.fits``."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from zeroframe.fits.part_paths import file_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroframe.headers.survey import RawFrame

__all__ = ["chips_by_name"]

_CHIP = "chip"
#: So many exposures at least have to be alike, each of files that began at one moment.
_FEWEST = 3
#: What a name ends in: a letter or a mark, and a number; before the endings of FITS files.
_ENDING = re.compile(r"(?P<stem>.*?)(?P<end>[A-Za-z_.-]*\d+)\Z")


def chips_by_name(found: Sequence[RawFrame]) -> list[RawFrame]:
    """Return frames with their detector, where files of one moment differ by how their names end, and headers say none.

    Parameters
    ----------
    found : sequence of RawFrame
        From a survey.

    Returns
    -------
    list of RawFrame
        In the same order. A frame whose header names its detector, or whose file holds several, stays as it is, and so
        do all where not every exposure has the same ends of names: two cameras may have exposed at one moment by
        chance.
    """
    sets: dict[tuple[object, ...], dict[str, RawFrame]] = defaultdict(dict)
    for item in found:
        facts = item.facts
        if facts is None or facts.began is None or facts.began.seconds is None or item.found is not None:
            continue
        if item.problem is not None or facts.combined or any(sort == _CHIP for sort, _ in facts.settings):
            continue
        path = file_of(item.path)
        match = _ENDING.match(path.name.partition(".fit")[0])
        if match is None:
            continue
        moment = facts.began.day, facts.began.seconds
        sets[path.parent, match["stem"], moment, facts.kind, facts.exposure_s, item.form][match["end"]] = item
    several = [members for members in sets.values() if len(members) > 1]
    if len(several) < _FEWEST or len({frozenset(members) for members in sets.values()}) > 1:
        return list(found)
    told = {id(item): _named(item, end) for members in several for end, item in members.items()}
    return [told.get(id(item), item) for item in found]


def _named(item: RawFrame, end: str) -> RawFrame:
    if item.facts is None:
        return item
    name = end.strip("_.-")
    return replace(item, facts=replace(item.facts, settings=(*item.facts.settings, (_CHIP, name))))
