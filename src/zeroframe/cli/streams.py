"""Standard output and standard error that may be closed, full, or go away while a command works.

The work goes on then, and the exit code tells how it ended. The first failure is remembered; after it the descriptor
leads to the null device, so that neither the rest of the output nor Python, when it leaves, fails over it again.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["LastingStream", "fill_descriptors", "lasting_streams"]

#: What a stream answers whose reader has gone, as ``head`` does when it has seen enough.
_READER_GONE = frozenset((errno.EPIPE, errno.ECONNRESET, *(() if os.name == "posix" else (errno.EINVAL,))))


def fill_descriptors() -> None:
    """Open the null device where standard input, output or error is closed.

    Otherwise the next file that is opened, a result perhaps, gets the number 1 or 2, and what a library prints with
    its own means is written into it.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free


class LastingStream:
    """A text stream whose failures are remembered and do not end the work.

    Parameters
    ----------
    stream : text stream or None
        What is written to; None where it is closed from the start.

    Attributes
    ----------
    failure : OSError or None
        The first one.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.failure: OSError | None = None
        if stream is None:
            self.failure = OSError(errno.EBADF, os.strerror(errno.EBADF))
        self._stream = stream

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- whatever a text stream has
        if self._stream is None:
            raise AttributeError(name)
        return getattr(self._stream, name)

    @property
    def encoding(self) -> str:
        """Of the stream; UTF-8 where there is none."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    @property
    def is_lost(self) -> bool:
        """Whether something that was written is nowhere, and not because its reader has seen enough."""
        return self.failure is not None and self.failure.errno not in _READER_GONE

    @property
    def was_closed(self) -> bool:
        """Whether it was closed from the start: whoever began the command does not want to read it."""
        return self.failure is not None and self.failure.errno == errno.EBADF

    def isatty(self) -> bool:
        """Say whether a person looks at it."""
        return self._stream is not None and self.failure is None and self._stream.isatty()

    def write(self, text: str) -> int:
        """Write a text, if that can be."""
        if self._stream is not None:
            self._attempt(self._stream.write, text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts, one after the other, if that can be."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hand over what was written, if that can be."""
        if self._stream is not None:
            self._attempt(self._stream.flush)

    def _attempt(self, do: Callable[..., object], *arguments: object) -> None:
        try:
            do(*arguments)
        except OSError as error:
            if self.failure is None:
                self.failure = error
            self._lead_nowhere()

    def _lead_nowhere(self) -> None:
        stream, self._stream = self._stream, None
        if stream is None:
            return
        try:
            descriptor = stream.fileno()
        except (OSError, ValueError):  # nothing of the system is behind it
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
        stream.flush()


@contextmanager
def lasting_streams() -> Iterator[tuple[LastingStream, LastingStream]]:
    """Put lasting streams in the place of `sys.stdout` and `sys.stderr` for the time of a block.

    Yields
    ------
    tuple of LastingStream
        Standard output, standard error; flushed when the block is over.
    """
    fill_descriptors()
    out, err = LastingStream(sys.stdout), LastingStream(sys.stderr)
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = cast("TextIO", out), cast("TextIO", err)
    try:
        yield out, err
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before
