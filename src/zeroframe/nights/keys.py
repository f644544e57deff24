"""What the result of a job depends on, and its key: see `zeroframe.provenance` for what a key is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zeroframe.dialects import Kind
from zeroframe.nights.matching import nights_apart
from zeroframe.provenance import as_data, key_of, versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zeroframe.nights.jobs import Group, MaskJob, NightFrame, NightPlan

__all__ = [
    "frame_key",
    "frame_uses",
    "gain_group",
    "group_key",
    "group_uses",
    "mask_key",
    "noise_group",
    "pedestal_group",
    "pixel_uses",
]

#: Of a frame: what is done to it, and nothing that only says why.
_DOINGS = ("recipe", "steps", "layout", "kind", "saturated_at_adu", "compress")
_GROUP_DOINGS = ("kind", "spec", "clip_spread", "scaled_by_level", "reject_outliers", "includes_bias", "compress")


def _alike(plan: NightPlan, kind: Kind, frame: NightFrame, fewest: int = 2) -> list[Group]:
    """Return the groups whose frames were read as this one, overscan and all; those of the nearest night come first."""
    wanted = frame.traits
    alike = [
        group
        for group in plan.groups
        if group.kind is kind
        and len(group.frames) >= fewest
        and (group.traits.shape_yx, group.traits.binning_xy, group.traits.settings)
        == (wanted.shape_yx, wanted.binning_xy, wanted.settings)
        and group.frames[0].recipe == frame.recipe
    ]
    return sorted(alike, key=lambda group: nights_apart(wanted, group.traits) or 0) if len(alike) > 1 else alike


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
    if frame.kind is Kind.BIAS:
        return None
    biases = _alike(plan, Kind.BIAS, frame)
    if biases:
        return _preferred(frame, "bias", biases)
    darks = _alike(plan, Kind.DARK, frame) if frame.kind is not Kind.DARK else []
    nearest = nights_apart(frame.traits, darks[0].traits) if darks else None
    darks = [group for group in darks if nights_apart(frame.traits, group.traits) == nearest]
    return min(darks, key=lambda group: group.traits.exposure_s or 0.0, default=None)


def gain_group(plan: NightPlan, frame: NightFrame) -> Group | None:
    """Return the group of two flats or more whose pairs tell the gain of a frame, where nothing else does."""
    if frame.steps.gain_e_per_adu is not None or not (frame.steps.uncertainty or frame.steps.to_electrons):
        return None
    return _preferred(frame, "flat", _alike(plan, Kind.FLAT, frame))


def pedestal_group(plan: NightPlan, frame: NightFrame) -> Group | None:
    """Return the biases from which the light of a frame is counted where its dark, or nothing, takes the bias away."""
    if not frame.steps.uncertainty or frame.steps.bias is not None:
        return None
    return _preferred(frame, "bias", _alike(plan, Kind.BIAS, frame, fewest=1))


def frame_uses(plan: NightPlan, frame: NightFrame) -> tuple[str, ...]:
    """Return the names of all combined frames and masks that a calibrated frame is made with."""
    others = [gain_group(plan, frame), pedestal_group(plan, frame)]
    if frame.steps.uncertainty:
        others.append(noise_group(plan, frame))
    return tuple(dict.fromkeys([*frame.steps.needs, *(group.name for group in others if group is not None)]))


def pixel_uses(plan: NightPlan, frame: NightFrame) -> tuple[str, ...]:
    """Return the names of those combined frames and masks, beside the flat, whose pixels are used as they are."""
    steps, pedestal = frame.steps, pedestal_group(plan, frame)
    names = (steps.bias, steps.dark, *steps.masks, None if pedestal is None else pedestal.name)
    return tuple(dict.fromkeys(name for name in names if name is not None))


def group_uses(plan: NightPlan, group: Group) -> tuple[str, ...]:
    """Return the names of the combined frames that a combined frame is made with, beside its own frames."""
    known = noise_group(plan, group.frames[0])
    return () if known is None or known.name == group.name else (known.name,)


def frame_key(frame: NightFrame, source_sha256: str, used: Mapping[str, str]) -> str:
    """Return the key of a calibrated frame.

    Parameters
    ----------
    frame : NightFrame
        What is done.
    source_sha256 : str
        Hash of the raw file.
    used : mapping of str to str
        Names and keys of the combined frames and masks that it is made with.
    """
    done = {name: as_data(getattr(frame, name)) for name in _DOINGS}
    done["target"] = frame.target.name
    return _key("frame", done, used, source=source_sha256)


def group_key(
    group: Group, frame_keys: Mapping[str, str], used: Mapping[str, str], left_out: Sequence[str] = ()
) -> str:
    """Return the key of a combined frame.

    Parameters
    ----------
    group : Group
        How frames are combined.
    frame_keys : mapping of str to str
        Names and keys of the calibrated frames, in order.
    used : mapping of str to str
        Names and keys of the combined frames that it is made with.
    left_out : sequence of str
        Names of frames that turned out to be unreadable.
    """
    done = {name: as_data(getattr(group, name)) for name in _GROUP_DOINGS}
    done["gain"] = group.frames[0].steps.gain_e_per_adu
    frames = [[name, key] for name, key in frame_keys.items()]
    return _key("combined", done, used, frames=frames, left_out=list(left_out))


def mask_key(job: MaskJob, source_key: str) -> str:
    """Return the key of a mask; ``source_key`` is that of the combined frame."""
    done = {"what": job.what, "sigmas": job.sigmas, "fraction": job.fraction}
    return _key("mask", done, {job.source: source_key})


def _key(what: str, done: Mapping[str, Any], used: Mapping[str, str], **more: object) -> str:
    return key_of({what: dict(done), "used": dict(used), "versions": dict(versions()), **more})
