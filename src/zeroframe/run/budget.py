"""How the memory that is allowed is divided in a night: frames at work, what they are calibrated with, kept pixels."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from zeroframe.errors import MemoryLimitError
from zeroframe.fits import scan
from zeroframe.fits.decode import decoded_float
from zeroframe.fits.store.names import UrlPath
from zeroframe.frames.raw import frame_bytes
from zeroframe.headers.kinds import kind_row
from zeroframe.planning.targets import CombineJob
from zeroframe.records import dataclass
from zeroframe.run.combine_files import finishing_bytes
from zeroframe.run.pixel_cache import image_bytes, worth_keeping
from zeroframe.stacks.combine import result_bytes
from zeroframe.workers import worker_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zeroframe.planning.plan import Group, NightFrame, NightPlan

__all__ = ["CACHE_SHARE", "MemoryShares", "is_alone", "refuse_too_large", "share_memory", "wanted_bytes"]

#: What combined frames may take while others need them, where there is room: one part of so many.
CACHE_SHARE = 3
#: Combining goes fastest with some tiles, and a sample to measure the noise, beside 16 bytes a pixel.
_ROOMY_BYTES, _ROOMY_PIXEL_BYTES = 64 << 20, 16
#: Arrays that scipy's median filter, and what is masked by it, take beside the image.
_MEDIAN_IMAGES = 6


@dataclass(frozen=True, slots=True)
class MemoryShares:
    """Shares of the memory, which together are no more than the limit.

    Attributes
    ----------
    limit_bytes : int
        How much may be used altogether.
    threads : int
        How many frames may be worked on at once.
    task_bytes : int
        For each of them, or for a combination in its place.
    cache_bytes : int
        For combined frames and masks that others need.
    kept_bytes : int
        For calibrated frames that stay until they are combined.
    """

    limit_bytes: int
    threads: int
    task_bytes: int
    cache_bytes: int
    kept_bytes: int


def share_memory(plan: NightPlan, limit_bytes: int, workers: int | None) -> MemoryShares:
    """Divide the memory that is allowed, before any pixel is read.

    Parameters
    ----------
    plan : NightPlan
        What is to be done.
    limit_bytes : int
        How much may be used.
    workers : int or None
        How many threads were asked for.

    Returns
    -------
    MemoryShares

    Raises
    ------
    MemoryLimitError
        When a frame of the size that most have does not fit, with what it is calibrated with, or a group cannot be
        combined. A frame of another size that is too large fails alone; see `refuse_too_large`.
    """
    frames = _whole_frames(plan)
    needed = {frame.name: _needed_bytes(frame) for frame in frames}
    fitting = [frame for frame in frames if needed[frame.name] <= limit_bytes]
    shapes = Counter(frame.layout.shape_yx for frame in frames)
    most_common = shapes.most_common(1)[0][0] if shapes else ()
    usual = max((needed[frame.name] for frame in frames if frame.layout.shape_yx == most_common), default=0)
    if usual > limit_bytes:
        raise MemoryLimitError(
            f"the memory limit of {limit_bytes / 1e6:.1f} MB does not hold one frame while it is calibrated with its "
            f"bias, dark and flat; raise it to {usual / 1e6 + 1:.0f} MB or more"
        )
    combining = _combining_bytes(plan, {frame.name for frame in fitting}, limit_bytes)
    planes = max(map(_plane_bytes, fitting), default=0)
    work = max(max(map(_work_bytes, fitting), default=0), combining)
    most = min(worker_count(workers), max(len(plan.frames), 1))
    threads = max(min(most, limit_bytes // max(planes + work, 1)), 1)
    most_cached = min(_made_bytes(plan), limit_bytes // CACHE_SHARE)
    cache = min(max(threads * planes, most_cached), max(limit_bytes - threads * work, 0))
    left = limit_bytes - cache
    kept = min(_keepable_bytes(plan), max(left - threads * max(work, _roomy_bytes(fitting)), 0))
    return MemoryShares(limit_bytes, threads, (left - kept) // threads, cache, kept)


def wanted_bytes(plan: NightPlan, limit_bytes: int, workers: int | None, *, elsewhere: bool) -> int:
    """Return how much of the memory that is allowed a night would use; with so much it makes what it would with all.

    Parameters
    ----------
    plan, limit_bytes, workers
        As for `share_memory`.
    elsewhere : bool
        Whether an executor makes the frames: of these nothing is kept here.

    Returns
    -------
    int
        The limit itself, where a frame or a group may be too large for it.
    """
    frames = plan.frames
    work = max([0, *map(_work_bytes, frames), *map(_group_bytes, plan.groups)])
    planes = max(map(_plane_bytes, frames), default=0)
    at_work = max(work, _roomy_bytes(frames))
    if elsewhere:
        return min(planes + at_work, limit_bytes)
    threads = min(worker_count(workers), max(len(frames), 1))
    cache = max(threads * planes, _made_bytes(plan))
    return min(cache + _keepable_bytes(plan) + threads * at_work, limit_bytes)


def _made_bytes(plan: NightPlan) -> int:
    """Return how much memory all combined frames of a night take, with their errors and masks."""
    made = sum(2 * image_bytes(group.frames[0]) + math.prod(group.frames[0].shape_yx) for group in plan.groups)
    return made + sum(_stored_bytes(group) for group in plan.stored)


def _keepable_bytes(plan: NightPlan) -> int:
    """Return how much memory all calibrated frames take that are worth keeping until they are combined."""
    return sum(sum(map(image_bytes, group.frames)) for group in plan.groups if worth_keeping(group.frames))


def _roomy_bytes(frames: Sequence[NightFrame]) -> int:
    """Return with how much memory the largest of these frames are combined fastest."""
    return _ROOMY_PIXEL_BYTES * max((math.prod(frame.shape_yx) for frame in frames), default=0) + _ROOMY_BYTES


def _stored_bytes(group: Group) -> int:
    """Return how much memory takes a combined frame that exists, with its errors and its mask."""
    recipes = () if group.stored is None else group.stored.recipes
    # two images of float32, and a byte of mask
    return (4 + 4 + 1) * math.prod(recipes[0].shape_yx(group.traits.shape_yx)) if recipes else 0


def refuse_too_large(frame: NightFrame, limit_bytes: int) -> None:
    """Raise where a frame, in a folder where others are smaller, is too large for the limit.

    Raises
    ------
    MemoryLimitError
        Which names the frame; not for one whose file ends long before its pixels do: reading it says that.
    """
    needed = _needed_bytes(frame)
    if needed > limit_bytes and not _is_cut_off(frame):
        raise MemoryLimitError(
            f"{frame.source}: the memory limit of {limit_bytes / 1e6:.1f} MB does not hold this frame while it is "
            f"calibrated; raise it to {needed / 1e6 + 1:.0f} MB or more, or leave the frame out"
        )


def _is_cut_off(frame: NightFrame) -> bool:
    found = scan(frame.source)
    hdu = found.image()
    size = 0 if isinstance(frame.source, UrlPath) else frame.source.stat().st_size
    return found.encoding == "plain" and 0 < size < hdu.data_offset + hdu.data_bytes


def _needed_bytes(frame: NightFrame) -> int:
    return _work_bytes(frame) + _plane_bytes(frame)


def _work_bytes(frame: NightFrame) -> int:
    """Return how much memory one thread needs to calibrate a frame."""
    image = image_bytes(frame)
    row = kind_row(frame.kind)
    noise = 2 * image if frame.steps.uncertainty else 0
    sharp = _MEDIAN_IMAGES * image if frame.steps.cosmic_rays == "median" else 0
    # other exposures one by one from raw to an image, and what they are compared by
    sharp += len(frame.others) * image + (image + frame.layout.byte_count if frame.others else 0)
    # of what will be combined, the mask is gone before there is a second image; what the search for cosmic rays has
    # found, too
    mask = math.prod(frame.shape_yx) if row is None else 0
    return frame_bytes(frame.layout, frame.shape_yx, frame.compress) + noise + sharp + mask


def _plane_bytes(frame: NightFrame) -> int:
    """Return how much memory takes what a frame is calibrated with."""
    steps = frame.steps
    planes = len(steps.uses)
    masks = (planes + len(steps.masks) + (steps.own_mask is not None)) * math.prod(frame.shape_yx)
    return image_bytes(frame) * (planes * (2 if steps.uncertainty else 1) + steps.uncertainty) + masks


def _combining_bytes(plan: NightPlan, fitting: set[str], limit_bytes: int) -> int:
    """Return how much memory it takes at least to combine any group; raise where that is too much."""
    needed = {group.name: _group_bytes(group) for group in plan.groups if fitting.issuperset(_names(group))}
    worst = max(needed, key=lambda name: needed[name], default=None)
    if worst is None:
        return 0
    if needed[worst] > limit_bytes:
        raise MemoryLimitError(
            f"the memory limit of {limit_bytes / 1e6:.1f} MB does not hold {worst} and one row of each of its "
            f"{len(plan.group(worst).frames)} frames; raise it to {needed[worst] / 1e6 + 1:.0f} MB or more"
        )
    return needed[worst]


def _names(group: Group) -> list[str]:
    return [frame.name for frame in group.frames]


def _group_bytes(group: Group) -> int:
    """Return how much memory it takes at least to combine a group: its result, and a row of all frames."""
    frame = group.frames[0]
    dtype = decoded_float(frame.layout)
    job = CombineJob((), group.target, group.spec, group.compress, group.clip_spread)
    result = result_bytes(frame.shape_yx, dtype) + finishing_bytes(job, frame.shape_yx)
    return result + len(group.frames) * frame.shape_yx[1] * dtype.itemsize


def _whole_frames(plan: NightPlan) -> list[NightFrame]:
    """Return the frames whose sizes can be believed: the header of one that is cut off may ask for any."""
    odd = {item.path for item in plan.found if item.frame is not None and item.frame.remarks}
    return [frame for frame in plan.frames if frame.source not in odd] or list(plan.frames)


def is_alone(plan: NightPlan) -> bool:
    """Say whether frames are calibrated for one group only: nothing is combined meanwhile, and nothing after it.

    Parameters
    ----------
    plan : NightPlan
        What is going to be done.
    """
    return len(plan.groups) + len(plan.science) <= 1
