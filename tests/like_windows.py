"""Runs `zeroframe` on a system that lacks what Windows lacks, and forbids what Windows forbids.

``python tests/like_windows.py ARGUMENTS`` hides fcntl and its kin, the functions and flags of `os` and `signal` that
Windows has not, and refuses to open a folder, to rename or remove a file that this process has open, and names with a
colon. Locks come from a stand-in of `msvcrt` that locks bytes, as there. Files that the product opens have to be opened
as binary ones.
"""

import getpass  # noqa: F401 -- like subprocess, it takes msvcrt for a sign of Windows when it is imported
import os
import stat
import subprocess  # noqa: F401
import sys
import tempfile
import types
from pathlib import Path

import numpy as np  # noqa: F401 -- on Linux it asks for the version of the kernel

MODULES = ("fcntl", "resource", "termios", "pwd", "grp", "posix_ipc", "tty", "pty")
FUNCTIONS = (
    "pread",
    "preadv",
    "pwrite",
    "pwritev",
    "readv",
    "writev",
    "getuid",
    "geteuid",
    "getgid",
    "uname",
    "sysconf",
    "sched_getaffinity",
    "mkfifo",
    "fork",
    "chown",
    "statvfs",
    "posix_fadvise",
    "sendfile",
    "copy_file_range",
    "O_NOFOLLOW",
    "O_NONBLOCK",
    "O_DIRECTORY",
    "O_CLOEXEC",
    "O_TMPFILE",
)
O_BINARY = 1 << 30
FORBIDDEN = set('<>:"|?*')


def sharing_violation(path):
    error = PermissionError(13, "The process cannot access the file because it is being used by another process", path)
    error.winerror = 32
    return error


def is_open(path):
    """Whether this process has a file open."""
    try:
        wanted = os.lstat(path)
    except OSError:
        return False
    if not stat.S_ISREG(wanted.st_mode):
        return False
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 -- numbers
        try:
            if os.path.samestat(os.fstat(int(name)), wanted):
                return True
        except OSError:
            continue
    return False


def strict_rename(real):
    def rename(source, target, **places):
        if not places:
            check_name(target)
            for path in (source, target):
                if is_open(path):
                    raise sharing_violation(path)
            if real.__name__ == "rename" and os.path.lexists(target):
                raise FileExistsError(17, "Cannot create a file when that file already exists", target)
        return real(source, target, **places)

    return rename


def strict_remove(real):
    def remove(path, **places):
        if not places and is_open(path):
            raise sharing_violation(path)
        return real(path, **places)

    return remove


def check_name(path):
    if FORBIDDEN & set(Path(os.fsdecode(path)).name):
        raise OSError(22, "The filename, directory name, or volume label syntax is incorrect", path)


def strict_open(real):
    def open_(path, flags, mode=0o777, **places):
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if Path(os.fsdecode(path)).is_dir():
            raise PermissionError(13, "Permission denied", path)
        if flags & os.O_CREAT:
            check_name(path)
        is_ours = caller.startswith("zeroframe.") and not caller.startswith("zeroframe.kernels")
        assert not is_ours or flags & O_BINARY or path == os.devnull, f"{caller} opens {path} as text"
        return real(path, flags & ~O_BINARY, mode, **places)

    return open_


def locking(fcntl):
    """A module that locks bytes at the position of a file, as Windows does it."""

    def lock(descriptor, mode, count):
        assert mode == module.LK_NBLCK
        try:
            # a lock of the open file, so that two within one process meet
            kind = types.SimpleNamespace(OFD_SETLK=37).OFD_SETLK
            import struct

            start = os.lseek(descriptor, 0, os.SEEK_CUR)
            fcntl.fcntl(descriptor, kind, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, start, count, 0))
        except (BlockingIOError, PermissionError) as error:
            raise PermissionError(13, "Permission denied") from error

    module = types.ModuleType("msvcrt")
    module.LK_NBLCK = 2
    module.locking = lock
    return module


def hide():
    import fcntl
    import signal

    tempfile.gettempdir()
    module = locking(fcntl)
    sys.modules |= dict.fromkeys(MODULES)
    sys.modules["msvcrt"] = module
    for name in FUNCTIONS:
        if hasattr(os, name):
            delattr(os, name)
    os.O_BINARY = O_BINARY
    tempfile._O_TMPFILE_WORKS = False  # asked of os when it was imported: older versions of numba are caught by it
    os.kill = None  # there it ends the process that it is asked about
    del signal.SIGHUP
    os.rename, os.replace = strict_rename(os.rename), strict_rename(os.replace)
    os.unlink, os.remove = strict_remove(os.unlink), strict_remove(os.remove)
    os.open = strict_open(os.open)


if __name__ == "__main__":
    hide()
    from zeroframe.__main__ import main

    main()
