"""Extensions of files as people name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zeroframe.fits.part_paths import PartPath, part_path
from zeroframe.fits.scan import scan

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["as_extension", "part_of"]


def as_extension(named: str | int | tuple[str, int] | None) -> int | str | None:
    """Return what is meant by an extension that somebody names: a number, or a name, maybe with its EXTVER.

    Examples
    --------
    >>> as_extension("2"), as_extension("SCI,2"), as_extension(("SCI", 2)), as_extension(None)
    (2, 'SCI,2', 'SCI,2', None)
    """
    if isinstance(named, tuple):
        name, version = named
        return f"{name},{version}"
    return int(named) if isinstance(named, str) and named.strip().isdigit() else named


def part_of(path: Path, ext: int | str | tuple[str, int]) -> PartPath:
    """Return the path of one extension of a file.

    Raises
    ------
    FrameError
        When the file cannot be read, or does not hold it.
    """
    found = scan(path).image(as_extension(ext))
    return part_path(path, (found.index,))
