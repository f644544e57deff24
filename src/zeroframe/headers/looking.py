"""One file, or many: what their headers say of the frames that they hold, found here or on the workers of a cluster."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from zeroframe.errors import FrameError, HeaderWarning, UnsupportedError
from zeroframe.fits import FrameFile, Hdu, ImageLayout, looks_like_fits, scan
from zeroframe.fits.failures import attempt
from zeroframe.fits.part_paths import PartPath, file_of, part_path
from zeroframe.fits.scan import refuse_blown_up
from zeroframe.fits.store.names import REMOTE_THREADS, UrlPath, any_remote
from zeroframe.headers.amplifier_words import may_say_amplifiers
from zeroframe.headers.dialects import FrameFacts, read_facts
from zeroframe.headers.foreign import say_foreign
from zeroframe.headers.geometry import FoundDetector, detectors_in, detectors_of_camera
from zeroframe.records import dataclass
from zeroframe.workers import batches_of, map_jobs, map_threads

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from zeroframe.headers.cameras import Camera
    from zeroframe.headers.words import Words

__all__ = ["KEY_CARD", "Asked", "Looked", "RawFrame", "look_at_files", "tell"]

#: A header that has it is that of a result; it names the job that made it.
KEY_CARD = "ZFJOB"
#: A file with one of these names was meant as FITS, so it is named when its content is not.
_FITS_SUFFIXES = (".fit", ".fits", ".fts", ".fz")
_WRAPPING_SUFFIXES = (".gz", ".bz2")
#: In these a frame may be packed, too; they are not read, and refused by what they hold.
_UNREAD_SUFFIXES = (".xz", ".lzma", ".z", ".zst", ".lz4", ".zip", ".7z")
#: So many files are a job of a worker: 0.3 s on a shared disk, or in a store at two requests of 30 ms each, 16 at once.
_BATCH = 64


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


def _is_meant_as_fits(path: Path) -> bool:
    name = path.name.lower()
    if name.endswith(_UNREAD_SUFFIXES):
        return path.stem.lower().endswith(_FITS_SUFFIXES) and not path.with_suffix("").exists()
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
class Asked:
    """What headers are read with; it can be pickled.

    Attributes
    ----------
    ext : int, str or None
        Number or name of the one extension that is looked at in each file.
    camera : Camera or None
        Whose amplifiers name the extensions that they stand in, instead of what headers say of them.
    words : Words
        What a user has taught.
    root : pathlib.Path or None
        The folder that was given: names of folders in it, and its own, are asked for the kind of a frame where neither
        header nor file name says it. Where it is None, only that of the folder in which a file lies is.
    sifts : bool
        Whether files that are no FITS, and are not named so, are passed over.
    """

    ext: int | str | None
    camera: Camera | None
    words: Words
    root: Path | None
    sifts: bool

    def facts_of(self, frame: FrameFile, image: Hdu | None) -> FrameFacts:
        """Return what the headers of a file say, of one of its images or of the file."""
        cards = frame.cards if image is None else frame.cards_of(image)
        path = file_of(frame.path)
        return read_facts(cards, path.name, folders=self._folders_of(path), words=self.words)

    def _folders_of(self, path: Path) -> tuple[str, ...]:
        """Return the names of folders that may say what a frame is: from the one that was given to that of the file."""
        parts, root = path.parent.parts, () if self.root is None else self.root.parts
        return parts[max(len(root) - 1, 0) :] if root and parts[: len(root)] == root else parts[-1:]


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found in files.

    Attributes
    ----------
    found : list of RawFrame
        In the order of the files; of a file of several detectors one for each.
    passed : list of pathlib.Path
        Those that are no FITS.
    """

    found: list[RawFrame]
    passed: list[Path]

    @property
    def remarks(self) -> list[str]:
        """Which headers state a number that cannot be."""
        read = [(item.path, item.facts.remarks) for item in self.found if item.facts is not None]
        return [f"{path}: {remark}" for path, remarks in read for remark in remarks]


def tell(passed: Sequence[Path], remarks: Sequence[str]) -> None:
    """Say what was found in files beside their frames.

    Parameters
    ----------
    passed : sequence of pathlib.Path
        Those that are no FITS: some are of another format.
    remarks : sequence of str
        Which headers state a number that cannot be.

    Warns
    -----
    HeaderWarning, ZeroframeWarning
    """
    say_foreign(passed)
    for remark in remarks:
        warnings.warn(remark, HeaderWarning, stacklevel=3)


def look_at_files(
    paths: Sequence[Path], asked: Asked, *, workers: int | None = None, executor: Executor | None = None
) -> Looked:
    """Read the headers of files; nothing is said of them yet.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        The files.
    asked : Asked
        What they are read with.
    workers : int, optional
        How many threads, where they are read here.
    executor : concurrent.futures.Executor, optional
        Whose processes read them, many files a job; they see them under the same names.

    Returns
    -------
    Looked
        The same wherever they are read.
    """
    if executor is None:
        look = partial(_sifted_look, asked=asked)
        # what the tables of words are made into is made with the first file; of several threads each would make it
        first = [] if any_remote(*paths) else [look(path) for path in paths[:1]]
        looks = first + map_threads(look, paths[len(first) :], _threads(paths, workers))
    else:
        batches = map_jobs(executor, partial(_look_at_batch, asked=asked), batches_of(paths, _BATCH))
        looks = [look for batch in batches for look in batch]
    found = [item for look in looks for item in look or ()]
    return Looked(found, [path for path, look in zip(paths, looks, strict=True) if look is None])


def _threads(paths: Sequence[Path], workers: int | None) -> int | None:
    """Return how many threads read headers: more than there are cores, where most of the time is spent waiting."""
    return REMOTE_THREADS if workers is None and any_remote(*paths) else workers


def _look_at_batch(paths: Sequence[Path], asked: Asked) -> list[list[RawFrame] | None]:
    """Read the headers of files on a worker, which has one core for it."""
    threads = REMOTE_THREADS if any_remote(*paths) else 1
    return map_threads(partial(_sifted_look, asked=asked), paths, threads)


def _sifted_look(path: Path, asked: Asked) -> list[RawFrame] | None:
    """Return what a file holds; None where it is passed over."""
    return None if asked.sifts and not _is_meant_as_fits(path) else _look(path, asked)


def _look(path: Path, asked: Asked) -> list[RawFrame]:
    """Return what a file holds: one frame, or one for each of its detectors."""
    whole = attempt(path, scan, path)
    if isinstance(whole, FrameError):
        return [RawFrame(path, None, None, whole)]
    if asked.ext is not None:
        chosen = attempt(path, whole.image, asked.ext)
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


def _part_of(path: PartPath, whole: FrameFile, found: FoundDetector, asked: Asked) -> RawFrame:
    """Return one detector of a file."""
    part = attempt(path, whole.part, path)
    if isinstance(part, FrameError):
        return RawFrame(path, whole.abridged(), None, part)
    return replace(_frame_of(path, part, asked), found=found)


def _frame_of(path: Path, whole: FrameFile, asked: Asked) -> RawFrame:
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
