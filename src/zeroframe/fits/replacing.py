"""What may be replaced by a file that is written: nothing, whatever is there, or one file that has been looked at."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from zeroframe.fits.store.names import UrlPath
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Overwrite", "Replaceable"]


@dataclass(frozen=True, slots=True)
class Replaceable:
    """One file that may be replaced, as it was when it was looked at.

    Whoever decides that a file may be replaced hands this to the writer, which compares it once more just before the
    new file gets the name. A file that has taken its place meanwhile, be it a link to a raw frame, is kept. It can be
    pickled: another process, on another machine, sees the same size, time and inode.

    Attributes
    ----------
    stamp : str
        On a disk size, time of modification and inode; in a store what changes there when the file changes.
    """

    stamp: str

    @classmethod
    def of(cls, path: Path) -> Replaceable | None:
        """Look at a file; return None where none is there, and for a link, a folder or a device.

        Raises
        ------
        FrameError
            When a store does not answer.
        OSError
            When the disk does not.
        """
        if isinstance(path, UrlPath):
            from zeroframe.fits.store.objects import ObjectStore

            there = ObjectStore.of(path).find(path.name)
            return None if there is None else cls(there.stamp)
        try:
            status = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        return cls(f"{status.st_size}.{status.st_mtime_ns}.{status.st_ino}")

    def is_still(self, path: Path) -> bool:
        """Say whether the file that has this name now is that one; raises as `of` does."""
        return bool(self.stamp) and Replaceable.of(path) == self


#: False: nothing; True: whatever is there, as a caller of the library may ask for; or one file.
Overwrite = bool | Replaceable
