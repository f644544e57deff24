"""Which combined frame is used for a frame, and why not the others.

Every combined frame of the right kind is a candidate. One that does not belong (another size, filter, temperature …) is
never used; of the others the nearest night comes first, then for darks the exposure: the same one, else one to be
scaled down, else one to be scaled up, and of those to be scaled that which adds least noise.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import lru_cache
from heapq import nsmallest
from math import inf, sqrt
from typing import TYPE_CHECKING

from zeroframe.headers.kinds import calibration_kind
from zeroframe.headers.sections import size_words
from zeroframe.planning.grouping import exposure_words, filter_of, frames_words
from zeroframe.planning.plan import Candidate, Match
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zeroframe.frames.steps import FrameRecipe
    from zeroframe.headers.kinds import Kind
    from zeroframe.planning.plan import Configuration, Group
    from zeroframe.planning.recipe import CombineRecipe, NightRecipe, Tolerances
    from zeroframe.planning.recipe_calibrations import CalibrationsFirst

__all__ = [
    "best_of",
    "limits_of",
    "match_frame",
    "nights_apart",
    "rank_candidates",
    "warmer_words",
    "why_not_together",
    "with_warmer_darks",
]

_MOST_NAMED = 3
#: More would swell the record of many nights, and nobody reads them.
_MOST_KEPT = 12
#: Classes of darks, best first.
_SAME, _DOWN, _UP = 0, 1, 2
#: So many degrees a dark whose scale is fitted may be warmer or colder than the frame: dark current doubles with every
#: six or so, and that of hot pixels and of others not quite alike.
_FITTED_DEGREES = 6.0


@dataclass(frozen=True, slots=True)
class _Weighed:
    """A candidate, with what it is ranked by: smaller is better."""

    group: Group
    problems: tuple[str, ...]
    nights: float
    exposure_class: int
    light: int
    degrees: int
    noise: float
    scale: float | None

    first: CalibrationsFirst

    @property
    def order(self) -> tuple[object, ...]:
        stored = self.group.stored is not None
        last = {"stored": not stored, "raw": stored, "nearest": False}[self.first]
        status = (last, self.nights, stored, self.exposure_class, self.light, self.degrees, self.noise)
        return len(self.problems), *status, self.group.label, self.group.name


def with_warmer_darks(recipe: NightRecipe) -> NightRecipe:
    """Return a recipe by which darks of other temperatures fit: for frames to which the scale of a dark is fitted."""
    degrees = max(_FITTED_DEGREES, recipe.tolerances.temperature_c)
    return replace(recipe, tolerances=replace(recipe.tolerances, temperature_c=degrees))


def warmer_words(dark_c: float, frame_c: float) -> str:
    """Say that a dark is of another temperature, and why it is used.

    Examples
    --------
    >>> warmer_words(-8.5, -10.0)
    'at -8.5 C, not -10.0 C: its scale is fitted to the hot pixels of the frame, which tell how warm it was'
    """
    degrees = f"at {dark_c:.1f} C, not {frame_c:.1f} C"
    return f"{degrees}: its scale is fitted to the hot pixels of the frame, which tell how warm it was"


def limits_of(group: Group, tolerances: Tolerances) -> Tolerances:
    """Return how far a combined frame may differ from a frame: one that exists already may be of another age."""
    if group.stored is None:
        return tolerances
    return _aged(tolerances, calibration_kind(group.kind).nights_tolerance, group.stored.most_nights)


@lru_cache(maxsize=64)
def _aged(tolerances: Tolerances, name: str, nights: float) -> Tolerances:
    return replace(tolerances, **{name: nights})


def nights_apart(one: Configuration, other: Configuration) -> int | None:
    """Return how many nights lie between two exposures; None where that is not known.

    Examples
    --------
    >>> from zeroframe.planning.plan import Configuration
    >>> nights_apart(Configuration((1, 1), night="2016-01-15"), Configuration((1, 1), night="2016-01-18"))
    3
    """
    if one.night is None or other.night is None:
        return None
    if one.night == other.night:  # nearly always, and dates take 2 us to read
        return 0
    return abs((date.fromisoformat(one.night) - date.fromisoformat(other.night)).days)


def why_not_together(what: Kind, frame: Configuration, group: Configuration, tolerances: Tolerances) -> list[str]:
    """Return why a combined frame does not belong to a frame, exposure left aside; empty where it does.

    What one of the two headers does not say is no reason.

    Parameters
    ----------
    what : Kind
        Of the combined frame.
    frame, group : Configuration
        Of the frame, and of the combined one.
    tolerances : Tolerances
        How far they may differ.

    Returns
    -------
    list of str
        Clauses such as ``"another filter: i', not g'"``.
    """
    problems = list(_unlike_now(what, frame, group, tolerances))
    return problems if _read_out(frame) == _read_out(group) else [*_unlike(frame, group, tolerances), *problems]


def _read_out(traits: Configuration) -> tuple[object, ...]:
    return traits.shape_yx, traits.binning_xy, traits.unit, traits.settings, traits.gain_e_per_adu


def _unlike(frame: Configuration, group: Configuration, tolerances: Tolerances) -> Iterator[str]:
    """Yield in what two frames were read differently."""
    if frame.binning_xy != group.binning_xy:
        own, other = (f"{x} x {y}" for x, y in (group.binning_xy, frame.binning_xy))
        yield f"binned {own}, not {other}"
    elif frame.shape_yx != group.shape_yx:
        yield f"{size_words(group.shape_yx)}, not {size_words(frame.shape_yx)}"
    if frame.unit != group.unit:
        yield f"in {group.unit}, not in {frame.unit}"
    own_settings, other_settings = dict(group.settings), dict(frame.settings)
    case_counts = {*frame.case_counts, *group.case_counts}
    for sort, own_setting in own_settings.items():
        other_setting = other_settings.get(sort, own_setting)
        same = own_setting.casefold() == other_setting.casefold()
        if not same or (own_setting != other_setting and sort in case_counts):
            yield f"another {sort}: {own_setting}, not {other_settings[sort]}"
    own_gain, other_gain = group.gain_e_per_adu, frame.gain_e_per_adu
    if own_gain is not None and other_gain is not None and not tolerances.same_gain(own_gain, other_gain):
        yield f"another gain: {own_gain:.4g}, not {other_gain:.4g} e-/ADU"


def _unlike_now(what: Kind, frame: Configuration, group: Configuration, tolerances: Tolerances) -> Iterator[str]:
    """Yield in what the circumstances of two exposures differ too much."""
    row = calibration_kind(what)
    if row.by_filter and filter_of(frame) != filter_of(group):
        if frame.filter_name is not None and group.filter_name is not None:
            yield f"another filter: {group.filter_name}, not {frame.filter_name}"
        else:
            known = group.filter_name or frame.filter_name
            yield f"its filter is {known}, and that of the {'frame' if group.filter_name else what} is not known"
    if row.by_filter:
        yield from _unlike_optics(frame, group, tolerances)
    own_c, other_c = group.temperature_c, frame.temperature_c
    name = row.temperature_tolerance
    if name is not None and own_c is not None and other_c is not None:
        same = tolerances.temperature_check(name)
        if not same(own_c, other_c):
            yield f"at {own_c:.1f} C, not {other_c:.1f} C"
    nights = nights_apart(frame, group)
    if nights:
        most = float(getattr(tolerances, row.nights_tolerance))
        if nights > most:
            yield f"{_nights_words(nights)}, more than {most:g}"


def _unlike_optics(frame: Configuration, group: Configuration, tolerances: Tolerances) -> Iterator[str]:
    """Yield what else the light of a flat went through, and that of the frame did not."""
    other = dict(frame.optics)
    for sort, value in group.optics:
        if sort in other and other[sort].casefold() != value.casefold():
            yield f"another {sort}: {value}, not {other[sort]}"
    numbers = dict(frame.angles)
    for sort, number in group.angles:
        if sort in numbers and not tolerances.same_angle(number, numbers[sort]):
            yield f"another {sort}: {number:.6g}, not {numbers[sort]:.6g}"


def _nights_words(nights: int) -> str:
    return "taken the same night" if nights == 0 else f"taken {nights} night{'' if nights == 1 else 's'} away"


def rank_candidates(
    what: Kind, frame: Configuration, overscan_and_trim: FrameRecipe, groups: Sequence[Group], recipe: NightRecipe
) -> tuple[Candidate, ...]:
    """Return all combined frames of a kind, best first, each with why it is chosen or turned down.

    Parameters
    ----------
    what : Kind
        Of the combined frames.
    frame : Configuration
        Of the frame that one is looked for.
    overscan_and_trim : FrameRecipe
        What is done to that frame first; a combined frame must have had the same.
    groups : sequence of Group
        All of that kind, in any order.
    recipe : NightRecipe
        With the tolerances, and how far darks may be scaled.

    Returns
    -------
    tuple of Candidate
        Only the first can be chosen, and only if it is usable.
    """
    weighed = sorted(
        (_weigh(what, frame, overscan_and_trim, group, recipe) for group in groups), key=lambda each: each.order
    )
    best = weighed[0] if weighed and not weighed[0].problems else None
    own = any(each.exposure_class == _SAME and each.group.traits.exposure_s is not None for each in weighed)
    return tuple(
        Candidate(
            name=each.group.name,
            label=each.group.label,
            rank=rank,
            usable=not each.problems,
            scale=each.scale,
            reason=_reason(what, frame, each, best, own_exposure=own),
        )
        for rank, each in enumerate(weighed, start=1)
    )


def best_of(
    what: Kind,
    frame: Configuration,
    overscan_and_trim: FrameRecipe,
    groups: Iterable[Group],
    recipe: NightRecipe,
    most: int,
) -> list[Group]:
    """Return the best few of very many combined frames that can be used; nothing is said of the others.

    Parameters
    ----------
    what, frame, overscan_and_trim, groups, recipe
        As in `rank_candidates`.
    most : int
        How many at most.
    """
    weighed = (_weigh(what, frame, overscan_and_trim, group, recipe) for group in groups)
    usable = (each for each in weighed if not each.problems)
    return [each.group for each in nsmallest(most, usable, key=lambda each: each.order)]


def _weigh(
    what: Kind, frame: Configuration, overscan_and_trim: FrameRecipe, group: Group, recipe: NightRecipe
) -> _Weighed:
    traits = group.traits
    problems = why_not_together(what, frame, traits, limits_of(group, recipe.tolerances))
    if not problems and not group.has_recipe(overscan_and_trim):
        problems.append("its overscan or trim is another one")
    if group.stored is not None and group.stored.problem:
        problems.append(group.stored.problem)
    nights = nights_apart(frame, traits)
    # a difference that is not known ranks behind one that is small
    degrees = 1
    if frame.temperature_c is not None and traits.temperature_c is not None:
        degrees = round(abs(frame.temperature_c - traits.temperature_c))
    sort, noise, scale = _SAME, 1.0, None
    if calibration_kind(what).by_exposure:
        sort, noise, scale, scaling = _exposure(group, frame, recipe)
        problems += scaling
    return _Weighed(
        group,
        tuple(problems),
        0.5 if nights is None else nights,
        sort,
        _light_rank(traits, recipe.combination(what)),
        degrees,
        noise / sqrt(group.count),
        scale,
        recipe.calibrations.first,
    )


def _light_rank(traits: Configuration, how: CombineRecipe) -> int:
    """Return which place the light of a flat has in the recipe; one that is not named, or not known, comes last."""
    lights: Sequence[str] = getattr(how, "lights", ())
    return lights.index(traits.flat_light) if traits.flat_light in lights else len(lights)


def _exposure(group: Group, frame: Configuration, recipe: NightRecipe) -> tuple[int, float, float | None, list[str]]:
    """Return the class of a dark, by what its noise would be multiplied, it itself, and what forbids that."""
    own_s, wanted_s = group.traits.exposure_s, frame.exposure_s
    if wanted_s is None or own_s is None:
        whose = "frame" if wanted_s is None else group.kind
        return _SAME, 1.0, None, [f"the exposure of the {whose} is not known"]
    if recipe.tolerances.same_exposure(own_s, wanted_s):
        return _SAME, 1.0, None, []
    scale = wanted_s / own_s if own_s > 0 else inf
    sort, used = _DOWN if scale <= 1 else _UP, scale if scale < inf else None
    if group.includes_bias:
        exposures = f"exposure {exposure_words(own_s)}, not {exposure_words(wanted_s)}"
        return sort, scale, None, [f"{exposures}: it still holds its bias, so it is never scaled"]
    if scale == inf:
        return sort, scale, None, [f"exposure 0 s, not {exposure_words(wanted_s)}: if that is true it is a bias"]
    words, how = _exposure_reason(own_s, wanted_s, scale), recipe.scaling(group.kind)
    if not how.scale:
        return sort, scale, used, [f"{words}, and the recipe has {group.kind}.scale = false"]
    if scale > max(1.0, how.largest_scale):
        return sort, scale, used, [f"{words}, more than {group.kind}.largest_scale = {how.largest_scale:g}"]
    return sort, scale, used, []


def _exposure_reason(own_s: float, wanted_s: float, scale: float) -> str:
    return f"exposure {exposure_words(own_s)}, not {exposure_words(wanted_s)}: would be scaled by {scale:.3g}"


def _reason(what: Kind, frame: Configuration, each: _Weighed, best: _Weighed | None, *, own_exposure: bool) -> str:
    """Say why a candidate is turned down, or why it is the best, be there a dark of the frame's own exposure or not."""
    if each.problems:
        return "; ".join(each.problems)
    if best is each or best is None:
        return _why_best(what, frame, each, own_exposure=own_exposure)
    own, wanted = each.group.traits, best.group.traits
    if (each.group.stored is None) != (best.group.stored is None) and (
        each.first != "nearest" or each.nights == best.nights
    ):
        if each.group.stored is None:
            return "the recipe has calibrations.first = 'stored'"
        return "raw frames " + ("of as near a night" if each.first == "nearest" else "that fit") + " come first"
    if each.nights != best.nights:
        nights = nights_apart(frame, own)
        return "when it was taken is not known" if nights is None else _nights_words(nights)
    if each.exposure_class != best.exposure_class or (each.noise != best.noise and each.scale is not None):
        words = _exposure_reason(own.exposure_s or 0.0, frame.exposure_s or 0.0, each.scale or 1.0)
        return words + ("" if each.exposure_class != best.exposure_class else f", noisier than {best.group.label}")
    if each.light != best.light:
        return (
            f"a flat of {own.flat_light or 'unknown'} light, and the recipe has that of {wanted.flat_light} before it"
        )
    if each.degrees != best.degrees:
        known = own.temperature_c is not None and frame.temperature_c is not None
        return f"at {own.temperature_c:.1f} C, further off" if known else "its temperature is not known"
    if each.noise != best.noise:
        return f"made of {frames_words(each.group.count)}, not {best.group.count}"
    return f"as good as {best.group.label}, which is named first" if wanted else ""


