"""What is in a folder: every FITS file with what its header says, every other file that looks like one with why not."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from zeroframe.errors import (
    FrameError,
    HeaderWarning,
    NoFramesError,
    RawFolderError,
    UnsupportedError,
    UsageError,
    ZeroframeWarning,
    nearest_name,
)
from zeroframe.fits import FrameFile, Hdu, ImageLayout, looks_like_fits, scan
from zeroframe.fits.failures import attempt
from zeroframe.fits.inputs import Identity, identities_above
from zeroframe.fits.part_paths import PartPath, file_of, part_path
from zeroframe.fits.scan import refuse_blown_up
from zeroframe.fits.store.names import REMOTE_THREADS, UrlPath, any_remote, as_path
from zeroframe.fits.system import is_hidden
from zeroframe.headers.amplifier_words import may_say_amplifiers
from zeroframe.headers.dialects import FrameFacts, read_facts
from zeroframe.headers.foreign import say_foreign
from zeroframe.headers.geometry import FoundDetector, detectors_in, detectors_of_camera
from zeroframe.headers.words import NO_WORDS, Words
from zeroframe.workers import map_threads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zeroframe.headers.cameras import Camera

__all__ = [
    "KEY_CARD",
    "RawFrame",
    "folder_files",
    "of_detector",
    "survey",
    "survey_files",
    "survey_folder",
    "survey_tree",
    "tree_files",
]

#: A header that has it is that of a result; it names the job that made it.
KEY_CARD = "ZFJOB"
#: A file with one of these names was meant as FITS, so it is named when its content is not.
_FITS_SUFFIXES = (".fit", ".fits", ".fts", ".fz")
_WRAPPING_SUFFIXES = (".gz", ".bz2")


@dataclass(frozen=True, slots=True)
class RawFrame:
    """One file of a folder.

    Attributes
    ----------
    path : pathlib.Path
        Where it is.
    frame : FrameFile or None
        Its headers; None where they cannot be read.
    facts : FrameFacts or None
        What they say.
    problem : FrameError or None
        Why it cannot be used; its headers may still be readable (several images in one file).
    found : FoundDetector or None
        What the headers say of its amplifiers, where they speak of several; of a file of several detectors there is
        one such for each, and ``path`` names the part of the file (`zeroframe.fits.part_paths`).
    """

    path: Path
    frame: FrameFile | None
    facts: FrameFacts | None
    problem: FrameError | None
    found: FoundDetector | None = None

    @property
    def detector(self) -> str:
        """Name of the detector; empty where the file holds only one."""
        return "" if self.found is None else self.found.name

    @property
    def layout(self) -> ImageLayout:
        """How its image is stored.

        Raises
        ------
        FrameError
            When it cannot be used.
        """
        layout = None if self.frame is None or self.problem is not None else self.frame.image().layout
        if layout is None:
            raise self.problem or UnsupportedError(self.path, "holds no image", "leave it out")
        return layout

    @property
    def shape_yx(self) -> tuple[int, ...] | None:
        """Shape of its image; None where it has none that can be used."""
        return None if self.problem is not None else self.layout.shape_yx

    @property
    def binning_xy(self) -> tuple[int, int]:
        """Binning that the header states; 1 x 1 where it states none."""
        return (self.facts.binning_xy if self.facts else None) or (1, 1)

    @property
    def is_result(self) -> bool:
        """Whether zeroframe has made it: calibrated twice, it would look as if all were well."""
        frame = self.frame if self.problem is None else None
        return frame is not None and KEY_CARD in frame.cards_of(frame.image())

    @property
    def form(self) -> tuple[tuple[int, ...] | None, tuple[int, int], str, FoundDetector | None]:
        """What frames to be combined must have in common: size, binning, unit (adu if none is stated), amplifiers."""
        return self.shape_yx, self.binning_xy, (self.facts.unit if self.facts else None) or "adu", self.found


def survey(
    paths: Sequence[str | os.PathLike[str]],
    *,
    workers: int | None = None,
    ext: int | str | None = None,
    camera: Camera | None = None,
    words: Words = NO_WORDS,
    within: str | os.PathLike[str] | None = None,
) -> list[RawFrame]:
    """Read the headers of files.

    Parameters
    ----------
    paths : sequence of path
        The files.
    workers : int, optional
        How many threads.
    ext : int or str, optional
        Number or name of the one extension that is looked at in each file.
    camera : Camera, optional
        Whose amplifiers name the extensions that they stand in, instead of what headers say of them.
    words : Words, optional
        What a user has taught.
    within : path, optional
        The folder that was given: names of folders in it, and its own, are asked for the kind of a frame where neither
        header nor file name says it. By default only that of the folder in which a file lies is.

    Returns
    -------
    list of RawFrame
        In the order of ``paths``; of a file of several detectors one for each.

    Warns
    -----
    HeaderWarning
        When a header states a number that cannot be, such as an exposure of thousands of years.
    """
    named = [as_path(path) for path in paths]
    root = None if within is None else as_path(within)
    looks = map_threads(lambda path: _look(path, ext, _Asked(words, root, camera)), named, _threads(named, workers))
    found = [item for look in looks for item in look]
    for item in found:
        for remark in () if item.facts is None else item.facts.remarks:
            warnings.warn(f"{item.path}: {remark}", HeaderWarning, stacklevel=2)
    return found


def of_detector(found: Sequence[RawFrame], name: str | None) -> list[RawFrame]:
    """Return frames without those of other detectors than the one that is asked for.

    Parameters
    ----------
    found : sequence of RawFrame
        From `survey`.
    name : str or None
        None: all.

    Raises
    ------
    UsageError
        When no file holds a detector of that name.
    """
    if name is None:
        return list(found)
    names = sorted({item.detector for item in found if item.detector})
    same = {each for each in names if each.casefold() == name.casefold()}
    if not same:
        known = f"these files hold {', '.join(names)}" if names else "no file here holds several detectors"
        raise UsageError(f"no detector is called {name!r}; {known}{nearest_name(name, names) or ''}")
    return [item for item in found if not item.detector or item.detector in same]


def _threads(paths: Sequence[Path], workers: int | None) -> int | None:
    """More threads than there are cores, where most of the time is spent waiting for a store."""
    return REMOTE_THREADS if workers is None and any_remote(*paths) else workers


def survey_folder(
    folder: str | os.PathLike[str],
    *,
    output: Path | None = None,
    workers: int | None = None,
    ext: int | str | None = None,
    camera: Camera | None = None,
    words: Words = NO_WORDS,
) -> list[RawFrame]:
    """Read the headers of the FITS files of a folder, known by content and not by name; subfolders are not entered.

    Parameters
    ----------
    folder : path
        The folder, or its URL.
    output : pathlib.Path, optional
        Where results go.
    workers : int, optional
        How many threads.
    ext, camera
        As for `survey`.
    words : Words, optional
        What a user has taught.

    Returns
    -------
    list of RawFrame
        Sorted by name. Hidden files, and files that are neither FITS nor named so, are left out.

    Raises
    ------
    NoFramesError
        When the folder is not there, is not a folder, or may not be read.
    RawFolderError
        When ``output`` lies inside one of the folders within, which may be links or mounts.
    """
    files, folders = _visible_in(_readable_folder(folder))
    outside = _Outside.of(output)
    for each in folders:
        outside.check(each)
    return survey_files(files, workers=workers, ext=ext, camera=camera, words=words, within=folder)


def folder_files(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the visible files of a folder, FITS or not, sorted by name; raises `NoFramesError` as `survey_folder`."""
    return _visible_in(_readable_folder(folder))[0]


