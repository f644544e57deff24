"""Files that must not change between the first look at them and the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroframe.errors import FrameError
from zeroframe.fits.store.names import UrlPath

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["FileState", "Watch", "is_unchanged", "state_of"]

#: Device, inode, size, times of modification and change.
FileState = tuple[int, ...]


def is_unchanged(before: os.stat_result, after: os.stat_result) -> bool:
    """Say whether a file is the one that it was, as far as the system tells.

    Whoever writes into a file can put its time of modification back (``touch -d``, ``cp -p``, ``rsync -t``), but not
    the time of its last change of any kind (ctime). That of a new link to it or of other permissions counts, too.

    Parameters
    ----------
    before, after : os.stat_result
        Of one name, or of one open file.

    Examples
    --------
    >>> import os
    >>> is_unchanged(os.stat(os.curdir), os.stat(os.curdir))
    True
    """
    return _state(before) == _state(after)


def _state(status: os.stat_result) -> FileState:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


class Watch:
    """What files were when they were looked at first, so that it is seen when they are changed or replaced later.

    Objects of stores are not watched: of what is read there, sums and ETags tell. It can be used from many threads.
    """

    def __init__(self) -> None:
        self._first: dict[Path, FileState | None] = {}

    def look(self, paths: Iterable[Path]) -> None:
        """Look at files before they are read; those that have been looked at before stay what they were then."""
        for path in paths:
            if path not in self._first and not isinstance(path, UrlPath):
                self._first[path] = state_of(path)

    def renew(self, path: Path) -> None:
        """Look at a file that we ourselves have just written."""
        if not isinstance(path, UrlPath):
            self._first[path] = state_of(path)

    def check(self, paths: Iterable[Path]) -> None:
        """Look at files again after they have been read.

        Raises
        ------
        FrameError
            Which names the first that is another than it was.
        """
        for path in paths:
            if path in self._first and state_of(path) != self._first[path]:
                raise FrameError(path, "was changed while it was read", "see what else writes there, and run again")


def state_of(path: Path) -> FileState | None:
    """Return what changes when a file is changed or replaced; None where it is not there or cannot be reached."""
    try:
        return _state(path.stat())
    except OSError:  # it is not there, or not to be reached: reading it says why
        return None
