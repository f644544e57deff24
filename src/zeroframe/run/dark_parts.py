"""Science frames without light where other exposures of their field have some."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from zeroframe.frames.numbers import number, percent
from zeroframe.headers.kinds import Kind
from zeroframe.review import Incident

if TYPE_CHECKING:
    from collections.abc import Container, Hashable, Iterable, Iterator

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
#: Nor frames of other fields, from one that has light before to one after.
_BETWEEN_FIELDS_S = 3600.0


def frames_without_light(frames: Iterable[NightOutcome]) -> Iterator[Incident]:
    """Yield science frames that have no light, all over or in a part, where another exposure of the field has it.

    Parameters
    ----------
    frames : iterable of NightOutcome
        Of a night. Exposures of one field are those of one object, filter, exposure time and read-out. Where all of a
        field are dark, frames through the same filter before and after it tell, if both have light within an hour.
    """
    fields: dict[Hashable, list[NightOutcome]] = {}
    for each in frames:
        quality = each.outcome.quality
        if each.frame.kind is Kind.SCIENCE and quality is not None and "sky_noises" in quality.traces:
            fields.setdefault(_field(each), []).append(each)
    told = set[int]()
    for members in fields.values():
        members.sort(key=_start_day)  # as they came, where the time is not known
        lit = [each for each in members if _lit_all_over(each)]
        dark = {id(each) for each in members if _is_dark(each, [other for other in lit if other is not each])}
        for place, each in enumerate(members):
            others = [other for other in lit if other is not each]
            sentence = ""
            if id(each) in dark and all(_is_lit_nearby(*pair) for pair in _around(members, place, dark)):
                sentence = _all_dark(each, others)
            sentence = sentence or (_dark_in_part(each, others) if others else "")
            if sentence:
                told.add(id(each))
                yield Incident(_CODE, f"{each.frame.target.name}: {sentence}", (each.frame.target.name,))
    yield from _dark_between_fields([each for members in fields.values() for each in members], told)


def _dark_between_fields(frames: Iterable[NightOutcome], told: Container[int]) -> Iterator[Incident]:
    """Yield frames without light between those of other fields that have it, through the same filter."""
    alike: dict[Hashable, list[NightOutcome]] = {}
    for each in frames:
        if (each.frame.traits.exposure_s or 0.0) > 0 and each.frame.facts.began is not None:
            alike.setdefault(_light_path(each), []).append(each)
    for members in alike.values():
        members.sort(key=_start_day)
        lit = [_lit_all_over(each) for each in members]
        for place, each in enumerate(members):
            if lit[place] or id(each) in told:
                continue
            before = next((n for n in range(place - 1, -1, -1) if lit[n]), None)
            after = next((n for n in range(place + 1, len(members)) if lit[n]), None)
            if before is None or after is None:
                continue
            between = members[before + 1 : after]
            sides = [members[before], members[after]]
            apart_s = (_start_day(sides[1]) - _start_day(sides[0])) * 86400.0
            if apart_s <= _BETWEEN_FIELDS_S and all(_is_dark(other, sides) for other in between):
                name = each.frame.target.name
                yield Incident(_CODE, f"{name}: {_all_dark(each, sides)}", (name,))


def _field(each: NightOutcome) -> Hashable:
    frame, traits = each.frame, each.frame.traits
    return (
        (frame.facts.object_name or "").casefold(), traits.exposure_s, traits.filter_name, traits.settings,
        traits.binning_xy, traits.optics, traits.angles, traits.shape_yx, frame.recipe, frame.steps.uses,
    )  # fmt: skip


def _light_path(each: NightOutcome) -> Hashable:
    """Return through what light went, and how it was read and calibrated: then the sky is the same, about."""
    frame, traits = each.frame, each.frame.traits
    kinds = tuple((use.kind, use.name) for use in frame.steps.uses if use.divides)
    return (
        traits.filter_name, traits.settings, traits.binning_xy, traits.optics, traits.angles, traits.shape_yx,
        frame.recipe, kinds,
    )  # fmt: skip


def _around(
    members: list[NightOutcome], place: int, dark: Container[int]
) -> Iterator[tuple[NightOutcome, NightOutcome]]:
    """Yield the nearest frames before and after that are not dark, each with the dark one beside it."""
    for step in (-1, 1):
        edge = place
        while 0 <= edge + step < len(members) and id(members[edge + step]) in dark:
            edge += step
        if 0 <= edge + step < len(members):
            yield members[edge + step], members[edge]


def _sky_for(other: NightOutcome, each: NightOutcome) -> float:
    """Return the sky that another frame would have in the exposure of this one."""
    own, its = each.frame.traits.exposure_s, other.frame.traits.exposure_s
    return _adu(other, "sky_noises") * (own / its if own and its else 1.0)


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


def _is_dark(each: NightOutcome, others: list[NightOutcome]) -> bool:
    """Whether a frame has no light where others have it: nothing shines in it, and no part has a sky."""
    traces, error, quality = _traces(each), _error(each), each.outcome.quality
    if traces.get("has_sources", 1.0) or not others or quality is None:
        return False
    sky = min(_sky_for(other, each) for other in others)
    parts = [_adu(each, name) for name in ("sky_noises", "faintest_part_noises", "brightest_part_noises")]
    limit = max(_NOISES * quality.noise_adu, _ERRORS * error)
    return sky > _LIT_ERRORS * error and all(abs(part) <= min(limit, _NO_LIGHT * sky) for part in parts)


def _all_dark(each: NightOutcome, others: list[NightOutcome]) -> str:
    """Say that a frame has no light."""
    faintest = min(others, key=lambda other: _sky_for(other, each))
    own, sky = _adu(each, "sky_noises"), _sky_for(faintest, each)
    same = _field(each) == _field(faintest)
    which = "of the same field and exposure," if same else "of another field through the same filter, would be"
    return (
        f"it has no light: its sky is {number(own, 2)} {_unit(each)}, that of {faintest.frame.target.name}, {which} "
        f"{number(sky, 3)} {_unit(each)}"
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
