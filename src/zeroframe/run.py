"""Carry out a plan: read each raw file once, calibrate, write, and combine what was written."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zeroframe.combiner import describe_rejection
from zeroframe.combining import CombineSpec, combine_stack
from zeroframe.errors import (
    AssumptionWarning,
    FrameError,
    MemoryLimitError,
    NoFramesError,
    OutputError,
    OutputExistsError,
    ZeroframeError,
)
from zeroframe.frames import Calibrator, FrameOutcome, error_sentence, frame_bytes
from zeroframe.headers import combined_cards
from zeroframe.io import scan, write_fits
from zeroframe.memory import default_limit_bytes
from zeroframe.parallel import map_threads, usable_cores
from zeroframe.plan import BiasPlan, CalibrateJob, CombineJob, same_form
from zeroframe.quality import StackNoise, measure_noise, sampled_level
from zeroframe.readback import FolderCheck, check_files
from zeroframe.saving import image_parts
from zeroframe.stacks import ArrayStack, Stack, open_stack
from zeroframe.survey import survey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zeroframe.io import Compression

__all__ = ["BiasResult", "CombinedOutcome", "run_bias", "run_combine"]

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class CombinedOutcome:
    """How a combination ended.

    Attributes
    ----------
    target : pathlib.Path
        What is written.
    state : {'done', 'failed'}
        ``reason`` says why it is not done.
    frames : int
        How many were combined.
    bytes_out : int
        Size of the file.
    shape_yx : tuple of int
        Of the combined frame.
    level : float
        Its mean level, outliers left out.
    noise : StackNoise or None
        What was measured.
    rejected : int
        How many values took no part.
    left_out : tuple of str
        One sentence for each frame that was meant to take part and did not.
    """

    target: Path
    state: Literal["done", "failed"]
    reason: str = ""
    frames: int = 0
    bytes_out: int = 0
    shape_yx: tuple[int, int] = (0, 0)
    level: float = float("nan")
    noise: StackNoise | None = None
    rejected: int = 0
    left_out: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether it was done, and of all frames."""
        return self.state == "done" and not self.left_out


@dataclass(frozen=True, slots=True)
class BiasResult:
    """What a run did.

    Attributes
    ----------
    frames : tuple of FrameOutcome
        Every frame that ought to take part, in whatever state it ended.
    combined : CombinedOutcome or None
        None where it was not asked for.
    noise : StackNoise or None
        Of the calibrated frames; None where there are not two.
    check : FolderCheck
        The calibrated frames as they were read back; the combined one stands in its problems only.
    """

    frames: tuple[FrameOutcome, ...]
    combined: CombinedOutcome | None
    noise: StackNoise | None
    check: FolderCheck

    @property
    def done(self) -> tuple[FrameOutcome, ...]:
        """The frames that were calibrated."""
        return tuple(frame for frame in self.frames if frame.state == "done")

    @property
    def is_good(self) -> bool:
        """Whether every frame was done, and the folder read back is as it should be."""
        combined = self.combined is None or self.combined.is_good
        return combined and not self.check.problems and len(self.done) == len(self.frames)


@dataclass(frozen=True, slots=True)
class _Means:
    """What work may use, and how it is followed."""

    overwrite: bool
    limit_bytes: int
    workers: int | None
    progress: Progress | None


