"""Figures of earlier nights of the same tree of results, which gain and read noise are held against."""

from __future__ import annotations

import re
from statistics import median
from typing import TYPE_CHECKING

from zeroframe.fits.store.names import any_remote
from zeroframe.run.record import known_record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zeroframe.review import Subject

__all__ = ["earlier_nights", "held_against"]

#: A folder of one night, as --by-night names it.
_NIGHT = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOST_NIGHTS = 10
#: What does not change from night to night, by the name without the unit.
_LASTING = ("read_noise", "gain_e_per_adu")


def earlier_nights(out: Path) -> list[Mapping[str, Mapping[str, float]]]:
    """Return the figures of the nights before this one, by the name of the result; the last ten nights.

    Parameters
    ----------
    out : pathlib.Path
        The folder of results of this night; where its name is no date, there are no others.
    """
    if any_remote(out) or not _NIGHT.match(out.name) or not out.parent.is_dir():
        return []
    nights = sorted(each for each in out.parent.iterdir() if _NIGHT.match(each.name) and each.name < out.name)
    records = (known_record(each) for each in nights[-_MOST_NIGHTS:])
    return [record.this_run.get("figures", {}) for record in records]


def held_against(subject: Subject, nights: list[Mapping[str, Mapping[str, float]]]) -> dict[str, float]:
    """Return the gain and the read noise of the same combined frame in earlier nights, as figures of this one.

    Parameters
    ----------
    subject : Subject
        A combined frame.
    nights : list of mapping
        Figures of earlier nights, or of an earlier run in the same folder.
    """
    same = [night[subject.name] for night in nights if subject.name in night]
    same = [each for each in same if each.get("pixels") == subject.get("pixels")]
    found = {}
    for name in _LASTING:
        unit = "" if name.endswith("_adu") else f"_{subject.unit}"
        known = [each[name + unit] for each in same if each.get(name + unit, 0.0) > 0.0]
        if known:
            found[f"earlier_{name}{unit}"] = float(median(known))
    return found
