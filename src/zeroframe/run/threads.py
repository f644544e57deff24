"""Backends, which make the frames, combined frames and masks of a night: here, threads that share memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from zeroframe.frames.steps import CalibrationFrame
from zeroframe.planning.uses import divisor_uses, pixel_uses
from zeroframe.run.budget import is_alone, refuse_too_large
from zeroframe.run.buffers import BufferPool
from zeroframe.run.cache import CalibrationCache, stored_files
from zeroframe.run.calibrations import CalibrationStore
from zeroframe.run.combine_files import Resources
from zeroframe.run.combined import combine_group, compare_group
from zeroframe.run.frame import FrameMaker
from zeroframe.run.pixel_cache import PixelCache, image_bytes
from zeroframe.stacks.noise import noise_bands
from zeroframe.workers import worker_count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zeroframe.frames.raw import FrameOutcome
    from zeroframe.planning.plan import Group, MaskJob, NightFrame, NightPlan
    from zeroframe.run.combined import Combination
    from zeroframe.run.frame import Made
    from zeroframe.run.outcomes import GroupOutcome, MaskOutcome, NightOutcome
    from zeroframe.run.record import OutputMark
    from zeroframe.run.session import NightSession

__all__ = ["Backend", "ThreadBackend"]

#: Rows that tell the noise of frames stay in memory where they take no more than one part of so many of the limit.
_SAMPLES_SHARE = 8


class Backend(Protocol):
    """Makes the results of a night, one when it is asked for; the engine knows which can be made first."""

    @property
    def tasks_at_once(self) -> int:
        """How many may be asked for at once, each from a thread of its own."""

    def calibrate(
        self, frame: NightFrame, group: Group | None, used: Mapping[str, str], up_to_date: FrameOutcome | None
    ) -> Made:
        """Make a frame, or measure it where it is there already and up to date.

        Parameters
        ----------
        frame : NightFrame
            What is done.
        group : Group or None
            In which it will be combined.
        used : mapping of str to str
            Names and keys of what it is made with.
        up_to_date : FrameOutcome or None
            Of a result that is there already.

        Raises
        ------
        ZeroframeError, MemoryError, OSError
            When it cannot be read, calibrated or written.
        """

    def combine(self, what: Combination, busy: int) -> tuple[GroupOutcome, list[NightOutcome]]:
        """Combine a group as `zeroframe.run.combined.combine_group` does; ``busy`` tasks share the cores."""

    def compare(
        self, group: Group, frames: Sequence[NightOutcome], busy: int
    ) -> tuple[GroupOutcome, list[NightOutcome]]:
        """Judge frames that are not combined, as `zeroframe.run.combined.compare_group` does; see `combine`."""

    def mask(self, job: MaskJob, key: str, source_key: str, up_to_date: OutputMark | None) -> MaskOutcome:
        """Make a mask, as `zeroframe.run.mask.make_mask` does; ``source_key`` is of what it is made of."""

    def give_up(self) -> None:
        """Let those return soon who wait for a result that nobody wants any more."""


class ThreadBackend:
    """Threads of this process, which share combined frames and use memory again that others have done with.

    Parameters
    ----------
    session : NightSession
        What is done, and what may be used.
    keys : mapping of str to str
        Keys of the combined frames and masks that are there, by name; it grows.
    """

    def __init__(self, session: NightSession, keys: Mapping[str, str]) -> None:
        self._session, plan = session, session.plan
        uses = Counter(name for frame in plan.frames for name in pixel_uses(plan, frame))
        uses.update(job.source for job in plan.masks)
        for group in plan.groups:
            uses.update(_error_uses(plan, group))
        shares = session.shares
        self._memory = BufferPool(shares.limit_bytes)
        flat_uses = Counter(name for frame in plan.frames for name in divisor_uses(frame))
        self._cache = CalibrationCache(
            *(plan.out, shares.cache_bytes, uses, flat_uses, self._memory.empty, session.watch),
            stored=stored_files(plan),
        )
        self._kept = PixelCache(shares.kept_bytes)
        calibrations = CalibrationStore(plan, self._cache, keys)
        self._maker = FrameMaker(
            calibrations,
            self._kept,
            self._memory,
            session.watch,
            check_sums=session.settings.check_sums,
            sampled=_sampled(session),
            copies=session.copies,
        )

    @property
    def tasks_at_once(self) -> int:
        """As many as the memory limit allows."""
        return self._session.shares.threads

    def calibrate(
        self, frame: NightFrame, group: Group | None, used: Mapping[str, str], up_to_date: FrameOutcome | None
    ) -> Made:
        """Make a frame; see `Backend.calibrate`."""
        plan = self._session.plan
        refuse_too_large(frame, self._session.shares.limit_bytes)
        keep = group is not None and self._kept.claim(group)
        try:
            if up_to_date is not None:
                return self._maker.recall(frame, up_to_date)
            return self._maker.make(frame, used, keep=keep, overwrite=self._session.may_replace(frame.target))
        finally:
            self._cache.used(pixel_uses(plan, frame), divisor_uses(frame))

    def combine(self, what: Combination, busy: int) -> tuple[GroupOutcome, list[NightOutcome]]:
        """Combine a group, whose pixels leave memory; see `Backend.combine`."""
        plan, group = self._session.plan, what.group
        pixels = self._kept.of(group)
        resources = self._resources(group, busy, sum(one.nbytes for one in pixels.values()))
        if self._session.waiting is not None and not pixels:
            resources = replace(resources, executor=self._session.waiting)
        try:
            outcome, told = combine_group(what, pixels, resources, plan.out, self._cache)
        finally:
            self._cache.used(_error_uses(plan, group))
        del pixels
        self._kept.release(group)
        return outcome, told

    def compare(
        self, group: Group, frames: Sequence[NightOutcome], busy: int
    ) -> tuple[GroupOutcome, list[NightOutcome]]:
        """Judge frames that are not combined, of which samples are in memory; see `Backend.compare`."""
        return compare_group(group, frames, self._maker.samples, self._resources(group, busy))

    def _resources(self, group: Group, busy: int, kept_bytes: int = 0) -> Resources:
        """Return what one of so many tasks may use, beside what it finds in memory."""
        session = self._session
        shares = session.shares
        workers = max(worker_count(session.settings.workers) // min(busy, shares.threads), 1)
        # where one group is all that is combined, nothing else is at work meanwhile
        own = shares.task_bytes * (shares.threads if is_alone(session.plan) else 1)
        nearest = {frame.target: session.copies.get(frame.target) for frame in group.frames}
        copies = {target: near for target, near in nearest.items() if near is not None and near.exists()}
        return Resources(
            *(session.may_replace(group.target), own + kept_bytes, workers, None),
            copies=copies,
            empty=self._memory.empty,
            watch=session.watch,
        )

    def mask(self, job: MaskJob, key: str, source_key: str, up_to_date: OutputMark | None) -> MaskOutcome:  # noqa: ARG002
        """Make a mask; see `Backend.mask`."""
        from zeroframe.run.mask import make_mask

        try:
            source = self._cache.get(job.source).data
            replaces = self._session.may_replace(job.target)
            outcome, mask = make_mask(job, key, source, up_to_date, overwrite=replaces)
            self._session.watch.renew(job.target)
        finally:
            self._cache.used([job.source])
        self._cache.put(job.name, CalibrationFrame(mask, np.empty((0, 0), np.float32), None, {}))
        return outcome

    def give_up(self) -> None:
        """Nothing waits here: what runs ends by itself."""


def _error_uses(plan: NightPlan, group: Group) -> set[str]:
    """Return the combined frames whose errors are in a combined frame: those that its frames were made with.

    They stay in memory until it is made; the darks of flats were read back from their files for it.
    """
    return {name for frame in group.frames for name in pixel_uses(plan, frame)}


def _sampled(session: NightSession) -> frozenset[Path]:
    """Return the frames of which rows stay in memory to tell their noise: those not combined, if there is room.

    Of many frames only some pairs are compared, which are read again.
    """
    frames = [frame for group in session.plan.uncombined for frame in group.frames]
    room = sum(map(_sample_bytes, frames)) <= session.shares.limit_bytes // _SAMPLES_SHARE
    return frozenset(frame.target for frame in frames) if room else frozenset()


def _sample_bytes(frame: NightFrame) -> int:
    ny, nx = frame.shape_yx
    rows = sum(band.stop - band.start for band in noise_bands(ny, nx))
    return int(image_bytes(frame) // ny * rows)
