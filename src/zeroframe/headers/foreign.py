"""Frames of other formats than FITS that lie among the raw ones and are not read: that is said, and what to do."""

from __future__ import annotations

import warnings
from pathlib import PurePath
from typing import TYPE_CHECKING

from zeroframe.errors import ZeroframeWarning
from zeroframe.fits.other_formats import CAMERA_RAW, OTHER_FORMATS

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

__all__ = ["FOREIGN_ENDINGS", "say_foreign"]

_ARCHIVE = "an archive"
_FILM = "a film, which has to be split into frames"
#: Endings of files that hold frames or films and are not read, and what they are.
FOREIGN_ENDINGS = {
    ".xisf": "XISF",
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2", ".pef"), CAMERA_RAW),
    **dict.fromkeys((".ser", ".avi"), _FILM),
    **dict.fromkeys((".sbig", ".st7", ".st8", ".pic"), "an old format of SBIG or MIRA"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    **dict.fromkeys((".zip", ".7z", ".rar", ".tar", ".tgz"), _ARCHIVE),
}
#: What is read by a library that may not be installed.
_BY_EXTRA = {CAMERA_RAW: OTHER_FORMATS[0], "XISF": OTHER_FORMATS[1]}
_ADVICE = {
    _ARCHIVE: "unpack {0} first, where frames are in {0}",
    _FILM: "split {} into FITS frames with Siril (Conversion, or its command convert) or PIPP first",
}
_MOST_NAMES = 4


def say_foreign(paths: Iterable[str | os.PathLike[str]]) -> None:
    """Say which files hold frames of another format; nothing where there are none.

    Parameters
    ----------
    paths : iterable of path
        Files that are not read, by name.

    Warns
    -----
    ZeroframeWarning
        Once for all files of one format.
    """
    found: dict[str, list[str]] = {}
    for path in paths:
        name = PurePath(path).name
        what = FOREIGN_ENDINGS.get(PurePath(name.lower().removesuffix(".gz").removesuffix(".xz")).suffix)
        if what is not None:
            found.setdefault(what, []).append(name)
    for what, names in found.items():
        more = len(names) - _MOST_NAMES
        said = ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
        verb, them = ("is", "it") if len(names) == 1 else ("are", "them")
        # what stands behind a colon would be said once for all formats
        text = f"{said} {verb} not FITS ({what}) and not read; {_advice(what, them)}"
        warnings.warn(text, ZeroframeWarning, stacklevel=3)


def _advice(what: str, them: str) -> str:
    by_extra = _BY_EXTRA.get(what)
    if by_extra is not None and not by_extra.is_installed:
        return f"{by_extra.install_line} installs what reads {them}"
    if by_extra is not None:
        return f"what is in {them} is something else; copy {them} again"
    return _ADVICE.get(what, "convert {} to FITS first").format(them)
