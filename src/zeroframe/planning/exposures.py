"""Which other exposures of its field a science frame is judged by."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from zeroframe.planning.plan import OtherRaw

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from zeroframe.planning.plan import NightFrame

__all__ = ["with_exposures"]

#: So many of them: the next before and behind.
_MOST = 2


def with_exposures(science: Sequence[NightFrame]) -> list[NightFrame]:
    """Return science frames, each with the exposures next in time that show the same by their headers.

    Parameters
    ----------
    science : sequence of NightFrame
        Of one night or some; those that do not ask for others stay as they are.

    Returns
    -------
    list of NightFrame
        Of the same object, exposure, filter and read-out, two at most. Whether they really show the same, the pixels
        tell.
    """
    fields: dict[Hashable, list[NightFrame]] = {}
    for frame in science:
        if frame.steps.cosmic_rays == "exposures":
            fields.setdefault(_field(frame), []).append(frame)
    others = {}
    for frames in fields.values():
        in_time = sorted(frames, key=_began)
        for place, frame in enumerate(in_time):
            first = min(max(place - _MOST // 2, 0), max(len(in_time) - _MOST - 1, 0))
            near = [each for each in in_time[first : first + _MOST + 1] if each is not frame]
            others[frame.name] = tuple(OtherRaw(each.name, each.source, each.layout) for each in near)
    return [replace(frame, others=others[frame.name]) if others.get(frame.name) else frame for frame in science]


def _field(frame: NightFrame) -> Hashable:
    traits = frame.traits
    return (
        (frame.facts.object_name or "").casefold(), traits.exposure_s, traits.filter_name, traits.settings,
        traits.binning_xy, traits.optics, traits.angles, traits.shape_yx, traits.night, frame.recipe,
        frame.steps.colours,
    )  # fmt: skip


def _began(frame: NightFrame) -> tuple[date, float, str]:
    began = frame.facts.began
    return (date.min, 0.0, frame.name) if began is None else (began.day, began.seconds or 0.0, frame.name)
