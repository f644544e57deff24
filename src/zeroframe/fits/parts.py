"""Arrays as the bytes that stand in a FITS file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zeroframe.errors import ArgumentError
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["StoredForm", "stored_bytes", "stored_chunks", "stored_form"]

_CHUNK_BYTES = 1 << 18  # swapped, summed and written or compressed while it is in the second-level cache


@dataclass(frozen=True, slots=True)
class StoredForm:
    """How an array is stored: BITPIX, the big-endian dtype, and BZERO of the sign convention (0 for none)."""

    bitpix: int
    dtype: np.dtype[Any]
    bzero: int


def stored_form(path: Path, data: np.ndarray[Any, Any]) -> StoredForm:
    """Return how an array is stored.

    Parameters
    ----------
    path : pathlib.Path
        The file, for the message.
    data : ndarray
        The array.

    Returns
    -------
    StoredForm

    Raises
    ------
    ArgumentError
        When FITS has no form for this dtype.
    """
    kind, size = data.dtype.kind, data.dtype.itemsize
    if kind == "f" and size in (4, 8):
        return StoredForm(-8 * size, np.dtype(f">f{size}"), 0)
    if kind == "b" or (kind == "u" and size == 1):
        return StoredForm(8, np.dtype("u1"), 0)
    if kind == "i" and size == 1:
        return StoredForm(8, np.dtype("u1"), -128)
    if kind in "iu":
        return StoredForm(8 * size, np.dtype(f">i{size}"), 1 << (8 * size - 1) if kind == "u" else 0)
    raise ArgumentError(
        f"{path}: an array of dtype {data.dtype} cannot be written as FITS; convert it to float32 first"
    )


def stored_bytes(data: np.ndarray[Any, Any], form: StoredForm) -> bytes:
    """Return all bytes of an array as they are stored."""
    return b"".join([bytes(chunk) for chunk in stored_chunks(data, form)])


def stored_chunks(data: np.ndarray[Any, Any], form: StoredForm) -> Iterator[memoryview]:
    """Yield the bytes of an array as they are stored, piece by piece.

    Parameters
    ----------
    data : ndarray
        The array. One that is contiguous and stored as it stands is not copied.
    form : StoredForm
        From `stored_form`.

    Yields
    ------
    memoryview
        Bytes, a multiple of four but for the last piece. The next piece may overwrite it, so use it before.
    """
    if data.dtype == form.dtype and data.flags.c_contiguous:
        yield data.reshape(-1).view(np.uint8).data
        return
    pieces = _pieces(data)
    scratch = np.empty(0, form.dtype)
    for piece in pieces:
        if piece.size > scratch.size:
            scratch = np.empty(piece.size, form.dtype)
        target = scratch[: piece.size].reshape(piece.shape)
        if form.bzero:
            size = form.dtype.itemsize
            unsigned = piece.view(piece.dtype.str.replace("i", "u"))
            np.bitwise_xor(unsigned, np.array(1 << (8 * size - 1), f"u{size}"), out=target.view(f">u{size}"))
        else:
            target[...] = piece
        yield scratch[: piece.size].view(np.uint8).data


def _pieces(data: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
    """Yield parts of an array in order, of a multiple of four pixels but for the last."""
    lines: np.ndarray[Any, Any]
    if data.flags.c_contiguous or data.ndim < 2:
        lines, step = data.reshape(-1), _CHUNK_BYTES // data.dtype.itemsize
    else:
        lines = data.reshape(-1, data.shape[-1])
        step = max(4, _CHUNK_BYTES // max(1, lines[:1].nbytes) // 4 * 4)
    for start in range(0, len(lines), step):
        yield lines[start : start + step]