def survey_tree(
    folder: str | os.PathLike[str],
    *,
    leave_out: Sequence[str | os.PathLike[str]] = (),
    output: Path | None = None,
    workers: int | None = None,
    ext: int | str | None = None,
    camera: Camera | None = None,
    words: Words = NO_WORDS,
) -> list[RawFrame]:
    """Read the headers of the FITS files of a folder and of those within, known by content and not by name.

    Parameters
    ----------
    folder : path
        The folder. Links to folders are followed; a folder that is reached twice is entered once.
    leave_out : sequence of path
        Folders that are not entered, whatever they are called there.
    output : pathlib.Path, optional
        Where results go, which must lie outside.
    workers : int, optional
        How many threads.
    ext, camera
        As for `survey`.
    words : Words, optional
        What a user has taught.

    Returns
    -------
    list of RawFrame
        Sorted by folder and name. Hidden files and folders, and files that are neither FITS nor named so, are left out.

    Raises
    ------
    NoFramesError
        When the folder is not there, is not a folder, or may not be read.
    RawFolderError
        When ``output`` lies inside the folder, or inside one that is reached by a link or mount within.

    Warns
    -----
    ZeroframeWarning
        When a folder within cannot be read; it is passed over.
    HeaderWarning
        As `survey` does.
    """
    paths = list(tree_files(folder, leave_out=leave_out, output=output))
    return survey_files(paths, workers=workers, ext=ext, camera=camera, words=words, within=folder)


