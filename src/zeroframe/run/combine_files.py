"""Frames that are combined into one file: judged, measured, combined, written."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import (
    AssumptionWarning,
    ClusterError,
    FrameError,
    MemoryLimitError,
    NoFramesError,
    OutputExistsError,
    UnsupportedError,
)
from zeroframe.fits import HeaderDraft, scan, write_fits
from zeroframe.fits.ahead import READING, import_ahead
from zeroframe.fits.decode import decoded_float
from zeroframe.fits.events import log_outcome
from zeroframe.fits.failures import error_sentence
from zeroframe.fits.fingerprint import Crc32, Watch
from zeroframe.fits.formats import FORMATS, compression_of
from zeroframe.fits.store.names import any_remote, as_path
from zeroframe.frames.mask_bits import MaskBit, bits_where
from zeroframe.frames.statistics import sampled_level
from zeroframe.headers.combined_exposure import combined_conditions, combined_exposure
from zeroframe.headers.one_detector import require_one_detector
from zeroframe.headers.result_cards import combined_cards
from zeroframe.headers.survey import KEY_CARD, survey
from zeroframe.planning.targets import CombineJob, same_form
from zeroframe.records import dataclass
from zeroframe.run.combine_target import remove_what_killed_ones_left, replaced_target
from zeroframe.run.combined_outcome import CombinedOutcome
from zeroframe.run.input_sums import InputSums, require_sums
from zeroframe.run.keys import sign_combined
from zeroframe.run.result_files import UP_TO_DATE_COMBINED
from zeroframe.stacks.bands import shared_stack
from zeroframe.stacks.combine import require_room
from zeroframe.stacks.empty_frames import NO_VALUE
from zeroframe.stacks.loss import warn_of_loss
from zeroframe.stacks.measured import ChosenStack, Judge, combine_prepared, prepare
from zeroframe.stacks.stack import ArrayStack, FileStack, Stack, held_bytes, held_open, open_stack
from zeroframe.stacks.tallied import TalliedStack
from zeroframe.verbs.saving import image_parts, stored_in_place
from zeroframe.workers import default_limit_bytes, done_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from numpy.typing import NDArray

    from zeroframe.fits import Cards, ImagePart
    from zeroframe.fits.replacing import Overwrite
    from zeroframe.fits.tables import TablePart
    from zeroframe.headers.kinds import Kind
    from zeroframe.headers.survey import RawFrame
    from zeroframe.run.record import OutputMark
    from zeroframe.stacks.clipping import ClipSpread
    from zeroframe.stacks.combine import Combined, CombineSpec
    from zeroframe.stacks.measured import Prepared

__all__ = [
    "Finished",
    "Origin",
    "Progress",
    "Resources",
    "combine_job",
    "finishing_bytes",
    "replaced_target",
    "run_combine",
    "stack_of",
]

Progress = Callable[[str, float], None]
#: Of each pixel, where a mask is made of the counts, and the counts are cut down to a byte; and of the largest image in
#: tiles, which noise may make larger than it is.
_FINISHING_BYTES, _TILES_BYTES = 3, 5
#: Frames that cannot be read by rows are inflated in memory where they take no more than this part of the limit.
_IN_MEMORY_SHARE = 4
#: What takes no more than this is not counted, so that small frames can be combined within a small limit.
_OWN_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Resources:
    """What work may use, and how it is followed; where copies of files of a store are on this disk.

    ``overwrite`` says what of the file that is written may be replaced; ``empty`` makes arrays, as `numpy.empty` does.
    ``watch`` has looked at files that are used more than once.
    """

    overwrite: Overwrite
    limit_bytes: int
    workers: int | None
    progress: Progress | None
    executor: Executor | None = None
    copies: Mapping[Path, Path] = field(default_factory=dict)
    empty: Callable[..., NDArray[Any]] = np.empty
    watch: Watch = field(default_factory=Watch)

    @property
    def elsewhere(self) -> Executor | None:
        """Other processes, where there are some; threads of this one read as well as any."""
        return None if isinstance(self.executor, ThreadPoolExecutor) else self.executor

    def report(self, what: str) -> Callable[[float], None] | None:
        """Return what is to be called with the fraction done of one step."""
        progress = self.progress
        return None if progress is None else lambda fraction: progress(what, fraction)


def stack_of(
    paths: Sequence[Path],
    kept: Mapping[Path, NDArray[Any]],
    resources: Resources,
    job: CombineJob | None,
    spool: Path,
) -> Stack:
    """Take the frames from memory where they are, else from their files; where they are combined, with room for that.

    Raises
    ------
    MemoryLimitError
        When the result does not fit, or not even one frame while it is unpacked; no pixel has been read then.
    """
    limit = resources.limit_bytes
    most = limit // _IN_MEMORY_SHARE

    def kept_bytes(frames: int, shape_yx: tuple[int, int], dtype: np.dtype[Any]) -> int:
        if job is None:
            return most
        return min(most, require_room(frames, shape_yx, dtype, limit, beside_bytes=finishing_bytes(job, shape_yx)))

    if kept:
        arrays = [kept[path] for path in paths]
        return ArrayStack(arrays, [None] * len(arrays), tuple(path.name for path in paths))
    folder = None if any_remote(spool) else spool
    stack, _ = open_stack(
        paths,
        in_memory_bytes=kept_bytes,
        limit_bytes=limit,
        spool_folder=folder,
        workers=resources.workers,
    )
    return stack.bare() if isinstance(stack, FileStack) else stack


@dataclass(frozen=True, eq=False)
class Finished:
    """A combined frame as it is written.

    Attributes
    ----------
    data : ndarray of float, shape (ny, nx)
        The image.
    uncertainty : ndarray of float or None
        Its standard deviations; None where nothing is known of them.
    mask : ndarray of bool or None
        Where nothing was left; None where something was left everywhere.
    counts : ndarray of uint16
        How many frames each pixel used.
    cards : mapping of str to (value, comment)
        What more its header says.
    stale : tuple of str
        Cards of a single frame, which are not true of the combined one.
    tables : tuple of TablePart
        What more stands beside the image.
    """

    data: NDArray[Any]
    uncertainty: NDArray[Any] | None
    mask: NDArray[Any] | None
    counts: NDArray[Any]
    cards: Mapping[str, tuple[Any, str]]
    stale: tuple[str, ...] = ()
    tables: tuple[TablePart, ...] = ()


@contextmanager
def _opened(
    paths: Sequence[Path], kept: Mapping[Path, NDArray[Any]], resources: Resources, job: CombineJob
) -> Iterator[Stack]:
    spool = job.target.parent
    if resources.executor is None:
        nearest = [resources.copies.get(path, path) for path in paths]
        yield stack_of(paths if kept else nearest, kept, resources, job, spool)
    else:
        with shared_stack(resources.executor, paths, spool, resources.copies) as stack:
            yield stack


def finishing_bytes(job: CombineJob, shape_yx: tuple[int, int]) -> int:
    """Return how much memory it takes to write a combined frame: for its mask, its counts, compressed tiles.

    Some megabytes of it belong to what the program takes anyway.
    """
    each = _FINISHING_BYTES + _TILES_BYTES * FORMATS[job.compress].held_images
    return max(math.prod(shape_yx) * each - _OWN_BYTES, 0)


class Origin:
    """From what a combined frame is made; here what holds of most."""

    def key(self, unreadable: Sequence[Path]) -> str | None:  # noqa: ARG002
        """Return the key of the job, where it has one."""
        return None

    def name(self, path: Path) -> str:
        """Return how the header of the combined frame calls one of its frames."""
        return path.name

    def words(self, paths: Sequence[Path]) -> list[str]:
        """Return what stands of each frame in the header of the combined one."""
        raise NotImplementedError

    def masked(self, paths: Sequence[Path]) -> tuple[int, ...] | None:  # noqa: ARG002
        """Return how many pixels of each frame are not finite, where that has been counted."""
        return None

    def common(self, paths: Sequence[Path]) -> tuple[Kind | None, float | None]:
        """Return kind and gain of the frames, as far as clipping wants to know them."""
        return (None, None) if self.judge is None else self.judge.common(paths)

    def check(self, paths: Sequence[Path], stack: TalliedStack) -> None:
        """Look at what has been read of the frames; raise `FrameError` where one of them is damaged."""

    def check_rows(self, stack: Stack) -> None:
        """Look at what came of frames in a store row by row; raise `FrameError` as `check` does."""
        require_sums(stack)

    def seen(self, stack: Stack, paths: Sequence[Path]) -> Stack:  # noqa: ARG002
        """Return the frames as they are compared and combined."""
        return stack

    def variances(self) -> tuple[float, ...] | None:
        """Return the relative variances of what was `seen`, where they differ enough to be weighed by."""
        return None

    def finished(self, combined: Combined, prepared: Prepared, paths: Sequence[Path]) -> Finished:
        """Return the combined frame as it is written."""
        cards = prepared.error_cards(len(paths))
        return Finished(combined.data, combined.uncertainty, combined.mask, combined.counts, cards)

    @property
    def up_to_date(self) -> OutputMark | None:
        """Of the combined frame that is there already."""
        return None

    @property
    def judge(self) -> Judge | None:
        """By what frames are judged that have not been yet."""
        return None


class _FilesOrigin(Origin):
    """Any files, with their sums and headers."""

    def __init__(self, sums: InputSums, judge: Judge, headers: Mapping[Path, Cards], limit_bytes: int) -> None:
        self._sums = sums
        self._judge = judge
        self._headers = headers
        self._limit_bytes = limit_bytes

    def words(self, paths: Sequence[Path]) -> list[str]:
        return [self._sums.word(path) for path in paths]

    def check(self, paths: Sequence[Path], stack: TalliedStack) -> None:
        self._sums.compare(paths, stack)

    def check_rows(self, stack: Stack) -> None:
        if self._sums.check:
            require_sums(stack)

    def finished(self, combined: Combined, prepared: Prepared, paths: Sequence[Path]) -> Finished:
        made = super().finished(combined, prepared, paths)
        headers = [self._headers[path] for path in paths]
        exposure = combined_exposure(headers, prepared.spec.method)
        made = replace(made, cards={**made.cards, **exposure, **combined_conditions(headers)})
        return self._with_shared_errors(made, paths, prepared.spec.method) if _any_of_ours(headers) else made

    def _with_shared_errors(self, made: Finished, paths: Sequence[Path], method: str) -> Finished:
        """Add the errors that frames have in common which zeroframe has calibrated."""
        from zeroframe.run.shared_errors import SharedErrors  # with all that knows of bias, dark and flat: 0.02 s

        shared = SharedErrors(self._headers, made.data.shape, self._limit_bytes)
        sigma, said, of_level = shared.added(made.data, made.uncertainty, paths, method)
        if of_level > 0:
            own, words = made.cards.get("LEVELERR", (0.0, "error of the level, common to all pixels"))
            said["LEVELERR"] = (math.hypot(own, of_level), words)
        return replace(made, uncertainty=sigma, cards={**made.cards, **said})

    @property
    def judge(self) -> Judge:
        return self._judge


def combine_job(
    job: CombineJob, kept: Mapping[Path, NDArray[Any]], resources: Resources, origin: Origin
) -> CombinedOutcome:
    """Combine frames and write the result; a frame whose pixels cannot be read is left out, and the others go on."""
    paths = list(job.sources)
    bad: list[Path] = []
    left_out: list[str] = []
    while paths:
        try:
            outcome = _combine_all(job, paths, kept, resources, origin, origin.key(bad))
        except FrameError as error:
            bad.append(as_path(error.path))
            left_out.append(str(error))
            if bad[-1] not in paths:
                return CombinedOutcome(job.target, "failed", str(error))
            paths.remove(bad[-1])
        except (ClusterError, Warning):
            raise
        except Exception as error:  # noqa: BLE001 -- its traceback is in the log, and other results are still made
            reason = str(error) if isinstance(error, MemoryLimitError) else error_sentence(error, job.target)
            return CombinedOutcome(job.target, "failed", reason, left_out=tuple(left_out))
        else:
            return replace(outcome, left_out=tuple(left_out))
    return CombinedOutcome(job.target, "failed", "no frame was left to combine", left_out=tuple(left_out))


def _combine_all(
    job: CombineJob,
    paths: Sequence[Path],
    kept: Mapping[Path, NDArray[Any]],
    resources: Resources,
    origin: Origin,
    key: str | None,
) -> CombinedOutcome:
    """Judge, measure, combine, write; where the result is there already and up to date, it is not written again."""
    resources.watch.look(paths)
    with _opened(paths, kept, resources, job) as stack:
        left = resources.limit_bytes - held_bytes(stack) - finishing_bytes(job, stack.shape_yx)
        return _combine_opened(job, paths, stack, replace(resources, limit_bytes=left), origin, key)


def _combine_opened(
    job: CombineJob, paths: Sequence[Path], stack: Stack, resources: Resources, origin: Origin, key: str | None
) -> CombinedOutcome:
    flags, outliers = (
        ((), ()) if origin.judge is None else origin.judge.verdict(paths, stack, workers=resources.workers)
    )
    odd = {flag.path for flag in outliers}
    chosen = [number for number, path in enumerate(paths) if path not in odd]
    if not chosen:
        reason = "no frame belongs to the others; look at them, and combine those that you trust"
        if {flag.sentence for flag in outliers} == {NO_VALUE}:
            reason = "no frame has a value in any of its pixels"
        return CombinedOutcome(job.target, "failed", reason, outliers=outliers)
    paths = [paths[number] for number in chosen]
    opened = stack
    stack = origin.seen(ChosenStack.of(stack, chosen), paths)
    # before the combination, so that the sample and the result are not in memory at once
    prepared = _prepared(job, paths, stack, resources, origin)
    for image in opened.images if isinstance(opened, FileStack) else ():
        if image.sums is not None:
            image.sums.begin()
    masked = origin.masked(paths)
    with held_open(stack) if resources.executor is None else nullcontext(stack) as held:
        tallied = held if masked is not None else TalliedStack(held)
        combined, clipping = combine_prepared(
            tallied,
            prepared,
            masked=masked,
            mem_limit_bytes=resources.limit_bytes,
            workers=resources.workers,
            progress=resources.report("combining"),
            executor=resources.executor,
            empty=resources.empty,
        )
    origin.check_rows(opened)
    if isinstance(tallied, TalliedStack):
        origin.check(paths, tallied)
    finished = origin.finished(combined, prepared, paths)
    outcome = CombinedOutcome(
        job.target,
        "done",
        frames=len(paths),
        shape_yx=stack.shape_yx,
        level=sampled_level(finished.data),
        noise=prepared.noise,
        # what no frame has a value of, as an amplifier that was not read, was not rejected
        rejected=clipping.rejected + sum(clipping.masked) - len(paths) * _without_values(combined.counts),
        clipping=clipping,
        excess=prepared.excess,
        flags=flags,
        outliers=outliers,
        key=key,
        sources=tuple(origin.name(path) for path in paths),
    )
    return _written(job, outcome, finished, paths, resources, origin)


def _prepared(job: CombineJob, paths: Sequence[Path], stack: Stack, resources: Resources, origin: Origin) -> Prepared:
    """Measure the noise by which frames are clipped and judged, here or in another process."""
    kind, gain = origin.common(paths)
    measure = partial(
        prepare,
        kind=kind,
        gain_e_per_adu=gain,
        variances=origin.variances(),
        mem_limit_bytes=resources.limit_bytes,
        workers=resources.workers,
    )
    if resources.elsewhere is None:
        return measure(stack, job.spec, job.clip_spread, empty=resources.empty)
    return done_by(resources.elsewhere, measure, stack, job.spec, job.clip_spread)


def _written(
    job: CombineJob,
    outcome: CombinedOutcome,
    finished: Finished,
    paths: Sequence[Path],
    resources: Resources,
    origin: Origin,
) -> CombinedOutcome:
    """Write a combined frame; where it is there already and up to date, it is left as it is."""
    header = HeaderDraft(done_by(resources.elsewhere, _cards_of, paths[0]))
    resources.watch.check(paths)  # they are not read any more
    up_to_date = origin.up_to_date
    if up_to_date is not None and up_to_date.key == outcome.key:
        reason = f"{job.target}: {UP_TO_DATE_COMBINED}"
        return replace(outcome, state="skipped", reason=reason, bytes_out=up_to_date.byte_count, crc32=up_to_date.crc32)
    if up_to_date is not None and not resources.overwrite:
        # it was right for the frames that were to be expected; now more or fewer of them could be calibrated
        raise OutputExistsError(job.target, "is there already: it was made of other frames", "replace with --overwrite")
    rejection = "none" if outcome.clipping is None else outcome.clipping.rejection.describe()
    combined_cards(header, outcome.sources, method=job.spec.method, rejection=rejection)
    how = f"{job.spec.method} of {len(paths)} frames, rejection {rejection}"
    for word in finished.stale:
        if word in header:
            del header[word]
    header.update(finished.cards)
    sign_combined(header, how, origin.words(paths), outcome.key)
    parts = image_parts(
        finished.data,
        header,
        uncertainty=finished.uncertainty,
        mask=None if finished.mask is None else bits_where(finished.mask, MaskBit.NODATA),
        counts=_short_counts(finished.counts, len(paths), resources.empty),
    )
    crc = Crc32()
    with stored_in_place(parts) as stored:
        everything: list[ImagePart | TablePart] = [*stored, *finished.tables]
        written = write_fits(
            job.target, everything, compress=job.compress, overwrite=resources.overwrite, on_bytes=crc.update
        )
    resources.watch.renew(job.target)
    return replace(outcome, bytes_out=written, crc32=crc.value)


def _cards_of(path: Path) -> Cards:
    return scan(path).cards


def _without_values(counts: NDArray[np.uint16]) -> int:
    return counts.size - int(np.count_nonzero(counts))


def _any_of_ours(headers: Sequence[Cards]) -> bool:
    return any(KEY_CARD in cards for cards in headers)


def _short_counts(
    counts: NDArray[np.uint16], frames: int, empty: Callable[..., NDArray[Any]]
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return counts in one byte each where that can hold the number of frames: half as much is written."""
    if frames > np.iinfo(np.uint8).max:
        return counts
    short = empty(counts.shape, np.uint8)
    np.copyto(short, counts, casting="unsafe")
    return short


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
    ext: int | str | None = None,
) -> CombinedOutcome:
    """Combine files into one file.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        The frames. One that cannot be used, has no value, or is not of the size and unit that most have, is left out
        and named. Frames that are combined already are left out where others are not.
    target : pathlib.Path
        What is written; compressed where its name ends in ``.gz`` or ``.fz``.
    spec : CombineSpec
        How.
    clip_spread : {'noise', 'mad', 'std', 'ccd'}
        What deviations are counted in when values are clipped.
    reject_outliers : bool
        Whether frames that do not belong to the others are left out.
    overwrite : bool
        Whether a combined frame that is there already may be replaced: one that zeroframe has written, and no other.
    mem_limit_bytes, workers, progress, check_sums
        As for `zeroframe.run.engine.run_night`.
    ext : int or str, optional
        Number or name of the one extension that is read of each file.

    Returns
    -------
    CombinedOutcome
        With one sentence in ``left_out`` for each frame that was meant to take part and did not.

    Raises
    ------
    OutputExistsError
        When ``target`` is there already and ``overwrite`` is False, is one of the frames, or is none of our own.
    OutputError
        When its folder is not there.
    NoFramesError
        When no frame can be used.
    MismatchError
        When headers name different detectors, or binnings.
    """
    remove_what_killed_ones_left(target)
    replaces = replaced_target(target, paths, overwrite=overwrite)
    watch = Watch()
    watch.look(paths)
    found = [_whole(item) for item in survey(list(dict.fromkeys(paths)), workers=workers, ext=ext)]
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
    require_one_detector([(str(item.path), item.frame.cards) for item in usable if item.frame is not None])
    warn_of_loss([item.frame for item in usable if item.frame is not None])
    usable, odd = same_form(usable)
    left_out += [str(refused.problem) for refused in odd]
    limit = mem_limit_bytes or default_limit_bytes()
    try:
        _require_room_for(usable, target, spec, limit)
    except MemoryLimitError as error:  # before the files are read through for their sums, which may take hours
        log_outcome(target, "failed", str(error))
        return CombinedOutcome(target, "failed", str(error), left_out=tuple(left_out))
    sums = InputSums(usable, check=check_sums, workers=workers)
    left_out += sums.damaged
    if not sums.sound:
        raise NoFramesError("; ".join(left_out))
    import_ahead(*READING, "numpy.random")
    resources = Resources(replaces, limit, workers, progress, watch=watch)
    job = CombineJob(sums.sound, target, spec, compression_of(target), clip_spread)
    headers = {item.path: item.frame.cards for item in usable if item.frame is not None}
    outcome = combine_job(
        job, {}, resources, _FilesOrigin(sums, Judge.of(usable, reject=reject_outliers), headers, limit)
    )
    log_outcome(target, outcome.state, outcome.reason)
    return replace(outcome, left_out=(*left_out, *outcome.left_out))


