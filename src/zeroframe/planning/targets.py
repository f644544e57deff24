"""Where results go, which frames can be combined at all, and what a combination is; no pixel is read here."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from zeroframe.errors import (
    FrameError,
    MismatchError,
    OutputError,
    RawFolderError,
)
from zeroframe.fits.formats import FORMATS
from zeroframe.fits.inputs import Inputs, RawFolders
from zeroframe.fits.part_paths import PartPath, file_of
from zeroframe.fits.store.names import any_remote
from zeroframe.fits.system import legal_name
from zeroframe.headers.sections import size_words
from zeroframe.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from zeroframe.fits.formats import Compression
    from zeroframe.headers.geometry import FoundDetector
    from zeroframe.headers.survey import RawFrame
    from zeroframe.stacks.clipping import ClipSpread
    from zeroframe.stacks.combine import CombineSpec

__all__ = [
    "CombineJob",
    "Refused",
    "bare_name",
    "check_output_beside",
    "check_output_folder",
    "refuse_among",
    "refuse_within",
    "same_form",
    "target_path",
]

#: Endings that are taken off a raw frame's name before the new one is put on.
_OLD_SUFFIXES = (".gz", ".bz2", ".fz", ".fits", ".fit", ".fts")
_NEVER = "raw data are never written to"
_ELSEWHERE = "choose another folder with -o"


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


def bare_name(source: Path) -> str:
    """Return how a raw frame is called, without what says of what form its file is.

    Examples
    --------
    >>> from pathlib import Path
    >>> bare_name(Path("raw/ccd.001.0.fits.gz")), bare_name(Path("raw/.fits"))
    ('ccd.001.0', '.fits')
    """
    name = file_of(source).name
    while suffix := next((s for s in _OLD_SUFFIXES if name.lower().endswith(s) and len(name) > len(s)), ""):
        name = name[: -len(suffix)]
    return name


def target_path(out: Path, source: Path, compress: Compression) -> Path:
    """Return where the result of a raw frame is written.

    Examples
    --------
    >>> from pathlib import Path
    >>> target_path(Path("out"), Path("raw/ccd.001.0.fits.gz"), "none").name
    'ccd.001.0.fits'
    >>> from zeroframe.fits.part_paths import part_path
    >>> target_path(Path("out"), part_path(Path("raw/n1.fits.fz"), (1, 2), "CCD 3"), "none").name
    'n1.CCD_3.fits'
    """
    name = bare_name(source)
    if isinstance(source, PartPath) and source.label:
        name += "." + re.sub(r"[^A-Za-z0-9_-]+", "_", source.label).strip("_")
    return out / legal_name(name + FORMATS[compress].suffix)


def check_output_folder(raw: Path, out: Path) -> None:
    """Refuse to write into the raw data.

    Raises
    ------
    RawFolderError
        When ``out`` is the raw folder or lies inside it, by whatever name, link or mount.
    OutputError
        When ``out`` is a file.
    """
    check_output_beside([raw], out)


def check_output_beside(raw_folders: Iterable[Path], out: Path) -> None:
    """Refuse to write into any of several folders of raw data; raises as `check_output_folder`."""
    refuse_within(raw_folders, [out])
    if out.exists() and not out.is_dir():
        raise OutputError(out, "is a file, not a folder", "choose another folder with -o")


def refuse_within(raw_folders: Iterable[Path], folders: Iterable[Path]) -> None:
    """Refuse to write into folders of raw data, or into folders within them, by whatever name, link or mount.

    Parameters
    ----------
    raw_folders, folders : iterable of pathlib.Path
        Of raw data, and of results; the latter need not be there.

    Raises
    ------
    RawFolderError
        Which names the first.
    """
    known = RawFolders.of(raw_folders)
    for folder in sorted(folders):
        raw = known.around(folder)
        if raw is not None:
            same = folder == raw if any_remote(folder) else folder.exists() and raw.exists() and folder.samefile(raw)
            where = "is the raw folder" if same else f"lies inside the raw folder {raw}"
            raise RawFolderError(folder, f"{where}, and {_NEVER}", _ELSEWHERE)


def refuse_among(inputs: Inputs, folders: Iterable[Path]) -> None:
    """Refuse to write into folders in which raw frames really lie: links to them may stand in the raw folder.

    Parameters
    ----------
    inputs : Inputs
        The raw frames.
    folders : iterable of pathlib.Path
        Of results; they need not be there.

    Raises
    ------
    RawFolderError
        Which names the first.
    """
    for folder in sorted(folders):
        path = inputs.lying_in(folder)
        if path is not None:
            raise RawFolderError(folder, f"is where {path} really lies, and {_NEVER}", _ELSEWHERE)
        link = inputs.hard_link_in(folder)
        if link is not None:
            raise RawFolderError(folder, f"holds a raw frame ({link.name}, by a hard link), and {_NEVER}", _ELSEWHERE)


def _amplifier_words(found: FoundDetector | None) -> str:
    """Say of which detector a frame is, and how many amplifiers read it."""
    if found is None:
        return "read by one amplifier"
    whose = f" of detector {found.name}" if found.name else ""
    return f"read by amplifiers {', '.join(each.name for each in found.detector.amplifiers)}{whose}"


def same_form(items: Sequence[RawFrame]) -> tuple[list[RawFrame], list[Refused]]:
    """Keep the frames of the size, binning and unit that most have, and refuse the others.

    Parameters
    ----------
    items : sequence of RawFrame
        At least one, all with an image.

    Returns
    -------
    usable : list of RawFrame
    refused : list of Refused
        Each with a `MismatchError` that says in what it differs.
    """
    most = Counter(item.form for item in items).most_common(1)[0][0]
    refused = []
    for item in items:
        if item.form == most:
            continue
        own, usual = (f"{size_words(form[0], form[1])} in {form[2]}" for form in (item.form, most))
        if own == usual:
            own, usual = (_amplifier_words(form[3]) for form in (item.form, most))
        reason = f"is {own}, but most of the frames are {usual}"
        refused.append(Refused(item.path, MismatchError(item.path, reason, "process it in a folder of its own")))
    return [item for item in items if item.form == most], refused
