"""One run in a folder at a time.

On a disk the system sees to that, and lets go of the folder when a run dies. A store has no such locks: see
`zeroframe.run.store_lock`. On a disk without locks a small file says who is writing: two that begin within the same
second may both make it; when a run is killed its file stays, and the next run on that machine sees that nobody has this
number any more and goes on; on another machine it cannot tell, says so, and leaves it to the person. What is lost
without the lock is time, and not results: each is put in its place whole.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import warnings
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

from zeroframe.errors import FolderBusyError, FolderLostError, OutputError, OutputExistsError, ZeroframeWarning
from zeroframe.fits.atomic import atomic_file, output_error, write_all
from zeroframe.fits.replacing import Overwrite, Replaceable
from zeroframe.fits.store.names import UrlPath
from zeroframe.fits.system import BINARY, NO_FOLLOW, is_running, lock_file, read_at, remove_held, write_at
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["LOCK_NAME", "RUN", "WATCH", "FolderLock", "HeldLock", "Purpose", "folder_lock"]

LOCK_NAME = ".zeroframe.lock"
_LONGEST_HOLDER = 400  # bytes: a number, and the name of a machine
# What the system answers where a link, or a socket, has the name of the lock.
_NO_FILE = frozenset((errno.ELOOP, errno.EMLINK, errno.ENXIO))
# What disks that know no locks answer.
_NO_LOCKS = frozenset((errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP))


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a folder is held for; for each it is held by one at a time.

    Attributes
    ----------
    lock_name : str
        Of the file that is locked.
    holder_name : str
        Of the file that says who holds it, on a disk without locks.
    who, does : str
        What is said of whoever holds it.
    """

    lock_name: str
    holder_name: str
    who: str
    does: str


#: To write results into it; and to do so whenever a frame arrives.
RUN = Purpose(LOCK_NAME, ".zeroframe.holder", "another run of zeroframe", "is writing there")
WATCH = Purpose(
    ".zeroframe.watch.lock", ".zeroframe.watch.holder", "another zeroframe watch", "puts there what it calibrates"
)


class HeldLock(Protocol):
    """A folder of results that this run holds."""

    def check(self) -> None:
        """Raise `FolderLostError` when it is not held any more."""


@dataclass(frozen=True, slots=True)
class FolderLock:
    """A folder of results on a disk that is held.

    Attributes
    ----------
    folder : pathlib.Path
        It.
    descriptor : int
        Of the open file that is locked.
    name : str
        Of that file.
    """

    folder: Path
    descriptor: int
    name: str = LOCK_NAME

    def check(self) -> None:
        """See to it that what is written now is written into the folder that is held, and not into one of its name.

        Raises
        ------
        FolderLostError
            When the folder was removed or replaced, or its lock was taken away.
        """
        try:
            held = _is_in_place(self.descriptor, self.folder / self.name)
        except OSError as error:  # the disk is gone
            reason = f"cannot be reached any more ({error.strerror})"
            raise FolderLostError(self.folder, reason, "see to that and run again") from error
        if not held:
            reason = "was removed or replaced while results were written into it"
            raise FolderLostError(self.folder, reason, "see who did that, and run again")


@contextmanager
def folder_lock(folder: Path, purpose: Purpose = RUN) -> Iterator[HeldLock]:
    """Hold the folder of results for one run, or one watch.

    The lock is the system's (flock) on a file that is removed at the end. When the process dies, in whatever way, the
    system lets go of it: the file may stay, the lock does not.

    Parameters
    ----------
    folder : pathlib.Path
        Has to be there; or of a store.
    purpose : Purpose, optional
        What for; a run in a folder does not ask whether it is watched.

    Yields
    ------
    HeldLock
        To be asked before anything is written. One of a store may be lost to another run, where this one has given no
        sign of life for a while.

    Raises
    ------
    FolderBusyError
        When another one holds it.
    OutputError
        When the folder may not be written to.
    """
    path = folder / purpose.lock_name
    if isinstance(folder, UrlPath):
        from zeroframe.fits.store.objects import ObjectStore
        from zeroframe.run.store_lock import store_lock

        with store_lock(ObjectStore(str(folder)), purpose.lock_name) as held:
            yield held
        return
    descriptor, is_locked = _opened(folder, path, purpose)
    is_open = True
    try:
        with nullcontext() if is_locked else _held_by_name(folder, purpose):
            try:
                _say_who(descriptor)
                yield FolderLock(folder, descriptor, purpose.lock_name)
            finally:
                is_open = False
                _take_away(descriptor, path)
    finally:
        if is_open:
            os.close(descriptor)


