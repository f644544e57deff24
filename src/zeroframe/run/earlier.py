"""Figures of earlier nights of the same tree of results, which gain and read noise are held against."""

from __future__ import annotations

import re
from statistics import median
from typing import TYPE_CHECKING, Any

from zeroframe.fits.store.names import any_remote
from zeroframe.run.keys import as_data
from zeroframe.run.record import known_record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zeroframe.planning.plan import Group, NightPlan
    from zeroframe.review import Subject
    from zeroframe.run.record import RunRecord

__all__ = ["earlier_nights", "held_against"]

#: A folder of one night, as --by-night names it.
_NIGHT = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOST_NIGHTS = 10
#: What does not change from night to night, by the name without the unit.
_LASTING = ("read_noise", "gain_e_per_adu")


def earlier_nights(plan: NightPlan) -> list[Mapping[str, Mapping[str, float]]]:
    """Return the figures of the nights before this one, by the name of the result; the last ten nights.

    Parameters
    ----------
    plan : NightPlan
        This night; where the name of its folder of results is no date, there are no others. Of nights with several
        cameras a combined frame is held against those of its own.
    """
    out = plan.out
    if any_remote(out) or not _NIGHT.match(out.name) or not out.parent.is_dir():
        return []
    nights = sorted(each for each in out.parent.iterdir() if _NIGHT.match(each.name) and each.name < out.name)
    own = {_undated(group.name, out.name): group for group in plan.groups}
    return [_of_same(known_record(each), each.name, own) for each in nights[-_MOST_NIGHTS:]]


def _undated(name: str, night: str) -> str:
    """Return the name of a combined frame without its night, which it has where frames of another take part."""
    return name.replace(f"_{night}", "")


def _of_same(record: RunRecord, night: str, own: Mapping[str, Group]) -> dict[str, Mapping[str, float]]:
    """Return the figures of those combined frames of a night that the same cameras took, by the names they have now."""
    groups, figures = record.recipe.get("groups", {}), record.this_run.get("figures", {})
    found = {}
    for name, said in groups.items():
        same = own.get(_undated(name, night))
        if same is not None and name in figures and _camera(said["traits"]) == _camera(as_data(same.traits)):
            found[same.name] = figures[name]
    return found


def _camera(traits: Mapping[str, Any]) -> object:
    """Return what tells a camera, and how large its frames are, from traits as run.json has them."""
    return [value for name, value in traits["settings"] if name == "camera"], traits["shape_yx"]


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
