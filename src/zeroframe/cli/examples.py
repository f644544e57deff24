"""The example data of the CCD Data Reduction Guide: downloaded by pooch, checked and unpacked."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from zeroframe.cli.download import Connection, RemoteFile, check_url, download
from zeroframe.cli.unpacking import refuse_others, unpack_archive
from zeroframe.errors import (
    DownloadError,
    FolderBusyError,
    FrameError,
    OutputError,
    OutputExistsError,
    UsageError,
    nearest_name,
)
from zeroframe.fits.atomic import output_error
from zeroframe.records import dataclass
from zeroframe.run.lock import LOCK_NAME, folder_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["EXAMPLES", "ExampleData", "fetch"]

_ZENODO = "https://zenodo.org"
_LONGEST_RECORD = 1 << 20


@dataclass(frozen=True, slots=True)
class ExampleData:
    """One published archive.

    Parameters
    ----------
    record : int
        Number of the record at Zenodo.
    archive : str
        Name of the file in that record.
    folder : str
        What the notebooks call the folder.
    """

    record: int
    archive: str
    folder: str


# The records of the guide's two cameras; their checksums are read from Zenodo when they are downloaded.
EXAMPLES: Mapping[str, ExampleData] = MappingProxyType(
    {
        "palomar-lfc": ExampleData(3254683, "example-cryo-LFC.tar.bz2", "example-cryo-LFC"),
        "apogee-cg16m": ExampleData(3245296, "example-thermo-electric.tar.bz2", "example-thermo-electric"),
    }
)


def fetch(
    name: str,
    directory: str | os.PathLike[str] = ".",
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
    base_url: str = _ZENODO,
    connection: Connection | None = None,
) -> Path:
    """Download the example frames of a camera, and unpack them into the folder that the guide's notebooks name.

    Everything that is not finished stands in one hidden folder beside the target, ``.<folder>.part``. What a killed
    call has left there is removed by the next one, which also puts back a folder that was about to be replaced.

    Parameters
    ----------
    name : str
        A key of `EXAMPLES`: ``'palomar-lfc'`` or ``'apogee-cg16m'``.
    directory : path, optional
        Where the folder shall stand; made if it is not there.
    overwrite : bool, optional
        Replace a folder that is there already, whole, where it holds nothing but what the archive does: files that
        were added or changed are never removed.
    progress : callable, optional
        Called with the bytes that have arrived and the bytes of the whole.
    base_url : str, optional
        Another server that answers like Zenodo; https, or on this machine.
    connection : Connection, optional
        How patient to be.

    Returns
    -------
    Path
        The folder, ``<directory>/example-cryo-LFC`` or ``<directory>/example-thermo-electric``: it is there whole or
        not at all.

    Raises
    ------
    UsageError
        When there is no such example, when ``base_url`` could be tampered with, or when pooch is not installed.
    OutputExistsError
        When the folder is there already; nothing has been downloaded then. Or it holds files of somebody else.
    DownloadError
        When the archive is not to be had, comes too slowly, or its checksum is wrong.
    UnsafeArchiveError
        When the archive holds anything but files and folders, or too much of them.
    OutputError
        When something cannot be written, the disk has no room, or another call is at work there.
    """
    if name not in EXAMPLES:
        raise UsageError(
            f"no example is called {name!r}; there are {', '.join(EXAMPLES)}{nearest_name(name, EXAMPLES)}"
        )
    example, directory, connection = EXAMPLES[name], Path(directory), connection or Connection()
    check_url(base_url)
    folder = directory / example.folder
    with _workplace(folder) as work:
        _check_target(folder, overwrite=overwrite)
        remote = _announced(example, base_url.rstrip("/"), connection, work)
        archive = work / example.archive
        download(remote, archive, progress=progress, connection=connection)
        try:
            unpack_archive(archive, work / "new")
            refuse_others(folder, work / "new")
        except (FrameError, OutputExistsError):
            archive.unlink()  # its checksum is right, so that downloading it again would not help
            raise
        _put(work / "new", folder, work / "old")
        archive.unlink()
    return folder


def _announced(example: ExampleData, base_url: str, connection: Connection, work: Path) -> RemoteFile:
    """Ask the record for the size and the checksum of its archive."""
    url = f"{base_url}/api/records/{example.record}"
    answer = work / "record.json"
    answer.unlink(missing_ok=True)
    download(RemoteFile(url, _LONGEST_RECORD, None), answer, connection=connection)
    try:
        record: Any = json.loads(answer.read_bytes())
        entry = next((entry for entry in record["files"] if entry["key"] == example.archive), None)
        if entry is None:
            raise DownloadError(url, f"the record has no file {example.archive}", "see in a browser what it holds")
        checksum, size_bytes = str(entry["checksum"]), int(entry["size"])
    except (ValueError, KeyError, TypeError) as error:
        raise DownloadError(
            url, f"the answer is no record as Zenodo gives it ({error!r})", "try again later"
        ) from error
    finally:
        answer.unlink()
    file_url = f"{base_url}/records/{example.record}/files/{quote(example.archive)}?download=1"
    return RemoteFile(file_url, size_bytes, checksum.lower())


@contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """Make the hidden folder for what is not finished, alone in it; it goes when the block ends.

    An archive that has arrived whole stays in it for the next call, as it would have to be downloaded again: one that
    could not be unpacked for want of room.
    """
    work = folder.with_name(f".{folder.name}.part")
    try:
        work.mkdir(parents=True, exist_ok=True)
        if work.is_symlink():
            raise OutputError(work, "is a link, not a folder", "remove the link")
    except OSError as error:
        raise output_error(work, error) from error
    try:
        with folder_lock(work):
            _recover(folder, work)
            try:
                yield work
            finally:
                _recover(folder, work)
    except FolderBusyError as error:
        raise OutputError(work, "another download is at work there", "wait until it has ended") from error
    finally:
        with contextlib.suppress(OSError):  # an archive is in it still, or another call is at work
            work.rmdir()


def _recover(folder: Path, work: Path) -> None:
    """Put back what was about to be replaced, and remove all but an archive that has arrived whole."""
    try:
        if (work / "old").is_dir() and not os.path.lexists(folder):
            (work / "old").rename(folder)
        for path in work.iterdir():
            if path.name == LOCK_NAME:
                continue
            if path.name.endswith(".tar.bz2"):
                continue  # it got its name when its checksum was right, and is compared again
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    except OSError as error:
        reason = f"holds what a download has left, which cannot be cleared away ({error.strerror})"
        raise OutputError(work, reason, "remove it, and run again") from error


def _check_target(folder: Path, *, overwrite: bool) -> None:
    """Refuse a target that may not be replaced."""
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        raise OutputExistsError(folder, "is there already, and is no folder", "move it away")
    if not overwrite:
        raise OutputExistsError(folder, "is there already", "choose another place, or ask for it to be overwritten")


def _put(new: Path, folder: Path, old: Path) -> None:
    """Put a folder in the place of another; where that fails, `_recover` puts the other one back."""
    try:
        if folder.is_dir():
            folder.rename(old)
        new.rename(folder)
    except OSError as error:
        raise output_error(folder, error) from error
