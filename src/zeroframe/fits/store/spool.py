"""Folders of the system's disk for files that are on their way to a store: gone when they are no longer needed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["remove_stale_folders", "temporary_folder"]

_PREFIX = "zeroframe-way-"
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
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with contextlib.suppress(OSError):  # a disk without locks: then what a crash leaves is left to the person
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY)
        except OSError:  # of somebody else, or just gone
            continue
        try:
            status = os.fstat(descriptor)
            if status.st_uid == os.getuid() and time.time() - status.st_mtime > _YOUNG_S:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder)
        except OSError:  # somebody is using it
            continue
        finally:
            os.close(descriptor)
    return removed
