"""Formats of frames other than FITS that a library can read, as a table: how they are told, what installs the library.

Nothing heavy is imported here: every command that looks at a folder asks which files may be frames.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CAMERA_RAW", "OTHER_FORMATS", "OtherFormat", "is_named_as_other", "other_format"]


@dataclass(frozen=True)
class OtherFormat:
    """A format that is read by a library.

    Attributes
    ----------
    name : str
        In words, with an article.
    package, extra : str
        The library, and the extra of zeroframe that installs it.
    is_it : callable
        Takes the first bytes of a file and its name.
    module : str
        Of this room, with a function ``open_image`` that takes what the library can open, and the file.
    endings : tuple of str
        Of the names that such files have.
    """

    name: str
    package: str
    extra: str
    is_it: Callable[[bytes, str], bool]
    module: str
    endings: tuple[str, ...]

    @property
    def is_installed(self) -> bool:
        """Whether the library is there; it is not imported."""
        return find_spec(self.package) is not None

    @property
    def install_line(self) -> str:
        """What installs it."""
        return f"pip install 'zeroframe[{self.extra}]'"


CAMERA_RAW = "a camera's own raw format"
#: Raw files that look like TIFF pictures by their first bytes, and are told from them by their names.
_RAW_ENDINGS = (".cr2", ".cr3", ".raf", ".orf", ".rw2", ".mrw")
_RAW_TIFFS = (".dng", ".nef", ".nrw", ".arw", ".sr2", ".pef", ".srw", ".3fr", ".erf", ".mos", ".kdc", ".dcr")
_TIFF = (b"II*\0", b"MM\0*")
_RAW_MAGIC = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"\0MRM")


def _is_camera_raw(first: bytes, name: str) -> bool:
    r"""Whether a file is a camera's raw one.

    Examples
    --------
    >>> _is_camera_raw(b"II*\0\x10\0\0\0CR\2\0", "a"), _is_camera_raw(b"II*\0", "a.tif")
    (True, False)
    """
    if first.startswith(_RAW_MAGIC) or first[4:11] == b"ftypcrx":
        return True
    return first.startswith(_TIFF) and (first[8:10] == b"CR" or name.lower().endswith(_RAW_TIFFS))


def _is_xisf(first: bytes, name: str) -> bool:  # noqa: ARG001 -- of one form with the others
    return first.startswith(b"XISF0100")


OTHER_FORMATS = (
    OtherFormat(
        "a camera's own raw format", "rawpy", "raw", _is_camera_raw, "camera_raw", (*_RAW_ENDINGS, *_RAW_TIFFS)
    ),
    OtherFormat("an XISF file", "xisf", "xisf", _is_xisf, "xisf_images", (".xisf",)),
)


def other_format(first: bytes, name: str) -> OtherFormat | None:
    """Return the format of a file that begins so and has this name; None where it is none of these."""
    return next((one for one in OTHER_FORMATS if one.is_it(first, name)), None)


def is_named_as_other(name: str) -> bool:
    """Say whether a file is named as one of a format whose library is installed.

    Examples
    --------
    >>> is_named_as_other("notes.txt")
    False
    """
    ending = name[name.rfind(".") :].lower()
    return any(ending in one.endings and one.is_installed for one in OTHER_FORMATS)
