"""One run in a folder at a time.

On a disk the system sees to that, and lets go of the folder when a run dies. A store has no such locks: see
`zeroframe.store_lock`. What is lost without the lock is time, and not results: each is put in its place whole.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from zeroframe.errors import OutputError, ZeroframeWarning
from zeroframe.io.atomic import output_error
from zeroframe.io.urls import UrlPath

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["LOCK_NAME", "HeldLock", "folder_lock"]

LOCK_NAME = ".zeroframe.lock"
# What disks that know no locks answer.
_NO_LOCKS = frozenset((errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP))


class HeldLock(Protocol):
    """A lock that this run has taken."""

    def require(self) -> None:
        """Raise `OutputError` when it is not held any more."""


class _HeldBySystem:
    """A lock that is held as long as the process lives."""

    def require(self) -> None:
        """Do nothing."""


@contextmanager
def folder_lock(folder: Path) -> Iterator[HeldLock]:
    """Hold the folder of results for one run.

    The lock is the system's (flock) on a file that is removed at the end. When the process dies, in whatever way, the
    system lets go of it: the file may stay, the lock does not.

    Parameters
    ----------
    folder : pathlib.Path
        Has to be there; or of a store.

    Yields
    ------
    HeldLock
        One of a store may be lost to another run, where this one has given no sign of life for a while.

    Raises
    ------
    OutputError
        When another run holds it, or the folder may not be written to.
    """
    path = folder / LOCK_NAME
    if isinstance(folder, UrlPath):
        from zeroframe.io.places import Place
        from zeroframe.store_lock import store_lock

        with store_lock(Place(str(folder)), LOCK_NAME) as held:
            yield held
        return
    descriptor = _opened(folder, path)
    try:
        _say_who(descriptor)
        yield _HeldBySystem()
    finally:
        # removed while it is held, so that whoever opened it meanwhile sees that it is not the one in the folder
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _holder() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}".encode("ascii", "replace").decode("ascii")


def _opened(folder: Path, path: Path) -> int:
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            raise output_error(path, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 200, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            who = f" ({holder})" if holder else ""
            reason = f"another run of zeroframe{who} is writing there"
            raise OutputError(folder, reason, "wait until it has ended, or choose another folder with -o") from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(descriptor)
                raise output_error(path, error) from error
            text = f"{folder}: this disk knows no locks; see to it that no other run writes there"
            warnings.warn(text, ZeroframeWarning, stacklevel=4)
            return descriptor
        if _is_in_place(descriptor, path):
            return descriptor
        os.close(descriptor)  # the run that held it has just ended and taken it away


def _is_in_place(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _say_who(descriptor: int) -> None:
    """Write down who holds it, for the sentence that the other run says; a full disk is no reason to stop."""
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{_holder()}\n".encode(), 0)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
