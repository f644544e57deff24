"""Frames of an object store: found by their headers alone, fetched to a disk just before they are calibrated.

A job fetches a raw frame into a folder of its own, calibrates it there, puts the result in its place, looks whether it
has arrived, and removes both files. So a worker needs room for two frames, and nothing has to be shared but the store.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.dialects import read_facts
from zeroframe.errors import FrameError, MismatchError, OutputError, OutputExistsError, UnsupportedError
from zeroframe.frame_jobs import FrameTask, calibrate_frame
from zeroframe.frames import FrameOutcome, error_sentence
from zeroframe.io import Cards, FrameFile, ImageLayout, RawImage, scan
from zeroframe.io.decoding import decoded_float
from zeroframe.io.ranges import read_band_by_range, scan_by_ranges
from zeroframe.parallel import map_threads
from zeroframe.survey import Found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zeroframe.places import Place, RemoteFile

__all__ = ["RemoteStack", "RemoteTask", "calibrate_remote_frame", "survey_place"]

#: Threads that wait for answers of a store, 20 to 100 ms each.
_THREADS = 16
_NO_CARDS = Cards(b"END".ljust(80))


def survey_place(place: Place, spool: Path, *, workers: int = _THREADS) -> tuple[list[Found], list[RemoteFile]]:
    """Read the headers of the FITS files of a place: some kilobytes of each.

    Parameters
    ----------
    place : Place
        The place.
    spool : pathlib.Path
        Files are called in what is returned as they would be in this folder. Compressed ones of several extensions
        have to be read whole, and pass through it.
    workers : int
        How many threads.

    Returns
    -------
    found : list of Found
        Sorted by name. Files that are not FITS are there with their problem, which names their URL.
    files : list of RemoteFile
        The same files.

    Raises
    ------
    NoFramesError
        When there is no such place.
    """
    files = place.listing()
    return map_threads(partial(_look, place, spool), files, workers), files


def _look(place: Place, spool: Path, file: RemoteFile) -> Found:
    path, frame = spool / file.name, None
    try:
        frame = scan_by_ranges(path, file.size, partial(place.read_range, file.name)) or _fetched(place, spool, file)
        image = frame.image()
        if image.layout is not None and len(image.layout.shape_yx) != 2:
            raise UnsupportedError(path, "is an image of one axis", "only images of two axes can be used")
    except FrameError as error:
        problem = type(error)(file.url, error.reason, error.advice)
        facts = None if frame is None else read_facts(frame.cards, file.name)
        return Found(path, frame, facts, problem)
    return Found(path, frame, read_facts(frame.cards_of(image), file.name), None)


def _fetched(place: Place, spool: Path, file: RemoteFile) -> FrameFile:
    with tempfile.TemporaryDirectory(dir=spool) as folder:
        whole = Path(folder, file.name)
        place.fetch(file, whole)
        return replace(scan(whole), path=spool / file.name)


@dataclass(frozen=True, slots=True)
class RemoteTask:
    """What another process needs to know to calibrate a frame of a store.

    Attributes
    ----------
    frame : FrameTask
        What is done; of its paths only the names count.
    raw : Place
        Where the raw frame is.
    file : RemoteFile
        Which it is.
    out : Place
        Where the result goes.
    """

    frame: FrameTask
    raw: Place
    file: RemoteFile
    out: Place


def calibrate_remote_frame(task: RemoteTask) -> FrameOutcome:
    """Fetch a raw frame, calibrate it, and put the result in its place; what goes wrong stands in the outcome.

    Where the same bytes are there already, as when a worker has died that had just put them, that is as good.

    Parameters
    ----------
    task : RemoteTask
        What is done.

    Returns
    -------
    FrameOutcome
        With the stamp that the raw file has in its place.
    """
    job, url = task.frame.job, task.file.url
    with tempfile.TemporaryDirectory(prefix="zeroframe-") as folder:
        # in folders of their own: a result may be called as the raw frame is
        source, target = Path(folder, "raw", job.source.name), Path(folder, "out", job.target.name)
        source.parent.mkdir()
        target.parent.mkdir()
        try:
            task.raw.fetch(task.file, source)
            outcome = calibrate_frame(replace(task.frame, job=replace(job, source=source, target=target)))
            if outcome.state == "done":
                _put(task, target)
        except (FrameError, OutputError, OSError) as error:
            outcome = FrameOutcome(job.source, "failed", error_sentence(error, source))
    mark = outcome.source_mark
    return replace(
        outcome,
        source=job.source,
        target=job.target,
        reason=outcome.reason.replace(str(source), url).replace(str(target), task.out.url_of(target.name)),
        source_mark=None if mark is None else replace(mark, stamp=task.file.stamp),
    )


def _put(task: RemoteTask, target: Path) -> None:
    try:
        task.out.put(target, target.name, overwrite=task.frame.overwrite)
    except OutputExistsError:
        if not task.out.holds(target, target.name):
            raise


@dataclass(frozen=True)
class RemoteStack:
    """Plain FITS files of a store as a stack; of each only the rows are read that are asked for.

    Parameters
    ----------
    place : Place
        Where they are.
    names : tuple of str
        What they are called.
    layouts : tuple of ImageLayout
        Of their images, all of one shape and none compressed.
    """

    place: Place
    names: tuple[str, ...]
    layouts: tuple[ImageLayout, ...]

    @classmethod
    def of(cls, place: Place, found: Sequence[Found]) -> RemoteStack:
        """Take files that have been surveyed.

        Raises
        ------
        UnsupportedError
            When one is compressed, so that its rows cannot be read by themselves.
        MismatchError
            When the shape of one differs from that of the first.
        """
        for item in found:
            url = place.url_of(item.path.name)
            if item.frame is None or item.frame.encoding != "plain" or item.layout.tile_compressed:
                raise UnsupportedError(url, "is compressed, and its rows cannot be read by themselves", "fetch it")
            if item.shape_yx != found[0].shape_yx:
                raise MismatchError(url, "is of another size than the first", "combine frames of one size")
        return cls(place, tuple(item.path.name for item in found), tuple(item.layout for item in found))

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Shape of each frame."""
        ny, nx = self.layouts[0].shape_yx
        return ny, nx

    @property
    def dtype(self) -> np.dtype[Any]:
        """float64 where any frame needs it, else float32."""
        return max((decoded_float(layout) for layout in self.layouts), key=lambda dtype: dtype.itemsize)

    def read_rows(self, index: int, rows: slice, out: NDArray[Any]) -> None:
        """Fill ``out`` with rows of one frame."""
        name, layout = self.names[index], self.layouts[index]
        stored = read_band_by_range(self.place.url_of(name), layout, rows, partial(self.place.read_range, name))
        pixels = RawImage(Path(name), _NO_CARDS, layout, stored).decode()
        np.copyto(out, pixels, casting="same_kind")
