"""From the outcomes of a run to its figures, and back for a run that has kept everything."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zeroframe.frames.calibration_frames import BLIND_CARD
from zeroframe.review.figures import Subject

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from zeroframe.headers.moments import Moment
    from zeroframe.planning.plan import Group, NightFrame
    from zeroframe.run.combined_outcome import CombinedOutcome
    from zeroframe.run.outcomes import GroupOutcome, MaskOutcome, NightOutcome, NightResult

__all__ = ["FRAME_CARDS", "figures_of_combined", "figures_of_frame", "figures_of_run", "unit_ending"]


#: The day of MJD 0, 1858 November 17, as Python counts days.
_MJD_ORDINAL = 678576
#: Figures of a frame that stand in its header, too, and the card.
FRAME_CARDS = {
    "noise_ratio": "NOISERAT",
    "seam_step_fraction": "SEAMSTEP",
    "seam_error_fraction": "SEAMERR",
    "raw_seam_step_fraction": "SEAMRAW",
    "gain_e_per_adu": "GAINUSED",
    "read_noise_adu": "RNOISADU",
    "dark_scale": "DARKSCAL",
    "dark_scale_error": "DARKSERR",
    "masked_pixels": "NMASKED",
    "unlit_pixels": "NUNLIT",
    "cosmic_ray_pixels": "NCOSMIC",
    "not_finite_pixels": "NNOTFIN",
}


def unit_ending(unit: str) -> str:
    """Return how the name of a figure in this unit ends.

    Examples
    --------
    >>> unit_ending("electron"), unit_ending("adu")
    ('e', 'adu')
    """
    return {"adu": "adu", "electron": "e"}.get(unit, unit.replace(" ", "_"))


def figures_of_run(result: NightResult, out: Path) -> Iterator[Subject]:
    """Yield the figures of every frame, combined frame and mask of a run.

    Parameters
    ----------
    result : NightResult
        How they ended.
    out : pathlib.Path
        The folder of results.
    """
    group_of = {frame.name: each.group.name for each in result.all_groups for frame in each.group.frames}
    said_of = {one.frame.name: one.said for one in result.frames}
    silent = {each.group.name: _silent_in(each.group, each.said, said_of) for each in result.all_groups}
    for one in result.frames:
        found = figures_of_frame(one, out, group_of.get(one.frame.name, ""))
        yield _with_silent(found, _silent_amplifiers(one.frame, one.said, one.said))
    for each in result.all_groups:
        yield _of_combined(each)
    for mask in result.masks:
        yield _with_silent(_of_mask(mask), silent.get(mask.job.source, {}))


def _with_silent(found: Subject, silent: Mapping[str, float]) -> Subject:
    """Add how many pixels belong to amplifiers that see no light, or were not read."""
    return replace(found, figures={**found.figures, **{name: value for name, value in silent.items() if value}})


def _silent_in(group: Group, said: Mapping[str, Any], of_frames: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return the same of a combined frame: what was not read is what no frame of the group has."""
    unread = [_silent_amplifiers(each, said, of_frames.get(each.name, {})) for each in group.frames]
    return min(unread, key=lambda each: each["silent_pixels"]) if unread else {}


def _silent_amplifiers(frame: NightFrame, blind: Mapping[str, Any], read: Mapping[str, Any]) -> dict[str, float]:
    """Return the pixels of amplifiers that are blind, by the cards of a flat, and of those that were not read."""
    if not frame.recipe.assembles or not frame.recipe.regions:
        return {"blind_pixels": 0.0, "silent_pixels": 0.0}
    shape = frame.layout.shape_yx
    sizes = {region.name: region.part(shape).ny * region.part(shape).nx for region in frame.recipe.regions}
    seen = sum(sizes.get(name, 0) for name in str(blind.get(BLIND_CARD, "")).split())
    unread, smallest = int(read.get("NUNREAD", 0) or 0), min(sizes.values())
    # rows that are missing because a read-out stopped are no whole amplifiers
    whole = unread and max(sizes.values()) == smallest and unread % smallest == 0
    return {"blind_pixels": float(seen), "silent_pixels": float(unread if whole else 0)}


def figures_of_frame(each: NightOutcome, out: Path, group: str) -> Subject:
    """Return the figures of a frame.

    Parameters
    ----------
    each : NightOutcome
        How it ended.
    out : pathlib.Path
        The folder of results.
    group : str
        Name of the combined frame that it is part of; empty where it is part of none.
    """
    frame, outcome, said = each.frame, each.outcome, each.said
    quality = outcome.quality
    after = unit_ending(str(said.get("BUNIT", frame.traits.unit)))
    ny, nx = frame.shape_yx
    figures = {
        "raw_level_adu": outcome.raw_level_adu,
        f"level_{after}": outcome.level_adu,
        f"noise_{after}": math.nan if quality is None else quality.noise_adu,
        f"stated_noise_{after}": _card(said, "UNCMED"),
        f"level_error_{after}": _card(said, "LEVELERR"),
        f"quantisation_step_{after}": _card(said, "QSTEP"),
        **{name: _card(said, card) for name, card in FRAME_CARDS.items()},
        "saturated_pixels": math.nan if quality is None else float(quality.saturated),
        "pixels": float(ny * nx),
        "exposure_s": _number(frame.facts.exposure_s),
        "temperature_c": _number(frame.traits.temperature_c),
        "start_mjd": _start(frame.facts.began),
        "unread_pixels": _card(said, "NUNREAD"),
        **({} if quality is None else quality.traces),
    }
    used = tuple(use.name for use in frame.steps.uses)
    measured = quality is not None and quality.cells_adu.size and quality.noise_adu > 0
    sample = _sample(quality) if measured else b""
    name = frame.target.relative_to(out).as_posix()
    return Subject(name, "frame", frame.kind.value, outcome.state, after, _known(figures), used, group, sample)