def tree_files(
    folder: str | os.PathLike[str],
    *,
    leave_out: Sequence[str | os.PathLike[str]] = (),
    output: Path | None = None,
) -> Iterator[Path]:
    """Yield the files of a folder and of those within, folder after folder; none of them is opened.

    Parameters
    ----------
    folder, leave_out, output
        As for `survey_tree`.

    Yields
    ------
    pathlib.Path
        Also of what is no FITS file.

    Raises
    ------
    NoFramesError, RawFolderError
        As `survey_tree` does.
    """
    root = _readable_folder(folder)
    others = [path for path in map(as_path, leave_out) if isinstance(path, UrlPath) or path.exists()]
    listed = _visible_in(root)
    known = {_identity(path) for path in others} - {_identity(root)}
    return _walk(root, listed, known, _Outside.of(output))


def _readable_folder(folder: str | os.PathLike[str]) -> Path:
    root = as_path(folder)
    if isinstance(root, UrlPath):
        return root  # whether it is there is told when it is listed
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "is not there"
        raise NoFramesError(f"{root} {what}; give the folder that holds the raw frames")
    return root


def _identity(path: Path) -> object:
    if isinstance(path, UrlPath):
        return path
    status = path.stat()
    return status.st_dev, status.st_ino


@dataclass(frozen=True, slots=True)
class _Outside:
    """The folder of results and those above it, by device and inode: none of them may be met within raw data."""

    output: Path | None
    above: frozenset[Identity]

    @classmethod
    def of(cls, output: Path | None) -> _Outside:
        if output is None or isinstance(output, UrlPath):
            return cls(output, frozenset())
        return cls(output, frozenset(found for found, _ in identities_above(output)))

    def check(self, folder: Path) -> None:
        if self.above and self.output is not None and _identity(folder) in self.above:
            reason = f"lies inside the raw data, which {folder} leads to, and raw data are never written to"
            raise RawFolderError(self.output, reason, "choose another folder with -o")


def _walk(root: Path, listed: tuple[list[Path], list[Path]], known: set[object], outside: _Outside) -> Iterator[Path]:
    """Yield the visible files of a folder and of those within that are not known yet; say which cannot be read.

    It does not call itself, so that folders may lie within each other as deep as the system allows.
    """
    outside.check(root)
    known.add(_identity(root))
    files, left = listed[0], listed[1][::-1]
    yield from files
    while left:
        folder = left.pop()
        try:
            identity = _identity(folder)
            if identity in known:
                continue
            outside.check(folder)
            known.add(identity)
            files, folders = _listed(folder)
        except OSError as error:
            text = f"{folder}: cannot be read ({error.strerror}), so nothing in this folder takes part"
            warnings.warn(text, ZeroframeWarning, stacklevel=2)
            continue
        yield from files
        left += reversed(folders)


def _visible_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return what `_listed` does; raise `NoFramesError` where the folder cannot be read."""
    try:
        return _listed(folder)
    except OSError as error:
        raise NoFramesError(f"{folder} cannot be read ({error.strerror}); give a folder that you may read") from error


def _listed(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return files and folders, sorted by name, without hidden ones: such as the ._ that macOS leaves beside frames."""
    if isinstance(folder, UrlPath):
        from zeroframe.fits.store.objects import ObjectStore

        place = ObjectStore(str(folder))
        within = [name for name in place.folders() if not name.startswith(".")]
        return [folder / file.name for file in place.listing()], [folder / name for name in within]
    files, folders = list[Path](), list[Path]()
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if not is_hidden(entry):
                (folders if _is_folder(entry) else files).append(folder / entry.name)
    return files, folders


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that cannot be followed: what is wrong with it is said when it is read
        return False


def survey_files(
    paths: Sequence[Path],
    *,
    workers: int | None = None,
    ext: int | str | None = None,
    camera: Camera | None = None,
    words: Words = NO_WORDS,
    within: str | os.PathLike[str] | None = None,
) -> list[RawFrame]:
    """Read the headers of those files that are FITS or are named so; of the others nothing is said.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        The files.
    workers : int, optional
        How many threads.
    ext, camera, words, within
        As for `survey`.

    Returns
    -------
    list of RawFrame
        In the order of ``paths``.
    """
    meant = map_threads(_is_meant_as_fits, paths, _threads(paths, workers))
    say_foreign(path for path, yes in zip(paths, meant, strict=True) if not yes)
    files = [path for path, yes in zip(paths, meant, strict=True) if yes]
    return survey(files, workers=workers, ext=ext, camera=camera, words=words, within=within)


