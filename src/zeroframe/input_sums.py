"""Whether files are what they were when they were written: told while their pixels are read, where that can be."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from zeroframe.errors import FrameError, HeaderWarning
from zeroframe.io.checksums import add_sums, data_sum
from zeroframe.io.layout import padded
from zeroframe.io.marks import file_crc32
from zeroframe.io.reading import read_bytes
from zeroframe.io.sums import check_file, compare_sums
from zeroframe.parallel import map_threads
from zeroframe.stacks import FileStack, ImageOnDisk

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zeroframe.io import FrameFile
    from zeroframe.stacks import Stack, TalliedStack
    from zeroframe.survey import Found

__all__ = ["InputSums", "require_sums"]


class InputSums:
    """Sums of the files that are combined.

    Parameters
    ----------
    items : sequence of Found
        The files, all with an image. Where all of them are plain float32 of one image each, which is what calibrated
        frames are, their sums are taken while they are combined; otherwise they are read through before.
    check : bool
        Whether a file is refused whose data have not the sum that its header gives.
    workers : int, optional
        How many threads read.

    Attributes
    ----------
    check : bool
        As it was given.
    sound : tuple of pathlib.Path
        Files that can be used, as far as it is known.
    damaged : tuple of str
        One sentence for each that cannot.
    """

    def __init__(self, items: Sequence[Found], *, check: bool, workers: int | None) -> None:
        self.check = check
        self._frames = {item.path: item.frame for item in items if item.frame is not None}
        self._words: dict[Path, str] = {}
        self.damaged: tuple[str, ...] = ()
        if all(_is_streamed(frame) for frame in self._frames.values()):
            self.sound = tuple(self._frames)
            return
        found = dict(zip(self._frames, map_threads(self._read_through, self._frames, workers), strict=True))
        self.sound = tuple(path for path, crc32 in found.items() if isinstance(crc32, int))
        self._words = {path: f"crc32 {found[path]:08x}" for path in self.sound}
        self.damaged = tuple(str(error) for error in found.values() if isinstance(error, FrameError))

    def word(self, path: Path) -> str:
        """Return what tells the bytes of a file from others, once it has been read."""
        return self._words[path]

    def compare(self, paths: Sequence[Path], stack: TalliedStack) -> None:
        """Compare what was read of the files with their headers.

        Parameters
        ----------
        paths : sequence of pathlib.Path
            The frames of the stack, in order.
        stack : TalliedStack
            All of whose rows have been read once.

        Raises
        ------
        DamagedError
            Which names the first file whose data are not those it was written with.
        """
        for index, path in enumerate(paths):
            total = stack.data_sum(index)
            if path in self._words or total is None:
                continue
            frame = self._frames[path]
            total = add_sums(total, _padding_sum(frame))
            if self.check:
                _warn(path, (*frame.remarks, *compare_sums(path, frame.hdus[0], total)))
            self._words[path] = f"datasum {total}"

    def _read_through(self, path: Path) -> int | FrameError:
        try:
            if not self.check:
                return file_crc32(path)[0]
            checked = check_file(path)
        except FrameError as error:
            return error
        _warn(path, checked.remarks)
        return checked.crc32


def require_sums(stack: Stack) -> None:
    """Compare what was read, row by row, of files in a store with the sums in their headers.

    Parameters
    ----------
    stack : Stack
        As it was opened. Of files whose rows were not all read, each once, nothing is known, and nothing is said.

    Raises
    ------
    DamagedError
        Which names the first file of which other bytes came than were written.
    """
    for image in stack.images if isinstance(stack, FileStack) else ():
        total = None if image.sums is None else image.sums.total(image.layout.shape_yx[0])
        if total is not None:
            compare_sums(image.frame.path, image.image, total)


def _is_streamed(frame: FrameFile) -> bool:
    """Whether all there is in a file is one image whose rows can be summed while they are read."""
    return len(frame.hdus) == 1 and not frame.remarks and ImageOnDisk.find(frame).is_summed


def _padding_sum(frame: FrameFile) -> int:
    """Sum over what fills the last block behind the data."""
    layout = frame.image().layout
    if layout is None:
        return 0
    end = layout.data_offset + layout.byte_count
    return data_sum(read_bytes(frame.path, end, end + padded(layout.byte_count) - layout.byte_count))


def _warn(path: Path, remarks: Sequence[str]) -> None:
    for remark in remarks:
        warnings.warn(f"{path}: {remark}", HeaderWarning, stacklevel=2)
