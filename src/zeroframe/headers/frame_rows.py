"""What one file is in a table of frames: its kind, exposure, filter and size, and what is uncertain about it.

It depends on the file, its name, the names of the folders that it lies in, and the words that a user has taught;
so it is remembered by all of these (`zeroframe.headers.index`), and a second look needs no header.
"""

from __future__ import annotations

import os
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

from zeroframe.errors import FrameError, NotFitsError, ZeroframeError
from zeroframe.fits import scan
from zeroframe.fits.failures import attempt, file_failure
from zeroframe.fits.store.names import as_path
from zeroframe.headers.reading import header_cards, is_named_as_fits

if TYPE_CHECKING:
    from collections.abc import Callable

    from zeroframe.fits import FrameFile
    from zeroframe.fits.cards import Cards, CardValue
    from zeroframe.headers.dialects import FrameFacts
    from zeroframe.headers.geometry import FoundDetector
    from zeroframe.headers.words import Words

T = TypeVar("T")

__all__ = ["ROW_COLUMNS", "RowReader"]

#: What is known of each file.
ROW_COLUMNS = ("kind", "exposure", "filter", "size", "object", "date", "uncertain", "detectors")


class RowReader:
    """Says what files below a folder are (a `zeroframe.headers.reading.FileReader`).

    Parameters
    ----------
    root : str
        The folder that was given, or its URL: names of folders in it, and its own, are asked for the kind of a frame.
    words : Words
        What a user has taught.
    """

    def __init__(self, root: str, words: Words) -> None:
        self._words = words
        self._root = root if "://" in root else os.path.normpath(root)
        self._own_name = os.path.split(os.path.realpath(self._root))[1]
        self._inner: dict[str, str] = {}

    def what(self, folder: str) -> str:
        """Return by what rows depend on beside the file."""
        told = repr((self.folders(folder), self._words)).encode(errors="surrogatepass")
        return f"rows {sha256(told).hexdigest()}"

    def meant(self, name: str) -> bool:
        """Say whether it is a problem when a file of this name is not FITS."""
        return is_named_as_fits(name)

    def read(self, path: str) -> dict[str, CardValue] | FrameError | None:
        """Return the row of a file by the names of its columns."""
        return self.attempted(path, lambda path: self.row_of(path, header_cards(path, 0)))

    def attempted(self, path: str, read: Callable[[str], T]) -> T | FrameError | None:
        """Return what can be read of a file, or why it cannot; None for a file that is not FITS, nor meant so."""
        found = attempt(path, read, path)
        if isinstance(found, NotFitsError) and not self.meant(os.path.split(path)[1]):
            return None
        return found

    def row_of(self, path: str, cards: Cards) -> dict[str, CardValue]:
        """Return the row of a file whose header is known."""
        return _Row(path, cards, self.facts_of(path, cards)).columns()

    def facts_of(self, path: str, cards: Cards) -> FrameFacts:
        """Return what a header says."""
        from zeroframe.headers.dialects import read_facts  # which a second look does without

        folder, name = os.path.split(path)
        return read_facts(cards, name, folders=self.folders(folder), words=self._words)

    def explained(self, path: str) -> list[str]:
        """Say what was understood of a file, and by which cards."""
        from zeroframe.headers.explaining import explain_header

        folder, name = os.path.split(path)
        return explain_header(header_cards(path, 0), name, folders=self.folders(folder), words=self._words)

    def name(self, path: str) -> str:
        """Return what a file is called within the folder that was given."""
        folder, name = os.path.split(path)
        inner = self._inner.get(folder)
        if inner is None:
            inner = self._inner[folder] = self._inner_of(folder)
        return inner + name

    def folders(self, folder: str) -> tuple[str, ...]:
        """Return the names of folders that may say what a frame is."""
        return (self._own_name, *self.name(os.path.join(folder, "x")).split("/")[:-1])  # noqa: PTH118 -- a URL, too

    def _inner_of(self, folder: str) -> str:
        """Return what stands before the names of a folder's files; nothing where it lies outside."""
        inner = os.path.relpath(folder or os.curdir, self._root)
        return "" if inner == os.curdir or inner.startswith(os.pardir) else f"{inner.replace(os.sep, '/')}/"


class _Row:
    """One file."""

    def __init__(self, path: str, cards: Cards, facts: FrameFacts) -> None:
        self._path, self._cards, self._facts = path, cards, facts

    def columns(self) -> dict[str, CardValue]:
        facts = self._facts
        return {
            "kind": None if facts.kind is None else facts.kind.value,
            "exposure": facts.exposure_s,
            "filter": facts.filter_name,
            "size": self._size(),
            "object": facts.object_name,
            "date": facts.date_obs,
            "uncertain": self._uncertain(),
            "detectors": ", ".join(each.name for each in self._detectors if each.name) or None,
        }

    @cached_property
    def _whole(self) -> FrameFile | None:
        """The file as scanned, where its first header is of no image; None where it is, which is nearly always."""
        return None if self._cards.get("NAXIS") else scan(as_path(self._path))

    @cached_property
    def _images(self) -> tuple[FoundDetector, ...] | FrameError:
        if self._whole is None:
            return ()
        from zeroframe.headers.geometry import detectors_in

        try:
            return detectors_in(self._whole)
        except ZeroframeError as error:  # what is wrong with the file; of anything else nothing is to be remembered
            return file_failure(error, self._path)

    @property
    def _detectors(self) -> tuple[FoundDetector, ...]:
        found = self._images
        return () if isinstance(found, FrameError) else found

    def _size(self) -> str | None:
        found = self._detectors
        if found:
            amplifiers = max(len(each.detector.amplifiers) for each in found)
            of = "" if amplifiers == 1 else f" of {amplifiers} amplifiers"
            return _size_of(found[0]) + of if len(found) == 1 else f"{len(found)} detectors, {_size_of(found[0])}{of}"
        axes = self._cards.get("NAXIS")
        if isinstance(axes, int) and axes > 0:
            sizes = [self._cards.get(f"NAXIS{axis}") for axis in range(1, axes + 1)]
        elif self._whole is not None and len(self._whole.images) == 1 and self._whole.images[0].layout is not None:
            sizes = list(self._whole.images[0].layout.shape_yx[::-1])
        else:
            return None
        while len(sizes) > 2 and sizes[-1] == 1:
            sizes.pop()
        return " x ".join(map(str, sizes))

    def _uncertain(self) -> str | None:
        from zeroframe.headers.looking import KEY_CARD

        facts = self._facts
        said = list(facts.doubts)
        if facts.kind is None:
            said.insert(0, facts.kind_reason)
        elif not facts.kind_certain:
            said.insert(0, f"the kind is from {facts.kind_reason}")
        if isinstance(self._images, FrameError):
            said.append(f"cannot be used by its headers alone: {self._images.reason}")
        if facts.done:
            said.append(f"done already: {', '.join(kind for kind, _ in facts.done)}")
        if KEY_CARD in self._cards:
            said.append("not a raw frame: zeroframe has made it")
        elif facts.combined:
            said.append("not a raw frame: it was combined from others")
        return "; ".join(said) or None


def _size_of(found: FoundDetector) -> str:
    """Return the size of a detector, x x y, as it is when its amplifiers are put together."""
    data = [each.place or each.trim for each in found.detector.amplifiers]
    ends = [[max(section.ranges[axis].ends()) for section in data if section is not None] for axis in (0, 1)]
    return " x ".join(str(max(each)) for each in ends if each)
