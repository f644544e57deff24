"""Where results go, which frames can be combined at all, and what a combination is; no pixel is read here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zeroframe.errors import (
    FrameError,
    MismatchError,
    OutputError,
    RawFolderError,
)
from zeroframe.io.urls import any_far
from zeroframe.recipes import size_words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zeroframe.clipping import ClipSpread
    from zeroframe.combining import CombineSpec
    from zeroframe.io import Compression
    from zeroframe.survey import Found

__all__ = [
    "CombineJob",
    "Refused",
    "check_output_folder",
    "same_form",
    "target_path",
]

_SUFFIX = {"none": ".fits", "gzip": ".fits.gz", "rice": ".fits.fz"}
#: Endings that are taken off a raw frame's name before the new one is put on.
_OLD_SUFFIXES = (".gz", ".bz2", ".fz", ".fits", ".fit", ".fts")


@dataclass(frozen=True, slots=True)
class CombineJob:
    """Calibrated frames that become one combined frame.

    ``clip_spread`` is what deviations are counted in; where that needs the noise of the frames, it is measured first.
    """

    sources: tuple[Path, ...]
    target: Path
    spec: CombineSpec
    compress: Compression = "none"
    clip_spread: ClipSpread = "noise"


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that was meant to take part and cannot."""

    path: Path
    problem: FrameError | OutputError


def target_path(out: Path, source: Path, compress: Compression) -> Path:
    """Return where the result of a raw frame is written.

    Examples
    --------
    >>> from pathlib import Path
    >>> target_path(Path("out"), Path("raw/ccd.001.0.fits.gz"), "none").name
    'ccd.001.0.fits'
    """
    name = source.name
    while suffix := next((s for s in _OLD_SUFFIXES if name.lower().endswith(s) and len(name) > len(s)), ""):
        name = name[: -len(suffix)]
    return out / (name + _SUFFIX[compress])


def check_output_folder(raw: Path, out: Path) -> None:
    """Refuse to write into the raw data.

    Raises
    ------
    RawFolderError
        When ``out`` is the raw folder or lies inside it, by whatever name, link or mount.
    OutputError
        When ``out`` is a file.
    """
    real = out.resolve()
    known_by_name = any_far(raw, out)
    for folder in (real, *real.parents):
        same = False if known_by_name else raw.exists() and folder.exists() and folder.samefile(raw)
        if folder == raw.resolve() or same:
            where = "is the raw folder" if folder == real else f"lies inside the raw folder {raw}"
            raise RawFolderError(out, f"{where}, and raw data are never written to", "choose another folder with -o")
    if out.exists() and not out.is_dir():
        raise OutputError(out, "is a file, not a folder", "choose another folder with -o")


def same_form(items: Sequence[Found]) -> tuple[list[Found], list[Refused]]:
    """Keep the frames of the size, binning and unit that most have, and refuse the others.

    Parameters
    ----------
    items : sequence of Found
        At least one, all with an image.

    Returns
    -------
    usable : list of Found
    refused : list of Refused
        Each with a `MismatchError` that says in what it differs.
    """
    most = Counter(item.form for item in items).most_common(1)[0][0]
    refused = []
    for item in items:
        if item.form == most:
            continue
        own, usual = (f"{size_words(form[0], form[1])} in {form[2]}" for form in (item.form, most))
        reason = f"is {own}, but most of the frames are {usual}"
        refused.append(Refused(item.path, MismatchError(item.path, reason, "process it in a folder of its own")))
    return [item for item in items if item.form == most], refused
