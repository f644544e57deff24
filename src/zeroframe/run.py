"""Carry out a plan: read each raw file once, calibrate, write, and combine what was written."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from zeroframe.combination import ChosenStack, Judge, combine_prepared, prepare
from zeroframe.combining import Combined, CombineSpec
from zeroframe.errors import (
    AssumptionWarning,
    FrameError,
    HeaderWarning,
    MemoryLimitError,
    NoFramesError,
    OutputError,
    OutputExistsError,
    ZeroframeError,
)
from zeroframe.frame_quality import Flag, flag_frames
from zeroframe.frames import Calibrator, FrameOutcome, error_sentence
from zeroframe.headers import combined_cards
from zeroframe.io import scan, write_fits
from zeroframe.io.marks import Crc32, file_crc32
from zeroframe.io.sums import check_file
from zeroframe.memory import default_limit_bytes
from zeroframe.parallel import map_threads
from zeroframe.plan import BiasPlan, CalibrateJob, CombineJob, same_form
from zeroframe.provenance import KEY_CARD, combine_key, sign_combined
from zeroframe.quality import StackNoise, measure_noise, sampled_level
from zeroframe.readback import check_files
from zeroframe.record import OutputMark
from zeroframe.results import BiasResult, CombinedOutcome
from zeroframe.resume import RIGHT_COMBINED, Standing
from zeroframe.saving import image_parts
from zeroframe.sessions import Session, begin
from zeroframe.stacks import ArrayStack, Stack, open_stack
from zeroframe.survey import survey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zeroframe.clipping import ClipSpread
    from zeroframe.io import Compression

__all__ = ["carry_out", "run_bias", "run_combine"]

Progress = Callable[[str, float], None]


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
    check: bool = False,
    check_sums: bool = True,
) -> BiasResult:
    """Carry out the plan of a folder of biases; what is there already and right is not made again.

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
    check : bool
        Hash raw frames whose results are there, whatever their times say.
    check_sums : bool
        Whether a raw frame whose data have not the sum that its header gives is refused.

    Returns
    -------
    BiasResult
        One bad frame does not stop the others.

    Raises
    ------
    MemoryLimitError, OutputError, OutputExistsError
        As `zeroframe.sessions.begin` does.
    """
    with begin(plan, mem_limit_bytes=mem_limit_bytes, workers=workers, check=check) as session:
        return carry_out(session, progress=progress, check_sums=check_sums)


def carry_out(
    session: Session, *, progress: Progress | None = None, check_sums: bool = True, measure: bool = False
) -> BiasResult:
    """Carry out the plan of a run that has begun.

    Parameters
    ----------
    session : Session
        From `zeroframe.sessions.begin`.
    progress, check_sums
        As for `run_bias`.
    measure : bool
        Measure everything again where all results are there and right; else nothing is said of their levels and noise.

    Returns
    -------
    BiasResult
    """
    if session.standings.record.was_good and session.standings.nothing_to_do and not measure:
        return _all_there(session)
    plan = session.plan
    means = _Means(plan.overwrite, session.limit_bytes, session.workers, progress)
    clock = _Clock()
    outcomes, kept = _calibrate(session, means, check_sums=check_sums)
    outcomes += [FrameOutcome(refused.path, "failed", str(refused.problem)) for refused in plan.refused]
    flags = _flags(plan, outcomes)
    if plan.reject_outliers:
        outcomes = [_left_out(frame, flags) for frame in outcomes]
    there = {frame.target: frame for frame in outcomes if frame.target is not None and frame.is_there}
    done = {target: frame.shape_yx for target, frame in there.items()}
    chosen = tuple(target for target, frame in there.items() if frame.state != "left out")
    clock.lap("calibrate")
    combined = None
    if plan.combine is not None:
        origin = _FolderOrigin(plan, plan.combine, there, session.standings.combined)
        combined = _combine(replace(plan.combine, sources=chosen), kept, means, origin)
    noise = combined.noise if combined is not None else _noise_of_files(chosen, means)
    clock.lap("combine")
    check = check_files(done)
    if combined is not None and combined.is_there:
        problems = check_files({combined.target: combined.shape_yx}).problems
        check = replace(check, problems=(*check.problems, *problems))
    clock.lap("read_back")
    result = BiasResult(tuple(outcomes), combined, noise, check, tuple(flags))
    return _recorded(session, result, clock.seconds)


def _flags(plan: BiasPlan, outcomes: Sequence[FrameOutcome]) -> list[Flag]:
    """Tell which of the calibrated frames do not belong to the others."""
    qualities = {frame.source: frame.quality for frame in outcomes if frame.quality is not None}
    facts = {item.path: item.facts for item in plan.found if item.facts is not None}
    subtracted = bool(plan.calibrate) and plan.calibrate[0].recipe.overscan is not None
    return flag_frames(qualities, facts, level_subtracted=subtracted)


def _left_out(frame: FrameOutcome, flags: Sequence[Flag]) -> FrameOutcome:
    """Return the outcome of a frame that is not combined if it is flagged."""
    reasons = [flag.sentence for flag in flags if flag.path == frame.source]
    if not reasons or not frame.is_there:
        return frame
    return replace(frame, state="left out", reason=f"{frame.source}: {'; '.join(reasons)}")


def _recorded(session: Session, result: BiasResult, seconds: Mapping[str, float]) -> BiasResult:
    """Write run.json; where that cannot be, the result says so."""
    combined = result.combined
    said: dict[str, object] | None = None
    mark = None
    if combined is not None:
        said = {"name": combined.target.name, "state": combined.state, "reason": combined.reason}
        said["left_out"] = list(combined.left_out)
        if combined.is_there and combined.key is not None:
            mark = OutputMark(combined.key, combined.crc32, combined.bytes_out, combined.sources)
    try:
        session.write_end(result.frames, mark, said, seconds, good=result.is_good)
    except OutputError as error:
        check = replace(result.check, problems=(*result.check.problems, str(error)))
        return replace(result, check=check)
    return result


def _all_there(session: Session) -> BiasResult:
    """Say that all results are there already; only their headers are read."""
    plan, standings = session.plan, session.standings
    outcomes = [
        replace(each.right, shape_yx=job.shape_yx, bytes_in=each.right.source_mark.byte_count)
        for job, each in zip(plan.calibrate, standings.frames, strict=True)
        if each.right is not None and each.right.source_mark is not None
    ]
    outcomes += [FrameOutcome(refused.path, "failed", str(refused.problem)) for refused in plan.refused]
    shapes = {frame.target: frame.shape_yx for frame in outcomes if frame.target is not None}
    combined = None
    if standings.combined is not None and standings.combined.mark is not None:
        mark = standings.combined.mark
        combined = CombinedOutcome(
            standings.combined.target,
            "skipped",
            f"{standings.combined.target}: {RIGHT_COMBINED}",
            frames=len(mark.sources),
            bytes_out=mark.byte_count,
            shape_yx=next(iter(shapes.values())),
            key=mark.key,
            crc32=mark.crc32,
            sources=mark.sources,
        )
    return _recorded(session, BiasResult(tuple(outcomes), combined, None, check_files(shapes)), {})


class _Clock:
    """How long each step took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, what: str) -> None:
        now = time.perf_counter()
        self.seconds[what] = now - self._last
        self._last = now


