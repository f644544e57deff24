"""What pixels say of the overscan of a night's frames, where nothing else does."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

from zeroframe.errors import AssumptionWarning, FrameError, HeaderWarning, NoFramesError, SectionError, ZeroframeError
from zeroframe.fits.failures import file_failure
from zeroframe.fits.part_paths import file_of
from zeroframe.frames.numbers import number, percent
from zeroframe.headers.cameras import Camera, load_camera, recognise
from zeroframe.headers.sections import Section
from zeroframe.planning.apart import amplifiers_apart
from zeroframe.planning.chips_by_name import chips_by_name
from zeroframe.planning.same_extensions import with_same_extensions
from zeroframe.planning.select import takes_part
from zeroframe.workers import AS_USUAL, JobResources, done_by

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from zeroframe.frames.strip_levels import LevelMethod
    from zeroframe.headers.geometry import FoundDetector
    from zeroframe.headers.survey import RawFrame
    from zeroframe.inspection import OverscanInspection
    from zeroframe.inspection.amplifiers import LookedAt
    from zeroframe.planning.recipe import NightRecipe

__all__ = ["camera_with_extensions", "look_at_pixels", "of_unknown_cameras", "with_detectors_seen"]


def look_at_pixels(
    found: Sequence[RawFrame],
    recipe: NightRecipe,
    resources: JobResources = AS_USUAL,
) -> OverscanInspection | None:
    """Look at the pixels of a few frames, where camera and sections are neither asked for nor known.

    Parameters
    ----------
    found : sequence of RawFrame
        Everything in the raw folder; of one of many nights, with what it borrows: its own frames may tell too little.
    recipe : NightRecipe
        What was asked for.
    resources : JobResources, optional
        What may be used for it; of an executor one process.

    Returns
    -------
    OverscanInspection or None
        None also where no frame can be read, as each is named with what is wrong when it is calibrated, and where they
        are too small to look at.

    Raises
    ------
    SectionError
        When light reaches the overscan that was asked for, so much that it is none.

    Warns
    -----
    AssumptionWarning
        When less light reaches it, as the noise of photons shows.
    """
    options, executor = recipe.frames.options(), resources.executor
    if isinstance(recipe.frames.overscan, Section):
        _require_no_light(found, recipe.frames.overscan, recipe.frames.overscan_method, executor)
    if recipe.frames.overscan is not None or options.camera is not None or options.names_sections:
        return None
    unknown = of_unknown_cameras(found)
    if not any(takes_part(item, recipe) for item in unknown):
        return None
    threads = resources.workers if executor is None else 1  # of a worker others have work, too
    try:
        return done_by(executor, _inspected, unknown, resources.mem_limit_bytes, threads)
    except (FrameError, NoFramesError):
        return None
    except (ZeroframeError, Warning):
        raise
    except Exception as error:  # noqa: BLE001 -- without it the night is reduced all the same, and this is said
        failed = file_failure(error, unknown[0].path.parent)
        text = f"{failed.path}: the overscan was not looked for in the pixels, which {failed.reason}"
        warnings.warn(text, AssumptionWarning, stacklevel=2)
        return None


def _require_no_light(
    found: Sequence[RawFrame], section: Section, method: LevelMethod | None, executor: Executor | None
) -> None:
    from zeroframe.inspection.asked_overscan import lit_strip

    seen = done_by(executor, lit_strip, list(found), section, method)
    if seen is None:
        return
    part = percent(seen.strip_adu / seen.frame_adu)
    lit = (
        f"in {seen.lit} it is {number(seen.strip_adu)} ADU above {seen.dark}, {part} of the {number(seen.frame_adu)} "
        "ADU of the whole frame"
    )
    if seen.is_none:
        raise SectionError(
            f"overscan {section} sees light, so it is none: {lit}; zeroframe inspect says where the overscan is, and "
            "--overscan none subtracts none"
        )
    text = (
        f"overscan {section} sees light: {lit}, {seen.seen}; so much of the light of each frame is "
        "subtracted with it; zeroframe inspect says which part of it is dark"
    )
    warnings.warn(text, AssumptionWarning, stacklevel=2)


def _inspected(unknown: Sequence[RawFrame], limit_bytes: int | None, workers: int | None) -> OverscanInspection:
    from zeroframe.inspection import inspect_overscan

    return inspect_overscan(unknown, mem_limit_bytes=limit_bytes, workers=workers)


def with_detectors_seen(
    found: Sequence[RawFrame],
    recipe: NightRecipe,
    resources: JobResources = AS_USUAL,
) -> list[RawFrame]:
    """Return frames with what the pixels say of their amplifiers, where headers speak of several.

    Parameters
    ----------
    found : sequence of RawFrame
        Everything in the raw folder.
    recipe : NightRecipe
        What was asked for: where it names a camera, pixels are not asked.
    resources
        As for `look_at_pixels`.

    Returns
    -------
    list of RawFrame
        In the same order, with their detector where only their names tell it. All frames of one detector have the same
        sections and figures. Where amplifiers are kept apart, one for each of them.

    Warns
    -----
    HeaderWarning
        Where the pixels contradict the header of a detector.
    """
    options, found = recipe.frames.options(), chips_by_name(with_same_extensions(found))
    if options.camera is not None or options.names_sections or recipe.frames.overscan is not None:
        looked = found
    else:
        looked = _by_pixels(found, recipe, resources)
    if not recipe.frames.keep_amplifiers:
        return looked
    return amplifiers_apart(looked, None if options.camera is None else load_camera(options.camera), resources.executor)


def _by_pixels(found: Sequence[RawFrame], recipe: NightRecipe, resources: JobResources) -> list[RawFrame]:
    found = _with_seams(found, recipe, resources.executor)
    if not any(item.found is not None for item in found):
        return list(found)
    from zeroframe.inspection.amplifiers import by_detector

    better: dict[int, RawFrame] = {}
    for members in by_detector(found):
        try:
            seen = done_by(resources.executor, _looked_at, members, resources.mem_limit_bytes)
        except (FrameError, NoFramesError):  # frames of no use, or each is named when it is calibrated
            better |= {id(item): replace(item, found=members[0].found) for item in members}
            continue
        for remark in seen.remarks:
            whose = f" (detector {seen.found.name})" if seen.found.name else ""
            warnings.warn(f"{file_of(members[0].path).parent}{whose}: {remark}", HeaderWarning, stacklevel=2)
        better |= {id(item): replace(item, found=seen.found) for item in members}
    return [better.get(id(item), item) for item in found]


def _looked_at(members: Sequence[RawFrame], limit_bytes: int | None) -> LookedAt:
    from zeroframe.inspection.amplifiers import look_at_amplifiers
    from zeroframe.workers import default_limit_bytes

    return look_at_amplifiers(members, limit_bytes or default_limit_bytes())


def _with_seams(found: Sequence[RawFrame], recipe: NightRecipe, executor: Executor | None) -> list[RawFrame]:
    """Return frames with the amplifiers that the pixels of an unknown camera show, where headers say nothing."""
    unknown = [item for item in of_unknown_cameras(found) if takes_part(item, recipe)]
    if not unknown:
        return list(found)
    told = done_by(executor, _amplifiers_seen, unknown)
    seen = {id(unknown[n]): replace(unknown[n], found=detector, problem=why) for n, (detector, why) in told.items()}
    return [seen.get(id(item), item) for item in found]


def _amplifiers_seen(items: Sequence[RawFrame]) -> dict[int, tuple[FoundDetector | None, FrameError | None]]:
    """Return, by places, what amplifiers the pixels of frames show, and what is wrong; of those that stay, nothing."""
    from zeroframe.inspection.unknown_layouts import with_amplifiers_seen

    seen = with_amplifiers_seen(items)
    found = {place: seen[id(item)] for place, item in enumerate(items) if id(item) in seen}
    return {place: (item.found, item.problem) for place, item in found.items()}


def camera_with_extensions(recipe: NightRecipe) -> Camera | None:
    """Return the camera that is asked for, where its amplifiers say in which extensions they stand."""
    asked = recipe.frames.options().camera
    camera = None if asked is None else load_camera(asked)
    return camera if camera is not None and camera.names_extensions else None


def of_unknown_cameras(found: Sequence[RawFrame]) -> list[RawFrame]:
    """Return the raw frames whose camera is not recognised, by the first one of each form.

    Where there are others, those about which something is odd are left out: one that is cut off may be of any size.
    """
    unknown: dict[object, bool] = {}
    left: list[RawFrame] = []
    odd: list[RawFrame] = []
    for item in found:
        if item.problem is not None or item.frame is None or item.facts is None or item.facts.combined:
            continue
        if item.found is not None:  # of several amplifiers, which are looked at each for itself
            continue
        if item.form not in unknown:
            unknown[item.form] = recognise(item.frame.cards, item.shape_yx or ()) is None
        if unknown[item.form]:
            (odd if item.frame.remarks else left).append(item)
    return left or (odd if all(unknown.values()) else [])
