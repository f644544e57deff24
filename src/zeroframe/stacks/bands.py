"""Combining split by bands of rows, each a job that another process carries out.

Nobody ever holds the stack: a job reads the rows of its band from each file in small tiles, and gives back those rows
of the result. What combines them is `zeroframe.stacks.combine.combine_stack`, which gives the same bits for any tiling,
and so for any banding.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.fits import ImagePart, read_raw, scan, write_fits
from zeroframe.fits.atomic import INFLATED
from zeroframe.fits.odd_disks import hidden_name
from zeroframe.fits.replacing import Replaceable
from zeroframe.fits.store.names import REMOTE_THREADS, UrlPath, any_remote
from zeroframe.fits.store.spool import temporary_folder
from zeroframe.records import dataclass
from zeroframe.stacks.combine import Combined, CombineSpec, combine_stack
from zeroframe.stacks.stack import ArrayStack, FileStack, ImageOnDisk, RowSums, StackView
from zeroframe.workers import batches_of, map_jobs, map_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from numpy.typing import NDArray

    from zeroframe.stacks.stack import Stack

__all__ = [
    "BandResult",
    "BandTask",
    "InflateTask",
    "band_rows",
    "combine_band",
    "combine_in_bands",
    "files_beneath",
    "inflate_frame",
    "shared_stack",
]

#: What a job reads: a second or so of a disk that is shared by many.
_BAND_BYTES = 64 << 20
#: So many files are looked at by a job.
_BATCH = 64
#: Of many frames a band has so many rows, so that files are not opened for less than 100 kB.
_FEWEST_ROWS = 16


@dataclass(frozen=True, slots=True)
class BandTask:
    """What another process needs to know to combine a band: of each frame some 300 bytes, where its pixels stand.

    Attributes
    ----------
    stack : FileStack, or StackView of one
        The frames, without their headers, as they are seen. Their paths mean the same files to everyone.
    spec : CombineSpec
        How, with the noise that was measured on all.
    start, stop : int
        The rows.
    """

    stack: Stack
    spec: CombineSpec
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class BandResult:
    """A band that was combined.

    Attributes
    ----------
    combined : Combined
        Of shape ``(stop - start, nx)``.
    sums : tuple of tuple of (int, int, int)
        Of each frame in a store what `zeroframe.stacks.stack.RowSums` has found.
    """

    combined: Combined
    sums: tuple[tuple[tuple[int, int, int], ...], ...]


@dataclass(frozen=True)
class _RowsOfStack(StackView):
    """Some rows of a stack, which look like a stack of smaller frames."""

    start: int
    stop: int

    @property
    def shape_yx(self) -> tuple[int, int]:
        return self.stop - self.start, self.stack.shape_yx[1]

    def read_rows(self, index: int, rows: slice, out: NDArray[Any]) -> None:
        self.stack.read_rows(index, slice(self.start + rows.start, self.start + rows.stop), out)


def combine_band(task: BandTask) -> BandResult:
    """Combine some rows of a stack, on this thread; only these rows are read.

    Parameters
    ----------
    task : BandTask
        Which, and how.

    Returns
    -------
    BandResult

    Raises
    ------
    DamagedError
        When a file ends before these rows do.
    FrameError
        When a file cannot be read.
    """
    rows: Stack = _RowsOfStack(task.stack, task.start, task.stop)
    files = files_beneath(task.stack)
    images = () if files is None else files.images
    if any_remote(*(image.frame.path for image in images)):
        rows = _asked_at_once(rows)
    combined = combine_stack(rows, task.spec, workers=1)
    return BandResult(combined, tuple(_sums_in(task, image) for image in images))


def _sums_in(task: BandTask, image: ImageOnDisk) -> tuple[tuple[int, int, int], ...]:
    """Return what was found in the rows of a band; threads of one process find what belongs to other bands, too."""
    found = set() if image.sums is None else set(image.sums.found)
    return tuple(each for each in found if task.start <= each[0] < task.stop)


def _asked_at_once(rows: Stack) -> Stack:
    """Read all rows of a band from a store, one request a frame and many at a time, and not tile by tile."""

    def read(index: int) -> NDArray[Any]:
        out = np.empty(rows.shape_yx, rows.dtype)
        rows.read_rows(index, slice(0, rows.shape_yx[0]), out)
        return out

    frames = len(rows.names)
    return ArrayStack(map_threads(read, range(frames), REMOTE_THREADS), [None] * frames, rows.names)


def band_rows(frames: int, ny: int, row_bytes: int, band_bytes: int = _BAND_BYTES) -> range:
    """Return where bands begin; they are of about so many bytes of all frames together.

    Examples
    --------
    >>> band_rows(25, 4128, 2048 * 4)
    range(0, 4128, 327)
    """
    rows = max(band_bytes // (frames * row_bytes), _FEWEST_ROWS)
    return range(0, ny, min(rows, ny))


def files_beneath(stack: Stack) -> FileStack | None:
    """Return the files whose rows a stack is made of, frame by frame, whatever is done to them; None where it is not.

    Parameters
    ----------
    stack : Stack
        Of files, or a view of such.
    """
    files = stack
    while isinstance(files, StackView):
        files = files.stack
    return files if isinstance(files, FileStack) and len(files.names) == len(stack.names) else None


def combine_in_bands(
    executor: Executor,
    stack: Stack,
    spec: CombineSpec,
    *,
    band_bytes: int = _BAND_BYTES,
    progress: Callable[[float], None] | None = None,
) -> Combined:
    """Combine a stack on an executor, to the same bits as `zeroframe.stacks.combine.combine_stack` does here.

    Parameters
    ----------
    executor : concurrent.futures.Executor
        Its processes see the files under the same absolute names.
    stack : FileStack, or StackView of one
        The frames, see `shared_stack`; a view of them is made of a row wherever that row is read.
    spec : CombineSpec
        How, with the noise that was measured on all.
    band_bytes : int
        About what a job reads.
    progress : callable, optional
        Called with the fraction done so far.

    Returns
    -------
    Combined
        In memory, 10 bytes a pixel.

    Raises
    ------
    FrameError
        When a file cannot be read.
    TypeError
        When the stack is not one of files.
    ClusterError, JobLostError
        When the executor was lost, or one process after the other has died over a band.
    """
    files = files_beneath(stack)
    if files is None:
        raise TypeError("only frames in files can be combined by bands that others read")
    ny, nx = stack.shape_yx
    bands = band_rows(len(stack.names), ny, nx * stack.dtype.itemsize, band_bytes)
    bare = _seen_alike(stack, FileStack(tuple(map(_bare, files.images)), files.names))
    tasks = [BandTask(bare, spec, start, min(start + bands.step, ny)) for start in bands]
    parts = map_jobs(executor, combine_band, tasks, progress=progress)
    data, uncertainty = (np.empty((ny, nx), stack.dtype) for _ in range(2))
    result = Combined(data, uncertainty, np.empty((ny, nx), np.uint16))
    for task, band in zip(tasks, parts, strict=True):
        rows, part = slice(task.start, task.stop), band.combined
        for image, found in zip(files.images, band.sums, strict=True):
            if image.sums is not None:
                image.sums.found += found
        result.data[rows], result.uncertainty[rows], result.counts[rows] = part.data, part.uncertainty, part.counts
    return result


def _seen_alike(stack: Stack, files: FileStack) -> Stack:
    """Return other files as a stack sees its own."""
    return replace(stack, stack=_seen_alike(stack.stack, files)) if isinstance(stack, StackView) else files


def _bare(image: ImageOnDisk) -> ImageOnDisk:
    """Leave out the headers, which are most of what would be sent, and name the file for every process."""
    bare = image.bare()
    frame = replace(bare.frame, path=bare.frame.path.absolute(), hdus=())
    return replace(bare, frame=frame, sums=None if image.sums is None else RowSums())


@dataclass(frozen=True, slots=True)
class InflateTask:
    """A compressed file that is to be there plainly."""

    image: ImageOnDisk
    target: Path


def inflate_frame(task: InflateTask) -> ImageOnDisk:
    """Write the pixels of a compressed file, and its mask, into a plain one.

    Returns
    -------
    ImageOnDisk
        The plain one.

    Raises
    ------
    FrameError
        When the file cannot be read.
    OutputError
        When the other cannot be written.
    """
    image = task.image
    parts = [ImagePart(read_raw(image.frame.path, ext=image.image.index).decode())]
    if image.mask is not None:
        mask = read_raw(image.frame.path, ext=image.mask.index).decode() != 0
        parts.append(ImagePart(mask.astype(np.uint8), name="MASK"))
    # there already where a worker died when it had written it
    write_fits(task.target, parts, overwrite=Replaceable.of(task.target) or False)
    return _bare(ImageOnDisk.find(scan(task.target)))


@contextmanager
def shared_stack(
    executor: Executor, paths: Sequence[Path], spool_folder: Path, copies: Mapping[Path, Path] | None = None
) -> Iterator[FileStack]:
    """Open files as a stack of which every process can read rows.

    Compressed files are inflated once, each by a job, into hidden files that are removed when the block ends; what a
    run leaves there that is killed, the next one removes.

    Parameters
    ----------
    executor : concurrent.futures.Executor
        Its processes see the files under the same absolute names.
    paths : sequence of pathlib.Path
        FITS files of one shape.
    spool_folder : pathlib.Path
        Where those hidden files go; every process sees it. Where it is in a store and the executor is threads of this
        process, they go into the system's folder for such files.
    copies : mapping of path to path, optional
        Where copies of some of the files are that are read more quickly.

    Yields
    ------
    FileStack

    Raises
    ------
    FrameError
        When a file cannot be read, or its shape differs from that of the first.
    OutputError
        When there is no room for the hidden files.
    """
    nearest = [(copies or {}).get(path, path) for path in paths]
    if isinstance(executor, ThreadPoolExecutor):
        images = _found(nearest)
    else:
        batches = map_jobs(executor, _found, batches_of(nearest, _BATCH))
        images = [image for batch in batches for image in batch]
    wrapped = [number for number, image in enumerate(images) if not image.is_plain]
    with _spool(executor, spool_folder) as folder:
        tasks = [InflateTask(_bare(images[number]), _hidden(folder, images[number])) for number in wrapped]
        try:
            for number, plain in zip(wrapped, map_jobs(executor, inflate_frame, tasks), strict=True):
                images[number] = plain
            yield FileStack(tuple(images), tuple(str(path) for path in paths))
        finally:
            for task in tasks:
                task.target.unlink(missing_ok=True)


def _found(paths: Sequence[Path]) -> list[ImageOnDisk]:
    threads = REMOTE_THREADS if any_remote(*paths) else 1
    return map_threads(lambda path: ImageOnDisk.find(scan(path)), paths, threads)


@contextmanager
def _spool(executor: Executor, folder: Path) -> Iterator[Path]:
    """Choose where inflated files go: threads of this process need not send them to a store and back."""
    if not (isinstance(folder, UrlPath) and isinstance(executor, ThreadPoolExecutor)):
        yield folder
        return
    with temporary_folder() as here:
        yield here


def _hidden(folder: Path, image: ImageOnDisk) -> Path:
    """Name a file as `zeroframe.fits.atomic` names what has not got its name yet, so that it is known as a leftover."""
    return folder.absolute() / hidden_name(image.frame.path.name[:200], INFLATED)