def _sample(quality: Any) -> bytes:  # noqa: ANN401 -- a FrameQuality
    return bytes(quality.cells_adu.tobytes()) + repr((quality.level_adu, quality.noise_adu)).encode()


def _of_combined(each: GroupOutcome) -> Subject:
    group = each.group
    level = float(each.said.get("FLATLEVL", each.combined.level))
    more = {
        "gain_e_per_adu": _card(each.said, "GAINMEAS"),
        "gain_error_e_per_adu": _card(each.said, "GAINERR"),
        "nonlinear_fraction": _card(each.said, "NONLIN"),
        "nonlinear_level_adu": _card(each.said, "NONLINAT"),
        "exposure_s": _number(group.traits.exposure_s),
        "temperature_c": _number(group.traits.temperature_c),
    }
    noise = each.combined.noise
    if not group.scaled_by_level and noise is not None:  # of others it is the noise of their light
        more[f"read_noise_{unit_ending(group.traits.unit)}"] = _number(noise.single)
    found = figures_of_combined(
        group.name, group.kind.value, replace(each.combined, level=level), group.traits.unit, group.spec.method, more
    )
    return replace(found, used=tuple(use.name for use in group.frames[0].steps.uses))


def figures_of_combined(
    name: str,
    kind: str,
    combined: CombinedOutcome,
    unit: str,
    method: str,
    more: Mapping[str, float] | None = None,
) -> Subject:
    """Return the figures of a combined frame.

    Parameters
    ----------
    name : str
        Of its file.
    kind : str
        ``'bias'``, ``'dark'``, ``'flat'``; empty where it is not known.
    combined : CombinedOutcome
        How the combination ended.
    unit : str
        Of its pixels, as in BUNIT.
    method : str
        By which values were combined.
    more : mapping of str to float, optional
        Figures that the combination itself does not know.
    """
    noise, ending = combined.noise, unit_ending(unit)
    ny, nx = combined.shape_yx
    figures = {
        f"level_{ending}": combined.level,
        f"noise_of_one_frame_{ending}": _number(None if noise is None else noise.calibrated),
        f"noise_{ending}": _number(None if noise is None else noise.combined),
        f"expected_noise_{ending}": _number(None if noise is None else noise.expected),
        f"pattern_{ending}": _number(None if noise is None else noise.pattern),
        f"scatter_{ending}": _number(None if noise is None else noise.scatter),
        f"pixel_noise_{ending}": _number(None if noise is None else noise.single),
        "frames": float(combined.frames),
        "rejected_values": float(combined.rejected) if combined.state == "done" else math.nan,
        "pixels": float(ny * nx) if ny * nx else math.nan,
        **{f"{name}_{ending}": value for name, value in _excess(combined).items()},
        "interference_noises": _number(None if combined.excess is None else combined.excess.wave_noises),
        **(more or {}),
    }
    if not kind:  # of a plan each frame has a level of its own
        figures[f"level_scatter_{ending}"] = _number(None if noise is None else noise.level_scatter)
    return Subject(name, "combined", kind, combined.state, ending, _known(figures), method=method)


#: By what is said of a part of the noise.
_PARTS = {
    "rows": "noise_of_rows",
    "columns": "noise_of_columns",
    "shading": "noise_of_shading",
    "combination": "noise_of_combination",
    "common": "noise_in_common",
}


def _excess(combined: CombinedOutcome) -> dict[str, float]:
    """Say what makes the combined frame noisier than the pixels of its frames alone."""
    excess = combined.excess
    if excess is None:
        return {}
    average = {} if excess.average_adu is None else {"noise_of_average": excess.average_adu}
    if not excess.is_worth_telling:
        return average
    parts = {_PARTS[part.what]: part.noise_adu for part in excess.parts if part.what in _PARTS}
    return {"ideal_noise": excess.ideal_adu, **average, **parts}


def _start(moment: Moment | None) -> float:
    """Return when an exposure began, as a modified Julian date; NaN where only the day is known."""
    if moment is None or moment.seconds is None:
        return math.nan
    return float(moment.day.toordinal() - _MJD_ORDINAL) + moment.seconds / 86400.0


def _of_mask(each: MaskOutcome) -> Subject:
    figures = {"masked_pixels": float(each.count), "pixels": float(each.pixels)} if each.pixels else {}
    state = each.state
    return Subject(each.job.name, "mask", each.job.what, state, "", figures, (each.job.source,))


def _card(said: Mapping[str, Any], word: str) -> float:
    value = said.get(word)
    return float(value) if isinstance(value, int | float) else math.nan


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _known(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if math.isfinite(value)}
