"""A file that is there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zeroframe.errors import OutputError, OutputExistsError
from zeroframe.fits.odd_disks import hidden_name, is_of_dead, is_part, remove_reservation, rename_to_new
from zeroframe.fits.replacing import Overwrite, Replaceable
from zeroframe.fits.store.names import UrlPath, as_path
from zeroframe.fits.system import (
    BINARY,
    MOVES_OPEN_FILES,
    NO_FOLLOW,
    NO_WAIT,
    lock_file,
    remove_held,
    write_some,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = [
    "INFLATED",
    "atomic_file",
    "is_freed",
    "is_part",
    "output_error",
    "remove_dead_parts",
    "remove_stale_parts",
    "write_all",
]

#: In the hidden name of a file that its writer does not hold open while others read it.
INFLATED = ".inflated"
_MOST_BEGINNINGS = 20
_MOST_BUFFERS = 1024  # IOV_MAX of Linux and macOS
_ADVICE = {
    errno.ENOSPC: "make room on the disk and run again",
    errno.EDQUOT: "make room within the quota and run again",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f) and run again",
    errno.EACCES: "choose a folder that may be written to",
    errno.EPERM: "choose a folder that may be written to",
    errno.EROFS: "choose a folder on a disk that may be written to",
    errno.ENOENT: "create the folder first",
    errno.ENOTDIR: "choose a folder, not a file",
    errno.EISDIR: "choose another name, or move the folder away",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "raise the limit on open files (ulimit -n) and run again",
}
_EXISTS = "there is a file of that name already"
_EXISTS_ADVICE = "choose another name, or move it away"
# What Windows answers where a file is open in another program: a sharing or lock violation.
_OPEN_ELSEWHERE = frozenset((32, 33))
# What file systems without hard links answer (FAT, some network disks).
_NO_LINKS = frozenset((errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL))


@contextmanager
def atomic_file(path: str | os.PathLike[str], *, overwrite: Overwrite = False) -> Iterator[int]:
    """Open a hidden file beside `path` for writing; give it that name when the block ends well.

    Whatever ends the block otherwise, the hidden file is removed and what stood at `path` is untouched. Nothing is
    forced to the disk (fsync): after a power failure a file that was just written may be lost. For a place in a store
    the hidden file is in the system's folder for such files, and is put there when the block ends well.

    Parameters
    ----------
    path : path-like
        The name that the file shall have. Its folder must be there.
    overwrite : bool or Replaceable
        False: a file of that name is kept, one that appears there meanwhile, too. True: it is replaced, whatever it is.
        Else only the file that was looked at is replaced: what has taken its place meanwhile is kept.

    Yields
    ------
    int
        Descriptor of the open file.

    Raises
    ------
    OutputExistsError
        When there is a file of that name that may not be replaced.
    OutputError
        When the system refuses to write, say because the disk is full.
    """
    path = as_path(path)
    if isinstance(path, UrlPath):
        from zeroframe.fits.store.objects import file_to_put

        with file_to_put(path, overwrite=overwrite) as descriptor:
            yield descriptor
        return
    if not overwrite and os.path.lexists(path) and not is_freed(path):
        raise _exists_error(path)
    if _is_special(path):  # root could put a file in the place of /dev/null
        raise OutputExistsError(path, "is a pipe or a device, not a file", _EXISTS_ADVICE)
    try:
        descriptor, hidden = _begun(path)
        is_held = True  # so long it is locked, and nobody takes it for left over
        try:
            yield descriptor
            os.close(os.dup(descriptor))  # what a network disk cannot take it says when a file is closed
            if not MOVES_OPEN_FILES:
                is_held = False
                os.close(descriptor)
            _give_name(hidden, path, overwrite=overwrite)
        finally:
            if is_held:
                remove_held(hidden, descriptor)
            else:
                hidden.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(path, error) from error


def _is_special(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except OSError:  # not there, or whoever opens it says why
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode))


def is_freed(path: Path) -> bool:
    """Remove the empty file by which a writer that has died had reserved this name; say whether nobody has it now."""
    with contextlib.suppress(FileNotFoundError):
        if path.lstat().st_size == 0:
            for name in _parts_in(path.parent):
                if name.startswith(f".{path.name}."):
                    _is_removed(path.with_name(name))
    return not os.path.lexists(path)


def _begun(path: Path) -> tuple[int, Path]:
    """Open a hidden file that is marked as one that somebody is writing."""
    for _ in range(_MOST_BEGINNINGS):
        hidden = path.with_name(hidden_name(path.name))
        with contextlib.suppress(FileExistsError):  # another thread has drawn the same number
            descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, 0o666)
            if _is_marked_as_alive(descriptor, hidden):
                return descriptor, hidden
            os.close(descriptor)
    raise OutputError(path, "cannot be written (its hidden file is removed again and again)", "see who does that")


def remove_stale_parts(folder: Path) -> list[str]:
    """Remove hidden files of writers that have died; those of living ones are left to them.

    It is for those who hold the lock of the folder.

    Parameters
    ----------
    folder : pathlib.Path
        Where to look; subfolders are not entered.

    Returns
    -------
    list of str
        The names of what was removed.

    Raises
    ------
    OutputError
        When one of them may not be removed.
    """
    if isinstance(folder, UrlPath):
        return _remove_parts_of_store(folder)
    return [name for name in _parts_in(folder) if _is_removed(folder / name)]


def remove_dead_parts(folder: Path) -> list[str]:
    """Remove hidden files of writers that have died, without holding the lock of the folder; of a disk.

    Those that a run reads which does not hold them open are left to whoever gets that lock.

    Raises
    ------
    OutputError
        When one of them may not be removed, or the folder not be read.
    """
    return [name for name in _parts_in(folder) if f"{INFLATED}." not in name and _is_removed(folder / name)]


def _parts_in(folder: Path) -> list[str]:
    try:
        return sorted(filter(is_part, os.listdir(folder)))  # noqa: PTH208 -- names, of which most are none of ours
    except OSError as error:
        raise OutputError(folder, f"cannot be read ({error.strerror})", "choose another folder") from error


def _is_removed(path: Path) -> bool:
    """Remove a hidden file, and what it had reserved, if nobody is writing it."""
    try:
        descriptor = os.open(path, os.O_WRONLY | BINARY | NO_FOLLOW | NO_WAIT)
        try:
            left_over = _is_left_over(descriptor, path.name)
            if left_over:
                remove_reservation(path)
                if MOVES_OPEN_FILES:
                    path.unlink()
        finally:
            os.close(descriptor)
        if left_over and not MOVES_OPEN_FILES:
            path.unlink()
    except FileNotFoundError:  # somebody has just finished it
        return False
    except OSError as error:
        reason = f"is left over from a run that has died, and cannot be removed ({error.strerror})"
        raise OutputError(path, reason, "remove it, and run again") from error
    return left_over


def _is_left_over(descriptor: int, name: str) -> bool:
    try:
        lock_file(descriptor)
    except BlockingIOError:
        return False
    except OSError:  # a disk without locks
        return is_of_dead(name)
    return MOVES_OPEN_FILES or is_of_dead(name)  # elsewhere a file is let go just before it gets its name


def _remove_parts_of_store(folder: UrlPath) -> list[str]:
    """Remove hidden files of a store: nobody else is writing there, since only who holds the lock looks for them."""
    parts = [path for path in folder.iterdir() if is_part(path.name)] if folder.is_dir() else []
    for path in parts:
        path.unlink(missing_ok=True)
    return [path.name for path in parts]


def _is_marked_as_alive(descriptor: int, hidden: Path) -> bool:
    """Lock the file that is being written, which the system undoes when the process dies.

    False where somebody has taken it for left over in the moment before.
    """
    try:
        lock_file(descriptor)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a disk without locks: the name tells who is writing
    return hidden.exists()


def write_all(descriptor: int, buffers: Iterable[bytes | memoryview]) -> None:
    """Write every byte of the buffers, which the system may do in several steps.

    Parameters
    ----------
    descriptor : int
        Open for writing.
    buffers : iterable of bytes or memoryview of bytes
        In the order in which they are written.

    Raises
    ------
    OSError
        What the system says.
    """
    waiting = [memoryview(buffer) for buffer in buffers if len(buffer)]
    while waiting:
        written = write_some(descriptor, waiting[:_MOST_BUFFERS])
        while waiting and written >= len(waiting[0]):
            written -= len(waiting.pop(0))
        if written:
            waiting[0] = waiting[0][written:]


def _give_name(hidden: Path, path: Path, *, overwrite: Overwrite) -> None:
    # looked at here, microseconds before: between planning and this there are hours
    if overwrite is True or (isinstance(overwrite, Replaceable) and overwrite.is_still(path)):
        hidden.replace(path)
        return
    try:
        path.hardlink_to(hidden)  # fails where a file of that name has appeared; renaming would replace it
    except FileExistsError as error:
        raise _exists_error(path) from error
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        try:
            rename_to_new(hidden, path)
        except FileExistsError as there:
            raise _exists_error(path) from there


def _exists_error(path: Path) -> OutputError:
    if path.is_dir() and not path.is_symlink():
        return output_error(path, IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)))
    return OutputExistsError(path, _EXISTS, _EXISTS_ADVICE)


def output_error(path: Path, error: OSError) -> OutputError:
    """Return what the system says as an error that names the file and what to do."""
    advice = _ADVICE.get(error.errno or 0, "see to that and run again")
    if getattr(error, "winerror", None) in _OPEN_ELSEWHERE:
        advice = "close the program that has it open, and run again"
    return OutputError(path, f"cannot be written ({error.strerror or error})", advice)
