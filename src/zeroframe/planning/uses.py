"""What the result of a job depends on, and its key: see `zeroframe.run.keys` for what a key is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zeroframe.headers.colours import COLOUR_SETTING
from zeroframe.headers.kinds import calibration_kinds
from zeroframe.planning.matching import nights_apart

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from zeroframe.headers.kinds import Kind
    from zeroframe.planning.plan import Configuration, Group, NightFrame, NightPlan

__all__ = [
    "divisor_uses",
    "frame_uses",
    "gain_group",
    "group_uses",
    "noise_group",
    "pedestal_group",
    "pixel_uses",
    "uses_within",
    "without_lost",
]


def _alike(plan: NightPlan, kind: Kind, frame: NightFrame, fewest: int = 2) -> list[Group]:
    """Return the groups whose frames were read as this one, overscan and all; those of the nearest night come first."""
    wanted = frame.traits
    alike = [
        group
        for group in plan.calibrations
        if group.kind == kind
        and group.count >= fewest
        and (group.stored is None or fewest == 1 or group.stored.tells_noise)
        and _read_out(group.traits) == _read_out(wanted)
        and group.has_recipe(frame.recipe)
        and _may_be_one_gain(plan, group.traits, wanted)
    ]
    return sorted(alike, key=lambda group: nights_apart(wanted, group.traits) or 0) if len(alike) > 1 else alike


def _may_be_one_gain(plan: NightPlan, one: Configuration, other: Configuration) -> bool:
    """Whether two settings may be one: gains that headers state apart are two, whose ADU are not alike."""
    own, others = one.gain_e_per_adu, other.gain_e_per_adu
    return own is None or others is None or plan.recipe.tolerances.same_gain(own, others)


def _read_out(traits: Configuration) -> tuple[object, ...]:
    """Return how frames were read, and in which unit; biases of another program may lack the colours of the sensor."""
    settings = tuple(one for one in traits.settings if one[0] != COLOUR_SETTING)
    return traits.shape_yx, traits.binning_xy, traits.unit, settings


def _preferred(frame: NightFrame, what: str, groups: Sequence[Group]) -> Group | None:
    """Return the group that is matched to the frame, or would be; else the first."""
    names = {group.name: group for group in groups}
    for match in frame.matches:
        if match.what == what:
            ranked = [match.chosen, *(one.name for one in match.candidates if one.usable)]
            for name in ranked:
                if name in names:
                    return names[name]
    return groups[0] if groups else None


def noise_group(plan: NightPlan, frame: NightFrame) -> Group | None:
    """Return the group of two biases or more, else of short darks, whose pairs tell the noise of frames like this one.

    Parameters
    ----------
    plan : NightPlan
        The night.
    frame : NightFrame
        A dark, flat or science frame. Biases tell their own noise.

    Returns
    -------
    Group or None
        Frames of the same form, with the same overscan subtracted.
    """
    for row in calibration_kinds():
        if not row.tells_noise:
            continue
        if frame.kind == row.kind:
            return None
        groups = _alike(plan, row.kind, frame)
        if groups and not row.by_exposure:
            return _preferred(frame, row.kind, groups)
        if groups:
            nearest = nights_apart(frame.traits, groups[0].traits)
            near = [group for group in groups if nights_apart(frame.traits, group.traits) == nearest]
            return min(near, key=lambda group: group.traits.exposure_s or 0.0)
    return None


def gain_group(plan: NightPlan, frame: NightFrame) -> Group | None:
    """Return the group of two flats or more whose pairs tell the gain of a frame, unless a recipe says it.

    What a header or a camera's profile says is held against it.
    """
    asked = plan.recipe.frames.gain_e_per_adu is not None
    if asked or not (frame.steps.uncertainty or frame.steps.to_electrons):
        return None
    return _first_preferred(plan, frame, [row.kind for row in calibration_kinds() if row.tells_gain], fewest=2)


def pedestal_group(plan: NightPlan, frame: NightFrame) -> Group | None:
    """Return the group from which the light of a frame is counted where its dark, or nothing, takes the bias away.

    Those are the biases; without them, and with a dark that holds the bias, the darks that tell the noise, where those
    are others: what the frame's own dark has more is current, and its photons are noise that shorter darks lack.
    """
    zeros = [row.kind for row in calibration_kinds() if row.is_zero]
    if not frame.steps.uncertainty or any(frame.steps.of(kind) is not None for kind in zeros):
        return None
    biases = _first_preferred(plan, frame, zeros, fewest=1)
    holding = [use.name for use in frame.steps.uses if not use.divides and plan.group(use.name).includes_bias]
    if biases is not None or not holding:
        return biases
    known = noise_group(plan, frame)
    return None if known is None or known.name in holding or not known.includes_bias else known


def _first_preferred(plan: NightPlan, frame: NightFrame, kinds: Sequence[Kind], fewest: int) -> Group | None:
    """Return the preferred group of the first of these kinds that has one."""
    found = (_preferred(frame, kind, _alike(plan, kind, frame, fewest)) for kind in kinds)
    return next((group for group in found if group is not None), None)


def frame_uses(plan: NightPlan, frame: NightFrame) -> tuple[str, ...]:
    """Return the names of all combined frames and masks that a calibrated frame is made with."""
    others = [gain_group(plan, frame), pedestal_group(plan, frame)]
    if frame.steps.uncertainty:
        others.append(noise_group(plan, frame))
    return tuple(dict.fromkeys([*frame.steps.needs, *(group.name for group in others if group is not None)]))


def without_lost(frame: NightFrame, there: Container[str]) -> NightFrame:
    """Return a frame with those steps only whose combined frame or mask is there.

    Parameters
    ----------
    frame : NightFrame
        As it was planned.
    there : container of str
        Names of the combined frames and masks that could be made.
    """
    steps = frame.steps
    uses = tuple(use for use in steps.uses if use.name in there)
    masks = tuple(name for name in steps.masks if name in there)
    if uses == steps.uses and masks == steps.masks:
        return frame
    return replace(frame, steps=replace(steps, masks=masks, uses=uses))


def pixel_uses(plan: NightPlan, frame: NightFrame) -> tuple[str, ...]:
    """Return the names of those combined frames and masks, beside the flat, whose pixels are used as they are."""
    steps, pedestal = frame.steps, pedestal_group(plan, frame)
    subtracted = [use.name for use in steps.uses if not use.divides]
    names = [*subtracted, *steps.masks, *([] if pedestal is None else [pedestal.name])]
    return tuple(dict.fromkeys(names))


def divisor_uses(frame: NightFrame) -> tuple[str, ...]:
    """Return the names of the combined frames that a frame is divided by."""
    return tuple(use.name for use in frame.steps.uses if use.divides)


def uses_within(plan: NightPlan, frame: NightFrame) -> tuple[str, ...]:
    """Return the names of the combined frames that the flat of a frame was made with.

    They need not be those of the frame itself, as where it borrows the flat of another night. None of their pixels is
    looked at: what was done to their frames says which errors the frame and its flat share. The key of the flat tells
    it, too (`zeroframe.run.keys.group_key`).
    """
    flats = [plan.group(name) for name in divisor_uses(frame)]
    return tuple(dict.fromkeys(use.name for flat in flats for uses in flat.uses for use in uses))


def group_uses(plan: NightPlan, group: Group) -> tuple[str, ...]:
    """Return the names of the combined frames that a combined frame is made with, beside its own frames."""
    known = noise_group(plan, group.frames[0])
    return () if known is None or known.name == group.name else (known.name,)
