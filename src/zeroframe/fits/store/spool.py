"""Folders of the system's disk for files that are on their way to a store: gone when they are no longer needed."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from zeroframe.fits.system import BINARY, NO_FOLLOW, lock_file

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["remove_stale_folders", "temporary_folder"]

_PREFIX = "zeroframe-way-"
#: What is locked while the folder is in use: folders themselves cannot be opened everywhere.
_LOCK_NAME = ".in-use"
#: A folder so young may not be locked yet by the process that has just made it.
_YOUNG_S = 60.0


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder for the time of a block, locked as a sign that it is in use.

    Yields
    ------
    pathlib.Path
        In the system's folder for temporary files (``TMPDIR``).
    """
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder:
        descriptor = os.open(Path(folder, _LOCK_NAME), os.O_RDWR | os.O_CREAT | os.O_EXCL | BINARY, 0o600)
        try:
            with contextlib.suppress(OSError):  # a disk without locks: then what a crash leaves is left to the person
                lock_file(descriptor)
            yield Path(folder)
        finally:
            os.close(descriptor)


def remove_stale_folders() -> list[Path]:
    """Remove the folders of processes that have been killed; those of living ones, and of other people, are left.

    Returns
    -------
    list of pathlib.Path
        What was removed.
    """
    removed = []
    for folder in sorted(Path(tempfile.gettempdir()).glob(f"{_PREFIX}*")):
        if _is_ours(folder) and not _is_in_use(folder / _LOCK_NAME):
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder)
    return removed


def _is_ours(folder: Path) -> bool:
    """Say whether a folder is one that this person has made, and not just now."""
    try:
        status = folder.lstat()
    except OSError:  # just gone
        return False
    is_own = not hasattr(os, "getuid") or status.st_uid == os.getuid()  # Windows has a folder for each person
    return is_own and stat.S_ISDIR(status.st_mode) and time.time() - status.st_mtime > _YOUNG_S


def _is_in_use(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDWR | BINARY | NO_FOLLOW)
    except FileNotFoundError:  # whoever made the folder died at once
        return False
    except OSError:
        return True
    try:
        lock_file(descriptor)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
