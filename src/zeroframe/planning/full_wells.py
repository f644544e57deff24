"""From where on the pixels of a camera are full, as frames of a night prove it for the others of that night.

A frame with hundreds of full pixels shows where they heap up; one with four of them does not, though they are as full.
So the highest values of all lit frames are looked at once, and what some of them prove holds for all that were read
alike. What was seen of a file is remembered between runs, as its header is.
"""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from zeroframe.errors import FrameError
from zeroframe.fits import read_raw
from zeroframe.fits.failures import attempt
from zeroframe.fits.fingerprint import code_mark, file_stamp
from zeroframe.fits.part_paths import file_of
from zeroframe.fits.store.names import any_remote
from zeroframe.frames.pile_up import converter_top
from zeroframe.frames.raw_look import look_at
from zeroframe.frames.saturation import shared_limit
from zeroframe.headers.columns import HeaderColumns, joined
from zeroframe.headers.index import FolderMemory, default_index
from zeroframe.headers.kinds import is_lit
from zeroframe.records import dataclass
from zeroframe.workers import AS_USUAL, JobResources, default_limit_bytes, map_jobs, map_threads, worker_count

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from zeroframe.planning.plan import NightFrame, NightPlan

__all__ = ["share_full_wells"]

#: What the index calls what is remembered here.
_WHAT = "highest values"
#: A frame that is looked at takes so many times its bytes: as it is read, and where it has to be decoded.
_TIMES_BYTES = 4
#: By this code a frame is looked at; what other code has seen is not known.
_CODE = ("frames/raw_look.py", "frames/pile_up.py")


@dataclass(frozen=True, slots=True)
class _Top:
    """The highest value that one amplifier keeps, where its values heap up, and the most that its file can hold."""

    highest: float
    limit: float | None
    most: float | None


def share_full_wells(plan: NightPlan, resources: JobResources = AS_USUAL) -> NightPlan:
    """Return a plan in which what some frames prove of their full well holds for the others of camera and setting.

    Parameters
    ----------
    plan : NightPlan
        Whose frames have been matched.
    resources : JobResources, optional
        What may be used for it.

    Returns
    -------
    NightPlan
        The same one where no frame goes as high as a full well that another one proves. Frames in an object store are
        not read for it, nor are those for which recipe or camera say where they are full.
    """
    alike: dict[Hashable, list[NightFrame]] = {}
    for frame in plan.frames:
        if _is_asked(frame):
            alike.setdefault(_read_out(frame), []).append(frame)
    asked = [frame for frames in alike.values() if len(frames) > 1 for frame in frames]
    if not asked:
        return plan
    tops = _tops(asked, resources)
    better: dict[str, NightFrame] = {}
    for frames in alike.values():
        seen = [(frame, tops[frame.name]) for frame in frames if frame.name in tops]
        better |= {frame.name: frame for frame in _shared(seen)}
    return _with_frames(plan, better) if better else plan


def _is_asked(frame: NightFrame) -> bool:
    stated = frame.saturation.asked_adu is not None
    stated |= any(region.saturation_adu is not None for region in frame.recipe.regions)
    return is_lit(frame.kind) and not stated and not any_remote(file_of(frame.source))


def _read_out(frame: NightFrame) -> Hashable:
    """Return what frames have in common whose pixels are full at one value."""
    traits, layout = frame.traits, frame.layout
    stored = layout.bitpix, layout.bzero, layout.bscale
    settings = traits.settings, traits.binning_xy, traits.gain_e_per_adu
    return frame.facts.instrument, settings, layout.shape_yx, stored, frame.recipe


def _shared(seen: Sequence[tuple[NightFrame, Sequence[_Top]]]) -> list[NightFrame]:
    """Return those of frames that were read alike which reach what others prove, with that."""
    if not seen:
        return []
    of_regions = zip(*(tops for _, tops in seen), strict=True)
    limits = [shared_limit([(top.highest, top.limit) for top in tops], tops[0].most) for tops in of_regions]
    better = []
    for frame, tops in seen:
        reached = tuple(
            limit if limit is not None and top.highest >= limit else None
            for limit, top in zip(limits, tops, strict=True)
        )
        if any(limit is not None for limit in reached):
            better.append(replace(frame, saturation=replace(frame.saturation, shared_adu=reached)))
    return better


def _with_frames(plan: NightPlan, better: Mapping[str, NightFrame]) -> NightPlan:
    def told(frames: Sequence[NightFrame]) -> tuple[NightFrame, ...]:
        return tuple(better.get(frame.name, frame) for frame in frames)

    return replace(
        plan,
        groups=tuple(replace(group, frames=told(group.frames)) for group in plan.groups),
        uncombined=tuple(replace(group, frames=told(group.frames)) for group in plan.uncombined),
        science=told(plan.science),
    )


