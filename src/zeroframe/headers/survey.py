"""What is in a folder: every FITS file with what its header says, every other file that looks like one with why not."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from zeroframe.errors import (
    NoFramesError,
    RawFolderError,
    UsageError,
    ZeroframeWarning,
    nearest_name,
)
from zeroframe.fits.inputs import Identity, identities_above
from zeroframe.fits.store.names import UrlPath, as_path
from zeroframe.fits.system import is_hidden
from zeroframe.headers.looking import KEY_CARD, Asked, RawFrame, look_at_files, tell
from zeroframe.headers.words import NO_WORDS, Words
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Executor

    from zeroframe.headers.cameras import Camera

__all__ = [
    "KEY_CARD",
    "RawFrame",
    "folder_files",
    "of_detector",
    "survey",
    "survey_files",
    "survey_folder",
    "survey_tree",
    "tree_files",
]


def survey(
    paths: Sequence[str | os.PathLike[str]],
    *,
    workers: int | None = None,
    ext: int | str | None = None,
    camera: Camera | None = None,
    words: Words = NO_WORDS,
    within: str | os.PathLike[str] | None = None,
    executor: Executor | None = None,
) -> list[RawFrame]:
    """Read the headers of files.

    Parameters
    ----------
    paths : sequence of path
        The files.
    workers : int, optional
        How many threads.
    ext : int or str, optional
        Number or name of the one extension that is looked at in each file.
    camera : Camera, optional
        Whose amplifiers name the extensions that they stand in, instead of what headers say of them.
    words : Words, optional
        What a user has taught.
    within : path, optional
        The folder that was given: names of folders in it, and its own, are asked for the kind of a frame where neither
        header nor file name says it. By default only that of the folder in which a file lies is.
    executor : concurrent.futures.Executor, optional
        Whose processes read the files, many a job, instead of threads here; they see them under the same names.

    Returns
    -------
    list of RawFrame
        In the order of ``paths``; of a file of several detectors one for each.

    Warns
    -----
    HeaderWarning
        When a header states a number that cannot be, such as an exposure of thousands of years.
    """
    asked = Asked(ext, camera, words, None if within is None else as_path(within), sifts=False)
    looked = look_at_files([as_path(path) for path in paths], asked, workers=workers, executor=executor)
    tell(looked.passed, looked.remarks)
    return looked.found


def of_detector(found: Sequence[RawFrame], name: str | None) -> list[RawFrame]:
    """Return frames without those of other detectors than the one that is asked for.

    Parameters
    ----------
    found : sequence of RawFrame
        From `survey`.
    name : str or None
        None: all.

    Raises
    ------
    UsageError
        When no file holds a detector of that name.
    """
    if name is None:
        return list(found)
    names = sorted({item.detector for item in found if item.detector})
    same = {each for each in names if each.casefold() == name.casefold()}
    if not same:
        known = f"these files hold {', '.join(names)}" if names else "no file here holds several detectors"
        raise UsageError(f"no detector is called {name!r}; {known}{nearest_name(name, names) or ''}")
    return [item for item in found if not item.detector or item.detector in same]


def survey_folder(
    folder: str | os.PathLike[str],
    *,
    output: Path | None = None,
    workers: int | None = None,
    ext: int | str | None = None,
    camera: Camera | None = None,
    words: Words = NO_WORDS,
    executor: Executor | None = None,
) -> list[RawFrame]:
    """Read the headers of the FITS files of a folder, known by content and not by name; subfolders are not entered.

    Parameters
    ----------
    folder : path
        The folder, or its URL.
    output : pathlib.Path, optional
        Where results go.
    workers : int, optional
        How many threads.
    ext, camera
        As for `survey`.
    words : Words, optional
        What a user has taught.
    executor : concurrent.futures.Executor, optional
        As for `survey`.

    Returns
    -------
    list of RawFrame
        Sorted by name. Hidden files, and files that are neither FITS nor named so, are left out.

    Raises
    ------
    NoFramesError
        When the folder is not there, is not a folder, or may not be read.
    RawFolderError
        When ``output`` lies inside one of the folders within, which may be links or mounts.
    """
    files, folders = _visible_in(_readable_folder(folder))
    outside = _Outside.of(output)
    for each in folders:
        outside.check(each)
    return survey_files(files, workers=workers, ext=ext, camera=camera, words=words, within=folder, executor=executor)


def folder_files(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the visible files of a folder, FITS or not, sorted by name; raises `NoFramesError` as `survey_folder`."""
    return _visible_in(_readable_folder(folder))[0]


