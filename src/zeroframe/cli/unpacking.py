"""Unpack an archive that comes from elsewhere: plain files and folders, all of them inside, or nothing at all."""

from __future__ import annotations

import bz2
import os
import secrets
import shutil
import tarfile
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from zeroframe.errors import DamagedError, OutputError, OutputExistsError, UnsafeArchiveError
from zeroframe.fits.atomic import write_all
from zeroframe.fits.folders import make_folders

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["unpack_archive"]

_CHUNK_BYTES = 1 << 20
_LONGEST_READ = 16 << 20
_MOST_FILES = 2000
_MOST_BYTES = 16 << 30
# Header, padding, and the records of a long name.
_MEMBER_OVERHEAD = 4096
_GET_AGAIN = "delete it and get it again"
_ADVICE = "do not use it; tell those who publish it"


def unpack_archive(
    archive: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    most_files: int = _MOST_FILES,
    most_bytes: int = _MOST_BYTES,
) -> list[Path]:
    """Unpack a ``.tar.bz2`` so that the folder is there whole or not at all.

    Only plain files and folders are unpacked. Everything is written to a hidden folder beside the target, with
    permissions of our own, and renamed at the end. When all stands in one folder within the archive, that one becomes
    ``folder``, whatever it is called. Files whose names begin with ``._`` (what macOS adds to archives) are left out.

    Parameters
    ----------
    archive : path
        The archive.
    folder : path
        What shall be made of it.
    most_files, most_bytes : int, optional
        More than that is refused: an archive of 1 kB can hold any number of zeros.

    Returns
    -------
    list of Path
        The files, sorted.

    Raises
    ------
    UnsafeArchiveError
        When a member has an absolute path, climbs out, is a link or a device, or when there is too much of it.
    DamagedError
        When the archive cannot be read to its end.
    OutputExistsError
        When the folder is there already.
    OutputError
        When the system refuses to write, or the disk has no room.
    """
    archive, folder = Path(archive), Path(folder)
    if os.path.lexists(folder):
        raise OutputExistsError(folder, "is there already", "choose another place")
    hidden = folder.with_name(f".{folder.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        with _writing(hidden):
            hidden.mkdir()
        with _reading(archive), bz2.open(archive) as inflated:
            bounded = cast("BinaryIO", _Bounded(archive, inflated, most_bytes + most_files * _MEMBER_OVERHEAD))
            with tarfile.open(fileobj=bounded, mode="r:") as members:
                _unpack_members(archive, members, hidden, most_files, most_bytes)
            _read_to_the_end(archive, bounded)
        with _writing(folder):
            _whole(archive, hidden).rename(folder)
    finally:
        if hidden.exists():
            shutil.rmtree(hidden)
    return sorted(path for path in folder.rglob("*") if path.is_file())


class _Bounded:
    """A file that is read forwards, up to a limit, in pieces that fit into the memory.

    tarfile reads the records that describe a member in one piece, however long they claim to be.
    """

    def __init__(self, archive: Path, file: IO[bytes], most_bytes: int) -> None:
        self._archive, self._file, self._most_bytes = archive, file, most_bytes

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, position: int) -> int:
        self._check(position)
        return self._file.seek(position)

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _LONGEST_READ:
            raise UnsafeArchiveError(self._archive, f"has a header of {size} bytes", _ADVICE)
        content = self._file.read(size)
        self._check(self.tell())
        return content

    def _check(self, position: int) -> None:
        if position > self._most_bytes:
            raise UnsafeArchiveError(self._archive, f"inflates to more than {self._most_bytes} bytes", _ADVICE)


def _unpack_members(archive: Path, members: tarfile.TarFile, hidden: Path, most_files: int, most_bytes: int) -> None:
    """Write every file of an archive into a folder that is new, and so has no links in it."""
    total = 0
    for number, member in enumerate(members, start=1):
        total += member.size
        if number > most_files:
            raise UnsafeArchiveError(archive, f"holds more than {most_files} files", _ADVICE)
        if total > most_bytes:
            raise UnsafeArchiveError(archive, f"holds more than {most_bytes} bytes", _ADVICE)
        path = hidden / _inner_path(archive, member, hidden)
        if path.name.startswith("._"):
            continue
        taken = path.is_dir() and not member.isdir()
        if taken or any(place.is_file() for place in (path, *path.parents)):
            raise UnsafeArchiveError(archive, f"holds {member.name!r} twice", _ADVICE)
        _write_member(members, member, path)


