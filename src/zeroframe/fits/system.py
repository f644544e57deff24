"""What systems call by other names, or do not have: locks of open files, reads at an offset, signs of life.

Linux and macOS have all of it. Windows has no `fcntl`, no `os.pread` and its kin, and neither renames nor removes a
file that somebody has open. What depends on that stands here, and nowhere else.

Locks are taken on files that are open already, since these were opened with care (no link is followed, nothing is cut
off) and hold a text that the next run reads. That is why `filelock` does not take them: it opens, and empties, files of
its own.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import threading
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

__all__ = [
    "BINARY",
    "MOVES_OPEN_FILES",
    "NO_FOLLOW",
    "NO_WAIT",
    "host_name",
    "is_folder",
    "is_hidden",
    "is_running",
    "legal_name",
    "lock_file",
    "read_at",
    "read_into",
    "read_into_at",
    "remove_held",
    "write_at",
    "write_some",
]


def _module(name: str) -> ModuleType | None:
    try:
        return import_module(name)
    except ImportError:
        return None


_FCNTL = _module("fcntl")
_MSVCRT = None if _FCNTL is not None else _module("msvcrt")
#: For `os.open`: bytes as they are (Windows changes line ends else), and not for processes that this one starts.
BINARY: int = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
#: For `os.open`: an error for a link, where the system can tell.
NO_FOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
#: For `os.open`: a pipe that nobody writes into is no reason to wait; Windows has none among its files.
NO_WAIT: int = getattr(os, "O_NONBLOCK", 0)
#: Whether a file can get another name, or lose its last one, while it is open: so it is where there is `fcntl`.
MOVES_OPEN_FILES = _FCNTL is not None

# Windows locks bytes against being read, too: this one is behind all that is ever written into such a file.
_LOCKED_BYTE = 2**30
_STILL_ACTIVE, _QUERY_LIMITED_INFORMATION = 259, 0x1000  # of Windows
# There a file has one position for all threads, which a read at an offset moves.
_POSITIONS = threading.Lock()
# What Windows allows in no name, and names that are devices there, whatever their ending is.
_NOT_IN_NAMES = re.compile(r'[<>:"|?*\\\x00-\x1f]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def lock_file(descriptor: int) -> None:
    """Lock an open file for this process; the system undoes that when the file is closed, or the process dies.

    Parameters
    ----------
    descriptor : int
        Of the file.

    Raises
    ------
    BlockingIOError
        When somebody has locked it.
    OSError
        When the disk, or the system, knows no locks (ENOLCK).

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file, open(file.name, "rb") as again:
    ...     lock_file(file.fileno())
    ...     lock_file(again.fileno())
    Traceback (most recent call last):
    BlockingIOError: ...
    """
    if _FCNTL is not None:
        _FCNTL.flock(descriptor, _FCNTL.LOCK_EX | _FCNTL.LOCK_NB)
        return
    if _MSVCRT is None:
        import errno

        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
    with _POSITIONS:
        before = os.lseek(descriptor, 0, os.SEEK_CUR)
        try:
            os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
            _MSVCRT.locking(descriptor, _MSVCRT.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(error.errno, error.strerror) from error
        finally:
            os.lseek(descriptor, before, os.SEEK_SET)


def read_into_at(descriptor: int, target: memoryview, offset: int) -> int:
    """Fill `target` from an offset of a file; return how many bytes came, which may be fewer; 0 at the end.

    Threads may do that with one file at a time; nothing else may use its position meanwhile.
    """
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [target], offset)
    with _POSITIONS:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return read_into(descriptor, target)


def read_at(descriptor: int, size: int, offset: int) -> bytes:
    """Return up to `size` bytes at an offset of a file; none at the end."""
    if hasattr(os, "pread"):
        return os.pread(descriptor, size, offset)
    with _POSITIONS:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, size)


def write_at(descriptor: int, data: bytes | memoryview, offset: int) -> int:
    """Write bytes at an offset of a file; return how many were written, which may be fewer."""
    if hasattr(os, "pwrite"):
        return os.pwrite(descriptor, data, offset)
    with _POSITIONS:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.write(descriptor, data)


def read_into(descriptor: int, target: memoryview) -> int:
    """Fill `target` from the position of a file; return how many bytes came; 0 at the end."""
    with io.FileIO(descriptor, closefd=False) as file:
        return file.readinto(target) or 0


def write_some(descriptor: int, buffers: list[memoryview]) -> int:
    """Write the first of several buffers, or more of them, at the position of a file; return how many bytes."""
    if hasattr(os, "writev"):
        return os.writev(descriptor, buffers)
    return os.write(descriptor, buffers[0])


def remove_held(path: Path, descriptor: int) -> None:
    """Remove a file that is there and that this process has open and locked, and close it.

    It is removed first where the system allows that: so nobody can take it for left over in between.

    Parameters
    ----------
    path : pathlib.Path
        One that has gone meanwhile is no error.
    descriptor : int
        Closed in any case.

    Raises
    ------
    OSError
        When it may not be removed.
    """
    try:
        if MOVES_OPEN_FILES:
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
    if not MOVES_OPEN_FILES:
        path.unlink(missing_ok=True)


def is_running(process: int) -> bool:
    """Say whether a process of this machine is there, whoever it belongs to.

    Parameters
    ----------
    process : int
        Its number.

    Examples
    --------
    >>> is_running(os.getpid())
    True
    """
    if MOVES_OPEN_FILES:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        except (PermissionError, OverflowError):  # of somebody else; no number that a process can have
            return True
        return True
    return _is_running_on_windows(process)


def _is_running_on_windows(process: int) -> bool:
    """Ask as Windows wants to be asked: there `os.kill` ends the process, whatever the signal is."""
    import ctypes

    library = getattr(ctypes, "windll", None)
    if library is None:
        return True  # nobody can tell: what may be somebody's is left to him
    handle = library.kernel32.OpenProcess(_QUERY_LIMITED_INFORMATION, 0, process)
    if not handle:
        return bool(ctypes.GetLastError() == 5)  # type: ignore[attr-defined]  # ERROR_ACCESS_DENIED: somebody else's
    try:
        code = ctypes.c_ulong()
        library.kernel32.GetExitCodeProcess(handle, ctypes.byref(code))
        return code.value == _STILL_ACTIVE
    finally:
        library.kernel32.CloseHandle(handle)


def host_name() -> str:
    """Return what this machine is called in its network."""
    if hasattr(os, "uname"):
        return os.uname().nodename
    import platform

    return platform.node()


def legal_name(name: str) -> str:
    """Return a name that a file of this system can have: as it is, but on Windows, where ``:`` names no file.

    Parameters
    ----------
    name : str
        Of a file in a store, perhaps, where every name is allowed.
    """
    if MOVES_OPEN_FILES:
        return name
    allowed = _NOT_IN_NAMES.sub("_", name).rstrip(". ")
    return f"_{allowed}" if _DEVICES.match(allowed) else allowed


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Say whether an entry is a folder; what is wrong with a link that leads nowhere is told when it is read."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def is_hidden(entry: os.DirEntry[str]) -> bool:
    """Say whether a file is one that folders do not show: by the dot of its name, or what Windows notes of it.

    Parameters
    ----------
    entry : os.DirEntry
        From `os.scandir`.
    """
    if entry.name.startswith("."):
        return True
    if MOVES_OPEN_FILES:  # so that nothing is asked for each file where there is no such note
        return False
    import stat

    with contextlib.suppress(OSError):
        attributes: int = getattr(entry.stat(follow_symlinks=False), "st_file_attributes", 0)
        return bool(attributes & stat.FILE_ATTRIBUTE_HIDDEN)
    return False