def survey_tree(
    folder: str | os.PathLike[str],
    *,
    leave_out: Sequence[str | os.PathLike[str]] = (),
    output: Path | None = None,
    workers: int | None = None,
    ext: int | str | None = None,
    camera: Camera | None = None,
    words: Words = NO_WORDS,
    executor: Executor | None = None,
) -> list[RawFrame]:
    """Read the headers of the FITS files of a folder and of those within, known by content and not by name.

    Parameters
    ----------
    folder : path
        The folder. Links to folders are followed; a folder that is reached twice is entered once.
    leave_out : sequence of path
        Folders that are not entered, whatever they are called there.
    output : pathlib.Path, optional
        Where results go, which must lie outside.
    workers : int, optional
        How many threads.
    ext, camera
        As for `survey`.
    words : Words, optional
        What a user has taught.
    executor : concurrent.futures.Executor, optional
        As for `survey`.

    Returns
    -------
    list of RawFrame
        Sorted by folder and name. Hidden files and folders, and files that are neither FITS nor named so, are left out.

    Raises
    ------
    NoFramesError
        When the folder is not there, is not a folder, or may not be read.
    RawFolderError
        When ``output`` lies inside the folder, or inside one that is reached by a link or mount within.

    Warns
    -----
    ZeroframeWarning
        When a folder within cannot be read; it is passed over.
    HeaderWarning
        As `survey` does.
    """
    paths = list(tree_files(folder, leave_out=leave_out, output=output))
    return survey_files(paths, workers=workers, ext=ext, camera=camera, words=words, within=folder, executor=executor)


def tree_files(
    folder: str | os.PathLike[str],
    *,
    leave_out: Sequence[str | os.PathLike[str]] = (),
    output: Path | None = None,
) -> Iterator[Path]:
    """Yield the files of a folder and of those within, folder after folder; none of them is opened.

    Parameters
    ----------
    folder, leave_out, output
        As for `survey_tree`.

    Yields
    ------
    pathlib.Path
        Also of what is no FITS file.

    Raises
    ------
    NoFramesError, RawFolderError
        As `survey_tree` does.
    """
    root = _readable_folder(folder)
    others = [path for path in map(as_path, leave_out) if isinstance(path, UrlPath) or path.exists()]
    listed = _visible_in(root)
    known = {_identity(path) for path in others} - {_identity(root)}
    return _walk(root, listed, known, _Outside.of(output))


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


def _walk(root: Path, listed: tuple[list[Path], list[Path]], known: set[object], outside: _Outside) -> Iterator[Path]:
    """Yield the visible files of a folder and of those within that are not known yet; say which cannot be read.

    It does not call itself, so that folders may lie within each other as deep as the system allows.
    """
    outside.check(root)
    known.add(_identity(root))
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
                (folders if _is_folder(entry) else files).append(folder / entry.name)
    return files, folders


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that cannot be followed: what is wrong with it is said when it is read
        return False


def survey_files(
    paths: Sequence[Path],
    *,
    workers: int | None = None,
    ext: int | str | None = None,
    camera: Camera | None = None,
    words: Words = NO_WORDS,
    within: str | os.PathLike[str] | None = None,
    executor: Executor | None = None,
) -> list[RawFrame]:
    """Read the headers of those files that are FITS or are named so; of the others nothing is said.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        The files.
    workers : int, optional
        How many threads.
    ext, camera, words, within, executor
        As for `survey`.

    Returns
    -------
    list of RawFrame
        In the order of ``paths``.
    """
    asked = Asked(ext, camera, words, None if within is None else as_path(within), sifts=True)
    looked = look_at_files(paths, asked, workers=workers, executor=executor)
    tell(looked.passed, looked.remarks)
    return looked.found
