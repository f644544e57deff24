"""Raw frames that are named in a file, one a line, or in a column of a table."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from zeroframe.errors import UnsupportedError, UsageError
from zeroframe.fits.small_files import LIST_BYTES, read_small_file
from zeroframe.fits.store.names import UrlPath, as_path, is_url

__all__ = ["read_manifest"]

_COLUMN = "path"


def read_manifest(path: Path) -> tuple[Path, ...]:
    r"""Read which raw frames there are.

    Parameters
    ----------
    path : pathlib.Path
        A text with one path a line, in which empty lines and those that begin with # do not count; or, where its name
        ends in .csv, a table with a column ``path``. What is not absolute is meant from the folder of this file.

    Returns
    -------
    tuple of pathlib.Path
        Absolute, each once, in their order. Whether they are there is not looked at.

    Raises
    ------
    UsageError
        When the file cannot be read, has no such column, names nothing, or holds a character that no path can.
    UnsupportedError
        When it names something in a store.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     listed = Path(name, "frames.txt")
    ...     _ = listed.write_text("# March\na/1.fits\n/data/2.fits\na/../a/1.fits\n")
    ...     [str(each.relative_to(name)) if each.is_relative_to(name) else str(each) for each in read_manifest(listed)]
    ['a/1.fits', '/data/2.fits']
    """
    try:
        text = read_small_file(path, LIST_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"{path} cannot be read ({said}); give a list with the path of one frame a line") from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise UsageError(
            f"{path} has a NUL character in line {line}, which no path can hold; give a list that is plain text (UTF-8)"
        )
    named = _column(text, path) if path.suffix.lower() == ".csv" else _lines(text)
    if not named:
        raise UsageError(f"{path} names no file; give a list with the path of one frame a line")
    folder = os.path.abspath(path.parent)  # noqa: PTH100 -- links stay as they are
    on_disk = (_on_disk(one) if is_url(one) else one for one in named)
    return tuple(Path(each) for each in dict.fromkeys(os.path.normpath(os.path.join(folder, one)) for one in on_disk))  # noqa: PTH118


def _on_disk(url: str) -> str:
    """Return the path that a ``file://`` URL means."""
    path = as_path(url)
    if isinstance(path, UrlPath):
        raise UnsupportedError(
            path, "is not on a disk, which --by-night needs", "give zeroframe night the URL of each night"
        )
    return str(path)


def _lines(text: str) -> list[str]:
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _column(text: str, path: Path) -> list[str]:
    table = csv.DictReader(text.splitlines())
    try:
        if _COLUMN not in (table.fieldnames or ()):
            there = ", ".join(table.fieldnames or ()) or "none"
            raise UsageError(f"{path} has no column {_COLUMN!r} (it has: {there}); name one so")
        return [row[_COLUMN].strip() for row in table if row[_COLUMN] and row[_COLUMN].strip()]
    except csv.Error as error:
        raise UsageError(
            f"{path} cannot be read as a table ({error} in line {table.line_num}); mend that line"
        ) from error