def _is_meant_as_fits(path: Path) -> bool:
    name = path.name.lower()
    for suffix in _WRAPPING_SUFFIXES:
        name = name.removesuffix(suffix)
    if name.endswith(_FITS_SUFFIXES):
        return True
    try:
        return (isinstance(path, UrlPath) or path.is_file()) and looks_like_fits(path)
    except OSError:  # it may not be looked at, and its name does not say that it is a frame
        return False


def _refuse_unlikely(frame: FrameFile, image: Hdu) -> None:
    """Refuse a small file of a huge image before anybody counts on its size; one of a store when it is read."""
    if image.layout is None or isinstance(frame.path, UrlPath):
        return
    if frame.encoding != "plain" or image.layout.tile_compressed:
        refuse_blown_up(frame.path, frame.path.stat().st_size, image.layout.byte_count)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What headers are read with: words that are taught, the folder that was given, and a camera that was asked for."""

    words: Words
    root: Path | None
    camera: Camera | None

    def facts_of(self, frame: FrameFile, image: Hdu | None) -> FrameFacts:
        cards = frame.cards if image is None else frame.cards_of(image)
        path = file_of(frame.path)
        return read_facts(cards, path.name, folders=self._folders_of(path), words=self.words)

    def _folders_of(self, path: Path) -> tuple[str, ...]:
        """Return the names of folders that may say what a frame is: from the one that was given to that of the file."""
        parts, root = path.parent.parts, () if self.root is None else self.root.parts
        return parts[max(len(root) - 1, 0) :] if root and parts[: len(root)] == root else parts[-1:]


def _look(path: Path, ext: int | str | None, asked: _Asked) -> list[RawFrame]:
    """Return what a file holds: one frame, or one for each of its detectors."""
    whole = attempt(path, scan, path)
    if isinstance(whole, FrameError):
        return [RawFrame(path, None, None, whole)]
    if ext is not None:
        chosen = attempt(path, whole.image, ext)
        if isinstance(chosen, FrameError):
            return [RawFrame(path, whole.abridged(), None, chosen)]
        one = path if chosen.index == 0 or len(whole.images) == 1 else part_path(path, (chosen.index,))
        return [_frame_of(one, whole.part(one) if isinstance(one, PartPath) else whole, asked)]
    found = attempt(path, _detectors_in, whole, asked.camera)
    if isinstance(found, FrameError):
        facts = attempt(path, asked.facts_of, whole, None)
        return [RawFrame(path, whole.abridged(), None if isinstance(facts, FrameError) else facts, found)]
    if not found:
        return [_frame_of(path, whole, asked)]
    parts = [(each, part_path(path, each.extensions, each.name)) for each in found]
    return [_part_of(part, whole, each, asked) for each, part in parts]


def _detectors_in(frame: FrameFile, camera: Camera | None) -> tuple[FoundDetector, ...]:
    if camera is not None and camera.names_extensions:
        return detectors_of_camera(frame, camera)
    if len(frame.hdus) == 1 and not may_say_amplifiers(frame.hdus[0].cards):  # nearly always
        return ()
    return detectors_in(frame)


def _part_of(path: PartPath, whole: FrameFile, found: FoundDetector, asked: _Asked) -> RawFrame:
    """Return one detector of a file."""
    part = attempt(path, whole.part, path)
    if isinstance(part, FrameError):
        return RawFrame(path, whole.abridged(), None, part)
    return replace(_frame_of(path, part, asked), found=found)


def _frame_of(path: Path, whole: FrameFile, asked: _Asked) -> RawFrame:
    """Return the frame that is the one image of a file."""
    image = attempt(path, _image_of_two_axes, whole)
    problem = image if isinstance(image, FrameError) else None
    # of the whole header: what is kept of a very long one may lack its filter
    facts = attempt(path, asked.facts_of, whole, None if isinstance(image, FrameError) else image)
    frame = whole.abridged()
    if isinstance(facts, FrameError):
        return RawFrame(path, frame, None, problem or facts)
    return RawFrame(path, frame, facts, problem)


def _image_of_two_axes(frame: FrameFile) -> Hdu:
    image = frame.image()
    _refuse_unlikely(frame, image)
    # said here, so that no one who asks for two axes meets one
    if image.layout is not None and (len(image.layout.shape_yx) != 2 or min(image.layout.shape_yx) < 1):
        size = " x ".join(str(n) for n in reversed(image.layout.shape_yx))
        raise UnsupportedError(frame.path, f"is an image of {size} pixels", "only images of two axes can be used")
    return image
