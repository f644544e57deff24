"""Where a page comes from: the files that went in, and the software."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from zeroframe.report.data import Fact, InputFile
from zeroframe.run.keys import versions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zeroframe.frames.raw import FrameOutcome

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
    known = versions()
    python = Fact("Python", f"{platform.python_version()} on {platform.platform()}")
    return (Fact("zeroframe", known["zeroframe"]), python, *(Fact(part, known[part]) for part in _PARTS))
