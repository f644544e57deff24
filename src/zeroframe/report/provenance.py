"""Where a page comes from: the files that went in, and the software."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from zeroframe._version import __version__
from zeroframe.report.data import Fact, InputFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zeroframe.frames import FrameOutcome

__all__ = ["input_file", "software_facts"]

_PARTS = ("numpy", "astropy", "numba", "isal")


def input_file(frame: FrameOutcome, checksums: Mapping[Path, str], name: str = "") -> InputFile:
    """Return what went in, with the checksum that is given, else the one that the run has read."""
    mark, name = frame.source_mark, name or frame.source.name
    if mark is None:
        return InputFile(name, frame.bytes_in, checksums.get(frame.source, ""))
    return InputFile(name, mark.byte_count, checksums.get(frame.source, f"sha256 {mark.sha256}"))


def software_facts() -> tuple[Fact, ...]:
    """Return the versions of what the numbers were worked out with."""
    found = [Fact("zeroframe", __version__), Fact("Python", f"{platform.python_version()} on {platform.platform()}")]
    for part in _PARTS:
        try:
            found.append(Fact(part, version(part)))
        except PackageNotFoundError:
            found.append(Fact(part, "unknown"))
    return tuple(found)
