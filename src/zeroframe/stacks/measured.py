"""A stack combined with its noise measured before: clipping knows it, and the result is held against it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.fits.timeline import spanned
from zeroframe.frames.medians import median_of_valid
from zeroframe.frames.quality import (
    LOST_PART,
    Flag,
    FrameQuality,
    count_non_finite,
    flag_frames,
    measure_bands,
    quality_bands,
)
from zeroframe.frames.statistics import sampled_level
from zeroframe.headers.kinds import has_photons, is_calibration, is_scaled_by_level
from zeroframe.headers.other_set_ups import other_set_ups
from zeroframe.headers.result_cards import LEVELLED_CARD
from zeroframe.records import dataclass
from zeroframe.stacks.bands import combine_in_bands, files_beneath
from zeroframe.stacks.clipping import Clipping, gaussian_rate, noise_floor, with_floor
from zeroframe.stacks.combine import combine_stack
from zeroframe.stacks.empty_frames import NO_VALUE, is_empty
from zeroframe.stacks.levelling import LevelledStack, has_added_level, level_offsets
from zeroframe.stacks.noise import SampledStack, frame_noise, measure_noise, read_bands, sample_bands, sample_bytes
from zeroframe.stacks.noise_budget import explain_excess
from zeroframe.stacks.pooled import pooled_noise
from zeroframe.stacks.stack import FileStack, StackView
from zeroframe.stacks.tallied import TalliedStack
from zeroframe.stacks.weighing import frame_variances
from zeroframe.workers import map_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from numpy.typing import NDArray

    from zeroframe.headers.dialects import FrameFacts
    from zeroframe.headers.kinds import Kind
    from zeroframe.headers.survey import RawFrame
    from zeroframe.stacks.clipping import ClipSpread
    from zeroframe.stacks.combine import Combined, CombineSpec
    from zeroframe.stacks.noise import StackNoise
    from zeroframe.stacks.noise_budget import Excess
    from zeroframe.stacks.stack import Stack

#: A header with this is that of a frame whose own level was subtracted; a bias leaves it what it wanders by.
_LEVEL_WORD = "OVERSCAN"
_LEVEL_PIXELS = 100_000

__all__ = ["ChosenStack", "Judge", "Prepared", "combine_prepared", "measure_rows", "prepare", "with_pooled_noise"]


@dataclass(frozen=True)
class Prepared:
    """What is known of a stack before it is combined.

    Attributes
    ----------
    spec : CombineSpec
        How it is combined, with the noise that was measured: for clipping, and for the error of each pixel.
    noise : StackNoise
        Of the frames and, as the sample tells, of their combination.
    excess : Excess or None
        What makes the combined frame noisier than it could be; None of a single frame.
    clipping : Clipping
        Nothing is counted yet.
    offsets : tuple of float
        What is added to the frames, so that they have one level; none where they stay as they are.
    """

    spec: CombineSpec
    noise: StackNoise
    excess: Excess | None
    clipping: Clipping
    offsets: tuple[float, ...] = ()

    def error_cards(self, frames: int) -> dict[str, tuple[Any, str]]:
        """Return what the header of the combined frame says of its uncertainties, and of levels that were shifted."""
        pooled = self.spec.pooled
        cards = {} if pooled is None else pooled.cards(self.spec.method, frames)
        if self.offsets:
            cards[LEVELLED_CARD] = (float(np.ptp(self.offsets)), "levels differed by this, brought to one")
        return cards


@dataclass(frozen=True, slots=True)
class Judge:
    """By what frames are judged that are read from files to be combined.

    Attributes
    ----------
    facts : mapping of path to FrameFacts
        What their headers say.
    level_subtracted : bool
        Whether the headers say that an overscan was subtracted from all.
    reject : bool
        Whether those that do not belong are to be left out.
    set_ups : tuple of Flag
        Which are of another set-up than most, as their headers say.
    """

    facts: Mapping[Path, FrameFacts]
    level_subtracted: bool
    reject: bool
    set_ups: tuple[Flag, ...] = ()

    @classmethod
    def of(cls, items: Sequence[RawFrame], *, reject: bool) -> Judge:
        """Take what the headers of files say."""
        facts = {item.path: item.facts for item in items if item.facts is not None}
        subtracted = all(_LEVEL_WORD in item.frame.cards for item in items if item.frame is not None)
        told = [(item.path, item.frame.cards, item.facts) for item in items if item.frame and item.facts]
        set_ups = tuple(Flag(path, what, 1.0, 0.0, sentence) for path, what, sentence in other_set_ups(told))
        return cls(facts, subtracted, reject, set_ups)

    def verdict(
        self, paths: Sequence[Path], stack: Stack, *, workers: int | None = None
    ) -> tuple[tuple[Flag, ...], tuple[Flag, ...]]:
        """Tell which frames do not belong to the others, by some rows of each: those kept, and those to be left out.

        Those without any value are always left out.
        """
        flats = [path in self.facts and is_scaled_by_level(self.facts[path].kind) for path in paths]
        measured = map_threads(
            lambda index: measure_rows(stack, index, is_flat=flats[index]), range(len(paths)), workers
        )
        empty = tuple(
            Flag(path, "not finite", 1.0, 1.0, NO_VALUE)
            for index, (path, quality) in enumerate(zip(paths, measured, strict=True))
            if quality.non_finite == quality.pixels and is_empty(stack, index)
        )
        lost = {flag.path for flag in empty}
        qualities = {path: quality for path, quality in zip(paths, measured, strict=True) if path not in lost}
        odd = flag_frames(qualities, self.facts, level_subtracted=self.level_subtracted)
        flags = tuple(
            flag
            for flag in (*odd, *(flag for flag in self.set_ups if flag.path in qualities))
            if flag.what != "not finite" or (flag.figure > LOST_PART and self._is_calibration(flag.path))
        )
        flags += tuple(_copies(qualities))
        if not self.reject:
            return flags, empty
        # where flats contradict each other, nothing tells which of them is right
        return tuple(flag for flag in flags if flag.what == "shapes"), empty + tuple(
            flag for flag in flags if flag.what != "shapes"
        )

    def _is_calibration(self, path: Path) -> bool:
        """Whether a frame shows all of the detector: on the sky frames may have been moved to one place."""
        return path in self.facts and is_calibration(self.facts[path].kind)

    def common(self, paths: Sequence[Path]) -> tuple[Kind | None, float | None]:
        """Return kind and gain of frames, each where all have the same."""
        kinds = {self.facts[path].kind for path in paths if path in self.facts}
        gains = {self.facts[path].gain_of_pixels for path in paths if path in self.facts}
        return kinds.pop() if len(kinds) == 1 else None, gains.pop() if len(gains) == 1 else None


def _copies(qualities: Mapping[Path, FrameQuality]) -> Iterator[Flag]:
    """Yield frames with the pixels of one before them: level, noise and map of two exposures are never the same."""
    first: dict[tuple[bytes, float, float], Path] = {}
    for path, quality in qualities.items():
        if quality.noise_adu > 0:  # frames without noise are named as such
            other = first.setdefault((quality.cells_adu.tobytes(), quality.level_adu, quality.noise_adu), path)
            if other != path:
                yield Flag(path, "copy", 1.0, 0.0, f"it has the pixels of {other.name}, which so count twice")


@spanned("prepare")
def prepare(
    stack: Stack,
    spec: CombineSpec,
    spread: ClipSpread = "noise",
    *,
    kind: Kind | None = None,
    gain_e_per_adu: float | None = None,
    variances: tuple[float, ...] | None = None,
    mem_limit_bytes: int | None = None,
    workers: int | None = None,
    empty: Callable[..., NDArray[Any]] = np.empty,
) -> Prepared:
    """Measure the noise of frames, and let clipping know it.

    Parameters
    ----------
    stack : Stack
        The frames.
    spec : CombineSpec
        How they are going to be combined.
    spread : {'noise', 'mad', 'std', 'ccd'}
        What deviations are counted in.
    kind : Kind, optional
        What the frames are.
    gain_e_per_adu : float, optional
        As `zeroframe.stacks.clipping.noise_floor` uses it.
    variances : tuple of float, optional
        Of frames of unequal noise; where they are averaged and the noise may decide what is rejected, they weigh by it.
    mem_limit_bytes, workers
        As for `zeroframe.stacks.noise.measure_noise`.
    empty : callable, optional
        Makes memory for what is measured, as `numpy.empty` does.

    Returns
    -------
    Prepared
    """
    frames = len(stack.names)
    of_frames = frame_noise(stack, workers=workers, empty=empty)
    bands = sample_bands(*stack.shape_yx, _LEVEL_PIXELS)
    levels = map_threads(lambda index: sampled_level(read_bands(stack, index, bands, empty)), range(frames), workers)
    weighs = variances is not None and spread == "noise" and spec.method == "average" and of_frames is not None
    unequal = variances if weighs else None
    usual = of_frames.typical if of_frames else 0.0
    offsets = level_offsets(levels, usual, spec, spread, kind=kind)
    stack = LevelledStack.of(stack, offsets)
    known_levels = [level for level in levels if np.isfinite(level)] if has_added_level(kind) else []
    scatter = float(np.std(known_levels, ddof=1)) if len(known_levels) > 1 else None
    if offsets:
        levels = [level + offset for level, offset in zip(levels, offsets, strict=True)]
    floor = noise_floor(of_frames, levels, kind=kind, gain_e_per_adu=gain_e_per_adu, variances=unequal)
    known = with_floor(spec, spread, floor, frames)
    if floor is not None and unequal is not None:
        known = replace(known, variances=unequal)
    if floor is not None and unequal is not None:
        usual = floor.noise_adu
    with ThreadPoolExecutor(1) as beside:  # a third of the time of all that follows
        usual_rate = partial(gaussian_rate, frames, known.rejection, usual, level_adu=float(median_of_valid(levels)))
        rate = None if of_frames is None else beside.submit(usual_rate)
        sample = SampledStack.of(stack, sample_bytes(mem_limit_bytes), workers=workers, empty=empty)
        noise = replace(measure_noise(sample, known, of_frames=of_frames, workers=workers), level_scatter=scatter)
        excess = explain_excess(sample, known, noise, workers=workers)
        expected = None if rate is None else rate.result()
    del sample  # the memory for the next one
    # of flats the level itself shows it
    photons = 1.0 / gain_e_per_adu if gain_e_per_adu and has_photons(kind) and not is_scaled_by_level(kind) else 0.0
    photon_adu = photons if is_calibration(kind) else 0.0
    pooled = pooled_noise(stack, known, rate=expected, photon_adu=photon_adu, workers=workers, empty=empty)
    if offsets and pooled is not None:
        pooled = replace(pooled, shifted_variance=float(np.var(offsets, ddof=1)))
    clipping = Clipping(known.rejection, spread, floor if known is not spec else None, expected)
    return Prepared(replace(known, pooled=pooled), noise, excess, clipping, offsets)


def with_pooled_noise(
    stack: Stack,
    spec: CombineSpec,
    *,
    factors: Sequence[float] | NDArray[np.float64] | None = None,
    offsets: Sequence[float] | NDArray[np.float64] | None = None,
    weighted: bool = False,
    workers: int | None = None,
) -> CombineSpec:
    """Return the same way to combine, with uncertainties that are the errors of pixels, as `prepare` has them.

    Parameters
    ----------
    stack : Stack
        The frames.
    spec : CombineSpec
        How they are combined.
    factors : sequence of float, optional
        What each frame is multiplied by.
    offsets : sequence of float, optional
        What is added to each frame before it is multiplied.
    weighted : bool
        Whether frames are weighted, so that it matters which is noisier.
    workers : int, optional
        How many threads.

    Returns
    -------
    CombineSpec
        The same of a single frame, which has no scatter.
    """
    of_frames = frame_noise(stack, workers=workers)
    if of_frames is None:
        return spec
    rate = gaussian_rate(len(stack.names), spec.rejection, of_frames.typical)
    pooled = pooled_noise(stack, spec, rate=rate, factors=factors, offsets=offsets, workers=workers)
    of_each = frame_variances(stack, factors, workers=workers) if weighted and pooled is not None else None
    if pooled is not None and of_each is not None:
        pooled = pooled.of_frames(*of_each)
    return replace(spec, pooled=pooled)


@spanned("combine")
def combine_prepared(
    stack: Stack,
    prepared: Prepared,
    *,
    masked: Sequence[int] | None = None,
    mem_limit_bytes: int | None = None,
    workers: int | None = None,
    progress: Callable[[float], None] | None = None,
    executor: Executor | None = None,
    empty: Callable[..., NDArray[Any]] = np.empty,
) -> tuple[Combined, Clipping]:
    """Combine a stack, and count what is rejected.

    Parameters
    ----------
    stack : Stack
        The frames; a `TalliedStack` counts what is not finite.
    prepared : Prepared
        How.
    masked : sequence of int, optional
        How many pixels of each frame are not finite, where that is known already.
    mem_limit_bytes, workers, progress, empty
        As for `zeroframe.stacks.combine.combine_stack`.
    executor : concurrent.futures.Executor, optional
        Where bands of rows are combined, instead of on threads here; for frames in files, whose ``masked`` is known.

    Returns
    -------
    combined : Combined
    clipping : Clipping
        With what was counted.

    Raises
    ------
    MemoryLimitError
        When not even one row of all frames fits.
    """
    if executor is not None and masked is not None and files_beneath(stack) is not None:
        levelled = LevelledStack.of(stack, prepared.offsets)
        combined = combine_in_bands(executor, levelled, prepared.spec, progress=progress)
        return combined, prepared.clipping.counted(len(stack.names), combined.counts, masked)
    read = stack if masked is not None or isinstance(stack, TalliedStack) else TalliedStack(stack)
    combined = combine_stack(
        LevelledStack.of(read, prepared.offsets),
        prepared.spec,
        mem_limit_bytes=mem_limit_bytes,
        workers=workers,
        progress=progress,
        empty=empty,
    )
    found = read.masked if masked is None and isinstance(read, TalliedStack) else masked or ()
    return combined, prepared.clipping.counted(len(stack.names), combined.counts, found)


@dataclass(frozen=True)
class ChosenStack(StackView):
    """Some frames of a stack.

    Attributes
    ----------
    numbers : tuple of int
        Those that are chosen.
    """

    numbers: tuple[int, ...]

    @classmethod
    def of(cls, stack: Stack, numbers: Sequence[int]) -> Stack:
        """Return these frames of a stack: the stack itself where all are chosen."""
        if len(numbers) == len(stack.names):
            return stack
        if isinstance(stack, FileStack):
            images, names = (stack.images, stack.names)
            return FileStack(tuple(images[number] for number in numbers), tuple(names[number] for number in numbers))
        return cls(stack, tuple(numbers))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What each frame is called."""
        return tuple(self.stack.names[number] for number in self.numbers)

    def read_rows(self, index: int, rows: slice, out: NDArray[Any]) -> None:
        """Fill ``out`` with rows of one frame."""
        self.stack.read_rows(self.numbers[index], rows, out)


def measure_rows(stack: Stack, index: int, *, is_flat: bool = False) -> FrameQuality:
    """Measure one frame of a stack without reading all of it.

    Parameters
    ----------
    stack : Stack
        The frames.
    index : int
        Which.
    is_flat : bool
        Whether the shape of its light is measured.

    Returns
    -------
    FrameQuality
        As `measure_frame` does, with pixels counted on the same rows; what is saturated is not known.
    """
    bands = quality_bands(stack.shape_yx[0])
    rows = read_bands(stack, index, bands)
    level = sampled_level(rows)
    non_finite = count_non_finite(rows)  # before the rows are used up
    measured = measure_bands(rows.reshape(len(bands), -1, rows.shape[1]), level, is_flat=is_flat)
    return replace(measured, non_finite=non_finite, pixels=rows.size)