def _whole(item: RawFrame) -> RawFrame:
    """Return a file; one that several amplifiers read is no image yet, and has that for its problem."""
    if item.found is None or item.problem is not None:
        return item
    number = len(item.found.detector.amplifiers)
    reason = f"is a raw file that {number} amplifiers read, which are not assembled yet"
    advice = "calibrate it first (zeroframe night or bias), or combine one extension with --ext"
    return replace(item, problem=UnsupportedError(item.path, reason, advice))


def _require_room_for(items: Sequence[RawFrame], target: Path, spec: CombineSpec, limit_bytes: int) -> None:
    """Raise `MemoryLimitError` where the result does not fit, by what the headers say of the frames."""
    layouts = [item.frame.image().layout for item in items if item.frame is not None]
    dtypes = {decoded_float(layout) for layout in layouts if layout is not None}
    shape_yx = next((layout.shape_yx for layout in layouts if layout is not None), None)
    if shape_yx is not None:
        job = CombineJob((), target, spec, compression_of(target))
        beside = finishing_bytes(job, (shape_yx[0], shape_yx[1]))
        widest = max(dtypes, key=lambda dtype: dtype.itemsize)
        require_room(len(layouts), (shape_yx[0], shape_yx[1]), widest, limit_bytes, beside_bytes=beside)
