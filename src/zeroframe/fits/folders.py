"""Folders that are made with all those above them, however deep they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroframe.errors import OutputError
from zeroframe.fits.store.names import UrlPath

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["make_folders", "make_output_folder"]


def make_folders(folder: Path) -> None:
    """Make a folder and those above it, where they are not there yet.

    That of `pathlib` calls itself once a level, and Python allows a thousand such calls.

    Parameters
    ----------
    folder : pathlib.Path
        On a disk, or in a store.

    Raises
    ------
    OSError
        When one of them cannot be made, or is a file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as name:
    ...     make_folders(Path(name, "a", "b"))
    ...     Path(name, "a", "b").is_dir()
    True
    """
    if isinstance(folder, UrlPath):  # a store has folders where there are files
        return
    missing = []
    while not folder.exists() and folder != folder.parent:
        missing.append(folder)
        folder = folder.parent
    folder.mkdir(exist_ok=True)  # raises where it is a file
    for each in reversed(missing):
        each.mkdir(exist_ok=True)


def make_output_folder(folder: Path) -> None:
    """Make a folder for results where there is none; raises `OutputError` when that cannot be."""
    try:
        make_folders(folder)
    except OSError as error:
        raise OutputError(folder, f"cannot be made ({error.strerror})", "choose another folder with -o") from error
