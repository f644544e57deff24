"""The files of a folder and of those within: what is hidden is left out, and what is reached twice is entered once."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from zeroframe.errors import NoFramesError, RawFolderError, ZeroframeWarning
from zeroframe.fits.inputs import Identity, identities_above
from zeroframe.fits.store.names import UrlPath, as_path
from zeroframe.fits.system import is_folder, is_hidden
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["folder_files", "tree_files"]


def folder_files(folder: str | os.PathLike[str], *, output: Path | None = None) -> list[Path]:
    """Return the visible files of a folder, FITS or not, sorted by name; folders within are not entered.

    Parameters
    ----------
    folder, output
        As for `zeroframe.headers.survey.survey_tree`, which raises what is raised here.
    """
    files, folders = _visible_in(_readable_folder(folder))
    outside = _Outside.of(output)
    for each in folders:
        outside.check(each)
    return files


def tree_files(
    folder: str | os.PathLike[str],
    *,
    recurse: bool = True,
    output: Path | None = None,
) -> Iterator[Path]:
    """Yield the files of a folder and of those within, folder after folder; none of them is opened.

    Parameters
    ----------
    folder, recurse, output
        As for `zeroframe.headers.survey.survey_tree`.

    Yields
    ------
    pathlib.Path
        Also of what is no FITS file.

    Raises
    ------
    NoFramesError, RawFolderError
        As `zeroframe.headers.survey.survey_tree` does.
    """
    if not recurse:
        return iter(folder_files(folder, output=output))
    root = _readable_folder(folder)
    return _walk(root, _visible_in(root), _Outside.of(output))


def _readable_folder(folder: str | os.PathLike[str]) -> Path:
    root = as_path(folder)
    if isinstance(root, UrlPath):
        return root  # whether it is there is told when it is listed
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "is not there"
        raise NoFramesError(f"{root} {what}; give the folder that holds the raw frames")
    return root


def _identity(path: Path) -> object:
    if isinstance(path, UrlPath):
        return path
    status = path.stat()
    return status.st_dev, status.st_ino


@dataclass(frozen=True, slots=True)
class _Outside:
    """The folder of results and those above it, by device and inode: none of them may be met within raw data."""

    output: Path | None
    above: frozenset[Identity]

    @classmethod
    def of(cls, output: Path | None) -> _Outside:
        if output is None or isinstance(output, UrlPath):
            return cls(output, frozenset())
        return cls(output, frozenset(found for found, _ in identities_above(output)))

    def check(self, folder: Path) -> None:
        if self.above and self.output is not None and _identity(folder) in self.above:
            reason = f"lies inside the raw data, which {folder} leads to, and raw data are never written to"
            raise RawFolderError(self.output, reason, "choose another folder with -o")


def _walk(root: Path, listed: tuple[list[Path], list[Path]], outside: _Outside) -> Iterator[Path]:
    """Yield the visible files of a folder and of those within, each entered once; say which cannot be read.

    It does not call itself, so that folders may lie within each other as deep as the system allows.
    """
    outside.check(root)
    known = {_identity(root)}
    files, left = listed[0], listed[1][::-1]
    yield from files
    while left:
        folder = left.pop()
        try:
            identity = _identity(folder)
            if identity in known:
                continue
            outside.check(folder)
            known.add(identity)
            files, folders = _listed(folder)
        except OSError as error:
            text = f"{folder}: cannot be read ({error.strerror}), so nothing in this folder takes part"
            warnings.warn(text, ZeroframeWarning, stacklevel=2)
            continue
        yield from files
        left += reversed(folders)


def _visible_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return what `_listed` does; raise `NoFramesError` where the folder cannot be read."""
    try:
        return _listed(folder)
    except OSError as error:
        raise NoFramesError(f"{folder} cannot be read ({error.strerror}); give a folder that you may read") from error


def _listed(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return files and folders, sorted by name, without hidden ones: such as the ._ that macOS leaves beside frames."""
    if isinstance(folder, UrlPath):
        from zeroframe.fits.store.objects import ObjectStore

        place = ObjectStore(str(folder))
        within = [name for name in place.folders() if not name.startswith(".")]
        return [folder / file.name for file in place.listing()], [folder / name for name in within]
    files, folders = list[Path](), list[Path]()
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if not is_hidden(entry):
                (folders if is_folder(entry) else files).append(folder / entry.name)
    return files, folders
