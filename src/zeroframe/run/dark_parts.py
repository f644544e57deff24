"""Science frames without light where other exposures of their field have some."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from zeroframe.frames.numbers import number, percent
from zeroframe.headers.kinds import Kind
from zeroframe.review import Incident

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

    from zeroframe.run.outcomes import NightOutcome

__all__ = ["frames_without_light"]

_CODE = "ZF207"
#: The sky of a frame that saw light, in noises of a pixel, and in errors of its level.
_LIT_NOISES, _LIT_ERRORS = 0.5, 10.0
#: A frame saw none that has less than this part of it, and is within so many errors, or noises of a pixel, of none.
_NO_LIGHT, _ERRORS, _NOISES = 0.1, 4.0, 0.2
#: Of the faintest part of a frame that is lit all over, against its sky.
_ALL_OVER = 0.3
#: The rest of a frame that is dark in part has the sky of its sister, within this factor.
_ALIKE = 2.0
#: Frames that lie further apart, end to beginning, do not tell of each other.
_NEARBY_S = 300.0


def frames_without_light(frames: Iterable[NightOutcome]) -> Iterator[Incident]:
    """Yield science frames that have no light, all over or in a part, where another exposure of the field has it.

    Parameters
    ----------
    frames : iterable of NightOutcome
        Of a night. Exposures of one field are those of one object, filter, exposure time and read-out.
    """
    fields: dict[Hashable, list[NightOutcome]] = {}
    for each in frames:
        quality = each.outcome.quality
        if each.frame.kind is Kind.SCIENCE and quality is not None and "sky_noises" in quality.traces:
            fields.setdefault(_field(each), []).append(each)
    for members in fields.values():
        members.sort(key=_start_day)  # as they came, where the time is not known
        lit = [each for each in members if _lit_all_over(each)]
        for place, each in enumerate(members):
            others = [other for other in lit if other is not each]
            neighbours = members[max(place - 1, 0) : place] + members[place + 1 : place + 2]
            sentence = (_all_dark(each, others, neighbours) or _dark_in_part(each, others)) if others else ""
            if sentence:
                yield Incident(_CODE, f"{each.frame.target.name}: {sentence}", (each.frame.target.name,))


def _field(each: NightOutcome) -> Hashable:
    frame, traits = each.frame, each.frame.traits
    return (
        (frame.facts.object_name or "").casefold(), traits.exposure_s, traits.filter_name, traits.settings,
        traits.binning_xy, traits.optics, traits.angles, traits.shape_yx, frame.recipe, frame.steps.uses,
    )  # fmt: skip


def _traces(each: NightOutcome) -> Any:  # noqa: ANN401 -- a mapping
    quality = each.outcome.quality
    return {} if quality is None else quality.traces


def _adu(each: NightOutcome, name: str) -> float:
    """Return what was measured in noises of a pixel in the unit of the frame."""
    quality = each.outcome.quality
    return math.nan if quality is None else float(quality.traces.get(name, math.nan)) * quality.noise_adu


def _error(each: NightOutcome) -> float:
    said = each.said.get("LEVELERR")
    return float(said) if isinstance(said, int | float) else 0.0


def _lit_all_over(each: NightOutcome) -> bool:
    traces = _traces(each)
    sky, faintest = traces["sky_noises"], traces["faintest_part_noises"]
    sure = _adu(each, "sky_noises") > _LIT_ERRORS * _error(each)
    return bool(sky > _LIT_NOISES and sure and faintest > _ALL_OVER * sky)


def _start_day(each: NightOutcome) -> float:
    began = each.frame.facts.began
    if began is None or began.seconds is None:
        return 0.0
    return began.day.toordinal() + began.seconds / 86400.0


def _unit(each: NightOutcome) -> str:
    return {"electron": "e-"}.get(str(each.said.get("BUNIT", "adu")), "ADU")


def _is_lit_nearby(other: NightOutcome, each: NightOutcome) -> bool:
    """Whether a neighbour in time has light: a sky that fell, from twilight or as the Moon set, shows in it."""
    apart_s = abs(_start_day(other) - _start_day(each)) * 86400.0
    near = apart_s <= _NEARBY_S + (each.frame.traits.exposure_s or 0.0)
    is_sure = _adu(other, "sky_noises") > _LIT_ERRORS * _error(other)
    return near and is_sure and _traces(other)["sky_noises"] > _LIT_NOISES


def _all_dark(each: NightOutcome, others: list[NightOutcome], neighbours: list[NightOutcome]) -> str:
    """Say that a frame has no light: nothing shines in it, no part has a sky, and its neighbours have one."""
    traces, error = _traces(each), _error(each)
    if traces.get("has_sources", 1.0) or not all(_is_lit_nearby(other, each) for other in neighbours):
        return ""
    faintest = min(others, key=lambda other: _adu(other, "sky_noises"))
    own, sky = _adu(each, "sky_noises"), _adu(faintest, "sky_noises")
    parts = [_adu(each, name) for name in ("sky_noises", "faintest_part_noises", "brightest_part_noises")]
    quality = each.outcome.quality
    noise = 0.0 if quality is None else quality.noise_adu
    limit = max(_NOISES * noise, _ERRORS * error)
    if sky <= _LIT_ERRORS * error or any(abs(part) > min(limit, _NO_LIGHT * sky) for part in parts):
        return ""
    return (
        f"it has no light: its sky is {number(own, 2)} {_unit(each)}, that of {faintest.frame.target.name}, of the "
        f"same field and exposure, {number(sky, 3)} {_unit(each)}"
    )


def _dark_in_part(each: NightOutcome, others: list[NightOutcome]) -> str:
    """Say which rows or columns have no light, where the rest has that of another frame."""
    traces, own = _traces(each), _adu(each, "sky_noises")
    alike = [other for other in others if own / _ALIKE < _adu(other, "sky_noises") < own * _ALIKE]
    if "dark_part_first" not in traces or not alike:
        return ""
    faintest = min(alike, key=lambda other: _adu(other, "sky_noises"))
    sky, sister = _adu(faintest, "sky_noises"), faintest.frame.target.name
    first, last = int(traces["dark_part_first"]), int(traces["dark_part_last"])
    along_x = traces["dark_part_along"] == 1.0
    size = each.frame.shape_yx[1 if along_x else 0]
    dark = _adu(each, "dark_part_noises")
    what = "columns" if along_x else "rows"
    part = percent((last - first + 1) / size)
    return (
        f"{what} {first} to {last}, {part} of it, have no light: {number(dark, 2)} {_unit(each)}, where the rest has "
        f"{number(own, 3)}, and {sister}, of the same field and exposure, {number(sky, 3)} all over"
    )
