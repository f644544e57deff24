"""Whether files are what they were when they were written: told while their pixels are read, where that can be."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from zeroframe.errors import FrameError, HeaderWarning
from zeroframe.fits.checksums import add_sums, data_sum
from zeroframe.fits.failures import attempt
from zeroframe.fits.fingerprint import Crc32, file_crc32, joined_crc32
from zeroframe.fits.layout import padded
from zeroframe.fits.read import read_bytes
from zeroframe.fits.verify import check_file, compare_sums
from zeroframe.stacks.stack import FileStack, ImageOnDisk
from zeroframe.workers import map_threads

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zeroframe.fits import FrameFile
    from zeroframe.headers.survey import RawFrame
    from zeroframe.stacks.stack import Stack
    from zeroframe.stacks.tallied import TalliedStack

__all__ = ["InputSums", "require_sums"]


class InputSums:
    """Sums of the files that are combined: what each is named by is the CRC-32 of all its bytes.

    SHA-256 would name them as raw frames are named elsewhere, but cannot be taken of rows that are read in any order,
    and to read 25 calibrated frames of 34 MB through before would take a fifth of the time in which they are combined:
    16 ms a frame, where the CRC-32 of rows that were just read takes 1 ms.

    Parameters
    ----------
    items : sequence of RawFrame
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

    def __init__(self, items: Sequence[RawFrame], *, check: bool, workers: int | None) -> None:
        self.check = check
        self._frames = {item.path: item.frame for item in items if item.frame is not None}
        self._crc32: dict[Path, int] = {}
        self.damaged: tuple[str, ...] = ()
        if all(_is_streamed(frame) for frame in self._frames.values()):
            self.sound = tuple(self._frames)
            return
        found = dict(zip(self._frames, map_threads(self._read_through, self._frames, workers), strict=True))
        self._crc32 = {path: crc32 for path, crc32 in found.items() if isinstance(crc32, int)}
        self.sound = tuple(self._crc32)
        self.damaged = tuple(str(error) for error in found.values() if isinstance(error, FrameError))

    def word(self, path: Path) -> str:
        """Return what tells the bytes of a file from others, once it has been read, and whether it has lost some."""
        layout = self._frames[path].image().layout
        lossy = ", quantised" if layout is not None and layout.quantised else ""
        return f"crc32 {self._crc32[path]:08x}{lossy}"

    def compare(self, paths: Sequence[Path], stack: TalliedStack) -> None:
        """Compare what was combined of the files with their headers, and with what was read of them before.

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
        FrameError
            Which names the first file that was changed meanwhile.
        """
        for index, path in enumerate(paths):
            read, total = stack.data_crc32(index), stack.data_sum(index)
            if read is None:
                continue
            frame = self._frames[path]
            before, behind = _around(frame)
            whole = joined_crc32([_piece(before), read, _piece(behind)])
            if not before.startswith(frame.hdus[0].stored_cards.text) or whole != self._crc32.get(path, whole):
                raise FrameError(path, "was changed while it was read", "run again")
            if self.check and total is not None and path not in self._crc32:
                said = compare_sums(path, frame.hdus[0], add_sums(total, data_sum(behind)))
                _warn(path, (*frame.remarks, *said))
            self._crc32[path] = whole

    def _read_through(self, path: Path) -> int | FrameError:
        if not self.check:
            return attempt(path, lambda: file_crc32(path)[0])
        checked = attempt(path, check_file, path)
        if isinstance(checked, FrameError):
            return checked
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
    whole = len(frame.hdus) == 1 and not frame.remarks and not frame.is_abridged
    return whole and ImageOnDisk.find(frame).is_summed


def _around(frame: FrameFile) -> tuple[bytes, bytes]:
    """Read what stands before the data of a file with one image, and what fills the last block behind them."""
    hdu = frame.hdus[0]
    end = hdu.data_offset + hdu.data_bytes
    behind = read_bytes(frame.path, end, hdu.data_offset + padded(hdu.data_bytes))
    return read_bytes(frame.path, 0, hdu.data_offset), behind


def _piece(data: bytes) -> tuple[int, int]:
    crc = Crc32()
    crc.update(data)
    return crc.value, len(data)


def _warn(path: Path, remarks: Sequence[str]) -> None:
    for remark in remarks:
        warnings.warn(f"{path}: {remark}", HeaderWarning, stacklevel=2)
