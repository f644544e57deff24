"""What is done on disks that know no hard links (FAT, exFAT) or no locks (some network disks).

Without hard links, a file gets a name that nobody has by a rename that does not replace (Linux, where the disk can do
that); else the name is reserved by an empty file, which is replaced at once. Whoever dies in between leaves the empty
file, and beside it the whole one, whose hidden name says that it is getting its own: by that the next run knows it.

Without locks, the number of the process that is writing, and its machine, stand in the hidden name.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from zeroframe.fits.system import BINARY, host_name, is_running

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LONGEST_NAME", "hidden_name", "is_of_dead", "is_part", "remove_reservation", "rename_to_new"]

#: Bytes of a file's own name that its hidden one has room for.
LONGEST_NAME = 255 - len(".") - len(".naming.4194304-0123abcd.part")
_HIDDEN = re.compile(r"\.(.+)\.(\d+)-([0-9a-f]{4})[0-9a-f]{4}\.part", re.DOTALL)
_NAMING = ".naming"
_RENAME_NOREPLACE, _AT_FDCWD = 1, -100  # of Linux


def hidden_name(name: str, note: str = "") -> str:
    """Return what a file is called until it gets its name: who writes it, and where, stands in it.

    Parameters
    ----------
    name : str
        The name that it shall have.
    note : str
        What more is to be known of it, as ``.inflated``.
    """
    short = os.fsdecode(os.fsencode(name)[:LONGEST_NAME])
    return f".{short}{note}.{os.getpid()}-{_machine()}{secrets.token_hex(2)}.part"


def is_part(name: str) -> bool:
    """Say whether a file is one that has not got its name yet.

    Examples
    --------
    >>> is_part(".a.fits.4711-0123abcd.part"), is_part("a.fits")
    (True, False)
    """
    return _HIDDEN.fullmatch(name) is not None


def is_of_dead(name: str) -> bool:
    """Say whether a hidden file is surely of a process that has died; of one of another machine that is not known."""
    match = _HIDDEN.fullmatch(name)
    if match is None or match[3] != _machine():
        return False
    return not is_running(int(match[2]))


@cache
def _machine() -> str:
    """Return four hexadecimal digits for this machine, or this container: process numbers are its own."""
    space = Path("/proc/self/ns/pid")
    return f"{crc32(f'{host_name()} {space.stat().st_ino if space.exists() else 0}'.encode()) & 0xFFFF:04x}"


def rename_to_new(source: Path, target: Path) -> None:
    """Give a file a name that no other file has.

    Raises
    ------
    FileExistsError
        When there is a file of that name.
    OSError
        What else the system says.
    """
    if _renamed_at_once(source, target):
        return
    naming = source.with_name(hidden_name(target.name, _NAMING))
    source.rename(naming)
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, 0o666))
        try:
            naming.replace(target)
        except OSError:
            target.unlink()
            raise
    finally:
        with contextlib.suppress(FileNotFoundError):  # it has got its name
            naming.unlink()


def _renamed_at_once(source: Path, target: Path) -> bool:
    """Rename where there is no file of that name; return False where system or disk cannot do that in one step."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "renameat2"):
        return False
    names = os.fsencode(source), os.fsencode(target)
    if library.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_NOREPLACE) == 0:
        return True
    number = ctypes.get_errno()
    if number == errno.EEXIST:
        raise FileExistsError(number, os.strerror(number), str(target))
    return False  # what else is wrong, the other way tells


def remove_reservation(hidden: Path) -> None:
    """Remove the empty file by which a writer that has died had reserved a name.

    Parameters
    ----------
    hidden : pathlib.Path
        What that writer left; where it says that it was getting its name.
    """
    for path in _reserved_by(hidden):
        with contextlib.suppress(FileNotFoundError):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) and status.st_size == 0:
                path.unlink()


def _reserved_by(hidden: Path) -> Iterator[Path]:
    match = _HIDDEN.fullmatch(hidden.name)
    if match is None or not match[1].endswith(_NAMING):
        return
    short = match[1].removesuffix(_NAMING)
    if len(os.fsencode(short)) < LONGEST_NAME:
        yield hidden.with_name(short)
    else:  # it was cut off there
        yield from (path for path in hidden.parent.iterdir() if path.name.startswith(short))
