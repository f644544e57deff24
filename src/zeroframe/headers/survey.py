"""What is in a folder: every FITS file with what its header says, every other file that looks like one with why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroframe.errors import UsageError, nearest_name
from zeroframe.fits.store.names import as_path
from zeroframe.headers.looking import KEY_CARD, Asked, RawFrame, look_at_files, tell
from zeroframe.headers.trees import tree_files
from zeroframe.headers.words import NO_WORDS, Words

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from zeroframe.headers.cameras import Camera

__all__ = [
    "KEY_CARD",
    "RawFrame",
    "of_detector",
    "survey",
    "survey_files",
    "survey_tree",
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


def survey_tree(
    folder: str | os.PathLike[str],
    *,
    recurse: bool = True,
    output: Path | None = None,
    workers: int | None = None,
    ext: int | str | None = None,
    camera: Camera | None = None,
    words: Words = NO_WORDS,
    executor: Executor | None = None,
) -> list[RawFrame]:
    """Read the headers of the FITS files of a folder, known by content and not by name.

    Parameters
    ----------
    folder : path
        The folder, or its URL.
    recurse : bool
        Enter the folders within. Links to folders are followed; a folder that is reached twice is entered once.
    output : pathlib.Path, optional
        Where results go, which must lie outside.
    workers, ext, camera, words, executor
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
    paths = list(tree_files(folder, recurse=recurse, output=output))
    return survey_files(paths, workers=workers, ext=ext, camera=camera, words=words, within=folder, executor=executor)


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
    workers, ext, camera, words, within, executor
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