def run_bias(
    plan: BiasPlan,
    *,
    mem_limit_bytes: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> BiasResult:
    """Carry out the plan of a folder of biases.

    Parameters
    ----------
    plan : BiasPlan
        What is to be done.
    mem_limit_bytes : int, optional
        By default half of the memory that is available.
    workers : int, optional
        How many threads; by default as many as there are cores.
    progress : callable, optional
        Called with what is being done and the fraction done so far, from any thread.

    Returns
    -------
    BiasResult
        One bad frame does not stop the others.

    Raises
    ------
    MemoryLimitError
        When not even one frame fits.
    OutputError
        When the folder for the results cannot be made.
    """
    limit = mem_limit_bytes or default_limit_bytes()
    means = _Means(plan.overwrite, limit, workers, progress)
    threads, keep = _share_memory(plan, limit, workers)
    _make_folder(plan.out)
    outcomes, kept = _calibrate(plan, threads, means, keep=keep)
    outcomes += [FrameOutcome(refused.path, "failed", str(refused.problem)) for refused in plan.refused]
    done = {frame.target: frame.shape_yx for frame in outcomes if frame.target is not None and frame.state == "done"}
    combined = None
    if plan.combine is not None:
        combined = _combine(replace(plan.combine, sources=tuple(done)), kept, means)
    noise = combined.noise if combined is not None else _noise_of_files(list(done), means)
    check = check_files(done)
    if combined is not None and combined.state == "done":
        problems = check_files({combined.target: combined.shape_yx}).problems
        check = replace(check, problems=(*check.problems, *problems))
    return BiasResult(tuple(outcomes), combined, noise, check)


def _calibrate(
    plan: BiasPlan, threads: int, means: _Means, *, keep: bool
) -> tuple[list[FrameOutcome], dict[Path, NDArray[Any]]]:
    """Calibrate every frame; return also the pixels that stay in memory."""
    calibrator = Calibrator(threads=threads, keep=keep, overwrite=plan.overwrite)
    finished = count(1)

    def one(job: CalibrateJob) -> FrameOutcome:
        outcome = calibrator(job)
        if means.progress is not None:
            means.progress("calibrating", next(finished) / len(plan.calibrate))
        return outcome

    return map_threads(one, plan.calibrate, threads), calibrator.kept


def _share_memory(plan: BiasPlan, limit_bytes: int, workers: int | None) -> tuple[int, bool]:
    """Decide how many threads may work, and whether calibrated frames may stay in memory until they are combined."""
    if not plan.calibrate:
        return 1, False
    needed = max(frame_bytes(job) for job in plan.calibrate)
    if needed > limit_bytes:
        raise MemoryLimitError(
            f"the memory limit of {limit_bytes / 1e6:.1f} MB does not hold one frame while it is calibrated; raise it "
            f"to {needed / 1e6 + 1:.0f} MB or more"
        )
    threads = min(workers or usable_cores(), len(plan.calibrate), limit_bytes // needed)
    out = sum(4 * job.shape_yx[0] * job.shape_yx[1] for job in plan.calibrate)
    # combining needs its results, 10 bytes a pixel, some tiles, and a sample to measure the noise
    combining = 4 * out // len(plan.calibrate) + (8 << 20) * (workers or usable_cores())
    return threads, plan.combine is not None and out + max(threads * needed, combining) <= limit_bytes


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(folder, f"cannot be made ({error.strerror})", "choose another folder with -o") from error


def _stack_of(paths: Sequence[Path], kept: Mapping[Path, NDArray[Any]], limit_bytes: int, spool: Path) -> Stack:
    """Take the frames from memory where they are, else from their files."""
    if kept:
        arrays = [kept[path] for path in paths]
        return ArrayStack(arrays, [None] * len(arrays), tuple(path.name for path in paths))
    return open_stack(paths, in_memory_bytes=limit_bytes // 4, spool_folder=spool)[0]


def _noise_of_files(paths: Sequence[Path], means: _Means) -> StackNoise | None:
    """Measure the noise of frames that are not combined."""
    if len(paths) < 2:
        return None
    stack = _stack_of(paths, {}, means.limit_bytes, paths[0].parent)
    return measure_noise(stack, CombineSpec(), mem_limit_bytes=means.limit_bytes, workers=means.workers)


def _combine(job: CombineJob, kept: Mapping[Path, NDArray[Any]], means: _Means) -> CombinedOutcome:
    """Combine frames and write the result; a frame whose pixels cannot be read is left out, and the others go on."""
    paths = list(job.sources)
    left_out: list[str] = []
    while paths:
        try:
            outcome = _combine_all(job, paths, kept, means)
        except FrameError as error:
            bad = Path(error.path)
            left_out.append(str(error))
            if bad not in paths:
                return CombinedOutcome(job.target, "failed", str(error))
            paths.remove(bad)
        except (ZeroframeError, MemoryError, OSError) as error:
            reason = str(error) if isinstance(error, MemoryLimitError) else error_sentence(error, job.target)
            return CombinedOutcome(job.target, "failed", reason, left_out=tuple(left_out))
        else:
            return replace(outcome, left_out=tuple(left_out))
    return CombinedOutcome(job.target, "failed", "no frame was left to combine", left_out=tuple(left_out))


def _combine_all(
    job: CombineJob, paths: Sequence[Path], kept: Mapping[Path, NDArray[Any]], means: _Means
) -> CombinedOutcome:
    """Measure, combine, write."""
    progress = means.progress
    report = None if progress is None else lambda fraction: progress("combining", fraction)
    stack = _stack_of(paths, kept, means.limit_bytes, job.target.parent)
    left = means.limit_bytes - sum(array.nbytes for array in kept.values())
    # in this order, so that the sample and the result are not in memory at once
    noise = measure_noise(stack, job.spec, mem_limit_bytes=left, workers=means.workers)
    combined = combine_stack(stack, job.spec, mem_limit_bytes=left, workers=means.workers, progress=report)
    header = scan(paths[0]).cards.to_header()
    names = [path.name for path in paths]
    combined_cards(header, names, method=job.spec.method, rejection=describe_rejection(job.spec.rejection))
    parts = image_parts(
        combined.data, header, uncertainty=combined.uncertainty, mask=combined.mask, counts=combined.counts
    )
    return CombinedOutcome(
        job.target,
        "done",
        frames=len(paths),
        bytes_out=write_fits(job.target, parts, compress=job.compress, overwrite=means.overwrite),
        shape_yx=stack.shape_yx,
        level=sampled_level(combined.data),
        noise=noise,
        rejected=len(paths) * combined.counts.size - int(combined.counts.sum(dtype=np.int64)),
    )


def run_combine(
    paths: Sequence[Path],
    target: Path,
    spec: CombineSpec,
    *,
    overwrite: bool = False,
    mem_limit_bytes: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> CombinedOutcome:
    """Combine files into one file.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        The frames. One that cannot be used, or is not of the size and unit that most have, is left out and named.
        Frames that are combined already are left out where others are not.
    target : pathlib.Path
        What is written; compressed where its name ends in ``.gz`` or ``.fz``.
    spec : CombineSpec
        How.
    overwrite : bool
        Whether a file that is there already may be replaced.
    mem_limit_bytes, workers, progress
        As for `run_bias`.

    Returns
    -------
    CombinedOutcome
        With one sentence in ``left_out`` for each frame that was meant to take part and did not.

    Raises
    ------
    OutputExistsError
        When ``target`` is there already and ``overwrite`` is False, or is one of the frames.
    OutputError
        When its folder is not there.
    NoFramesError
        When no frame can be used.
    """
    _refuse_target(target, paths, overwrite=overwrite)
    found = survey(list(dict.fromkeys(paths)), workers=workers)
    left_out = [str(item.problem) for item in found if item.problem is not None]
    usable = [item for item in found if item.problem is None]
    single = [item for item in usable if item.facts is not None and not item.facts.combined]
    if single and len(single) < len(usable):
        names = ", ".join(str(item.path) for item in usable if item not in single)
        text = f"{names}: combined already, so not combined with single frames"
        warnings.warn(text, AssumptionWarning, stacklevel=2)
        usable = single
    if not usable:
        raise NoFramesError("; ".join(left_out) or "there is nothing to combine; name some frames")
    usable, odd = same_form(usable)
    left_out += [str(refused.problem) for refused in odd]
    means = _Means(overwrite, mem_limit_bytes or default_limit_bytes(), workers, progress)
    job = CombineJob(tuple(item.path for item in usable), target, spec, _compression_of(target))
    outcome = _combine(job, {}, means)
    return replace(outcome, left_out=(*left_out, *outcome.left_out))


def _compression_of(target: Path) -> Compression:
    """Return the compression that the name of a file asks for."""
    name = target.name.lower()
    if name.endswith(".gz"):
        return "gzip"
    return "rice" if name.endswith(".fz") else "none"


def _refuse_target(target: Path, paths: Sequence[Path], *, overwrite: bool) -> None:
    """Refuse to write over a file of the input, or over one that is there already."""
    if target.exists() and any(path.exists() and path.samefile(target) for path in paths):
        raise OutputExistsError(target, "is one of the frames to be combined", "choose another file with -o")
    if os.path.lexists(target) and not overwrite:
        raise OutputExistsError(target, "is there already", "choose another file with -o, or add --overwrite")
    if not target.parent.is_dir():
        raise OutputError(target, f"the folder {target.parent} is not there", "make it, or choose another file with -o")