def _calibrate(
    session: Session, means: _Means, *, check_sums: bool
) -> tuple[list[FrameOutcome], dict[Path, NDArray[Any]]]:
    """Calibrate every frame that is not there yet; return also the pixels that stay in memory."""
    plan = session.plan
    calibrator = Calibrator(
        threads=session.threads,
        keep=session.keep,
        overwrite=plan.overwrite,
        check_sums=check_sums,
        saturation_adu=None if plan.camera is None else plan.camera.saturation_adu,
    )
    finished = count(1)

    def one(work: tuple[CalibrateJob, Standing]) -> FrameOutcome:
        job, standing = work
        outcome = calibrator(job) if standing.right is None else calibrator.recall(job, standing.right)
        if means.progress is not None:
            means.progress("calibrating", next(finished) / len(plan.calibrate))
        return outcome

    work = list(zip(plan.calibrate, session.standings.frames, strict=True))
    return map_threads(one, work, session.threads), calibrator.kept


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


class _Origin(Protocol):
    """From what a combined frame is made."""

    def key(self, unreadable: Sequence[Path]) -> str | None:
        """Return the key of the job, where it has one."""

    def words(self, paths: Sequence[Path]) -> list[str]:
        """Return what stands of each frame in the header of the combined one."""

    def masked(self, paths: Sequence[Path]) -> tuple[int, ...] | None:
        """Return how many pixels of each frame are not finite, where that has been counted."""

    @property
    def right(self) -> OutputMark | None:
        """Of the combined frame that is there already."""

    @property
    def judge(self) -> Judge | None:
        """By what frames are judged that have not been yet."""