def _tops(frames: Sequence[NightFrame], resources: JobResources) -> dict[str, tuple[_Top, ...]]:
    """Return the highest values of frames by their names, of those that can be read within the memory."""
    limit_bytes = resources.mem_limit_bytes or default_limit_bytes()
    folders: dict[str, list[NightFrame]] = {}
    for frame in frames:
        folders.setdefault(os.path.realpath(file_of(frame.source).parent), []).append(frame)
    index, found = default_index(), dict[str, tuple[_Top, ...]]()
    for folder, members in folders.items():
        stamps = _stamps(members)
        what = f"{_WHAT} {code_mark(*_CODE)}"
        memory = index.load(folder, what)
        known = {
            name: memory.headers.header(row)
            for row, (name, stamp) in enumerate(zip(memory.headers.names, memory.stamps, strict=True))
            if stamps.get(name) == stamp
        }
        unread = []
        for frame in members:
            cards = known.get(_name(frame), {})
            if cards.get("as") == _as(frame):
                found[frame.name] = _from_cards(cards, len(frame.recipe.regions))
            else:
                unread.append(frame)
        fitting = [frame for frame in unread if _TIMES_BYTES * frame.layout.byte_count <= limit_bytes]
        if not fitting:
            continue
        most = max(limit_bytes // (_TIMES_BYTES * max(frame.layout.byte_count for frame in fitting)), 1)
        seen = (
            map_threads(_look, fitting, min(worker_count(resources.workers), most))
            if resources.executor is None
            else map_jobs(resources.executor, _look, fitting)
        )
        new = {frame: tops for frame, tops in zip([each.name for each in fitting], seen, strict=True) if tops}
        found |= new
        told = {_name(frame): _as_cards(frame, new[frame.name]) for frame in fitting if frame.name in new}
        told = {name: cards for name, cards in told.items() if name in stamps}
        if told:
            kept = [row for row, name in enumerate(memory.headers.names) if name in known and name not in told]
            headers = joined([HeaderColumns.of(list(told), list(told.values())), memory.headers.take(kept)])
            index.store(folder, what, FolderMemory(headers, [stamps[name] for name in headers.names]))
    return found


def _look(frame: NightFrame) -> tuple[_Top, ...]:
    """Return the highest values of a frame; nothing of one that cannot be read, which is said when it is calibrated."""
    seen = attempt(frame.source, _looked, frame)
    return () if isinstance(seen, FrameError) else seen


def _looked(frame: NightFrame) -> tuple[_Top, ...]:
    raw = read_raw(frame.source)
    if raw.layout.shape_yx != frame.layout.shape_yx:
        return ()
    looks = look_at(raw, frame.recipe.regions, frame.steps.gain_e_per_adu)
    return tuple(
        _Top(
            float(look.highest),
            None if look.pile_up is None else float(look.pile_up.limit),
            converter_top(raw.layout, look.step),
        )
        for look in looks
    )


def _name(frame: NightFrame) -> str:
    return os.path.basename(str(frame.source))  # noqa: PTH119 -- the name of a part of a file with it


def _stamps(frames: Sequence[NightFrame]) -> dict[str, str]:
    """Return the stamps of the files, from before they are read; of those that have just been changed none."""
    now_ns, stamps = time.time_ns(), {}
    for frame in frames:
        with suppress(OSError):  # reading it says why
            stamp = file_stamp(file_of(frame.source).stat(), now_ns)
            if stamp is not None:
                stamps[_name(frame)] = stamp
    return stamps


def _as(frame: NightFrame) -> str:
    """Return a hash of what of a plan changes what is seen of a frame."""
    said = repr((frame.recipe, frame.steps.gain_e_per_adu))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _as_cards(frame: NightFrame, tops: Sequence[_Top]) -> dict[str, str | float | None]:
    cards: dict[str, str | float | None] = {"as": _as(frame)}
    for place, top in enumerate(tops):
        cards |= {f"highest{place}": top.highest, f"limit{place}": top.limit, f"most{place}": top.most}
    return cards


def _from_cards(cards: Mapping[str, object], count: int) -> tuple[_Top, ...]:
    def number(name: str) -> float | None:
        value = cards.get(name)
        return float(value) if isinstance(value, int | float) else None

    return tuple(
        _Top(-float("inf") if highest is None else highest, number(f"limit{place}"), number(f"most{place}"))
        for place in range(count)
        for highest in [number(f"highest{place}")]
    )
