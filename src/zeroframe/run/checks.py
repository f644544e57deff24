"""Look at results as they stand on the disk: whether every file is there, and of the form that it should have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zeroframe.errors import FrameError
from zeroframe.fits import scan
from zeroframe.fits.failures import attempt
from zeroframe.fits.store.names import REMOTE_THREADS, any_remote, byte_count
from zeroframe.workers import map_threads

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zeroframe.fits import FrameFile, ImageLayout

__all__ = ["FolderCheck", "check_files"]

_TYPE_NAMES = {-32: "float32", -64: "float64"}


@dataclass(frozen=True, slots=True)
class FolderCheck:
    """What was read back.

    Attributes
    ----------
    files : int
        How many of the expected files are there and whole.
    shapes_yx : tuple of (int, int)
        Their different shapes.
    dtypes : tuple of str
        Their different types.
    byte_count : int
        Their sizes together.
    problems : tuple of str
        One sentence for each file that is missing, cut off, or has another form than it should.
    """

    files: int
    shapes_yx: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]
    byte_count: int
    problems: tuple[str, ...]


def check_files(expected: Mapping[Path, tuple[int, int]]) -> FolderCheck:
    """Read back the headers and sizes of files.

    Parameters
    ----------
    expected : mapping of path to tuple of int
        The files that should be there, with the shape of their images.

    Returns
    -------
    FolderCheck
    """
    workers = REMOTE_THREADS if any_remote(*expected) else 1
    looked = map_threads(_read_back, expected.items(), workers)
    whole = [each for each in looked if isinstance(each, _Whole)]
    return FolderCheck(
        len(whole),
        tuple(sorted({each.shape_yx for each in whole})),
        tuple(sorted({each.dtype for each in whole})),
        sum(each.byte_count for each in whole),
        tuple(each for each in looked if isinstance(each, str)),
    )


@dataclass(frozen=True, slots=True)
class _Whole:
    """A file that is as it should be."""

    shape_yx: tuple[int, ...]
    dtype: str
    byte_count: int


def _looked_at(path: Path) -> tuple[FrameFile, ImageLayout | None, int]:
    frame = scan(path)
    return frame, frame.image().layout, byte_count(path)


def _read_back(expected: tuple[Path, tuple[int, int]]) -> _Whole | str:
    """Look at one file; return what is wrong with it, where something is."""
    path, shape = expected
    seen = attempt(path, _looked_at, path)
    if isinstance(seen, FrameError):
        return str(seen)
    frame, layout, size = seen
    if layout is None or layout.shape_yx != shape:
        found = "nothing" if layout is None else " x ".join(str(n) for n in reversed(layout.shape_yx))
        return f"{path}: holds {found} and not {shape[1]} x {shape[0]} pixels; run again with --overwrite"
    if frame.remarks:
        return f"{path}: {'; '.join(frame.remarks)}; run again with --overwrite"
    return _Whole(layout.shape_yx, _TYPE_NAMES.get(layout.bitpix, f"BITPIX {layout.bitpix}"), size)