@dataclass(frozen=True, slots=True)
class _FolderOrigin:
    """The calibrated frames of a plan; they have been judged."""

    plan: BiasPlan
    job: CombineJob
    frames: Mapping[Path, FrameOutcome]
    standing: Standing | None
    judge: None = None

    def key(self, unreadable: Sequence[Path]) -> str:
        # of all frames that are there: which of them do not belong to the others follows from their pixels
        keys = {path.name: frame.key for path, frame in self.frames.items()}
        return combine_key(self.plan, self.job, keys, [path.name for path in unreadable])

    def words(self, paths: Sequence[Path]) -> list[str]:
        return [f"{KEY_CARD} {self.frames[path].key}" for path in paths]

    def masked(self, paths: Sequence[Path]) -> tuple[int, ...]:
        qualities = [self.frames[path].quality for path in paths]
        return tuple(0 if quality is None else quality.non_finite for quality in qualities)

    @property
    def right(self) -> OutputMark | None:
        return None if self.standing is None else self.standing.mark


@dataclass(frozen=True, slots=True)
class _FilesOrigin:
    """Any files, with their CRC-32."""

    crc32s: Mapping[Path, int]
    judge: Judge
    right: None = None

    def key(self, unreadable: Sequence[Path]) -> None:  # noqa: ARG002
        return None

    def words(self, paths: Sequence[Path]) -> list[str]:
        return [f"crc32 {self.crc32s[path]:08x}" for path in paths]

    def masked(self, paths: Sequence[Path]) -> None:  # noqa: ARG002
        return None


def _combine(job: CombineJob, kept: Mapping[Path, NDArray[Any]], means: _Means, origin: _Origin) -> CombinedOutcome:
    """Combine frames and write the result; a frame whose pixels cannot be read is left out, and the others go on."""
    paths = list(job.sources)
    bad: list[Path] = []
    left_out: list[str] = []
    while paths:
        try:
            outcome = _combine_all(job, paths, kept, means, origin, origin.key(bad))
        except FrameError as error:
            bad.append(Path(error.path))
            left_out.append(str(error))
            if bad[-1] not in paths:
                return CombinedOutcome(job.target, "failed", str(error))
            paths.remove(bad[-1])
        except (ZeroframeError, MemoryError, OSError) as error:
            reason = str(error) if isinstance(error, MemoryLimitError) else error_sentence(error, job.target)
            return CombinedOutcome(job.target, "failed", reason, left_out=tuple(left_out))
        else:
            return replace(outcome, left_out=tuple(left_out))
    return CombinedOutcome(job.target, "failed", "no frame was left to combine", left_out=tuple(left_out))


def _combine_all(
    job: CombineJob,
    paths: Sequence[Path],
    kept: Mapping[Path, NDArray[Any]],
    means: _Means,
    origin: _Origin,
    key: str | None,
) -> CombinedOutcome:
    """Judge, measure, combine, write; where the result is there already and right, it is not written again."""
    progress = means.progress
    report = None if progress is None else lambda fraction: progress("combining", fraction)
    left = means.limit_bytes - sum(array.nbytes for array in kept.values())
    stack = _stack_of(paths, kept, means.limit_bytes, job.target.parent)
    flags, outliers = ((), ()) if origin.judge is None else origin.judge.verdict(paths, stack)
    chosen = [number for number, path in enumerate(paths) if path not in {flag.path for flag in outliers}]
    if not chosen:
        reason = "no frame belongs to the others; look at them, and combine those that you trust"
        return CombinedOutcome(job.target, "failed", reason, outliers=outliers)
    paths = [paths[number] for number in chosen]
    stack = ChosenStack.of(stack, chosen)
    kind, gain = (None, None) if origin.judge is None else origin.judge.common(paths)
    # in this order, so that the sample and the result are not in memory at once
    prepared = prepare(
        stack,
        job.spec,
        job.clip_spread,
        kind=kind,
        gain_e_per_adu=gain,
        mem_limit_bytes=left,
        workers=means.workers,
    )
    combined, clipping = combine_prepared(
        stack,
        prepared,
        masked=origin.masked(paths),
        mem_limit_bytes=left,
        workers=means.workers,
        progress=report,
    )
    outcome = CombinedOutcome(
        job.target,
        "done",
        frames=len(paths),
        shape_yx=stack.shape_yx,
        level=sampled_level(combined.data),
        noise=prepared.noise,
        rejected=clipping.rejected + sum(clipping.masked),
        clipping=clipping,
        excess=prepared.excess,
        flags=flags,
        outliers=outliers,
        key=key,
        sources=tuple(path.name for path in paths),
    )
    return _written(job, outcome, combined, paths, means, origin)


