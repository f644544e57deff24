"""The example data of the CCD Data Reduction Guide: downloaded, checked and unpacked."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from zeroframe.download import Connection, RemoteFile, check_url, download
from zeroframe.errors import DownloadError, FrameError, OutputError, OutputExistsError, UsageError, nearest_name
from zeroframe.unpacking import check_target, unpack_archive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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

    A download that was interrupted goes on where it stopped when the same call is made again.

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
        How hard to try.

    Returns
    -------
    Path
        The folder, ``<directory>/example-cryo-LFC`` or ``<directory>/example-thermo-electric``: it is there whole or
        not at all.

    Raises
    ------
    UsageError
        When there is no such example, or ``base_url`` could be tampered with.
    OutputExistsError
        When the folder is there already; nothing has been downloaded then. Or it holds files of somebody else.
    DownloadError
        When the archive is not to be had, or its checksum is wrong.
    UnsafeArchiveError
        When the archive holds anything but files and folders, or too much of them.
    OutputError
        When something cannot be written, or the disk has no room.
    """
    if name not in EXAMPLES:
        raise UsageError(
            f"no example is called {name!r}; there are {', '.join(EXAMPLES)}{nearest_name(name, EXAMPLES)}"
        )
    example, directory, connection = EXAMPLES[name], Path(directory), connection or Connection()
    check_url(base_url)
    folder, archive = directory / example.folder, directory / example.archive
    check_target(folder, overwrite=overwrite)
    remote = _announced(example, base_url.rstrip("/"), connection)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(directory, f"cannot be made ({error.strerror})", "choose another folder") from error
    if os.path.lexists(archive):  # somebody else's, who keeps it
        _require_announced(archive, remote)
        unpack_archive(archive, folder, overwrite=overwrite)
        return folder
    download(remote, archive, progress=progress, connection=connection)
    try:
        unpack_archive(archive, folder, overwrite=overwrite)
    except (FrameError, OutputExistsError):
        archive.unlink()  # its checksum is right, so that downloading it again would not help
        raise
    archive.unlink()
    return folder


def _require_announced(archive: Path, remote: RemoteFile) -> None:
    """Take an archive that is there already only where it is the one that would be downloaded; it is never replaced."""
    try:
        with archive.open("rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.new(remote.algorithm, usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise OutputExistsError(archive, f"is there already ({error.strerror})", "move it away") from error
    if found != remote.digest:
        reason = f"is there already, and is not what would be downloaded (its {remote.algorithm} is another)"
        raise OutputExistsError(archive, reason, "move it away")


def _announced(example: ExampleData, base_url: str, connection: Connection) -> RemoteFile:
    """Ask the record for the size and the checksum of its archive."""
    url = f"{base_url}/api/records/{example.record}"
    answer = connection.read(url, _LONGEST_RECORD)
    try:
        record: Any = json.loads(answer)
        entry = next((entry for entry in record["files"] if entry["key"] == example.archive), None)
        if entry is None:
            raise DownloadError(url, f"the record has no file {example.archive}", "see in a browser what it holds")
        algorithm, _, digest = str(entry["checksum"]).partition(":")
        size_bytes = int(entry["size"])
    except (ValueError, KeyError, TypeError) as error:
        raise DownloadError(
            url, f"the answer is no record as Zenodo gives it ({error!r})", "try again later"
        ) from error
    file_url = f"{base_url}/records/{example.record}/files/{quote(example.archive)}?download=1"
    return RemoteFile(file_url, size_bytes, algorithm, digest.lower())
