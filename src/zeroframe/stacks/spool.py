"""Frames that were inflated, in one temporary file: of a thousand of them no more than one file is open."""

from __future__ import annotations

import os
import tempfile
import weakref
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import OutputError
from zeroframe.fits.system import read_into_at, write_at
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Spool", "SpooledStack"]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an image stands in the temporary file, as what, and where its mask does."""

    offset: int
    dtype: np.dtype[Any]
    mask_offset: int | None


class Spool:
    """One temporary file without a name for all frames of a stack that are inflated: there may be thousands of them.

    Parameters
    ----------
    folder : pathlib.Path or None
        Where it is made; None: in the system's folder.

    Raises
    ------
    OutputError
        When it cannot be made.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._where = tempfile.gettempdir() if folder is None else folder
        self._end = 0
        self._lock = Lock()
        try:
            with tempfile.TemporaryFile(dir=self._where) as file:
                self._descriptor = os.dup(file.fileno())
        except OSError as error:
            raise self._no_room(error) from error
        weakref.finalize(self, os.close, self._descriptor)

    def put(self, pixels: NDArray[Any], mask: NDArray[np.bool_] | None) -> _Place:
        """Write an image and its mask behind what is there; raises `OutputError` when there is no room."""
        return _Place(self._append(pixels), pixels.dtype, None if mask is None else self._append(mask))

    def read(self, offset: int, out: NDArray[Any]) -> None:
        """Fill a contiguous array with what stands at a place; raises `OutputError` when that cannot be read."""
        target = out.reshape(-1).view(np.uint8).data
        done = 0
        try:
            while done < len(target) and (count := read_into_at(self._descriptor, target[done:], offset + done)):
                done += count
        except OSError as error:
            raise self._no_room(error) from error
        if done < len(target):
            raise OutputError(self._where, "has lost what was put into a temporary file there", "run again")

    def _append(self, array: NDArray[Any]) -> int:
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        with self._lock:
            offset, self._end = self._end, self._end + len(data)
        done = 0
        try:
            while done < len(data):
                done += write_at(self._descriptor, data[done:], offset + done)
        except OSError as error:
            raise self._no_room(error) from error
        return offset

    def _no_room(self, error: OSError) -> OutputError:
        return OutputError(
            self._where,
            f"cannot hold the inflated frames ({error.strerror or error})",
            "make room, set TMPDIR to another folder, or raise the memory limit",
        )


@dataclass(frozen=True)
class SpooledStack:
    """Frames that have been inflated into a temporary file.

    Attributes
    ----------
    spool : Spool
        The file.
    places : tuple
        Where each frame stands in it.
    names : tuple of str
        What each frame is called.
    shape_yx : tuple of int
        Shape of each frame.
    dtype : dtype
        float64 where any frame needs it, else float32.
    """

    spool: Spool
    places: tuple[_Place, ...]
    names: tuple[str, ...]
    shape_yx: tuple[int, int]
    dtype: np.dtype[Any]

    def read_rows(self, index: int, rows: slice, out: NDArray[Any]) -> None:
        """Fill ``out`` with rows of one frame, NaN where masked."""
        place = self.places[index]
        before = rows.start * self.shape_yx[1]
        if place.dtype == out.dtype:
            self.spool.read(place.offset + before * out.itemsize, out)
        else:
            stored = np.empty(out.shape, place.dtype)
            self.spool.read(place.offset + before * place.dtype.itemsize, stored)
            np.copyto(out, stored, casting="same_kind")
        if place.mask_offset is not None:
            mask = np.empty(out.shape, np.bool_)
            self.spool.read(place.mask_offset + before, mask)
            out[mask] = np.nan