def _why_best(what: Kind, frame: Configuration, best: _Weighed, *, own_exposure: bool) -> str:
    traits = best.group.traits
    nights = nights_apart(frame, traits)
    said = []
    row = calibration_kind(what)
    if row.by_exposure and best.scale is None:
        said.append(f"same exposure: {exposure_words(traits.exposure_s)}")
    elif row.by_exposure:
        direction = "down" if best.exposure_class == _DOWN else "up"
        none = f"none {'that fits as well ' if own_exposure else ''}has {exposure_words(frame.exposure_s)}"
        said.append(f"{none}; {exposure_words(traits.exposure_s)} scaled {direction} by {best.scale:.3g}")
    elif row.by_filter:
        said.append("same filter" if traits.filter_name is None else f"same filter: {traits.filter_name}")
    else:
        said.append("read in the same way")
    if nights is not None:
        said.append(_nights_words(nights) + ("" if nights == 0 else ", none that fits is nearer"))
    return ", ".join(said)


def match_frame(
    what: Kind, frame: Configuration, overscan_and_trim: FrameRecipe, groups: Sequence[Group], recipe: NightRecipe
) -> Match:
    """Choose the combined frame for one step of a frame that needs it.

    Parameters
    ----------
    what, frame, overscan_and_trim, groups, recipe
        As in `rank_candidates`.

    Returns
    -------
    Match
        Whose ``chosen`` is None where none can be used; with the best twelve candidates.
    """
    ranked = rank_candidates(what, frame, overscan_and_trim, groups, recipe)
    candidates = ranked[:_MOST_KEPT]
    if not candidates:
        reason = f"there is no {what} in the folder"
        if not recipe.combination(what).combine:
            reason = f"{calibration_kind(what).words.plural} are not combined, as asked for"
        return Match(what, None, None, needed=True, reason=reason)
    best = candidates[0]
    if best.usable:
        return Match(what, best.name, best.scale, True, best.reason, candidates)
    named = [f"{each.label}: {each.reason}" for each in candidates[:_MOST_NAMED]]
    more = len(ranked) - len(named)
    reason = "; ".join(named) + (f"; and {more} more" if more else "")
    return Match(what, None, None, needed=True, reason=reason, candidates=candidates)
