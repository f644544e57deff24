"""Text files that a person writes, and run.json: read whole, but never more of them than they can sensibly have."""

from __future__ import annotations

import errno
import os
import select
import stat
from typing import TYPE_CHECKING

from zeroframe.fits.store.names import UrlPath

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LIST_BYTES", "RECORD_BYTES", "SETTINGS_BYTES", "read_beginning", "read_small_file", "require_file"]

#: A camera or a recipe; a list of half a million frames; what run.json says of 30,000 (1.5 to 4 kB each).
SETTINGS_BYTES, LIST_BYTES, RECORD_BYTES = 1 << 20, 1 << 26, 1 << 27
_PIECE_BYTES = 1 << 20
#: So long somebody may take who writes into a pipe.
_PATIENCE_S = 10


def read_small_file(path: Path, most_bytes: int) -> bytes:
    """Return what stands in a file.

    Parameters
    ----------
    path : pathlib.Path
        The file; something endless, such as /dev/zero, is read no further either. A pipe is read until it is closed.
    most_bytes : int
        How many bytes it may have.

    Raises
    ------
    OSError
        When it cannot be read, has more bytes (EFBIG), or is a pipe through which nothing comes (ETIMEDOUT).

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = Path(folder, "a.toml").write_text("a = 1")
    ...     read_small_file(Path(folder, "a.toml"), 100)
    b'a = 1'
    """
    content = read_beginning(path, most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"it has more than the {most_bytes:,} bytes that such a file may have")
    return content


def require_file(path: Path) -> None:
    """Raise `OSError` for a pipe or a device, which may be waited for without end; a folder says so when it is read."""
    if isinstance(path, UrlPath):
        return
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file")


def read_beginning(path: Path, most_bytes: int) -> bytes:
    """Return what stands at the beginning of a file, at most so many bytes; raises `OSError` when it cannot be read."""
    content = bytearray()
    if not isinstance(path, UrlPath) and path.is_fifo():
        return _read_pipe(path, most_bytes)
    with path.open("rb") as file:
        # piece by piece: asked for all at once, Python takes memory for so many bytes, however few there are
        while piece := file.read(min(_PIECE_BYTES, most_bytes - len(content))):
            content += piece
    return bytes(content)


def _read_pipe(path: Path, most_bytes: int) -> bytes:
    """Return what somebody writes into a pipe; to open it in the usual way would wait for ever where nobody does."""
    content = bytearray()
    pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        waiting = select.poll()
        waiting.register(pipe, select.POLLIN)
        while len(content) < most_bytes:
            if not waiting.poll(1000 * _PATIENCE_S):
                raise OSError(errno.ETIMEDOUT, f"it is a pipe, and nothing came through it in {_PATIENCE_S} s")
            piece = os.read(pipe, min(_PIECE_BYTES, most_bytes - len(content)))
            if not piece:
                break
            content += piece
    finally:
        os.close(pipe)
    return bytes(content)
