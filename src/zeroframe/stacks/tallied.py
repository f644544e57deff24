"""A stack of which it is counted, while its rows are read, what has been read: sums, and what is not finite."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zeroframe.fits.checksums import add_sums
from zeroframe.fits.fingerprint import Crc32, joined_crc32
from zeroframe.stacks.stack import FileStack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zeroframe.stacks.stack import Stack

__all__ = ["TalliedStack"]


class _Piece(NamedTuple):
    """Rows of a frame, one behind the other, that have been read, and what was counted in them."""

    first: int
    stop: int
    crc32: int = 0
    data_sum: int = 0
    not_finite: int = 0


class TalliedStack:
    """A stack of which it is counted, while each row of it is read once, what has been read.

    Parameters
    ----------
    stack : Stack
        The frames.
    """

    def __init__(self, stack: Stack) -> None:
        self.names = stack.names
        self.shape_yx = stack.shape_yx
        self.dtype = stack.dtype
        self._stack = stack
        images = stack.images if isinstance(stack, FileStack) else ()
        in_words = self.dtype.itemsize == 4
        # asked for with each band
        self._alone = [image if image.is_alone else None for image in images] or [None] * len(self.names)
        self._summed = [image if in_words and image.is_summed else None for image in images] or [None] * len(self.names)
        # what is read goes on where a piece ends, so that each frame has a few of them, however many its bands:
        # 4,000 full frames within 400 MB have four million
        self._pieces: list[list[_Piece]] = [[] for _ in stack.names]
        self._one_at_a_time = Lock()

    @property
    def masked(self) -> list[int]:
        """Values that are not finite, frame by frame."""
        return [sum(piece.not_finite for piece in pieces) for pieces in self._pieces]

    def data_sum(self, index: int) -> int | None:
        """Sum over the stored data of a frame, as DATASUM has it, padding left out; None where it was not taken."""
        image = self._summed[index]
        return None if image is None else add_sums(*(piece.data_sum for piece in self._pieces[index]))

    def data_crc32(self, index: int) -> tuple[int, int] | None:
        """CRC-32 of the image of a frame as it was read, and its number of bytes.

        None where it was not taken, as its file holds more than this image, or where not every row was read once.
        """
        image, pieces, ny = self._alone[index], sorted(self._pieces[index]), self.shape_yx[0]
        if image is None or [*(piece.first for piece in pieces), ny] != [0, *(piece.stop for piece in pieces)]:
            return None
        row_bytes = image.layout.byte_count // ny
        joined = joined_crc32((piece.crc32, (piece.stop - piece.first) * row_bytes) for piece in pieces)
        return joined, image.layout.byte_count

    def read_rows(self, index: int, rows: slice, out: NDArray[Any]) -> None:
        """Fill ``out`` with rows of one frame."""
        alone, summed = self._alone[index], self._summed[index]
        before = self._taken(index, rows.start)
        crc, total, not_finite = Crc32(before.crc32), 0, None
        if summed is not None:
            total, not_finite = summed.read_summed(rows, out, crc.update)
        elif alone is not None:
            alone.read_rows(rows, out, crc.update)
        else:
            self._stack.read_rows(index, rows, out)
        count = before.not_finite + (_not_finite(out) if not_finite is None else not_finite)
        read = _Piece(before.first, rows.stop, crc.value, add_sums(before.data_sum, total), count)
        with self._one_at_a_time:
            self._pieces[index].append(read)

    def _taken(self, index: int, row: int) -> _Piece:
        """Take out the piece that ends before a row, so that nobody else goes on with it; else return an empty one."""
        with self._one_at_a_time:
            pieces = self._pieces[index]
            place = next((place for place, piece in enumerate(pieces) if piece.stop == row), None)
            return _Piece(row, row) if place is None else pieces.pop(place)


def _not_finite(values: NDArray[Any]) -> int:
    # the sum of a band tells in a tenth of the time whether there is anything to count
    with np.errstate(all="ignore"):
        total = values.sum()
    return 0 if np.isfinite(total) else int(values.size - np.count_nonzero(np.isfinite(values)))