def _written(
    job: CombineJob,
    outcome: CombinedOutcome,
    combined: Combined,
    paths: Sequence[Path],
    means: _Means,
    origin: _Origin,
) -> CombinedOutcome:
    """Write a combined frame; where it is there already and right, it is left as it is."""
    right = origin.right
    if right is not None and right.key == outcome.key:
        reason = f"{job.target}: {RIGHT_COMBINED}"
        return replace(outcome, state="skipped", reason=reason, bytes_out=right.byte_count, crc32=right.crc32)
    if right is not None and not means.overwrite:
        # it was right for the frames that were to be expected; now more or fewer of them could be calibrated
        raise OutputExistsError(job.target, "is there already: it was made of other frames", "replace with --overwrite")
    header = scan(paths[0]).cards.to_header()
    rejection = "none" if outcome.clipping is None else outcome.clipping.rejection.describe()
    combined_cards(header, outcome.sources, method=job.spec.method, rejection=rejection)
    how = f"{job.spec.method} of {len(paths)} frames, rejection {rejection}"
    sign_combined(header, how, origin.words(paths), outcome.key)
    parts = image_parts(
        combined.data, header, uncertainty=combined.uncertainty, mask=combined.mask, counts=combined.counts
    )
    crc = Crc32()
    written = write_fits(job.target, parts, compress=job.compress, overwrite=means.overwrite, on_bytes=crc.update)
    return replace(outcome, bytes_out=written, crc32=crc.value)


def run_combine(
    paths: Sequence[Path],
    target: Path,
    spec: CombineSpec,
    *,
    clip_spread: ClipSpread = "noise",
    reject_outliers: bool = False,
    overwrite: bool = False,
    mem_limit_bytes: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    check_sums: bool = True,
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
    clip_spread : {'noise', 'mad', 'std', 'ccd'}
        What deviations are counted in when values are clipped.
    reject_outliers : bool
        Whether frames that do not belong to the others are left out.
    overwrite : bool
        Whether a file that is there already may be replaced.
    mem_limit_bytes, workers, progress, check_sums
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
    crc32s, damaged = _checked([item.path for item in usable], workers, check_sums=check_sums)
    if not crc32s:
        raise NoFramesError("; ".join([*left_out, *damaged]))
    left_out += damaged
    means = _Means(overwrite, mem_limit_bytes or default_limit_bytes(), workers, progress)
    job = CombineJob(tuple(crc32s), target, spec, _compression_of(target), clip_spread)
    outcome = _combine(job, {}, means, _FilesOrigin(crc32s, Judge.of(usable, reject=reject_outliers)))
    return replace(outcome, left_out=(*left_out, *outcome.left_out))


def _checked(paths: Sequence[Path], workers: int | None, *, check_sums: bool) -> tuple[dict[Path, int], list[str]]:
    """Read files through: return the CRC-32 of each that is sound, and one sentence for each that is not."""

    def one(path: Path) -> int | FrameError:
        try:
            if not check_sums:
                return file_crc32(path)[0]
            checked = check_file(path)
        except FrameError as error:
            return error
        for remark in checked.remarks:
            warnings.warn(f"{path}: {remark}", HeaderWarning, stacklevel=2)
        return checked.crc32

    found = dict(zip(paths, map_threads(one, paths, workers), strict=True))
    sound = {path: crc32 for path, crc32 in found.items() if isinstance(crc32, int)}
    return sound, [str(error) for error in found.values() if isinstance(error, FrameError)]


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