def _read_to_the_end(archive: Path, file: BinaryIO) -> None:
    """See that nothing but zeros follows.

    bzip2 checks a block when it has been read whole, and tarfile takes a header that makes no sense for the end.
    """
    while chunk := file.read(_CHUNK_BYTES):
        if chunk.count(0) < len(chunk):
            raise DamagedError(archive, "is damaged (something follows its last file)", _GET_AGAIN)


def _inner_path(archive: Path, member: tarfile.TarInfo, hidden: Path) -> PurePosixPath:
    """Return where a member belongs; refuse what is no plain file or folder inside."""
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or "\0" in member.name or "\\" in member.name:
        raise UnsafeArchiveError(archive, f"holds {member.name!r}, a path that leads out of the folder", _ADVICE)
    plain = member.type in {tarfile.REGTYPE, tarfile.AREGTYPE} and member.sparse is None
    if not (plain or member.isdir()):
        raise UnsafeArchiveError(archive, f"holds {member.name!r}, which is neither a file nor a folder", _ADVICE)
    if hasattr(tarfile, "data_filter"):  # Python 3.11.4 and later: a second opinion
        try:
            tarfile.data_filter(member, str(hidden))
        except tarfile.FilterError as error:
            raise UnsafeArchiveError(archive, f"holds {member.name!r} ({error})", _ADVICE) from error
    return name


def _write_member(members: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    """Write one file or folder, with permissions of our own."""
    with _writing(path):
        make_folders(path if member.isdir() else path.parent)
    if member.isdir():
        return
    free = shutil.disk_usage(path.parent).free
    if member.size > free:
        raise OutputError(
            path, f"needs {member.size} bytes, but {free} are free", "make room on the disk and run again"
        )
    source = members.extractfile(member)
    if source is None:
        raise tarfile.ReadError(f"{member.name} has no content")
    with _writing(path):
        target = path.open("xb", buffering=0)
    with source, target:
        while chunk := source.read(_CHUNK_BYTES):
            with _writing(path):
                write_all(target.fileno(), [chunk])


def _whole(archive: Path, hidden: Path) -> Path:
    """Return the folder in which all of the archive's files stand."""
    entries = list(hidden.iterdir())
    if not entries:
        raise DamagedError(archive, "holds no files", _ADVICE)
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else hidden


def refuse_others(folder: Path, whole: Path) -> None:
    """Refuse to remove what is not in an archive, byte by byte; what is cut off is of no use to anybody.

    Parameters
    ----------
    folder : pathlib.Path
        What is there, and would be replaced.
    whole : pathlib.Path
        The archive, unpacked.

    Raises
    ------
    OutputExistsError
        Which names the first file that is not from the archive, or has been changed.
    """
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            continue
        if path.is_symlink() or not path.is_file() or not _begins_as(path, whole / path.relative_to(folder)):
            reason = f"holds {path.relative_to(folder)}, which is not from the archive, or has been changed"
            raise OutputExistsError(folder, reason, "move the folder away")


def _begins_as(path: Path, other: Path) -> bool:
    """Say whether all that is in one file stands at the beginning of the other."""
    if not other.is_file():
        return False
    with path.open("rb") as file, other.open("rb") as whole:
        while piece := file.read(_CHUNK_BYTES):
            if whole.read(len(piece)) != piece:
                return False
    return True


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Say what the system refuses to write."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            path, f"cannot be written ({error.strerror or error})", "see to that and run again"
        ) from error


@contextmanager
def _reading(archive: Path) -> Iterator[None]:
    """Say what is wrong with an archive that cannot be read."""
    try:
        yield
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DamagedError(archive, f"is damaged ({error})", _GET_AGAIN) from error
