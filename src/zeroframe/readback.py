"""Look at results as they stand on the disk: whether every file is there, and of the form that it should have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zeroframe.errors import FrameError
from zeroframe.io import scan

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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
    shapes: set[tuple[int, ...]] = set()
    dtypes: set[str] = set()
    problems = []
    files = byte_count = 0
    for path, shape in expected.items():
        try:
            frame = scan(path)
            layout = frame.image().layout
            size = path.stat().st_size
        except (FrameError, OSError) as error:
            problems.append(str(error) if isinstance(error, FrameError) else f"{path}: {error.strerror}")
            continue
        if layout is None or layout.shape_yx != shape:
            found = "nothing" if layout is None else " x ".join(str(n) for n in reversed(layout.shape_yx))
            problems.append(f"{path}: holds {found} and not {shape[1]} x {shape[0]} pixels; run again with --overwrite")
            continue
        if frame.remarks:
            problems.append(f"{path}: {'; '.join(frame.remarks)}; run again with --overwrite")
            continue
        files, byte_count = files + 1, byte_count + size
        shapes.add(layout.shape_yx)
        dtypes.add(_TYPE_NAMES.get(layout.bitpix, f"BITPIX {layout.bitpix}"))
    return FolderCheck(files, tuple(sorted(shapes)), tuple(sorted(dtypes)), byte_count, tuple(problems))
