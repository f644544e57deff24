"""What the tests of raw data share: everything in a folder as it is now, and mounts that end with their block."""

from __future__ import annotations

import ctypes
import os
import stat
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_MS_BIND, _MNT_DETACH = 4096, 2


def seal(path: Path) -> tuple[object, ...]:
    """Return what may not change of a file, a link, or a folder: what is in it, when it was changed, which it is."""
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return "link", path.readlink(), status.st_ino
    if stat.S_ISREG(status.st_mode):
        return "file", path.read_bytes(), status.st_mtime_ns, status.st_dev, status.st_ino
    return "folder", status.st_dev, status.st_ino


def sealed(*folders: Path) -> dict[Path, tuple[object, ...]]:
    """Return the seals of all that is in some folders, hidden files, too; links to folders are not entered."""
    return {
        path: seal(path)
        for folder in folders
        for top, within, names in os.walk(folder)
        for path in (Path(top, name) for name in (*within, *names))
    }


def broken(before: dict[Path, tuple[object, ...]]) -> list[str]:
    """Say what is not what it was."""
    return [
        f"{path} {'has been changed' if os.path.lexists(path) else 'is gone'}"
        for path, was in before.items()
        if not os.path.lexists(path) or seal(path) != was
    ]


@contextmanager
def bound(folder: Path, at: Path) -> Iterator[None]:
    """Give a folder another name until the block ends: a bind mount, without a program that has to be started."""
    if not mounts_are_allowed():
        pytest.skip("may not mount here")
    _mount(folder, at)
    try:
        yield
    finally:
        assert _libc().umount2(os.fsencode(at), _MNT_DETACH) == 0


def mounts_are_allowed() -> bool:
    """Whether this process may mount: root of a machine or of a container that is allowed to."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        one, other = Path(name, "a"), Path(name, "b")
        one.mkdir()
        other.mkdir()
        try:
            _mount(one, other)
        except OSError:
            return False
        return bool(_libc().umount2(os.fsencode(other), _MNT_DETACH) == 0)


def _mount(folder: Path, at: Path) -> None:
    if _libc().mount(os.fsencode(folder), os.fsencode(at), None, _MS_BIND, None):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(at))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