def _take_away(descriptor: int, path: Path) -> None:
    """Remove the file, so that whoever opened it meanwhile sees that it is not the one in the folder, and close it.

    One that is another now is another run's.
    """
    try:
        if _is_in_place(descriptor, path):
            remove_held(path, descriptor)
        else:
            os.close(descriptor)
    except OSError as error:
        text = f"{path}: this lock file cannot be removed ({error.strerror}); it stops nobody, and may be removed"
        warnings.warn(text, ZeroframeWarning, stacklevel=4)


@contextmanager
def _held_by_name(folder: Path, purpose: Purpose) -> Iterator[None]:
    own, path = _holder(), folder / purpose.holder_name
    try:
        _put_holder(path, own, overwrite=False)
    except OutputExistsError as error:
        holder = _said_there(path)
        if not _has_died(holder):
            reason = f"{purpose.who} ({holder}) {purpose.does}, or was killed there"
            advice = f"wait until it has ended; if it has been killed, remove {path} and run again"
            raise FolderBusyError(folder, reason, advice) from error
        _put_holder(path, own, overwrite=Replaceable.of(path) or False)
    except OutputError as error:
        raise OutputError(folder, error.reason, error.advice) from error
    try:
        yield
    finally:
        if _said_there(path) == own:
            path.unlink(missing_ok=True)


def _put_holder(path: Path, holder: str, *, overwrite: Overwrite) -> None:
    with atomic_file(path, overwrite=overwrite) as descriptor:
        write_all(descriptor, [holder.encode()])


def _said_there(path: Path) -> str:
    try:
        return path.read_bytes()[:_LONGEST_HOLDER].decode("ascii", "replace").strip()
    except FileNotFoundError:
        return "somebody"  # it has ended just now


def _has_died(holder: str) -> bool:
    """Say whether a run was on this machine, and its process is there no more."""
    number, _, host = holder.removeprefix("process ").partition(" on ")
    if host != socket.gethostname() or not number.isdigit():
        return False
    return not is_running(int(number))


def _holder() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}".encode("ascii", "replace").decode("ascii")


def _opened(folder: Path, path: Path, purpose: Purpose) -> tuple[int, bool]:
    """Open the file that is locked; say whether it is, which some disks cannot do."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | BINARY | NO_FOLLOW, 0o666)
        except OSError as error:
            if error.errno in _NO_FILE:
                raise _strange_lock(path) from error
            raise output_error(path, error) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise _strange_lock(path)
        try:
            lock_file(descriptor)
        except BlockingIOError as error:
            holder = read_at(descriptor, _LONGEST_HOLDER, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            who = f" ({holder})" if holder else ""
            reason = f"{purpose.who}{who} {purpose.does}"
            raise FolderBusyError(
                folder, reason, "wait until it has ended, or choose another folder with -o"
            ) from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(descriptor)
                raise output_error(path, error) from error
            text = f"{folder}: this disk knows no locks; see to it that no other run writes there"
            warnings.warn(text, ZeroframeWarning, stacklevel=4)
            return descriptor, False
        if _is_in_place(descriptor, path):
            _refuse_strange(descriptor, path)
            return descriptor, True
        os.close(descriptor)  # the run that held it has just ended and taken it away


def _refuse_strange(descriptor: int, path: Path) -> None:
    """Refuse a file that no run has written, or that has another name, too: it would be written to, and removed."""
    status = os.fstat(descriptor)
    said = read_at(descriptor, _LONGEST_HOLDER, 0)
    ours = status.st_nlink == 1 and status.st_size < _LONGEST_HOLDER
    if not ours or not (not said or said.startswith(b"process ")):
        os.close(descriptor)
        raise _strange_lock(path)


def _strange_lock(path: Path) -> OutputError:
    return OutputError(path, "is no lock that a run has left", "move it away, or choose another folder with -o")


def _is_in_place(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except (FileNotFoundError, NotADirectoryError):
        return False


def _say_who(descriptor: int) -> None:
    """Write down who holds it, for the sentence that the other run says; a full disk is no reason to stop."""
    try:
        os.ftruncate(descriptor, 0)
        write_at(descriptor, f"{_holder()}\n".encode(), 0)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
